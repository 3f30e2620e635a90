"""Whose transaction a run is in, and whether what it did is committed.

Alembic commits the transaction that it began. It takes one that was open before ``context.configure()`` for env.py's,
and one that a revision has ended for its own still; what is written afterwards is in a transaction that nobody commits.
"""

from __future__ import annotations

import contextlib
import functools
import re
import sys
import threading
import typing as t
import weakref

import sqlalchemy as sa
from sqlalchemy import event

from ... import errors
from ...alembic_private import begins_by_itself
from ...redaction import one_line
from ...redaction import scrub
from ..connections import commits_each_statement
from ..connections import execute_beneath
from ..guard import Guard
from ..guard import is_stamp
from ..guard import revision_name
from ..guard import Scope

_ROLLBACK = re.compile(r"\s*(?:ROLLBACK|ABORT)(?:\s+(?:WORK|TRANSACTION))?\s*;?\s*$", re.I)
_FOR_ITS_TRANSACTION = re.compile(
    r"\bSET\s+(?:LOCAL|CONSTRAINTS|TRANSACTION)\b|\bset_config\s*\(.*,\s*true\s*\)|\bLOCK\b|_xact_lock|\bFOR\s+(?:UPDATE|SHARE)\b"
    r"|\bON\s+COMMIT\b|\bSAVEPOINT\b",
    re.I | re.S,
)
_ABORTED = "25P02"
_SAVEPOINT_ADVICE = "with op.get_bind().begin_nested():"


class _Sent(t.NamedTuple):
    statement: str
    place: str


class _EnvTransaction:
    """A transaction of env.py on a connection that Alembic isn't configured for yet.

    :ivar is_implicit: whether SQLAlchemy began it for the first statement, so that env.py needn't know of it.
    """

    def __init__(self, is_implicit: bool) -> None:
        self.is_implicit = is_implicit
        self.statements: list[_Sent] = []


_noted: weakref.WeakKeyDictionary[sa.Connection, _EnvTransaction | None] = weakref.WeakKeyDictionary()
"""By connection; ``None`` once Alembic is configured for it."""


@contextlib.contextmanager
def noting_env_statements() -> t.Iterator[None]:
    """Note what env.py sends before it configures Alembic, as long as the block lasts.

    Statements of other threads are the application's, or those of another run.
    """
    mine = threading.get_ident()
    connections: weakref.WeakSet[sa.Connection] = weakref.WeakSet()

    def begun(connection: sa.Connection) -> None:
        if threading.get_ident() == mine and _noted.get(connection, connection) is not None:
            connections.add(connection)
            _noted[connection] = _EnvTransaction(begins_by_itself())

    def sent(connection: sa.Connection, cursor: t.Any, statement: str, *rest: t.Any) -> None:
        transaction = _noted.get(connection) if threading.get_ident() == mine else None
        if transaction is not None:
            transaction.statements.append(_Sent(statement, _env_line()))

    event.listen(sa.Engine, "begin", begun)
    event.listen(sa.Engine, "before_cursor_execute", sent)
    try:
        yield
    finally:
        event.remove(sa.Engine, "begin", begun)
        event.remove(sa.Engine, "before_cursor_execute", sent)
        for connection in list(connections):
            _noted.pop(connection, None)


def commit_env_statements(connection: sa.Connection) -> _Sent | None:
    """Commit the transaction that SQLAlchemy began for a statement of env.py, unless a statement needs it to go on.

    :returns: That statement.
    """
    noted = _noted.get(connection)
    _noted[connection] = None
    if noted is None or not noted.is_implicit or not connection.in_transaction():
        return None
    bound = [sent for sent in noted.statements if _FOR_ITS_TRANSACTION.search(sent.statement)]
    if not bound:
        connection.commit()
    return bound[0] if bound else None


class RunTransaction(Guard):
    """Promises that everything reported as applied is committed, and that no work of a run is lost unnoticed.

    A transaction that SQLAlchemy began for a statement of env.py is committed before Alembic is configured. If a
    revision commits, its later statements are committed with the revision. A revision fails if it rolls back, or
    continues in a transaction that PostgreSQL has aborted.
    """

    def __init__(self) -> None:
        self._waiting: list[t.Callable[[], None]] = []  # to be told once their work is committed
        self._committing: list[t.Callable[[], None]] = []
        self._written: list[str] = []  # the revisions whose versions are not committed yet
        self._step: t.Any = None  # whose code runs
        self._rollback_line = 0
        self._refused: tuple[str, str, int] | None = None
        self._expected: t.Any = None  # the transaction that Alembic will commit
        self._env_statement: _Sent | None = None
        self._last: t.Any = None
        self._is_over = False  # all steps are done

    @classmethod
    def applies(cls, scope: Scope) -> bool:
        """Leave a transaction that the caller has begun to the caller."""
        return not (scope.foreign and scope.connection.in_transaction())

    def before_configure(self, scope: Scope) -> None:
        """Commit what env.py left open without knowing it, and follow the connection's transactions."""
        self._scope = scope
        self._env_statement = commit_env_statements(scope.connection)
        self._has_env_transaction = scope.connection.in_transaction()
        scope.when_committed = self._tell_when_committed
        scope.listen("begin", lambda connection: self._begun())
        scope.listen("rollback", lambda connection: self._rolls_back())
        scope.listen("rollback_savepoint", lambda connection, name, context: self._forget_refusal())
        scope.listen("before_cursor_execute", self._sends)
        self._listen_to_the_engine(scope)

    def after_configure(self, scope: Scope) -> None:
        """Make an ``autocommit_block()`` commit the open transaction, also one that Alembic did not begin."""
        # After the listeners of all other guards, of which one may send the COMMIT, or refuse it.
        scope.listen("commit", lambda connection: self._commits())
        context = scope.context
        assert context is not None
        block = context.autocommit_block

        @contextlib.contextmanager
        def autocommit_block() -> t.Iterator[None]:
            if self._has_env_transaction and scope.connection.in_transaction():
                self._refuse_block()
                yield
                return
            if self._step is not None and scope.connection.get_transaction() is not self._expected:
                scope.connection.commit()
            with block():
                yield
            self._expected = scope.connection.get_transaction()

        scope.shadow(context, "autocommit_block", autocommit_block)

    def _refuse_block(self) -> None:
        """Refuse an ``autocommit_block()`` in a transaction that only env.py can end, unless each change is committed.

        :raises NeverCommitted: names the revision.
        """
        context = self._scope.context
        assert context is not None
        if not context.impl.transactional_ddl:
            return
        where = "env.py"
        if self._step is not None:
            where = f"Revision {self._step.revision.revision} ({self._step.revision.path}, line {_line_of(self._step)})"
        raise errors.NeverCommitted(
            f"{where} uses autocommit_block(), but env.py began the transaction "
            "of the run, so nothing else can commit it.",
            hint="In env.py, replace `engine.begin()` by `engine.connect()`, and begin the transaction by: "
            "with context.begin_transaction():",
        )

    def plan(self, scope: Scope, steps: t.Sequence[t.Any]) -> None:
        """Note the transaction of the run."""
        self._last = steps[-1] if steps else None
        self._is_over = not steps
        self._run_transaction = scope.connection.get_transaction()
        assert scope.context is not None
        each = bool(scope.options.get("transaction_per_migration")) or not scope.context.impl.transactional_ddl
        self._commits_each = each and not self._has_env_transaction

    @contextlib.contextmanager
    def around(self, scope: Scope, step: t.Any) -> t.Iterator[None]:
        """Follow what the revision's code does to the transaction."""
        if is_stamp(step):
            yield
            return
        self._expected, self._rollback_line = scope.connection.get_transaction(), 0
        self._step = step
        try:
            yield
        finally:
            self._step = None
        self._refuse_rollback(step)

    def version_written(self, scope: Scope, step: t.Any) -> None:
        """Note that a version waits for its commit."""
        if not commits_each_statement(scope.connection):
            self._written.append(revision_name(step))

    def end_step(self, scope: Scope, step: t.Any) -> None:
        """Commit a transaction that began after the revision had ended Alembic's."""
        connection = scope.connection
        self._is_over = step is self._last
        if self._has_env_transaction or not connection.in_transaction():
            return
        is_over = step is self._last and connection.get_transaction() is not self._run_transaction
        if self._commits_each or is_over:
            connection.commit()

    def finished(self, scope: Scope) -> None:
        """Refuse to end well with work that env.py has not committed.

        :raises NeverCommitted: when there is some.
        """
        self._flush()
        if not self._waiting:
            return
        sent = self._env_statement
        if sent is not None:
            raise errors.NeverCommitted(
                f"env.py sends `{one_line(sent.statement, 200)}` ({sent.place}) before it "
                "configures Alembic, so the transaction is env.py's own, and env.py never committed it: nothing was "
                f"applied to the {scope.database} database.",
                hint="Send it inside: with context.begin_transaction(): ..., or call connection.commit() at the end.",
            )
        raise errors.NeverCommitted(
            f"env.py ran revision {', '.join(self._written)} on the {scope.database} database and never committed it, "
            "so nothing was applied.",
            hint="In env.py, write: with context.begin_transaction(): context.run_migrations()",
        )

    def failed(self, scope: Scope, error: BaseException) -> None:
        """Tell of what was committed before."""
        self._flush()

    def close(self, scope: Scope) -> None:
        """Roll back what an env.py left open that never closes its connection."""
        if not scope.foreign and not scope.connection.closed and self._waiting:
            with contextlib.suppress(sa.exc.SQLAlchemyError):
                scope.connection.rollback()

    # -- the transaction's course ---------------------------------------------------------------------

    def _tell_when_committed(self, tell: t.Callable[[], None]) -> None:
        """Call ``tell`` as soon as the step that has ended is committed."""
        self._flush()
        if self._written:
            self._waiting.append(tell)
        else:
            tell()

    def _flush(self) -> None:
        committed, self._committing = self._committing, []
        for tell in committed:
            tell()

    def _begun(self) -> None:
        if self._step is not None:
            self._refuse_rollback(self._step)
        self._forget_refusal()
        self._flush()

    def _commits(self) -> None:
        if self._refused is not None and self._scope.dialect == "postgresql":
            self._refuse_aborted()
        self._committing += self._waiting
        self._waiting, self._written = [], []
        if self._is_over:  # what follows is env.py's again, which may configure Alembic once more
            _noted.pop(self._scope.connection, None)

    def _refuse_aborted(self) -> None:
        """Fail where PostgreSQL would take the commit for a rollback, which it does in silence."""
        try:
            execute_beneath(self._scope.connection, "SELECT 1")
        except sa.exc.DBAPIError as error:
            raise self._went_on() from error

    def _rolls_back(self) -> None:
        self._forget_refusal()
        if self._step is not None:
            self._rollback_line = self._rollback_line or _line_of(self._step) or -1

    def _sends(self, connection: sa.Connection, cursor: t.Any, statement: str, *rest: t.Any) -> None:
        if self._step is not None and _ROLLBACK.match(statement):
            self._rolls_back()

    def _refuse_rollback(self, step: t.Any) -> None:
        """Fail where more is undone than rows of the revision's own, as MariaDB commits each schema change."""
        assert self._scope.context is not None
        if not self._rollback_line or not self._scope.context.impl.transactional_ddl:
            return
        raise errors.NeverCommitted(
            f"Revision {step.revision.revision} rolls back the transaction of the run "
            f"({step.revision.path}, line {max(1, self._rollback_line)}), and with it what it has done before.",
            hint=f"Remove the rollback. A statement that may fail belongs into a savepoint:\n    {_SAVEPOINT_ADVICE}",
        )

    # -- statements that failed -----------------------------------------------------------------------

    def _listen_to_the_engine(self, scope: Scope) -> None:
        engine, pool = scope.engine, scope.engine.pool
        driver = scope.connection.connection.dbapi_connection

        def returned(dbapi_connection: t.Any, *rest: t.Any) -> None:
            if dbapi_connection is driver and driver is not None:
                self._flush()

        event.listen(engine, "handle_error", self._failing, retval=True)
        scope.defer(functools.partial(event.remove, engine, "handle_error", self._failing))
        if not scope.connection.dialect.is_async:  # whose scope closes while this very event runs
            event.listen(pool, "checkin", returned)
            scope.defer(functools.partial(event.remove, pool, "checkin", returned))

    def _failing(self, context: t.Any) -> BaseException | None:
        """Note the statement that failed; explain those after it that PostgreSQL doesn't look at any more."""
        if context.connection is not self._scope.connection:
            return None
        if context.statement is None:  # the commit itself
            self._waiting, self._committing = [*self._committing, *self._waiting], []
        elif _sqlstate(context.original_exception) != _ABORTED:
            if self._refused is None and self._step is not None:
                words = " ".join(str(context.original_exception).split())
                self._refused = context.statement, words, _line_of(self._step)
                self._refused_in = self._step.revision
        elif self._refused is not None:
            return self._went_on()
        return None

    def _went_on(self) -> errors.MigrationFailed:
        assert self._refused is not None
        statement, words, line = self._refused
        revision = self._refused_in
        made = errors.MigrationFailed(
            f"Revision {revision.revision} continued after a statement that PostgreSQL rejected "
            f"({revision.path}, line {line}): {scrub(words)}",
            details=f"  SQL: {one_line(statement, 200)}",
            hint="After an error PostgreSQL takes no more statements in a transaction. Where the revision expects one, "
            f"put the statement into a savepoint:\n    {_SAVEPOINT_ADVICE}",
        )
        made.revision = revision.revision
        return made

    def _forget_refusal(self) -> None:
        self._refused = None


def _sqlstate(error: BaseException) -> str:
    names = ("sqlstate", "pgcode")
    return next((str(code) for name in names if (code := getattr(error, name, None))), "")




def _line_of(step: t.Any) -> int:
    """Return the line of the revision's file that is at work, 0 where none is."""
    from .journal.status import line_in

    return line_in(str(step.revision.path))


def _env_line() -> str:
    """Return the innermost line of an env.py that is at work."""
    frame: t.Any = sys._getframe(1)
    while frame is not None:
        path = frame.f_code.co_filename
        if path.endswith("env.py") and not str(frame.f_globals.get("__name__")).startswith("flask_schemaflow"):
            return f"{path}, line {frame.f_lineno}"
        frame = frame.f_back
    return "env.py"
