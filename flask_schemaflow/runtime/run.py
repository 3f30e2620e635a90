"""One run of env.py: intercepts ``context.configure()`` and runs the steps of a command between the guards.

``alembic.context`` proxies to one ``EnvironmentContext``. A ``configure`` attribute on that instance is the one public
place where connection, dialect and options of any env.py can be seen before Alembic uses them.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import time
import typing as t

import sqlalchemy as sa
from alembic.runtime.environment import EnvironmentContext
from sqlalchemy import event

from .. import operations as operations  # which registers what revisions call
from ..alembic_private import set_step_code
from ..alembic_private import step_code
from ..extension import State
from ..records import Backup
from ..records import Event
from ..records import Notify
from ..records import Record
from ..records import silent
from ..records import Step
from ..targets import Target
from .connections import pool_left_empty
from .database_status import current_heads
from .guard import Guards
from .guard import is_stamp
from .guard import Mode
from .guard import revision_name
from .guard import Scope
from .guard import StartOver
from .guards.registry import GUARDS
from .guards.run_transaction import commit_env_statements
from .guards.run_transaction import noting_env_statements
from .planning import migration_for
from .planning import within
from .tenancy import look_at_tenant

Work = t.Callable[[t.Any, t.Any], t.Iterable[t.Any]]


@dataclasses.dataclass(frozen=True)
class Options(Record):
    """The options of a run.

    :param mode: ``write`` changes the database, ``compare`` compares it with the models, ``read`` only reads.
    :param binds: the names of the databases to touch; all when empty.
    :param keep_logging: whether alembic.ini's logging section applies during the run, as on the command line.
    :param prepare: called with each database before Alembic is configured for it; may change the options.
    :param attempt: the number of this attempt; the first is 1.
    :param backup: whether to back up each database first; ``None`` leaves it to the setting.
    :param backups: collects the backups of all attempts.
    :param precheck: whether to ask first, without the lock, if anything is pending; the caller catches ``StartOver``.
    :param from_current: with ``sql``, begin at the current revision of each database.
    """

    mode: Mode = "read"
    sql: bool = False
    binds: tuple[str, ...] = ()
    keep_logging: bool = False
    notify: Notify = silent
    prepare: t.Callable[[Scope], None] | None = None
    attempt: int = 1
    precheck: bool = False
    backup: bool | None = None
    backups: list[Backup] | None = None
    from_current: bool = False


class Run:
    """One run of env.py for the databases of an application.

    :param targets: the databases.
    :param work: returns the steps for the heads of one database.
    :param plan: the same without side effects, for the precheck; ``work`` by default.
    :ivar steps: the steps that ran.
    :ivar files: the scripts that offline mode wrote.
    :ivar configured: by bind, the options with which env.py has configured Alembic.
    :ivar scope: the database that env.py has configured last, ``None`` offline.
    """

    def __init__(
        self, state: State, targets: t.Sequence[Target], work: Work, options: Options, plan: Work | None = None
    ) -> None:
        self.state = state
        self.targets = targets
        self.work = work
        self._plan = plan or work
        self.options = options
        self.steps: list[Step] = []
        self.ran: list[Step] = []  # those that may not be committed yet, too
        self.files: list[str] = []
        self.configured: dict[str | None, dict[str, t.Any]] = {}
        self.scope: Scope | None = None
        self.guards: Guards | None = None
        self._all_guards: list[Guards] = []
        self._opened: set[int] = set()
        self._configure: t.Callable[..., None] = lambda **kwargs: None

    @contextlib.contextmanager
    def intercepting(self, env: EnvironmentContext) -> t.Iterator[None]:
        """Replace ``env.configure`` by :meth:`configure` until the block ends."""
        self._configure, self._env = env.configure, env
        setattr(env, "configure", self.configure)  # noqa: B010 - an instance attribute that shadows the method
        self.cleanup = contextlib.ExitStack()
        for target in self.targets if self.options.mode == "write" else ():
            self.cleanup.enter_context(pool_left_empty(target))

        def opened(connection: sa.Connection) -> None:
            self._opened.add(id(connection))

        event.listen(sa.Engine, "engine_connect", opened)
        try:
            with self.cleanup, noting_env_statements():
                yield
            for guards in self._all_guards:
                guards.call("finished")
        except StartOver:
            raise
        except BaseException as error:
            explained = [found for guards in self._all_guards for found in guards.failed(error)]
            if explained:
                raise explained[0] from error
            raise
        finally:
            event.remove(sa.Engine, "engine_connect", opened)
            del env.configure

    def configure(self, connection: sa.Connection | None = None, **options: t.Any) -> None:
        """Configure Alembic as env.py asks for, after every guard has seen the connection and the options."""
        if connection is not None and self.state.accept is not None:
            self.state.accept(connection)
        bind = self._bind_of(connection, options)
        self._supply_metadata(bind, options)
        if connection is not None:
            look_at_tenant(connection, options, self.options.mode == "write")
        self.configured[bind] = dict(options)
        if self._env.is_offline_mode() or connection is None:
            self.scope = self.guards = None
            self._bind = bind
            self._complete_offline(bind, options)
            self._configure(connection=connection, **options)
            return
        self._end_earlier(connection)
        scope = self._scope_of(connection, bind, options)
        guards = Guards(scope, GUARDS)
        self._all_guards.append(guards)
        guards.begin()
        own = options.get("on_version_apply") or ()
        own = own if isinstance(own, (tuple, list)) else (own,)
        options["on_version_apply"] = (*own, lambda **kw: self._version_written(guards, **kw))
        self._configure(connection=connection, **options)
        scope.context = self._env.get_context()
        self.scope, self.guards, self._bind = scope, guards, bind
        guards.call("after_configure")

    def _end_earlier(self, connection: sa.Connection) -> None:
        """End the guards of an earlier configuration of the same connection, as of a loop over schemas.

        They stay where env.py keeps all in one transaction.
        """
        earlier = [guards for guards in self._all_guards if guards.scope.connection is connection]
        if earlier:
            commit_env_statements(connection)
        for guards in earlier if not connection.in_transaction() else ():
            guards.call("finished")
            self._all_guards.remove(guards)
            guards.scope.cleanup.close()

    def _scope_of(self, connection: sa.Connection, bind: str | None, options: dict[str, t.Any]) -> Scope:
        """Return the scope of a connection, after the command's own preparation and the precheck."""
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
        self.cleanup.push(scope.after)
        self.cleanup.push(scope.cleanup)
        if connection.dialect.is_async:
            from .guards.connection_state import close_when_returned

            close_when_returned(scope)
        if self.options.prepare is not None:
            self.options.prepare(scope)
        if self.options.precheck and not scope.foreign:
            self._prepare_precheck(scope)
        return scope

    def _prepare_precheck(self, scope: Scope) -> None:
        """Let the guards ask whether there is anything to do, and ask it once before they begin."""

        @functools.lru_cache(maxsize=1)  # a run that waits asks again and again
        def pending(heads: frozenset[str]) -> bool:
            return self._chosen(scope.bind) and bool(self._plan(tuple(heads), None))

        scope.has_steps = lambda heads: pending(frozenset(heads))
        if scope.dialect != "sqlite":  # which locks the whole file before it reads anything
            from .fast_path import finds_nothing_to_do

            scope.precheck = functools.partial(finds_nothing_to_do, scope, scope.has_steps)
            scope.idle = scope.precheck()

    def run_steps(self, heads: t.Any, context: t.Any) -> t.Iterator[t.Any]:
        """Yield the steps of one database to Alembic, which runs each; this is its work function."""
        if not self._chosen(self._bind):
            return
        steps = list(self.work(heads, context))
        guards, scope = self.guards, self.scope
        if guards is None or scope is None or self.options.mode != "write":
            for step in steps:
                self._set_code(step, contextlib.nullcontext)
                yield step
            return
        if scope.idle and steps:
            raise StartOver
        scope.heads = frozenset(heads)
        guards.plan(steps)
        for number, step in enumerate(steps, 1):
            yield from self._run_step(guards, scope, step, number, len(steps))

    def _run_step(self, guards: Guards, scope: Scope, step: t.Any, number: int, total: int) -> t.Iterator[t.Any]:
        record = _record(step, scope.bind)
        self.options.notify(Event("begin", step=record, number=number, total=total))
        guards.call("begin_step", step)
        self._set_code(step, functools.partial(guards.around, step))
        started = time.perf_counter()
        yield step
        guards.call("end_step", step)
        self._release(step)
        record = record.changed(seconds=time.perf_counter() - started)
        self.ran.append(record)
        scope.when_committed(lambda: self._end_step(record, number, total))

    def _end_step(self, record: Step, number: int, total: int) -> None:
        """Note that a step is committed, and tell the caller."""
        self.steps.append(record)
        self.options.notify(Event("end", step=record, number=number, total=total))

    def _set_code(self, step: t.Any, around: t.Callable[[], t.ContextManager[None]]) -> None:
        """Make Alembic run the function for this database, within the blocks of the guards."""
        if is_stamp(step):
            set_step_code(step, within(step_code(step), around))
        else:
            direction = "upgrade" if step.is_upgrade else "downgrade"
            set_step_code(step, migration_for(step.revision.module, direction, self._bind, around))

    def _release(self, step: t.Any) -> None:
        """Free the revision's code, unless another database still needs it."""
        set_step_code(step, _nothing)
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
        """Return the bind of a URL, perhaps with a masked password: all that an old env.py passes in offline mode."""
        if url is None:
            return None
        wanted = sa.make_url(url)
        known = [(target.bind, target.sync_engine.url) for target in self.targets]
        return next((bind for bind, url in known if wanted in (url, sa.make_url(url.render_as_string()))), None)

    def _supply_metadata(self, bind: str | None, options: dict[str, t.Any]) -> None:
        """Replace empty metadata: Flask-Migrate 1 and 2 look for a bind's tables where Flask-SQLAlchemy 3 has none."""
        given = options.get("target_metadata")
        target = next((target for target in self.targets if target.bind == bind), None)
        if target is not None and isinstance(given, sa.MetaData) and not given.tables and target.metadatas:
            options["target_metadata"] = target.metadata

    def _complete_offline(self, bind: str | None, options: dict[str, t.Any]) -> None:
        """Pass on the options of online mode, also where an old env.py passes none."""
        for key, value in self.state.configure_args.items():
            options.setdefault(key, value)
        if self.options.from_current and not options.get("starting_rev"):
            options["starting_rev"] = self._current(bind, options)
        if not options.get("dialect_opts"):
            # A script is read by no driver, which would take the doubling of percent signs back.
            options["dialect_opts"] = {"paramstyle": "named"}
        buffer = options.get("output_buffer")
        name = getattr(buffer, "name", None)
        if isinstance(name, str):
            if os.path.basename(name) == ".sql":
                name = self._rename_script(buffer, name)
            self.files.append(os.path.abspath(name))

    def _current(self, bind: str | None, options: dict[str, t.Any]) -> tuple[str, ...]:
        """Return the current revisions of a database that can be reached, for a script that begins there."""
        target = next((item for item in self.targets if item.bind == bind), None)
        if target is None or not self._chosen(bind):
            return ()
        found = current_heads(target.sync_engine, options)
        if found is None:
            text = f"The {target.name} database can't be reached, so its script begins with the first revision."
            self.options.notify(Event("notice", text))
        return found or ()

    def _rename_script(self, buffer: t.Any, name: str) -> str:
        """Rename the default database's script, which the multidb env.py of Flask-Migrate calls ``.sql``."""
        better = os.path.join(os.path.dirname(name), "default.sql")
        os.replace(name, better)
        return better


def _nothing(**given: t.Any) -> None:
    """Replace the code of a step that has run."""


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
    name = revision_name(info)
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
