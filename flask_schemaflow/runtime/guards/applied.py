"""Record the revisions that a run applies: when, by whom and from which text."""

from __future__ import annotations

import contextlib
import functools
import time
import typing as t

import sqlalchemy as sa

from ...records import AppliedRevision
from ...redaction import scrub
from ...revisions.digests import is_edited
from ...targets import current_tenant
from ..applied_table import applied_row
from ..applied_table import applied_table
from ..applied_table import digest_rows
from ..applied_table import edited_sentence
from ..applied_table import moved_revision
from ..applied_table import read_rows
from ..applied_table import records_of
from ..applied_table import TABLE_ROW
from ..connections import can_execute_apart
from ..connections import commits_each_statement
from ..connections import execute_apart_from_errors
from ..connections import execute_beneath
from ..connections import IS_OWN
from ..guard import Guard
from ..guard import is_stamp
from ..guard import Scope
from ..own_tables import APPLIED_TABLE
from ..own_tables import has_own_table
from ..schema_digests import digest_query
from ..schema_digests import Digests
from ..schema_digests import digests_of
from ..schema_digests import literal
from ..schema_digests import read_digests


class AppliedRevisions(Guard):
    """Promises that each applied revision has a row that says when, by whom, and from which text it was applied,
    and each table a row with a digest of its schema after the run.

    The rows are written in the transaction that writes the version: with one statement for a run if the database
    can roll back schema changes, otherwise with one for each revision. If the table can't be created in a database,
    nothing is recorded there.
    """

    needs_steps = True

    def __init__(self) -> None:
        self._table: sa.Table | None = None
        self._together = False
        self._last: t.Any = None
        self._running: t.Any = None
        self._started = 0.0
        self._rows: dict[str, dict[str, t.Any] | None] = {}  # by revision; None after a downgrade
        self._transactional = False
        self._apart = self._is_missing = self._is_unread = False
        self._heads: tuple[str, ...] = ()
        self._revision_map: t.Any = None
        self._digests: dict[str, str] = {}  # of tables, by the id of their row
        self._has_digests = False  # whether this run has taken them
        self._known: set[str] = set()  # the revisions that have a row, without their case

    @classmethod
    def applies(cls, scope: Scope) -> bool:
        """Return whether the setting asks for it, and the transaction is the run's own."""
        return super().applies(scope) and scope.settings.record_applied

    def plan(self, scope: Scope, steps: t.Sequence[t.Any]) -> None:
        """Create the table, unless only stamps are to be written."""
        if all(is_stamp(step) for step in steps):
            return
        context = scope.context
        assert context is not None
        self._last = steps[-1]
        self._together = context.impl.transactional_ddl and not scope.options.get("transaction_per_migration")
        table = applied_table(scope.dialect, scope.version_table_schema)
        is_there = has_own_table(scope, APPLIED_TABLE, table.schema)
        transactional = context.impl.transactional_ddl and not commits_each_statement(scope.connection)
        self._together, self._transactional = self._together and transactional, transactional
        self._apart = scope.dialect == "postgresql" and transactional and can_execute_apart(scope.connection)
        self._scope, self._heads, self._revision_map = scope, tuple(scope.heads or ()), steps[0].info.revision_map
        try:
            with scope.connection.begin_nested() if transactional and not self._apart else contextlib.nullcontext():
                if is_there and self._apart and self._together:
                    self._is_unread = True  # until the digests are read, which is one statement then
                elif is_there:
                    self._take_applied((_read_apart if self._apart else read_rows)(scope.connection, *self._names()))
                elif self._apart:
                    self._is_missing = True  # until there is something to write
                else:
                    table.create(scope.connection)
        except sa.exc.DBAPIError as error:
            self._tell_of_none("read" if is_there else "created", error)
            return
        self._table = table
        # A revision may commit in between, and the versions before it with that.
        scope.listen("commit", lambda connection: self._committing(connection, scope.version_table), insert=True)

    def _tell_of_none(self, what: str, error: sa.exc.DBAPIError) -> None:
        self._table = None
        reason = f"{APPLIED_TABLE} can't be {what} ({scrub(str(error.orig)).strip()})"
        self._scope.tell("notice", f"The {self._scope.database} database keeps no times of revisions: {reason}.")

    def _names(self) -> tuple[str, str | None]:
        return self._scope.version_table, self._scope.version_table_schema

    def _take_applied(self, applied: list[AppliedRevision]) -> None:
        """Note which rows there are, and tell of files that were edited after they were applied."""
        self._is_unread = False
        self._known = {record.revision.casefold() for record in applied}
        self._digests = {record.revision: record.digest for record in applied if record.revision.startswith(TABLE_ROW)}
        applied = [record for record in applied if record.revision not in self._digests]
        if not self._together:
            self._forget_digests()
        below = self._revision_map.iterate_revisions(self._heads, "base") if applied and self._heads else ()
        paths = {revision.revision: revision.path for revision in below}
        tenant = current_tenant()
        look = functools.partial(_is_edited, tenant.fleet) if tenant is not None and tenant.fleet else is_edited
        for record in applied:
            path = paths.get(record.revision)
            if path is not None and look(path, record.digest) and moved_revision(record, paths, applied) is None:
                self._scope.tell("notice", edited_sentence(record, path))

    def _read_late(self) -> None:
        """Read the rows by themselves, where they couldn't be read with the digests."""
        try:
            self._take_applied(_read_apart(self._scope.connection, *self._names()))
        except sa.exc.DBAPIError as error:
            self._is_unread = False
            self._tell_of_none("read", error)

    def begin_step(self, scope: Scope, step: t.Any) -> None:
        """Start the clock."""
        self._running, self._started = step, time.perf_counter()

    def version_written(self, scope: Scope, step: t.Any) -> None:
        """Write the rows where the next commit may come, at the latest with the last version."""
        running = self._running  # what Alembic gives to its callback knows neither code nor file
        if self._table is None or is_stamp(running):
            return
        revision = running.revision.revision
        seconds = time.perf_counter() - self._started
        row = applied_row(scope.version_table, revision, running.revision.path, seconds) if running.is_upgrade else None
        self._rows[revision] = row
        if running is self._last:
            self._take_digests(scope)
        if not self._together or running is self._last:
            self._write(scope.connection, scope.version_table)

    def _take_digests(self, scope: Scope) -> None:
        """Put a digest of each table among the rows; :func:`with_history` tells by them what changed since."""
        try:
            digests = self._read_digests(scope)
        except sa.exc.DBAPIError:
            digests = {}  # a catalog that can't be read; nothing is told then
        rows: dict[str, dict[str, t.Any] | None] = {
            row["revision"]: row for row in digest_rows(scope.version_table, digests)
        }
        same = {name for name, row in rows.items() if row is not None and row["digest"] == self._digests.get(name)}
        changes = {name: row for name, row in {**dict.fromkeys(self._digests), **rows}.items() if name not in same}
        self._rows.update(changes)
        self._has_digests = True

    def _read_digests(self, scope: Scope) -> Digests:
        connection, names = scope.connection, self._names()
        query = digest_query(scope.dialect, *names)
        if not self._apart or query is None:
            with connection.begin_nested() if self._transactional else contextlib.nullcontext():
                return read_digests(connection, *names)
        first = [_text_of_create(connection, self._table)] if self._is_missing and self._table is not None else []
        if self._is_unread:
            first = [_query(connection, *names)]
        try:
            *found, rows = execute_apart_from_errors(connection, *first, query)
        except sa.exc.DBAPIError:
            if not first:
                raise
            self._read_late() if self._is_unread else self._create(connection)
            return self._read_digests(scope) if self._table is not None else {}
        if self._is_unread:
            self._take_applied(records_of(found[0]))
        self._is_missing = False
        return digests_of(rows, scope.version_table)

    def _create(self, connection: sa.Connection) -> None:
        """Create the table now, if it isn't there."""
        if not self._is_missing or self._table is None:
            return
        self._is_missing = False
        try:
            execute_apart_from_errors(connection, _text_of_create(connection, self._table))
        except sa.exc.DBAPIError as error:
            self._tell_of_none("created", error)

    def _forget_digests(self) -> None:
        """Delete the digests: what a run that breaks off leaves can't be told from drift."""
        self._rows.update(dict.fromkeys(self._digests))
        self._digests = {}

    def _committing(self, connection: sa.Connection, version_table: str) -> None:
        if self._is_unread:
            self._read_late()
        if not self._has_digests:
            self._forget_digests()
        self._write(connection, version_table)

    def _write(self, connection: sa.Connection, version_table: str) -> None:
        if self._rows:
            self._create(connection)
        table, own = self._table, {IS_OWN: True}
        if table is None or not self._rows:
            return
        rows = [row for row in self._rows.values() if row is not None]
        together = connection.dialect.name in _REPLACING and connection.dialect.paramstyle in ("format", "pyformat")
        names = sorted(name for name in self._rows if name.casefold() in self._known)  # MariaDB may ignore case
        if together:  # which replaces rows that are there
            names = [name for name in names if self._rows[name] is None]
        if names:
            here = (table.c.version_table == version_table, table.c.revision.in_(names))
            connection.execute(table.delete().where(*here), execution_options=own)
        if rows and together:
            _replace_together(connection, table, rows)
        elif rows:
            connection.execute(table.insert(), rows, execution_options=own)
        self._rows = {}


_TOGETHER = 1000  # rows in one statement
_ON_DUPLICATE = ("ON DUPLICATE KEY UPDATE", "VALUES({})")
_REPLACING = {
    "postgresql": ("ON CONFLICT (version_table, revision) DO UPDATE SET", "excluded.{}"),
    "mysql": _ON_DUPLICATE,
    "mariadb": _ON_DUPLICATE,
}


def _replace_together(connection: sa.Connection, table: sa.Table, rows: t.Sequence[dict[str, t.Any]]) -> None:
    """Insert rows, in place of those that are there, by one statement for many."""
    names = [column.name for column in table.columns]
    line = f"({', '.join(['%s'] * len(names))})"
    into = f"INSERT INTO {connection.dialect.identifier_preparer.format_table(table)} ({', '.join(names)}) VALUES"
    replacing, value = _REPLACING[connection.dialect.name]
    set_all = ", ".join(f"{name} = {value.format(name)}" for name in names)
    for start in range(0, len(rows), _TOGETHER):
        part = rows[start : start + _TOGETHER]
        values = [row[name] for row in part for name in names]
        execute_beneath(connection, f"{into} {', '.join([line] * len(part))} {replacing} {set_all}", values)


def _text_of_create(connection: sa.Connection, table: sa.Table) -> str:
    text = str(sa.schema.CreateTable(table, if_not_exists=True).compile(dialect=connection.dialect))
    return text.replace("%%", "%").strip()


@functools.lru_cache(maxsize=10_000)
def _is_edited(fleet: str, path: str, digest: str) -> bool:
    """Ask :func:`is_edited` once for all tenants of a fleet, most of which ran the same files."""
    return is_edited(path, digest)


def _read_apart(connection: sa.Connection, version_table: str, schema: str | None) -> list[AppliedRevision]:
    """Read the rows in the transaction of a run on PostgreSQL, which goes on if they can't be read."""
    (rows,) = execute_apart_from_errors(connection, _query(connection, version_table, schema))
    return records_of(rows)


def _query(connection: sa.Connection, version_table: str, schema: str | None) -> str:
    """Return the statement that reads the rows, for PostgreSQL."""
    table = applied_table(connection.dialect.name, schema)
    name = connection.dialect.identifier_preparer.format_table(table).replace("%%", "%")
    columns = "revision, applied_at, seconds, applied_by, digest"
    return f"SELECT {columns} FROM {name} WHERE version_table = {literal(version_table)} ORDER BY applied_at"
