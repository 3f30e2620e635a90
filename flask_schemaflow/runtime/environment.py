"""The migrations folder of an application and ``Environment.run()``, the only place that starts env.py."""

from __future__ import annotations

import contextlib
import functools
import io
import pathlib
import threading
import time
import typing as t

from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory

from .. import errors
from ..extension import current_state
from ..extension import State
from ..records import Event
from ..records import Report
from ..records import Step
from ..revisions.config import Config
from ..revisions.config import load_config
from ..revisions.config import require_repository
from ..revisions.graph import NotCertain
from ..revisions.graph import RevisionIndex
from ..revisions.scripts import flat_folder
from ..revisions.scripts import script_directory
from ..targets import choose
from ..targets import current_tenant
from .connections import keep_transactions
from .errors import translated
from .guard import pause_before
from .guard import Scope
from .guard import StartOver
from .isolation import compatible
from .isolation import isolated
from .run import Options
from .run import Run
from .run import Work

if t.TYPE_CHECKING:
    from alembic.script import Script


# alembic.context and alembic.op are module-wide proxies: one env.py at a time in a process.
_one_at_a_time = threading.RLock()
_running = threading.local()

_read_by_fleet: dict[tuple[str, pathlib.Path], tuple[ScriptDirectory, RevisionIndex | None]] = {}
"""The history that the tenants of a fleet share in this process, with what its headers say; that of one fleet alone."""


class Environment:
    """One application's migrations folder.

    :param state: the application's registration.
    :param config: Alembic's configuration of the folder.
    :param light: whether the headers of the revision files are looked at first, which suffices for a command that most
        of the time finds nothing to do.
    """

    def __init__(self, state: State, config: Config, light: bool = False) -> None:
        self.state = state
        self.config = config
        self.version_locations: tuple[str, ...] = ()
        self._light = light
        self._history: RevisionIndex | None = None

    @classmethod
    def open(
        cls,
        directory: t.Any = None,
        x_arg: str | t.Sequence[str] | None = None,
        opts: t.Sequence[str] | None = None,
        light: bool = False,
    ) -> Environment:
        """Return the environment of the current application.

        :param directory: another folder than the registered one.
        :param light: see :class:`Environment`.
        :raises FolderError: when the folder or one of its files is missing.
        """
        state = current_state()
        config = load_config(state, directory, x_arg, opts, output_buffer=io.StringIO())
        require_repository(config)
        return cls(state, config, light)

    @functools.cached_property
    def script(self) -> ScriptDirectory:
        """The revision files."""
        tenant = current_tenant()
        key = (tenant.fleet if tenant is not None else "", self.folder)
        found = _read_by_fleet.get(key) or self._read()
        if key[0] and key not in _read_by_fleet:
            _read_by_fleet.clear()
            _read_by_fleet[key] = found
        script, self._history = found
        self.version_locations = tuple(str(path) for path in script.version_locations or ())
        return script

    def _read(self) -> tuple[ScriptDirectory, RevisionIndex | None]:
        """Read the history now, so that what is wrong with it is said before anything else is done."""
        with translated(self):
            script = script_directory(self.config, self._whole)
            self.version_locations = tuple(str(path) for path in script.version_locations or ())
            history = self._read_headers(script)
            if history is None:
                script.get_heads()
        return script, history

    def _whole(self, revisions: t.Iterable[Script]) -> t.Iterable[Script]:
        from ..revisions.validation import validated

        return validated(revisions, self.folder)

    def _read_headers(self, script: ScriptDirectory) -> RevisionIndex | None:
        """Return what the headers say, if they alone say that nothing is wrong with the history."""
        folder = flat_folder(script) if self._light else None
        if folder is not None:
            with contextlib.suppress(NotCertain, OSError, UnicodeDecodeError):
                return RevisionIndex.read(folder)
        return None

    def script_for(self, names: t.Collection[str]) -> ScriptDirectory:
        """Return the history for a database at these revisions: with the old files if it is inside of a squash.

        :param names: ids from its version table, and perhaps the one to go to.
        """
        from ..revisions.replaced import archives
        from ..revisions.replaced import history_inside

        if not names or not archives(self.folder):
            return self.script
        with translated(self):
            return history_inside(self.config, self.folder, self.script, names) or self.script

    def history_at(self, at: t.Collection[str]) -> RevisionIndex | None:
        """Return the history, if its headers say that a database at these revisions has all of it; else ask Alembic."""
        self.script  # noqa: B018 - where that is found out
        history = self._history
        return history if history is not None and at and history.is_at_heads(at) else None

    def forget_history(self) -> None:
        """Drop what the headers say, because Alembic is to read all revisions anyway."""
        self._history = None

    @property
    def folder(self) -> pathlib.Path:
        """The absolute path of the migrations folder."""
        return pathlib.Path(self.config.get_main_option("script_location", "migrations"))

    def run(self, work: Work, options: Options, **context_options: t.Any) -> Report:
        """Run env.py, and call ``work(heads, context)`` for each database that it configures.

        :param work: returns the steps to run; may do its work itself and return none. In a run that writes it may
            be asked once more beforehand, without a context, to see whether there is anything to do.
        :param context_options: what else Alembic's ``EnvironmentContext`` takes.
        :returns: the steps that ran, and the SQL that offline mode wrote.
        """
        isolation = isolated(
            apply_logging=options.keep_logging and self.state.settings.logging,
            writes=options.mode == "write",
            notify=options.notify,
        )
        with _one_at_a_time, _not_nested(), isolation, translated(self) as failure:
            targets = self.state.targets()
            choose(targets, options.binds)
            tenant = current_tenant()
            is_behind = tenant is not None and tenant.is_behind
            precheck = options.mode == "write" and not context_options.get("purge") and not is_behind
            options = options.changed(notify=failure.listening(options.notify), precheck=precheck, backups=[])
            failure.destination = _destination(context_options.get("destination_rev"))
            abandoned: list[Step] = []
            with compatible(self.state), keep_transactions(target.sync_engine for target in targets):
                while True:
                    run = failure.run = Run(self.state, targets, failure.watching(work), options, plan=work)
                    failure.running = None
                    try:
                        self._run_env(run, context_options)
                        break
                    except (StartOver, errors.TableLocked) as error:
                        options = self._next_attempt(error, options)
                    abandoned += run.steps
        return Report(
            steps=(*_not_repeated(abandoned, run.steps), *run.steps),
            sql=self._written_sql(),
            files=tuple(run.files),
            backups=tuple(options.backups or ()),
        )

    def read(self, look: t.Callable[[Scope, tuple[str, ...]], None], binds: t.Sequence[str] = ()) -> None:
        """Run env.py, and call ``look`` with each database that it configures and its current revisions.

        :param binds: the names of the databases; all by default.
        """

        def work(heads: t.Any, context: t.Any) -> list[t.Any]:
            look(self.scope, tuple(heads))
            return []

        self.run(work, Options("read", binds=tuple(binds)), dont_mutate=True)

    @property
    def last_run(self) -> Run:
        """The run of env.py that was begun last."""
        return t.cast(Run, self.config.attributes["schemaflow"])

    @property
    def scope(self) -> Scope:
        """The database that env.py configured last; a run that prints SQL has none."""
        scope = self.last_run.scope
        assert scope is not None
        return scope

    def _run_env(self, run: Run, context_options: dict[str, t.Any]) -> None:
        self.config.attributes["schemaflow"] = run
        sql = run.options.sql
        env = EnvironmentContext(self.config, self.script, fn=run.run_steps, as_sql=sql, **context_options)
        with env, run.intercepting(env):
            self.run_env(env)

    def run_env(self, env: EnvironmentContext) -> None:
        """Run the folder's env.py; a scratch database overrides this: env.py would use the application's own."""
        self.script.run_env()

    def _next_attempt(self, error: StartOver | errors.TableLocked, options: Options) -> Options:
        """Return the options of the next attempt, after a pause where another program holds a lock.

        The database is as it was, or at a whole revision, so the next attempt does what remains.
        """
        if isinstance(error, StartOver):
            return options.changed(precheck=False)
        retries = self.state.settings.lock_retries
        if not error.again or options.attempt > retries:
            raise error
        seconds = pause_before(options.attempt + 1)
        text = f"{error.reason} Trying again in {seconds:.0f} s ({options.attempt} of {retries})."
        options.notify(Event("retry", text))
        time.sleep(seconds)
        return options.changed(precheck=False, attempt=options.attempt + 1)

    def _written_sql(self) -> str:
        buffer = self.config.output_buffer
        return buffer.getvalue() if isinstance(buffer, io.StringIO) else ""


def _not_repeated(abandoned: t.Sequence[Step], steps: t.Sequence[Step]) -> list[Step]:
    """Return the steps of abandoned attempts that no later one had to repeat, because they had been committed."""
    repeated = {(step.database, step.revision, step.direction) for step in steps}
    kept = {(step.database, step.revision, step.direction): step for step in abandoned}
    return [step for key, step in kept.items() if key not in repeated]


def _destination(revision: t.Any) -> str:
    return ", ".join(revision) if isinstance(revision, tuple) else str(revision or "")


@contextlib.contextmanager
def _not_nested() -> t.Iterator[None]:
    if getattr(_running, "active", False):
        raise errors.NestedRun(
            "A migration command was called from inside a revision file or env.py.",
            hint="Call it after the running command has ended.",
        )
    _running.active = True
    try:
        yield
    finally:
        _running.active = False


def is_running() -> bool:
    """Return whether a migration command runs in this thread."""
    return bool(getattr(_running, "active", False))
