"""The pass that says drops out loud: in the file, in the output, and with what is at stake.

It runs last, over the drops that nothing else made a better operation of. Tables whose models were only
forgotten to be imported are no drops at all; it refuses those.
"""

from __future__ import annotations

from alembic.operations import ops
from flask import current_app

from . import stakes
from .missing_models import ModelModule
from .missing_models import unimported_models
from .operations import Key
from .operations import label
from .operations import remark
from .pipeline import PassContext
from .refusals import everything_dropped
from .refusals import models_not_imported


class DropsPass:
    """Comments each drop, tells how much it throws away, and refuses drops of tables whose models are missing."""

    name = "drops"

    def apply(self, context: PassContext, up: ops.UpgradeOps) -> None:
        """Leave remarks and notices, or raise."""
        tables = [operation for operation in up.ops if isinstance(operation, ops.DropTableOp)]
        _refuse(context, tables)
        created = [operation.table_name for operation in up.ops if isinstance(operation, ops.CreateTableOp)]
        for operation in tables:
            _say_table(context, operation, created)
        for container in up.ops:
            if isinstance(container, ops.ModifyTableOps):
                _say_columns(context, container)


def _refuse(context: PassContext, tables: list[ops.DropTableOp]) -> None:
    keys = [_key(context, operation) for operation in tables]
    unsaid = [key for key in keys if label(key) not in context.answers.drops]
    if not unsaid or context.decisions.allow_drops:
        return
    if not any(context.stored(*key) for key in context.tables):
        raise everything_dropped(context.database, keys, bool(context.tables), unimported_models(current_app))
    modules = _defining(unsaid, unimported_models(current_app))
    if modules:
        raise models_not_imported(modules, unsaid)


def _defining(keys: list[Key], modules: list[ModelModule]) -> list[ModelModule]:
    names = {key[1] for key in keys}
    return [module for module in modules if names & set(module.tables)]


def _key(context: PassContext, operation: ops.DropTableOp) -> Key:
    return context.renames.key(operation.schema, operation.table_name)


def _say_table(context: PassContext, operation: ops.DropTableOp, created: list[str]) -> None:
    key = _key(context, operation)
    name = label(key)
    remark(
        operation,
        f"Drops table {name} with all of its rows.",
        f"Creates table {name} anew; its rows are not there any more.",
    )
    stake = stakes.rows(context.connection, context.stored(*key) or key)
    unasked = created and name not in context.answers.drops and name not in dict(context.answers.denied_tables)
    hint = f" If it was renamed: --rename-table {name}:{created[0] if len(created) == 1 else 'NEW'}" if unasked else ""
    context.tell(f"Drops table {name}{_of(context)}: {_words(stake, 'row')}.{hint}")


def _say_columns(context: PassContext, container: ops.ModifyTableOps) -> None:
    dropped = [item for item in container.ops if isinstance(item, ops.DropColumnOp) and "computed" not in item.info]
    if not dropped:
        return
    key = context.renames.key(container.schema, container.table_name)
    old = {item.column_name: context.stored_column(*key, item.column_name) for item in dropped}
    found = stakes.values(context.connection, context.stored(*key) or key, list(old.values()))
    added = [item.column.name for item in container.ops if isinstance(item, ops.AddColumnOp)]
    for item in dropped:
        name = f"{label(key)}.{item.column_name}"
        remark(item, f"Drops {name} with all of its values.", _back(name, item))
        unasked = added and name not in context.answers.drops and name not in dict(context.answers.denied)
        hint = f" If it was renamed: --rename {name}:{added[0] if len(added) == 1 else 'NEW'}" if unasked else ""
        words = _words(found.get(old[item.column_name]), "value")
        context.tell(f"Drops {name}{_of(context)}: {words}.{hint}")


def _back(name: str, operation: ops.DropColumnOp) -> str:
    text = f"Adds {name} again, without the values that it had."
    column = operation.to_column()
    if column.nullable or column.server_default is not None or column.identity:
        return text
    return f"{text}\nIt is NOT NULL: where there are rows this stops, unless a server_default= gives them a value."


def _words(stake: stakes.Stake | None, noun: str) -> str:
    return f"nobody could count its {noun}s" if stake is None else stake.words(noun)


def _of(context: PassContext) -> str:
    return f" of the database {context.bind}" if context.bind else ""
