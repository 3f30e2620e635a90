"""Passes over the directives of autogenerate: the one place where what Alembic found is turned into what was meant.

A pass is a class with ``name`` and ``apply(context, up)``, in a file of its own, entered in :data:`PASSES`.

What it gets
    ``up``, the operations of one database, to be changed in place: operations on existing tables lie in
    ``ModifyTableOps`` containers, everything else beside them. And the :class:`PassContext` of that database: the
    connection, the dialect, the models' tables, the database before and after renames, settings and answers.
    All passes run over one database before the next one is compared.

What it may put in
    Operations of Alembic, or those of :mod:`.operations` (``Statement`` is SQL with the SQL that undoes it). Only
    ``upgrade()`` is changed; ``downgrade()`` is made anew by reversing it after the last pass, so everything must have
    a ``reverse()``. A ``Statement`` stands beside the containers, never in one: a batch runs late and all at once.
    What has to happen between two changes of a table takes two containers with the statement between them.

How it asks
    ``context.ask(Question(...))``. Its answers come back in ``context.answers`` when ``migrate`` runs again, and are
    marked as used (``context.fill()`` does so, ``context.decisions.use()`` for others), or else they count as slips.
    Passes after one that asks don't run, so they never see what isn't settled; nothing is written. A pass asks all
    that it has to ask at once, the harmless answer as default.

How it speaks
    ``remark(operation, text, reverse_text)`` of :mod:`.operations` puts a comment before an operation in the file, and
    another before its reverse. ``context.tell(sentence)`` is printed, and is in ``Written.notices``.

How it adds imports
    ``context.imports.add("import shop.types")``, as whole lines.

Order
    :data:`PREPARATIONS` change what ``context.configure()`` is given, before anything is compared. The renames come
    first among the passes, because they have the comparison done again and what was changed before would be lost.
    Then come passes that take away differences which are none (these run for ``check`` as well), then those that
    correct operations, and last the one that speaks about drops, over what is left of them.

They run through the hook that Alembic's ``RevisionContext`` takes, so under every env.py, and before the
``process_revision_directives`` of env.py or ``Migrate(...)``, which has the last word. Of the other hooks of a user,
``include_name`` and ``include_object`` only see what ours let through, ``render_item`` and ``compare_type`` are asked
before ours; a preparation that brings one composes it with the one that is there.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import typing as t

import sqlalchemy as sa
from alembic.operations import ops
from alembic.runtime.migration import MigrationContext

from ..runtime.guards import Scope
from ..settings import Settings
from . import stakes
from .decisions import Decisions
from .operations import Key
from .operations import place_remarks
from .questions import Answers
from .questions import Question
from .renamed_inspector import renamed_inspector
from .renamed_inspector import Renames

PASSES: tuple[str, ...] = (
    ".renames_pass:RenamesPass",
    ".names_pass:NamesPass",
    ".ordering_pass:OrderingPass",
    ".computed_pass:ComputedPass",
    ".identity_pass:IdentityPass",
    ".foreign_key_indexes_pass:ForeignKeyIndexesPass",
    ".schemas:SchemasPass",
    ".enums.postgresql:PostgresqlEnumsPass",
    ".enums.mysql:MysqlEnumsPass",
    ".enums.unchecked:UncheckedEnumsPass",
    ".enums.checks:CheckedEnumsPass",
    ".type_changes:TypeChangesPass",
    ".not_null:NotNullPass",
    ".names_pass:UnnamedPass",
    ".drops_pass:DropsPass",
)
"""What ``migrate`` runs, in this order, as ``module:Class`` relative to this package."""

CHECK_PASSES: tuple[str, ...] = (
    ".enums.postgresql:PostgresqlEnumsFound",
    ".enums.checks:CheckedEnumsFound",
)
"""What ``check`` runs: passes that find or take away differences, and never ask."""

PREPARATIONS: tuple[str, ...] = (
    ".verifying.capture:remember",
    ".catalog:read_at_once",
    ".foreign_tables:leave_alone",
    ".schemas:take_part",
    ".comparators:prepare",
    ".type_rendering:prepare",
)
"""What changes the options of ``context.configure()`` before ``migrate`` and ``check`` compare.

``module:function`` relative to this package; the function takes the :class:`~flask_schemaflow.runtime.guards.Scope` of
the database, whose ``options`` are env.py's and may be changed in place.
"""


@dataclasses.dataclass(eq=False, repr=False)
class PassContext:
    """What a pass may look at, and where it leaves questions and notices.

    :param migration: Alembic's context of the database.
    :param decisions: what was told, asked and said so far, over all databases.
    :param settings: the application's settings.
    :param bind: the name of the database, ``None`` for the default one.
    :param imports: lines that the file needs at its top; a pass may add to them.
    :param renames: what ``up`` renames before it does anything else; empty before the pass for renames.
    """

    migration: MigrationContext
    decisions: Decisions
    settings: Settings
    bind: str | None = None
    imports: set[str] = dataclasses.field(default_factory=set)
    renames: Renames = dataclasses.field(default_factory=Renames)
    _after: tuple[Renames, sa.Inspector] | None = None

    @property
    def connection(self) -> sa.Connection:
        """The connection that was compared."""
        connection = self.migration.connection
        assert connection is not None
        return connection

    @functools.cached_property
    def inspector(self) -> sa.Inspector:
        """The database as it is: tables and columns have their old names."""
        return sa.inspect(self.connection)

    @property
    def inspector_after(self) -> sa.Inspector:
        """The database as ``up`` finds it once its renames are done: by the names that all other operations use."""
        if not self.renames:
            return self.inspector
        if self._after is None or self._after[0] is not self.renames:
            self._after = self.renames, renamed_inspector(self.connection, self.renames)
        return self._after[1]

    def stored(self, schema: str | None, table: str) -> Key | None:
        """The table that an operation names, as the database calls it now; ``None`` if it isn't there yet."""
        key = self.renames.old(self.renames.key(schema, table))
        return key if key is not None and self.inspector.has_table(key[1], schema=key[0]) else None

    def stored_column(self, schema: str | None, table: str, column: str) -> str:
        """The column that an operation names, as the database calls it now."""
        columns = self.renames.columns.get(self.renames.key(schema, table), {})
        return next((old for old, new in columns.items() if new == column), column)

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

    def has_rows(self, schema: str | None, table: str) -> bool:
        """Whether the table that an operation names has rows now; also true where they can't be counted."""
        key = self.stored(schema, table)
        if key is None:
            return False
        found = stakes.rows(self.connection, key)
        return found is None or bool(found)

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

    def ask(self, question: Question) -> None:
        """Have a question answered before anything is written."""
        self.questions.append(question)

    def tell(self, notice: str) -> None:
        """Say a sentence to the reader when the file is written."""
        self.notices.append(notice)

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
    return [_named(name)() for name in names]


def _named(name: str) -> t.Any:
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(module, __package__), attribute)


def hook(
    passes: t.Sequence[Pass], decisions: Decisions, scope: t.Callable[[], tuple[Settings, str | None]]
) -> t.Callable[[MigrationContext, t.Any, list[ops.MigrationScript]], None]:
    """The function that Alembic calls with the directives of each database.

    :param scope: settings and bind of the database that is being compared.
    """

    def process(migration: MigrationContext, revision: t.Any, directives: list[ops.MigrationScript]) -> None:
        settings, bind = scope()
        for script in directives:
            context = PassContext(migration, decisions, settings, bind, script.imports, _no_renames(migration))
            # Alembic appends a pair of operations for each database.
            up, down = script.upgrade_ops_list[-1], script.downgrade_ops_list[-1]
            if _run(passes, context, up):
                up.reverse_into(down)
                place_remarks(up, down)

    return process


def _no_renames(migration: MigrationContext) -> Renames:
    return Renames(default_schema=migration.dialect.default_schema_name)


def prepare(scope: Scope) -> None:
    """Complete what env.py passes to ``context.configure()``, before a database is compared."""
    for name in PREPARATIONS:
        _named(name)(scope)


def _run(passes: t.Sequence[Pass], context: PassContext, up: ops.UpgradeOps) -> bool:
    """Whether all passes ran; after a question the rest would work on what isn't settled."""
    asked = len(context.questions)
    for step in passes:
        step.apply(context, up)
        if len(context.questions) > asked:
            return False
    return True
