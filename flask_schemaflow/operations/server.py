"""What the operations ask of a server and tell it: its kind, quoted names, partitions, ALTER with a clause about locks.

For a partitioned table PostgreSQL has no CONCURRENTLY and no NOT VALID. So each partition gets its index or constraint
in the form for tables in use. When the table as a whole gets it then, by the plain statement, PostgreSQL finds those of
the partitions and takes them for its parts: no row is read.
"""

from __future__ import annotations

import contextlib
import hashlib
import typing as t

import sqlalchemy as sa
from alembic.operations import Operations
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import ExecutableDDLElement

from ..backfills.sql import ASKS
from ..backfills.sql import single_percents

Kind = t.Literal["postgresql", "mysql", "sqlite", "other"]

_NOT_ONLINE = (1064, 1800, 1845, 1846)
"""MariaDB and MySQL: a word or an algorithm that old ones don't know; "is not supported", without and with a reason."""
_KINDS: dict[str, Kind] = {"postgresql": "postgresql", "mysql": "mysql", "mariadb": "mysql", "sqlite": "sqlite"}

_LONGEST = 63  # bytes of a name
_IS_PARTITIONED = "SELECT 1 FROM pg_class WHERE oid = to_regclass(:table) AND relkind = 'p'"
_PARTITIONS = """
    SELECT CAST(n.nspname AS text), CAST(c.relname AS text) FROM pg_partition_tree(to_regclass(:table)) p
    JOIN pg_class c ON c.oid = p.relid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE p.isleaf AND p.level > 0 AND c.relkind = 'r' ORDER BY 1, 2"""
_VALID = "SELECT 1 FROM pg_constraint WHERE conrelid = to_regclass(:table) AND conname = :name AND convalidated"
_BUILT = """
    SELECT 1 FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid
    WHERE x.indrelid = to_regclass(:table) AND i.relname = :name AND x.indisvalid"""


def kind_of(operations: Operations) -> Kind:
    """Return the kind of the database that is migrated; MariaDB is ``mysql``."""
    return _KINDS.get(operations.get_context().dialect.name, "other")


def is_offline(operations: Operations) -> bool:
    """Return whether the SQL is only written, so that nothing can be asked."""
    return operations.get_context().as_sql


def quote(operations: Operations, name: str) -> str:
    """Return the name of a column, constraint or index as it stands in a statement."""
    dialect = operations.get_context().dialect
    return single_percents(dialect.identifier_preparer.quote(name), dialect)


def quote_table(operations: Operations, table: str, schema: str | None) -> str:
    """Return the name of a table, with its schema, as it stands in a statement."""
    dialect = operations.get_context().dialect
    name = dialect.identifier_preparer.format_table(sa.Table(table, sa.MetaData(), schema=schema))
    return single_percents(name, dialect)


def run(operations: Operations, statement: str) -> None:
    """Run a statement as it is; a colon in it begins no parameter."""
    operations.execute(sa.text(statement.replace(":", r"\:")))


@contextlib.contextmanager
def marked(operations: Operations, mark: str) -> t.Iterator[None]:
    """Let those who watch the connection know something of the statements in the block.

    :param mark: the word for it, a key of the connection's ``info``.
    """
    info: dict[t.Any, t.Any] = {} if is_offline(operations) else operations.get_bind().info
    info[mark] = True
    try:
        yield
    finally:
        info.pop(mark, None)


def ask(operations: Operations, query: str, **values: t.Any) -> list[t.Any]:
    """Return all rows of a query; none where the SQL is only written.

    :param values: its parameters; without any, a colon in it begins none.

    All are fetched: an open cursor would hold the snapshot that ``CREATE INDEX CONCURRENTLY`` waits for.
    """
    if is_offline(operations):
        return []
    text = sa.text(query if values else query.replace(":", r"\:"))
    return list(operations.get_bind().execute(text, values, execution_options={ASKS: True}).all())


class WithClause(ExecutableDDLElement):
    """A DDL statement of SQLAlchemy with a clause behind it."""

    def __init__(self, statement: t.Any, clause: str) -> None:
        self.statement = statement
        self.clause = clause


@compiles(WithClause)
def _compile(element: WithClause, compiler: t.Any, **options: t.Any) -> str:
    return f"{compiler.process(element.statement, **options)}{element.clause}"


class AddCheckAtOnce(ExecutableDDLElement):
    """A check that MariaDB adds without reading a row: it holds for new rows, and old ones are still to be proved.

    ``ADD CONSTRAINT ... CHECK`` copies the table, and so does every ``ALTER TABLE`` with it. In the list of
    ``ADD COLUMN (...)`` the same constraint is a change of the definition alone. That list may have no column, but then
    something else has to be changed: the comment gets the text that it has.

    :param comment: the comment of the table.
    """

    def __init__(self, constraint: t.Any, comment: str) -> None:
        self.constraint = constraint
        self.comment = comment


@compiles(AddCheckAtOnce)
def _compile_check(element: AddCheckAtOnce, compiler: t.Any, **options: t.Any) -> str:
    table = compiler.preparer.format_table(element.constraint.table)
    comment = compiler.sql_compiler.render_literal_value(element.comment, sa.String())
    added = compiler.process(element.constraint, **options)
    return f"ALTER TABLE {table} ADD COLUMN ({added}), COMMENT = {comment}, ALGORITHM=INSTANT"


def is_not_online(error: sa.exc.DBAPIError) -> bool:
    """Return whether MariaDB or MySQL refuses a form of a change, so that another one has to be used."""
    return error.orig is not None and error.orig.args[:1] in [(code,) for code in _NOT_ONLINE]


def run_without_lock(operations: Operations, statement: t.Any, separator: str = ",") -> None:
    """Run a statement of MariaDB or MySQL so that readers and writers go on, or as the server can.

    :param statement: DDL of SQLAlchemy, or SQL.
    :param separator: what stands before the clause: a comma after ALTER TABLE, nothing after CREATE INDEX.
    """
    clause = f"{separator} LOCK=NONE"
    try:
        if isinstance(statement, str):
            run(operations, statement + clause)
        else:
            operations.execute(WithClause(statement, clause))
    except sa.exc.DBAPIError as error:
        if not is_not_online(error):
            raise
        if isinstance(statement, str):
            run(operations, statement)
        else:
            operations.execute(statement)


@contextlib.contextmanager
def session_variable(operations: Operations, name: str, value: str) -> t.Iterator[None]:
    """Set a variable of MariaDB's or MySQL's session while the block runs."""
    before = ask(operations, f"SELECT @@SESSION.{name}")
    run(operations, f"SET SESSION {name} = {value}")
    try:
        yield
    finally:
        run(operations, f"SET SESSION {name} = {before[0][0] if before else 'DEFAULT'}")


@contextlib.contextmanager
def tables_locked(operations: Operations, table: str) -> t.Iterator[None]:
    """Keep others from a table of MariaDB or MySQL while the block runs its statements; it can use no other table."""
    run(operations, f"LOCK TABLES {table} WRITE")
    try:
        yield
    finally:
        run(operations, "UNLOCK TABLES")


def autocommit(operations: Operations) -> t.ContextManager[None]:
    """Return a block in which each statement commits; what came before is committed at its beginning."""
    return operations.get_context().autocommit_block()


class Partition(t.NamedTuple):
    """A partition that has rows itself."""

    schema: str
    table: str

    def name_of(self, whole: str) -> str:
        """Return the name of its part of an index or constraint of the whole table."""
        name = f"{self.table}_{whole}"
        if len(name.encode()) <= _LONGEST:
            return name
        digest = hashlib.sha1(name.encode(), usedforsecurity=False).hexdigest()[:8]
        return f"{name.encode()[: _LONGEST - 9].decode(errors='ignore')}_{digest}"


def partitions_of(operations: Operations, table: str, schema: str | None) -> list[Partition] | None:
    """Return the partitions of a table, those of its partitions included; ``None`` if it isn't partitioned."""
    quoted = quote_table(operations, table, schema)
    if not ask(operations, _IS_PARTITIONED, table=quoted):
        return None
    return [Partition(*row) for row in ask(operations, _PARTITIONS, table=quoted)]


def has_index(operations: Operations, partition: Partition, name: str) -> bool:
    """Return whether a partition has an index, because a run was interrupted after it."""
    return bool(ask(operations, _BUILT, table=quote_table(operations, partition.table, partition.schema), name=name))


def has_constraint(operations: Operations, partition: Partition, name: str) -> bool:
    """Return whether a partition has a constraint, because a run was interrupted after it."""
    return bool(ask(operations, _VALID, table=quote_table(operations, partition.table, partition.schema), name=name))
