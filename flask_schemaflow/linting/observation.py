"""What was observed of one statement on the scratch copy, and the recorder that collects it.

A recorder listens to the scratch engine. It takes the statements that a revision file sends, lets them run, and notes
what the server did: locks held, rows read, tables written anew. Each kind of database has a recorder of its own.
"""

from __future__ import annotations

import contextlib
import dataclasses
import re
import typing as t

import sqlalchemy as sa
from sqlalchemy import event

from ..autogenerate.verify.narrow import looking
from ..backfills.sql import ASKS
from ..backfills.sql import KEPT
from ..backfills.sql import REPEATED
from ..runtime.guards.sqlite.catalog import probe
from .raw import is_autocommit
from .raw import query
from .raw import words_of
from .running_code import broken_statements
from .shapes import ShapeBook
from .shapes import split
from .shapes import TableChange
from .source import lines_of
from .sql_text import first_word
from .sql_text import readable
from .sql_text import without_strings
from .triggers import changed_tables
from .triggers import Trigger
from .triggers import triggers_of

_SESSION = ("SET", "SHOW", "PRAGMA", "BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE", "EXPLAIN", "USE", "RESET")
_QUIET = "skip_user_error_events"
"""SQLAlchemy's reflection of MariaDB sets this option and leaves it set; errors are told to nobody then."""
_CATALOGS = re.compile(r"\b(?:sqlite_(?:temp_)?(?:master|schema)\b|pg_catalog\.|information_schema\.)", re.I)
"""Where inspectors look."""

WRITES = ("UPDATE", "DELETE", "INSERT", "REPLACE", "MERGE", "WITH")
"""The first words of statements that may write rows."""


@dataclasses.dataclass(frozen=True)
class Hold:
    """A lock that is held while a statement works.

    :param taken_by: the number of the statement that took it.
    """

    table: str
    lock: str
    blocks: tuple[str, ...]
    taken_by: int


@dataclasses.dataclass(frozen=True)
class LockedRows:
    """Rows that a statement changes and so locks.

    :param share: the part of the table's rows, from 0 to 1.
    :param most: how many rows it can be, if the statement has a LIMIT.
    :param kind: ``update``, ``delete`` or ``read`` for rows that are only locked.
    """

    table: str
    share: float
    kind: str
    most: int | None = None


@dataclasses.dataclass(frozen=True)
class Orphans:
    """Rows that refer to rows that go.

    :param table: the table that refers to ``parent``.
    :param action: what the foreign key asks for: ``CASCADE``, ``SET NULL`` and so on.
    :param rebuilt: whether the parent only gives its place to a copy with the same rows.
    """

    table: str
    parent: str
    action: str
    rebuilt: bool = False


@dataclasses.dataclass
class Observation:
    """One statement and what the server did.

    :ivar number: counts the statements of a revision from 1.
    :ivar sql: the statement as the server reads it.
    :ivar sent: the statement as the driver takes it, with its placeholders.
    :ivar lines: the lines of the file that sent it, the innermost first.
    :ivar tables: the older tables that it names or locks, as they are called before the revision.
    :ivar holds: the locks that block somebody meanwhile.
    :ivar work: what was done with the rows of older tables.
    :ivar empties: the tables of which all rows are deleted.
    :ivar emptied: the partitions of which all rows are deleted, each with its table.
    :ivar deleted: the tables of which some rows are deleted.
    :ivar lost: rows that go, or lose their values, because rows that they refer to are deleted.
    :ivar detached: the partitions that leave their table, each with its table.
    :ivar orphans: the tables whose rows refer to rows that go, and whether only a rebuild of their table is why.
    :ivar waits: the tables that had to be locked against everybody, if only for a moment.
    :ivar fires: the triggers that it fires for each row that it changes, each with its table as it is called before.
    :ivar reads_nothing: whether it is a query that found no row, because the copy has none.
    :ivar repeated: whether the operation that sends it clears away what a failure leaves, and builds again.
    :ivar kept: whether the values of a column that it drops are in another column as well.
    :ivar is_lax: whether the server takes values that don't fit, and changes them.
    :ivar words: what the server said of the error.
    """

    number: int
    sql: str
    lines: tuple[int, ...]
    sent: str = ""
    transaction: int = 0
    autocommit: bool = False
    tables: tuple[str, ...] = ()
    locks: dict[str, str] = dataclasses.field(default_factory=dict)
    holds: list[Hold] = dataclasses.field(default_factory=list)
    work: dict[str, str] = dataclasses.field(default_factory=dict)
    written: list[LockedRows] = dataclasses.field(default_factory=list)
    empties: list[str] = dataclasses.field(default_factory=list)
    emptied: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    deleted: list[str] = dataclasses.field(default_factory=list)
    lost: list[Orphans] = dataclasses.field(default_factory=list)
    detached: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    orphans: list[Orphans] = dataclasses.field(default_factory=list)
    waits: list[str] = dataclasses.field(default_factory=list)
    changes: list[TableChange] = dataclasses.field(default_factory=list)
    fires: list[tuple[str, Trigger]] = dataclasses.field(default_factory=list)
    reads_nothing: bool = False
    error: BaseException | None = None
    words: str = ""
    repeated: bool = False
    kept: bool = False
    is_lax: bool = False

    @property
    def word(self) -> str:
        """The first word of the statement, in capitals."""
        return first_word(self.sql)


class StatementRecorder:
    """Records what the statements of one revision do; the base of those for each kind of database.

    :param engine: the scratch database.
    :param source: the application's database, which is only read, for the planner's estimates; may be ``None``.
    """

    def __init__(self, engine: sa.Engine, source: sa.Engine | None, ignored: t.Collection[str]) -> None:
        self.engine = engine
        self.source = source
        self.ignored = ignored
        self.observations: list[Observation] = []
        self.shapes = ShapeBook()
        self.failing: dict[str, tuple[str, ...]] = {}
        self.unnamed: frozenset[str] = frozenset()  # tables that no code names, such as partitions
        self._path = ""
        self._busy = False
        self._transaction = 0
        self._open = False
        self.begins_here = self.ends_here = True  # whether a part of a text is its first, its last

    @contextlib.contextmanager
    def recording(self, path: str) -> t.Iterator[list[Observation]]:
        """Record the statements that ``path`` sends within the block."""
        self._path = path
        self.observations = []
        self.failing = {}
        self._transaction, self._open = 0, False
        with self.engine.connect() as connection:
            self.shapes = ShapeBook(self.list_tables(connection))
            self.begin(connection)
        listeners: tuple[tuple[str, t.Callable[..., t.Any], dict[str, t.Any]], ...] = (
            ("before_cursor_execute", self._before, {"retval": True}),
            ("after_cursor_execute", self._after, {}),
            ("handle_error", self._failed, {}),
            ("commit", self._ended, {}),
            ("rollback", self._ended, {}),
        )
        for name, function, options in listeners:
            event.listen(self.engine, name, function, **options)
        try:
            yield self.observations
        finally:
            for name, function, _ in listeners:
                event.remove(self.engine, name, function)
            self.finish()

    def named(self, connection: sa.Connection, sql: str) -> list[str]:
        """Return the older tables that a statement names."""
        return self.shapes.named(without_strings(sql) if first_word(sql) == "SELECT" else sql)

    # What a kind of database does differently ------------------------------------------------------------------

    def list_tables(self, connection: sa.Connection) -> list[str]:
        """Return the tables of the user's."""
        names = sa.inspect(connection).get_table_names()
        return [name for name in names if name not in self.ignored]

    def begin(self, connection: sa.Connection) -> None:
        """Look at the database before the revision."""

    def commits(self, sql: str) -> bool:
        """Return whether a statement is committed by itself, together with what came before it."""
        return False

    def parts(self, sql: str, parameters: t.Any) -> list[str]:
        """Return the statements of a text that the driver takes at once."""
        return [sql]

    def works(self, connection: sa.Connection, sql: str, parameters: t.Any) -> bool:
        """Run a statement; return false, with its transaction as it was, if it fails."""
        raise NotImplementedError  # pragma: no cover - only where parts() returns several

    def before(self, item: Observation, connection: sa.Connection, parameters: t.Any) -> tuple[str, t.Any]:
        """Prepare for a statement; return what is to be sent in its place."""
        return item.sent, parameters

    def after(self, item: Observation, connection: sa.Connection) -> None:
        """Note what a statement did."""

    def failed(self, item: Observation, connection: sa.Connection) -> None:
        """Clean up after a statement that failed."""

    def finish(self) -> None:
        """Note what only the end of the revision shows."""

    def keys_that_delete(self, connection: sa.Connection) -> list[Orphans]:
        """Return the foreign keys that delete or change rows when those go that they refer to."""
        return []

    def _note_lost(self, item: Observation, connection: sa.Connection) -> None:
        """Note the rows of other tables that go with those that a statement deletes, also those of further tables."""
        item.deleted += [row.table for row in item.written if row.kind == "delete"]
        gone = set(item.deleted)
        keys = self.keys_that_delete(connection) if gone else []
        new = gone
        while new:
            found = [key for key in keys if key.parent in new and key.table not in gone]
            item.lost += found
            new = {key.table for key in found if key.action == "CASCADE"} - gone
            gone |= new

    # The listeners ----------------------------------------------------------------------------------------------

    def _before(
        self, connection: sa.Connection, cursor: t.Any, sql: str, parameters: t.Any, context: t.Any, many: bool
    ) -> tuple[str, t.Any]:
        lines = () if self._busy else lines_of(self._path)
        if not lines or ASKS in context.execution_options:
            return sql, parameters
        *earlier, last = self.parts(sql, parameters)
        self.ends_here = not earlier
        self.begins_here = True
        for part in earlier:
            if not self._run(connection, part, parameters, lines):
                last = part  # it fails once more, where SQLAlchemy sees it
                break
        self.ends_here = True
        item = self._observe(connection, last, parameters, lines)
        if item is None:
            return last, parameters
        context._schemaflow_observed = item
        one = parameters[0] if many and parameters else parameters
        with self._unobserved():
            sent, values = self.before(item, connection, one)
        if connection.get_execution_options().get(_QUIET):
            connection.execution_options(**{_QUIET: False})
        return sent, parameters if values is one else values

    def _run(self, connection: sa.Connection, sql: str, parameters: t.Any, lines: tuple[int, ...]) -> bool:
        """Run and observe one of the statements before the last of a text; return whether it works."""
        item = self._observe(connection, sql, parameters, lines)
        with self._unobserved():
            if item is None:
                query(connection, sql, parameters)
                return True
            sent, values = self.before(item, connection, parameters)
            if not self.works(connection, sent, values):
                self.observations.remove(item)
                return False
            self._note(item, connection)
        self.begins_here = False
        return True

    def _observe(
        self, connection: sa.Connection, sql: str, parameters: t.Any, lines: tuple[int, ...]
    ) -> Observation | None:
        """Return the record of a statement that is about to run; ``None`` if it is only about the session."""
        word = first_word(sql)
        if word in _SESSION or probe(0)[:-2] in sql:  # what batch mode tries is rolled back
            return None
        if word in ("SELECT", "WITH") and _CATALOGS.search(sql):
            return None
        text = readable(sql, connection.dialect.paramstyle)
        item = Observation(len(self.observations) + 1, text, lines, sql, autocommit=is_autocommit(connection))
        item.repeated, item.kept = REPEATED in connection.info, KEPT in connection.info
        commits = self.commits(text)
        if not self._open or commits or (item.autocommit and self.begins_here):
            self._transaction += 1
        self._open = not item.autocommit and not commits
        item.transaction = self._transaction
        with self._unobserved():
            item.tables = tuple(self.named(connection, text))
            item.fires = list(self._fired(connection, item))
            if item.word not in ("SELECT", *WRITES):
                self._learn(connection, item.tables)
        self.observations.append(item)
        return item

    def _fired(self, connection: sa.Connection, item: Observation) -> t.Iterator[tuple[str, Trigger]]:
        """Yield the triggers that run for each row that a statement changes, and change more than this row."""
        changed = changed_tables(item.sql) if item.word in WRITES else {}
        words = set(re.findall(r"[\w$]+", item.sql))
        for trigger in triggers_of(connection) if changed else ():
            table = self.shapes.original(trigger.table)
            events = changed.get(split(trigger.table)[1], ())
            if table in item.tables and trigger.is_fired_by(events, words) and trigger.changes_others:
                yield table, trigger

    def _learn(self, connection: sa.Connection, tables: t.Iterable[str]) -> None:
        """Read the shapes of tables before they change, and note which statements of the code fail already."""
        new = self.shapes.learn(connection, tables)
        for broken in broken_statements(connection, {table: self.shapes.before[table] for table in new}):
            self.failing[broken.table] = broken.kinds

    def _after(
        self, connection: sa.Connection, cursor: t.Any, sql: str, parameters: t.Any, context: t.Any, many: bool
    ) -> None:
        item = getattr(context, "_schemaflow_observed", None)
        if item is None or self._busy:
            return
        with self._unobserved():
            self._note(item, connection)
            writes = any(row.kind != "read" for row in item.written)  # a function that it calls; FOR UPDATE only reads
            if item.word == "SELECT" and item.tables and not writes:  # asked last, for a look counts as a scan
                item.reads_nothing = cursor.rowcount == 0 or self._is_empty(connection, item.tables[0])

    def _note(self, item: Observation, connection: sa.Connection) -> None:
        self.after(item, connection)
        if item.word not in ("SELECT", *WRITES):
            item.changes += self.shapes.changes(connection, item.sql, item.tables)

    def _is_empty(self, connection: sa.Connection, table: str) -> bool:
        """Return whether a table has no row on the copy."""
        quote = connection.dialect.identifier_preparer.quote
        name = ".".join(quote(part) for part in split(self.shapes.current[table]) if part)
        return not query(connection, f"SELECT 1 FROM {name} LIMIT 1")

    def _failed(self, context: t.Any) -> None:
        execution = context.execution_context
        item = getattr(execution, "_schemaflow_observed", None)
        if item is not None and not self._busy and item.error is None:
            item.error = context.original_exception
            item.words = words_of(item.error, context.connection) or type(item.error).__name__
            with self._unobserved(), contextlib.suppress(Exception):
                self.failed(item, context.connection)

    def _ended(self, connection: sa.Connection) -> None:
        self._open = False

    @contextlib.contextmanager
    def _unobserved(self) -> t.Iterator[None]:
        self._busy = True
        try:
            with looking():
                yield
        finally:
            self._busy = False
