"""The plan of one ``batch_alter_table`` block: the table's new text, its column order, indexes and renames."""

from __future__ import annotations

import dataclasses
import typing as t

import sqlalchemy as sa
from sqlalchemy.util import topological

from ....errors.running import RebuildRefused
from . import render
from .table_sql import Clause
from .table_sql import ColumnText
from .table_sql import TableText
from .tokens import quoted
from .tokens import same
from .tokens import significant
from .tokens import text_of
from .tokens import Token
from .tokens import tokens

Operation = tuple[str, tuple[t.Any, ...], dict[str, t.Any]]


@dataclasses.dataclass
class AlterPlan:
    """A table as it will be. Names of columns are the old ones throughout; renaming comes last.

    :ivar renames: new names by old ones.
    :ivar types: the columns whose type was changed, with the new type.
    :ivar existing: the types that the revision says they had.
    :ivar generated: the columns that were plain and are to be generated.
    :ivar added: the columns that are new.
    :ivar dropped: the columns that go.
    :ivar indexes: statements that create new ones.
    :ivar without: names of the indexes that go.
    :ivar notices: sentences for the reader.
    """

    name: str
    table: TableText
    dialect: sa.Dialect
    conventions: list[render.Convention] = dataclasses.field(default_factory=list)
    ordering: t.Sequence[t.Sequence[str]] = ()
    renames: dict[str, str] = dataclasses.field(default_factory=dict)
    types: dict[str, t.Any] = dataclasses.field(default_factory=dict)
    existing: dict[str, t.Any] = dataclasses.field(default_factory=dict)
    generated: list[str] = dataclasses.field(default_factory=list)
    added: list[str] = dataclasses.field(default_factory=list)
    dropped: list[str] = dataclasses.field(default_factory=list)
    indexes: list[str] = dataclasses.field(default_factory=list)
    without: list[str] = dataclasses.field(default_factory=list)
    notices: list[str] = dataclasses.field(default_factory=list)

    def __post_init__(self) -> None:
        self._autoincrement = self.table.rowid_alias if self.table.has_autoincrement else ""

    def apply(self, operations: t.Iterable[Operation]) -> None:
        """Apply every operation, then put the columns in order.

        :raises RebuildRefused: for one that the table has nothing for.
        """
        for name, arguments, options in operations:
            handler: t.Callable[..., None] | None = getattr(self, f"_{name}", None)
            if handler is not None:  # comments don't exist in SQLite
                handler(*arguments, **options)
        if same(self._autoincrement, self.table.rowid_alias):
            self.table.set_autoincrement()
        if self.ordering:
            pairs = {pair for group in self.ordering for pair in zip(group, group[1:], strict=False)}
            names = [column.name for column in self.table.columns]
            order = list(topological.sort(pairs, names, deterministic_order=True))
            self.table.columns.sort(key=lambda column: order.index(column.name))

    def apply_table_args(self, arguments: t.Sequence[t.Any], options: t.Mapping[str, t.Any]) -> None:
        """Apply ``table_args`` and ``table_kwargs``: constraints, columns and options of the table as a whole."""
        constraints = [argument for argument in arguments if isinstance(argument, sa.Constraint)]
        columns = [sa.Column(column.name, sa.Integer()) for column in self.table.columns] if constraints else []
        sa.Table(self.name, sa.MetaData(), *columns, *constraints)
        self.apply([("add_constraint", (constraint,), {}) for constraint in constraints])
        added = [argument for argument in arguments if isinstance(argument, sa.Column)]
        for column in added:
            sa.Table(self.name, sa.MetaData(), column)
        self.apply([("add_column", (self.name, column), {"if_not_exists": True}) for column in added])
        if options.get("sqlite_autoincrement"):
            self.table.set_autoincrement()
        with_rowid = options.get("sqlite_with_rowid", self.table.has_rowid)
        strict = options.get("sqlite_strict", self.table.is_strict)
        if with_rowid != self.table.has_rowid or strict != self.table.is_strict:
            chosen = [word for word, is_on in (("WITHOUT ROWID", not with_rowid), ("STRICT", strict)) if is_on]
            self.table.tail = " " + ", ".join(chosen) if chosen else ""

    # -- operations, under Alembic's names ------------------------------------------------------------

    def _alter_column(
        self,
        table: str,
        column: str,
        *,
        nullable: bool | None = None,
        server_default: t.Any = False,
        name: str | None = None,
        type_: t.Any = None,
        existing_type: t.Any = None,
        **rest: t.Any,
    ) -> None:
        text = self._column(column)
        if type_ is not None:
            self.existing[text.name] = existing_type
            self._set_type(text, type_)
        if server_default is not False:
            self._set_default(text, server_default)
        if nullable is not None:
            text.set_nullable(nullable)
        if name is not None and name != text.name:
            self.renames[text.name] = name

    def _set_type(self, column: ColumnText, type_: t.Any) -> None:
        declared = render.type_text(type_, self.dialect)
        if same(column.name, self.table.rowid_alias) and isinstance(sa.types.to_instance(type_), sa.Integer):
            if declared.upper() != "INTEGER":
                self.notices.append(
                    f"{self.name}.{column.name} stays INTEGER, which holds 64 bits on SQLite: no other type of a "
                    "primary key gets its values automatically."
                )
            return
        self.types[column.name] = type_
        self._drop_type_check(column)
        column.set_type(declared)
        if same(column.name, self._autoincrement):
            self._move_primary_key(self.table.primary_key)

    def _set_default(self, column: ColumnText, value: t.Any) -> None:
        if isinstance(value, sa.Computed):
            column.set_generated(render.generated_text(value, self.dialect))
            self.generated.append(column.name)
            return
        try:
            column.set_default(render.default_text(value, self.dialect))
        except TypeError as error:
            raise RebuildRefused(
                f"{self.name}.{column.name} can't get a {type(value).__name__} as its default on SQLite.",
                hint=f'Add a new column instead: batch_op.add_column(sa.Column("{column.name}_new", ...))',
            ) from error

    def _add_column(
        self,
        table: str,
        column: sa.Column[t.Any],
        *,
        insert_before: str | None = None,
        insert_after: str | None = None,
        if_not_exists: bool | None = None,
        **rest: t.Any,
    ) -> None:
        existing = self.table.column(column.name)
        if existing is not None and existing.name not in self.dropped:
            if if_not_exists:
                return
            raise RebuildRefused(
                f"Table {self.name} has a column {existing.name} already.",
                hint=f'Leave the line out, or change the column: batch_op.alter_column("{existing.name}", ...)',
            )
        lead = "\n\t" if "\n" in self.table.text else " "
        text = ColumnText(lead + render.column_text(column, self.dialect))
        self.table.columns.insert(self._place_for(insert_before, insert_after), text)
        self.added.append(column.name)
        if column.primary_key:
            self._move_primary_key([*self.table.primary_key, column.name])

    def _drop_column(self, table: str, column: t.Any, *, if_exists: bool | None = None, **rest: t.Any) -> None:
        if if_exists and self.table.column(column.name) is None:
            return
        text = self._column(column.name)
        self.table.columns.remove(text)
        self.dropped.append(text.name)

    def _add_constraint(self, constraint: sa.Constraint) -> None:
        if isinstance(constraint, sa.PrimaryKeyConstraint):
            self._remove_primary_key()
        if isinstance(constraint, sa.CheckConstraint) and self._has_check(constraint):
            return
        self.table.add(self._in_old_names(render.constraint_text(constraint, self.dialect)))

    def _drop_constraint(self, constraint: sa.Constraint, *, if_exists: bool | None = None) -> None:
        name = constraint.name if isinstance(constraint.name, str) else ""
        if isinstance(constraint, sa.PrimaryKeyConstraint) and self._remove_primary_key(name):
            return
        if name and self.table.remove_named(name):
            return
        if isinstance(constraint, sa.CheckConstraint) and str(constraint.sqltext):
            self._drop_check(constraint)  # the one that came with a Boolean or an Enum, if there is one
            return
        unnamed = render.find_by_convention(self.name, self.table, name, self.conventions) if name else None
        if unnamed is not None:
            self.table.discard(unnamed)
        elif not if_exists:
            raise RebuildRefused(
                f"Table {self.name} has no constraint named {name}."
                if name
                else f"A constraint of table {self.name} is to be dropped, and its name is missing.",
                hint=render.describe(self.table),
            )

    def _create_index(self, index: sa.Index, *, if_not_exists: bool | None = None, **rest: t.Any) -> None:
        statement = render.index_text(index, self.dialect, bool(if_not_exists))
        self.indexes.append(self._in_old_names(statement, after="ON"))

    def _drop_index(self, index: sa.Index, *, if_exists: bool | None = None, **rest: t.Any) -> None:
        self.without.append(str(index.name))

    # -- parts ----------------------------------------------------------------------------------------

    def _place_for(self, before: str | None, after: str | None) -> int:
        """Return where a new column goes: before another one, after another one, or last."""
        for neighbour, distance in ((before, 0), (after, 1)):
            for place, column in enumerate(self.table.columns):
                if neighbour is not None and same(column.name, neighbour):
                    return place + distance
        return len(self.table.columns)

    def _column(self, name: str) -> ColumnText:
        column = self.table.column(name)
        if column is None:  # by the new name that an earlier operation gave it
            old = next((old for old, new in self.renames.items() if same(new, name)), None)
            column = self.table.column(old) if old is not None else None
        if column is None:
            raise RebuildRefused(
                f"Table {self.name} has no column {name}.",
                hint="Its columns are: " + ", ".join(column.name for column in self.table.columns) + ".",
            )
        return column

    def _has_check(self, constraint: sa.CheckConstraint) -> bool:
        """Return whether the table has a CHECK already: people repeat the ones that Alembic would lose."""
        condition = render.condition_text(constraint, self.dialect)
        name = constraint.name if isinstance(constraint.name, str) else ""
        return any(item.condition == condition and same(item.name, name) for item in self.table.clauses("CHECK"))

    def _drop_check(self, constraint: sa.CheckConstraint) -> None:
        condition = render.condition_text(constraint, self.dialect)
        for item in self.table.clauses("CHECK"):
            if not item.name and item.condition == condition:
                self.table.discard(item)

    def _drop_type_check(self, column: ColumnText) -> None:
        """Drop the unnamed CHECKs that only list a column's values: they belong to its type, a Boolean or an Enum."""
        for item in self.table.clauses("CHECK"):
            if not item.name and _lists_values_of(item, column.name):
                self.table.discard(item)
                self.notices.append(
                    f"{self.name}.{column.name} gets another type; its {' '.join(item.text.split())} is dropped."
                )

    def _move_primary_key(self, columns: t.Sequence[str]) -> None:
        self._remove_primary_key()
        self.table.add("PRIMARY KEY (" + ", ".join(quoted(column) for column in columns) + ")")

    def _remove_primary_key(self, name: str = "") -> bool:
        """Drop the primary key, its columns staying NOT NULL as in every other database.

        :param name: of the key; a key without a name goes by any.
        :returns: whether there was one.
        """
        key = self.table.primary_key
        if not key or (name and not same(self.table.primary_key_name or name, name)):
            return False
        alias = self.table.column(self.table.rowid_alias)
        self.table.remove_primary_key()
        if alias is not None:
            alias.set_nullable(False)
        return True

    def _in_old_names(self, text: str, after: str = "") -> str:
        """Return SQL with the old names of columns, which they keep until the end of the batch."""
        olds = {new.lower(): old for old, new in self.renames.items() if self.table.column(new) is None}
        pieces, active = tokens(text), not after
        for place, piece in enumerate(pieces):
            active = (active or piece.keyword == after) and piece.keyword != "REFERENCES"
            if active and piece.name.lower() in olds:
                pieces[place] = Token("quoted", quoted(olds[piece.name.lower()]))
        return text_of(pieces)


def _lists_values_of(item: Clause, column: str) -> bool:
    """Return whether a CHECK has the form ``CHECK (column IN (1, 'a'))``."""
    words = significant(item.pieces)
    place = next(place for place, piece in enumerate(words) if piece.keyword == "CHECK")
    inside = words[place + 2 : -1]
    return (
        len(inside) > 3
        and same(inside[0].name, column)
        and [piece.text.upper() for piece in inside[1:3]] == ["IN", "("]
        and inside[-1].text == ")"
        and all(piece.kind == "string" or piece.text == "," or piece.text.isdigit() for piece in inside[3:-1])
    )
