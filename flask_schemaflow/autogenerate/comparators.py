"""Comparators that run beside Alembic's: what only looks different is no difference, what Alembic misses is one.

They are Alembic plugins, so they come into play only in the comparisons that name them, and each comparison of
Alembic's that they don't settle goes on as before. A ``compare_type`` or ``compare_server_default`` of the application
is asked first and has the last word.
"""

from __future__ import annotations

import re
import typing as t
import warnings

import sqlalchemy as sa
from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from alembic.runtime.plugins import Plugin
from alembic.util import DispatchPriority
from alembic.util import PriorityDispatchResult

from ..runtime.guards import Scope
from .certainty import is_type_different
from .certainty import only_alembic_compares
from .check_constraints import compare_checks
from .mirror import default_text
from .mirror import mirror_of
from .mirror import same_computed
from .mirror import same_identity
from .mirror import same_type
from .sqlite_expressions import Generated
from .sqlite_expressions import generated_column
from .unnamed_uniques import compare_unnamed

COLUMNS = "flask_schemaflow.columns"
CHECKS = "flask_schemaflow.checks"
_CONTINUE = PriorityDispatchResult.CONTINUE
_STOP = PriorityDispatchResult.STOP
Column = sa.Column[t.Any]


def prepare(scope: Scope) -> None:
    """Have a comparison use the comparators, and compare server defaults unless the application says no."""
    # Tables in a circle are created in an order that works all the same.
    scope.cleanup.enter_context(warnings.catch_warnings())
    warnings.filterwarnings("ignore", "Cannot correctly sort tables", sa.exc.SAWarning)
    options = scope.options
    options.setdefault("compare_server_default", True)
    given = list(options.get("autogenerate_plugins") or ["alembic.autogenerate.*"])
    own = [COLUMNS, CHECKS]
    if any("checkconstraint_byname" in name for name in given):
        own.remove(CHECKS)
    else:
        given.append("~alembic.autogenerate.checkconstraint_byname")
    options["autogenerate_plugins"] = [*given, *own]


def compare_type(
    context: AutogenContext,
    op: ops.AlterColumnOp,
    schema: str | None,
    table: str,
    name: str,
    found: Column,
    model: Column,
) -> PriorityDispatchResult:
    """Stop a difference of types that isn't one for the database."""
    if isinstance(found.type, sa.types.NullType) or isinstance(model.type, sa.types.NullType):
        return _CONTINUE
    if not is_type_different(context, found, model):
        return _STOP if only_alembic_compares(context, "types") else _CONTINUE
    seen = mirror_of(context).column(model)
    return _STOP if seen is not None and same_type(found, seen, context.dialect) else _CONTINUE


def compare_computed(
    context: AutogenContext,
    op: ops.AlterColumnOp,
    schema: str | None,
    table: str,
    name: str,
    found: Column,
    model: Column,
) -> PriorityDispatchResult:
    """Compare generated columns; what differs is for the pass about them, since no database alters them alike."""
    if found.computed is None and model.computed is None:
        return _CONTINUE
    if found.computed is not None and model.computed is not None:
        if _is_computed_alike(context, schema, table, found, model):
            return _STOP
    op.existing_server_default = found.server_default or False
    op.modify_server_default = model.server_default
    return _STOP


def _is_computed_alike(context: AutogenContext, schema: str | None, table: str, found: Column, model: Column) -> bool:
    """Whether two generated columns are the same, or can't be told apart."""
    assert model.computed is not None and context.connection is not None
    mirror = mirror_of(context)
    if context.dialect.name == "sqlite":
        stored = generated_column(context.connection, table, schema, model.name)
        wanted = Generated(mirror.expression(model.computed.sqltext), bool(model.computed.persisted))
        return stored is None or stored.plain == wanted.plain
    seen = mirror.computed_column(model)
    return seen is None or same_computed(found, seen)


def compare_identity(
    context: AutogenContext,
    op: ops.AlterColumnOp,
    schema: str | None,
    table: str,
    name: str,
    found: Column,
    model: Column,
) -> PriorityDispatchResult:
    """Stop a difference of identity columns that isn't one, or that this database doesn't know."""
    if found.identity is None and model.identity is None:
        return _CONTINUE
    if context.dialect.supports_identity_columns:
        seen = mirror_of(context).column(model)
        if seen is None or not same_identity(found, seen):
            return _CONTINUE
    if model is model.table.autoincrement_column:
        op.kw["autoincrement"] = True
    return _STOP


def compare_server_default(
    context: AutogenContext,
    op: ops.AlterColumnOp,
    schema: str | None,
    table: str,
    name: str,
    found: Column,
    model: Column,
) -> PriorityDispatchResult:
    """Compare plain server defaults, in place of Alembic's own comparison.

    That one has PostgreSQL compare the two values, which fails for JSON and ends the transaction, and is
    never equal for ``now()``.
    """
    if found.server_default is None and model.server_default is None:
        return _CONTINUE
    comparable = (sa.DefaultClause, type(None))
    if not (isinstance(found.server_default, comparable) and isinstance(model.server_default, comparable)):
        return _CONTINUE
    op.existing_server_default = found.server_default
    if model is model.table.autoincrement_column:
        return _STOP
    mirror = mirror_of(context)
    if default_text(found) == mirror.written_default(model) or _plain_literal(found) == mirror.written_default(model):
        return _STOP
    seen = mirror.column(model)
    # What can't be tried out is different only if one side has no default at all.
    same = (model.server_default is None) == (found.server_default is None)
    if seen is not None:
        same = default_text(found) == default_text(seen)
    if not same:
        op.modify_server_default = model.server_default
    return _STOP


def _plain_literal(found: Column) -> str | None:
    """A default without the cast that PostgreSQL puts behind each literal."""
    return re.sub(r"^('(?:[^']|'')*')::[\w ]+(\(\d+\))?$", r"\1", default_text(found) or "") or None


def compare_comment(
    context: AutogenContext,
    op: ops.AlterColumnOp,
    schema: str | None,
    table: str,
    name: str,
    found: Column,
    model: Column,
) -> PriorityDispatchResult:
    """Stop a difference of comments where the comment is there and can't be read."""
    if model.comment == found.comment:
        return _CONTINUE
    seen = mirror_of(context).column(model)
    return _STOP if seen is not None and seen.comment == found.comment else _CONTINUE


def _register() -> None:
    columns = Plugin(COLUMNS)
    first, medium = DispatchPriority.FIRST, DispatchPriority.MEDIUM
    columns.add_autogenerate_comparator(compare_type, "column", "types", priority=first)
    columns.add_autogenerate_comparator(compare_computed, "column", "server_default", priority=first)
    columns.add_autogenerate_comparator(compare_identity, "column", "server_default", priority=first)
    columns.add_autogenerate_comparator(compare_comment, "column", "comments", priority=first)
    # Alembic finds out about autoincrement among these, so no earlier.
    columns.add_autogenerate_comparator(compare_server_default, "column", "server_default", priority=medium)
    columns.add_autogenerate_comparator(compare_unnamed, "table", "unnamed", priority=DispatchPriority.LAST)
    Plugin(CHECKS).add_autogenerate_comparator(compare_checks, "table", "checkconstraints")


_register()
