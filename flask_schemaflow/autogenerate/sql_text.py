"""SQL text on its way between models, databases and revision files, so that it arrives letter by letter.

Two things change SQL on that way. ``sa.text()`` takes a colon before a word for a parameter, which DDL writes as NULL.
And an expression that is compiled for a driver with ``%s`` parameters has each percent sign doubled, which the driver
takes back when it executes the text, but nobody does when the text is written into a file or compared.

All SQL of this package that is reflected or compiled goes through here. A text that isn't escaped is what the server
gets; what ``sa.text()`` is given is always escaped.
"""

from __future__ import annotations

import functools
import re
import typing as t

import sqlalchemy as sa
from sqlalchemy.dialects import mysql
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateColumn

from ..backfills.sql import single_percents
from ..runtime.guard import MYSQL
from ..runtime.guards.sqlite.tokens import text_of
from ..runtime.guards.sqlite.tokens import tokens
from ..runtime.guards.sqlite.tokens import with_depth
from .reflection.sqlite_pragmas import Generated
from .reflection.sqlite_pragmas import generated_column

if t.TYPE_CHECKING:
    from .reflection.renamed_inspector import Renames

# Alembic doesn't know a literal of several lines for one, and takes it for an expression each time.
_LITERAL_IN_PARENTHESES = re.compile(r"\A\(+('(?:[^']|'')*')\)+\Z")


def escaped(text: str) -> str:
    """Return SQL as ``sa.text()`` has to be given it.

    Only colons that need it get a backslash, so that a cast stays readable.
    """
    if ":" not in text:
        return text
    readable = re.sub(r"(?<![:\w\\]):(?=\w)", r"\\:", text)
    return readable if _arrives(readable, text) else text.replace(":", r"\:")


def _arrives(candidate: str, text: str) -> bool:
    compiled = sa.text(candidate).compile()
    return str(compiled) == text and not compiled.params


def is_plain(*names: str | None) -> bool:
    """Return whether every database reads these names without quotation marks."""
    return all(preparer.quote(name) == name for name in names if name for preparer in _preparers())


@functools.cache
def _preparers() -> tuple[t.Any, ...]:
    dialects: list[t.Any] = [sqlite.dialect, postgresql.dialect, mysql.dialect]
    return tuple(dialect().identifier_preparer for dialect in dialects)


def clause(text: str) -> sa.TextClause:
    """Return SQL as a clause; ``str()`` of the clause is the SQL again."""
    return sa.text(escaped(text))


def compiled(element: t.Any, dialect: sa.Dialect, **options: t.Any) -> str:
    """Return an expression as the server gets it, with its literals in place.

    :param options: for SQLAlchemy's compiler, such as ``include_table``.
    :raises sqlalchemy.exc.CompileError: when a literal has no spelling in this dialect.
    """
    # As a part of DDL: a statement by itself would be searched for parameters by SQLAlchemy 2.0.
    compiler: t.Any = t.cast(t.Any, dialect).ddl_compiler(dialect, None)
    return single_percents(str(compiler.sql_compiler.process(element, literal_binds=True, **options)), dialect)


def column_definition(column: sa.Column[t.Any], dialect: sa.Dialect) -> str:
    """Return a column as it stands in CREATE TABLE."""
    return single_percents(str(CreateColumn(column).compile(dialect=dialect)), dialect)


def with_exact_tables(inspector: sa.Inspector) -> sa.Inspector:
    """Have an inspector escape what it puts into tables; what it reports by itself stays as the database has it."""
    if "reflect_table" in vars(inspector):
        return inspector
    plain = inspector.reflect_table

    @functools.wraps(plain)
    def reflect_table(table: sa.Table, *args: t.Any, **options: t.Any) -> None:
        plain(table, *args, **options)
        escape_table(table)
        if isinstance(inspector.bind, sa.Connection):
            complete_table(inspector.bind, table, getattr(inspector, "renames", None))

    setattr(inspector, "reflect_table", reflect_table)  # noqa: B010 - shadows the method of this instance
    return inspector


def complete_table(connection: sa.Connection, table: sa.Table, renames: Renames | None = None) -> None:
    """Put into a reflected table what can't be read in the usual way.

    :param renames: those that the inspector of the table shows as done.
    """
    for column in table.columns:
        if column.computed is not None and connection.dialect.name == "sqlite":
            # SQLAlchemy finds the expression by a pattern, which stops where a line does.
            found = stored_expression(connection, column, renames)
            column.computed.sqltext = column.computed.sqltext if found is None else clause(found.text)
        elif isinstance(column.server_default, sa.DefaultClause) and connection.dialect.name in MYSQL:
            if str(column.server_default.arg).startswith("'") and "?" in str(column.server_default.arg):
                exact = _default_of_row(connection, column, renames)
                column.server_default.arg = column.server_default.arg if exact is None else exact


def _stored_names(column: sa.Column[t.Any], renames: Renames | None) -> tuple[str | None, str, str]:
    """Return the schema, table and name that a reflected column has in the database."""
    table = column.table
    if renames is None:
        return table.schema, table.name, column.name
    return *renames.stored(table), renames.stored_column(renames.key(table.schema, table.name), column.name)


def stored_expression(
    connection: sa.Connection, column: sa.Column[t.Any], renames: Renames | None
) -> Generated | None:
    """Return what SQLite keeps of a generated column, by the names that ``renames`` give; ``None`` if it isn't one."""
    schema, table, name = _stored_names(column, renames)
    found = generated_column(connection, table, schema, name)
    if found is None or renames is None:
        return found
    key = renames.key(column.table.schema, column.table.name)
    return found._replace(text=str(renames.expression(key, found.text)))


def _default_of_row(
    connection: sa.Connection, column: sa.Column[t.Any], renames: Renames | None
) -> sa.TextClause | None:
    """Have MariaDB make a row: it reports a question mark for each character of four bytes in a literal."""
    preparer = connection.dialect.identifier_preparer
    schema, table, stored = _stored_names(column, renames)
    name, source = preparer.quote(stored), preparer.format_table(sa.table(table, schema=schema))
    copy = "schemaflow_default"
    try:
        connection.exec_driver_sql(f"CREATE TEMPORARY TABLE {copy} AS SELECT {name} FROM {source} LIMIT 0")
    except sa.exc.DBAPIError:
        return None  # no right to make it, or a table that gets this name by and by
    try:
        connection.exec_driver_sql(f"INSERT INTO {copy} () VALUES ()")
        value = connection.exec_driver_sql(f"SELECT {name} FROM {copy}").scalar()
    finally:
        connection.exec_driver_sql(f"DROP TEMPORARY TABLE {copy}")
    return clause(compiled(sa.literal(value), connection.dialect)) if isinstance(value, str) else None


def _complete_condition(connection: sa.Connection, index: sa.Index) -> None:
    """Likewise the condition of a partial index."""
    schema = index.table.schema if index.table is not None else None
    prefix = f"{connection.dialect.identifier_preparer.quote(schema)}." if schema else ""
    query = f"SELECT sql FROM {prefix}sqlite_master WHERE type = 'index' AND name = ?"
    pieces = list(with_depth(tokens(str(connection.exec_driver_sql(query, (index.name,)).scalar() or ""))))
    start = next((n for n, (piece, depth) in enumerate(pieces) if piece.keyword == "WHERE" and depth == 0), None)
    if start is not None and "\n" in text_of(piece for piece, _ in pieces[start:]):
        condition = text_of(piece for piece, _ in pieces[start + 1 :]).strip()
        index.dialect_kwargs["sqlite_where"] = clause(condition)


def escape_table(table: sa.Table) -> None:
    """Escape the SQL of a table that was just reflected: SQLAlchemy takes it for the argument of ``sa.text()``."""
    for column in table.columns:
        column.type = _with_exact_values(column.type)
        if column.computed is not None:
            column.computed.sqltext = _exact(column.computed.sqltext)
        elif isinstance(column.server_default, sa.DefaultClause):
            column.server_default.arg = _exact(column.server_default.arg)
    for constraint in table.constraints:
        if isinstance(constraint, sa.CheckConstraint):
            constraint.sqltext = _exact(constraint.sqltext)
    for index in table.indexes:
        escape_index(index)


_ESCAPED = re.compile(r"\\(.)")
_CHARACTERS = {"n": "\n", "r": "\r", "0": "\0", "Z": "\x1a"}


def _with_exact_values(given: t.Any) -> t.Any:
    """Return a reflected type; MariaDB and MySQL write the values of ENUM and SET with backslashes escaped."""
    values = {mysql.ENUM: "enums", mysql.SET: "values"}.get(type(given))
    if values is None or not any("\\" in value for value in getattr(given, values)):
        return given
    plain = [_ESCAPED.sub(lambda match: _CHARACTERS.get(match[1], match[1]), item) for item in getattr(given, values)]
    return type(given)(*plain, charset=given.charset, collation=given.collation)


def escape_index(index: sa.Index) -> None:
    """Escape the expressions and the condition of an index that was just reflected."""
    index.expressions = [_exact(expression) for expression in index.expressions]
    for name, value in list(index.dialect_kwargs.items()):
        if name.endswith("_where") and value is not None:
            index.dialect_kwargs[name] = clause(value) if isinstance(value, str) else _exact(value)


def _exact(element: t.Any) -> t.Any:
    """Return the element with every text in it escaped that was made of a database's words."""
    if isinstance(element, sa.TextClause):
        return clause(element.text)
    if isinstance(element, sa.UnaryExpression):  # the sorting of an index
        element.element = _exact(element.element)
    return element


def _lengthen(reflected: t.Iterable[t.Any], models: t.Iterable[t.Any]) -> None:
    """Give reflected indexes and constraints the models' names, of which PostgreSQL keeps 63 bytes."""
    whole = {str(item.name).encode()[:63].decode(errors="ignore"): item.name for item in models if item.name}
    for item in reflected:
        item.name = whole.get(str(item.name), item.name)


def keep_exact(impl: t.Any) -> None:
    """Have Alembic's implementation of a dialect write expressions exactly, and compare reflected indexes so.

    :param impl: the one of the migration that is compared; others stay as they are.
    """
    if "render_ddl_sql_expr" in vars(impl):
        return
    render, correct = impl.render_ddl_sql_expr, impl.correct_for_autogen_constraints

    def render_ddl_sql_expr(expr: t.Any, *args: t.Any, **options: t.Any) -> str:
        text = single_percents(render(expr, *args, **options), impl.dialect)
        if not options.get("is_index") and "%(" in (exact := compiled(expr, impl.dialect, include_table=False)):
            text = exact  # Alembic compiles it as a statement, in which SQLAlchemy 2.0 takes that for a parameter
        if "\n" in text and options.get("is_server_default") and impl.dialect.name == "sqlite":
            text = _LITERAL_IN_PARENTHESES.sub(r"\1", text)
        # Expressions of indexes are written as literal_column(), which reads no parameters.
        return text if options.get("is_index") else escaped(text)

    def correct_for_autogen_constraints(uniques: t.Any, indexes: t.Any, *args: t.Any, **options: t.Any) -> None:
        for index in indexes:
            escape_index(index)
            if index.dialect_kwargs.get("sqlite_where") is not None:
                _complete_condition(impl.connection, index)
        if impl.dialect.name == "postgresql":
            for items, models in zip((uniques, indexes), args, strict=False):
                _lengthen(items, models)
        correct(uniques, indexes, *args, **options)

    impl.render_ddl_sql_expr = render_ddl_sql_expr
    impl.correct_for_autogen_constraints = correct_for_autogen_constraints
