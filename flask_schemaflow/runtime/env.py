"""``run_env()``: what the packaged env.py calls, and all that it does.

Keeping it here rather than in every project's env.py means that a fix arrives with the package. A
project that wants to own it starts from ``flask db init -t flask-full``.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import contextvars
import os
import pathlib
import typing as t

from alembic import context
from flask import current_app
from flask import has_app_context

from ..errors.setup import AlembicUnknown
from ..extension import current_state
from ..targets import choose
from ..targets import Target
from .passage import Options
from .passage import Passage
from .private import active_environment


def run_env(**overrides: t.Any) -> None:
    """Migrate every database of the application.

    :param overrides: go to ``context.configure()`` and win over what ``Migrate`` was given.
    """
    with _application():
        passage = context.config.attributes.get("schemaflow")
        targets = choose(current_state().targets(), passage.options.binds if passage else ())
        if passage is None:
            _stand_alone(targets, overrides)
        else:
            _run_all(targets, overrides, passage)


@contextlib.contextmanager
def _application() -> t.Iterator[None]:
    """The current application, or the one that ``flask`` would load, for the plain ``alembic`` command."""
    if has_app_context():
        yield
        return
    from flask.cli import load_dotenv
    from flask.cli import ScriptInfo

    load_dotenv()
    with ScriptInfo(os.environ.get("FLASK_APP")).load_app().app_context():
        yield


def _stand_alone(targets: t.Sequence[Target], overrides: dict[str, t.Any]) -> None:
    """Run under the plain ``alembic`` command, with the same guards as under ``flask db``."""
    from .guest import visiting

    env: t.Any = active_environment()
    if env is None:
        raise AlembicUnknown(
            "Under the command of this release of Alembic the migrations can't be guarded.",
            hint="Run it as `flask db ...`, or upgrade Flask-SchemaFlow.",
        )
    work = env.context_opts["fn"]
    mode: t.Any = "write" if "destination_rev" in env.context_opts else "read"
    passage = Passage(current_state(), targets, work, Options(mode=mode, keep_logging=True))
    env.context_opts["fn"] = passage.run_steps
    with visiting(apply_logging=True, writes=mode == "write"), passage.attached(env):
        _run_all(targets, overrides, passage)


def _run_all(targets: t.Sequence[Target], overrides: dict[str, t.Any], passage: Passage) -> None:
    many = len(current_state().targets()) > 1
    for target in targets:
        options = {**current_app.extensions["migrate"].configure_args, **overrides}
        options.setdefault("target_metadata", target.metadata)
        if many and target.bind is not None:
            options["upgrade_token"] = f"{target.bind}_upgrades"
            options["downgrade_token"] = f"{target.bind}_downgrades"
        if context.is_offline_mode():
            _offline(target, options, many)
        else:
            _online(target, options)


def _offline(target: Target, options: dict[str, t.Any], many: bool) -> None:
    with contextlib.ExitStack() as stack:
        if many:
            path = pathlib.Path(os.getcwd()) / f"{target.name}.sql"
            options["output_buffer"] = stack.enter_context(open(path, "w", encoding="utf-8"))
        context.configure(
            dialect_name=target.sync_engine.dialect.name,
            dialect_opts={"paramstyle": "named"},
            literal_binds=True,
            **options,
        )
        with context.begin_transaction():
            context.run_migrations()


def _online(target: Target, options: dict[str, t.Any]) -> None:
    given = context.config.attributes.get("connection")
    if given is not None and target.bind is None:
        _migrate(given, options)
    elif target.is_async:
        _wait_for(_migrate_async(target, options), target)
    else:
        with target.sync_engine.connect() as connection:
            _migrate(connection, options)


def _migrate(connection: t.Any, options: dict[str, t.Any]) -> None:
    context.configure(connection=connection, **options)
    with context.begin_transaction():
        context.run_migrations()


def _wait_for(migration: t.Coroutine[t.Any, t.Any, None], target: Target) -> None:
    """Run to the end, also where the caller is in an event loop, which can't run another one in its thread."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        asyncio.run(migration)
        return
    # The connections of the pool belong to the loop of the caller; what is new belongs to ours.
    target.sync_engine.dispose(close=False)
    with concurrent.futures.ThreadPoolExecutor(1) as other:
        other.submit(contextvars.copy_context().run, asyncio.run, migration).result()


async def _migrate_async(target: Target, options: dict[str, t.Any]) -> None:
    engine: t.Any = target.engine
    async with engine.connect() as connection:
        await connection.run_sync(_migrate, options)
    await engine.dispose()
