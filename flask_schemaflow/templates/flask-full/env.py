"""Runs the migrations of the current Flask application, for every database that it has.

All of it is written out here, for you to change. What protects a run (locks, one transaction, the journal, backups) and
the passes of `flask db migrate` meet Alembic in context.configure() and context.run_migrations(), so keep both.
"""

import asyncio
import pathlib

from alembic import context
from flask import current_app

state = current_app.extensions["migrate"]
targets = state.targets()


def options_for(target):
    """What Alembic is told about one database; Migrate(app, db, ...) adds to it."""
    options = {"target_metadata": target.metadata, **state.configure_args}
    if target.bind is not None:
        # The names of the functions in revision files: upgrade_<bind>() and downgrade_<bind>().
        options["upgrade_token"] = f"{target.bind}_upgrades"
        options["downgrade_token"] = f"{target.bind}_downgrades"
    return options


def migrate(connection, target):
    context.configure(connection=connection, **options_for(target))
    with context.begin_transaction():
        context.run_migrations()


async def migrate_async(target):
    try:
        async with target.engine.connect() as connection:
            await connection.run_sync(migrate, target)
    finally:
        await target.engine.dispose()


def run_online(target):
    given = context.config.attributes.get("connection")
    if given is not None and target.bind is None:
        migrate(given, target)
    elif target.is_async:
        asyncio.run(migrate_async(target))
    else:
        with target.sync_engine.connect() as connection:
            migrate(connection, target)


def run_offline(target, output_buffer=None):
    context.configure(
        dialect_name=target.sync_engine.dialect.name,
        dialect_opts={"paramstyle": "named"},
        literal_binds=True,
        **({} if output_buffer is None else {"output_buffer": output_buffer}),
        **options_for(target),
    )
    with context.begin_transaction():
        context.run_migrations()


for target in targets:
    if not context.is_offline_mode():
        run_online(target)
    elif len(targets) == 1:
        run_offline(target)
    else:
        with pathlib.Path(f"{target.name}.sql").open("w", encoding="utf-8") as script:
            run_offline(target, script)
