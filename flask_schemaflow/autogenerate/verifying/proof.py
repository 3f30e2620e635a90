"""Whether a new revision does what it says: upgraded, compared, downgraded and compared again on a scratch copy.

The copy has the schema of the application's database and no rows, so this costs the same on a small database and
on a large one, and nothing of the application is touched. What fails there would fail at the first ``upgrade``, so
such a file is not kept. What works and leaves something over is kept, and said.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import typing as t

import sqlalchemy as sa
from alembic.runtime.migration import MigrationContext
from alembic.script import Script

from ...errors import SchemaflowError
from ...errors.autogenerate import VerificationFailed
from ...runtime.environment import Environment
from ...runtime.own_tables import OWN_TABLES
from ...settings import Settings
from ...targets import Target
from ..comparing import differences as compared
from ..decisions import Decisions
from . import mysql_copy
from . import postgresql_copy
from . import sqlite_copy
from .capture import remembered
from .runs import ScratchEnvironment
from .scratch import source_of
from .scratch import Unverifiable
from .scratch import write_heads
from .snapshot import differences
from .snapshot import snapshot

_COPIES = {
    "sqlite": sqlite_copy.copied,
    "postgresql": postgresql_copy.copied,
    "mysql": mysql_copy.copied,
    "mariadb": mysql_copy.copied,
}


def prove(environment: Environment, scripts: t.Sequence[Script], decisions: Decisions) -> None:
    """Prove new revisions, where the settings or the caller want that.

    :param decisions: ``verify`` in it wins over the settings; what is left over, or why there is no proof, is said.
    :raises VerificationFailed: when ``upgrade()`` or ``downgrade()`` fails.
    """
    settings = environment.state.settings
    for target in environment.state.targets():
        options = remembered(environment, target.bind)
        if options is None or not _wanted(decisions.verify, settings, target):
            continue
        try:
            with _quiet_alembic():
                _prove(environment, target, options, scripts, decisions)
        except (Unverifiable, sa.exc.DBAPIError) as error:
            reason = str(error) if isinstance(error, Unverifiable) else str(error.orig).splitlines()[0]
            decisions.notices.append(f"Not verified on a scratch copy of the schema of {target.name}: {reason}.")


def _wanted(told: bool | None, settings: Settings, target: Target) -> bool:
    """Whether a proof is worth its price: without being told, where a scratch database is a file or is there."""
    if told is not None or settings.verify != "auto":
        return settings.verify == "always" if told is None else told
    return target.sync_engine.dialect.name == "sqlite" or settings.verify_database_url is not None


def _prove(
    environment: Environment,
    target: Target,
    options: dict[str, t.Any],
    scripts: t.Sequence[Script],
    decisions: Decisions,
) -> None:
    dialect = target.sync_engine.dialect.name
    if dialect not in _COPIES:
        raise Unverifiable(f"there is no way to copy a schema of {dialect}")
    if environment.config.attributes.get("connection") is not None:
        raise Unverifiable("the connection was passed by the caller, whose transaction nobody else can read")
    if dialect in ("mysql", "mariadb") and any(
        table.schema for item in target.metadatas for table in item.tables.values()
    ):
        raise Unverifiable(mysql_copy.ELSEWHERE)
    with source_of(target) as source:
        heads = _heads(source, options)
        with _COPIES[dialect](source, environment.state.settings) as engine:
            scratch = ScratchEnvironment(environment, target.changed(engine=engine), options)
            with scratch.connect() as connection:
                write_heads(connection, options, heads)
                connection.commit()
            _there_and_back(scratch, scripts, decisions, target)


def _heads(source: sa.Engine, options: dict[str, t.Any]) -> tuple[str, ...]:
    names = ("version_table", "version_table_schema")
    with source.connect() as connection:
        opts = {name: options[name] for name in names if options.get(name)}
        return MigrationContext.configure(connection, opts=opts).get_current_heads()


def _there_and_back(
    scratch: ScratchEnvironment, scripts: t.Sequence[Script], decisions: Decisions, target: Target
) -> None:
    ignored = OWN_TABLES | {scratch.options.get("version_table") or "alembic_version"}
    with scratch.connect() as connection:
        before = snapshot(connection, ignored)
    for script in scripts:
        _run("upgrade", functools.partial(scratch.upgrade, script.revision), script)
    left = [str(item) for item in compared(scratch)]
    for script in reversed(scripts):
        _run("downgrade", functools.partial(scratch.downgrade, _below(script)), script)
    with scratch.connect() as connection:
        remains = differences(before, snapshot(connection, ignored))
    _say(decisions, target, left, remains)


def _below(script: Script) -> str:
    """What a downgrade of just this revision goes to."""
    down = script.down_revision
    if down is None:
        return f"{script.revision}@base"
    return down if isinstance(down, str) else f"{script.revision}-1"


def _run(direction: str, function: t.Callable[[], None], script: Script) -> None:
    try:
        function()
    except SchemaflowError as error:
        raise VerificationFailed(
            f"{direction}() of the new revision fails on a scratch copy of the schema, so it was not kept: "
            f"{error.message}",
            details=error.details,
            hint="`flask db migrate --no-verify` writes it all the same, to be corrected by hand; "
            "`--dry-run` only prints it.",
        ) from error


def _say(decisions: Decisions, target: Target, left: list[str], remains: list[str]) -> None:
    of = f" of the database {target.bind}" if target.bind else ""
    if left:
        decisions.notices.append(
            f"After this revision{of} the models still differ, so `flask db migrate` would write another one: "
            + "; ".join(left)
            + "."
        )
    if remains:
        decisions.notices.append(f"downgrade() of this revision{of} doesn't restore all: " + "; ".join(remains) + ".")


@contextlib.contextmanager
def _quiet_alembic() -> t.Iterator[None]:
    """The lines of a run that is none of the application's would only confuse."""
    logger = logging.getLogger("alembic")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
