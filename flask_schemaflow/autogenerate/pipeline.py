"""Passes over the directives of autogenerate: the one place where what Alembic found is turned into what was meant.

They run through the hook that Alembic's ``RevisionContext`` takes, so under every env.py and before the
``process_revision_directives`` of env.py itself. Each pass changes ``upgrade()`` only; ``downgrade()`` is made
anew by reversing it, so an operation that a pass puts in must have a ``reverse()``.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import typing as t

import sqlalchemy as sa
from alembic.operations import ops
from alembic.runtime.migration import MigrationContext

from ..settings import Settings
from .decisions import Decisions
from .operations import Key
from .questions import Answers
from .questions import Question

PASSES: tuple[str, ...] = (
    ".renames_pass:RenamesPass",
)
"""What ``migrate`` runs, in this order, as ``module:Class`` relative to this package."""

CHECK_PASSES: tuple[str, ...] = ()
"""What ``check`` runs as well: passes that take away differences which are none. They never ask."""


@dataclasses.dataclass
class PassContext:
    """What a pass may look at, and where it leaves questions and notices.

    :param migration: Alembic's context of the database.
    :param settings: the application's settings.
    :param bind: the name of the database, ``None`` for the default one.
    """

    migration: MigrationContext
    decisions: Decisions
    settings: Settings
    bind: str | None = None

    @property
    def connection(self) -> sa.Connection:
        """The connection that was compared."""
        connection = self.migration.connection
        assert connection is not None
        return connection

    @functools.cached_property
    def inspector(self) -> sa.Inspector:
        """The database as it is; passes that run after the renames see the old names in it."""
        return sa.inspect(self.connection)

    @property
    def dialect(self) -> str:
        """``sqlite``, ``postgresql``, ``mysql``, ``mariadb`` or another dialect's name."""
        return self.connection.dialect.name

    @property
    def database(self) -> str:
        """``default`` or the name of the bind."""
        return self.bind or "default"

    @functools.cached_property
    def tables(self) -> dict[Key, sa.Table]:
        """The tables of the models; the schema is ``None`` for the default one."""
        given = self.migration.opts["target_metadata"]
        metadatas = given if isinstance(given, (list, tuple)) else [given]
        default = self.connection.dialect.default_schema_name
        return {
            (None if table.schema == default else table.schema, table.name): table
            for metadata in metadatas
            for table in metadata.sorted_tables
        }

    @property
    def answers(self) -> Answers:
        """What was decided before."""
        return self.decisions.answers

    @property
    def questions(self) -> list[Question]:
        """What has to be asked; the passes after one that asks don't run, and nothing is written."""
        return self.decisions.questions

    @property
    def notices(self) -> list[str]:
        """What the reader has to be told."""
        return self.decisions.notices

    def fill(self, column: str) -> str | None:
        """What ``--fill`` gives to existing rows of ``table.column``, if anything."""
        found = self.answers.fills.get(column)
        if found is not None:
            self.decisions.use("--fill", column)
        return found


class Pass(t.Protocol):
    """One step that turns what Alembic found into what was meant."""

    name: str

    def apply(self, context: PassContext, up: ops.UpgradeOps) -> None:
        """Change the operations of one database in place, or append to ``context.questions``."""


def load(names: t.Iterable[str]) -> list[Pass]:
    """The passes by name; their modules are imported now."""
    return [_load(name) for name in names]


def _load(name: str) -> Pass:
    module, _, attribute = name.partition(":")
    made: Pass = getattr(importlib.import_module(module, __package__), attribute)()
    return made


def hook(
    passes: t.Sequence[Pass], decisions: Decisions, scope: t.Callable[[], tuple[Settings, str | None]]
) -> t.Callable[[MigrationContext, t.Any, list[ops.MigrationScript]], None]:
    """The function that Alembic calls with the directives of each database.

    :param scope: settings and bind of the database that is being compared.
    """

    def process(migration: MigrationContext, revision: t.Any, directives: list[ops.MigrationScript]) -> None:
        settings, bind = scope()
        context = PassContext(migration, decisions, settings, bind)
        for script in directives:
            # Alembic appends a pair of operations for each database.
            up, down = script.upgrade_ops_list[-1], script.downgrade_ops_list[-1]
            if _run(passes, context, up):
                up.reverse_into(down)

    return process


def _run(passes: t.Sequence[Pass], context: PassContext, up: ops.UpgradeOps) -> bool:
    """Whether all passes ran; after a question the rest would work on what isn't settled."""
    asked = len(context.questions)
    for step in passes:
        step.apply(context, up)
        if len(context.questions) > asked:
            return False
    return True
