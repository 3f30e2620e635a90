"""One look at the version table before anything is locked: a run that finds nothing to do needs no guards.

Most upgrades are of this kind: every start of every replica. The look costs one round trip and leaves nothing behind.
Its answer is used for doing nothing only: where a run has steps after all, it is started over without it.
"""

from __future__ import annotations

import contextlib
import typing as t

import sqlalchemy as sa

if t.TYPE_CHECKING:
    from .guards import Scope

_DIALECTS = ("postgresql", "mysql", "mariadb")


def finds_nothing_to_do(scope: Scope, pending: t.Callable[[t.Any], bool]) -> bool:
    """Whether the version table says that the run has no steps.

    A connection that is in a transaction isn't looked through, because the look would fix what that transaction sees.

    :param pending: whether there are steps from these heads.
    :returns: false also where it can't be told.
    """
    if scope.dialect not in _DIALECTS or scope.connection.in_transaction():
        return False
    try:
        with _outside_transactions(scope.connection):
            heads = _heads(scope)
    except Exception:  # no version table yet, no right to read it: the run itself will say
        heads = ()
    if heads:
        with contextlib.suppress(Exception):
            if not pending(heads):
                return True
    with contextlib.suppress(Exception):
        scope.connection.connection.rollback()  # what MariaDB saw here is not to be seen again behind the lock
    return False


def _heads(scope: Scope) -> tuple[str, ...]:
    table = sa.Table(scope.version_table, sa.MetaData(), schema=scope.version_table_schema)
    cursor = scope.connection.connection.cursor()
    try:
        cursor.execute(f"SELECT version_num FROM {scope.connection.dialect.identifier_preparer.format_table(table)}")
        return tuple(row[0] for row in cursor.fetchall())
    finally:
        cursor.close()


@contextlib.contextmanager
def _outside_transactions(connection: sa.Connection) -> t.Iterator[None]:
    """Saves PostgreSQL's drivers the ``BEGIN`` and ``ROLLBACK`` around one query."""
    driver: t.Any = connection.connection.dbapi_connection
    if connection.dialect.name != "postgresql" or getattr(driver, "autocommit", True):
        yield
        return
    driver.autocommit = True
    try:
        yield
    finally:
        driver.autocommit = False
