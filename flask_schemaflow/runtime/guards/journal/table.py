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

from ...connections import autocommits
from ...connections import execute_beneath
from ...guard import MYSQL
from ...own_tables import is_there
from ...own_tables import journal_name
from ...own_tables import table_options
from . import entries
from .entries import Entry

_CHANGED = 1412  # MariaDB and MySQL: "Table definition has changed, please retry transaction"
_ABSENT = 1146
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

    @property
    def count(self) -> int:
        """How many statements took effect since the point before, at least one."""
        return max(entries.count_writes(self.log) + (self.statement != COMMIT), 1)


def journal_table(dialect: str, version_table: str, schema: str | None) -> sa.Table:
    """Return the journal's table."""
    text = sa.Text(2**32 - 1) if dialect in MYSQL else sa.Text()
    return sa.Table(
        journal_name(version_table),
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
        **table_options(dialect),
    )


class JournalTable:
    """Reads and writes the journal of one version table.

    :param schema: where the version table lives; the default schema if ``None``.
    :param exists: whether the table is there, if that is known.
    """

    def __init__(
        self, connection: sa.Connection, version_table: str, schema: str | None, exists: bool | None = None
    ) -> None:
        self.connection = connection
        self.version_table = version_table
        self.schema = schema or connection.dialect.default_schema_name
        self.exists = is_there(connection, journal_name(version_table), self.schema) if exists is None else exists
        self._end = 0

    @functools.cached_property
    def table(self) -> sa.Table:
        """The table; on PostgreSQL few runs need it."""
        return journal_table(self.connection.dialect.name, self.version_table, self.schema)

    @functools.cached_property
    def _insert(self) -> str:
        """The statement for a row, with which each schema change begins; empty if the driver has no ``%s``.

        It is sent to the driver, which takes half the time of SQLAlchemy's way.
        """
        if self.connection.dialect.paramstyle not in ("format", "pyformat"):
            return ""
        names = self.table.columns.keys()
        return f"INSERT INTO {self.name} ({', '.join(names)}) VALUES ({', '.join(['%s'] * len(names))})"

    @functools.cached_property
    def _mine(self) -> sa.ColumnElement[bool]:
        return self.table.c.version_table == self.version_table

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
        """Return what an interrupted run left, in order."""
        if not self.exists:
            return []
        query = sa.select(self.table).where(self._mine).order_by(self.table.c.position)
        points = [_point(dict(row)) for row in self._rows(query)]
        self._end = points[-1].position + 1 if points else 0
        return points

    def _rows(self, query: sa.Select[t.Any]) -> t.Sequence[t.Mapping[t.Any, t.Any]]:
        """Read rows, in a new transaction where another run has made the table since this one began."""
        try:
            return self.connection.execute(query).mappings().all()
        except sa.exc.DBAPIError as error:
            code = next(iter(getattr(error.orig, "args", ())), None)
            if code not in (_CHANGED, _ABSENT):
                raise
        if code == _CHANGED:
            execute_beneath(self.connection, "COMMIT")
        elif not is_there(self.connection, self.table.name, self.schema):
            self.exists = False  # another run has dropped it
            return []
        return self.connection.execute(query).mappings().all()

    def write(self, point: Point) -> bool:
        """Write a point in place of those at its position and after it, in the transaction that is open.

        :returns: false when another run wrote one there meanwhile.
        """
        if point.position < self._end:
            later = self.table.c.position >= point.position
            self.connection.execute(self.table.delete().where(self._mine, later))
        values = {name: getattr(point, name) for name in _PLAIN}
        values["log"] = entries.dumps(point.log)
        values["version_table"] = self.version_table
        values["outcome"] = None if point.outcome is None else entries.dumps([point.outcome])
        values["started"] = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
        self._end = point.position + 1
        try:
            if self._insert:
                execute_beneath(self.connection, self._insert, [values[name] for name in self.table.columns.keys()])
            else:
                self.connection.execute(self.table.insert(), values)
        except sa.exc.IntegrityError:
            return False
        return True

    def finish(self, position: int, outcome: Entry) -> None:
        """Write that the statement of a point came through."""
        here = (self._mine, self.table.c.position == position)
        self.connection.execute(self.table.update().where(*here).values(state="done", outcome=entries.dumps([outcome])))

    def clear(self) -> None:
        """Delete the rows of a revision that is done, or given up."""
        if self._end and self._insert:
            execute_beneath(self.connection, f"DELETE FROM {self.name} WHERE version_table = %s", [self.version_table])
        elif self._end:
            self.connection.execute(self.table.delete().where(self._mine))
        self._end = 0

    def drop_if_empty(self) -> None:
        """Drop the table unless it holds rows; don't wait for another session that reads it."""
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
