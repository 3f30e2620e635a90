"""What a database makes of what the models say: the one comparison that no spelling can disturb.

Databases change what they are told. ``Boolean`` comes back from MariaDB as ``TINYINT(1)``, ``func.now()`` as
``current_timestamp()``; PostgreSQL writes ``status IN ('a', 'b')`` as ``((status)::text = ANY (...))``. Rules that
translate one spelling into the other never end. So the column of the model is created beside the real one, in a
temporary table that nobody else sees and that is gone at once, and both are read back in the same way: if
they read the same, then a migration would change nothing. The database is asked only about what looks
different at first, and about the same words only once in a run.
"""

from __future__ import annotations

import contextlib
import functools
import re
import typing as t

import sqlalchemy as sa
from alembic.autogenerate.api import AutogenContext
from sqlalchemy.dialects.postgresql import CreateEnumType
from sqlalchemy.dialects.postgresql import ENUM
from sqlalchemy.schema import AddConstraint
from sqlalchemy.schema import CreateIndex

from ...backfills.sql import single_percents
from ..operations.fills import stored_type
from ..sql_text import clause
from ..sql_text import column_definition
from ..sql_text import compiled
from ..sql_text import complete_table
from ..sql_text import escape_table

Read = t.TypeVar("Read")

NAME = "schemaflow_mirror"
"""The temporary table."""

_TEMPORARY_SCHEMA = "SELECT nspname FROM pg_catalog.pg_namespace WHERE oid = pg_catalog.pg_my_temp_schema()"


_INDEX = f"SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = 'pg_temp.{NAME}'::regclass"
_CONSTRAINT = f"""
SELECT pg_get_constraintdef(oid) FROM pg_constraint
WHERE conrelid = 'pg_temp.{NAME}'::regclass AND contype IN ('u', 'x')
"""


def mirror_of(context: AutogenContext) -> Mirror:
    """Return the mirror of the database that is compared; one for a run, with what it has learned."""
    memo = context.migration_context.impl.memo
    if "schemaflow_mirror" not in memo:
        assert context.connection is not None
        memo["schemaflow_mirror"] = Mirror(context.connection, context.migration_context.impl)
    return t.cast(Mirror, memo["schemaflow_mirror"])


class Mirror:
    """Creates columns and constraints of the models for a moment and reads them back.

    :param connection: the database; its open transaction stays as it is.
    :param impl: Alembic's implementation of its dialect, which corrects what is reflected.
    """

    def __init__(self, connection: sa.Connection, impl: t.Any) -> None:
        self.connection = connection
        self.impl = impl
        self._seen: dict[str, sa.Table | None] = {}
        self._definitions: dict[str, str | None] = {}

    @property
    def dialect(self) -> sa.Dialect:
        """The dialect of the database."""
        return self.connection.dialect

    def column(self, column: sa.Column[t.Any]) -> sa.Column[t.Any] | None:
        """Return a column of the models as the database would report it; ``None`` if it can't be tried out."""
        table = self._table([self._specification(column)], [column])
        return None if table is None else table.columns.get(column.name)

    def computed_column(self, column: sa.Column[t.Any]) -> sa.Column[t.Any] | None:
        """Return the same for a generated column, which needs the columns that its expression names."""
        assert column.computed is not None
        texts = [self.expression(column.computed.sqltext)]
        parts = [*self._columns(column.table, texts, but=column), self._specification(column)]
        table = self._table(parts, column.table.columns)
        return None if table is None else table.columns.get(column.name)

    def checks(self, table: sa.Table, constraints: t.Iterable[sa.CheckConstraint]) -> dict[int, str] | None:
        """Return the text that the database would report for each CHECK constraint, by its place in ``constraints``.

        :returns: Without those that can't be tried out; ``None`` if none can.
        """
        texts = {number: self.check_text(constraint) for number, constraint in enumerate(constraints)}
        found = self._checks(table, texts)
        if found is None and len(texts) > 1:
            alone = [self._checks(table, {number: text}) for number, text in texts.items()]
            if any(item is not None for item in alone):
                return {number: text for item in alone for number, text in (item or {}).items()}
        return found

    def _checks(self, table: sa.Table, texts: t.Mapping[int, str]) -> dict[int, str] | None:
        parts = [f"CONSTRAINT {NAME}_{number} CHECK ({text})" for number, text in texts.items()]
        columns = self._columns(table, texts.values())
        found = self._table([*columns, *parts], table.columns) if texts else sa.Table(NAME, sa.MetaData())
        if found is None:
            return None
        return {
            int(str(check.name).rpartition("_")[2]): str(check.sqltext)
            for check in found.constraints
            if isinstance(check, sa.CheckConstraint) and str(check.name or "").startswith(f"{NAME}_")
        }

    def index(self, index: sa.Index) -> str | None:
        """Return the definition that PostgreSQL would keep of an index; ``None`` if it can't be tried out."""
        create = single_percents(str(CreateIndex(index).compile(dialect=self.dialect)), self.dialect)
        table = t.cast(sa.Table, index.table)
        head, _, rest = create.partition(f" ON {self.dialect.identifier_preparer.format_table(table)} ")
        return self._definition(table, f"{head} ON {NAME} {rest}", _INDEX)

    def constraint(self, constraint: sa.Constraint) -> str | None:
        """Return the same of a unique or EXCLUDE constraint."""
        table = constraint.table
        add = single_percents(str(AddConstraint(constraint).compile(dialect=self.dialect)), self.dialect)
        return self._definition(table, f"ALTER TABLE {NAME} ADD {add.partition(' ADD ')[2]}", _CONSTRAINT)

    def _definition(self, table: sa.Table, statement: str, query: str) -> str | None:
        body = ", ".join(self._columns(table, [statement]))
        key = f"{body}; {statement}"
        if key not in self._definitions:
            read = functools.partial(_defined, statement, query)
            self._definitions[key] = self._first_that_works(body, table.columns, read)
        return self._definitions[key]

    def written_default(self, column: sa.Column[t.Any]) -> str | None:
        """Return the server default of a column of the models as it would be written."""
        try:
            text = t.cast("str | None", self._compiler.get_column_default_string(column))
            return None if text is None else single_percents(text, self.dialect)
        except sa.exc.CompileError:
            return None

    def _columns(self, table: sa.Table, texts: t.Iterable[str], but: sa.Column[t.Any] | None = None) -> list[str]:
        """Return the columns that expressions name; at least one, since a table needs it."""
        words = set(re.findall(r"\w+", " ".join(texts)))
        named = [column for column in table.columns if column.name in words or not column.name.isidentifier()]
        if not named and but is None:
            named = list(table.columns)[:1]
        return [
            self._specification(item) if item.computed is not None else self._plain(item)
            for item in named
            if item is not but and not item.system
        ]

    @functools.cached_property
    def _compiler(self) -> t.Any:
        dialect: t.Any = self.dialect
        return dialect.ddl_compiler(dialect, None)

    def _specification(self, column: sa.Column[t.Any]) -> str:
        counts = column.identity is not None and self.dialect.supports_identity_columns
        if column is column.table.autoincrement_column and not counts:
            # It would have to be a key on MariaDB, and make a sequence on PostgreSQL.
            return self._plain(column)
        return column_definition(column, self.dialect)

    def _plain(self, column: sa.Column[t.Any]) -> str:
        name = self.dialect.identifier_preparer.quote(column.name)
        type_ = self.dialect.type_compiler_instance.process(column.type, type_expression=column)
        return single_percents(f"{name} {type_}", self.dialect)

    def expression(self, expression: t.Any) -> str:
        """Return an expression of the models as it would be written for this database."""
        return compiled(expression, self.dialect, include_table=False)

    def check_text(self, constraint: sa.CheckConstraint) -> str:
        """Return the condition of a CHECK constraint, as it would be written for this database."""
        return self.expression(constraint.sqltext)

    def _table(self, parts: t.Sequence[str], columns: t.Iterable[sa.Column[t.Any]] = ()) -> sa.Table | None:
        """Return the temporary table made of ``parts``; ``None`` if it can't be made.

        :param columns: whose enums may have values that the database doesn't know yet.
        """
        # On lines of their own: SQLite keeps the text, and it is read by expressions that stop at the end of a line.
        body = ",\n".join(parts)
        if body not in self._seen:
            self._seen[body] = self._first_that_works(body, columns, self._reflected)
        return self._seen[body]

    def _first_that_works(
        self, body: str, columns: t.Iterable[sa.Column[t.Any]], read: t.Callable[[sa.Connection, str | None], Read]
    ) -> Read | None:
        """Return what is read of the temporary table: with the types of the database, else with those of the models."""
        try:
            with self._created(body) as (connection, schema):
                return read(connection, schema)
        except (sa.exc.SQLAlchemyError, NotImplementedError):
            pass  # no right to make temporary tables, or a type, a value, an operator class that isn't there yet
        types = created_types(columns, self.dialect) if self.dialect.name == "postgresql" else {}
        if not types:
            return None
        try:
            with self._in_savepoint(with_temporary(body, types, self.dialect), types.values()) as (connection, schema):
                return read(connection, schema)
        except (sa.exc.SQLAlchemyError, NotImplementedError):
            return None

    def _reflected(self, connection: sa.Connection, schema: str | None) -> sa.Table:
        table = sa.Table(
            NAME,
            sa.MetaData(),
            schema=schema,
            autoload_with=connection,
            resolve_fks=False,
            listeners=[("column_reflect", self.impl.autogen_column_reflect)],
        )
        escape_table(table)
        complete_table(connection, table)
        return table

    def _created(self, body: str) -> contextlib.AbstractContextManager[tuple[sa.Connection, str | None]]:
        forms = {"sqlite": self._in_memory, "postgresql": self._in_savepoint}
        return forms.get(self.dialect.name, self._temporary)(body)

    @contextlib.contextmanager
    def _in_memory(self, body: str) -> t.Iterator[tuple[sa.Connection, str | None]]:
        engine = sa.create_engine("sqlite://")
        try:
            with engine.connect() as connection:
                connection.execute(clause(f"CREATE TABLE {NAME} (\n{body}\n)"))
                yield connection, None
        finally:
            engine.dispose()

    @contextlib.contextmanager
    def _in_savepoint(
        self, body: str, statements: t.Iterable[str] = ()
    ) -> t.Iterator[tuple[sa.Connection, str | None]]:
        savepoint = self.connection.begin_nested()
        try:
            for statement in statements:
                self.connection.execute(clause(statement))
            self.connection.execute(clause(f"CREATE TEMPORARY TABLE {NAME} ({body})"))
            yield self.connection, self.connection.exec_driver_sql(_TEMPORARY_SCHEMA).scalar()
        finally:
            savepoint.rollback()

    @contextlib.contextmanager
    def _temporary(self, body: str) -> t.Iterator[tuple[sa.Connection, str | None]]:
        # Neither of the two ends a transaction on MariaDB and MySQL.
        self.connection.execute(clause(f"CREATE TEMPORARY TABLE {NAME} ({body})"))
        try:
            yield self.connection, None
        finally:
            self.connection.exec_driver_sql(f"DROP TEMPORARY TABLE {NAME}")


def _defined(statement: str, query: str, connection: sa.Connection, schema: str | None) -> t.Any:
    connection.execute(clause(statement))
    return connection.exec_driver_sql(query).scalar()


def same_type(one: sa.Column[t.Any], other: sa.Column[t.Any], dialect: sa.Dialect) -> bool:
    """Return whether two reflected columns have one type."""
    compiler = dialect.type_compiler_instance
    try:
        return bool(compiler.process(one.type) == compiler.process(other.type))
    except sa.exc.CompileError:
        return False


def default_text(column: sa.Column[t.Any]) -> str | None:
    """Return the server default of a reflected column as the database spells it."""
    default = column.server_default
    return str(default.arg) if isinstance(default, sa.DefaultClause) else None


def same_computed(one: sa.Column[t.Any], other: sa.Column[t.Any]) -> bool:
    """Return whether two reflected columns are generated by one expression, and stored alike."""
    a, b = one.computed, other.computed
    if a is None or b is None:
        return a is b
    return _squeezed(a.sqltext) == _squeezed(b.sqltext) and bool(a.persisted) == bool(b.persisted)


def _squeezed(expression: t.Any) -> str:
    return re.sub(r"\s+", " ", str(expression)).strip()


IDENTITY_OPTIONS = ("always", "start", "increment", "minvalue", "maxvalue", "cycle", "cache")


def same_identity(one: sa.Column[t.Any], other: sa.Column[t.Any]) -> bool:
    """Return whether two reflected columns count in one way."""
    a, b = one.identity, other.identity
    if a is None or b is None:
        return a is b
    return all(getattr(a, name) == getattr(b, name) for name in IDENTITY_OPTIONS)


SCHEMA = "pg_temp"


def created_types(columns: t.Iterable[sa.Column[t.Any]], dialect: sa.Dialect) -> dict[str, str]:
    """Return the statements that create the enum types of columns, by the names that DDL has for the types."""
    statements = {}
    for column in columns:
        enum = _enum(column.type, dialect)
        if enum is not None and enum.name:
            made = ENUM(*enum.enums, name=str(enum.name), schema=SCHEMA)
            text = str(CreateEnumType(made).compile(dialect=dialect))
            statements[dialect.type_compiler_instance.process(enum)] = single_percents(text, dialect)
    return statements


def with_temporary(sql: str, types: t.Iterable[str], dialect: sa.Dialect) -> str:
    """Return SQL that names the temporary types for ``types``; only names with a schema have to be replaced."""
    quote = dialect.identifier_preparer.quote
    for name in types:
        schema, dot, plain = name.rpartition(".")
        sql = sql.replace(f"{schema}.{plain}", f"{quote(SCHEMA)}.{plain}") if dot else sql
    return sql


def _enum(given: t.Any, dialect: sa.Dialect) -> sa.Enum | None:
    found = stored_type(given, dialect)
    if isinstance(found, sa.ARRAY):
        return _enum(found.item_type, dialect)
    return found if isinstance(found, sa.Enum) and found.native_enum else None
