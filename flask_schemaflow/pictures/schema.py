"""The tables of the models with the pending change, ready to be drawn."""

from __future__ import annotations

import dataclasses
import typing as t

from ..records import Record

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
