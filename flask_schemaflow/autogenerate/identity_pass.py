"""The pass for identity columns whose options change: Alembic has to be told in the file that it was one before.

Otherwise it writes ``ADD GENERATED``, which fails where the column is an identity column already.
"""

from __future__ import annotations

import typing as t

import sqlalchemy as sa
from alembic.autogenerate import renderers
from alembic.operations import ops

from .mirror import IDENTITY_OPTIONS
from .pipeline import PassContext


class IdentityPass:
    """Completes changes of identity columns by what they were."""

    name = "identity"

    def apply(self, context: PassContext, up: ops.UpgradeOps) -> None:
        """Replace operations on identity columns."""
        for operation in up.ops:
            if isinstance(operation, ops.ModifyTableOps):
                operation.ops[:] = [t.cast(t.Any, _completed(change)) for change in operation.ops]


def _completed(change: ops.MigrateOperation) -> ops.MigrateOperation:
    if not isinstance(change, ops.AlterColumnOp) or change.modify_server_default is False:
        return change
    defaults = (change.existing_server_default, change.modify_server_default)
    return IdentityChange.of(change) if any(isinstance(item, sa.Identity) for item in defaults) else change


class IdentityChange(ops.AlterColumnOp):
    """``alter_column`` with the identity options that there were."""

    @classmethod
    def of(cls, operation: ops.AlterColumnOp) -> IdentityChange:
        """The same change."""
        made = cls.__new__(cls)
        vars(made).update(vars(operation))
        return made

    def reverse(self) -> IdentityChange:
        return IdentityChange.of(super().reverse())


@renderers.dispatch_for(IdentityChange)
def _render(context: t.Any, operation: IdentityChange) -> str:
    plain = ops.AlterColumnOp.__new__(ops.AlterColumnOp)
    vars(plain).update(vars(operation))
    text = str(renderers.dispatch(plain)(context, plain))
    existing = operation.existing_server_default
    if not isinstance(existing, sa.Identity):
        return text
    options = [(name, getattr(existing, name)) for name in IDENTITY_OPTIONS]
    written = ", ".join(f"{name}={value!r}" for name, value in options if value is not None)
    prefix = context.opts["sqlalchemy_module_prefix"]
    return f"{text.removesuffix(')')},\n           existing_server_default={prefix}Identity({written}))"
