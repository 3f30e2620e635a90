"""The pass that gives names to constraints, so that what is written can be undone on every database.

SQLite knows constraints without a name. To drop such a one its table has to be rebuilt with a naming convention,
by which Alembic's batch mode finds it; then ``batch_alter_table`` is written with that convention.
"""

from __future__ import annotations

import typing as t

import sqlalchemy as sa
from alembic.autogenerate import renderers
from alembic.operations import ops
from sqlalchemy.sql.elements import conv

from .. import names
from ..comparators.checks import AddCheck
from ..operations.tables import NewTable
from ..pipeline import PassContext

_KINDS = {"unique": "uq", "foreignkey": "fk", "primary": "pk"}


class NamesPass:
    """Names every constraint that is created."""

    name = "names"

    def apply(self, context: PassContext, up: ops.UpgradeOps) -> None:
        """Complete the operations of ``up`` in place."""
        for place, operation in enumerate(up.ops):
            if isinstance(operation, ops.CreateTableOp):
                up.ops[place] = NewTable.of(operation)
            elif isinstance(operation, ops.ModifyTableOps):
                for change in operation.ops:
                    _name_created(context, change)


class UnnamedPass:
    """Lets batch mode find constraints without a name that are dropped."""

    name = "unnamed"

    def apply(self, context: PassContext, up: ops.UpgradeOps) -> None:
        """Give a naming convention to the changes that need one."""
        for place, operation in enumerate(up.ops if context.dialect == "sqlite" else ()):
            if isinstance(operation, ops.ModifyTableOps):
                up.ops[place] = _with_convention(context, operation)


def _name_created(context: PassContext, change: t.Any) -> None:
    if not isinstance(change, ops.AddConstraintOp) or names.is_named(change.constraint_name):  # type: ignore[attr-defined]
        return
    operation: t.Any = change
    if isinstance(change, AddCheck):
        table = context.tables.get((change.schema, str(change.table_name)))
        columns = [] if table is None else [column.name for column in table.columns]
        operation.constraint_name = names.check_name(str(change.table_name), change.text, columns)
    elif isinstance(change, ops.CreateUniqueConstraintOp):
        columns = [str(getattr(column, "name", column)) for column in change.columns]
        operation.constraint_name = names.unique_name(str(change.table_name), columns)
    elif isinstance(change, ops.CreateForeignKeyOp):
        operation.constraint_name = names.foreign_key_name(
            str(change.source_table), map(str, change.local_cols), str(change.referent_table)
        )
    elif isinstance(change, ops.CreatePrimaryKeyOp):
        operation.constraint_name = names.primary_key_name(str(change.table_name))


def _with_convention(context: PassContext, operation: ops.ModifyTableOps) -> ops.ModifyTableOps:
    unnamed = [
        change
        for change in operation.ops
        if isinstance(change, ops.DropConstraintOp) and not names.is_named(change.constraint_name)
    ]
    if not unnamed:
        return operation
    convention = {}
    for change in unnamed:
        kind = _KINDS[change.constraint_type or "unique"]
        convention[kind] = _convention(context, kind)
        change.constraint_name = _conventional(convention[kind], change.to_constraint())
    return NamedBatch(operation, convention)


def _convention(context: PassContext, kind: str) -> str:
    given = context.migration.opts["target_metadata"]
    metadata = given[0] if isinstance(given, (list, tuple)) else given
    found = metadata.naming_convention.get(kind)
    return found if isinstance(found, str) else names.CONVENTION[kind]


def _conventional(rule: str, constraint: sa.Constraint) -> conv:
    """Return the name that the batch will find the constraint by; SQLAlchemy makes it, so that the two agree."""
    table = sa.Table(
        constraint.table.name,
        sa.MetaData(naming_convention={"made": rule}),
        *(sa.Column(column.name, column.type) for column in constraint.table.columns),
    )
    kinds: dict[type[sa.Constraint], str] = {
        sa.UniqueConstraint: "uq",
        sa.ForeignKeyConstraint: "fk",
        sa.PrimaryKeyConstraint: "pk",
    }
    kind = next(key for type_, key in kinds.items() if isinstance(constraint, type_))
    table.metadata.naming_convention = {kind: rule}
    return conv(_attached(table, constraint))


def _attached(table: sa.Table, constraint: sa.Constraint) -> str:
    made: sa.Constraint
    if isinstance(constraint, sa.ForeignKeyConstraint):
        columns = [element.parent.name for element in constraint.elements]
        made = sa.ForeignKeyConstraint(columns, [element.target_fullname for element in constraint.elements])
    elif isinstance(constraint, sa.UniqueConstraint):
        made = sa.UniqueConstraint(*[column.name for column in constraint.columns])
    else:
        made = table.primary_key
    if made is not table.primary_key:
        table.append_constraint(made)
    return str(made.name)


class NamedBatch(ops.ModifyTableOps):
    """Changes of a table in which constraints without a name are found by a naming convention.

    :param convention: the rules, by kind of constraint.
    """

    def __init__(self, changes: ops.ModifyTableOps, convention: dict[str, str]) -> None:
        super().__init__(changes.table_name, changes.ops, schema=changes.schema)
        self.convention = convention

    def reverse(self) -> ops.ModifyTableOps:
        # What was without a name has one from then on.
        return ops.ModifyTableOps(
            self.table_name, [change.reverse() for change in reversed(self.ops)], schema=self.schema
        )


@renderers.dispatch_for(NamedBatch)
def _render(context: t.Any, operation: NamedBatch) -> list[str]:
    plain = ops.ModifyTableOps(operation.table_name, operation.ops, schema=operation.schema)
    lines = list(renderers.dispatch(plain)(context, plain))
    if lines and lines[0].endswith(") as batch_op:"):
        head = lines[0].removesuffix(") as batch_op:")
        lines[0] = f"{head}, naming_convention={operation.convention!r}) as batch_op:"
    return lines
