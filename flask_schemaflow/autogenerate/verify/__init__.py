"""Verification of a new revision on a scratch copy of the schema, before the file is kept.

The revision is applied there, the result compared with the models, the revision reverted, and the schema compared with
the one before. The copy has no rows, and the application's database is only read. A file that fails there would fail at
the first ``upgrade``, so it is not kept. A file that leaves differences is kept, with a notice.

The copy of a big schema has only the tables that the file concerns (:mod:`.narrow`), if that is certain. SQLite keeps
the SQL of every table, so there only the tables are compared whose SQL has changed or that the file names.
"""

from __future__ import annotations

import builtins
import contextlib
import dis
import functools
import logging
import pathlib
import types
import typing as t

import sqlalchemy as sa
from alembic.runtime.migration import MigrationContext
from alembic.script import Script

from ...errors import SchemaflowError
from ...errors.autogenerate import NamesMissing
from ...errors.autogenerate import VerificationFailed
from ...runtime.connections import keep_transactions
from ...runtime.environment import Environment
from ...runtime.guard import MYSQL
from ...runtime.own_tables import OWN_TABLES
from ...runtime.tenant_engines import in_schema_of
from ...settings import Settings
from ...targets import instead_of_databases
from ...targets import Target
from ...targets import TenantTarget
from ..compare import differences as compared
from ..decisions import Decisions
from ..operations import Key
from .copies import copy_of
from .copies_mysql import ELSEWHERE
from .narrow import Excerpt
from .narrow import excerpt
from .narrow import Uncertain
from .own_schema import BEYOND
from .scratch import configured_options
from .scratch import is_own_schema
from .scratch import ScratchEnvironment
from .scratch import source_of
from .scratch import Unverifiable
from .scratch import write_heads
from .snapshot import Definitions
from .snapshot import definitions
from .snapshot import differences
from .snapshot import snapshot

Measure = t.Callable[[Target, sa.Engine, ScratchEnvironment], t.Callable[[Script], None]]
"""Gets a database, its engine and its copy, and returns what applies a revision to the copy and measures it."""


def verify(
    environment: Environment, scripts: t.Sequence[Script], decisions: Decisions, measure: Measure | None = None
) -> None:
    """Verify new revisions, if the settings or the caller ask for it.

    :param decisions: its ``verify`` wins over the settings; ``notices`` get what differs, or why nothing is verified.
    :param measure: applies the revisions in place of a plain upgrade.
    :raises VerificationFailed: when ``upgrade()`` or ``downgrade()`` fails.
    """
    settings = environment.state.settings
    for target in environment.state.targets():
        options = configured_options(environment, target.bind)
        if options is None or not _wanted(decisions.verify, settings, target):
            continue
        try:
            with quiet_alembic():
                _verify(environment, target, options, scripts, decisions, measure)
        except (Unverifiable, sa.exc.DBAPIError) as error:
            reason = str(error) if isinstance(error, Unverifiable) else str(error.orig).splitlines()[0]
            decisions.notices.append(f"Skipped the test on a scratch copy of {target.name}: {reason}.")


def _wanted(asked_for: bool | None, settings: Settings, target: Target) -> bool:
    """Return whether to verify; by default if the scratch database is a file or is given."""
    if asked_for is not None:
        return asked_for
    if settings.verify != "auto":
        return settings.verify == "always"
    return target.sync_engine.dialect.name == "sqlite" or settings.verify_database_url is not None


def _verify(
    environment: Environment,
    target: Target,
    options: dict[str, t.Any],
    scripts: t.Sequence[Script],
    decisions: Decisions,
    measure: Measure | None,
) -> None:
    """Verify on a copy of what the revisions concern, or where that isn't certain or fails, of the whole schema."""
    part, told = _part_of(environment, target, options, scripts, decisions), len(decisions.notices)
    if part is not None:
        with contextlib.suppress(Uncertain, Unverifiable, VerificationFailed, sa.exc.DBAPIError):
            with scratch_copy(environment, target, options, part.left_out) as (source, scratch):
                unnamed = part.outline.tables - part.named
                scratch.leave_out(unnamed)
                apply = scratch.apply if measure is None else measure(target, source, scratch)
                checked = part.checking(apply, scratch.engine)
                with part.watched(scratch.engine):
                    _there_and_back(source, scratch, scripts, decisions, target, checked, unnamed)
            return
        del decisions.notices[told:]
    with scratch_copy(environment, target, options) as (source, scratch):
        apply = scratch.apply if measure is None else measure(target, source, scratch)
        _there_and_back(source, scratch, scripts, decisions, target, apply)


def _part_of(
    environment: Environment,
    target: Target,
    options: dict[str, t.Any],
    scripts: t.Sequence[Script],
    decisions: Decisions,
) -> Excerpt | None:
    """Return the part of the schema that the revisions concern; ``None`` if the whole is to be copied."""
    passed = environment.config.attributes.get("connection") is not None
    if passed or isinstance(target, TenantTarget) or options.get("on_version_apply"):
        return None
    own = {options.get("version_table") or "alembic_version"}
    with source_of(target) as source, keep_transactions([source]):
        return excerpt(source, scripts, _differing(decisions, target), own)


def _differing(decisions: Decisions, target: Target) -> set[Key]:
    return {key for bind, key in decisions.differing if bind == target.bind}


@contextlib.contextmanager
def scratch_copy(
    environment: Environment, target: Target, options: dict[str, t.Any], left_out: t.Collection[Key] = ()
) -> t.Iterator[tuple[sa.Engine, ScratchEnvironment]]:
    """Yield an engine of an application's database and a scratch copy of it, without rows, at the same revisions.

    :param options: what env.py passes to ``context.configure()`` for the database.
    :param left_out: tables that the copy may lack.
    :raises Unverifiable: when the copy can't be made; says why.
    """
    dialect = target.sync_engine.dialect.name
    if environment.config.attributes.get("connection") is not None:
        raise Unverifiable("a scratch copy can't see the transaction of the connection you passed")
    has_schemas = any(table.schema for item in target.metadatas for table in item.tables.values())
    if dialect in MYSQL and has_schemas:
        raise Unverifiable(ELSEWHERE)
    with source_of(target) as source, keep_transactions([source]):
        heads = _heads(source, options)
        with copy_of(source, environment.state.settings, left_out) as engine:
            copied = target.changed(engine=in_schema_of(target, engine))
            scratch = ScratchEnvironment(environment, copied, options)
            with scratch.connect() as connection:
                if is_own_schema(connection) and (has_schemas or options.get("version_table_schema")):
                    raise Unverifiable(BEYOND)
                write_heads(connection, options, heads)
                connection.commit()
            with instead_of_databases(copied) if isinstance(copied, TenantTarget) else contextlib.nullcontext():
                yield source, scratch


def _heads(source: sa.Engine, options: dict[str, t.Any]) -> tuple[str, ...]:
    names = ("version_table", "version_table_schema")
    with source.connect() as connection:
        opts = {name: options[name] for name in names if options.get(name)}
        return MigrationContext.configure(connection, opts=opts).get_current_heads()


def _there_and_back(
    source: sa.Engine,
    scratch: ScratchEnvironment,
    scripts: t.Sequence[Script],
    decisions: Decisions,
    target: Target,
    apply: t.Callable[[Script], None],
    unnamed: t.Collection[Key] = (),
) -> None:
    """Apply the revisions and revert them; tell what differs from the models afterwards, and from before.

    :param unnamed: tables that the revisions certainly leave as they are.
    """
    ignored = OWN_TABLES | {scratch.options.get("version_table") or "alembic_version"}
    with scratch.connect() as connection:
        definitions_before = definitions(connection, ignored)
        before = snapshot(connection, ignored, left_out=unnamed) if definitions_before is None else {}
    for script in scripts:
        _run("upgrade", functools.partial(apply, script))
    if definitions_before is not None:
        differing = _differing(decisions, target)
        _leave_out_unchanged(scratch, scripts, definitions_before, ignored, differing)
    model_differences = [str(item) for item in compared(scratch)]
    for script in reversed(scripts):
        _run("downgrade", functools.partial(scratch.revert, script))
    with scratch.connect() as connection:
        if definitions_before is None:
            not_restored = differences(before, snapshot(connection, ignored, left_out=unnamed))
        else:
            not_restored = _not_restored(source, connection, definitions_before, ignored)
    _tell(decisions, target, model_differences, not_restored)


def _leave_out_unchanged(
    scratch: ScratchEnvironment,
    scripts: t.Sequence[Script],
    before: Definitions,
    ignored: t.Collection[str],
    differing: t.Collection[Key],
) -> None:
    """Compare only the tables that ``upgrade()`` changed, and those that it names or that differ from the models.

    It may have left the latter unchanged.
    """
    text = "".join(pathlib.Path(script.path).read_text("utf-8", errors="replace") for script in scripts)
    with scratch.connect() as connection:
        after = definitions(connection, ignored) or {}
    unchanged = {key for key, sql in before.items() if after.get(key) == sql}
    scratch.leave_out({key for key in unchanged if key[1] not in text and key not in differing})


def _not_restored(
    source: sa.Engine, connection: sa.Connection, before: Definitions, ignored: t.Collection[str]
) -> list[str]:
    """Compare the tables whose SQL differs after ``downgrade()`` with those of the application's database."""
    after = definitions(connection, ignored) or {}
    changed = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
    if not changed:
        return []
    with source.connect() as original:
        return differences(snapshot(original, ignored, changed), snapshot(connection, ignored, changed))


def _run(direction: str, function: t.Callable[[], None]) -> None:
    try:
        function()
    except SchemaflowError as error:
        raise VerificationFailed(
            f"{direction}() of the new revision fails on a scratch copy of the schema. Nothing was written. "
            f"{error.message}",
            details=error.details,
            hint="Use --no-verify to write the file anyway and fix it by hand, or --dry-run to print it.",
        ) from error


def _tell(
    decisions: Decisions, target: Target, model_differences: list[str], not_restored: list[str]
) -> None:
    of = f" of the database {target.bind}" if target.bind else ""
    if model_differences:
        decisions.notices.append(
            f"This revision{of} leaves differences that the next `flask db migrate` would write: "
            + "; ".join(model_differences)
            + "."
        )
    if not_restored:
        listed = "; ".join(not_restored)
        decisions.notices.append(f"downgrade() of this revision{of} does not restore: {listed}.")


@contextlib.contextmanager
def quiet_alembic() -> t.Iterator[None]:
    """Hide Alembic's log lines, which are not about the application's database."""
    logger = logging.getLogger("alembic")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def refuse_missing_names(scripts: t.Iterable[Script]) -> None:
    """Refuse revisions whose functions use names that nothing defines; importing the file doesn't find them.

    :raises NamesMissing: names the first one and its line.
    """
    for name, line in (item for script in scripts for item in _missing_names(script.module)):
        wanted = _KNOWN_IMPORTS.get(name, f"import {name}")
        raise NamesMissing(
            f"The new revision uses the undefined name {name} in line {line}. Nothing was written.",
            hint=f"Add `{wanted}` to script.py.mako, or in render_item: "
            f'autogen_context.imports.add("{wanted}")',
        )


_KNOWN_IMPORTS = {"sa": "import sqlalchemy as sa", "op": "from alembic import op"} | {
    name: f"from sqlalchemy.dialects import {name}" for name in ("postgresql", "mysql", "sqlite", "mssql", "oracle")
}


def _missing_names(module: types.ModuleType) -> t.Iterator[tuple[str, int]]:
    own = [item for item in vars(module).values() if isinstance(item, types.FunctionType)]
    for function in own:
        if function.__module__ == module.__name__:
            used = _globals_of(function.__code__)
            yield from (item for item in used if not hasattr(module, item[0]) and not hasattr(builtins, item[0]))


def _globals_of(code: types.CodeType) -> t.Iterator[tuple[str, int]]:
    """Yield the global names that code and the functions in it read, with their lines."""
    line = code.co_firstlineno
    starts = dict(dis.findlinestarts(code))
    for instruction in dis.get_instructions(code):
        line = starts.get(instruction.offset) or line
        if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            yield str(instruction.argval), line
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _globals_of(constant)
