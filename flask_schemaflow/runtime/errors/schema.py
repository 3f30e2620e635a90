"""Compare what a revision asks for with what the database has: objects that exist, names, the revision it matches.

The revisions are read from their source, without running them, so only what they say plainly is known.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t

import sqlalchemy as sa
from alembic.script import Script
from alembic.script import ScriptDirectory

from ...revisions.calls import Call
from ...revisions.calls import calls_of
from ...revisions.calls import CreatedTables
from ...revisions.scripts import parents
from ..planning import function_for

_Table = tuple[str | None, str]


def calls_of_revision(revision: Script, direction: str, bind: str | None) -> list[Call]:
    """Return the operations of a revision for one database; none if its source can't be read."""
    try:
        return calls_of(function_for(revision.module, direction, bind))
    except LookupError:
        return []


# -- the revision that a database without a version matches ---------------------------------------


def newest_present(script: ScriptDirectory, connection: sa.Connection, bind: str | None) -> tuple[str, ...]:
    """Return the newest revision of which the database has every table and column, and nothing that was dropped.

    :returns: its id; several for a history with branches; none if the database matches no revision.
    """
    inspector, known = sa.inspect(connection), dict[_Table, frozenset[str]]()
    shape: dict[_Table, set[str]] = {}
    dropped: set[tuple[_Table, str]] = set()
    passed: list[Script] = []
    newest = 0
    for revision in reversed(list(script.iterate_revisions("heads", "base"))):
        for call in calls_of_revision(revision, "upgrade", bind):
            _replay(call, shape, dropped)
        passed.append(revision)
        tables = {*shape, *(table for table, _ in dropped)}
        known.update({table: _columns(inspector, table) for table in tables if table not in known})
        if shape and _matches(shape, dropped, known):
            newest = len(passed)
    passed = passed[:newest]
    followed = {parent for revision in passed for parent in parents(revision)}
    return tuple(revision.revision for revision in passed if revision.revision not in followed)


def _columns(inspector: sa.Inspector, table: _Table) -> frozenset[str]:
    """Return the columns of a table; none if it doesn't exist."""
    schema, name = table
    if not inspector.has_table(name, schema=schema):
        return frozenset()
    return frozenset(column["name"] for column in inspector.get_columns(name, schema=schema))


def _matches(
    shape: dict[_Table, set[str]], dropped: set[tuple[_Table, str]], known: dict[_Table, frozenset[str]]
) -> bool:
    present = all(known[table] and columns <= known[table] for table, columns in shape.items())
    return present and not any(column in known[table] or (not column and known[table]) for table, column in dropped)


def _replay(call: Call, shape: dict[_Table, set[str]], dropped: set[tuple[_Table, str]]) -> None:
    """Apply one operation to the tables and columns; ``("", table)`` stands for a table that was dropped."""
    name = call.table_name(0, "old_table_name" if call.name == "rename_table" else "table_name")
    if not isinstance(name, str):
        return
    table: _Table = (call.argument(9, "schema"), name)
    if call.name == "create_table":
        shape[table] = set(call.columns(1))
        dropped.difference_update({item for item in dropped if item[0] == table})
    elif call.name == "drop_table":
        shape.pop(table, None)
        dropped.difference_update({item for item in dropped if item[0] == table})
        dropped.add((table, ""))
    elif call.name == "rename_table":
        new = (table[0], str(call.argument(1, "new_table_name")))
        shape[new] = shape.pop(table, set())
        dropped.add((table, ""))
        dropped.discard((new, ""))
    elif call.name == "add_column":
        for column in call.columns(call.after_table):
            shape.setdefault(table, set()).add(column)
            dropped.discard((table, column))
    elif call.name in ("drop_column", "alter_column"):
        column = call.argument(call.after_table, "column_name")
        new_name = call.argument(99, "new_column_name")
        if isinstance(column, str) and (call.name == "drop_column" or new_name):
            shape.setdefault(table, set()).discard(column)
            dropped.add((table, column))
        if isinstance(new_name, str):
            shape.setdefault(table, set()).add(new_name)
            dropped.discard((table, new_name))


def stamp_advice(at: tuple[str, ...], heads: t.Collection[str], bind: str | None) -> str:
    """Return the advice for a database whose tables exist and whose version is missing.

    :param at: the result of :func:`newest_present`.
    """
    of_bind = f" --bind {bind}" if bind else ""
    anew = f"To start over, drop the tables and run `flask db upgrade{of_bind}`."
    if not at:
        return f"The tables match no revision here, so `flask db stamp` would record a wrong one. {anew}"
    if set(at) == set(heads):
        return (
            f"To keep the tables, run `flask db stamp{of_bind} head{'s' * (len(at) > 1)}` and then `flask db check`.\n"
            f"{anew}"
        )
    return (
        f"To keep the tables, which are as of revision {' and '.join(at)}, run `flask db stamp{of_bind} "
        f"{' '.join(at)}` and then `flask db upgrade{of_bind}`.\n{anew}"
    )


# -- objects that exist already -------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Existing:
    """An object that a revision would create and the database has.

    :param kind: ``table``, ``column``, ``index``, ``constraint`` or ``type``.
    :param text: the definition in the database; empty if unknown.
    :param same: whether it is as the revision would create it, as far as that is known.
    :param is_used: of a type, whether a column has it.
    :param is_gone: whether it was rolled back with the run, which had created it.
    """

    kind: str
    name: str
    text: str = ""
    same: bool | None = None
    is_used: bool = True
    is_gone: bool = False


# PostgreSQL, MariaDB and MySQL, SQLite.
_EXISTING = (
    ("column", r"""column ['"]?(?P<name>\w+)['"]? of relation .+ already exists"""),
    ("column", r"""duplicate column name:? ['"]?(?P<name>[^'"]+)"""),
    ("index", r"""(?:duplicate key name|index) ['"`]?(?P<name>[^'"`]+?)['"`]?(?: already exists|$)"""),
    ("constraint", r"""duplicate (?:foreign key|check) constraint name ['"]?(?P<name>[^'"]+)"""),
    ("constraint", r"""constraint ['"]?(?P<name>[^'"]+)['"]? (?:for|on) relation .+ already exists"""),
    ("table", r"""(?:table|relation|view|type) ['"`]?(?P<name>[^'"`]+?)['"`]? already exists"""),
)
_COMPILED = tuple((kind, re.compile(text, re.I)) for kind, text in _EXISTING)
_CREATES_TYPE = re.compile(r"\s*CREATE\s+(?:TYPE|DOMAIN)\b", re.I)
_LABEL = re.compile(r"'((?:[^']|'')*)'")
_TYPE = """
SELECT y.oid::regtype::text, ARRAY(SELECT enumlabel::text FROM pg_enum WHERE enumtypid = y.oid ORDER BY enumsortorder),
    ARRAY(SELECT a.attrelid::regclass || '.' || quote_ident(a.attname) FROM pg_attribute a
        JOIN pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
        WHERE a.atttypid IN (y.oid, y.typarray) AND NOT a.attisdropped ORDER BY 1)
FROM pg_type y WHERE y.typname = :name AND pg_type_is_visible(y.oid)
"""
_KINDS = {"create_index": "index", "create_table": "table", "add_column": "column"}


def existing(words: str, statement: str, call: Call | None, connection: sa.Connection | None) -> Existing | None:
    """Return the object that a database refused to create a second time.

    :param words: the database's words.
    :param statement: the refused SQL.
    :param call: the operation of the revision, if it is known.
    """
    found = next(((kind, match) for kind, regex in _COMPILED if (match := regex.search(words))), None)
    if found is None:
        return None
    kind, name = _KINDS.get(call.name if call else "", found[0]), found[1]["name"]
    if _CREATES_TYPE.match(statement):
        return _existing_type(name, statement, connection)
    if connection is None or call is None:
        return Existing(kind, name)
    if kind == "index":
        return _existing_index(name, call, connection)
    if kind == "column":
        return _existing_column(name, statement, call, connection)
    if kind == "table":
        return _existing_table(name, call, connection)
    return Existing(kind, name)


@dataclasses.dataclass(frozen=True)
class Creation:
    """The line of a revision that creates an object which a later line creates once more.

    :param columns: of a table, its columns.
    """

    revision: str
    path: str
    line: int
    columns: frozenset[str] = frozenset()


def created_before(
    script: ScriptDirectory, revision: Script, line: int, present: Existing, bind: str | None
) -> Creation | None:
    """Return the line that creates a table, column or index before a line of a revision runs, if the sources say so.

    :param present: what that line can't create.
    """
    for earlier in script.iterate_revisions(revision.revision, "base"):
        calls = calls_of_revision(earlier, "upgrade", bind)
        for call in reversed([call for call in calls if earlier is not revision or call.line < line]):
            verb = _effect(call, present)
            if verb:
                columns = frozenset(call.columns(1)) if call.name == "create_table" else frozenset()
                return Creation(earlier.revision, earlier.path, call.line, columns) if verb == "creates" else None
    return None


def _effect(call: Call, present: Existing) -> str:
    """Return ``creates`` or ``drops`` if an operation does that to an object, else an empty text."""
    table, _, column = present.name.partition(".") if present.kind == "column" else (present.name, "", "")
    if present.kind == "index":
        is_it = call.argument(0, "index_name") == present.name
        return {"create_index": "creates", "drop_index": "drops"}.get(call.name, "") if is_it else ""
    if call.name == "rename_table" and present.kind == "table":
        names = (call.argument(1, "new_table_name"), call.argument(0, "old_table_name"))
        return "creates" if names[0] == table else "drops" if names[1] == table else ""
    if call.table_name() != table:
        return ""
    if call.name == "drop_table":
        return "drops"
    if call.name == "create_table" and (not column or column in call.columns(1)):
        return "creates"
    if column and call.name == "add_column" and column in call.columns(call.after_table):
        return "creates"
    is_dropped = call.name == "drop_column" and call.argument(call.after_table, "column_name") == column
    return "drops" if column and is_dropped else ""


def _existing_type(name: str, statement: str, connection: sa.Connection | None) -> Existing:
    """Return a type of PostgreSQL, by the name and the values that it has."""
    row = None if connection is None else connection.execute(sa.text(_TYPE), {"name": name}).first()
    if row is None:
        return Existing("type", name)
    quoted, labels, columns = row
    wanted = [label.replace("''", "'") for label in _LABEL.findall(statement)]
    values = f" ({', '.join(map(repr, labels))})" if labels else ""
    used = f"used by {', '.join(columns)}" if columns else "used by no column"
    same = wanted == labels if labels and re.search(r"\bENUM\b", statement, re.I) else None
    return Existing("type", quoted, f"{quoted}{values}, {used}", same, bool(columns))


def _existing_index(name: str, call: Call, connection: sa.Connection) -> Existing:
    table, columns = call.table_name(1), call.literal(1 + call.after_table, "columns")
    inspector = sa.inspect(connection)
    for index in inspector.get_indexes(str(table)) if inspector.has_table(str(table)) else ():
        if index["name"] == name:
            unique = bool(call.literal(99, "unique"))
            shown = f"{'UNIQUE ' * bool(index['unique'])}({', '.join(map(str, index['column_names']))})"
            same = columns == index["column_names"] and unique == bool(index["unique"]) if columns else None
            return Existing("index", name, f"{name} on {table} {shown}", same)
    of_all = {index["name"] for indexes in inspector.get_multi_indexes().values() for index in indexes}
    if name not in of_all or connection.dialect.name in ("mysql", "mariadb"):  # there another table's is no obstacle
        return Existing("index", name, is_gone=True)
    return Existing("index", name, f"{name} on another table", False)


def _existing_column(name: str, statement: str, call: Call, connection: sa.Connection) -> Existing:
    table = call.table_name()
    inspector = sa.inspect(connection)
    for column in inspector.get_columns(str(table)) if inspector.has_table(str(table)) else ():
        if column["name"].lower() == name.lower():
            kind = column["type"].compile(connection.dialect)
            wanted = " ".join(statement.split()).partition(name)[2].lstrip('"`] ')
            plain = re.sub(r"^(\w*INT\w*)\(\d+\)", r"\1", kind)  # MariaDB's display width
            same = wanted.upper().startswith((kind.upper(), plain.upper()))
            null = ("NOT NULL" in wanted.upper()) != column["nullable"]
            text = f"{table}.{name} {plain} {'NULL' if column['nullable'] else 'NOT NULL'}"
            return Existing("column", f"{table}.{name}", text, (same and null) if wanted else None)
    return Existing("column", f"{table}.{name}", is_gone=True)


def _existing_table(name: str, call: Call, connection: sa.Connection) -> Existing:
    inspector, schema = sa.inspect(connection), call.argument(99, "schema")
    if not inspector.has_table(name, schema=schema):
        return Existing("table", name, is_gone=True)
    if call.name != "create_table":
        return Existing("table", name)
    present = [column["name"] for column in inspector.get_columns(name, schema=schema)]
    same = set(call.columns(1)) == set(present)
    return Existing("table", name, f"{name} ({', '.join(present)})", None if same else False)


# -- names that are missing or wrong --------------------------------------------------------------

_NO_TABLE = re.compile(
    r"""(?:no such table: |relation "|Table '|NoSuchTableError: `?)(?P<name>[\w.]+)["'`]?"""
    r"(?: does not exist| doesn't exist|$)"
)


def never_created(words: str, script: ScriptDirectory, revision: str) -> str:
    """Return the name of a table that the database lacks and that no revision up to this one creates; or an empty text.

    :param words: those of the database or of SQLAlchemy.
    """
    found = _NO_TABLE.search(words)
    if found is None:
        return ""
    name = found["name"].rpartition(".")[2]
    paths = (earlier.path for earlier in script.iterate_revisions(revision, "base"))
    return "" if name in CreatedTables(paths) else name


def names_hint(call: Call, connection: sa.Connection) -> str:
    """Return a sentence with the names of the table's constraints or indexes, for one that is to be dropped."""
    table = call.table_name(1)
    if not isinstance(table, str):
        return ""
    inspector, schema = sa.inspect(connection), call.argument(99, "schema")
    if call.name == "drop_index":
        names = [str(index["name"]) for index in inspector.get_indexes(table, schema=schema)]
        return f"The indexes of {table} are: {', '.join(names)}." if names else f"{table} has no index."
    constraints: list[tuple[str, t.Sequence[t.Any]]] = [
        ("primary key", [inspector.get_pk_constraint(table, schema=schema)]),
        ("foreign key", inspector.get_foreign_keys(table, schema=schema)),
        ("unique", inspector.get_unique_constraints(table, schema=schema)),
        ("check", inspector.get_check_constraints(table, schema=schema)),
    ]
    named = [(kind, item) for kind, items in constraints for item in items if item.get("name")]
    if not named:
        return f"{table} has no named constraint."
    columns = (", ".join(item.get("constrained_columns") or item.get("column_names") or ()) for _, item in named)
    shown = [f"{item['name']} ({kind} {of}".rstrip() + ")" for (kind, item), of in zip(named, columns, strict=True)]
    return f"The constraints of {table} are: {', '.join(shown)}."
