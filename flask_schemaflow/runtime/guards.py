"""Guards: what protects one run of env.py, each a promise of its own.

env.py calls ``context.configure(connection=...)``, under whatever template it was written; there, before
Alembic has read anything, every guard meets the connection, the dialect and the options. A guard is
a small class with a promise in its docstring; this module says when its methods are called.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
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

DEFAULT_GUARDS: tuple[str, ...] = (
    ".interrupts:Interrupts",
    ".callers:CallersConnection",
    ".sessions_pool:FreshPool",
    ".sessions:OwnSession",
    ".sqlite.atomic:SqliteTransaction",
    ".sqlite.batch:SqliteBatch",
    ".strictness:StrictMode",
    ".locking.lock:MigrationLock",
    ".journal.guard:Journal",
    ".locking.contention:Contention",
    ".version_table:VersionTable",
    ".backup.guard:BackupFirst",
    ".sessions_joined:SharedSession",
)
"""The guards of a run, outermost first, as ``module:Class`` relative to this package."""

# Which of them needn't be imported to know that they have no part in a run; of the others `applies()` says so.
_FOREIGN_ONLY = (".callers:CallersConnection",)
_SQLITE_ONLY = (".sqlite.atomic:SqliteTransaction", ".sqlite.batch:SqliteBatch")
_SERVERS_ONLY = (
    ".sessions_pool:FreshPool",
    ".strictness:StrictMode",
    ".locking.lock:MigrationLock",
    ".journal.guard:Journal",
    ".locking.contention:Contention",
)
_NEVER_IDLE = (".strictness:StrictMode", ".locking.lock:MigrationLock", ".locking.contention:Contention")
_FOR_STEPS = (".sqlite.batch:SqliteBatch", ".backup.guard:BackupFirst")
"""These begin when the steps are known, and only if there are any; they have nothing to close."""


class StartOver(Exception):
    """What a first look promised does not hold; the run is to begin again without it."""


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
    :ivar resumes: whether the first step was begun by an earlier run that was interrupted.
    :ivar lock_held: an SQL expression that is true while the lock is held, for who asks the database anyway.
    :ivar version_may_wait: whether the version that is written next needn't be committed before the next revision.
    :ivar version_waits: whether the version is written, and locked, and not committed yet.
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
        self.idle = self.resumes = self.version_waits = self.version_may_wait = False
        self.half_done = self.lock_held = ""
        self.cleanup = contextlib.ExitStack()

    @property
    def engine(self) -> sa.Engine:
        """The engine of the connection."""
        return self.connection.engine

    @property
    def database(self) -> str:
        """``default`` or the name of the bind."""
        return self.bind or DEFAULT

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
        event.listen(self.connection, name, function, **kwargs)
        self.defer(lambda: event.remove(self.connection, name, function))

    def defer(self, function: t.Callable[[], t.Any]) -> None:
        """Call ``function`` when the scope closes, the last one first, also after an error."""
        self.cleanup.callback(function)

    def tell(self, kind: t.Any, text: str) -> None:
        """Tell the caller something while the run goes on."""
        self.notify(Event(kind, text))


class Guard:
    """Protects one connection during one run; every method does nothing by default."""

    @classmethod
    def applies(cls, scope: Scope) -> bool:
        """Whether this guard has a part in the run."""
        return scope.mode == "write" and not scope.foreign

    def before_configure(self, scope: Scope) -> None:
        """Before Alembic reads anything: take locks, set what must be set, change the options."""

    def after_configure(self, scope: Scope) -> None:
        """Alembic's context is there."""

    def plan(self, scope: Scope, steps: t.Sequence[t.Any]) -> None:
        """The heads were read and the steps are known; raise to refuse before anything runs."""

    def begin_step(self, scope: Scope, step: t.Any) -> None:
        """Before the code of one revision runs."""

    def version_written(self, scope: Scope, step: t.Any) -> None:
        """The version row of a step is written and not committed yet."""

    def end_step(self, scope: Scope, step: t.Any) -> None:
        """The step is done, and committed where each step is a transaction."""

    def finished(self, scope: Scope) -> None:
        """env.py has come to its end, for every database, and nothing failed."""

    def failed(self, scope: Scope, error: BaseException) -> None:
        """The run failed, for this database or another one; an error raised here replaces the first."""

    def close(self, scope: Scope) -> None:
        """Always, last."""


def is_stamp(step: t.Any) -> bool:
    """Whether one of Alembic's steps writes a version without running code; its ``info``, made anew each time, says so
    too."""
    return not hasattr(step, "revision")


def run_within(step: t.Any, function: t.Callable[..., None]) -> None:
    """Have a step run its code through ``function``, under the name that Alembic shows for it."""
    function.__name__ = step.migration_fn.__name__
    step.migration_fn = function


class Guards:
    """The guards of one scope, called in order, closed in reverse."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        classes = {name: _load(name) for name in DEFAULT_GUARDS if name not in _FOR_STEPS and may_apply(name, scope)}
        self._waiting = {name: cls() for name, cls in classes.items() if cls.applies(scope)}
        self._guards: dict[str, Guard] = {}
        self._having: dict[str, list[t.Callable[..., None]]] = {}  # of those, who has a method of its own

    def begin(self) -> None:
        """Call ``before_configure`` of each; where one refuses, those behind it never hear of the run."""
        for name, guard in self._waiting.items():
            self._guards[name] = guard
            self._having.clear()
            self.scope.defer(functools.partial(guard.close, self.scope))
            guard.before_configure(self.scope)

    def plan(self, steps: t.Sequence[t.Any]) -> None:
        """Call ``plan`` of each; what begins with the steps has its place among the others from now on."""
        if steps:
            begun = {name: self._guards.get(name) or self._for_steps(name) for name in DEFAULT_GUARDS}
            self._guards = {name: guard for name, guard in begun.items() if guard is not None}
            self._having.clear()
        self.call("plan", steps)

    def call(self, method: str, *args: t.Any) -> None:
        """Call one method of every guard that has begun."""
        if method not in self._having:
            general = getattr(Guard, method)
            guards = [guard for guard in self._guards.values() if getattr(type(guard), method) is not general]
            self._having[method] = [getattr(guard, method) for guard in guards]
        for function in self._having[method]:
            function(self.scope, *args)

    def _for_steps(self, name: str) -> Guard | None:
        if name not in _FOR_STEPS or not may_apply(name, self.scope):
            return None
        cls = _load(name)
        return cls() if cls.applies(self.scope) else None


def may_apply(name: str, scope: Scope) -> bool:
    """Whether a guard is worth its import: false only where ``applies()`` would say no, or it would do nothing."""
    if scope.mode != "write" or (scope.idle and name in _NEVER_IDLE):
        return False
    if name in _FOREIGN_ONLY:
        return scope.foreign
    return name not in (_SERVERS_ONLY if scope.dialect == "sqlite" else _SQLITE_ONLY)


def _load(name: str) -> type[Guard]:
    module, _, attribute = name.partition(":")
    return t.cast("type[Guard]", getattr(importlib.import_module(module, __package__), attribute))
