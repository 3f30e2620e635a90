"""The script directory of an application and ``run()``, the only place that starts env.py."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import io
import pathlib
import threading
import typing as t

from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory

from ..errors.running import NestedRun
from ..extension import current_state
from ..extension import State
from ..records import Report
from ..targets import choose
from .config import Config
from .config import load_config
from .guest import visiting
from .legacy import lent
from .passage import Options
from .passage import Passage
from .passage import Work
from .repetition import Repetition
from .repository import require_repository
from .scripts import script_directory
from .translation import translated
from .translation.whole import whole

# alembic.context and alembic.op are module-wide proxies: one env.py at a time in a process.
_one_at_a_time = threading.RLock()
_running = threading.local()


class Environment:
    """One application's migrations folder.

    :param state: the application's registration.
    :param config: Alembic's configuration of the folder.
    """

    def __init__(self, state: State, config: Config) -> None:
        self.state = state
        self.config = config
        self.version_locations: tuple[str, ...] = ()

    @classmethod
    def open(
        cls,
        directory: t.Any = None,
        x_arg: str | t.Sequence[str] | None = None,
        opts: t.Sequence[str] | None = None,
    ) -> Environment:
        """The environment of the current application.

        :param directory: another folder than the registered one.
        :raises FolderError: when the folder or one of its files is missing.
        """
        state = current_state()
        config = load_config(state, directory, x_arg, opts, output_buffer=io.StringIO())
        require_repository(config)
        return cls(state, config)

    @functools.cached_property
    def script(self) -> ScriptDirectory:
        """The revision files."""
        with translated(self):
            script = script_directory(self.config, whole(self.folder))
            self.version_locations = tuple(str(path) for path in script.version_locations or ())
            # Reads the history now, so that what is wrong with it is said before anything else is done.
            script.get_heads()
        return script

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
            options = dataclasses.replace(options, notify=failure.listening(options.notify), glance=glance)
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
            backups=tuple(options.backups),
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
        raise NestedRun(
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
