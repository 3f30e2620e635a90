"""The operations for tables in use, as ``migrate --online`` writes them into a file."""

from __future__ import annotations

import typing as t

import sqlalchemy as sa
from alembic.autogenerate import renderers
from alembic.operations import ops

from ..describe import describe
from . import Key
from . import label
from . import OwnOperation

_VERBS = {
    ops.CreateIndexOp: "create_index",
    ops.DropIndexOp: "drop_index",
    ops.CreateForeignKeyOp: "create_foreign_key",
    ops.CreateUniqueConstraintOp: "create_unique_constraint",
    ops.CreateCheckConstraintOp: "create_check_constraint",
}


def _verb(operation: t.Any) -> str:
    """Return how an operation is called; empty if it has no form for tables in use."""
    own = getattr(operation, "online_verb", "")  # of a subclass of ours that may take the place of Alembic's
    return own or _VERBS.get(type(operation), "")


def has_online_form(operation: t.Any) -> bool:
    """Return whether an operation has a form for tables in use, which needs a name."""
    name = getattr(operation, "constraint_name", None) or getattr(operation, "index_name", None)
    return bool(_verb(operation) and name)


class Online(OwnOperation):
    """An operation of Alembic in its form for tables in use."""

    def __init__(self, operation: t.Any) -> None:
        self.operation = operation
        self.table_name = getattr(operation, "table_name", None) or operation.source_table
        self.schema = getattr(operation, "schema", None) or getattr(operation, "source_schema", None)

    def render(self, context: t.Any) -> str:
        options = context.opts
        context.opts = {**options, "render_as_batch": False}
        try:
            written = renderers.dispatch(self.operation)(context, self.operation)
        finally:
            context.opts = options
        text = written if isinstance(written, str) else "\n".join(written)  # Alembic returns a list for some
        verb = _verb(self.operation)
        return text.replace(f"{verb}(", f"{verb}_online(", 1)

    def describe(self) -> str:
        return describe(self.operation)

    def reverse(self) -> ops.MigrateOperation:
        reversed_ = self.operation.reverse()
        if has_online_form(reversed_) and isinstance(reversed_, (ops.CreateIndexOp, ops.DropIndexOp)):
            return Online(reversed_)
        return ops.ModifyTableOps(self.table_name, [reversed_], schema=self.schema)


class NotNullOnline(OwnOperation):
    """NOT NULL for a column of a table in use."""

    def __init__(self, operation: ops.AlterColumnOp) -> None:
        self.operation = operation
        self.table_name, self.schema = operation.table_name, operation.schema

    def render(self, context: t.Any) -> str:
        plain = ops.AlterColumnOp(
            self.table_name, self.operation.column_name, schema=self.schema, existing_type=self.operation.existing_type
        )
        text = str(renderers.dispatch(plain)(context, plain))
        return text.replace("alter_column(", "set_not_null_online(", 1)

    def describe(self) -> str:
        return describe(self.operation)

    def reverse(self) -> ops.MigrateOperation:
        back = ops.AlterColumnOp(
            self.table_name,
            self.operation.column_name,
            schema=self.schema,
            existing_type=self.operation.existing_type,
            existing_server_default=self.operation.existing_server_default,
            existing_comment=self.operation.existing_comment,
            existing_nullable=False,
            modify_nullable=True,
        )
        return ops.ModifyTableOps(self.table_name, [back], schema=self.schema)


class Pairing(OwnOperation):
    """A column that takes the place of another one.

    :param old: the column as it is.
    :param new: the column as it is to be; the names differ until the table is contracted.
    :param rename: whether the new column gets the name of the old one in the end.
    """

    verb = ""

    def __init__(
        self,
        key: Key,
        old: sa.Column[t.Any],
        new: sa.Column[t.Any],
        forward: str = "",
        backward: str = "",
        rename: bool = False,
    ) -> None:
        self.schema, self.table_name = key
        self.old, self.new, self.forward, self.backward, self.rename = old, new, forward, backward, rename

    def _same(self, kind: type[Pairing]) -> Pairing:
        key = self.schema, self.table_name
        return kind(key, self.old, self.new, self.forward, self.backward, self.rename)

    def _call(self, context: t.Any, old: str, new: str, *options: str) -> str:
        arguments = [repr(str(self.table_name)), old, new, *options]
        arguments += [f"schema={self.schema!r}"] * bool(self.schema)
        return f"{context.opts['alembic_module_prefix']}{self.verb}({', '.join(arguments)})"

    def _how(self, forward: bool = True, backward: bool = True) -> list[str]:
        return [f"forward={self.forward!r}"] * bool(self.forward and forward) + [
            f"backward={self.backward!r}"
        ] * bool(self.backward and backward)

    def _renamed(self) -> list[str]:
        return ["rename=True"] * self.rename

    @property
    def _label(self) -> str:
        return f"{label((self.schema, self.table_name))}.{self.old.name}"


class Expand(Pairing):
    """The new column, kept in step with the old one."""

    verb = "expand_column"

    def render(self, context: t.Any) -> str:
        return self._call(context, repr(str(self.old.name)), _column(context, self.new), *self._how())

    def describe(self) -> str:
        return f"expand column {self._label} to {self.new.name}"

    def reverse(self) -> ops.MigrateOperation:
        return self._same(UndoExpand)


class UndoExpand(Pairing):
    """The reverse of :class:`Expand`."""

    verb = "undo_expand_column"

    def render(self, context: t.Any) -> str:
        return self._call(context, _column(context, self.old), repr(str(self.new.name)))

    def describe(self) -> str:
        return f"drop column {label((self.schema, self.table_name))}.{self.new.name}"

    def reverse(self) -> ops.MigrateOperation:
        return self._same(Expand)


class Contract(Pairing):
    """The drop of the old column."""

    verb = "contract_column"

    def render(self, context: t.Any) -> list[str]:
        options = [*self._renamed(), *self._how(backward=False)]
        call = self._call(context, repr(str(self.old.name)), _column(context, self.new), *options)
        values = f"# allow loses-data: {self.new.name} has the values"
        code = "# allow breaks-running-code: it refuses while old code writes"
        return [values, *([] if self.rename else [code]), call]

    def describe(self) -> str:
        return f"contract column {self._label} to {self.new.name}"

    def reverse(self) -> ops.MigrateOperation:
        return self._same(UndoContract)


class UndoContract(Pairing):
    """The reverse of :class:`Contract`."""

    verb = "undo_contract_column"

    def render(self, context: t.Any) -> str:
        options = [*self._renamed(), *self._how()]
        return self._call(context, _column(context, self.old), _column(context, self.new), *options)

    def describe(self) -> str:
        return f"bring back column {self._label}"

    def reverse(self) -> ops.MigrateOperation:
        return self._same(Contract)


def _column(context: t.Any, column: sa.Column[t.Any]) -> str:
    """Return a column as Alembic writes it."""
    operation = ops.AddColumnOp("t", column)
    text = str(renderers.dispatch(operation)(context, operation))
    return text[text.index("'t', ") + len("'t', ") : -1]
