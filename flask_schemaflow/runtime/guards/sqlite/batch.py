"""``op.batch_alter_table`` on SQLite without the losses of Alembic's own.

SQLite can change little of a table, so most changes copy it. Alembic copies what SQLAlchemy reflects of it, which is
less than there is; here the table's own text is edited, and what the operations don't mention stays letter by letter.
"""

from __future__ import annotations

import contextlib
import functools
import typing as t

import sqlalchemy as sa
from alembic import op
from alembic.operations import MigrateOperation
from alembic.operations import Operations

from ....errors import SchemaflowError
from ....errors.running import RebuildRefused
from ...guard import Guard
from ...guard import is_stamp
from ...guard import Scope
from . import convert
from . import rebuild
from .alter import AlterPlan
from .catalog import find_leftovers
from .catalog import require_table
from .catalog import SqliteCatalog
from .rebuild import Rebuild
from .render import apply_convention
from .render import conventions_of
from .render import create_text
from .table_sql import TableText
from .tokens import same

_KNOWN = frozenset(
    """
    alter_column add_column drop_column add_constraint drop_constraint create_index drop_index
    create_table_comment drop_table_comment create_column_comment
    """.split()
)


class SqliteBatch(Guard):
    """Promises that a table that batch mode changes keeps its rows and everything that the change doesn't mention.

    No row of the table or of its children is lost, and no reference is set to NULL. Triggers, views, every kind of
    index, CHECKs, collations, AUTOINCREMENT with its sequence, generated columns, STRICT, WITHOUT ROWID, conflict
    clauses and foreign keys survive. A change of type keeps every value; otherwise it is refused, and the error
    names a value that would change.
    """

    dialects = ("sqlite",)
    needs_steps = True

    def __init__(self) -> None:
        self._path = ""

    @classmethod
    def applies(cls, scope: Scope) -> bool:
        """Return whether batch mode is changed; also on a caller's connection, where losing rows is refused."""
        return scope.settings.safe_batch

    def plan(self, scope: Scope, steps: t.Sequence[t.Any]) -> None:
        """Look for tables that an interrupted rebuild left behind, before anything runs."""
        if not all(is_stamp(step) for step in steps):
            find_leftovers(SqliteCatalog(scope.connection), scope)

    def begin_step(self, scope: Scope, step: t.Any) -> None:
        """Replace Alembic's batch mode while this step runs."""
        revision = getattr(step, "revision", None)
        self._path = str(getattr(revision, "path", "") or "")
        request = GetOperations()
        op.invoke(request)
        if request.operations is not None:
            replace_batch_mode(request.operations, scope)

    def failed(self, scope: Scope, error: BaseException) -> None:
        """Add the line of the revision to a refusal."""
        if not isinstance(error, SchemaflowError) or error.details or not self._path:
            return
        from ....errors.running import RunError
        from ...errors.lines import place_below

        if isinstance(error, RunError):
            place = place_below(error, [self._path])
            if place is not None:
                error.details = f"  {place}"


class GetOperations(MigrateOperation):
    """An operation that returns the object behind ``alembic.op``, which Alembic passes to its implementation."""

    def __init__(self) -> None:
        self.operations: Operations | None = None


@Operations.implementation_for(GetOperations)
def _hand_over(operations: Operations, operation: GetOperations) -> None:
    operation.operations = operations


def replace_batch_mode(operations: Operations, scope: Scope) -> None:
    """Replace ``batch_alter_table`` and ``rename_table`` of one object by those of this module."""
    if "batch_alter_table" in vars(operations):
        return
    original = operations.batch_alter_table

    @functools.wraps(original)
    @contextlib.contextmanager
    def batch_alter_table(*args: t.Any, **kwargs: t.Any) -> t.Iterator[t.Any]:
        with original(*args, **kwargs) as batch_op:
            batch: t.Any = batch_op.impl
            plain = batch.flush
            batch.flush = lambda: flush(batch, plain, scope)
            yield batch_op

    setattr(operations, "batch_alter_table", batch_alter_table)  # noqa: B010
    rename = operations.rename_table

    @functools.wraps(rename)
    def rename_table(old_table_name: str, new_table_name: str, **kwargs: t.Any) -> None:
        if same(old_table_name, new_table_name) and old_table_name != new_table_name:
            # To SQLite the new name is taken, by the table itself.
            between = rebuild.ASIDE + new_table_name
            rename(old_table_name, between, **kwargs)
            old_table_name = between
        rename(old_table_name, new_table_name, **kwargs)

    setattr(operations, "rename_table", rename_table)  # noqa: B010


def flush(batch: t.Any, plain: t.Callable[[], None], scope: Scope) -> None:
    """Carry out what was collected in a ``with op.batch_alter_table()`` block.

    :param plain: Alembic's own ``flush``, for changes without a rebuild and for ``--sql``.
    """
    impl = batch.operations.impl
    recreate = batch.recreate == "always" or (batch.recreate == "auto" and impl.requires_recreate_in_batch(batch))
    if impl.as_sql or not recreate or not {name for name, *_ in batch.batch} <= _KNOWN:
        plain()
        return
    catalog = SqliteCatalog(batch.operations.get_bind(), batch.schema)
    with catalog.savepoint():
        change_table(batch, catalog, scope)


def change_table(batch: t.Any, catalog: SqliteCatalog, scope: Scope) -> None:
    """Rebuild the table if anything but names changes, then rename its columns."""
    entry = require_table(catalog, str(batch.table_name), scope)
    old = _parsed(entry.sql, entry.name)
    plan = _plan(batch, entry.name, entry.sql, scope)
    before = plan.table.text
    plan.apply(batch.batch)
    plan.apply_table_args(batch.table_args, batch.table_kwargs)
    is_asked_for = batch.recreate == "always" or batch.copy_from is not None
    _require_indexes(plan, catalog)
    if is_asked_for or plan.table.text != before or plan.types:
        _require_no_enforcement(catalog, entry.name)
        _rebuild(plan, old, catalog)
    else:
        change_indexes(plan, catalog)
    rename_columns(plan, catalog)
    for notice in plan.notices:
        scope.tell("notice", notice)


def change_indexes(plan: AlterPlan, catalog: SqliteCatalog) -> None:
    """Drop and create indexes of a table that is not rebuilt."""
    for name in plan.without:
        catalog.execute(f"DROP INDEX {catalog.qualified(name)}")
    for statement in plan.indexes:
        catalog.execute(statement)


def rename_columns(plan: AlterPlan, catalog: SqliteCatalog) -> None:
    """Rename columns wherever they are named; names may be exchanged."""
    waiting = dict(plan.renames)
    for old, new in plan.renames.items():
        namesake = plan.table.column(new)
        if namesake is not None and not same(namesake.name, old):
            catalog.rename_column(plan.name, old, f"schemaflow_{old}_")
            waiting[f"schemaflow_{old}_"] = waiting.pop(old)
    for old, new in waiting.items():
        catalog.rename_column(plan.name, old, new)


def _plan(batch: t.Any, name: str, sql: str, scope: Scope) -> AlterPlan:
    dialect: sa.Dialect = batch.operations.impl.dialect
    metadata = scope.options.get("target_metadata")
    table = TableText(sql if batch.copy_from is None else create_text(batch.copy_from, dialect))
    if batch.copy_from is not None:
        _require_all_columns(table, TableText(sql), name)
    if batch.naming_convention:
        apply_convention(name, table, batch.naming_convention)
    conventions = conventions_of(batch.naming_convention or (), metadata)
    return AlterPlan(name, table, dialect, conventions, batch.partial_reordering or ())


def _require_all_columns(copy_from: TableText, table: TableText, name: str) -> None:
    missing = [column.name for column in table.columns if copy_from.column(column.name) is None]
    if missing:
        columns = f"column{'s' * (len(missing) != 1)} {', '.join(missing)}"
        raise RebuildRefused(
            f"The table given as copy_from has no {columns}, which {name} has; its values would be lost.",
            hint=f'Add it to copy_from; to drop it, add batch_op.drop_column("{missing[0]}").',
        )


def _rebuild(plan: AlterPlan, old: TableText, catalog: SqliteCatalog) -> None:
    rebuild.drop_users_of_columns(plan, catalog)
    conversions = convert.conversions(plan, catalog)
    convert.require_lossless(plan, old, catalog, conversions)
    convert.require_computed_values(plan, catalog)
    Rebuild(plan, old, catalog, conversions).run()


def _parsed(sql: str, name: str) -> TableText:
    try:
        return TableText(sql)
    except ValueError:
        raise RebuildRefused(
            f"{name} is a virtual table, which can't be altered.", hint="Drop it and create it again."
        ) from None


def _require_indexes(plan: AlterPlan, catalog: SqliteCatalog) -> None:
    indexes = [index.name for index in catalog.attached(plan.name, "index")]
    for name in plan.without:
        if not any(same(name, other) for other in indexes):
            raise RebuildRefused(
                f"Table {plan.name} has no index named {name}.",
                hint=f"Its indexes are: {', '.join(indexes)}." if indexes else "It has none.",
            )


def _require_no_enforcement(catalog: SqliteCatalog, name: str) -> None:
    """Refuse a rebuild that would delete or unlink children, because foreign keys are enforced."""
    if not catalog.execute("PRAGMA foreign_keys").scalar():
        return
    children = catalog.children(name)
    if children:
        raise RebuildRefused(
            f"Rebuilding {name} would change rows of {', '.join(children)}, because foreign keys are enforced in this "
            "transaction.",
            hint="Let the command open its own connection and transaction, move the operation out of "
            'autocommit_block(), or execute "PRAGMA foreign_keys = OFF" before the transaction begins.',
        )
