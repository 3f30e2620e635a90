"""What the operations of one ``batch_alter_table`` make of a table: its new text, and what has to be done besides."""

from __future__ import annotations

import dataclasses
import typing as t

import sqlalchemy as sa

from ...errors.running import RebuildRefused
from . import naming
from . import wording
from .column_text import Clause
from .column_text import ColumnText
from .placing import Placing
from .sql_text import quoted
from .sql_text import same
from .sql_text import significant
from .sql_text import text_of
from .sql_text import Token
from .sql_text import tokens
from .table_text import condition
from .table_text import ConstraintText
from .table_text import TableText

Operation = tuple[str, tuple[t.Any, ...], dict[str, t.Any]]


@dataclasses.dataclass
class Draft:
    """A table as it will be. Names of columns are the old ones throughout; renaming comes last.

    :ivar renames: new names by old ones.
    :ivar types: the columns whose type was changed, with the new type.
    :ivar added: the columns that are new.
    :ivar dropped: the columns that go.
    :ivar indexes: statements that create new ones.
    :ivar without: names of the indexes that go.
    :ivar notices: sentences for the reader.
    """

    name: str
    table: TableText
    dialect: sa.Dialect
    conventions: list[naming.Convention] = dataclasses.field(default_factory=list)
    ordering: t.Sequence[t.Sequence[str]] = ()
    renames: dict[str, str] = dataclasses.field(default_factory=dict)
    types: dict[str, t.Any] = dataclasses.field(default_factory=dict)
    added: list[str] = dataclasses.field(default_factory=list)
    dropped: list[str] = dataclasses.field(default_factory=list)
    indexes: list[str] = dataclasses.field(default_factory=list)
    without: list[str] = dataclasses.field(default_factory=list)
    notices: list[str] = dataclasses.field(default_factory=list)

    def __post_init__(self) -> None:
        self._placing = Placing([column.name for column in self.table.columns], self.ordering)

    def apply(self, operations: t.Iterable[Operation]) -> None:
        """Take in every operation, then put the columns in order.

        :raises RebuildRefused: for one that the table has nothing for.
        """
        for name, arguments, options in operations:
            handler: t.Callable[..., None] | None = getattr(self, f"_{name}", None)
            if handler is not None:  # comments don't exist in SQLite
                handler(*arguments, **options)
        order = self._placing.order()
        self.table.columns.sort(key=lambda column: order.index(column.name))

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
        **rest: t.Any,
    ) -> None:
        text = self._column(column)
        if type_ is not None:
            self.types[text.name] = type_
            self._drop_type_check(text)
            text.set_type(wording.type_text(type_, self.dialect))
        if server_default is not False:
            self._set_default(text, server_default)
        if nullable is not None:
            text.set_nullable(nullable)
        if name is not None and name != text.name:
            self.renames[text.name] = name

    def _set_default(self, column: ColumnText, value: t.Any) -> None:
        try:
            column.set_default(wording.default_text(value, self.dialect))
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
        self.table.columns.append(ColumnText(lead + wording.column_text(column, self.dialect)))
        self.added.append(column.name)
        self._placing.add(column.name, insert_before, insert_after)
        if column.primary_key:
            self._add_to_primary_key(column.name)

    def _drop_column(self, table: str, column: t.Any, *, if_exists: bool | None = None, **rest: t.Any) -> None:
        if if_exists and self.table.column(column.name) is None:
            return
        text = self._column(column.name)
        self.table.columns.remove(text)
        self.dropped.append(text.name)
        self._placing.drop(text.name)

    def _add_constraint(self, constraint: sa.Constraint) -> None:
        if isinstance(constraint, sa.PrimaryKeyConstraint):
            self.table.remove_primary_key()
        if isinstance(constraint, sa.CheckConstraint) and self._has_check(constraint):
            return
        self.table.add(self._in_old_names(wording.constraint_text(constraint, self.dialect)))

    def _drop_constraint(self, constraint: sa.Constraint, *, if_exists: bool | None = None) -> None:
        name = constraint.name if isinstance(constraint.name, str) else ""
        if name and self.table.remove_named(name):
            return
        if isinstance(constraint, sa.CheckConstraint) and str(constraint.sqltext):
            self._drop_check(constraint)  # the one that came with a Boolean or an Enum, if there is one
            return
        found = naming.find_by_convention(self.name, self.table, name, self.conventions) if name else None
        if found is not None:
            self.table.discard(found)
        elif not if_exists:
            raise RebuildRefused(
                f"Table {self.name} has no constraint named {name}."
                if name
                else f"A constraint of table {self.name} is to be dropped, and its name is missing.",
                hint=naming.describe(self.table),
            )

    def _create_index(self, index: sa.Index, *, if_not_exists: bool | None = None, **rest: t.Any) -> None:
        statement = wording.index_text(index, self.dialect, bool(if_not_exists))
        self.indexes.append(self._in_old_names(statement, after="ON"))

    def _drop_index(self, index: sa.Index, *, if_exists: bool | None = None, **rest: t.Any) -> None:
        self.without.append(str(index.name))

    # -- parts ----------------------------------------------------------------------------------------

    def _column(self, name: str) -> ColumnText:
        found = self.table.column(name)
        if found is None:  # by the new name that an earlier operation gave it
            old = next((old for old, new in self.renames.items() if same(new, name)), None)
            found = self.table.column(old) if old is not None else None
        if found is None:
            raise RebuildRefused(
                f"Table {self.name} has no column {name}.",
                hint="Its columns are: " + ", ".join(column.name for column in self.table.columns) + ".",
            )
        return found

    def _has_check(self, constraint: sa.CheckConstraint) -> bool:
        """People restate CHECKs that Alembic would lose; the same one twice is one."""
        wanted = wording.condition_text(constraint, self.dialect)
        name = constraint.name if isinstance(constraint.name, str) else ""
        return any(condition(item) == wanted and same(item.name, name) for _, item in self.table.checks())

    def _drop_check(self, constraint: sa.CheckConstraint) -> None:
        wanted = wording.condition_text(constraint, self.dialect)
        for _, item in list(self.table.checks()):
            if not item.name and condition(item) == wanted:
                self.table.discard(item)

    def _drop_type_check(self, column: ColumnText) -> None:
        """A CHECK without a name that only lists a column's values belongs to its type: a Boolean, an Enum."""
        for _, item in list(self.table.checks()):
            if not item.name and _lists_values_of(item, column.name):
                self.table.discard(item)
                self.notices.append(
                    f"{self.name}.{column.name} gets another type; its {' '.join(item.text.split())} is dropped."
                )

    def _add_to_primary_key(self, name: str) -> None:
        columns = [*self.table.primary_key, name]
        self.table.remove_primary_key()
        self.table.add("PRIMARY KEY (" + ", ".join(quoted(column) for column in columns) + ")")

    def _in_old_names(self, text: str, after: str = "") -> str:
        """Constraints and indexes may name columns as they will be called; until the end they have old names."""
        olds = {new.lower(): old for old, new in self.renames.items() if self.table.column(new) is None}
        pieces, active = tokens(text), not after
        for place, piece in enumerate(pieces):
            active = (active or piece.keyword == after) and piece.keyword != "REFERENCES"
            if active and piece.name.lower() in olds:
                pieces[place] = Token("quoted", quoted(olds[piece.name.lower()]))
        return text_of(pieces)


def _lists_values_of(item: Clause | ConstraintText, column: str) -> bool:
    """``CHECK (column IN (1, 'a'))``"""
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
