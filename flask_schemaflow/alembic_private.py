"""Every private name of Alembic and SQLAlchemy that is used, each with a fallback, and the gate for the rest.

Alembic's public functions do a whole command at once (``command.stamp`` reads alembic.ini, runs env.py and prints),
so that a few things can be had in parts only by a private name. Each function here says what it does when the name
is missing; ``tests/test_alembic_private.py`` fails then and asks for the new one.

:func:`is_checked_release` is the gate. With another release of Alembic, :mod:`~flask_schemaflow.revisions.scripts`
leaves loading to Alembic. That costs time only: every check of the history is still made.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import sys
import typing as t

import alembic
import sqlalchemy as sa
from alembic import context as _context
from alembic import util
from alembic.operations.ops import MigrationScript
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import Script
from alembic.script import ScriptDirectory
from flask import g
from sqlalchemy import event

from .errors.setup import AlembicUnknown

if t.TYPE_CHECKING:
    import sqlalchemy.orm
    from alembic.autogenerate.api import AutogenContext

__all__ = [
    "active_environment",
    "begins_by_itself",
    "column_comparators",
    "create_version_table",
    "explained",
    "format_new_files",
    "has_variants",
    "have_rendered",
    "is_checked_release",
    "is_effective_head",
    "is_type_bound",
    "listen_to",
    "lite_sessions",
    "load_file",
    "load_files",
    "session_connections",
    "set_step_code",
    "set_work_function",
    "sqlite_answered",
    "sqlite_definition",
    "stamping",
    "step_code",
    "stop_listening_to",
    "type_text",
    "variants_of",
    "version_table",
    "work_function",
]


CHECKED = ((1, 18), (1, 20))
"""The oldest and the newest release of Alembic whose private names have the meaning that is expected here."""


def is_checked_release(version: str = alembic.__version__) -> bool:
    """Return whether revisions may be made by other means than Alembic's own loader."""
    parts = version.split(".")[:2]
    if not all(part.isdigit() for part in parts):
        return False
    low, high = CHECKED
    return low <= tuple(int(part) for part in parts) <= high


def load_files(script: ScriptDirectory, paths: t.Iterable[str]) -> t.Iterator[Script]:
    """Run all revision files as Alembic does; without the name, run those at ``paths``."""
    load = getattr(script, "_load_revisions", None)
    yield from (load() if load is not None else filter(None, (load_file(script, path) for path in paths)))


def load_file(script: ScriptDirectory, path: str) -> Script | None:
    """Run one revision file; ``None`` for a file that is no revision; without the name, where it has no id."""
    load = getattr(Script, "_from_path", None)
    if load is not None:
        return t.cast("Script | None", load(script, path))
    module = util.load_python_file(*os.path.split(path))
    return Script(module, module.revision, path) if hasattr(module, "revision") else None


def active_environment() -> EnvironmentContext | None:
    """Return the environment that ``alembic.context`` stands for at the moment; ``None`` where that can't be told."""
    return getattr(_context, "_proxy", None)


def step_code(step: t.Any) -> t.Callable[..., t.Any]:
    """Return the function that Alembic calls for one step.

    :raises AlembicUnknown: without the name, rather than run a revision past its guards.
    """
    function = getattr(step, "migration_fn", None)
    if function is None:
        raise AlembicUnknown(
            "Flask-SchemaFlow does not know how this release of Alembic runs a revision.",
            hint="Run `pip install --upgrade Flask-SchemaFlow`, or install an earlier release of Alembic.",
        )
    return t.cast("t.Callable[..., t.Any]", function)


def set_step_code(step: t.Any, function: t.Callable[..., t.Any]) -> None:
    """Have Alembic call ``function`` for one step; see :func:`step_code`."""
    step_code(step)
    step.migration_fn = function


def work_function(env: EnvironmentContext) -> t.Callable[..., t.Any] | None:
    """Return the function that Alembic's own command asks for steps; ``None`` where it can't be told."""
    options = getattr(env, "context_opts", None)
    return options.get("fn") if isinstance(options, dict) else None


def set_work_function(env: EnvironmentContext, function: t.Callable[..., t.Any]) -> None:
    """Have Alembic ask ``function`` for steps; :func:`work_function` says whether that is possible."""
    env.context_opts["fn"] = function


def begins_by_itself() -> bool:
    """Return whether SQLAlchemy begins a transaction because a statement needs one; without the name, false."""
    begin: t.Any = getattr(sa.Connection, "_autobegin", None)
    frame: t.Any = sys._getframe(1)
    while frame is not None and begin is not None:
        if frame.f_code is begin.__code__:
            return True
        frame = frame.f_back
    return False


def explained(script: ScriptDirectory, **words: str) -> contextlib.AbstractContextManager[None]:
    """Turn errors of the revision map into Alembic's sentences; without the name, leave them as they are."""
    manager = getattr(script, "_catch_revision_errors", None)
    return contextlib.nullcontext() if manager is None else t.cast(t.Any, manager(**words))


def stamping(script: ScriptDirectory, targets: tuple[str, ...], context: MigrationContext) -> list[t.Any]:
    """Return the steps of stamping ``targets``; without it Alembic stamps at once, and there are none left to run."""
    plan = getattr(script, "_stamp_revs", None)
    if plan is None:
        context.stamp(script, t.cast(str, targets))
        return []
    return list(plan(targets, context.get_current_heads()))


def is_effective_head(revision: Script) -> bool:
    """Return whether no revision follows this one or depends on it; without the name, dependencies don't count."""
    return bool(getattr(revision, "_is_real_head", revision.is_head))


def create_version_table(context: MigrationContext) -> None:
    """Make the version table; without it a table with Alembic's default column."""
    table = version_table(context)
    if table is None:
        column = sa.Column("version_num", sa.String(32), primary_key=True)
        table = sa.Table(context.version_table, sa.MetaData(), column, schema=context.version_table_schema)
    assert context.connection is not None
    table.create(context.connection)


def version_table(context: MigrationContext) -> sa.Table | None:
    """Return the version table as Alembic writes to it; ``None`` without the name."""
    return t.cast("sa.Table | None", getattr(context, "_version", None))


def listen_to(connection: sa.Connection, name: str, function: t.Callable[..., t.Any], **options: t.Any) -> None:
    """Listen to an event of a connection, also of one from ``engine.execution_options(...).connect()``.

    SQLAlchemy before 2.0.37 says "No such event" for those; its private key doesn't ask. Without the key, its error.
    """
    try:
        event.listen(connection, name, function, **options)
    except sa.exc.InvalidRequestError:
        key = _event_key(connection, name, function)
        if key is None:
            raise
        key.listen(**options)


def stop_listening_to(connection: sa.Connection, name: str, function: t.Callable[..., t.Any]) -> None:
    """Undo :func:`listen_to`."""
    try:
        event.remove(connection, name, function)
    except sa.exc.InvalidRequestError:
        key = _event_key(connection, name, function)
        if key is None:
            raise
        key.remove()


def _event_key(connection: sa.Connection, name: str, function: t.Callable[..., t.Any]) -> t.Any:
    from sqlalchemy.event import registry

    key = getattr(registry, "_EventKey", None)
    return None if key is None else key(connection, name, function, connection)


def is_created(constraint: t.Any, dialect: t.Any) -> bool:
    """Return whether a dialect creates a constraint; that of a Boolean only exists where there is no such type."""
    rule = getattr(constraint, "_create_rule", None)
    return rule is None or bool(rule(dialect.ddl_compiler(dialect, None)))


def is_type_bound(constraint: sa.Constraint) -> bool:
    """Return whether a constraint comes with a type (``Enum``, ``Boolean``); without the name, false."""
    return bool(getattr(constraint, "_type_bound", False))


def session_connections(session: sqlalchemy.orm.Session) -> list[sa.Connection] | None:
    """Return the connections that a session's transaction has taken; ``None`` where that can't be told."""
    transaction = session.get_transaction()
    if transaction is None:
        return []
    taken = getattr(transaction, "_connections", None)
    if taken is None:
        return None
    return [connection for connection in taken if isinstance(connection, sa.Connection)]


def lite_sessions() -> dict[str, t.Any]:
    """Return the sessions of Flask-SQLAlchemy-Lite in this application context, by name; empty if there are none."""
    return t.cast("dict[str, t.Any]", g.setdefault("_sqlalchemy_sessions", {}))


def type_text(type_: sa.types.TypeEngine[t.Any], context: t.Any) -> str:
    """Return a type as Alembic writes it into a revision file; without it ``repr()`` of one of SQLAlchemy's types."""
    from alembic.autogenerate import render

    function = getattr(render, "_repr_type", None)
    return f"sa.{type_!r}" if function is None else str(function(type_, context))


def variants_of(type_: sa.types.TypeEngine[t.Any]) -> dict[str, sa.types.TypeEngine[t.Any]]:
    """Return the variants of a type by dialect; without the name, none."""
    return dict(getattr(type_, "_variant_mapping", {}))


def has_variants(type_: sa.types.TypeEngine[t.Any]) -> bool:
    """Return whether a type may have variants; without the name, true."""
    return bool(getattr(type_, "_variant_mapping", True))


def sqlite_answered(
    dialect: sa.Dialect, definition: t.Callable[..., str | None], pragma: t.Callable[..., t.Any]
) -> t.Callable[[], None]:
    """Have SQLite's dialect ask these two before the database, until the function that is given back is called.

    Both answer ``None`` for what the database has to be asked. Without the names it asks the database for everything,
    as it does if somebody else's dialect has methods of its own in their place.
    """
    from sqlalchemy.dialects.sqlite.base import SQLiteDialect

    def get_table_sql(connection: t.Any, table_name: str, schema: t.Any = None, **kw: t.Any) -> t.Any:
        found = definition(connection, table_name, schema)
        return asked["_get_table_sql"](connection, table_name, schema, **kw) if found is None else found

    def get_table_pragma(connection: t.Any, pragma_: str, table_name: str, schema: t.Any = None) -> t.Any:
        found = pragma(connection, pragma_, table_name, schema)
        return asked["_get_table_pragma"](connection, pragma_, table_name, schema) if found is None else found

    ours = {"_get_table_sql": get_table_sql, "_get_table_pragma": get_table_pragma}
    theirs = {name: getattr(SQLiteDialect, name, None) for name in ours}
    if any(method is None or getattr(type(dialect), name, None) is not method for name, method in theirs.items()):
        return lambda: None
    asked = {name: getattr(dialect, name) for name in ours}
    before = {name: vars(dialect)[name] for name in ours if name in vars(dialect)}
    vars(dialect).update(ours)

    def undo() -> None:
        for name in ours:
            del vars(dialect)[name]
        vars(dialect).update(before)

    return undo


def sqlite_definition(connection: sa.Connection, table: str) -> str | None:
    """Return SQLite's text of a table or view; what :func:`sqlite_answered` knows needs no query."""
    read = getattr(connection.dialect, "_get_table_sql", None)
    if read is not None:
        try:
            return t.cast("str | None", read(connection, table))
        except sa.exc.NoSuchTableError:
            return None
    query = "SELECT sql FROM sqlite_master WHERE name = ? AND type in ('table', 'view')"
    return t.cast("str | None", connection.exec_driver_sql(query, (table,)).scalar())


def column_comparators(context: AutogenContext, subgroup: str) -> list[t.Callable[..., t.Any]] | None:
    """Return the functions that compare one property of columns; ``None`` where that can't be told."""
    registry = getattr(context.comparators, "_registry", None)
    if registry is None:
        return None
    entries = [entry for key, given in registry.items() if key[0] == "column" for entry in given]
    return [function for function, of in entries if of == subgroup]


def have_rendered(script: MigrationScript) -> None:
    """Have the operations of a further new revision written into its file, as those of a comparison are."""
    script._needs_render = True


def format_new_files(script: ScriptDirectory, formatted: t.Callable[[str], str]) -> None:
    """Have the text of new revision files formatted before post-write hooks run; without the name, leave it."""
    write = getattr(script, "_generate_template", None)
    if write is None:
        return

    def write_formatted(template: t.Any, path: t.Any, **values: t.Any) -> None:
        write(template, path, **values)
        text = pathlib.Path(path).read_bytes().decode(script.output_encoding)
        pathlib.Path(path).write_bytes(formatted(text).encode(script.output_encoding))

    t.cast(t.Any, script)._generate_template = write_formatted
