"""The pass over enums that are a VARCHAR and nothing else: on SQLite, and anywhere with ``native_enum=False``.

No database knows their values, so a change of them shows only where the column's length changes with them. Then rows
that have none of the new values are asked about: the model could not load them any more.
"""

from __future__ import annotations

import functools
import typing as t

import sqlalchemy as sa
from alembic.operations import ops

from ..fills import stored_type
from ..operations import put_before_type_changes
from ..pipeline import PassContext
from .remap import RemapValues
from .strays import stray_values
from .types import native_enum
from .values import Place
from .values import understand


class UncheckedEnumsPass:
    """Gives rows a value that the enum has, before the column changes, or asks."""

    name = "unchecked_enums"

    def apply(self, context: PassContext, up: ops.UpgradeOps) -> None:
        """Put the changes of rows before the changes of their columns."""
        put_before_type_changes(up, functools.partial(_before, context))


def _before(context: PassContext, operation: ops.AlterColumnOp) -> list[ops.MigrateOperation]:
    dialect = context.connection.dialect
    given: t.Any = operation.modify_type
    stored = stored_type(given, dialect)
    if not isinstance(stored, sa.Enum) or stored.create_constraint or native_enum(given, dialect) is not None:
        return []
    place = Place(context.renames.key(operation.schema, operation.table_name), operation.column_name)
    change = understand(context, stray_values(context, place, stored.enums), stored.enums, [place])
    return [RemapValues.of(place, change)] if change is not None and (change.renames or change.fills) else []
