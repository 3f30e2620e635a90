"""One pass through env.py: meets it where it configures Alembic, and runs the steps it asks for.

``alembic.context`` proxies to one ``EnvironmentContext``; giving that instance a ``configure`` attribute
of its own is the one public place where any env.py can be met, whoever wrote it.
"""

from __future__ import annotations

import contextlib
import os
import time
import typing as t

import sqlalchemy as sa
from alembic.runtime.environment import EnvironmentContext
from sqlalchemy import event

from ..extension import State
from ..record import Record
from ..records import Backup
from ..records import Event
from ..records import Notify
from ..records import silent
from ..records import Step
from ..targets import Target
from .guards import Guards
from .guards import is_stamp
from .guards import Mode
from .guards import Scope
from .guards import StartOver

Work = t.Callable[[t.Any, t.Any], t.Iterable[t.Any]]


class Options(Record):
    """How a run is to be done.

    :param mode: ``write`` changes the database, ``compare`` compares it with the models, ``read`` only looks.
    :param binds: the names of the databases to touch; all when empty.
    :param keep_logging: whether alembic.ini's logging section is to hold for the run, as on the command line.
    :param prepare: is given each database before Alembic is configured for it, and may change the options.
    :param attempt: how often the run was begun, this time included.
    :param backup: whether to save each database first; ``None`` leaves it to the setting.
    :param backups: where to put what was saved, in all attempts together.
    :param glance: whether a first look may find that there is nothing to do; who sets it catches ``StartOver``.
    """

    mode: Mode = "read"
    sql: bool = False
    binds: tuple[str, ...] = ()
    keep_logging: bool = False
    notify: Notify = silent
    prepare: t.Callable[[Scope], None] | None = None
    attempt: int = 1
    glance: bool = False
    backup: bool | None = None
    backups: list[Backup] | None = None


class Passage:
    """What happens between env.py and Alembic during one run."""

    def __init__(
        self, state: State, targets: t.Sequence[Target], work: Work, options: Options, plan: Work | None = None
    ) -> None:
        self.state = state
        self.targets = targets
        self.work = work
        self._plan = plan or work
        self.options = options
        self.steps: list[Step] = []
        self.files: list[str] = []
        self.met: set[str | None] = set()
        self.scope: Scope | None = None
        self.guards: Guards | None = None
        self._all_guards: list[Guards] = []
        self._opened: set[int] = set()
        self._configure: t.Callable[..., None] = lambda **kwargs: None

    @contextlib.contextmanager
    def attached(self, env: EnvironmentContext) -> t.Iterator[None]:
        """Stand between env.py and ``env`` until the block ends."""
        self._configure, self._env = env.configure, env
        setattr(env, "configure", self.configure)  # noqa: B010 - an instance attribute that shadows the method
        self.cleanup = contextlib.ExitStack()

        def opened(connection: sa.Connection) -> None:
            self._opened.add(id(connection))

        event.listen(sa.Engine, "engine_connect", opened)
        try:
            with self.cleanup:
                yield
            for guards in self._all_guards:
                guards.call("finished")
        except StartOver:
            raise
        except BaseException as error:
            for guards in self._all_guards:
                guards.call("failed", error)
            raise
        finally:
            event.remove(sa.Engine, "engine_connect", opened)
            del env.configure

    def configure(self, connection: sa.Connection | None = None, **options: t.Any) -> None:
        """Stands in for ``EnvironmentContext.configure`` with every guard in place."""
        bind = self._bind_of(connection, options)
        self.met.add(bind)
        self._supply_metadata(bind, options)
        if self._env.is_offline_mode() or connection is None:
            self.scope = self.guards = None
            self._bind = bind
            self._complete_offline(bind, options)
            self._configure(connection=connection, **options)
            return
        scope = self._scope_of(connection, bind, options)
        guards = Guards(scope)
        self._all_guards.append(guards)
        guards.begin()
        own = options.get("on_version_apply") or ()
        own = own if isinstance(own, (tuple, list)) else (own,)
        options["on_version_apply"] = (*own, lambda **kw: self._version_written(guards, **kw))
        self._configure(connection=connection, **options)
        scope.context = self._env.get_context()
        self.scope, self.guards, self._bind = scope, guards, bind
        guards.call("after_configure")

    def _scope_of(self, connection: sa.Connection, bind: str | None, options: dict[str, t.Any]) -> Scope:
        """What guards know of a connection, completed by what the command and a first look have to say."""
        scope = Scope(
            connection,
            options,
            self.state.settings,
            self.state,
            self.options.mode,
            bind=bind,
            notify=self.options.notify,
            foreign=id(connection) not in self._opened,
            attempt=self.options.attempt,
            backup=self.options.backup,
            backups=self.options.backups,
            targets=[target for target in self.targets if self._chosen(target.bind)],
        )
        self.cleanup.push(scope.cleanup)
        if connection.dialect.is_async:
            from .greenlets import close_when_returned

            close_when_returned(scope, self.cleanup.callback)
        if self.options.prepare is not None:
            self.options.prepare(scope)
        if self.options.glance and not scope.foreign and scope.dialect != "sqlite":
            from .glance import finds_nothing_to_do

            scope.idle = finds_nothing_to_do(scope, lambda heads: self._chosen(bind) and bool(self._plan(heads, None)))
        return scope

    def run_steps(self, heads: t.Any, context: t.Any) -> t.Iterator[t.Any]:
        """The work function that Alembic calls for each database."""
        if not self._chosen(self._bind):
            return
        steps = list(self.work(heads, context))
        if steps:
            self._choose_functions(steps)
        guards, scope = self.guards, self.scope
        if guards is None or scope is None or self.options.mode != "write":
            yield from steps
            return
        if scope.idle and steps:
            raise StartOver
        scope.heads = frozenset(heads)
        guards.plan(steps)
        for number, step in enumerate(steps, 1):
            yield from self._run_step(guards, scope, step, number, len(steps))

    def _choose_functions(self, steps: t.Iterable[t.Any]) -> None:
        from .dispatch import migration_for

        for step in steps:
            if not is_stamp(step) and hasattr(step, "migration_fn"):
                direction = "upgrade" if step.is_upgrade else "downgrade"
                step.migration_fn = migration_for(step.revision.module, direction, self._bind)

    def _run_step(self, guards: Guards, scope: Scope, step: t.Any, number: int, total: int) -> t.Iterator[t.Any]:
        record = _record(step, scope.bind)
        self.options.notify(Event("begin", step=record, number=number, total=total))
        guards.call("begin_step", step)
        started = time.perf_counter()
        yield step
        guards.call("end_step", step)
        self._let_go(step)
        record = record.changed(seconds=time.perf_counter() - started)
        self.steps.append(record)
        self.options.notify(Event("end", step=record, number=number, total=total))

    def _let_go(self, step: t.Any) -> None:
        """Free what the guards have wrapped around the code, and the code unless another database comes to it."""
        step.migration_fn = _done
        release = getattr(getattr(step, "revision", None), "release", None)
        if release is not None and len(self.targets) == 1:
            release()

    def _version_written(self, guards: Guards, *, step: t.Any, heads: t.Any, **rest: t.Any) -> None:
        guards.scope.heads = frozenset(heads)
        guards.call("version_written", step)

    def _chosen(self, bind: str | None) -> bool:
        return not self.options.binds or (bind or "default") in self.options.binds

    def _bind_of(self, connection: sa.Connection | None, options: dict[str, t.Any]) -> str | None:
        token = options.get("upgrade_token", "")
        named = token[: -len("_upgrades")] if token.endswith("_upgrades") else None
        if named is not None:
            return named or None
        if connection is None:
            return self._bind_of_url(options.get("url"))
        return next((target.bind for target in self.targets if connection.engine is target.sync_engine), None)

    def _bind_of_url(self, url: t.Any) -> str | None:
        """In offline mode an old env.py tells databases apart by their URL alone."""
        if url is None:
            return None
        wanted = sa.make_url(url)
        return next((target.bind for target in self.targets if target.sync_engine.url == wanted), None)

    def _supply_metadata(self, bind: str | None, options: dict[str, t.Any]) -> None:
        """env.py files of Flask-Migrate 1 and 2 look for a bind's tables where Flask-SQLAlchemy 3 has none."""
        given = options.get("target_metadata")
        target = next((target for target in self.targets if target.bind == bind), None)
        if target is not None and isinstance(given, sa.MetaData) and not given.tables and target.metadatas:
            options["target_metadata"] = target.metadata

    def _complete_offline(self, bind: str | None, options: dict[str, t.Any]) -> None:
        """Offline mode honours what online mode does, also where an old env.py passes nothing on."""
        for key, value in self.state.configure_args.items():
            options.setdefault(key, value)
        buffer = options.get("output_buffer")
        name = getattr(buffer, "name", None)
        if isinstance(name, str):
            if os.path.basename(name) == ".sql":
                name = self._rename_script(buffer, name)
            self.files.append(os.path.abspath(name))

    def _rename_script(self, buffer: t.Any, name: str) -> str:
        """The multidb env.py of Flask-Migrate writes the default database's script to a file called ``.sql``."""
        better = os.path.join(os.path.dirname(name), "default.sql")
        os.replace(name, better)
        return better


def _done(**given: t.Any) -> None:
    """In place of the code of a step that has run."""


def _record(step: t.Any, bind: str | None) -> Step:
    if not is_stamp(step):
        return Step(
            bind or "default",
            step.revision.revision,
            step.revision.doc or "",
            "upgrade" if step.is_upgrade else "downgrade",
            before=tuple(step.from_revisions),
            after=tuple(step.to_revisions),
        )
    info = step.info
    revision = info.up_revision
    name = revision.revision if revision is not None else ", ".join(info.source_revision_ids) or "base"
    if not info.is_upgrade:
        # What the database is at from now on; the revision above is what it was at.
        revision = next(iter(info.destination_revisions), None)
        name = ", ".join(info.destination_revision_ids) or "base"
    return Step(
        database=bind or "default",
        revision=name,
        message=revision.doc or "" if revision is not None else "",
        direction="stamp",
        before=tuple(info.source_revision_ids),
        after=tuple(info.destination_revision_ids),
    )
