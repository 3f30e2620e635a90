"""The pass for generated columns, which Alembic only warns about.

No statement changes an expression on all databases, and the values are computed anyway: the column is dropped and
added again, its indexes with it. A generated column that becomes a plain one keeps its values, and a plain one that
becomes a generated one has the computed ones when that is undone. PostgreSQL lets no column change its type under a
generated one, which is made anew around such a change.
"""

from __future__ import annotations

import re
import typing as t

import sqlalchemy as sa
from alembic.operations import ops

from .. import names
from ..comparators.checks import AddCheck
from ..comparators.checks import written
from ..operations import notes
from ..operations import OneWay
from ..operations import OnlyBack
from ..operations import remark
from ..operations import Statement
from ..operations.fills import default_value
from ..pipeline import PassContext
from ..sql_text import column_definition

Operations = list[t.Any]


class ComputedPass:
    """Replaces changes of generated columns with operations that the database supports."""

    name = "computed"

    def apply(self, context: PassContext, up: ops.UpgradeOps) -> None:
        """Replace the ``alter_column`` operations that Alembic can't perform."""
        made: Operations = []
        for operation in up.ops:
            if isinstance(operation, ops.ModifyTableOps):
                made += _GeneratedChanges(context, operation).made()
            else:
                made.append(operation)
        up.ops[:] = made


class _GeneratedChanges:
    """The changes of a table, those of its generated columns replaced."""

    def __init__(self, context: PassContext, container: ops.ModifyTableOps) -> None:
        self.context, self.container = context, container
        self.before: Operations = []
        self.after: Operations = []
        self.drops: Operations = []
        self.adds: Operations = []

    def made(self) -> Operations:
        """Return the container with what stands before and after it; without it if nothing is left in it."""
        changes: Operations = []
        for change in self.container.ops:
            changes += self._kept(change)
        for column in self._over_changed_types():
            self._make_anew(column.name)
        if any(isinstance(change, ops.AlterColumnOp) and change.modify_type is not None for change in changes):
            changes = self._around_types(changes)
        self.container.ops[:] = [*self.drops, *changes, *self.adds]
        return [*self.before, *([self.container] if self.container.ops else []), *self.after]

    def _kept(self, change: t.Any) -> Operations:
        """Return what is left of a change in its container."""
        if not isinstance(change, ops.AlterColumnOp):
            return [change]
        if change.modify_server_default is False:
            return self._with_other_type(change)
        becomes = isinstance(change.modify_server_default, sa.Computed)
        was = isinstance(change.existing_server_default, sa.Computed)
        name = str(change.column_name)
        if becomes and was:
            self._make_anew(name)
            return []
        if becomes:
            self.context.tell(
                f"{change.table_name}.{name} becomes a generated column. Its stored values are replaced."
            )
        if (not becomes and not was) or self.context.dialect == "sqlite":  # whose batch copies the values
            return [change]
        old, new = self._stored().columns[name], self._model().columns[name]
        if becomes:
            self.after += [self._alone(self._anew(old, new)), *self._back(self._to_plain(new, old))]
        else:
            self.before += [*map(self._forth, self._to_plain(old, new)), OnlyBack(self._alone(self._anew(new, old)))]
        return []

    def _around_types(self, changes: Operations) -> Operations:
        """Return changes without the generated columns that come or go, which do so around changes of types."""
        stored = {column.name for column in self._stored().columns if column.computed is not None}
        drops = [item for item in changes if isinstance(item, ops.DropColumnOp) and item.column_name in stored]
        adds = [item for item in changes if isinstance(item, ops.AddColumnOp) and item.column.computed is not None]
        self.drops += drops
        self.adds = [*adds, *self.adds]
        return [item for item in changes if item not in drops and item not in adds]

    def _with_other_type(self, change: ops.AlterColumnOp) -> Operations:
        """Make a generated column anew that gets another type, where its base may get one or Alembic alters none."""
        is_generated = isinstance(change.existing_server_default, sa.Computed) and change.modify_type is not None
        if not is_generated or self.context.dialect == "sqlite":
            return [change]
        self._make_anew(str(change.column_name))
        return []

    def _model(self) -> sa.Table:
        return self.context.tables[self.context.key_of(self.container)]

    def _stored(self) -> sa.Table:
        table = sa.Table(self.container.table_name, sa.MetaData(), schema=self.container.schema)
        self.context.inspector_after.reflect_table(table, None, resolve_fks=False)
        return table

    def _alone(self, changes: Operations) -> OneWay:
        return OneWay(self.container.table_name, changes, schema=self.container.schema)

    def _forth(self, sql: str) -> Statement:
        words = (f"change generated column of {self.container.table_name}", "")
        return Statement(sql, None, words, self.container.table_name, self.container.schema)

    def _back(self, statements: list[str]) -> Operations:
        words = ("", f"change generated column of {self.container.table_name}")
        table, schema = self.container.table_name, self.container.schema
        return [Statement(None, sql, words, table, schema) for sql in reversed(statements)]

    def _make_anew(self, name: str) -> None:
        changes = self._anew(self._stored().columns[name], self._model().columns[name])
        place = next(n for n, change in enumerate(changes) if isinstance(change, ops.AddColumnOp))
        self.drops += changes[:place]
        self.adds += changes[place:]

    def _anew(self, old: sa.Column[t.Any], new: sa.Column[t.Any]) -> Operations:
        """Return what drops a column and adds it again, with the indexes and constraints that stay."""
        table, schema = self.container.table_name, self.container.schema
        # The names of those that the container drops or creates by itself.
        own: Operations = list(self.container.ops)
        changed = {getattr(item, "constraint_name", None) or getattr(item, "index_name", None) for item in own}
        known = {i.name: i for i in old.table.indexes if old in i.columns.values() and i.name not in changed}
        known |= {i.name: i for i in new.table.indexes if new in i.columns.values() and i.name in known}
        indexes = [known[name] for name in sorted(known, key=str)]
        there = [item for item in old.table.constraints if names.is_named(item.name) and item.name not in changed]
        constraints = [_constraint(item) for item in sorted(there, key=lambda c: str(c.name)) if _involves(item, old)]
        drop = ops.DropColumnOp.from_column_and_tablename(schema, table, old)
        if old.computed is not None:
            notes(drop)["computed"] = True  # the pass about drops has nothing to say then
            remark(drop, "The column is generated, so it can be recreated.", "")
        return [
            *(item.reverse() for item in constraints),
            *(ops.DropIndexOp.from_index(index) for index in indexes),
            drop,
            ops.AddColumnOp.from_column_and_tablename(schema, table, new),
            *(ops.CreateIndexOp.from_index(index) for index in indexes),
            *constraints,
        ]

    def _over_changed_types(self) -> list[sa.Column[t.Any]]:
        """Return the generated columns of PostgreSQL whose expressions name a column that changes its type."""
        changed = {
            str(change.column_name)
            for change in self.container.ops
            if isinstance(change, ops.AlterColumnOp) and change.modify_type is not None
        }
        if not changed or self.context.dialect != "postgresql" or not self._is_stored():
            return []
        made = {change.column.name for change in self.adds if isinstance(change, ops.AddColumnOp)}
        model = self._model()
        return [
            column
            for column in self._stored().columns
            if column.computed is not None
            and column.name not in made
            and column.name in model.columns
            and model.columns[column.name].computed is not None
            and changed & set(re.findall(r"\w+", str(column.computed.sqltext)))
        ]

    def _is_stored(self) -> bool:
        return self.context.stored(self.container.schema, self.container.table_name) is not None

    def _to_plain(self, old: sa.Column[t.Any], new: sa.Column[t.Any]) -> list[str]:
        """Return the statements that turn a generated column into a plain one with its values."""
        dialect = self.context.connection.dialect
        quote = dialect.identifier_preparer.quote
        table = dialect.identifier_preparer.format_table(self._model())
        name = quote(old.name)
        if self.context.dialect == "postgresql":
            return [f"ALTER TABLE {table} ALTER COLUMN {name} {change}" for change in _altered(old, new, dialect)]
        wanted = column_definition(new, dialect)
        if old.computed is not None and old.computed.persisted:
            return [f"ALTER TABLE {table} MODIFY {wanted}"]
        copy = quote("schemaflow_copy")
        return [
            f"ALTER TABLE {table} ADD COLUMN {copy}{wanted.removeprefix(name)} AFTER {name}",
            f"UPDATE {table} SET {copy} = {name}",
            f"ALTER TABLE {table} DROP COLUMN {name}, CHANGE {copy} {wanted}",
        ]


def _involves(constraint: t.Any, column: sa.Column[t.Any]) -> bool:
    """Return whether a reflected constraint goes with a column that is dropped; a key isn't generated."""
    if isinstance(constraint, sa.CheckConstraint):
        return column.name in re.findall(r"\w+", str(constraint.sqltext))
    return not isinstance(constraint, sa.PrimaryKeyConstraint) and column in constraint.columns.values()


def _constraint(constraint: t.Any) -> t.Any:
    """Return what creates a reflected constraint."""
    if isinstance(constraint, sa.CheckConstraint):
        table = constraint.table
        return AddCheck(constraint.name, table.name, written(constraint), table.schema)
    return ops.AddConstraintOp.from_constraint(constraint)


def _altered(old: sa.Column[t.Any], new: sa.Column[t.Any], dialect: sa.Dialect) -> list[str]:
    """Return what PostgreSQL changes of a generated column that becomes a plain one."""
    types = [column.type.compile(dialect=dialect) for column in (old, new)]
    default = default_value(new.server_default, dialect)
    return [
        "DROP EXPRESSION",
        *([f"TYPE {types[1]}"] if types[0] != types[1] else []),
        *([f"SET DEFAULT {default.sql}"] if default is not None else []),
        *([f"{'DROP' if new.nullable else 'SET'} NOT NULL"] if old.nullable != new.nullable else []),
    ]
