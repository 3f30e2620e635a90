"""The journal's rows in the migrated database.

The table is written on the migrated connection itself, in the very transaction whose commit it tells of. It
is made when it is needed and dropped when it is empty.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import functools
import typing as t

import sqlalchemy as sa
from sqlalchemy.schema import CreateTable

from ..locking.sessions import autocommits
from ..own_tables import JOURNAL_TABLE
from ..prepared import Prepared
from . import entries
from .entries import Entry

COMMIT = "COMMIT"
"""What stands in place of a statement where a transaction ended without one."""


@dataclasses.dataclass(frozen=True)
class Point:
    """A point of commitment: everything up to it took effect.

    :param state: ``done``; ``intent`` before its statement runs; ``undone`` where a person found that it did not.
    :param image: what the statement's objects looked like before it ran, as JSON of the server's module.
    :param log: the statements since the point before.
    :param outcome: what the statement itself returned.
    :param source: tells versions of the revision file apart.
    :param session: the server's name for the connection that ran it.
    :param line: the line of the revision file that was at work, 0 where it can't be told.
    """

    revision: str
    direction: str
    position: int
    state: str
    statement: str
    image: str | None = None
    log: tuple[Entry, ...] = ()
    outcome: Entry | None = None
    source: str = ""
    session: str = ""
    line: int = 0
    started: str = ""


def journal_table(dialect: str, schema: str | None) -> sa.Table:
    """The journal as SQLAlchemy knows it."""
    mysql = dialect in ("mysql", "mariadb")
    text = sa.Text(2**32 - 1) if mysql else sa.Text()
    return sa.Table(
        JOURNAL_TABLE,
        sa.MetaData(),
        sa.Column("version_table", sa.String(64), primary_key=True),
        sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("revision", sa.String(255), nullable=False),
        sa.Column("direction", sa.String(16), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("statement", text, nullable=False),
        sa.Column("image", text),
        sa.Column("log", text, nullable=False),
        sa.Column("outcome", text),
        sa.Column("source", sa.String(64), nullable=False),
        sa.Column("session", sa.String(64), nullable=False),
        sa.Column("line", sa.Integer, nullable=False),
        sa.Column("started", sa.String(32), nullable=False),
        schema=schema,
        mysql_engine="InnoDB",
        mariadb_engine="InnoDB",
        mysql_charset="utf8mb4",
        mariadb_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mariadb_collate="utf8mb4_bin",
    )


class Store:
    """Reads and writes the journal of one version table.

    :param schema: where the version table lives; the default schema if ``None``.
    """

    def __init__(self, connection: sa.Connection, version_table: str, schema: str | None) -> None:
        inspector = sa.inspect(connection)
        self.connection = connection
        self.version_table = version_table
        self.schema = schema or inspector.default_schema_name
        self.table = journal_table(connection.dialect.name, self.schema)
        self.exists = inspector.has_table(JOURNAL_TABLE, schema=self.schema)
        self._end, self._revision = 0, ""
        self._left: dict[int, str] = {}  # rows of a revision that is done, by position
        mine = self.table.c.version_table == version_table
        self._mine = mine
        self._insert = Prepared(self.table.insert(), connection)
        self._delete = Prepared(self.table.delete().where(mine), connection)

    @functools.cached_property
    def _replace(self) -> Prepared:
        """Puts a row into the place of one that is known."""
        here = (self.table.c.position == sa.bindparam("at"), self.table.c.revision == sa.bindparam("was"))
        return Prepared(self.table.update().where(self._mine, *here), self.connection)

    @property
    def name(self) -> str:
        """The table as a statement names it."""
        return self.connection.dialect.identifier_preparer.format_table(self.table)

    def create(self) -> None:
        """Make the table if it isn't there."""
        if not self.exists:
            self.connection.execute(CreateTable(self.table, if_not_exists=True))
            self.exists = True

    def load(self) -> list[Point]:
        """What an interrupted run left, in order; rows that are left of a revision before it are not seen."""
        if not self.exists:
            return []
        query = sa.select(self.table).where(self._mine).order_by(self.table.c.position)
        found = [_point(dict(row)) for row in self.connection.execute(query).mappings()]
        known = [point for point in found if point.revision == found[0].revision]
        self._left = {point.position: point.revision for point in found if point.revision != found[0].revision}
        self._end, self._revision = (known[-1].position + 1, known[0].revision) if known else (0, "")
        return known

    def write(self, point: Point) -> bool:
        """Write a point in place of those at its position and after it, in the transaction that is open.

        :returns: false when another run wrote one there meanwhile.
        """
        if point.position < self._end:
            later = self.table.c.position >= point.position
            self.connection.execute(self.table.delete().where(self._mine, later))
            self._left.clear()
        values = {name: getattr(point, name) for name in _PLAIN}
        values["log"] = entries.dumps(point.log)
        values["version_table"] = self.version_table
        values["outcome"] = None if point.outcome is None else entries.dumps([point.outcome])
        values["started"] = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
        self._end, self._revision = point.position + 1, point.revision
        left = self._left.pop(point.position, None)
        if left is not None:
            return bool(self._replace.run_quickly(values | {"at": point.position, "was": left}))
        try:
            self._insert.run_quickly(values)
        except sa.exc.IntegrityError:
            return False
        return True

    def finish(self, position: int, outcome: Entry) -> None:
        """Write that the statement of a point came through."""
        here = (self._mine, self.table.c.position == position)
        self.connection.execute(self.table.update().where(*here).values(state="done", outcome=entries.dumps([outcome])))

    def clear(self) -> None:
        """Forget everything: the revision is done, or given up."""
        if self._end or self._left:
            self._delete.run()
            self._forget()

    def clear_by(self, cursor: t.Any) -> None:
        """:meth:`clear`, by a cursor of the driver."""
        if self._end or self._left:
            self._delete.run_by(cursor)
            self._forget()

    def turn(self) -> None:
        """The revision is done, and its rows may stay until the next one needs their places."""
        self._left |= dict.fromkeys(range(self._end), self._revision)
        self._end = 0

    def _forget(self) -> None:
        self._end = 0
        self._left.clear()

    def drop_if_empty(self) -> None:
        """Drop the table unless it holds something; somebody who reads it meanwhile isn't waited for."""
        if not self.exists or self.connection.execute(sa.select(self.table.c.position).limit(1)).first():
            return
        with contextlib.suppress(sa.exc.DBAPIError):
            self._drop()
            self.exists = False

    def _drop(self) -> None:
        if self.connection.dialect.name == "postgresql":
            if autocommits(self.connection):
                self.table.drop(self.connection)
                return
            with self.connection.begin_nested():
                self.connection.exec_driver_sql("SET LOCAL lock_timeout = '2s'")
                self.table.drop(self.connection)
            return
        limit = self.connection.exec_driver_sql("SELECT @@SESSION.lock_wait_timeout").scalar()
        self.connection.exec_driver_sql("SET SESSION lock_wait_timeout = 2")
        try:
            self.table.drop(self.connection)
        finally:
            self.connection.exec_driver_sql(f"SET SESSION lock_wait_timeout = {int(limit or 0) or 86400}")


_PLAIN = ("position", "revision", "direction", "state", "statement", "image", "source", "session", "line")


def _point(row: dict[t.Any, t.Any]) -> Point:
    outcome = entries.loads(row["outcome"])
    return Point(
        **{name: row[name] for name in _PLAIN},
        log=tuple(entries.loads(row["log"])),
        outcome=outcome[0] if outcome else None,
        started=row["started"],
    )
