"""PostgreSQL's own words about a database as it will be after some renames.

Views, CHECKs and generated columns are kept there by what they refer to, and written with the names of the moment. So
the renames are done in a savepoint, what depends on them is read, and the savepoint is rolled back.
"""

from __future__ import annotations

import contextlib
import typing as t

import sqlalchemy as sa
from alembic.operations import Operations

from ..operations import Statement
from ..pipeline import PassContext
from ..sql_text import clause


@contextlib.contextmanager
def renamed_database(context: PassContext, further: t.Sequence[str] = ()) -> t.Iterator[sa.Connection | None]:
    """Yield the connection with all renames of ``context`` done, as long as the block lasts.

    :param further: other statements, to be executed after them.
    :returns: ``None`` if the database refuses them, for example while somebody else holds a lock.
    """
    connection = context.connection
    if not context.renaming and not further:
        yield connection
        return
    try:
        savepoint = connection.begin_nested()
    except sa.exc.DBAPIError:  # each statement is committed
        yield None
        return
    try:
        yield connection if _is_renamed(context, further) else None
    finally:
        savepoint.rollback()


def _is_renamed(context: PassContext, further: t.Sequence[str]) -> bool:
    connection, operations = context.connection, Operations(context.migration)
    try:
        connection.execute(sa.text("SET LOCAL lock_timeout = '1s'"))
        for operation in context.renaming:
            if isinstance(operation, Statement):
                connection.execute(clause(str(operation.sqltext)))
            else:
                operations.invoke(operation)
        for statement in further:
            connection.execute(clause(statement))
    except sa.exc.DBAPIError:
        return False
    return True
