"""The row of a backfill in the migrated database: where it is, what it shall do, and which worker has it.

The worker's batch and the row that says so are committed together. The first statement of a batch locks the row, so
that no other worker takes its place while a batch is under way; a worker whose place was taken finds its token gone,
and what it did in that batch is rolled back.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import functools
import typing as t

import sqlalchemy as sa

from ..records import duration
from ..records import Record

BACKFILL_TABLE = "schemaflow_backfills"
WRITES_TABLE = "schemaflow_writes"
"""Triggers note there that code wrote a column whose place another one takes."""

PENDING, PAUSED, CANCELLED, FINISHED, FAILED = "pending", "paused", "cancelled", "finished", "failed"
OVER = (FINISHED, CANCELLED)
"""The states of a backfill that no later revision waits for."""


@dataclasses.dataclass(frozen=True)
class BackfillStatus(Record):
    """The status of one backfill in one database.

    :param state: ``pending``, ``running``, ``paused``, ``failed``, ``finished`` or ``cancelled``.
    :param rows: how many rows were gone through.
    :param total: about how many rows the table had at the beginning; ``None`` if it was not begun.
    :param seconds: how long the batches took together.
    :param batch_size: the rows of the next batch.
    :param worker: the process that runs it, or ran it last.
    :param updated: the last sign of life of a worker, UTC.
    :param message: why it failed, or waits.
    """

    database: str
    revision: str
    name: str
    table: str
    state: str = PENDING
    rows: int = 0
    total: int | None = None
    seconds: float = 0.0
    batch_size: int = 0
    worker: str = ""
    updated: str = ""
    message: str = ""

    @property
    def rate(self) -> float:
        """Rows a second."""
        return self.rows / self.seconds if self.seconds else 0.0

    @property
    def left(self) -> float | None:
        """About how many seconds are left; ``None`` if that isn't known yet."""
        if self.state in OVER or self.total is None or not self.rate:
            return None
        return max(self.total - self.rows, 0) / self.rate

    def __str__(self) -> str:
        about = f" of about {self.total:,}" if self.total and self.state not in OVER else ""
        text = f"{self.revision}.{self.name}: {self.state}, {self.rows:,}{about} rows of {self.table}"
        if self.left is not None and self.rows:
            text += f", {self.rate:,.0f} rows a second, about {duration(self.left)} left"
        return text + (f" ({self.message})" if self.message else "")


def backfill_table(schema: str | None) -> sa.Table:
    """Return the table of backfills, which is beside the version table."""
    return sa.Table(
        BACKFILL_TABLE,
        sa.MetaData(),
        sa.Column("version_table", sa.String(64), primary_key=True),
        sa.Column("revision", sa.String(128), primary_key=True),
        sa.Column("name", sa.String(128), primary_key=True),
        sa.Column("table_name", sa.String(130), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("position", sa.Text()),
        sa.Column("upto", sa.Text()),
        sa.Column("row_count", sa.BigInteger(), nullable=False),
        sa.Column("total", sa.BigInteger()),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("batch_size", sa.Integer(), nullable=False),
        sa.Column("token", sa.String(32), nullable=False),
        sa.Column("worker", sa.String(200), nullable=False),
        sa.Column("beat", sa.BigInteger(), nullable=False),
        sa.Column("updated", sa.String(32), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        schema=schema,
        mysql_engine="InnoDB",
        mariadb_engine="InnoDB",
        mysql_charset="utf8mb4",
        mariadb_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mariadb_collate="utf8mb4_bin",
    )


def now() -> str:
    """Return the time for ``updated``."""
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M:%S")


class BackfillStore:
    """The rows of the backfills of one version table.

    :param options: execution options of every statement.
    """

    def __init__(self, version_table: str, schema: str | None, options: t.Mapping[str, t.Any] | None = None) -> None:
        self._schema = schema
        self.version_table = version_table
        self._options = dict(options or {})

    @functools.cached_property
    def table(self) -> sa.Table:
        """The table; most databases have none."""
        return backfill_table(self._schema)

    def exists(self, connection: sa.Connection) -> bool:
        """Return whether there is a table of backfills."""
        return sa.inspect(connection).has_table(BACKFILL_TABLE, schema=self._schema)

    def create(self, connection: sa.Connection) -> None:
        """Create the table if it isn't there; on MariaDB and MySQL that commits."""
        if not self.exists(connection):
            self._execute(connection, sa.schema.CreateTable(self.table, if_not_exists=True))

    def rows(self, connection: sa.Connection) -> list[t.Any]:
        """Return all rows, in the order of revisions and names; none without the table."""
        if not self.exists(connection):
            return []
        columns = self.table.c
        query = sa.select(self.table).where(columns.version_table == self.version_table)
        return list(self._execute(connection, query.order_by(columns.revision, columns.name)).all())

    def row(self, connection: sa.Connection, revision: str, name: str) -> t.Any:
        """Return one row, or ``None``."""
        return self._execute(connection, sa.select(self.table).where(*self._key(revision, name))).first()

    def add(self, connection: sa.Connection, revision: str, name: str, table: str, **values: t.Any) -> None:
        """Add a backfill that has not begun, unless it is there."""
        if self.row(connection, revision, name) is not None:
            return
        given = {
            "version_table": self.version_table,
            "revision": revision,
            "name": name,
            "table_name": table,
            "state": PENDING,
            "row_count": 0,
            "seconds": 0.0,
            "batch_size": 0,
            "token": "",
            "worker": "",
            "beat": 0,
            "updated": now(),
            "message": "",
            **values,
        }
        self._execute(connection, sa.insert(self.table).values(given))

    def add_apart(self, engine: sa.Engine, revision: str, name: str, table: str) -> None:
        """Add a backfill in a transaction of its own; another process may do the same."""
        with engine.begin() as connection:
            self.create(connection)
        with contextlib.suppress(sa.exc.IntegrityError), engine.begin() as connection:
            self.add(connection, revision, name, table)

    def change(
        self, connection: sa.Connection, revision: str, name: str, *where: sa.ColumnElement[bool], **values: t.Any
    ) -> bool:
        """Change a row where it meets the conditions, and return whether it does."""
        key = *self._key(revision, name), *where
        statement = sa.update(self.table).where(*key).values({"updated": now(), **values})
        return bool(self._execute(connection, statement).rowcount)

    def remove(self, connection: sa.Connection, revision: str) -> None:
        """Remove the rows of a revision."""
        columns = self.table.c
        key = columns.version_table == self.version_table, columns.revision == revision
        self._execute(connection, sa.delete(self.table).where(*key))

    def _key(self, revision: str, name: str) -> tuple[sa.ColumnElement[bool], ...]:
        columns = self.table.c
        return columns.version_table == self.version_table, columns.revision == revision, columns.name == name

    def _execute(self, connection: sa.Connection, statement: t.Any) -> t.Any:
        return connection.execute(statement, execution_options=self._options)


def status_of(row: t.Any, database: str) -> BackfillStatus:
    """Return a row as a record."""
    return BackfillStatus(
        database=database,
        revision=row.revision,
        name=row.name,
        table=row.table_name,
        state="running" if row.token and row.state == PENDING else row.state,
        rows=row.row_count,
        total=row.total,
        seconds=round(row.seconds, 3),
        batch_size=row.batch_size,
        worker=row.worker,
        updated=row.updated,
        message=row.message,
    )


def writes_table() -> sa.Table:
    """Return the table of the triggers' notes, which is in the default schema."""
    return sa.Table(
        WRITES_TABLE,
        sa.MetaData(),
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("seconds", sa.BigInteger(), nullable=False),
        mysql_engine="InnoDB",
        mariadb_engine="InnoDB",
    )
