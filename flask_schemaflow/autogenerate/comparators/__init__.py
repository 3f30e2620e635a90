"""Comparators that run beside Alembic's: what only looks different is no difference, what Alembic misses is one.

They are Alembic plugins, so they come into play only in the comparisons that name them, and each comparison of
Alembic's that they don't settle goes on as before. A ``compare_type`` or ``compare_server_default`` of the application
is asked first and has the last word. Most columns of most comparisons are as their models have them, so Alembic isn't
asked twice about a type unless somebody else compares types as well.
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

from ...alembic_private import column_comparators
from ...runtime.guard import Scope
from ..operations import notes
from ..operations.fills import stored_type
from ..passes.identities import AUTOMATIC
from ..passes.identities import sequence_name
from ..passes.identities import Source
from ..reflection.catalog import SEQUENCE
from ..reflection.normalized import default_text
from ..reflection.normalized import mirror_of
from ..reflection.normalized import same_computed
from ..reflection.normalized import same_identity
from ..reflection.normalized import same_type
from ..reflection.renamed_inspector import renames_of
from ..reflection.sqlite_pragmas import Generated
from ..sql_text import keep_exact
from ..sql_text import stored_expression
from ..sql_text import with_exact_tables
from .checks import compare_checks
from .details import compare_primary_keys
from .details import differs_in_detail
from .details import leave_out_key_copies
from .details import note_options
from .indexes import compare_indexes
from .sqlite import compare_sqlite_indexes
from .sqlite import compare_unnamed

_ALEMBIC = "alembic."
_OURS = __name__.partition(".")[0] + "."


def is_type_different(context: AutogenContext, found: sa.Column[t.Any], model: sa.Column[t.Any]) -> bool:
    """Alembic's own answer; it compares the texts of the types, and finds no difference where there is none at all.

    Those of MySQL's enums it doesn't compare.
    """
    impl = context.migration_context.impl
    if type(impl).__module__.startswith(_ALEMBIC) and not isinstance(model.type, sa.Enum):
        text = impl.dialect.type_compiler_instance.process
        if text(found.type) == text(model.type):
            return False
    return impl.compare_type(found, model)


def _is_array(column: sa.Column[t.Any], context: AutogenContext) -> bool:
    return isinstance(stored_type(column.type, context.dialect), sa.ARRAY)


def only_alembic_compares(context: AutogenContext, subgroup: str) -> bool:
    """Return whether nobody but Alembic and ourselves compares this property of columns, in this comparison."""
    memo = context.migration_context.impl.memo.setdefault("schemaflow_comparators", {})
    known = memo.get(subgroup)
    if known is None or known[0] is not context.comparators:
        functions = column_comparators(context, subgroup)
        ours = functions is not None and all(_is_known(function) for function in functions)
        memo[subgroup] = known = (context.comparators, ours)
    return bool(known[1])


def _is_known(function: t.Callable[..., t.Any]) -> bool:
    return str(getattr(function, "__module__", "")).startswith((_ALEMBIC, _OURS))


COLUMNS = "flask_schemaflow.columns"
CHECKS = "flask_schemaflow.checks"
_CONTINUE = PriorityDispatchResult.CONTINUE
_STOP = PriorityDispatchResult.STOP
Column = sa.Column[t.Any]
ColumnComparator = t.Callable[[AutogenContext, ops.AlterColumnOp, Column, Column], PriorityDispatchResult]


def prepare(scope: Scope) -> None:
    """Have a comparison use the comparators, and compare server defaults unless the application says no."""
    # Tables in a circle are created in an order that works all the same.
    scope.cleanup.enter_context(warnings.catch_warnings())
    warnings.filterwarnings("ignore", "Cannot correctly sort tables", sa.exc.SAWarning)
    if scope.dialect == "sqlite":  # these are compared here
        warnings.filterwarnings("ignore", "autogenerate skipping .*expression-based index")
        warnings.filterwarnings("ignore", "Skipped unsupported reflection of expression-based index", sa.exc.SAWarning)
    options = scope.options
    options.setdefault("compare_server_default", True)
    given = list(options.get("autogenerate_plugins") or ["alembic.autogenerate.*"])
    own = [COLUMNS, CHECKS]
    if any("checkconstraint_byname" in name for name in given):
        own.remove(CHECKS)
    else:
        given.append("~alembic.autogenerate.checkconstraint_byname")
    options["autogenerate_plugins"] = [*given, *own]


def write_exactly(context: AutogenContext, up: ops.UpgradeOps) -> PriorityDispatchResult:
    """Have everything that this comparison reads and writes keep its SQL, before anything is read."""
    keep_exact(context.migration_context.impl)
    with_exact_tables(context.inspector)
    return _CONTINUE


def compare_type(
    context: AutogenContext, op: ops.AlterColumnOp, found: Column, model: Column
) -> PriorityDispatchResult:
    """Stop a difference of types that isn't one for the database."""
    if isinstance(found.type, sa.types.NullType) or isinstance(model.type, sa.types.NullType):
        return _CONTINUE
    if context.dialect.name == "sqlite" and _is_rowid(found) and isinstance(model.type, sa.Integer):
        return _STOP  # any other type than INTEGER would take its automatic values away
    if context.dialect.name == "postgresql" and _is_array(found, context) != _is_array(model, context):
        # Alembic compares the types of elements, and takes an array and its element for the same.
        op.existing_type, op.modify_type = found.type, model.type
        return _STOP
    if not is_type_different(context, found, model):
        if differs_in_detail(context, found, model):
            op.modify_type = model.type
            return _STOP
        return _STOP if only_alembic_compares(context, "types") else _CONTINUE
    seen = mirror_of(context).column(model)
    return _STOP if seen is not None and same_type(found, seen, context.dialect) else _CONTINUE


def _is_rowid(column: Column) -> bool:
    """Return whether a column is SQLite's INTEGER PRIMARY KEY, which holds 64 bits and has automatic values."""
    return list(column.table.primary_key.columns) == [column] and isinstance(column.type, sa.INTEGER)


def compare_nullable(
    context: AutogenContext, op: ops.AlterColumnOp, found: Column, model: Column
) -> PriorityDispatchResult:
    """Stop a difference of NULL where the column is in the key, which allows none whatever the model says."""
    return _STOP if model.primary_key and model.nullable and not found.nullable else _CONTINUE


def compare_computed(
    context: AutogenContext, op: ops.AlterColumnOp, found: Column, model: Column
) -> PriorityDispatchResult:
    """Compare generated columns; what differs is for the pass about them, since no database alters them alike."""
    if found.computed is None and model.computed is None:
        return _CONTINUE
    if found.computed is not None and model.computed is not None:
        if _is_computed_alike(context, found, model):
            return _STOP
    op.existing_server_default = found.server_default  # None, so that downgrade() takes the expression away
    op.modify_server_default = model.server_default
    return _STOP


def _is_computed_alike(context: AutogenContext, found: Column, model: Column) -> bool:
    """Return whether two generated columns are the same, or can't be told apart."""
    assert model.computed is not None and context.connection is not None
    mirror = mirror_of(context)
    if context.dialect.name == "sqlite":
        stored = stored_expression(context.connection, found, renames_of(context.inspector))
        wanted = Generated(mirror.expression(model.computed.sqltext), bool(model.computed.persisted))
        return stored is None or stored.plain == wanted.plain
    seen = mirror.computed_column(model)
    return seen is None or same_computed(found, seen)


def compare_identity(
    context: AutogenContext, op: ops.AlterColumnOp, found: Column, model: Column
) -> PriorityDispatchResult:
    """Compare where automatic values come from; stop a difference that isn't one for this database."""
    if found.identity is not None and model.identity is not None and context.dialect.supports_identity_columns:
        seen = mirror_of(context).column(model)
        if seen is None or not same_identity(found, seen):
            return _CONTINUE
    elif context.dialect.name == "postgresql":
        old, new = _source(found), _wanted_source(found, model, context.dialect)
        if old is new or old == new:
            return _CONTINUE
        op.existing_server_default, op.modify_server_default = found.server_default or False, model.server_default
        notes(op)[AUTOMATIC] = old, new
        return _STOP
    elif found.identity is None and model.identity is None:
        return _CONTINUE
    if model is model.table.autoincrement_column:
        op.kw["autoincrement"] = True
    return _STOP


def _source(found: Column) -> Source:
    """Return what gives a column of the database its values: an identity, a sequence's name, or nothing."""
    return found.identity or found.info.get(SEQUENCE)


def _wanted_source(found: Column, model: Column, dialect: sa.Dialect) -> Source:
    """Return the same for a column of the models; a column whose key stays keeps a sequence, or does without."""
    if model.identity is not None:
        return model.identity
    sequence = found.info.get(SEQUENCE)
    is_said = model.autoincrement is False or not isinstance(stored_type(model.type, dialect), sa.Integer)
    if is_said and found.primary_key and model.server_default is None:
        return None  # "auto" leaves a key as it is
    if model is model.table.autoincrement_column and model.server_default is None:
        stays = found.primary_key and found.identity is None or found.server_default is not None and not found.identity
        if found.server_default is None and (model.autoincrement is True or _key(found.table) != _key(model.table)):
            stays = False
        return sequence if sequence or stays else sequence_name(model.table, model)
    leaves = found.primary_key and not model.primary_key and model.server_default is None and model.default is None
    return None if leaves or found.identity is not None else sequence


def _key(table: sa.Table) -> set[str]:
    return {column.name for column in table.primary_key.columns}


def compare_server_default(
    context: AutogenContext, op: ops.AlterColumnOp, found: Column, model: Column
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
    """Return a default without the cast that PostgreSQL puts behind each literal."""
    return re.sub(r"^('(?:[^']|'')*')::[\w ]+(\(\d+\))?$", r"\1", default_text(found) or "") or None


def compare_comment(
    context: AutogenContext, op: ops.AlterColumnOp, found: Column, model: Column
) -> PriorityDispatchResult:
    """Stop a difference of comments where the comment is there and can't be read."""
    if model.comment == found.comment or not getattr(context.dialect, "inline_comments", False):
        return _CONTINUE  # Where comments are statements of their own, the temporary table has none.
    seen = mirror_of(context).column(model)
    # The temporary table has no automatic values, and then no comment of their column.
    if seen is None or seen.comment != found.comment or model is model.table.autoincrement_column:
        return _CONTINUE
    op.existing_comment = model.comment  # MariaDB loses it with another change that doesn't repeat it
    return _STOP


def _of_column(compare: ColumnComparator) -> t.Callable[..., PriorityDispatchResult]:
    """Return a comparator for Alembic, which passes the names of schema, table and column as well."""

    def comparator(
        context: AutogenContext, op: ops.AlterColumnOp, schema: str | None, table: str, name: str, *both: Column
    ) -> PriorityDispatchResult:
        return compare(context, op, *both)

    return comparator


def _register() -> None:
    columns = Plugin(COLUMNS)
    first, medium = DispatchPriority.FIRST, DispatchPriority.MEDIUM
    columns.add_autogenerate_comparator(write_exactly, "autogenerate", priority=first)
    columns.add_autogenerate_comparator(_of_column(compare_type), "column", "types", priority=first)
    columns.add_autogenerate_comparator(_of_column(compare_nullable), "column", "nullable", priority=first)
    columns.add_autogenerate_comparator(_of_column(compare_computed), "column", "server_default", priority=first)
    columns.add_autogenerate_comparator(_of_column(compare_identity), "column", "server_default", priority=first)
    columns.add_autogenerate_comparator(_of_column(compare_comment), "column", "comments", priority=first)
    # Alembic finds out about autoincrement among these, so no earlier.
    columns.add_autogenerate_comparator(_of_column(compare_server_default), "column", "server_default", priority=medium)
    last = DispatchPriority.LAST
    columns.add_autogenerate_comparator(note_options, "table", "options", priority=last)
    columns.add_autogenerate_comparator(compare_indexes, "table", "definitions", priority=last)
    columns.add_autogenerate_comparator(compare_primary_keys, "table", "primary_keys", priority=last)
    columns.add_autogenerate_comparator(leave_out_key_copies, "table", "key_copies", priority=last)
    columns.add_autogenerate_comparator(compare_unnamed, "table", "unnamed", priority=last)
    columns.add_autogenerate_comparator(compare_sqlite_indexes, "table", "sqlite_indexes", priority=last)
    Plugin(CHECKS).add_autogenerate_comparator(compare_checks, "table", "checkconstraints")


_register()
