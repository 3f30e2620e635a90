"""Foreign keys and checks that are added at once, and whose old rows are checked while the table is in use.

PostgreSQL has a form for that: NOT VALID, which only new rows must meet, and VALIDATE, which reads the old ones under a
lock that lets others read and write. MariaDB and MySQL add a foreign key without looking at a row if the session says
so; then the old rows are checked by a query, as new ones are checked already. MariaDB does the same for a check in one
spelling of ALTER TABLE (:class:`.server.AddCheckAtOnce`). MySQL copies the table for a check, and others can't write
meanwhile.

If a row doesn't meet the constraint, it stays in place for new rows, and the next run only checks the old ones again:
what the journal has recorded as done is not taken back.
"""

from __future__ import annotations

import copy
import typing as t

import sqlalchemy as sa
from alembic.operations import MigrateOperation
from alembic.operations import Operations
from alembic.operations import ops
from sqlalchemy.schema import AddConstraint

from ..backfills.sql import single_percents
from ..errors.running import RowsViolate
from .server import AddCheckAtOnce
from .server import ask
from .server import autocommit
from .server import has_constraint
from .server import is_not_online
from .server import is_offline
from .server import kind_of
from .server import partitions_of
from .server import quote
from .server import quote_table
from .server import run
from .server import run_without_lock
from .server import session_variable

_THERE = """
    SELECT 1 FROM information_schema.table_constraints
    WHERE table_schema = COALESCE(:schema, DATABASE()) AND table_name = :table AND constraint_name = :name"""
_COMMENT = """
    SELECT table_comment FROM information_schema.tables
    WHERE table_schema = COALESCE(:schema, DATABASE()) AND table_name = :table"""
_UNPROVED = """
    SELECT 1 FROM pg_constraint
    WHERE conrelid = to_regclass(:table) AND conname = :name AND NOT convalidated"""


@Operations.register_operation("create_foreign_key_online")
class CreateForeignKeyOnlineOp(MigrateOperation):
    """A foreign key whose old rows are checked while both tables are in use."""

    def __init__(
        self,
        constraint_name: str,
        source_table: str,
        referent_table: str,
        local_cols: t.Sequence[str],
        remote_cols: t.Sequence[str],
        source_schema: str | None = None,
        **options: t.Any,
    ) -> None:
        self.constraint_name = constraint_name
        self.source_table = source_table
        self.referent_table = referent_table
        self.local_cols: list[str] = list(local_cols)
        self.remote_cols: list[str] = list(remote_cols)
        self.source_schema = source_schema
        self.options = options

    @classmethod
    def create_foreign_key_online(
        cls,
        operations: Operations,
        constraint_name: str,
        source_table: str,
        referent_table: str,
        local_cols: t.Sequence[str],
        remote_cols: t.Sequence[str],
        *,
        source_schema: str | None = None,
        **options: t.Any,
    ) -> None:
        """Create a foreign key while both tables are read and written.

        New rows are checked from the beginning. Old rows are checked afterwards, without keeping others from reading or
        writing; if one refers to nothing, it stops there, and the next run continues with this check. On PostgreSQL
        this commits what the revision did before; each partition of a partitioned table gets its own, before they
        become one.

        :param options: what ``op.create_foreign_key()`` takes besides, such as ``ondelete`` and ``referent_schema``.
        :raises RowsViolate: if a row refers to nothing; PostgreSQL says so itself.
        """
        operations.invoke(
            cls(constraint_name, source_table, referent_table, local_cols, remote_cols, source_schema, **options)
        )

    def plain(self, **more: t.Any) -> ops.CreateForeignKeyOp:
        """Return Alembic's operation for the same constraint."""
        names = {"source_schema": self.source_schema, **self.options, **more}
        return ops.CreateForeignKeyOp(
            self.constraint_name, self.source_table, self.referent_table, self.local_cols, self.remote_cols, **names
        )


@Operations.implementation_for(CreateForeignKeyOnlineOp)
def _create_foreign_key(operations: Operations, operation: CreateForeignKeyOnlineOp) -> None:
    kind = kind_of(operations)
    table, name, schema = operation.source_table, operation.constraint_name, operation.source_schema
    if kind == "postgresql":
        _create_on_postgresql(operations, operation)
    elif kind == "mysql":
        _create_foreign_key_on_mysql(operations, operation)
    elif kind == "sqlite":
        _require_referents(operations, operation)
        with operations.batch_alter_table(table, schema=schema) as batch:
            batch.create_foreign_key(
                name, operation.referent_table, operation.local_cols, operation.remote_cols, **operation.options
            )
    else:
        operations.invoke(operation.plain())


def _create_foreign_key_on_mysql(operations: Operations, operation: CreateForeignKeyOnlineOp) -> None:
    table, name, schema = operation.source_table, operation.constraint_name, operation.source_schema
    ask(operations, f"{_orphans(operations, operation)} LIMIT 0")  # without checks a missing table is accepted
    if _exists(operations, table, name, schema):  # a run stopped at its rows; the file may have changed since
        altered = f"ALTER TABLE {quote_table(operations, table, schema)}"
        indexes = sa.inspect(operations.get_bind()).get_indexes(table, schema=schema)
        wrong = [item for item in indexes if item["name"] == name and item["column_names"] != operation.local_cols]
        its_index = f", DROP INDEX {quote(operations, name)}" if wrong else ""
        run_without_lock(operations, f"{altered} DROP FOREIGN KEY {quote(operations, name)}{its_index}")
    with session_variable(operations, "foreign_key_checks", "0"):
        run_without_lock(operations, AddConstraint(operation.plain().to_constraint(operations.get_context())))
    _require_referents(operations, operation)


def _create_on_postgresql(operations: Operations, operation: CreateForeignKeyOnlineOp) -> None:
    table, name, schema = operation.source_table, operation.constraint_name, operation.source_schema
    partitions = partitions_of(operations, table, schema)
    if partitions is None:
        add_validated(operations, operation.plain(postgresql_not_valid=True), table, name, schema)
        return
    for partition in partitions:
        part = copy.copy(operation)
        part.source_table, part.source_schema = partition.table, partition.schema
        part.constraint_name = partition.name_of(name)
        if not has_constraint(operations, partition, part.constraint_name):
            _create_on_postgresql(operations, part)
    operations.invoke(operation.plain())


def _exists(operations: Operations, table: str, name: str, schema: str | None) -> bool:
    """Return whether MariaDB or MySQL has the constraint."""
    return bool(ask(operations, _THERE, schema=schema, table=table, name=name))


def _orphans(operations: Operations, operation: CreateForeignKeyOnlineOp) -> str:
    """Return the query for rows that refer to nothing."""
    source = quote_table(operations, operation.source_table, operation.source_schema)
    referent = quote_table(operations, operation.referent_table, operation.options.get("referent_schema"))
    pairs = [
        (quote(operations, local), quote(operations, remote))
        for local, remote in zip(operation.local_cols, operation.remote_cols, strict=True)
    ]
    same = " AND ".join(f"r.{remote} = s.{local}" for local, remote in pairs)
    given = " AND ".join(f"s.{local} IS NOT NULL" for local, _ in pairs)
    columns = ", ".join(f"s.{local}" for local, _ in pairs)
    return f"SELECT {columns} FROM {source} s WHERE {given} AND NOT EXISTS (SELECT 1 FROM {referent} r WHERE {same})"


def _require_referents(operations: Operations, operation: CreateForeignKeyOnlineOp) -> None:
    """Look for rows that refer to nothing."""
    query = _orphans(operations, operation)
    orphans = ask(operations, f"{query} LIMIT 1")
    if orphans:
        shown = ", ".join(str(value) for value in orphans[0])
        raise RowsViolate(
            f"Rows of {operation.source_table} have {', '.join(operation.local_cols)} = {shown}, which "
            f"{operation.referent_table} doesn't have, so {operation.constraint_name} can't be added.",
            hint=f"Fix or delete them, and run the command again. This finds all of them: {query}",
        )


@Operations.register_operation("create_check_constraint_online")
class CreateCheckConstraintOnlineOp(MigrateOperation):
    """A check whose old rows are checked while the table is in use."""

    def __init__(
        self, constraint_name: str, table_name: str, condition: t.Any, schema: str | None = None, **options: t.Any
    ) -> None:
        self.constraint_name = constraint_name
        self.table_name = table_name
        self.condition = condition
        self.schema = schema
        self.options = options

    @classmethod
    def create_check_constraint_online(
        cls,
        operations: Operations,
        constraint_name: str,
        table_name: str,
        condition: t.Any,
        *,
        schema: str | None = None,
        **options: t.Any,
    ) -> None:
        """Create a CHECK while the table is read and written.

        New rows are checked from the beginning. Old rows are checked afterwards, without keeping others from reading or
        writing; if one doesn't fit, it stops there, and the next run continues with this check. On PostgreSQL this
        commits what the revision did before. MySQL copies the table, after a query that looks for rows that don't fit;
        writers wait for the copy.

        :param condition: SQL, or an expression of SQLAlchemy.
        :param options: what ``op.create_check_constraint()`` takes besides.
        :raises RowsViolate: on MariaDB and MySQL, if a row doesn't meet the condition.
        """
        operations.invoke(cls(constraint_name, table_name, condition, schema, **options))

    def plain(self, **more: t.Any) -> ops.CreateCheckConstraintOp:
        """Return Alembic's operation for the same constraint."""
        return ops.CreateCheckConstraintOp(
            self.constraint_name, self.table_name, self.condition, schema=self.schema, **{**self.options, **more}
        )


@Operations.implementation_for(CreateCheckConstraintOnlineOp)
def _create_check(operations: Operations, operation: CreateCheckConstraintOnlineOp) -> None:
    kind = kind_of(operations)
    table, name, schema = operation.table_name, operation.constraint_name, operation.schema
    if kind == "postgresql":
        add_validated(operations, operation.plain(postgresql_not_valid=True), table, name, schema)
    elif kind == "mysql":
        _create_check_on_mysql(operations, operation)
    elif kind == "sqlite":
        with operations.batch_alter_table(table, schema=schema) as batch:
            batch.create_check_constraint(name, operation.condition, **operation.options)
    else:
        operations.invoke(operation.plain())


def _create_check_on_mysql(operations: Operations, operation: CreateCheckConstraintOnlineOp) -> None:
    if is_offline(operations):  # no script can find out what the server has
        operations.invoke(operation.plain())
        return
    table, name, schema = operation.table_name, operation.constraint_name, operation.schema
    if _exists(operations, table, name, schema):  # a run stopped at its rows; the file may have changed since
        altered = f"ALTER TABLE {quote_table(operations, table, schema)}"
        run(operations, f"{altered} DROP CONSTRAINT {quote(operations, name)}")
    is_there = _add_check_at_once(operations, operation)
    _require_condition(operations, operation)
    if not is_there:
        run_without_lock(operations, AddConstraint(operation.plain().to_constraint(operations.get_context())))


def _add_check_at_once(operations: Operations, operation: CreateCheckConstraintOnlineOp) -> bool:
    """Add a check on MariaDB that only new rows have met; false if this server or table has no such form."""
    table, name, schema = operation.table_name, operation.constraint_name, operation.schema
    if not getattr(operations.get_context().dialect, "is_mariadb", False):
        return False
    comment = ask(operations, _COMMENT, schema=schema, table=table)
    constraint = operation.plain().to_constraint(operations.get_context())
    try:
        operations.execute(AddCheckAtOnce(constraint, comment[0][0] if comment else ""))
    except sa.exc.DBAPIError as error:
        if not is_not_online(error):
            raise
    return _exists(operations, table, name, schema)


def _require_condition(operations: Operations, operation: CreateCheckConstraintOnlineOp) -> None:
    """Look for rows that don't meet the condition."""
    condition = operation.condition
    if not isinstance(condition, str):
        dialect = operations.get_context().dialect
        options = {"literal_binds": True, "include_table": False}
        compiled = str(condition.compile(dialect=dialect, compile_kwargs=options))
        condition = single_percents(compiled, dialect)
    table = quote_table(operations, operation.table_name, operation.schema)
    query = f"SELECT 1 FROM {table} WHERE NOT ({condition})"
    if ask(operations, f"{query} LIMIT 1"):
        raise RowsViolate(
            f"Rows of {operation.table_name} don't meet the condition of {operation.constraint_name}, which can't be "
            "added.",
            hint=f"Fix them, and run the command again. This finds them: {query.replace('SELECT 1', 'SELECT *')}",
        )


def add_validated(
    operations: Operations, not_valid: MigrateOperation, table: str, name: str, schema: str | None
) -> None:
    """Add a constraint on PostgreSQL that is not valid yet, and validate it, each in a transaction of its own.

    One that an interrupted run has left is dropped first.
    """
    with autocommit(operations):
        if ask(operations, _UNPROVED, table=quote_table(operations, table, schema), name=name):
            drop(operations, table, name, schema)
        operations.invoke(not_valid)
        validate(operations, table, name, schema)


def validate(operations: Operations, table: str, name: str, schema: str | None) -> None:
    """Check the old rows."""
    altered = f"ALTER TABLE {quote_table(operations, table, schema)}"
    run(operations, f"{altered} VALIDATE CONSTRAINT {quote(operations, name)}")


def drop(operations: Operations, table: str, name: str, schema: str | None) -> None:
    """Drop a constraint of PostgreSQL."""
    altered = f"ALTER TABLE {quote_table(operations, table, schema)}"
    run(operations, f"{altered} DROP CONSTRAINT IF EXISTS {quote(operations, name)}")
