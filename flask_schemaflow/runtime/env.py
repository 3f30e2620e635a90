"""``run_env()``: what the packaged env.py calls, and all that it does.

Keeping it here rather than in every project's env.py means that a fix arrives with the package. A
project that wants to own it starts from ``flask db init -t flask-full``.
"""

from __future__ import annotations

import contextlib
import functools
import os
import pathlib
import typing as t

from alembic import context
from flask import current_app
from flask import has_app_context

from ..alembic_private import active_environment
from ..alembic_private import set_work_function
from ..alembic_private import work_function
from ..errors.setup import AlembicUnknown
from ..extension import current_state
from ..targets import choose
from ..targets import Target
from .connections import run_coroutine
from .isolation import isolated
from .own_tables import is_own_table
from .run import Options
from .run import Run


def run_env(**overrides: t.Any) -> None:
    """Migrate every database of the application.

    :param overrides: arguments of ``context.configure()``, which override those of ``Migrate``.
    """
    with _application(), _run() as run:
        every = current_state().targets()
        chosen = choose(every, run.options.binds)
        for target in chosen:
            options = _options(target, overrides, many=len(every) > 1)
            given = context.config.attributes.get("connection")
            if target.bind is None and hasattr(given, "connect"):  # an engine: pytest-alembic passes one
                target, given = target.changed(engine=given), None
            if context.is_offline_mode():
                _write_sql(target, options, many=len(chosen) > 1)
            elif given is not None and target.bind is None:
                _migrate(given, options)
            elif target.is_async:
                run_coroutine(_migrate_async(target, options), target.sync_engine)
            else:
                with target.sync_engine.connect() as connection:
                    _migrate(connection, options)


@contextlib.contextmanager
def _application() -> t.Iterator[None]:
    """Use the current application, or load the one that ``flask`` would, for the plain ``alembic`` command."""
    if has_app_context():
        yield
        return
    from flask.cli import load_dotenv
    from flask.cli import ScriptInfo

    load_dotenv()
    with ScriptInfo(os.environ.get("FLASK_APP")).load_app().app_context():
        yield


@contextlib.contextmanager
def _run() -> t.Iterator[Run]:
    """Yield the run that a command of ours has begun, or one of its own under the plain ``alembic`` command."""
    begun: Run | None = context.config.attributes.get("schemaflow")
    if begun is not None:
        yield begun
        return
    env = active_environment()
    work = work_function(env) if env is not None else None
    if env is None or work is None:
        raise AlembicUnknown(
            "Flask-SchemaFlow can't guard migrations under the `alembic` command of this release of Alembic.",
            hint="Run it as `flask db ...`, or run `pip install --upgrade Flask-SchemaFlow`.",
        )
    writes = "destination_rev" in env.context_opts
    options = Options("write" if writes else "read", keep_logging=True)
    run = Run(current_state(), current_state().targets(), work, options)
    set_work_function(env, run.run_steps)
    with isolated(apply_logging=True, writes=writes), run.intercepting(env):
        yield run


def _options(target: Target, overrides: dict[str, t.Any], many: bool) -> dict[str, t.Any]:
    """Return what ``context.configure()`` is given for one database."""
    options = {**current_app.extensions["migrate"].configure_args, **overrides}
    options.setdefault("target_metadata", target.metadata)
    if "schemaflow" not in context.config.attributes:
        options["include_name"] = functools.partial(_include_name, options.get("include_name"))
    if many and target.bind is not None:
        options["upgrade_token"] = f"{target.bind}_upgrades"
        options["downgrade_token"] = f"{target.bind}_downgrades"
    return options


def _include_name(accepts: t.Any, name: t.Any, kind: str, parents: t.Any) -> bool:
    """Keep the package's own tables out of what the plain ``alembic`` command compares, which would drop them.

    :param accepts: the application's filter, if it has one.
    """
    if kind == "table" and is_own_table(str(name)):
        return False
    return accepts is None or bool(accepts(name, kind, parents))


def _write_sql(target: Target, options: dict[str, t.Any], many: bool) -> None:
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


def _migrate(connection: t.Any, options: dict[str, t.Any]) -> None:
    context.configure(connection=connection, **options)
    with context.begin_transaction():
        context.run_migrations()


async def _migrate_async(target: Target, options: dict[str, t.Any]) -> None:
    engine: t.Any = target.engine
    try:
        async with engine.connect() as connection:
            await connection.run_sync(_migrate, options)
    finally:
        await engine.dispose()  # the next run has another event loop
