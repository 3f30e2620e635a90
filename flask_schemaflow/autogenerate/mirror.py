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

NAME = "schemaflow_mirror"
"""The temporary table."""

_TEMPORARY_SCHEMA = "SELECT nspname FROM pg_catalog.pg_namespace WHERE oid = pg_catalog.pg_my_temp_schema()"


def mirror_of(context: AutogenContext) -> Mirror:
    """The mirror of the database that is compared; one for a run, with what it has learned."""
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

    @property
    def dialect(self) -> sa.Dialect:
        """The dialect of the database."""
        return self.connection.dialect

    def column(self, column: sa.Column[t.Any]) -> sa.Column[t.Any] | None:
        """A column of the models as the database would report it; ``None`` if it can't be tried out."""
        table = self._table([self._specification(column)])
        return None if table is None else table.columns.get(column.name)

    def computed_column(self, column: sa.Column[t.Any]) -> sa.Column[t.Any] | None:
        """The same for a generated column, which needs the columns that its expression names."""
        assert column.computed is not None
        texts = [self.expression(column.computed.sqltext)]
        table = self._table([*self._columns(column.table, texts, but=column), self._specification(column)])
        return None if table is None else table.columns.get(column.name)

    def checks(self, table: sa.Table, constraints: t.Iterable[sa.CheckConstraint]) -> dict[int, str] | None:
        """The text that the database would report for each CHECK constraint, by its place in ``constraints``.

        :returns: ``None`` if they can't be tried out.
        """
        texts = [self.check_text(constraint) for constraint in constraints]
        parts = [f"CONSTRAINT {NAME}_{number} CHECK ({text})" for number, text in enumerate(texts)]
        found = self._table([*self._columns(table, texts), *parts]) if texts else sa.Table(NAME, sa.MetaData())
        if found is None:
            return None
        return {
            int(str(check.name).rpartition("_")[2]): str(getattr(check.sqltext, "text", check.sqltext))
            for check in found.constraints
            if isinstance(check, sa.CheckConstraint) and str(check.name or "").startswith(f"{NAME}_")
        }

    def written_default(self, column: sa.Column[t.Any]) -> str | None:
        """The server default of a column of the models as it would be written."""
        try:
            return t.cast("str | None", self._compiler.get_column_default_string(column))
        except sa.exc.CompileError:
            return None

    def _columns(self, table: sa.Table, texts: t.Iterable[str], but: sa.Column[t.Any] | None = None) -> list[str]:
        """The columns that expressions name; at least one, since a table needs it."""
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
        return str(sa.schema.CreateColumn(column).compile(dialect=self.dialect))

    def _plain(self, column: sa.Column[t.Any]) -> str:
        name = self.dialect.identifier_preparer.quote(column.name)
        type_ = self.dialect.type_compiler_instance.process(column.type, type_expression=column)
        return f"{name} {type_}"

    def expression(self, clause: t.Any) -> str:
        """An expression of the models as it would be written for this database."""
        return str(self._compiler.sql_compiler.process(clause, include_table=False, literal_binds=True))

    def check_text(self, constraint: sa.CheckConstraint) -> str:
        """The condition of a CHECK constraint, as it would be written for this database."""
        return self.expression(constraint.sqltext)

    def _table(self, parts: t.Sequence[str]) -> sa.Table | None:
        # On lines of their own: SQLite keeps the text, and it is read by expressions that stop at the end of a line.
        body = ",\n".join(parts)
        if body not in self._seen:
            try:
                with self._created(body) as (connection, schema):
                    self._seen[body] = self._reflected(connection, schema)
            except (sa.exc.SQLAlchemyError, NotImplementedError):
                # No right to make temporary tables, or a type that isn't there yet.
                self._seen[body] = None
        return self._seen[body]

    def _reflected(self, connection: sa.Connection, schema: str | None) -> sa.Table:
        return sa.Table(
            NAME,
            sa.MetaData(),
            schema=schema,
            autoload_with=connection,
            resolve_fks=False,
            listeners=[("column_reflect", self.impl.autogen_column_reflect)],
        )

    def _created(self, body: str) -> contextlib.AbstractContextManager[tuple[sa.Connection, str | None]]:
        forms = {"sqlite": self._in_memory, "postgresql": self._in_savepoint}
        return forms.get(self.dialect.name, self._temporary)(body)

    @contextlib.contextmanager
    def _in_memory(self, body: str) -> t.Iterator[tuple[sa.Connection, str | None]]:
        engine = sa.create_engine("sqlite://")
        try:
            with engine.connect() as connection:
                connection.exec_driver_sql(f"CREATE TABLE {NAME} (\n{body}\n)")
                yield connection, None
        finally:
            engine.dispose()

    @contextlib.contextmanager
    def _in_savepoint(self, body: str) -> t.Iterator[tuple[sa.Connection, str | None]]:
        savepoint = self.connection.begin_nested()
        try:
            self.connection.exec_driver_sql(f"CREATE TEMPORARY TABLE {NAME} ({body})")
            yield self.connection, self.connection.exec_driver_sql(_TEMPORARY_SCHEMA).scalar()
        finally:
            savepoint.rollback()

    @contextlib.contextmanager
    def _temporary(self, body: str) -> t.Iterator[tuple[sa.Connection, str | None]]:
        # Neither of the two ends a transaction on MariaDB and MySQL.
        self.connection.exec_driver_sql(f"CREATE TEMPORARY TABLE {NAME} ({body})")
        try:
            yield self.connection, None
        finally:
            self.connection.exec_driver_sql(f"DROP TEMPORARY TABLE {NAME}")


def same_type(one: sa.Column[t.Any], other: sa.Column[t.Any], dialect: sa.Dialect) -> bool:
    """Whether two reflected columns have one type."""
    compiler = dialect.type_compiler_instance
    try:
        return bool(compiler.process(one.type) == compiler.process(other.type))
    except sa.exc.CompileError:
        return False


def default_text(column: sa.Column[t.Any]) -> str | None:
    """The server default of a reflected column as the database spells it."""
    default = column.server_default
    return str(getattr(default.arg, "text", default.arg)) if isinstance(default, sa.DefaultClause) else None


def same_computed(one: sa.Column[t.Any], other: sa.Column[t.Any]) -> bool:
    """Whether two reflected columns are generated by one expression, and stored alike."""
    a, b = one.computed, other.computed
    if a is None or b is None:
        return a is b
    return _squeezed(a.sqltext) == _squeezed(b.sqltext) and bool(a.persisted) == bool(b.persisted)


def _squeezed(expression: t.Any) -> str:
    return re.sub(r"\s+", " ", str(expression)).strip()


IDENTITY_OPTIONS = ("always", "start", "increment", "minvalue", "maxvalue", "cycle", "cache")


def same_identity(one: sa.Column[t.Any], other: sa.Column[t.Any]) -> bool:
    """Whether two reflected columns count in one way."""
    a, b = one.identity, other.identity
    if a is None or b is None:
        return a is b
    return all(getattr(a, name) == getattr(b, name) for name in IDENTITY_OPTIONS)
