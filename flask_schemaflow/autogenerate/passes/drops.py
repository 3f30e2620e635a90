"""The passes about drops and about what is not written: whose tables they are, what would be lost, what is left alone.

A table that no revision of the folder created belongs to another program and stays. Tables whose models were only not
imported are no drops either, and are refused. What remains is asked about if rows or values would be lost, and each
drop has a comment in the file and a line in the output.
"""

from __future__ import annotations

import typing as t

import sqlalchemy as sa
from alembic.operations import ops
from flask import current_app

from ...runtime.own_tables import without_history
from ...targets import current_tenant
from ..comparators.details import UNWRITTEN
from ..decisions import drop_question
from ..missing_models import everything_dropped
from ..missing_models import models_not_imported
from ..missing_models import unimported_models
from ..operations import Key
from ..operations import label
from ..operations import notes
from ..operations import remark
from ..pipeline import PassContext
from ..reflection import row_counts
from .enums.catalog import column_of


class KeptPass:
    """Removes drops that an answer denies, drops of tables that no revision created, and drops of server defaults
    that a Python default replaced.

    It runs before the passes that spread the drop of a table over several operations.
    """

    name = "kept"

    def apply(self, context: PassContext, up: ops.UpgradeOps) -> None:
        """Remove the drops, and name what is kept."""
        _keep_tables(context, up)
        _keep_columns(context, up)
        keep_defaults(context, up)
        foreign = [
            key
            for key in _dropped(context, up)
            if label(key) not in context.answers.drops and key[1] not in context.created_tables
        ]
        if not foreign:
            return
        _remove_tables(context, up, foreign)
        names = sorted(label(key) for key in foreign)
        them = "it" if len(names) == 1 else "them"
        context.tell(
            f"Leaves {', '.join(names)}{_of(context)} alone, because no revision of this folder created {them}. "
            f"To drop such a table: `flask db migrate --drop {names[0]}`"
        )


class DropsPass:
    """Asks about drops that lose something, and refuses drops of tables whose models were not imported."""

    name = "drops"
    asks = True

    def apply(self, context: PassContext, up: ops.UpgradeOps) -> None:
        """Leave remarks and notices, ask, or raise."""
        tables = [operation for operation in up.ops if isinstance(operation, ops.DropTableOp)]
        _refuse(context, tables)
        created = [operation.table_name for operation in up.ops if isinstance(operation, ops.CreateTableOp)]
        for operation in tables:
            _judge_table(context, operation, created)
        for container in up.ops:
            if isinstance(container, ops.ModifyTableOps):
                _judge_columns(context, container)


def _dropped(context: PassContext, up: ops.UpgradeOps) -> list[Key]:
    return [context.key_of(operation) for operation in up.ops if isinstance(operation, ops.DropTableOp)]


def _remove_tables(context: PassContext, up: ops.UpgradeOps, keys: t.Collection[Key]) -> None:
    """Remove the drops of tables, and of their indexes."""
    kinds = (ops.DropTableOp, ops.ModifyTableOps)
    up.ops[:] = [item for item in up.ops if not (isinstance(item, kinds) and context.key_of(item) in keys)]


def _keep_tables(context: PassContext, up: ops.UpgradeOps) -> None:
    tables = [key for key in _dropped(context, up) if label(key) in context.answers.keeps]
    _remove_tables(context, up, tables)
    for key in tables:
        context.tell(f"Keeps table {label(key)}{_of(context)}, which has no model.")


def _keep_columns(context: PassContext, up: ops.UpgradeOps) -> None:
    for container in [item for item in up.ops if isinstance(item, ops.ModifyTableOps)]:
        for operation in [item for item in container.ops if isinstance(item, ops.DropColumnOp)]:
            names = [f"{table}.{operation.column_name}" for table in _table_names(context, container)]
            if context.answers.keeps.intersection(names):
                container.ops.remove(operation)
                context.tell(f"Keeps {names[0]}{_of(context)}, which is not in the model.")
        if not container.ops:
            up.ops.remove(container)


def _refuse(context: PassContext, tables: list[ops.DropTableOp]) -> None:
    """Refuse drops of tables whose models seem not to be imported, unless an answer names them."""
    keys = [context.key_of(operation) for operation in tables]
    unconfirmed = [key for key in keys if label(key) not in context.answers.drops]
    if not unconfirmed or context.decisions.allow_drops:
        return
    modules = unimported_models(current_app)
    if not any(context.stored(*key) for key in context.tables):
        raise everything_dropped(context.database, keys, bool(context.tables), modules)
    names = {key[1] for key in unconfirmed}
    defining = [module for module in modules if names & set(module.tables)]
    if defining:
        raise models_not_imported(defining, unconfirmed)


def _table_names(context: PassContext, container: ops.ModifyTableOps) -> list[str]:
    """Return what answers may call a table: its new name, and its old one if it is renamed."""
    key = context.key_of(container)
    return [label(item) for item in (key, context.renames.old(key)) if item is not None]


def _judge_table(context: PassContext, operation: ops.DropTableOp, created: list[str]) -> None:
    key = context.key_of(operation)
    name = label(key)
    count = row_counts.rows(context.connection, context.stored(*key) or key)
    if _needs_answer(context, {name}, count):
        context.ask(drop_question(name, "row", _words(count, "row"), _new_name(created), context.database))
        return
    remark(
        operation,
        f"Drop the table {name} and its rows.",
        f"Recreate the table {name} without its rows.",
    )
    context.tell(f"Drops the table {name}{_of(context)}: {_words(count, 'row')}.")
    context.tell_values(key)


def _judge_columns(context: PassContext, container: ops.ModifyTableOps) -> None:
    dropped = [item for item in container.ops if isinstance(item, ops.DropColumnOp) and "computed" not in notes(item)]
    if not dropped:
        return
    key = context.key_of(container)
    old = {item.column_name: context.stored_column(*key, item.column_name) for item in dropped}
    counts = row_counts.values(context.connection, context.stored(*key) or key, list(old.values()))
    added = [item.column.name for item in container.ops if isinstance(item, ops.AddColumnOp)]
    tables = _table_names(context, container)
    for item in dropped:
        name = f"{label(key)}.{item.column_name}"
        count = counts.get(old[item.column_name])
        if _needs_answer(context, {f"{table}.{item.column_name}" for table in tables}, count):
            context.ask(drop_question(name, "value", _words(count, "value"), _new_name(added), context.database))
            continue
        remark(item, f"Drop the column {name} and its values.", _back(name, item))
        context.tell(f"Drops {name}{_of(context)}: {_words(count, 'value')}.")
        context.tell_values(key, item.column_name)


def _needs_answer(context: PassContext, names: set[str], count: row_counts.Count | None) -> bool:
    """Return whether a drop loses something, or may, and no answer agrees to it.

    :param names: What answers may call the table or column.
    """
    denied = {old for old, _ in context.answers.denied | context.answers.denied_tables}
    agreed = context.decisions.allow_drops or names & (denied | context.answers.drops)
    return not agreed and (count is None or bool(count))


def _new_name(names: t.Sequence[str]) -> str:
    return names[0] if len(names) == 1 else "NEW" if names else ""


def _back(name: str, operation: ops.DropColumnOp) -> str:
    text = f"Restore the column {name} without its values."
    column = operation.to_column()
    if column.nullable or column.server_default is not None or column.identity:
        return text
    return f"{text}\nIt is NOT NULL. If the table has rows, add a server_default=."


def _words(count: row_counts.Count | None, noun: str) -> str:
    return f"{noun}s, which can't be counted" if count is None else count.words(noun)


def _of(context: PassContext) -> str:
    return f" of the database {context.bind}" if context.bind else ""


class UnwrittenPass:
    """Reports the differences that comparators noted."""

    name = "unwritten"

    def apply(self, context: PassContext, up: ops.UpgradeOps) -> None:
        """Tell them, once each."""
        for sentence in dict.fromkeys(context.migration.impl.memo.pop(UNWRITTEN, [])):
            context.tell(sentence)


class NoHistoryPass:
    """Reports that the tables of the models exist although the folder has no revision."""

    name = "no_history"

    def apply(self, context: PassContext, up: ops.UpgradeOps) -> None:
        """Tell it, once a database."""
        environment = context.migration.environment_context
        if environment is None or environment.script.get_heads():
            return
        tenant = current_tenant()
        shared = tenant is not None and tenant.tenant.schema is not None  # tables whose models name a schema are
        tables = [key for key in context.tables if key[0] is None or not shared]
        there = [label(key) for key in tables if context.inspector.has_table(key[1], schema=key[0])]
        if there:
            context.tell(without_history(context.database, there))


def keep_defaults(context: PassContext, up: ops.UpgradeOps) -> None:
    """Leave the server defaults of columns that have a Python default, and tell it in one sentence for a database."""
    columns = _taken_out(context, up, _stays)
    _tell(context, columns, "stay, because the models have Python defaults there")


class DatabaseDefaultsPass:
    """Tells ``check`` of the other server defaults that no model has, and takes them out of the differences."""

    name = "database_defaults"

    def apply(self, context: PassContext, up: ops.UpgradeOps) -> None:
        """Tell it in one sentence for a database."""
        columns = _taken_out(context, up, lambda table, change: True)
        _tell(context, columns, "are no failure; `flask db migrate` drops them")


def _taken_out(
    context: PassContext, up: ops.UpgradeOps, chosen: t.Callable[[sa.Table | None, ops.AlterColumnOp], bool]
) -> list[str]:
    """Take drops of defaults out of ``up`` unless the setting forbids it, and return their columns."""
    columns: list[str] = []
    if context.settings.database_defaults == "error":
        return columns
    for container in [item for item in up.ops if isinstance(item, ops.ModifyTableOps)]:
        key = context.key_of(container)
        for change in [item for item in container.ops if _drops_default(item)]:
            if chosen(context.tables.get(key), change):
                columns.append(f"{label(key)}.{change.column_name}")
                change.modify_server_default = False
                if not change.has_changes():
                    container.ops.remove(change)
        if not container.ops:
            up.ops.remove(container)
    return columns


def _drops_default(change: ops.MigrateOperation) -> t.TypeGuard[ops.AlterColumnOp]:
    return (
        isinstance(change, ops.AlterColumnOp)
        and change.modify_server_default is None
        and isinstance(change.existing_server_default, sa.DefaultClause)
    )


def _stays(table: sa.Table | None, change: ops.AlterColumnOp) -> bool:
    """Return whether there is a Python default, and the type stays, which the server default may not fit otherwise."""
    column = None if table is None else column_of(table, change.column_name)
    default = None if column is None else column.default
    return default is not None and not default.is_sequence and change.modify_type is None


def _tell(context: PassContext, columns: list[str], what: str) -> None:
    if columns:
        context.tell(
            f"The {context.database} database has server defaults that no model has: {', '.join(columns)}. "
            f"They {what}. To compare them: SCHEMAFLOW_DATABASE_DEFAULTS = 'error'"
        )
