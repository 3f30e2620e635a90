"""Translate errors of Alembic, SQLAlchemy, the drivers and the project's own files into one sentence.

The original error stays as the cause. Each module here knows one kind: the graph of revisions, files that can't be
loaded, databases that can't be reached, revisions that fail. They are imported when there is an error.
"""

from __future__ import annotations

import contextlib
import pathlib
import sys
import threading
import traceback
import typing as t

import sqlalchemy as sa
from flask import current_app
from flask import has_app_context
from sqlalchemy import event

from ... import errors
from ...records import Event
from ...records import Notify
from ...records import Step
from ...redaction import configured_urls
from ...redaction import MASK
from ...redaction import Mask
from ...redaction import masker
from ...redaction import scrub

if t.TYPE_CHECKING:
    from alembic.script import ScriptDirectory

    from ...targets import Target
    from ..environment import Environment
    from .database import Where

    Work = t.Callable[[t.Any, t.Any], t.Iterable[t.Any]]

Answer = t.TypeVar("Answer")


class Failure:
    """Facts about a run that failed.

    :ivar running: the step whose code was running, ``None`` before the first and after the last.
    :ivar heads: the revisions of each database when its run began, by name.
    :ivar destination: the revision that was asked for.
    :ivar direction: ``upgrade`` or ``downgrade``, if it could not be planned.
    :ivar refusal: the last error of a database.
    """

    def __init__(self, repository: Environment | None) -> None:
        self.repository = repository
        self.run: t.Any = None
        self.running: Step | None = None
        self.heads: dict[str, tuple[str, ...]] = {}
        self.destination = ""
        self.direction = ""
        self.refusal = _Refusal()
        self._held: list[tuple[Notify, Event]] = []

    @property
    def script(self) -> ScriptDirectory:
        """The revision files."""
        assert self.repository is not None
        return self.repository.script

    @property
    def folder(self) -> pathlib.Path:
        """The migrations folder."""
        return self.repository.folder if self.repository is not None else pathlib.Path()

    @property
    def version_folders(self) -> list[str]:
        """Where the revision files are."""
        if self.repository is None:
            return []
        return list(self.repository.version_locations) or [str(self.folder / "versions")]

    @property
    def targets(self) -> list[Target]:
        """The databases of the run."""
        return list(self.run.targets) if self.run is not None else []

    def target(self, name: str) -> Target | None:
        """Return the database of that name."""
        return next((target for target in self.targets if target.name == name), None)

    def ask(self, name: str, question: t.Callable[[sa.Connection], Answer]) -> Answer | None:
        """Ask a database something on a connection of its own; ``None`` if it can't be asked."""
        from ..connections import keep_transactions
        from ..connections import run_apart

        target = self.target(name)
        if target is None:
            return None
        with contextlib.suppress(Exception):  # no reason to hide the first error
            if target.is_async:
                return run_apart(target.sync_engine, question) if target.sync_engine.url.database else None
            with keep_transactions([target.sync_engine]), target.sync_engine.connect() as connection:
                return question(connection)
        return None

    def watching(self, work: Work) -> Work:
        """Return ``work``, which then notes the current revisions of each database first."""

        def watched(heads: t.Any, context: t.Any) -> t.Iterable[t.Any]:
            scope = self.run.scope if self.run is not None else None
            self.heads[(scope.bind if scope is not None else None) or "default"] = tuple(heads)
            return work(heads, context)

        return watched

    def listening(self, notify: Notify) -> Notify:
        """Return ``notify``, which then notes the running step and holds notices back during an error."""
        outer = sys.exc_info()[1]

        def listen(event: Event) -> None:
            if event.kind in ("notice", "aftermath") and sys.exc_info()[1] is not outer:
                self._held.append((notify, event))
                return
            if event.kind == "begin":
                self.running = event.step
            elif event.kind == "end" and _same_step(event.step, self.running):
                self.running = None
            notify(event)

        return listen

    def require_work(self) -> None:
        """Refuse an env.py that ran nothing and, by its text, can't run anything.

        :raises EnvironmentBroken: because "nothing to do" would be wrong for databases that were never read.
        """
        if self.heads:
            return
        source = (self.folder / "env.py").read_text("utf-8", "replace")
        if "run_migrations" not in source and "run_env" not in source:
            from .loading import idle_environment

            raise idle_environment(self.folder)

    def take(self, kind: str) -> list[str]:
        """Return and remove the held messages of one kind, so that the error says them once."""
        taken = [event.text for _, event in self._held if event.kind == kind]
        self._held = [held for held in self._held if held[1].kind != kind]
        return taken

    def release_notices(self) -> None:
        """Pass on the notices that the error did not take."""
        held, self._held = self._held, []
        for notify, notice in held:
            notify(notice)

    def note_direction(self, error: BaseException) -> None:
        """Note whether an upgrade or a downgrade could not be planned."""
        planners = {"upgrade_steps": "upgrade", "downgrade_steps": "downgrade"}
        for frame, _ in traceback.walk_tb(error.__traceback__):
            self.direction = planners.get(frame.f_code.co_name, self.direction)

    def conceal(self, *caught: BaseException) -> None:
        """Remove the passwords of the application's databases from errors."""
        hide = known_masker(target.sync_engine.url for target in self.targets)
        for error in caught:
            conceal(error, hide)

    def where(self, error: BaseException) -> Where:
        """Return the database that ``error`` is about, as far as that is known."""
        from .database import Where

        engine = self.refusal.engine
        if self.refusal.error is not error or engine is None:
            scope = self.run.scope if self.run is not None else None
            only = self.targets[0].sync_engine if len(self.targets) == 1 else engine
            engine = scope.engine if scope is not None else only
        bind = next((target.bind for target in self.targets if target.sync_engine is engine), None)
        return Where(engine, bind)


def _same_step(ended: Step | None, running: Step | None) -> bool:
    """Return whether the step that was committed is the one that began last; the next one may have begun before."""
    if ended is None or running is None:
        return False
    return (ended.database, ended.revision, ended.direction) == (running.database, running.revision, running.direction)


class _Refusal:
    """The last database error and its engine, which the error itself doesn't name."""

    error: BaseException | None = None
    engine: sa.Engine | None = None


_noting = threading.local()


@contextlib.contextmanager
def _noting_engines() -> t.Iterator[_Refusal]:
    """Note the engine of each database error; where blocks are nested, the outermost one listens for all."""
    outer: _Refusal | None = getattr(_noting, "refusal", None)
    if outer is not None:
        yield outer
        return
    refusal = _noting.refusal = _Refusal()

    def remember(context: t.Any) -> None:
        refusal.error, refusal.engine = context.sqlalchemy_exception or context.original_exception, context.engine

    event.listen(sa.Engine, "handle_error", remember)
    try:
        yield refusal
    finally:
        event.remove(sa.Engine, "handle_error", remember)
        _noting.refusal = None


@contextlib.contextmanager
def translated(repository: Environment | None = None) -> t.Iterator[Failure]:
    """Raise errors of the block as :class:`SchemaflowError`, with the original as their cause.

    An error that can't be explained leaves the block unchanged.
    """
    failure = Failure(repository)
    try:
        with _noting_engines() as failure.refusal:
            yield failure
            if failure.run is not None:
                failure.require_work()
    except errors.NestedRun as error:
        from .lines import place_below

        place = place_below(error, failure.version_folders)
        if place is not None and not error.details:
            error.details = f"  {place}: {place.code}"
        raise
    except errors.SchemaflowError as error:
        failure.conceal(error)
        raise
    except KeyboardInterrupt as error:
        message = describe_interruption(failure)
        if message:
            error.args = (message,)
        raise
    except (Exception, SystemExit) as error:
        from .dispatch import explained

        explanation = explained(error, failure)
        failure.conceal(error, *([explanation] if explanation is not None else []))
        if explanation is None:
            raise
        raise explanation from error
    finally:
        failure.release_notices()


def describe_interruption(failure: Failure) -> str:
    """Return the message for an interrupted run: the running revision and the state of the databases."""
    step = failure.running
    if step is None:
        return ""
    verb = "was being reverted" if step.direction == "downgrade" else "was being applied"
    on = "" if step.database == "default" else f" to the {step.database} database"
    command = "downgrade" if step.direction == "downgrade" else "upgrade"
    from .migration import aftermath

    lines = "".join(f"\n  {line}" for line in aftermath(failure))
    return f"Revision {step.revision} {verb}{on}.\n{lines}\n\nTo continue, run `flask db {command}`."


# -- passwords in errors: a driver may take a piece of one with a bare ``@`` for a host, and name it ---------


def known_masker(urls: t.Iterable[t.Any] = (), config: t.Mapping[str, t.Any] | None = None) -> Mask:
    """Return a masker that knows the URLs of the application.

    :param urls: other ones, of engines.
    :param config: the application's; by default the current one's.
    """
    if config is None:
        config = current_app.config if has_app_context() else {}
    return masker([*urls, *(url for _, url in configured_urls(config))])


def conceal(error: BaseException, hide: Mask) -> None:
    """Remove passwords from ``error`` and from the errors that caused it."""
    seen: set[int] = set()
    rest: list[BaseException | None] = [error]
    while rest:
        current = rest.pop()
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        _conceal_one(current, hide)
        rest += [current.__cause__, current.__context__]


def _conceal_one(error: BaseException, hide: Mask) -> None:
    if isinstance(error, errors.SchemaflowError):
        error.message, error.details, error.hint = hide(error.message), hide(error.details), hide(error.hint)
        error.args = (error.message,)
        return
    if isinstance(error, UnicodeEncodeError) and scrub(hide(error.object)) != error.object:
        error.object = MASK
    concealed = tuple(scrub(hide(value)) if isinstance(value, str) else value for value in error.args)
    if concealed != error.args:
        with contextlib.suppress(AttributeError, TypeError):
            error.args = concealed
