"""Operations that give existing rows a value, and set NOT NULL once they have one."""

from __future__ import annotations

import typing as t

from alembic.operations import ops

from .fills import Value
from .operations import Key
from .operations import label
from .operations import OwnOperation
from .operations import Remark
from .operations import Statement


class FillColumn(OwnOperation):
    """An UPDATE of the rows that have nothing in a column; stands beside the containers.

    :param value: what they get.
    """

    def __init__(self, table: Key, column: str, value: Value) -> None:
        self.schema, self.table_name = table
        self.column_name = column
        self.value = value

    def render(self, context: t.Any) -> str:
        prefix = context.opts["sqlalchemy_module_prefix"]
        context.imports |= self.value.imports
        column = f"{prefix}column({self.column_name!r})"
        schema = f", schema={self.schema!r}" if self.schema else ""
        return "\n".join(
            [
                f"{context.opts['alembic_module_prefix']}execute(",
                f"    {prefix}update({prefix}table({self.table_name!r}, {column}{schema}))",
                f"    .where({column}.is_(None))",
                f"    .values({{{self.column_name!r}: {self.value.source(prefix)}}})",
                ")",
            ]
        )

    def describe(self) -> str:
        return f"fill {label((self.schema, self.table_name))}.{self.column_name} with {self.value}"

    def reverse(self) -> Statement:
        return Statement(None, None)


class SetNotNull(ops.AlterColumnOp):
    """NOT NULL for a column that was just added; its reverse is the drop of the column, so it needs none."""

    def reverse(self) -> t.Any:
        return Remark("")


class Filled(ops.ModifyTableOps):
    """What follows a fill. A container whose operations all need no reverse has none either."""

    def reverse(self) -> t.Any:
        reversed_ = super().reverse()
        if all(isinstance(operation, Remark) for operation in reversed_.ops):
            return Statement(None, None)
        return reversed_


class OnlyBack(OwnOperation):
    """Something that ``downgrade()`` does and ``upgrade()`` has no counterpart for.

    :param operation: what it does.
    """

    def __init__(self, operation: ops.MigrateOperation) -> None:
        self.operation = operation

    def render(self, context: t.Any) -> list[str]:
        return []

    def describe(self) -> str:
        return ""

    def reverse(self) -> ops.MigrateOperation:
        return self.operation
