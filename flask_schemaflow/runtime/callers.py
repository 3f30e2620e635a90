"""The guard of a connection that the caller passed in with a transaction open."""

from __future__ import annotations

import contextlib
import time
import typing as t

import sqlalchemy as sa
from alembic.runtime.migration import MigrationContext

from .. import errors
from .beneath import execute_beneath
from .guards import Guard
from .guards import is_stamp
from .guards import Scope

_MYSQL = ("mysql", "mariadb")
_CACHED = 0.12
"""Seconds: the server's table of transactions is that old at most."""
_HINT = (
    "Commit before the call, or pass a connection without a transaction open; then the run begins and commits its own."
)


class CallersConnection(Guard):
    """Promises that the caller's transaction is still the caller's to commit or roll back when the run is over.

    Nothing is locked, set or begun on such a connection. What would end its transaction is refused: a commit in
    a revision, and on MariaDB and MySQL, which commit at every CREATE and ALTER, rows that the caller has left
    uncommitted.
    """

    @classmethod
    def applies(cls, scope: Scope) -> bool:
        """Without a transaction the caller left it to the run to begin one."""
        return scope.mode == "write" and scope.foreign and scope.connection.in_transaction()

    def before_configure(self, scope: Scope) -> None:
        """Refuse commits from now on, and those that the server does by itself when the version table is made."""

        def refuse(*ignored: t.Any) -> t.NoReturn:
            raise errors.CallersTransaction("A revision commits the transaction of the caller.", hint=_HINT)

        scope.listen("commit", refuse)
        # The event comes when SQLAlchemy has given the transaction up already; the method is called before.
        _shadow(scope, scope.connection, "commit", refuse)
        if scope.dialect in _MYSQL and not _heads(scope):
            _refuse_implicit_commit(scope)

    def after_configure(self, scope: Scope) -> None:
        """Alembic would end the transaction for an ``autocommit_block()``."""

        @contextlib.contextmanager
        def refuse() -> t.Iterator[None]:
            raise errors.CallersTransaction(
                "A revision asks for an autocommit_block(), which would commit the transaction of the caller.",
                hint=_HINT,
            )
            yield

        _shadow(scope, scope.context, "autocommit_block", refuse)

    def plan(self, scope: Scope, steps: t.Sequence[t.Any]) -> None:
        """Refuse where the first CREATE or ALTER would commit what the caller has done before."""
        if scope.dialect in _MYSQL and not all(is_stamp(step) for step in steps):
            _refuse_implicit_commit(scope)


def _shadow(scope: Scope, owner: t.Any, name: str, function: t.Callable[..., t.Any]) -> None:
    """Until the scope closes, an attribute of this one object stands before the method of its class."""
    setattr(owner, name, function)
    scope.defer(lambda: delattr(owner, name))


def _heads(scope: Scope) -> tuple[str, ...]:
    names = {key: scope.options[key] for key in ("version_table", "version_table_schema") if scope.options.get(key)}
    return tuple(MigrationContext.configure(scope.connection, opts=names).get_current_heads())


def _refuse_implicit_commit(scope: Scope) -> None:
    if not _uncommitted(scope):
        return
    raise errors.CallersTransaction(
        "The caller's transaction has rows that are not committed, and the first CREATE or ALTER of a migration would "
        "commit them: MariaDB and MySQL can't change tables inside a transaction.",
        hint=_HINT,
    )


def _uncommitted(scope: Scope) -> int:
    """How many rows the open transaction has changed; 0 also where the account may not see that."""
    time.sleep(_CACHED)
    query = "SELECT trx_rows_modified FROM information_schema.innodb_trx WHERE trx_mysql_thread_id = CONNECTION_ID()"
    try:
        return max((int(row[0]) for row in execute_beneath(scope.connection, query)), default=0)
    except sa.exc.DBAPIError:
        return 0
