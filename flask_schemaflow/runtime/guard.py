"""Guards: what protects one run of env.py, each a promise of its own.

env.py calls ``context.configure(connection=...)``, under whatever template it was written; there, before
Alembic has read anything, every guard meets the connection, the dialect and the options. A guard is
a small class with a promise in its docstring; this module says when its methods are called.
"""

from __future__ import annotations

import contextlib
import functools
import random
import typing as t

from sqlalchemy import event

from ..records import Backup
from ..records import Event
from ..records import Notify
from ..records import silent
from ..targets import DEFAULT

if t.TYPE_CHECKING:
    import sqlalchemy as sa
    from alembic.runtime.migration import MigrationContext

    from ..extension import State
    from ..settings import Settings
    from ..targets import Target

Mode = t.Literal["write", "compare", "read"]

MYSQL = ("mysql", "mariadb")
"""The dialects of MariaDB and MySQL, which commit at every schema change."""


class StartOver(Exception):
    """The precheck found nothing to do and was wrong; the run begins again without it."""


LONGEST_PAUSE = 30.0
"""Seconds."""


def pause_before(attempt: int) -> float:
    """Return how many seconds to leave the database alone before an attempt: 1, 2, 4 ... with some jitter."""
    return min(LONGEST_PAUSE, 2.0 ** (attempt - 2)) * random.uniform(0.75, 1.25)


class Scope:
    """One migrated connection within one run of env.py.

    :param connection: what env.py passed to ``context.configure()``.
    :param options: what else it passed; a guard may change it before Alembic sees it.
    :param foreign: whether the caller opened the connection; then its transaction is the caller's too.
    :param bind: the name of the database, ``None`` for the default one or where it can't be told.
    :param attempt: how often the run was begun, this time included.
    :param backup: whether the caller wants the database saved first; ``None`` leaves it to the setting.
    :param backups: what this run has saved.
    :param targets: the databases of the run.
    :ivar heads: what the version table must hold now; ``None`` before the first step.
    :ivar idle: whether a first look found nothing to do; then no lock is taken and nothing is set.
    :ivar precheck: asks the version table whether there is nothing to do; ``None`` if the run may not look ahead.
    :ivar has_steps: tells whether the run has steps from given heads; ``None`` where a precheck must not decide.
    :ivar resumes: whether the first step was begun by an earlier run that was interrupted.
    :ivar lock_limit: an SQL expression that limits how long the transaction waits for a lock, on PostgreSQL.
    :ivar lock_held: an SQL expression that is 1 while the run holds the lock; empty if it is verified otherwise.
    :ivar when_committed: calls a function as soon as the step that has ended is committed.
    :ivar own_tables: this package's tables that were there when the run looked first; ``None`` before.
    :ivar half_done: the revision of which a part is committed, where the rest was rolled back.
    """

    def __init__(
        self,
        connection: sa.Connection,
        options: dict[str, t.Any],
        settings: Settings,
        state: State,
        mode: Mode,
        *,
        foreign: bool = False,
        bind: str | None = None,
        notify: Notify = silent,
        attempt: int = 1,
        backup: bool | None = None,
        backups: list[Backup] | None = None,
        targets: t.Sequence[Target] = (),
    ) -> None:
        self.connection, self.options = connection, options
        self.settings, self.state = settings, state
        self.mode: Mode = mode
        self.foreign, self.bind = foreign, bind
        self.notify = notify
        self.attempt = attempt
        self.backup = backup
        self.backups = [] if backups is None else backups
        self.targets = targets
        self.context: MigrationContext | None = None
        self.heads: frozenset[str] | None = None
        self.idle = self.resumes = False
        self.half_done = ""
        self.own_tables: frozenset[str] | None = None
        self.lock_limit = "NULL"
        self.lock_held = ""
        self.precheck: t.Callable[[], bool] | None = None
        self.has_steps: t.Callable[[t.Collection[str]], bool] | None = None
        self.when_committed: t.Callable[[t.Callable[[], None]], None] = _at_once
        self._of_transactions: dict[str, list[t.Callable[..., t.Any]]] = {}  # by event, where one listener serves all
        self.cleanup = contextlib.ExitStack()
        self.after = contextlib.ExitStack()

    @property
    def engine(self) -> sa.Engine:
        """The engine of the connection."""
        return self.connection.engine

    @property
    def database(self) -> str:
        """The name of the bind, else of the tenant, else ``default``."""
        own = [target.name for target in self.targets if target.bind is None]
        return self.bind or next(iter(own), DEFAULT)

    @property
    def dialect(self) -> str:
        """``sqlite``, ``postgresql``, ``mysql``, ``mariadb`` or another dialect's name."""
        return self.connection.dialect.name

    @property
    def version_table(self) -> str:
        """The name of Alembic's version table."""
        return t.cast(str, self.options.get("version_table") or "alembic_version")

    @property
    def version_table_schema(self) -> str | None:
        """The schema of Alembic's version table."""
        return self.options.get("version_table_schema")

    def listen(self, name: str, function: t.Callable[..., t.Any], **kwargs: t.Any) -> None:
        """Listen to a SQLAlchemy event of this connection until the scope closes."""
        if name not in ("begin", "commit", "rollback"):
            self.listen_exactly(name, function, **kwargs)
            return
        if name not in self._of_transactions:
            functions: list[t.Callable[..., t.Any]] = []
            self._of_transactions[name] = functions

            def call(connection: sa.Connection, *ids: t.Any) -> None:
                for each in tuple(functions):
                    each(connection)

            self.listen_exactly(name, call)
            self.listen_exactly(f"{name}_twophase", call)  # an env.py may commit in two phases
        functions = self._of_transactions[name]
        functions.insert(0 if kwargs.get("insert") else len(functions), function)
        self.defer(lambda: functions.remove(function))

    def listen_exactly(self, name: str, function: t.Callable[..., t.Any], **kwargs: t.Any) -> None:
        """Listen to one event alone, as :meth:`listen` does to those of transactions in two phases, too."""
        # Loaded here: web workers import this module, and alembic_private imports Alembic.
        from ..alembic_private import listen_to
        from ..alembic_private import stop_listening_to

        listen_to(self.connection, name, function, **kwargs)
        self.defer(lambda: stop_listening_to(self.connection, name, function))

    def listen_to_pool(self, name: str, function: t.Callable[..., t.Any], pool: sa.Pool | None = None) -> None:
        """Listen to an event of the connection's pool, or another one, until env.py has ended.

        The scope of an asyncio engine closes inside such an event, and a listener that is removed while its event runs
        makes SQLAlchemy fail.
        """
        pool = pool or self.engine.pool  # an engine that is disposed of meanwhile gets another one
        event.listen(pool, name, function)
        self.after.callback(event.remove, pool, name, function)

    def defer(self, function: t.Callable[[], t.Any]) -> None:
        """Call ``function`` when the scope closes, the last one first, also after an error."""
        self.cleanup.callback(function)

    def shadow(self, owner: t.Any, name: str, function: t.Callable[..., t.Any]) -> None:
        """Put a function before the method of one object until the scope closes."""
        setattr(owner, name, function)
        self.defer(lambda: delattr(owner, name))

    def tell(self, kind: t.Any, text: str) -> None:
        """Tell the caller something while the run goes on."""
        self.notify(Event(kind, text))


def _at_once(function: t.Callable[[], None]) -> None:
    """Call a function where nobody follows the transaction."""
    function()


class Guard:
    """Protects one connection during one run; every method does nothing by default.

    :cvar dialects: the databases that the guard is for; empty for all.
    :cvar needs_steps: whether the guard begins when the steps are known, and only if there are any.
    :cvar skipped_when_idle: whether the guard has no part in a run whose precheck found nothing to do.
    """

    dialects: t.ClassVar[tuple[str, ...]] = ()
    needs_steps: t.ClassVar[bool] = False
    skipped_when_idle: t.ClassVar[bool] = False

    @classmethod
    def applies(cls, scope: Scope) -> bool:
        """Return whether this guard has a part in a run that writes; asked after the class attributes."""
        return not scope.foreign

    def before_configure(self, scope: Scope) -> None:
        """Run before Alembic reads anything: take locks, set what must be set, change the options."""

    def after_configure(self, scope: Scope) -> None:
        """Run after Alembic has created its ``MigrationContext``."""

    def plan(self, scope: Scope, steps: t.Sequence[t.Any]) -> None:
        """Run when the heads were read and the steps are known; raise to refuse before anything runs."""

    def begin_step(self, scope: Scope, step: t.Any) -> None:
        """Run before each step, also before one that only stamps."""

    def around(self, scope: Scope, step: t.Any) -> t.ContextManager[None]:
        """Return the block in which the code of one revision runs; the version is written after it."""
        return contextlib.nullcontext()

    def version_written(self, scope: Scope, step: t.Any) -> None:
        """Run when the version row of a step is written and not committed yet."""

    def end_step(self, scope: Scope, step: t.Any) -> None:
        """Run when the step is done, and committed where each step is a transaction."""

    def finished(self, scope: Scope) -> None:
        """Run when env.py has come to its end, for every database, and nothing failed."""

    def failed(self, scope: Scope, error: BaseException) -> None:
        """Run when the run failed, for this database or another one; an error raised here replaces the first."""

    def close(self, scope: Scope) -> None:
        """Run last, also after an error."""


def is_stamp(step: t.Any) -> bool:
    """Return whether one of Alembic's steps writes a version without running code.

    The step's ``info`` says so too, and Alembic builds it anew each time it is read.
    """
    return not hasattr(step, "revision")


def revision_name(info: t.Any) -> str:
    """Return the revision that a ``MigrationInfo`` of Alembic is about; for a stamp, those that it begins at."""
    revision = info.up_revision
    return revision.revision if revision is not None else ", ".join(info.source_revision_ids) or "base"


class Guards:
    """The guards of one scope: called in the order of the registry, closed in reverse.

    :param classes: the registry, :data:`.guards.registry.GUARDS`.
    """

    def __init__(self, scope: Scope, classes: t.Sequence[type[Guard]]) -> None:
        self.scope = scope
        self._classes = classes
        self._guards: dict[type[Guard], Guard] = {}
        self._overriding: dict[str, list[t.Callable[..., t.Any]]] = {}  # by hook, the methods that do something

    def begin(self) -> None:
        """Call ``before_configure`` of each; where one refuses, those behind it are not called at all."""
        for cls in self._classes:
            if not cls.needs_steps and may_apply(cls, self.scope) and cls.applies(self.scope):
                guard = self._guards[cls] = cls()
                self._overriding.clear()
                self.scope.defer(functools.partial(guard.close, self.scope))
                guard.before_configure(self.scope)

    def plan(self, steps: t.Sequence[t.Any]) -> None:
        """Call ``plan`` of each; a guard that needs steps takes its place among the others first."""
        if steps:
            for cls in self._classes:
                if cls.needs_steps and may_apply(cls, self.scope) and cls.applies(self.scope):
                    self._guards[cls] = cls()
            self._guards = {cls: self._guards[cls] for cls in self._classes if cls in self._guards}
            self._overriding.clear()
        self.call("plan", steps)

    def call(self, hook: str, *args: t.Any) -> None:
        """Call one hook of every guard that has begun."""
        for function in self._methods(hook):
            function(self.scope, *args)

    def failed(self, error: BaseException) -> list[BaseException]:
        """Call ``failed`` of every guard, whatever another one raises; returns the errors that explain ``error``."""
        explained: list[BaseException] = []
        for function in self._methods("failed"):
            try:
                function(self.scope, error)
            except BaseException as better:  # what the other guards have to do, they do all the same
                explained.append(better)
        return explained

    @contextlib.contextmanager
    def around(self, step: t.Any) -> t.Iterator[None]:
        """Enter the block of each guard; the last guard of the registry is the outermost one."""
        with contextlib.ExitStack() as stack:
            for function in reversed(self._methods("around")):
                stack.enter_context(function(self.scope, step))
            yield

    def _methods(self, hook: str) -> list[t.Callable[..., t.Any]]:
        if hook not in self._overriding:
            inherited = getattr(Guard, hook)
            guards = [guard for guard in self._guards.values() if getattr(type(guard), hook) is not inherited]
            self._overriding[hook] = [getattr(guard, hook) for guard in guards]
        return self._overriding[hook]


def may_apply(cls: type[Guard], scope: Scope) -> bool:
    """Return what the class attributes of a guard say of its part in a run."""
    if scope.mode != "write" or (scope.idle and cls.skipped_when_idle):
        return False
    return not cls.dialects or scope.dialect in cls.dialects
