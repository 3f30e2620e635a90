"""What the detector knows of a schema: plain, frozen descriptions of tables.

The detector must be usable without a database, a model or Alembic, and its results must be the same every
time. So it is given these values and nothing else: whoever calls it (autogenerate, a benchmark, a test)
translates what it has into them. Order of columns, names of constraints and sequences are left out on
purpose: models and databases don't agree on them, so nothing may rest on them.
"""

from __future__ import annotations

import dataclasses
import functools
import typing as t

__all__ = ["ColumnShape", "ForeignKeyShape", "IndexShape", "Schema", "TableShape", "from_plain"]


@dataclasses.dataclass(frozen=True)
class ColumnShape:
    """One column.

    :param name: Its name, as the database spells it.
    :param type: The type as the dialect compiles it, ``VARCHAR(50)``; small differences of spelling are
        forgiven.
    :param nullable: Whether it may be NULL.
    :param default: The server default as SQL text, ``None`` without one.
    :param primary_key: Whether it is part of the primary key.
    """

    name: str
    type: str
    nullable: bool = True
    default: str | None = None
    primary_key: bool = False


@dataclasses.dataclass(frozen=True)
class ForeignKeyShape:
    """A foreign key: local columns, the table they refer to (perhaps ``schema.table``), and its columns."""

    columns: tuple[str, ...]
    ref_table: str
    ref_columns: tuple[str, ...] = ()
    ondelete: str | None = None


@dataclasses.dataclass(frozen=True)
class IndexShape:
    """An index: its columns, and whether it is unique."""

    columns: tuple[str, ...]
    unique: bool = False


@dataclasses.dataclass(frozen=True)
class TableShape:
    """One table. ``uniques`` are the columns of its unique constraints; no order here has a meaning."""

    columns: tuple[ColumnShape, ...]
    primary_key: tuple[str, ...] = ()
    foreign_keys: tuple[ForeignKeyShape, ...] = ()
    indexes: tuple[IndexShape, ...] = ()
    uniques: tuple[tuple[str, ...], ...] = ()

    @functools.cached_property
    def by_name(self) -> dict[str, ColumnShape]:
        """The columns by name."""
        return {column.name: column for column in self.columns}

    @functools.cached_property
    def targets(self) -> dict[str, frozenset[str]]:
        """The tables that each column refers to; columns without a foreign key are not in it."""
        found: dict[str, set[str]] = {}
        for key in self.foreign_keys:
            for name in key.columns:
                found.setdefault(name, set()).add(key.ref_table)
        return {name: frozenset(tables) for name, tables in found.items()}

    @functools.cached_property
    def unique_columns(self) -> frozenset[str]:
        """Columns that take part in a unique constraint or a unique index."""
        groups = [*self.uniques, *(index.columns for index in self.indexes if index.unique)]
        return frozenset(name for group in groups for name in group)

    @functools.cached_property
    def indexed_columns(self) -> frozenset[str]:
        """Columns that take part in any index."""
        return frozenset(name for index in self.indexes for name in index.columns)


Schema = t.Mapping[str, TableShape]
"""Tables by name; a table outside the default schema is named ``schema.table``."""


def from_plain(plain: t.Mapping[str, t.Any]) -> dict[str, TableShape]:
    """Read a schema from plain dicts and lists, as JSON holds it.

    :param plain: ``{table: {"columns": [{"name", "type", "nullable", "default", "pk"}], "pk": {"columns"},
        "fks": [{"columns", "ref_table", "ref_columns", "ondelete"}], "indexes": [{"columns", "unique"}],
        "uniques": [{"columns"}]}}``; every key but ``columns`` may be missing.
    :returns: The same schema as :class:`TableShape` by name.
    """
    return {name: _table(table) for name, table in plain.items()}


def _table(plain: t.Mapping[str, t.Any]) -> TableShape:
    columns = tuple(
        ColumnShape(
            name=column["name"],
            type=column["type"],
            nullable=bool(column.get("nullable", True)),
            default=column.get("default"),
            primary_key=bool(column.get("pk", False)),
        )
        for column in plain["columns"]
    )
    return TableShape(
        columns=columns,
        primary_key=tuple((plain.get("pk") or {}).get("columns", ())),
        foreign_keys=tuple(_foreign_key(key) for key in plain.get("fks", ())),
        indexes=tuple(_index(index) for index in plain.get("indexes", ())),
        uniques=tuple(_names(unique["columns"]) for unique in plain.get("uniques", ())),
    )


def _foreign_key(plain: t.Mapping[str, t.Any]) -> ForeignKeyShape:
    return ForeignKeyShape(
        columns=_names(plain["columns"]),
        ref_table=plain["ref_table"],
        ref_columns=_names(plain.get("ref_columns") or ()),
        ondelete=plain.get("ondelete"),
    )


def _index(plain: t.Mapping[str, t.Any]) -> IndexShape:
    return IndexShape(columns=_names(plain["columns"]), unique=bool(plain.get("unique")))


def _names(names: t.Iterable[str | None]) -> tuple[str, ...]:
    # An index over an expression has no name at that place.
    return tuple(name for name in names if name is not None)
