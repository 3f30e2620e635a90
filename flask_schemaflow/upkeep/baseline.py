"""The first revision of an application whose tables are there already, as ``db.create_all()`` or others created them.

It is written from the live schema and not from the models: what the models have and the database hasn't is the second
revision, which an upgrade can apply. The file is run on an empty database and the result compared with the live one.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t

import sqlalchemy as sa
from alembic.autogenerate import RevisionContext
from alembic.operations import ops
from alembic.script import Script
from sqlalchemy import event
from sqlalchemy.dialects import sqlite

from ..autogenerate.compare import compare
from ..autogenerate.compare import revision_context
from ..autogenerate.decisions import Decisions
from ..autogenerate.operations import Key
from ..autogenerate.operations import label
from ..autogenerate.passes.enums.postgresql import PostgresqlEnumsPass
from ..autogenerate.passes.order import OrderingPass
from ..autogenerate.passes.schemas import SchemasPass
from ..autogenerate.passes.schemas import SequencesPass
from ..autogenerate.pipeline import Pass
from ..autogenerate.pipeline import PassContext
from ..autogenerate.pipeline import passes_hook
from ..autogenerate.reflection.foreign_tables import KNOWN
from ..autogenerate.reflection.foreign_tables import matches
from ..autogenerate.reflection.foreign_tables import owned_by_database
from ..autogenerate.registry import prepare
from ..autogenerate.sql_text import complete_table
from ..autogenerate.sql_text import escape_table
from ..autogenerate.verify.copies_postgresql import forget_own_sequence
from ..autogenerate.verify.scratch import ScratchEnvironment
from ..autogenerate.verify.scratch import user_schemas
from ..autogenerate.verify.snapshot import differences
from ..autogenerate.verify.snapshot import Snapshot
from ..autogenerate.verify.snapshot import snapshot
from ..errors import SchemaflowError
from ..errors.upkeep import BaselineRefused
from ..errors.upkeep import CopyDiffers
from ..runtime.environment import Environment
from ..runtime.guard import Scope
from ..runtime.own_tables import is_own_table
from ..targets import Target
from .scratch import connected
from .scratch import reason_of
from .scratch import REASONS
from .scratch import schema_of
from .scratch import scratch_for
from .scratch import version_table_of
from .scratch import words_of

_MOST_NAMES = 10


@dataclasses.dataclass
class Found:
    """The tables of one database.

    :param own: those that the baseline creates.
    :param left_out: those that no model has and nobody named.
    """

    metadata: sa.MetaData
    own: tuple[Key, ...] = ()
    left_out: tuple[Key, ...] = ()


class Baseline:
    """The tables of each database and the revision that creates them.

    :param environment: the migrations folder, which must have no revision.
    :param named: further tables to take, without a model, as ``table`` or ``schema.table``.
    :ivar notices: sentences for the reader.
    """

    def __init__(self, environment: Environment, named: t.Collection[str] = ()) -> None:
        self.environment = environment
        self.named = set(named)
        self.found: dict[str | None, Found] = {}
        self.notices: list[str] = []

    def revision_context(self, **arguments: t.Any) -> RevisionContext:
        """Read the databases, and return Alembic's context of the revision that creates their tables.

        :param arguments: those of the revision, as Alembic names them.
        :raises BaselineRefused: if the folder has revisions, or a database has a current one or none has a table.
        """
        self._refuse_history()
        decisions = Decisions()
        hook = passes_hook(self.environment, (_NothingThere, *_PASSES), decisions)
        revisions = revision_context(self.environment, hook, **arguments)
        compare(self.environment, revisions, check=_refuse_version, prepared=self._read)
        self._refuse_empty()
        self.notices += decisions.notices
        return revisions

    def _refuse_history(self) -> None:
        heads = self.environment.script.get_heads()
        if heads:
            raise BaselineRefused(
                f"{self.environment.folder} has revisions already; a baseline is the first one.",
                hint=f"If the database matches them, record that: `flask db stamp {' '.join(heads)}`. Otherwise write "
                "another revision: `flask db migrate`.",
            )

    def _refuse_empty(self) -> None:
        unknown = self.named - {label(key) for found in self.found.values() for key in found.own}
        if unknown:
            raise BaselineRefused(
                f"No database has the table {', '.join(sorted(unknown))}.", hint="Fix the name after --table."
            )
        if any(found.own for found in self.found.values()):
            return
        others = sorted(label(key) for found in self.found.values() for key in found.left_out)
        if others:
            raise BaselineRefused(
                f"No existing table has a model: {_listed(others)}.",
                hint=f"Name those of the application: `flask db baseline --table {others[0]}`. Or import the models.",
            )
        raise BaselineRefused(
            "The database has no tables, so there is nothing for a baseline.",
            hint="Write the first revision from the models: `flask db migrate`.",
        )

    def _read(self, scope: Scope) -> None:
        """Put the live tables in place of the models, and an empty database in place of the live one."""
        target = next(target for target in self.environment.state.targets() if target.bind == scope.bind)
        found = self._tables(scope, target)
        self.found[scope.bind] = found
        scope.options["target_metadata"] = found.metadata
        scope.options["include_name"] = lambda name, kind, parents: kind != "table"
        prepare(scope)

    def _tables(self, scope: Scope, target: Target) -> Found:
        connection = scope.connection
        default = connection.dialect.default_schema_name
        modelled = {
            (None if table.schema == default else table.schema, table.name)
            for metadata in target.metadatas
            for table in metadata.tables.values()
        }
        inspector = sa.inspect(connection)
        there = [
            (schema, name)
            for schema in user_schemas(connection)
            for name in sorted(inspector.get_table_names(schema=schema))
            if not is_own_table(name) and name != version_table_of(scope.options)[0]
        ]
        foreign = set(owned_by_database(connection))
        patterns = scope.settings.ignore_tables
        own = tuple(key for key in there if key in modelled or label(key) in self.named)
        others = (key for key in there if key not in own and key not in foreign)
        left_out = tuple(key for key in others if not matches(key, KNOWN) and not matches(key, patterns))
        return Found(reflected(connection, own), own, left_out)

    def explain(self) -> list[str]:
        """Return sentences on what the revision leaves out."""
        for target in self.environment.state.targets():
            found = self.found.get(target.bind)
            if found is not None and found.left_out:
                names = [label(key) for key in found.left_out]
                self.notices.append(
                    f"Left out of the baseline of the {target.name} database, because no model has them: "
                    f"{_listed(names)}. To take one: `flask db baseline --table {names[0]}`."
                )
            with connected(target) as connection:
                others = _other_objects(connection)
            if found is not None and found.own and others:
                self.notices.append(
                    f"The {target.name} database also has {_listed(others)}, which the baseline doesn't create: "
                    "write them into it with op.execute()."
                )
        return self.notices

    def prove(self, script: Script, required: bool | None) -> None:
        """Run the revision on empty databases and compare the result with the live ones.

        :param required: whether to fail where there is no scratch database; ``False`` for no proof at all.
        :raises CopyDiffers: if it fails there or makes something else.
        """
        for target in self.environment.state.targets():
            found = self.found.get(target.bind)
            if required is False or found is None or not found.own:
                continue
            try:
                with scratch_for(self.environment, target) as scratch:
                    self._compare(scratch, target, found, script)
            except REASONS as error:
                text = f"The baseline of the {target.name} database was not run on an empty one: {reason_of(error)}."
                if required:
                    raise CopyDiffers(
                        text, hint="Name an empty database in SCHEMAFLOW_VERIFY_DATABASE_URL, or leave --verify out."
                    ) from error
                self.notices.append(text)

    def _compare(self, scratch: ScratchEnvironment, target: Target, found: Found, script: Script) -> None:
        hint = "Use --no-verify to write the file anyway and fix it by hand."
        try:
            scratch.upgrade(script.revision)
            with connected(target) as live, scratch.connect() as copy:
                made = schema_of(copy, scratch.options)
                different = differences(_of_tables(snapshot(live, (), found.own), made), made)
            scratch.downgrade("base")
            with scratch.connect() as copy:
                left = sorted(schema_of(copy, scratch.options))
        except SchemaflowError as error:
            raise CopyDiffers(
                f"The baseline fails on an empty database, so it was not kept: {words_of(error)}",
                details=error.details,
                hint=hint,
            ) from error
        different += [f"{part} stays after downgrade()" for part in left]
        if different:
            raise CopyDiffers(
                f"The baseline produces a different schema than the {target.name} database has, so it was not kept.",
                details="\n".join(f"  {item}" for item in different),
                hint=hint,
            )


class _Nothing:
    """Answers for an inspector of an empty database."""

    def has_table(self, *args: t.Any, **options: t.Any) -> bool:
        return False

    def get_schema_names(self, **options: t.Any) -> list[str]:
        return []

    def __getattr__(self, name: str) -> t.Any:
        if name.startswith("get_"):
            return lambda *args, **options: []
        raise AttributeError(name)


class _NothingThere:
    """Has the passes after it work as on an empty database."""

    name = "nothing_there"

    def apply(self, context: PassContext, up: ops.UpgradeOps) -> None:
        """Replace the inspector."""
        vars(context)["inspector"] = _Nothing()


_PASSES: tuple[type[Pass], ...] = (OrderingPass, SequencesPass, SchemasPass, PostgresqlEnumsPass)


def _refuse_version(heads: t.Any) -> None:
    if heads:
        raise BaselineRefused(
            f"A database is at {', '.join(heads)} already, and this folder has no such revision.",
            hint="Restore the revision files from version control. If they are lost, clear the "
            "version table first: `flask db stamp base --purge`",
        )


def reflected(connection: sa.Connection, keys: t.Sequence[Key]) -> sa.MetaData:
    """Return the tables as the database has them; foreign keys to others are kept by their names."""
    metadata = sa.MetaData()
    event.listen(sa.Table, "column_reflect", forget_own_sequence)
    try:
        for schema, name in keys:
            table = sa.Table(name, metadata, schema=schema, autoload_with=connection, resolve_fks=False)
            escape_table(table)
            complete_table(connection, table)
            _complete_options(connection, table)
    finally:
        event.remove(sa.Table, "column_reflect", forget_own_sequence)
    return metadata


_AUTOINCREMENT = re.compile(r"\bAUTOINCREMENT\b", re.I)


def _complete_options(connection: sa.Connection, table: sa.Table) -> None:
    """Put into the table what SQLAlchemy reflects in another way than a revision should have it."""
    for column in table.columns:
        if type(column.type) is sqlite.JSON:
            column.type = sa.JSON()  # which other databases have as well
        if not column.primary_key:
            column.autoincrement = "auto"
    items: list[t.Any] = [*table.indexes, *table.constraints]
    for item in items:
        for name in [name for name, value in item.dialect_kwargs.items() if value in ([], False, None)]:
            del item.dialect_kwargs[name]
    if connection.dialect.name == "sqlite" and table.schema is None:
        query = sa.text("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = :name")
        if _AUTOINCREMENT.search(str(connection.execute(query, {"name": table.name}).scalar() or "")):
            table.dialect_kwargs["sqlite_autoincrement"] = True
    for name in ("mysql_auto_increment", "mariadb_auto_increment"):  # the next number, which is none of the schema
        if name in table.kwargs:
            del table.dialect_kwargs[name]


def _of_tables(live: Snapshot, made: Snapshot) -> Snapshot:
    """Return the parts of tables, without enum types that none of them uses."""
    return {part: value for part, value in live.items() if not part.startswith("type ") or part in made}


def _other_objects(connection: sa.Connection) -> list[str]:
    """Return views and triggers, which a revision made of tables doesn't create."""
    inspector = sa.inspect(connection)
    found = [f"the view {name}" for name in inspector.get_view_names()]
    if connection.dialect.name == "postgresql":
        found += [f"the view {name}" for name in inspector.get_materialized_view_names()]
    query = _TRIGGERS.get(connection.dialect.name)
    return found + [f"the trigger {name}" for name in connection.exec_driver_sql(query).scalars()] if query else found


_TRIGGERS = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'trigger' ORDER BY name",
    "postgresql": "SELECT DISTINCT trigger_name FROM information_schema.triggers ORDER BY 1",
    "mysql": "SELECT trigger_name FROM information_schema.triggers WHERE trigger_schema = DATABASE() ORDER BY 1",
    "mariadb": "SELECT trigger_name FROM information_schema.triggers WHERE trigger_schema = DATABASE() ORDER BY 1",
}


def _listed(names: t.Sequence[str]) -> str:
    shown = ", ".join(names[:_MOST_NAMES])
    more = len(names) - _MOST_NAMES
    return f"{shown} and {more} more" if more > 0 else shown
