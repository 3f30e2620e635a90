"""Turns errors of Alembic, SQLAlchemy, the drivers and the reader's own files into one sentence, once.

The original error stays as the cause. A module here knows one kind: the graph of revisions, files that can't
be loaded, databases that can't be reached, revisions that fail. They are imported when there is an error.
"""

from __future__ import annotations

import contextlib
import pathlib
import sys
import traceback
import typing as t

import sqlalchemy as sa
from sqlalchemy import event

from ... import errors
from ...records import Event
from ...records import Notify
from ...records import Step

if t.TYPE_CHECKING:
    from alembic.script import ScriptDirectory

    from ..environment import Environment
    from ..passage import Work
    from .connecting import Where

__all__ = ["Failure", "translated"]


class Failure:
    """What is known of a run when it fails.

    :ivar running: the step whose code was running, ``None`` before the first and after the last.
    :ivar heads: what each database was at when its run began, by name.
    :ivar destination: the revision that was asked for.
    :ivar direction: ``upgrade`` or ``downgrade``, where one of them could not be planned.
    """

    def __init__(self, environment: Environment | None) -> None:
        self.environment = environment
        self.passage: t.Any = None
        self.running: Step | None = None
        self.heads: dict[str, tuple[str, ...]] = {}
        self.destination = ""
        self.direction = ""
        self._held: list[tuple[Notify, Event]] = []
        self._refused: tuple[BaseException | None, sa.Engine | None] = (None, None)

    @property
    def script(self) -> ScriptDirectory:
        """The revision files."""
        assert self.environment is not None
        return self.environment.script

    @property
    def folder(self) -> pathlib.Path:
        """The migrations folder."""
        return self.environment.folder if self.environment is not None else pathlib.Path()

    @property
    def version_folders(self) -> list[str]:
        """Where the revision files are."""
        if self.environment is None:
            return []
        configured = self.environment.version_locations
        return [str(path) for path in configured] or [str(self.folder / "versions")]

    def watching(self, work: Work) -> Work:
        """``work``, with note taken of where each database stood."""

        def watched(heads: t.Any, context: t.Any) -> t.Iterable[t.Any]:
            scope = self.passage.scope if self.passage is not None else None
            self.heads[(scope.bind if scope is not None else None) or "default"] = tuple(heads)
            return work(heads, context)

        return watched

    def listening(self, notify: Notify) -> Notify:
        """``notify``, with note taken of the step that runs."""

        outer = sys.exc_info()[1]

        def listen(told: Event) -> None:
            if told.kind in ("notice", "aftermath") and sys.exc_info()[1] is not outer:
                self._held.append((notify, told))
                return
            if told.kind in ("begin", "end"):
                self.running = told.step if told.kind == "begin" else None
            notify(told)

        return listen

    def require_work(self) -> None:
        """Refuse an env.py that never came to run anything, and whose text shows that it can't.

        :raises EnvironmentBroken: rather than let "nothing to do" be said of databases that nobody looked at.
        """
        if self.heads:
            return
        source = (self.folder / "env.py").read_text("utf-8", "replace")
        if "run_migrations" not in source and "run_env" not in source:
            from .loading import idle_environment

            raise idle_environment(self.folder)

    def take(self, kind: str) -> list[str]:
        """What was said while the error was under way, for the error itself to say, or not to say twice."""
        taken = [told.text for _, told in self._held if told.kind == kind]
        self._held = [held for held in self._held if held[1].kind != kind]
        return taken

    def release_notices(self) -> None:
        """Pass on what was said while an error was under way, which the error's own words may have made needless."""
        held, self._held = self._held, []
        for notify, told in held:
            notify(told)

    def note_direction(self, error: BaseException) -> None:
        """Remember whether it was an upgrade or a downgrade that could not be planned."""
        planners = {"upgrade_steps": "upgrade", "downgrade_steps": "downgrade"}
        for frame, _ in traceback.walk_tb(error.__traceback__):
            self.direction = planners.get(frame.f_code.co_name, self.direction)

    @contextlib.contextmanager
    def noting_engines(self) -> t.Iterator[None]:
        """Note which engine an error came from; the error itself doesn't say."""

        def remember(context: t.Any) -> None:
            self._refused = (context.sqlalchemy_exception or context.original_exception, context.engine)

        event.listen(sa.Engine, "handle_error", remember)
        try:
            yield
        finally:
            event.remove(sa.Engine, "handle_error", remember)

    def conceal(self, *found: BaseException) -> None:
        """Take the passwords of the application's databases out of errors."""
        from .secrecy import conceal
        from .secrecy import known_masker

        targets = self.passage.targets if self.passage is not None else ()
        hide = known_masker(target.sync_engine.url for target in targets)
        for error in found:
            conceal(error, hide)

    def where(self, error: BaseException) -> Where:
        """The database that ``error`` is about, as far as that is known."""
        from .connecting import Where

        refused, engine = self._refused
        targets = list(self.passage.targets) if self.passage is not None else []
        if refused is not error or engine is None:
            scope = self.passage.scope if self.passage is not None else None
            engine = scope.engine if scope is not None else targets[0].sync_engine if len(targets) == 1 else engine
        bind = next((target.bind for target in targets if target.sync_engine is engine), None)
        return Where(engine, bind)


@contextlib.contextmanager
def translated(environment: Environment | None = None) -> t.Iterator[Failure]:
    """Errors of the block come out as :class:`SchemaflowError`, the original as their cause.

    What can't be explained is let through as it is.
    """
    failure = Failure(environment)
    try:
        with failure.noting_engines():
            yield failure
            if failure.passage is not None:
                failure.require_work()
    except errors.NestedRun as error:
        from .places import place_below

        place = place_below(error, failure.version_folders)
        if place is not None and not error.details:
            error.details = f"  {place}: {place.code}"
        raise
    except errors.SchemaflowError as error:
        failure.conceal(error)
        raise
    except KeyboardInterrupt as error:
        from .interruption import describe_interruption

        told = describe_interruption(failure)
        if told:
            error.args = (told,)
        raise
    except (Exception, SystemExit) as error:
        from .explaining import explained

        found = explained(error, failure)
        failure.conceal(error, *([found] if found is not None else []))
        if found is None:
            raise
        raise found from error
    finally:
        failure.release_notices()
