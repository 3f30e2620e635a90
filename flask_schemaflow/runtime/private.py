"""Every private name of other packages that is used outside a version gate, each with its way out.

Alembic's public functions do a whole command at once (``command.stamp`` reads alembic.ini, runs env.py and prints),
so that a few things can be had in parts only by a private name. Each function here says what it does where the name
has gone; ``tests/runtime/test_private.py`` fails then, so that somebody looks for the new one.

(:mod:`~flask_schemaflow.runtime.scripts` and :mod:`~flask_schemaflow.runtime.revision_map` use more of them, and stand
aside in favour of Alembic's own classes under a release that wasn't checked.)
"""

from __future__ import annotations

import contextlib
import operator
import types
import typing as t

import sqlalchemy as sa
from alembic import context as _context
from alembic.ddl.impl import DefaultImpl
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import Script
from alembic.script import ScriptDirectory
from flask import g
from sqlalchemy.sql.expression import UpdateBase

if t.TYPE_CHECKING:
    import sqlalchemy.orm
    from alembic.autogenerate.api import AutogenContext

__all__ = [
    "active_environment",
    "column_comparators",
    "create_version_table",
    "explained",
    "has_variants",
    "is_effective_head",
    "is_type_bound",
    "lite_sessions",
    "meet_version_writes",
    "session_connections",
    "sqlite_answered",
    "stamping",
    "type_text",
    "variants_of",
    "version_table",
]


def active_environment() -> EnvironmentContext | None:
    """The environment that ``alembic.context`` stands for at the moment; ``None`` where that can't be told."""
    return getattr(_context, "_proxy", None)


def explained(script: ScriptDirectory, **words: str) -> contextlib.AbstractContextManager[None]:
    """Turns errors of the revision map into Alembic's sentences; without it they come as they are."""
    manager = getattr(script, "_catch_revision_errors", None)
    return contextlib.nullcontext() if manager is None else t.cast(t.Any, manager(**words))


def stamping(script: ScriptDirectory, targets: tuple[str, ...], context: MigrationContext) -> list[t.Any]:
    """The steps of stamping ``targets``; without it Alembic stamps at once, and there are none left to run."""
    plan = getattr(script, "_stamp_revs", None)
    if plan is None:
        context.stamp(script, t.cast(str, targets))
        return []
    return list(plan(targets, context.get_current_heads()))


def is_effective_head(revision: Script) -> bool:
    """Whether no revision follows this one or depends on it; without it dependencies aren't looked at."""
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
    """The version table as Alembic writes to it; ``None`` without the name."""
    return t.cast("sa.Table | None", getattr(context, "_version", None))


def meet_version_writes(
    context: MigrationContext, replace: t.Callable[[str, str], t.Any], before: t.Callable[[], None]
) -> t.Callable[[], None] | None:
    """Have Alembic ask ``replace`` to put one version in the place of another, until what is given back is called.

    What ``replace`` declines with ``None`` Alembic does itself; ``before`` comes ahead of all else that it writes to
    the version table. Without the names, and where somebody else sends the statements, ``None`` is given back at once.
    """
    impl, table = context.impl, version_table(context)
    send: t.Any = getattr(DefaultImpl, "_exec", None)
    if table is None or send is None or impl._exec != types.MethodType(send, impl):
        return None

    def met(construct: t.Any, *rest: t.Any, **options: t.Any) -> t.Any:
        if isinstance(construct, UpdateBase) and construct.table is table:
            versions = _versions(construct) if isinstance(construct, sa.Update) else None
            if versions is None:
                before()
            elif (replaced := replace(*versions)) is not None:
                return replaced
        return send(impl, construct, *rest, **options)

    setattr(impl, "_exec", met)  # noqa: B010 - an instance attribute that shadows the method
    return lambda: delattr(impl, "_exec")


def _versions(update: sa.Update) -> tuple[str, str] | None:
    """What ``SET version_num = 'new' WHERE version_num = 'old'`` looks for, and what it sets; else ``None``."""
    values, where = getattr(update, "_values", None), update.whereclause
    if not values or len(values) != 1 or not isinstance(where, sa.BinaryExpression):
        return None
    ((column, new),) = values.items()
    if where.operator is not operator.eq or getattr(column, "name", column) != getattr(where.left, "name", None):
        return None
    found = [str(part.name) for part in (where.right, new) if getattr(part, "is_literal", False)]
    quoted = [text[1:-1] for text in found if len(text) > 1 and text[0] == text[-1] == "'"]
    return (quoted[0], quoted[1]) if len(quoted) == 2 else None


def is_type_bound(constraint: sa.Constraint) -> bool:
    """Whether a constraint comes with a type (``Enum``, ``Boolean``); without it all count as the table's own."""
    return bool(getattr(constraint, "_type_bound", False))


def session_connections(session: sqlalchemy.orm.Session) -> list[sa.Connection] | None:
    """The connections that a session's transaction has taken; ``None`` where that can't be told."""
    transaction = session.get_transaction()
    if transaction is None:
        return []
    taken = getattr(transaction, "_connections", None)
    if taken is None:
        return None
    return [connection for connection in taken if isinstance(connection, sa.Connection)]


def lite_sessions() -> dict[str, t.Any]:
    """The sessions of Flask-SQLAlchemy-Lite in this application context, by name; empty where they can't be found."""
    return t.cast("dict[str, t.Any]", g.setdefault("_sqlalchemy_sessions", {}))


def type_text(type_: sa.types.TypeEngine[t.Any], context: t.Any) -> str:
    """A type as Alembic writes it into a revision file; without it ``repr()`` of one of SQLAlchemy's types."""
    from alembic.autogenerate import render

    function = getattr(render, "_repr_type", None)
    return f"sa.{type_!r}" if function is None else str(function(type_, context))


def variants_of(type_: sa.types.TypeEngine[t.Any]) -> dict[str, sa.types.TypeEngine[t.Any]]:
    """What ``with_variant()`` gave a type, by dialect; without it none are written."""
    return dict(getattr(type_, "_variant_mapping", {}))


def has_variants(type_: sa.types.TypeEngine[t.Any]) -> bool:
    """Whether ``with_variant()`` gave a type any; true where that can't be told, and has to be found out."""
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


def column_comparators(context: AutogenContext, subgroup: str) -> list[t.Callable[..., t.Any]] | None:
    """The functions that compare one property of columns; ``None`` where that can't be told."""
    registry = getattr(context.comparators, "_registry", None)
    if registry is None:
        return None
    entries = [entry for key, given in registry.items() if key[0] == "column" for entry in given]
    return [function for function, of in entries if of == subgroup]
