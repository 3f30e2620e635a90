"""The script directory of an application and ``run()``, the only place that starts env.py."""

from __future__ import annotations

import contextlib
import functools
import io
import pathlib
import threading
import typing as t

from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory

from .. import errors
from ..extension import current_state
from ..extension import State
from ..records import Report
from ..targets import choose
from .certainty import NotCertain
from .config import Config
from .config import load_config
from .guest import visiting
from .history import History
from .legacy import lent
from .passage import Options
from .passage import Passage
from .passage import Work
from .repetition import Repetition
from .repository import require_repository
from .scripts import flat_folder
from .scripts import script_directory
from .translation import translated

if t.TYPE_CHECKING:
    from alembic.script import Script

# alembic.context and alembic.op are module-wide proxies: one env.py at a time in a process.
_one_at_a_time = threading.RLock()
_running = threading.local()


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
        self._history: History | None = None

    @classmethod
    def open(
        cls,
        directory: t.Any = None,
        x_arg: str | t.Sequence[str] | None = None,
        opts: t.Sequence[str] | None = None,
        light: bool = False,
    ) -> Environment:
        """The environment of the current application.

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
        with translated(self):
            script = script_directory(self.config, self._whole)
            self.version_locations = tuple(str(path) for path in script.version_locations or ())
            # Looks at the history now, so that what is wrong with it is said before anything else is done.
            if not self._is_in_order(script):
                script.get_heads()
        return script

    def _whole(self, revisions: t.Iterable[Script]) -> t.Iterable[Script]:
        from .translation.whole import whole

        return whole(self.folder)(revisions)

    def _is_in_order(self, script: ScriptDirectory) -> bool:
        """Whether the headers alone say that nothing is wrong with the history."""
        folder = flat_folder(script) if self._light else None
        if folder is not None:
            with contextlib.suppress(NotCertain, OSError, UnicodeDecodeError):
                history = History(folder)
                history.heads  # noqa: B018
                self._history = history
        return self._history is not None

    def history_at(self, at: t.Collection[str]) -> History | None:
        """The history, if its headers say that a database at these revisions has all of it; else Alembic is asked."""
        self.script  # noqa: B018 - where that is found out
        history = self._history
        return history if history is not None and at and history.is_at_heads(at) else None

    def forget_history(self) -> None:
        """Let go of what the headers say, because Alembic is to read all revisions anyway."""
        self._history = None

    @property
    def folder(self) -> pathlib.Path:
        """The absolute path of the migrations folder."""
        return pathlib.Path(self.config.get_main_option("script_location", "migrations"))

    def run(self, work: Work, options: Options, **context_options: t.Any) -> Report:
        """Start env.py, and have ``work(heads, context)`` done for each database that it configures.

        :param work: returns the steps to run; may do its work itself and return none. In a run that writes it may
            be asked once more beforehand, without a context, to see whether there is anything to do.
        :param context_options: what else Alembic's ``EnvironmentContext`` takes.
        :returns: the steps that ran, and the SQL that offline mode wrote.
        """
        visit = visiting(
            apply_logging=options.keep_logging and self.state.settings.logging,
            writes=options.mode == "write",
            notify=options.notify,
        )
        with _one_at_a_time, _not_nested(), visit, translated(self) as failure:
            targets = self.state.targets()
            choose(targets, options.binds)
            glance = options.mode == "write" and not context_options.get("purge")
            options = options.changed(notify=failure.listening(options.notify), glance=glance, backups=[])
            failure.destination = _destination(context_options.get("destination_rev"))

            def begin(options: Options) -> Passage:
                passage = Passage(self.state, targets, failure.watching(work), options, plan=work)
                failure.passage, failure.running = passage, None
                return passage

            repetition = Repetition(
                begin, lambda passage: self._run_once(passage, context_options), self.state.settings.lock_retries
            )
            with lent(self.state):
                passage = repetition.run(options)
        return Report(
            steps=tuple(passage.steps),
            sql=self._written_sql(),
            files=tuple(passage.files),
            backups=tuple(options.backups or ()),
        )

    def _run_once(self, passage: Passage, rest: dict[str, t.Any]) -> None:
        self.config.attributes["schemaflow"] = passage
        as_sql = passage.options.sql
        env = EnvironmentContext(self.config, self.script, fn=passage.run_steps, as_sql=as_sql, **rest)
        with env, passage.attached(env):
            self.script.run_env()

    def _written_sql(self) -> str:
        buffer = self.config.output_buffer
        return buffer.getvalue() if isinstance(buffer, io.StringIO) else ""


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
    """Whether a migration command runs in this thread."""
    return bool(getattr(_running, "active", False))
