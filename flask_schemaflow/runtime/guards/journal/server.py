"""The questions that the journal asks a database server, and what both kinds have in common."""

from __future__ import annotations

import enum
import functools
import time
import typing as t

import sqlalchemy as sa

from ...connections import commits_each_statement
from .statements import Kind
from .table import Point


class Way(enum.Enum):
    """How a statement takes effect."""

    PENDING = "with the transaction it is in"
    TOGETHER = "by itself, and the journal's row can be in the same transaction"
    ALONE = "by itself, outside of any transaction, or ending the one it is in"


class Outcome(enum.Enum):
    """What became of a statement that was interrupted."""

    APPLIED = "it took effect"
    MISSING = "it did not take effect, and can run"
    UNKNOWN = "that can't be told"


class Server:
    """One migrated connection's server.

    :param connection: the migrated connection; statements sent here are none of the revision's.
    """

    noop: t.ClassVar[str]
    """A statement that returns nothing, and does nothing."""
    commits_at_schema_changes: t.ClassVar[bool]
    """Whether DDL ends the transaction that it is in."""

    def __init__(self, connection: sa.Connection) -> None:
        self.connection = connection

    def autocommits(self) -> bool:
        """Return whether the driver commits each statement."""
        return commits_each_statement(self.connection)

    def way(self, kind: Kind, statement: str, autocommit: bool) -> Way:
        """Return how a statement takes effect."""
        raise NotImplementedError

    def image(self, statement: str) -> str | None:
        """Return what the statement's objects look like now; ``None`` if that can't be seen."""
        raise NotImplementedError

    def outcome(self, point: Point) -> Outcome:
        """Return what became of an interrupted statement, told by what its objects look like."""
        raise NotImplementedError

    def prepare(self, statement: str) -> str | None:
        """Remove what would make a statement fail, and return what was done, in a sentence."""
        return None

    def clean(self, point: Point) -> str | None:
        """Remove what the interrupted statement of ``point`` left half made; what was done, in a sentence."""
        return None

    def lock_with(self, statement: str, table: str) -> str:
        """Return a statement that locks tables, with the journal's table among them where it has to be."""
        return statement

    def advice(self, statement: str) -> str:
        """Return where a person sees whether the statement took effect."""
        raise NotImplementedError

    @functools.cached_property
    def session(self) -> str:
        """The server's name for this connection."""
        raise NotImplementedError

    def activity(self, session: str) -> str | None:
        """Return what the connection of a former run does: ``busy``, ``idle``, or ``None`` when it is gone."""
        raise NotImplementedError

    def wait_for_end(self, session: str, limit: float, tell: t.Callable[[str], None]) -> bool:
        """Wait until a former run's statement has ended; a server goes on after its client died.

        :param limit: seconds.
        :param tell: is called once, when there is something to wait for.
        :returns: whether it ended in time.
        """
        deadline = time.monotonic() + limit
        idle, told = 0, False
        while session and session != self.session:
            activity = self.activity(session)
            idle = idle + 1 if activity == "idle" else 0
            if activity is None or idle > 1:
                return True
            if time.monotonic() > deadline:
                return False
            if activity == "busy" and not told:
                tell("Waiting for the server to finish a statement of the interrupted run.")
                told = True
            time.sleep(0.1)
        return True

    def run(self, statement: str) -> None:
        """Run a statement as it is."""
        self.connection.exec_driver_sql(statement)

    def refusal(self, statement: str, parameters: t.Any) -> BaseException | None:
        """Return the driver's error for a statement, if it gives one."""
        quiet = {"skip_user_error_events": True}
        try:
            self.connection.exec_driver_sql(statement, parameters or None, execution_options=quiet)
        except sa.exc.DBAPIError as error:
            return error.orig
        return None

    def error_class(self) -> t.Any:
        """Return the module of the driver, which has its error classes."""
        return self.connection.dialect.loaded_dbapi
