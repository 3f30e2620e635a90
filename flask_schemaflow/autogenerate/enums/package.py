"""alembic-postgresql-enum beside the pass: it is heard, and nothing is done twice.

Where env.py imports it, it puts operations of its own among the directives. They are taken out, because
their files would need the package wherever they run; its settings hold for the pass as they do for it.
"""

from __future__ import annotations

import sys
import typing as t

from alembic.operations import ops

from ...record import Record
from ..pipeline import PassContext

_MODULE = "alembic_postgresql_enum"


class Wishes(Record):
    """What its configuration says.

    :param include: whether a type is to be looked at.
    :param values: whether changed values are.
    :param order: whether the order of values is.
    :param unused: types without a use that it would drop.
    """

    include: t.Callable[[str], bool] = lambda name: True
    values: bool = True
    order: bool = True
    unused: tuple[tuple[str | None, str], ...] = ()


def take_over(context: PassContext, up: ops.UpgradeOps) -> Wishes:
    """Take the package's operations out of ``up``; returns its settings."""
    theirs: list[t.Any] = [item for item in up.ops if type(item).__module__.startswith(f"{_MODULE}.")]
    up.ops[:] = [item for item in up.ops if item not in theirs]
    unused = [context.renames.key(item.schema, item.name) for item in theirs if type(item).__name__ == "DropEnumOp"]
    module: t.Any = sys.modules.get(f"{_MODULE}.configuration")
    if module is None:
        return Wishes()
    given = module.get_configuration()
    return Wishes(
        getattr(given, "include_name", Wishes.include),
        getattr(given, "detect_enum_values_changes", True),
        not getattr(given, "ignore_enum_values_order", False),
        tuple(unused),
    )
