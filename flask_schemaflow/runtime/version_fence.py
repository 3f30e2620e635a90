"""Between a run and the version rows: nothing is written there but over what the run has read."""

from __future__ import annotations

import functools
import re
import typing as t

import sqlalchemy as sa

from .. import errors
from ..patterns import pattern
from . import private
from .beneath import execute_beneath
from .guards import Scope

_LOCKS_ROWS = ("postgresql", "mysql", "mariadb")
_COUNTS_ROWS = ("sqlite", "postgresql")
_WRITTEN = "before the version was written"
_PLAIN = pattern(r"[\w-]+", re.ASCII)
_OLD, _NEW = "schemaflow-old", "schemaflow-new"  # stand for the ids in what is compiled once


class Fence:
    """Asks for the version rows, with a statement of its own or in the one that writes the version.

    Alembic composes a new UPDATE for each revision, and to compile it takes longer than to run it; here it is compiled
    once. Its WHERE asks what a look before it would, so that most revisions need none.
    """

    def __init__(self, scope: Scope) -> None:
        assert scope.context is not None
        self._scope, self._context = scope, scope.context
        self._is_due = False
        undo = private.meet_version_writes(self._context, self._replace, self._check_if_due)
        self._meets_writes = undo is not None
        if undo is not None:
            scope.defer(undo)

    def check(self, when: str, lock_too: bool = False) -> None:
        """The rows are those that this run read or wrote last, and with ``lock_too`` nobody else may write them.

        :raises LockLost: when somebody may.
        :raises ChangedMeanwhile: when somebody did.
        """
        scope = self._scope
        found, is_locked = self._stored(scope.lock_held if lock_too else "")
        if not is_locked:
            from .locking.lock import lost

            raise lost(scope, when)
        if scope.heads is None or found == scope.heads:
            return
        raise errors.ChangedMeanwhile(
            f"The {scope.database} database was at {_names(scope.heads)} and is now at {_names(found)}: "
            f"somebody else migrated it {when}.",
            hint="Run the command again; it does what is left.",
        )

    def code_ran(self) -> None:
        """The revision's code has come to its end; its version is written next, and not over other rows."""
        self._is_due = True
        if not self._meets_writes:
            self._check_if_due()

    def _check_if_due(self) -> None:
        if self._is_due:
            self._is_due = False
            self.check(_WRITTEN, lock_too=True)

    def _replace(self, old: str, new: str) -> sa.CursorResult[t.Any] | None:
        """Put a version in the place of another one; ``None`` leaves that to Alembic."""
        connection = self._scope.connection
        is_translated = connection.get_execution_options().get("schema_translate_map")
        if is_translated or not (_PLAIN.fullmatch(old + new) and self._is_standard):
            self._check_if_due()
            return None
        if not (self._scope.heads == frozenset({old}) and self._may_compare):
            self._check_if_due()
        statement = self._comparing if self._is_due else self._plain
        replaced = connection.exec_driver_sql(statement.replace(_OLD, old).replace(_NEW, new))
        if replaced.rowcount:
            self._is_due = False
        self._check_if_due()
        return replaced

    @property
    def _may_compare(self) -> bool:
        """Whether the UPDATE may ask by itself.

        MariaDB takes longer to count the rows than to change one, so there it asks for the one and for the lock. That
        other rows came is found out when a version doesn't wait any more, at the latest with the last one.
        """
        if self._scope.dialect in _COUNTS_ROWS:
            return True
        return self._scope.version_may_wait and not self._is_replayed

    @functools.cached_property
    def _is_replayed(self) -> bool:
        """Whether replicas run statements by their text: nobody holds the lock there, and they would find no row."""
        asked = "SELECT @@log_bin AND @@SESSION.binlog_format = 'STATEMENT'"
        return bool(execute_beneath(self._scope.connection, asked)[0][0])

    @functools.cached_property
    def _table(self) -> sa.Table:
        """The version table; writes to it were met, so there is one."""
        return t.cast(sa.Table, private.version_table(self._context))

    @functools.cached_property
    def _is_standard(self) -> bool:
        """Whether an id is written as it is."""
        return type(self._table.c.version_num.type) is sa.String

    @functools.cached_property
    def _plain(self) -> str:
        return self._compiled()

    @functools.cached_property
    def _comparing(self) -> str:
        """Finds nothing unless the lock is held, and where counting costs little, the row is the only one."""
        held = self._scope.lock_held
        conditions: list[t.Any] = [sa.literal_column(held)] if held else []
        if self._scope.dialect in _COUNTS_ROWS:
            rows = sa.select(sa.func.count()).select_from(self._table.alias()).scalar_subquery()
            conditions.append(rows == sa.literal_column("1"))
        return self._compiled(*conditions)

    def _compiled(self, *conditions: t.Any) -> str:
        table = self._table
        update = table.update().values(version_num=sa.literal_column(f"'{_NEW}'"))
        found = update.where(table.c.version_num == sa.literal_column(f"'{_OLD}'"), *conditions)
        return str(found.compile(dialect=self._scope.connection.dialect))

    def _stored(self, condition: str) -> tuple[frozenset[str], bool]:
        """The rows as they are committed, locked until the transaction ends, and whether ``condition`` holds."""
        connection = self._scope.connection
        locking = " FOR UPDATE" if self._scope.dialect in _LOCKS_ROWS else ""
        asked = condition or "1"
        rows = execute_beneath(connection, f"SELECT version_num, {asked} FROM {table_name(self._scope)}{locking}")
        told = rows or ([(None, *row) for row in execute_beneath(connection, f"SELECT {asked}")] if condition else [])
        return frozenset(row[0] for row in rows), all(row[1] for row in told)


def table_name(scope: Scope) -> str:
    """The version table as a statement names it."""
    quote = scope.connection.dialect.identifier_preparer.quote
    return ".".join(quote(part) for part in (scope.version_table_schema, scope.version_table) if part)


def _names(heads: t.Iterable[str]) -> str:
    return ", ".join(sorted(heads)) or "no revision"
