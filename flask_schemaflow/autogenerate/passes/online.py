"""The pass of ``migrate --online``: changes of tables in use, in the forms that let readers and writers go on.

Indexes, foreign keys, checks, unique constraints and NOT NULL get the form ``op.*_online()``. A rename and a change of
a type are written as a pair of revisions: the first one adds the new column beside the old one and has a backfill, the
second one drops the old column, after a deployment. So is a column that becomes NOT NULL after a fill. The indexes,
unique constraints and foreign keys of such a column are in :mod:`.online_keys`.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t

import sqlalchemy as sa
from alembic.operations import ops

from ..operations import Key
from ..operations import label
from ..operations import leaves
from ..operations import mark_followers
from ..operations import notes
from ..operations import OnlyBack
from ..operations import RenameColumn
from ..operations import table_of
from ..operations.fills import DropFill
from ..operations.fills import FillColumn
from ..operations.fills import SetNotNull
from ..operations.online import Contract
from ..operations.online import Expand
from ..operations.online import has_online_form
from ..operations.online import NotNullOnline
from ..operations.online import Online
from ..operations.renames import name_change
from ..pipeline import PassContext
from .mysql_indexes import DropImplicitIndex
from .mysql_indexes import ImplicitIndex
from .online_keys import doubled
from .online_keys import keys_of
from .online_keys import why_in_place

_KNOWN = ("postgresql", "mysql", "mariadb", "sqlite")
_DROPS = (ops.DropIndexOp, ops.DropConstraintOp, DropImplicitIndex)
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
        later = context.decisions.later.setdefault(up.upgrade_token, [])
        work = _Rewriting(context, later, _RevisionChanges.of(context, up))
        work.double_columns()
        up.ops[:] = [part for operation in up.ops for part in work.rewritten(operation)] + work.keys
        later += work.last


_Change = RenameColumn | ops.AlterColumnOp


@dataclasses.dataclass(frozen=True)
class _RevisionChanges:
    """What a revision does to columns and keys, by table.

    :param columns: the renames and changes of type, by the name that the column has after the renames.
    :param dropped: the names of indexes and constraints that are dropped.
    """

    columns: dict[Key, dict[str, list[_Change]]]
    dropped: dict[Key, set[str]]

    @classmethod
    def of(cls, context: PassContext, up: ops.UpgradeOps) -> _RevisionChanges:
        """Collect the changes."""
        columns: dict[Key, dict[str, list[_Change]]] = {}
        dropped: dict[Key, set[str]] = {}
        for item in leaves(up):
            key = context.renames.key(getattr(item, "schema", None), table_of(item))
            if isinstance(item, RenameColumn):
                columns.setdefault(key, {}).setdefault(str(item.modify_name), []).append(item)
            elif isinstance(item, ops.AlterColumnOp) and item.modify_type is not None:
                columns.setdefault(key, {}).setdefault(item.column_name, []).append(item)
            elif isinstance(item, _DROPS):
                dropped.setdefault(key, set()).add(_name_of(item))
        return cls(columns, dropped)


@dataclasses.dataclass(eq=False)
class _Rewriting:
    """The rewriting of one database's operations.

    :param later: what the second revision does there, and ``last`` what it does when the old columns have gone.
    """

    context: PassContext
    later: list[ops.MigrateOperation]
    changes: _RevisionChanges
    keys: list[ops.MigrateOperation] = dataclasses.field(default_factory=list)
    last: list[ops.MigrateOperation] = dataclasses.field(default_factory=list)
    _pairs: dict[int, Expand] = dataclasses.field(default_factory=dict)
    _doubled: dict[Key, set[str]] = dataclasses.field(default_factory=dict)
    _filled: set[tuple[Key, str]] = dataclasses.field(default_factory=set)
    _defaults: dict[tuple[str, str], t.Any] = dataclasses.field(default_factory=dict)

    def double_columns(self) -> None:
        """Make pairs of the renames and changes of type for which there can be one."""
        for key, columns in self.changes.columns.items():
            for change in [item for items in columns.values() for item in items]:
                expand = self._renamed(change) if isinstance(change, RenameColumn) else self._retyped(change)
                if expand is not None:
                    self._pairs[id(change)] = expand
                    self._double_keys(key, expand)

    def _double_keys(self, key: Key, expand: Expand) -> None:
        """Give the new column the keys of the old one; the second revision drops these with their column."""
        old, new = str(expand.old.name), str(expand.new.name)
        seen = old if expand.rename else new
        contract = Contract(key, expand.old, expand.new, expand.forward, expand.backward, expand.rename)
        back: list[ops.MigrateOperation] = []
        for item in keys_of(self.context, key, seen):
            is_dropped = item.seen["name"] in self.changes.dropped.get(key, ())
            made = doubled(self.context, key, item, seen, old, new, is_dropped)
            mark_followers([*made.first, *made.named])
            self._doubled.setdefault(key, set()).add(item.seen["name"])
            self.keys += made.first
            self.last += made.named
            back += made.back
        self.later += [*reversed(back), contract]

    def rewritten(self, operation: t.Any) -> list[ops.MigrateOperation]:
        """Return what takes the place of an operation in the first revision."""
        if isinstance(operation, RenameColumn):
            return [self._pairs.get(id(operation), operation)]
        change = name_change(operation)
        if change is not None and change.new in self._doubled.get(change.table, ()):
            return []  # the new column's has this name from the beginning
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
        key = self.context.key_of(container)
        for part in container.ops:
            if isinstance(part, _DROPS) and _name_of(part) in self._doubled.get(key, ()):
                continue  # it goes with its column
            if has_online_form(part):
                made: ops.MigrateOperation = Online(part)
                notes(made).update(notes(part))
                (self.last if self._is_of_new_column(key, part) else after).append(made)
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

    def _is_of_new_column(self, key: Key, operation: t.Any) -> bool:
        """Return whether an index or constraint is of a column that has its name in the second revision only."""
        names = {str(getattr(column, "name", column)) for column in getattr(operation, "columns", ())}
        names |= set(getattr(operation, "local_cols", ())) | set(re.findall(r"\w+", getattr(operation, "text", "")))
        pairs = self.changes.columns.get(key, {})
        return any(id(item) in self._pairs and self._pairs[id(item)].rename for n in names for item in pairs.get(n, ()))

    def _altered(
        self, operation: ops.AlterColumnOp, kept: list[ops.MigrateOperation]
    ) -> list[ops.MigrateOperation]:
        """Return what takes the place of a change of a column; one that has no such form is kept."""
        key = self.context.key_of(operation)
        if _is_simple(operation) and operation.modify_nullable is False and operation.modify_type is None:
            made = NotNullOnline(operation)
            if isinstance(operation, SetNotNull) or (key, operation.column_name) in self._filled:
                self.later.append(made)
                return []
            return [made]
        if id(operation) in self._pairs:
            return [self._pairs[id(operation)]]
        kept.append(operation)
        return []

    def _renamed(self, operation: RenameColumn) -> Expand | None:
        key, old = self.context.key_of(operation), operation.column_name
        new = str(operation.modify_name)
        model = _model(self.context, key, new)
        reason = "no model has it" if model is None else self._reason(key, new, False)
        if len(self.changes.columns[key][new]) > 1:
            reason = "its type changes, too"
        if model is None or reason:
            self.context.tell(f"{label(key)}.{old} is renamed in place: {reason}.")
            return None
        before = sa.Column(old, operation.existing_type, nullable=operation.existing_nullable is not False)
        return self._pair(Expand(key, before, _plain(new, model, model.type)))

    def _retyped(self, operation: ops.AlterColumnOp) -> Expand | None:
        if not _is_simple(operation) or operation.modify_nullable is not None:
            return None
        key, name = self.context.key_of(operation), operation.column_name
        model = _model(self.context, key, name)
        reason = "no model has it" if model is None else self._reason(key, name, True)
        if model is None or reason:
            self.context.tell(f"{label(key)}.{name} changes its type in place: {reason}.")
            return None
        new = f"{name}_new"
        before = sa.Column(name, operation.existing_type, nullable=model.nullable)
        forward = getattr(operation, "forwards", None) or _cast(self.context, name, operation.modify_type)
        backward = getattr(operation, "backwards", None) or _cast(self.context, name, operation.existing_type)
        backward = re.sub(rf"\b{re.escape(name)}\b", new, backward)
        return self._pair(Expand(key, before, _plain(new, model, operation.modify_type), forward, backward, True))

    def _reason(self, key: Key, column: str, is_retyped: bool) -> str:
        if self.context.renames.old(key) is None:
            return "its table is new"
        return why_in_place(self.context, key, column, self.changes.columns[key], is_retyped)

    def _pair(self, expand: Expand) -> Expand:
        key = expand.schema, expand.table_name
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


def _name_of(operation: t.Any) -> str:
    return str(getattr(operation, "constraint_name", None) or getattr(operation, "index_name", None))


def _is_simple(operation: ops.AlterColumnOp) -> bool:
    """Return whether the default and the comment of a column stay."""
    return operation.modify_server_default is False and operation.modify_comment is False


def _model(context: PassContext, key: Key, name: str) -> sa.Column[t.Any] | None:
    table = context.tables.get(key)
    return None if table is None else next((item for item in table.columns if item.name == name), None)


def _with_reverse(operation: ops.AlterColumnOp, default: t.Any) -> ops.AlterColumnOp:
    """Return the drop of a default as Alembic's own operation, because in a revision of its own it needs a reverse."""
    plain = ops.AlterColumnOp(operation.table_name, operation.column_name)
    vars(plain).update({**vars(operation), "existing_server_default": default})
    return plain
