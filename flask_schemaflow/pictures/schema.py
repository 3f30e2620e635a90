"""The tables of the models with the pending change, ready to be drawn: the comparison that ``migrate`` would make."""

from __future__ import annotations

import dataclasses
import re
import typing as t

import sqlalchemy as sa
from alembic.autogenerate import produce_migrations
from alembic.operations import ops

from ..autogenerate.compare import mapper_mistake
from ..autogenerate.decisions import Decisions
from ..autogenerate.describe import describe
from ..autogenerate.operations import label
from ..autogenerate.operations import leaves
from ..autogenerate.operations import RenameColumn
from ..autogenerate.operations import RenameTable
from ..autogenerate.operations import table_of
from ..autogenerate.passes.renames import RenamesPass
from ..autogenerate.pipeline import PassContext
from ..autogenerate.pipeline import passes_hook
from ..autogenerate.registry import CHECK_PASSES
from ..autogenerate.registry import prepare
from ..records import Record
from ..records import Standing
from ..revisions.summaries import summarize
from ..runtime.environment import Environment
from ..runtime.run import Options
from ..targets import Target

Change = t.Literal["", "added", "dropped", "changed", "renamed"]


@dataclasses.dataclass(frozen=True)
class Column(Record):
    """One column.

    :param type: as the database writes it.
    :param target: ``table.column`` of its foreign key, or empty.
    :param note: the change in words.
    :param revision: the pending revision that makes the change, if one does.
    """

    name: str
    type: str
    is_key: bool = False
    nullable: bool = True
    target: str = ""
    change: Change = ""
    note: str = ""
    revision: str = ""


@dataclasses.dataclass(frozen=True)
class Table(Record):
    """One table.

    :param name: with its schema, and with its database where there are several.
    :param notes: changes of indexes and constraints, in words.
    :param revision: the pending revision that adds, drops or renames it, if one does.
    """

    name: str
    columns: tuple[Column, ...]
    change: Change = ""
    notes: tuple[str, ...] = ()
    revision: str = ""

    @property
    def targets(self) -> tuple[str, ...]:
        """The names of the tables that its foreign keys refer to, each once."""
        found = (column.target.rpartition(".")[0] for column in self.columns if column.target)
        return tuple(dict.fromkeys(found))


@dataclasses.dataclass(frozen=True)
class Schema(Record):
    """All tables, by name.

    :param notes: changes that belong to no table.
    """

    tables: tuple[Table, ...]
    notes: tuple[str, ...] = ()

    @property
    def has_revisions(self) -> bool:
        """Whether pending revisions make some of the changes."""
        return any(table.revision or any(column.revision for column in table.columns) for table in self.tables)

    def count(self, change: Change) -> int:
        """Return how many tables and columns have this change; the columns of a whole table don't count."""
        return sum(
            1 if table.change == change != "changed" else sum(column.change == change for column in table.columns)
            for table in self.tables
        )


class CertainRenames(RenamesPass):
    """Renames as far as they are certain: a picture can't ask."""

    def apply(self, context: PassContext, up: ops.UpgradeOps) -> None:
        quiet = dataclasses.replace(context, settings=context.settings.changed(renames="certain"))
        super().apply(quiet, up)
        context.renames = quiet.renames


def schema_of(
    targets: t.Sequence[Target], environment: Environment | None, standings: t.Sequence[Standing] = ()
) -> Schema:
    """Return the schema of the models.

    :param targets: the databases.
    :param environment: where they are compared; ``None`` leaves the change out.
    :param standings: the databases' pending revisions, which make a part of the change.
    """
    mapper_mistake()
    drafts = {target.name: Draft(target, prefix=len(targets) > 1) for target in targets}
    if environment is not None:
        _compare(environment, drafts)
    binds = {target.name: target.bind for target in targets}
    for standing in standings:
        for revision in standing.pending if standing.database in drafts else ():
            drafts[standing.database].note_revision(revision.id, summarize(revision.path, binds[standing.database]))
    tables = [table for draft in drafts.values() for table in draft.tables()]
    notes = tuple(note for draft in drafts.values() for note in draft.notes)
    return Schema(tuple(sorted(tables, key=lambda table: table.name)), notes)


def _compare(environment: Environment, drafts: dict[str, Draft]) -> None:
    """Apply the operations of each database to its draft."""
    hook = passes_hook(environment, (CertainRenames, *CHECK_PASSES), Decisions())

    def work(heads: t.Any, context: t.Any) -> list[t.Any]:
        script = produce_migrations(context, context.opts["target_metadata"])
        hook(context, heads, [script])
        database = environment.scope.database
        for operation in leaves(script.upgrade_ops_list[-1]):
            drafts[database].apply(operation)
        return []

    environment.run(work, Options("compare", binds=tuple(drafts), prepare=prepare), dont_mutate=True)


_RENAMED = re.compile(r"rename (?:table|column) (?P<table>.+?\.)?(?P<old>[^.]+) to (?P<new>.+)")


def _named(phrase: str) -> t.Iterable[str]:
    """Return the tables and columns that an operation is about, under their names afterwards, too."""
    if found := _RENAMED.fullmatch(phrase):
        table = found["table"] or ""
        return (table + found["old"], table + found["new"])
    return (word.rstrip(",") for word in phrase.split())


class Draft:
    """The tables of one database while changes are applied to them.

    :param prefix: whether names begin with the name of the database.
    """

    def __init__(self, target: Target, prefix: bool) -> None:
        self._dialect = target.sync_engine.dialect
        self._prefix = f"{target.name}:" if prefix else ""
        self.notes: list[str] = []
        self._tables: dict[str, Table] = {}
        for metadata in target.metadatas:
            for table in metadata.tables.values():
                self._add(table, "")

    def tables(self) -> t.Iterable[Table]:
        """Return the tables with what was applied to them."""
        return self._tables.values()

    def apply(self, operation: t.Any) -> None:
        """Note what one operation changes."""
        name = label((getattr(operation, "schema", None), table_of(operation)))
        words = describe(operation)
        if not words:
            return  # a part of another operation
        if isinstance(operation, ops.CreateTableOp):
            self._mark(name, "added", words)
        elif isinstance(operation, ops.DropTableOp):
            self._add(operation.to_table(), "dropped")
        elif isinstance(operation, RenameTable):
            self._mark(label((operation.schema, str(operation.new_table_name))), "renamed", words)
        elif isinstance(operation, ops.AddColumnOp):
            self._mark_column(name, operation.column.name, "added", words)
        elif isinstance(operation, ops.DropColumnOp):
            self._drop_column(name, operation, words)
        elif isinstance(operation, RenameColumn):
            self._mark_column(name, str(operation.modify_name), "renamed", words)
        elif isinstance(operation, ops.AlterColumnOp):
            self._mark_column(name, operation.column_name, "changed", words)
        else:
            self._note(name, words)

    def note_revision(self, revision: str, phrases: t.Iterable[str]) -> None:
        """Note the changes that a pending revision makes.

        :param phrases: its operations in words, such as ``rename column ticket.subject to title``.
        """
        named = {word for phrase in phrases for word in _named(phrase)}
        for key, table in self._tables.items():
            own = key.removeprefix(self._prefix)
            columns = tuple(
                column.changed(revision=column.revision or revision)
                if column.change and f"{own}.{column.name}" in named
                else column
                for column in table.columns
            )
            whole = table.revision or (revision if table.change not in ("", "changed") and own in named else "")
            self._tables[key] = table.changed(columns=columns, revision=whole)

    def _add(self, table: sa.Table, change: Change) -> None:
        name = self._name(table.fullname)
        columns = tuple(self._column(column, change) for column in table.columns)
        self._tables[name] = Table(name, columns, change)

    def _name(self, table: str) -> str:
        return f"{self._prefix}{table}"

    def _column(self, column: sa.Column[t.Any], change: Change, note: str = "") -> Column:
        try:
            kind = column.type.compile(self._dialect)
        except sa.exc.SQLAlchemyError:  # a type without a form in this dialect
            kind = type(column.type).__name__
        target = next((self._name(key.target_fullname) for key in column.foreign_keys), "")
        is_key = bool(column.primary_key)
        return Column(str(column.name), kind, is_key, bool(column.nullable), target, change, note)

    def _mark(self, table: str, change: Change, words: str) -> None:
        found = self._tables.get(self._name(table))
        if found is not None:
            columns = tuple(column.changed(change=change) if change == "added" else column for column in found.columns)
            notes = (words,) if change == "renamed" else ()
            self._tables[found.name] = found.changed(change=change, columns=columns, notes=found.notes + notes)

    def _mark_column(self, table: str, name: str, change: Change, words: str) -> None:
        found = self._tables.get(self._name(table))
        if found is None:
            return
        marked = tuple(
            column.changed(change=column.change or change, note="; ".join(filter(None, (column.note, words))))
            if column.name == name
            else column
            for column in found.columns
        )
        self._tables[found.name] = found.changed(columns=marked, change=found.change or "changed")

    def _drop_column(self, table: str, operation: ops.DropColumnOp, words: str) -> None:
        found = self._tables.get(self._name(table))
        if found is not None:
            dropped = self._column(operation.to_column(), "dropped", words)
            change = found.change or "changed"
            self._tables[found.name] = found.changed(columns=(*found.columns, dropped), change=change)

    def _note(self, table: str, words: str) -> None:
        found = self._tables.get(self._name(table))
        if found is None:
            self.notes += [words] if words else []
        elif found.change in ("", "changed", "renamed") and words:
            self._tables[found.name] = found.changed(change=found.change or "changed", notes=(*found.notes, words))
