"""The table of the applied revisions, kept beside the versions: when, by whom, how long, and the file's digest.

The version table holds only the heads. This table has a row for each applied revision, so that ``status`` can tell when
it was applied and whether its file was edited afterwards, and a row with a digest of each table.
"""

from __future__ import annotations

import datetime
import functools
import getpass
import socket
import typing as t

import sqlalchemy as sa

from ..backfills.table import BackfillStore
from ..backfills.table import OVER
from ..backfills.table import status_of
from ..records import AppliedRevision
from ..records import Moved
from ..records import Standing
from ..revisions.digests import digest_of
from ..revisions.digests import does_the_same
from ..revisions.digests import is_edited
from ..revisions.digests import text_of
from ..revisions.edit import moved
from .own_tables import APPLIED_TABLE
from .own_tables import is_there
from .own_tables import table_options
from .schema_digests import changed_tables
from .schema_digests import Digests
from .schema_digests import read_digests

TABLE_ROW = ":"
"""Begins the rows that have the digest of a table instead of a revision; no id may have it in it."""
_WIDTH = 191
"""Characters of a text that MariaDB's oldest row formats can index in utf8mb4."""


@functools.lru_cache(maxsize=4)
def applied_table(dialect: str, schema: str | None) -> sa.Table:
    """Return the table; several version tables of one schema share it."""
    return sa.Table(
        APPLIED_TABLE,
        sa.MetaData(),
        sa.Column("version_table", sa.String(_WIDTH), primary_key=True),
        sa.Column("revision", sa.String(_WIDTH), primary_key=True),
        sa.Column("applied_at", sa.DateTime(), nullable=False),
        sa.Column("seconds", sa.Float()),
        sa.Column("applied_by", sa.String(255)),
        sa.Column("digest", sa.String(64)),
        schema=schema,
        **table_options(dialect),
    )


def with_history(standing: Standing, connection: sa.Connection, version_table: str, schema: str | None) -> Standing:
    """Return the status of a database, completed by what it records of its revisions and their backfills."""
    rows = BackfillStore(version_table, schema).rows(connection)
    backfills = tuple(status_of(row, standing.database) for row in rows if row.state not in OVER)
    history = tuple(read_if_there(connection, version_table, schema))
    kept = _kept_digests(history)
    drifted = changed_tables(kept, read_digests(connection, version_table, schema)) if kept else ()
    paths = {revision.id: revision.path for revision in standing.applied}
    edited = [item for item in history if is_edited(paths.get(item.revision, ""), item.digest)]
    moves = {item.revision: moved_revision(item, paths, history) for item in edited}
    skipping = tuple(found for found in moves.values() if found is not None and found.missing)
    changed = tuple(revision for revision, found in moves.items() if found is None)
    recorded = tuple(item for item in history if item.revision in paths or item.revision in standing.unknown)
    return standing.changed(history=recorded, edited=changed, moved=skipping, drifted=drifted, backfills=backfills)


def moved_revision(
    record: AppliedRevision, paths: t.Mapping[str, str], history: t.Sequence[AppliedRevision]
) -> Moved | None:
    """Return where an edited revision was before, if nothing else in its file is different."""
    text = text_of(paths[record.revision]) or ""
    recorded = {item.revision for item in history}
    return moved(record.revision, text, lambda other: does_the_same(other, record.digest), paths, recorded)


def edited_sentence(record: AppliedRevision, path: str) -> str:
    """Return what to say of a file that was edited after its revision was applied."""
    when = f"{record.applied_at:%Y-%m-%d %H:%M} UTC"
    return (
        f"{path} was edited after revision {record.revision} was applied on {when}. The database keeps what it did "
        "then: write a new revision for the change, or downgrade and upgrade again."
    )


def changed_since_upgrade(connection: sa.Connection, version_table: str, schema: str | None) -> tuple[str, ...] | None:
    """Return the tables that changed since the last upgrade; ``None`` if the database keeps no digests of them."""
    kept = _kept_digests(read_if_there(connection, version_table, schema))
    return changed_tables(kept, read_digests(connection, version_table, schema)) if kept else None


def renew_digests(connection: sa.Connection, version_table: str, schema: str | None) -> None:
    """Keep the digests of the tables as they are now, if the database keeps any."""
    if not is_there(connection, APPLIED_TABLE, schema):
        return
    table = applied_table(connection.dialect.name, schema)
    here = (table.c.version_table == version_table, table.c.revision.startswith(TABLE_ROW))
    connection.execute(table.delete().where(*here))
    rows = digest_rows(version_table, read_digests(connection, version_table, schema))
    if rows:
        connection.execute(table.insert(), rows)


def _kept_digests(rows: t.Iterable[AppliedRevision]) -> Digests:
    return {item.revision[len(TABLE_ROW) :]: item.digest for item in rows if item.revision.startswith(TABLE_ROW)}


def digest_rows(version_table: str, digests: Digests) -> list[dict[str, t.Any]]:
    """Return a row for the digest of each table whose name is short enough."""
    rest = {"version_table": version_table, "applied_at": _now(), "seconds": None, "applied_by": None}
    names = {TABLE_ROW + name: digest for name, digest in digests.items()}
    return [{**rest, "revision": name, "digest": digest} for name, digest in names.items() if len(name) <= _WIDTH]


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None, microsecond=0)


def read_if_there(connection: sa.Connection, version_table: str, schema: str | None) -> list[AppliedRevision]:
    """Return the rows of one version table; none if the database keeps no record."""
    return read_rows(connection, version_table, schema) if is_there(connection, APPLIED_TABLE, schema) else []


def read_rows(connection: sa.Connection, version_table: str, schema: str | None) -> list[AppliedRevision]:
    """Return all rows of one version table, those with digests of tables among them."""
    of = applied_table(connection.dialect.name, schema).c
    query = sa.select(of.revision, of.applied_at, of.seconds, of.applied_by, of.digest)
    return records_of(connection.execute(query.where(of.version_table == version_table).order_by(of.applied_at)))


def records_of(rows: t.Iterable[t.Iterable[t.Any]]) -> list[AppliedRevision]:
    """Return the records of rows as they were read."""
    return [AppliedRevision(name, at, seconds or 0.0, by or "", digest or "") for name, at, seconds, by, digest in rows]


def applied_row(version_table: str, revision: str, path: str, seconds: float) -> dict[str, t.Any]:
    """Return the row of a revision that was applied now."""
    return {
        "version_table": version_table,
        "revision": revision,
        "applied_at": _now(),
        "seconds": round(seconds, 3),
        "applied_by": _person(),
        "digest": digest_of(path),
    }


@functools.lru_cache(maxsize=1)
def _person() -> str:
    """Return ``user@host`` as far as the system knows them."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container's user that has no name
        user = ""
    return "@".join(part for part in (user, socket.gethostname()) if part)[:255]
