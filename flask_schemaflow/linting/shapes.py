"""The shapes of the tables that a revision touches, before and after each statement.

Only tables that a statement names are read, so a revision of one table costs the same in a schema of a thousand.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t
import warnings

import sqlalchemy as sa

from ..autogenerate.comparators.checks import bare as bare_check
from ..runtime.guard import MYSQL
from ..runtime.guards.sqlite.rebuild import ASIDE
from .raw import query

_WORDS = re.compile(r"[\w$]+")
_RENAMES = re.compile(r"\b(?:RENAME|CHANGE|SET\s+SCHEMA)\b", re.I)
_COLUMN_CHECKS = """SELECT constraint_name, check_clause FROM information_schema.check_constraints
    WHERE constraint_schema = database() AND table_name = %s AND level = 'Column'"""
TEMPORARY = "_alembic_tmp_"
"""How the names of tables begin with which SQLite's batch mode rebuilds others."""


@dataclasses.dataclass(frozen=True)
class TableChange:
    """A difference that one statement made to an older table.

    :param kind: ``drop_table``, ``rename_table``, ``add_column``, ``drop_column``, ``rename_column``, ``type``,
        ``not_null``, ``drop_default``, ``charset``, ``add_unique``, ``add_foreign_key`` or ``add_check``.
    :param table: the table as it is called before the revision.
    :param old: its name, type or column before.
    :param new: the same afterwards; of a foreign key the other table.
    :param columns: the columns of a constraint, or the one that changed.
    :param referred: the columns of the other table.
    :param expression: the condition of a check.
    """

    kind: str
    table: str
    columns: tuple[str, ...] = ()
    old: t.Any = None
    new: t.Any = None
    referred: tuple[str, ...] = ()
    expression: str = ""


@dataclasses.dataclass(frozen=True)
class ColumnTraits:
    """What matters about a column: its type, and whether an INSERT may leave it out."""

    type: t.Any
    words: str
    nullable: bool
    supplied: bool

    @property
    def is_needed(self) -> bool:
        """Whether an INSERT that leaves it out fails."""
        return not self.nullable and not self.supplied


@dataclasses.dataclass(frozen=True)
class Shape:
    """One table: its columns and constraints."""

    name: str
    schema: str | None
    columns: dict[str, ColumnTraits]
    generated: frozenset[str]
    primary_key: tuple[str, ...]
    uniques: frozenset[tuple[str, ...]]
    foreign_keys: dict[tuple[str, ...], tuple[str, tuple[str, ...]]]
    checks: dict[str, str]
    charset: str = ""


def label(schema: str | None, name: str) -> str:
    """Return the name of a table, with its schema if that isn't the default one."""
    return f"{schema}.{name}" if schema else name


def split(table: str) -> tuple[str | None, str]:
    """Return schema and name of a label."""
    schema, _, name = table.rpartition(".")
    return schema or None, name


def shape_of(connection: sa.Connection, table: str) -> Shape | None:
    """Read the shape of a table; ``None`` if it isn't there."""
    schema, name = split(table)
    inspector = sa.inspect(connection)
    if not inspector.has_table(name, schema=schema):
        return None
    where: t.Any = {"schema": schema}
    is_mysql = connection.dialect.name in MYSQL
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", sa.exc.SAWarning)
        columns = inspector.get_columns(name, **where)
        primary = tuple(inspector.get_pk_constraint(name, **where).get("constrained_columns") or ())
        indexes = [item for item in inspector.get_indexes(name, **where) if item.get("unique")]
        uniques = [*inspector.get_unique_constraints(name, **where), *indexes]
        foreign_keys = inspector.get_foreign_keys(name, **where)
        checks = inspector.get_check_constraints(name, **where)
        options = inspector.get_table_options(name, **where) if is_mysql else {}
    compiler = connection.dialect.type_compiler_instance
    keys = [tuple(t.cast("list[str]", item["column_names"])) for item in uniques]
    return Shape(
        name,
        schema,
        {item["name"]: _column(item, compiler, primary, connection.dialect.name) for item in columns},
        frozenset(item["name"] for item in columns if item.get("computed")),
        primary,
        frozenset(names for names in keys if all(names)),
        dict(map(_foreign_key, foreign_keys)),
        _texts_of_checks(connection, name, checks),
        str(next((value for key, value in options.items() if key.endswith("default charset")), "")),
    )


def _foreign_key(item: t.Any) -> tuple[tuple[str, ...], tuple[str, tuple[str, ...]]]:
    """Return the columns of a foreign key, and the table and columns that they refer to."""
    referred = label(item.get("referred_schema"), item["referred_table"]), tuple(item["referred_columns"])
    return tuple(item["constrained_columns"]), referred


def _texts_of_checks(connection: sa.Connection, table: str, checks: t.Iterable[t.Any]) -> dict[str, str]:
    """Return the conditions of a table by the names of the checks; on MariaDB also those of columns."""
    texts = {str(item["name"]): item["sqltext"] for item in checks}
    if getattr(connection.dialect, "is_mariadb", False):
        texts |= {column: text for column, text in query(connection, _COLUMN_CHECKS, (table,))}
    return texts


def _column(item: t.Any, compiler: t.Any, primary: tuple[str, ...], dialect: str) -> ColumnTraits:
    try:
        words = compiler.process(item["type"])
    except sa.exc.CompileError:
        words = str(item["type"])
    numbered = dialect == "sqlite" and primary == (item["name"],)
    supplied = (
        item.get("default") is not None
        or bool(item.get("identity") or item.get("computed"))
        or item.get("autoincrement") is True
        or numbered
    )
    return ColumnTraits(item["type"], words, bool(item["nullable"]), supplied)


class ShapeBook:
    """The older tables of a database, by the names that they have before a revision."""

    def __init__(self, tables: t.Iterable[str] = ()) -> None:
        self.before: dict[str, Shape] = {}
        self.now: dict[str, Shape | None] = {}
        self.current = {name: name for name in tables}  # the name now of each
        self.copied: dict[str, str] = {}  # by table, the INSERT that fills its rebuilt copy

    def named(self, sql: str) -> list[str]:
        """Return the older tables whose names occur in a statement."""
        words = {word.lower() for word in _WORDS.findall(sql)}
        return [old for old, now in self.current.items() if self._occurs(split(now)[1], words, sql)]

    def _occurs(self, name: str, words: set[str], sql: str) -> bool:
        return name.lower() in words or TEMPORARY + name in words or (not name.isidentifier() and name in sql)

    def original(self, name: str) -> str | None:
        """Return what a table with this name now was called before the revision; ``None`` for a new one."""
        schema, plain = split(name)
        name = label(schema, plain.removeprefix(ASIDE))
        return next((old for old, now in self.current.items() if now == name), None)

    def learn(self, connection: sa.Connection, tables: t.Iterable[str]) -> list[str]:
        """Read the shapes of tables that aren't known yet, and return them."""
        new = []
        for table in tables:
            if table not in self.now:
                shape = shape_of(connection, self.current[table])
                self.now[table] = shape
                if shape is not None:
                    self.before[table] = shape
                    new.append(table)
        return new

    def changes(self, connection: sa.Connection, sql: str, tables: t.Iterable[str]) -> list[TableChange]:
        """Read tables again and return what a statement changed."""
        found: list[TableChange] = []
        for table in tables:
            if table not in self.now:  # locked, but not named, so nothing of its shape is known to change
                continue
            old = self.now[table]
            new = shape_of(connection, self.current[table])
            if new is None and old is not None:
                new, gone = self._moved(connection, table, sql)
                found += gone
            if new is not None:
                found += _differences(table, old or self.before[table], new, self._is_rename(table, sql), sql)
                self.now[table] = new
        return found

    def _moved(self, connection: sa.Connection, table: str, sql: str) -> tuple[Shape | None, list[TableChange]]:
        """Return the shape of a table under its new name, or that it is gone."""
        if _RENAMES.search(sql):
            schema, _ = split(self.current[table])
            words = [word for word in _WORDS.findall(sql) if word not in self.current.values()]
            candidates = [label(schema, word) for word in reversed(words)]
            candidates += [label(word, split(table)[1]) for word in reversed(words)]
            for name in candidates:
                if split(name)[1].startswith(ASIDE):
                    return None, []  # a rebuild, which puts a new table in its place
                new = shape_of(connection, name)
                if new is not None:
                    old, self.current[table] = self.current[table], name
                    return new, [TableChange("rename_table", table, old=old, new=name)]
        if table in self.copied:
            return None, []  # SQLite's batch mode, which puts the copy in its place
        self.now[table] = None
        return None, [TableChange("drop_table", table, old=self.current[table])]

    def _is_rename(self, table: str, sql: str) -> t.Callable[[str, t.Collection[str]], bool]:
        """Return a function that tells whether a column that is gone lives on under another name."""
        insert = self.copied.get(table)

        def renamed(column: str, came: t.Collection[str]) -> bool:
            if not came:
                return False
            if insert is not None:
                return column in _WORDS.findall(insert)
            return bool(_RENAMES.search(sql))

        return renamed


def _differences(
    table: str, old: Shape, new: Shape, renamed: t.Callable[[str, t.Collection[str]], bool], sql: str
) -> t.Iterator[TableChange]:
    came = [name for name in new.columns if name not in old.columns]
    names: dict[str, str] = {}
    for name in old.columns:
        if name in new.columns:
            names[name] = name
        elif renamed(name, came):
            names[name] = came.pop(0)
            yield TableChange("rename_column", table, (name,), name, names[name])
        else:
            yield TableChange("drop_column", table, (name,), old.columns[name])
    for name in came:
        yield TableChange("add_column", table, (name,), new=new.columns[name])
    for name, now in names.items():
        before, after = old.columns[name], new.columns[now]
        if before.words != after.words or _labels(before) != _labels(after):
            yield TableChange("type", table, (name,), before.type, after.type)
        if before.nullable and not after.nullable:
            yield TableChange("not_null", table, (name,))
        elif after.is_needed and not before.is_needed:
            yield TableChange("drop_default", table, (name,))
    texts = tuple(name for name, item in new.columns.items() if isinstance(item.type, sa.String))
    if old.charset != new.charset and texts and re.search(r"\bCONVERT\s+TO\b", sql, re.I):
        yield TableChange("charset", table, texts, old.charset, new.charset)
    yield from _new_constraints(table, old, new, names)


def _labels(column: ColumnTraits) -> t.Sequence[str]:
    return getattr(column.type, "enums", None) or ()


def _new_constraints(table: str, old: Shape, new: Shape, names: dict[str, str]) -> t.Iterator[TableChange]:
    def now(columns: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(names.get(name, name) for name in columns)

    keys = {now(columns) for columns in (*old.uniques, old.primary_key)}
    for columns in {*new.uniques, new.primary_key} - keys:
        if columns:
            yield TableChange("add_unique", table, columns)
    known = {now(columns): target[0] for columns, target in old.foreign_keys.items()}
    for columns, (other, referred) in new.foreign_keys.items():
        if known.get(columns) != other:
            yield TableChange("add_foreign_key", table, columns, new=other, referred=referred)
    checks = set(map(bare_check, old.checks.values()))
    for name, text in new.checks.items():
        if bare_check(text) not in checks:
            yield TableChange("add_check", table, (name,), expression=text)
