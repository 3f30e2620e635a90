"""The pass of ``migrate --online``: changes of tables in use, in the forms that let readers and writers go on.

Indexes, foreign keys, checks, unique constraints and NOT NULL get the form ``op.*_online()``. A rename and a change of
a type are written as a pair of revisions: the first one adds the new column beside the old one and has a backfill, the
second one drops the old column, after a deployment. So is a column that becomes NOT NULL after a fill.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t

import sqlalchemy as sa
from alembic.operations import ops

from ..operations import Key
from ..operations import label
from ..operations import notes
from ..operations import OnlyBack
from ..operations import RenameColumn
from ..operations.fills import DropFill
from ..operations.fills import FillColumn
from ..operations.fills import SetNotNull
from ..operations.online import Contract
from ..operations.online import Expand
from ..operations.online import has_online_form
from ..operations.online import NotNullOnline
from ..operations.online import Online
from ..pipeline import PassContext
from .mysql_indexes import ImplicitIndex

_KNOWN = ("postgresql", "mysql", "mariadb", "sqlite")
_BACKFILL = '''@backfill({table!r}{options})
def fill_{name}(batch):
    """Give existing rows of {label} a value."""
    batch.update({{{column!r}: {value}}}, where={where!r})
'''


class OnlinePass:
    """Replaces operations with their online forms."""

    name = "online"

    def apply(self, context: PassContext, up: ops.UpgradeOps) -> None:
        """Replace operations of ``up``; what has to wait for a deployment goes into the second revision."""
        if not context.decisions.online or context.questions or context.dialect not in _KNOWN:
            return
        work = _Rewriting(context, context.decisions.later.setdefault(up.upgrade_token, []))
        up.ops[:] = [part for operation in up.ops for part in work.rewritten(operation)]


@dataclasses.dataclass(eq=False)
class _Rewriting:
    """The rewriting of one database's operations.

    :param later: what the second revision does there.
    """

    context: PassContext
    later: list[ops.MigrateOperation]
    _filled: set[tuple[Key, str]] = dataclasses.field(default_factory=set)
    _defaults: dict[tuple[str, str], t.Any] = dataclasses.field(default_factory=dict)

    def rewritten(self, operation: t.Any) -> list[ops.MigrateOperation]:
        """Return what takes the place of an operation in the first revision."""
        if isinstance(operation, RenameColumn):
            return [self._renamed(operation)]
        if isinstance(operation, FillColumn):
            key = operation.schema, operation.table_name
            self.context.imports |= operation.value.imports
            self._fill(key, operation.column_name, operation.value.source("sa."))
            return []
        is_stored = isinstance(operation, ops.ModifyTableOps) and self.context.stored(
            operation.schema, operation.table_name
        )
        return self._of_table(operation) if is_stored else [operation]

    def _of_table(self, container: ops.ModifyTableOps) -> list[ops.MigrateOperation]:
        first: list[ops.MigrateOperation] = []
        after: list[ops.MigrateOperation] = []
        for part in container.ops:
            if has_online_form(part):
                made: ops.MigrateOperation = Online(part)
                notes(made).update(notes(part))
                after.append(made)
            elif isinstance(part, DropFill):
                # Old code doesn't name the column, so the default stays until it has gone.
                default = self._defaults.get((part.table_name, part.column_name))
                drop = _with_reverse(part, default)
                self.later.append(ops.ModifyTableOps(part.table_name, [drop], schema=part.schema))
            elif isinstance(part, ops.AlterColumnOp):
                after += self._altered(part, first)
            else:
                if isinstance(part, ops.AddColumnOp):
                    self._defaults[part.table_name, str(part.column.name)] = part.column.server_default
                first.append(part)
        container.ops[:] = first
        if first and all(isinstance(part, ImplicitIndex) for part in first):
            return [OnlyBack(container.reverse()), *after]  # nothing but what a foreign key creates
        return [*([container] if first else []), *after]

    def _altered(
        self, operation: ops.AlterColumnOp, kept: list[ops.MigrateOperation]
    ) -> list[ops.MigrateOperation]:
        """Return what takes the place of a change of a column; one that has no such form is kept."""
        is_simple = operation.modify_server_default is False and operation.modify_comment is False
        key = self.context.renames.key(operation.schema, operation.table_name)
        if is_simple and operation.modify_nullable is False and operation.modify_type is None:
            made = NotNullOnline(operation)
            if isinstance(operation, SetNotNull) or (key, operation.column_name) in self._filled:
                self.later.append(made)
                return []
            return [made]
        if is_simple and operation.modify_type is not None and operation.modify_nullable is None:
            found = self._retyped(operation)
            if found is not None:
                return [found]
        kept.append(operation)
        return []

    def _renamed(self, operation: RenameColumn) -> ops.MigrateOperation:
        key, old = self.context.renames.key(operation.schema, operation.table_name), operation.column_name
        new = str(operation.modify_name)
        model, reason = _model(self.context, key, new), _reason(self.context, key, old)
        if model is None or reason:
            self.context.tell(f"{label(key)}.{old} is renamed in place: {reason or 'no model has it'}.")
            return operation
        before = sa.Column(old, operation.existing_type, nullable=operation.existing_nullable is not False)
        return self._pair(Expand(key, before, _plain(new, model, model.type)))

    def _retyped(self, operation: ops.AlterColumnOp) -> ops.MigrateOperation | None:
        key, name = self.context.renames.key(operation.schema, operation.table_name), operation.column_name
        model, reason = _model(self.context, key, name), _reason(self.context, key, name)
        if model is None or reason:
            self.context.tell(f"{label(key)}.{name} changes its type in place: {reason or 'no model has it'}.")
            return None
        new = f"{name}_new"
        before = sa.Column(name, operation.existing_type, nullable=model.nullable)
        forward = getattr(operation, "forwards", None) or _cast(self.context, name, operation.modify_type)
        backward = getattr(operation, "backwards", None) or _cast(self.context, name, operation.existing_type)
        backward = re.sub(rf"\b{re.escape(name)}\b", new, backward)
        return self._pair(Expand(key, before, _plain(new, model, operation.modify_type), forward, backward, True))

    def _pair(self, expand: Expand) -> Expand:
        key = expand.schema, expand.table_name
        self.later.append(Contract(key, expand.old, expand.new, expand.forward, expand.backward, expand.rename))
        old, new = str(expand.old.name), str(expand.new.name)
        forward = expand.forward or self.context.connection.dialect.identifier_preparer.quote(old)
        self._fill(key, new, f"sa.text({forward!r})")
        if expand.rename:
            told = f"Before the second revision, deploy code that takes both types of {label(key)}.{old}."
        else:
            told = f"After the backfill and before the second revision, deploy code that uses {label(key)}.{new}."
        self.context.tell(told)
        return expand

    def _fill(self, key: Key, column: str, value: str) -> None:
        """Have the rows get a value by a backfill."""
        self._filled.add((key, column))
        quoted = self.context.connection.dialect.identifier_preparer.quote(column)
        options = f", schema={key[0]!r}" if key[0] else ""
        options += f", bind={self.context.bind!r}" if self.context.bind else ""
        name = re.sub(r"\W", "_", f"{key[1]}_{column}")
        where = f"{quoted} IS NULL"
        self.context.decisions.backfills.append(
            _BACKFILL.format(
                table=key[1], options=options, name=name, label=f"{label(key)}.{column}", column=column, value=value,
                where=where,
            )
        )  # fmt: skip
        self.context.imports.add("from flask_schemaflow import backfill")


def _cast(context: PassContext, name: str, type_: t.Any) -> str:
    quoted = context.connection.dialect.identifier_preparer.quote(name)
    if context.dialect != "postgresql":
        return quoted
    return f"CAST({quoted} AS {type_.compile(dialect=context.connection.dialect)})"


def _plain(name: str, model: sa.Column[t.Any], type_: t.Any) -> sa.Column[t.Any]:
    """Return a column of a model without its keys and indexes."""
    default = model.server_default
    kept: t.Any = default.arg if isinstance(default, sa.DefaultClause) else None
    return sa.Column(name, type_, nullable=model.nullable, server_default=kept, comment=model.comment)


def _reason(context: PassContext, key: Key, name: str) -> str:
    """Return why a column can't be doubled: something else of the table names it."""
    stored = context.renames.old(key)
    if stored is None:
        return "its table is renamed, too"
    schema, table = stored
    inspector = context.inspector
    primary = inspector.get_pk_constraint(table, schema=schema)["constrained_columns"]
    used: list[tuple[str, t.Any]] = [("the primary key", primary)]
    used += [(f"index {item['name']}", item["column_names"]) for item in inspector.get_indexes(table, schema=schema)]
    used += [
        (f"unique constraint {item['name']}", item["column_names"])
        for item in inspector.get_unique_constraints(table, schema=schema)
    ]
    used += [
        (f"foreign key {item['name']}", item["constrained_columns"])
        for item in inspector.get_foreign_keys(table, schema=schema)
    ]
    used += [
        (f"check {item['name']}", re.findall(r"\w+", str(item["sqltext"])))
        for item in inspector.get_check_constraints(table, schema=schema)
    ]
    found = next((what for what, columns in used if name in columns), "")
    return f"{found} contains it" if found else ""


def _model(context: PassContext, key: Key, name: str) -> sa.Column[t.Any] | None:
    table = context.tables.get(key)
    return None if table is None else next((item for item in table.columns if item.name == name), None)


def _with_reverse(operation: ops.AlterColumnOp, default: t.Any) -> ops.AlterColumnOp:
    """Return the drop of a default as Alembic's own operation, because in a revision of its own it needs a reverse."""
    plain = ops.AlterColumnOp(operation.table_name, operation.column_name)
    vars(plain).update({**vars(operation), "existing_server_default": default})
    return plain
