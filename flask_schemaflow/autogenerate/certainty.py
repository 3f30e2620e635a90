"""What Alembic is certain to find, known without having it look.

Most columns of most comparisons are as their models have them. Alembic takes each type's text apart to know that, and
would do so twice: for :mod:`.comparators`, and then for itself. Where somebody else has a say, it is asked as ever.
"""

from __future__ import annotations

import typing as t

import sqlalchemy as sa
from alembic.autogenerate.api import AutogenContext

from ..runtime.private import column_comparators

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


def only_alembic_compares(context: AutogenContext, subgroup: str) -> bool:
    """Whether nobody but Alembic and ourselves compares this property of columns, in this comparison."""
    memo = context.migration_context.impl.memo.setdefault("schemaflow_comparators", {})
    known = memo.get(subgroup)
    if known is None or known[0] is not context.comparators:
        functions = column_comparators(context, subgroup)
        ours = functions is not None and all(_is_known(function) for function in functions)
        memo[subgroup] = known = (context.comparators, ours)
    return bool(known[1])


def _is_known(function: t.Callable[..., t.Any]) -> bool:
    return str(getattr(function, "__module__", "")).startswith((_ALEMBIC, _OURS))
