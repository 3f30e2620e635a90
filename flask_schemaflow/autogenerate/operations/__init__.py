"""Operations that Alembic lacks, for passes to put among its own.

Each knows how it is written, how it is undone and how it is said in one line. What they write into a revision
file is plain Alembic, so that the file runs without this package. Renderers belong to classes, so there is one
registration, for the class that all of these share.
"""

from __future__ import annotations

import typing as t

from alembic.autogenerate import renderers
from alembic.operations import ops
from sqlalchemy.sql.elements import conv

from ..sql_text import escaped

OperationT = t.TypeVar("OperationT", bound=ops.MigrateOperation)
Key = tuple[str | None, str]
"""A table: its schema, ``None`` for the default one, and its name."""


def label(key: Key) -> str:
    """Return a table as people write it: ``schema.table``, or ``table`` in the default schema."""
    schema, name = key
    return f"{schema}.{name}" if schema else name


def as_kind(kind: type[OperationT], operation: ops.MigrateOperation, **more: t.Any) -> OperationT:
    """Return the same operation as one of a subclass.

    :param more: what the subclass has besides.
    """
    made = kind.__new__(kind)
    vars(made).update(vars(operation), **more)
    return made


class OwnOperation(ops.MigrateOperation):
    """Base of the operations that know themselves how they are written.

    :param table_name: the table that it is about, for filters and for the reader.
    """

    table_name: str = ""
    schema: str | None = None

    def render(self, context: t.Any) -> str | list[str]:
        """Return the lines of Python that go into the revision file."""
        raise NotImplementedError

    def describe(self) -> str:
        """One line for a person; empty when it changes nothing."""
        raise NotImplementedError

    def reverse(self) -> ops.MigrateOperation:
        raise NotImplementedError

    def to_diff_tuple(self) -> tuple[t.Any, ...]:
        return (type(self).__name__, self.describe())


def render_constraint(context: t.Any, verb: str, operation: t.Any, argument: str) -> str:
    """Return the call that adds a constraint, in batch mode or not.

    :param argument: what comes after the name and the table, as code.
    """
    batch = context.opts.get("render_as_batch")
    prefix = "batch_op." if batch else _prefix(context)
    name = repr(operation.constraint_name)
    if isinstance(operation.constraint_name, conv):
        name = f"{prefix}f({str(operation.constraint_name)!r})"
    if batch:
        return f"{prefix}{verb}({name}, {argument})"
    schema = f", schema={operation.schema!r}" if operation.schema else ""
    return f"{prefix}{verb}({name}, {str(operation.table_name)!r}, {argument}{schema})"


@renderers.dispatch_for(OwnOperation)
def _render(context: t.Any, operation: OwnOperation) -> str | list[str]:
    return operation.render(context)


def _prefix(context: t.Any) -> str:
    return t.cast(str, context.opts["alembic_module_prefix"])


class RenameTable(OwnOperation, ops.RenameTableOp):
    """Alembic's ``rename_table`` within one schema, which Alembic can neither write nor reverse."""

    def __init__(self, old: str, new: str, schema: str | None = None) -> None:
        ops.RenameTableOp.__init__(self, old, new, schema=schema)

    def render(self, context: t.Any) -> str:
        schema = f", schema={self.schema!r}" if self.schema else ""
        return f"{_prefix(context)}rename_table({str(self.table_name)!r}, {str(self.new_table_name)!r}{schema})"

    def describe(self) -> str:
        return f"rename table {label((self.schema, self.table_name))} to {self.new_table_name}"

    def reverse(self) -> RenameTable:
        return RenameTable(str(self.new_table_name), str(self.table_name), self.schema)


class RenameColumn(ops.AlterColumnOp):
    """Alembic's ``alter_column`` with a new name, which Alembic forgets when it reverses.

    It stands outside of batch blocks: every supported database renames a column in place, and then indexes,
    checks and foreign keys of other tables follow, which a rebuilt table's don't.
    """

    def reverse(self) -> RenameColumn:
        reverse = RenameColumn(
            self.table_name,
            str(self.modify_name),
            schema=self.schema,
            existing_type=self.existing_type,
            existing_nullable=self.existing_nullable,
            existing_server_default=self.existing_server_default,
            existing_comment=self.existing_comment,
            modify_name=self.column_name,
        )
        reverse.kw = dict(self.kw)
        return reverse

    def describe(self) -> str:
        """One line for a person."""
        table = label((self.schema, self.table_name))
        return f"rename column {table}.{self.column_name} to {self.modify_name}"


class Statement(OwnOperation, ops.ExecuteSQLOp):
    """SQL that this dialect needs, with the SQL that undoes it.

    :param up: what runs.
    :param down: what undoes it; ``None`` if nothing needs to.
    :param words: the description, and the one of its reverse.
    """

    def __init__(
        self,
        up: str | None,
        down: str | None,
        words: tuple[str, str] = ("", ""),
        table_name: str = "",
        schema: str | None = None,
    ) -> None:
        ops.ExecuteSQLOp.__init__(self, up or "")
        self.down = down
        self.words = words
        self.table_name, self.schema = table_name, schema

    def render(self, context: t.Any) -> list[str]:
        return [f"{_prefix(context)}execute({escaped(str(self.sqltext))!r})"] if self.sqltext else []

    def describe(self) -> str:
        return self.words[0]

    def reverse(self) -> Statement:
        words = self.words[1], self.words[0]
        return Statement(self.down, str(self.sqltext) or None, words, self.table_name, self.schema)


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


class OneWay(ops.ModifyTableOps):
    """Changes of a table that are undone by something else."""

    def reverse(self) -> t.Any:
        return OnlyBack(self)


class Remark(OwnOperation):
    """A comment in the file, before the operation that it is about; see :func:`remark`."""

    def __init__(self, text: str) -> None:
        self.text = text

    def render(self, context: t.Any) -> list[str]:
        # A colon at the end of a line would open a block for Alembic's printer.
        return [f"# {line.rstrip(' :')}" for line in self.text.splitlines() if line.strip()]

    def describe(self) -> str:
        return ""

    def reverse(self) -> Remark:
        return Remark(self.text)


def remark(operation: ops.MigrateOperation, text: str, reverse_text: str = "") -> None:
    """Have a comment written before an operation, and another one before its reverse.

    :param text: for ``upgrade()``, may have several lines; none when empty.
    :param reverse_text: for ``downgrade()``.
    """
    before, after = notes(operation).get(_REMARKS, ((), ()))
    notes(operation)[_REMARKS] = ((*before, text), (*after, reverse_text))


_REMARKS = "remarks"


def notes(operation: ops.MigrateOperation) -> dict[str, t.Any]:
    """Return the notes of passes about an operation; its ``info`` may be its table's, and is written into the file."""
    return t.cast("dict[str, t.Any]", vars(operation).setdefault("schemaflow_notes", {}))


def place_remarks(up: ops.OpContainer, down: ops.OpContainer) -> None:
    """Turn the remarks of operations into operations of their own.

    :param down: the operations of ``up``, each reversed, in reverse order.
    """
    forwards, backwards = list(up.ops), list(reversed(down.ops))
    up.ops[:], down.ops[:] = [], []
    for operation, reverse in zip(forwards, backwards, strict=True):
        if isinstance(operation, ops.OpContainer) and isinstance(reverse, ops.OpContainer):
            place_remarks(operation, reverse)
        texts = notes(operation).get(_REMARKS, ((), ()))
        up.ops += [*(Remark(text) for text in texts[0] if text), operation]
        # From the end to the beginning, to be turned round as a whole.
        down.ops += [reverse, *(Remark(text) for text in reversed(texts[1]) if text)]
    down.ops.reverse()


def mark_followers(operations: t.Iterable[ops.MigrateOperation]) -> None:
    """Note that operations only follow a rename, so that nobody need name them beside it."""
    for operation in operations:
        notes(operation)[_FOLLOWS] = True


def follows(operation: ops.MigrateOperation) -> bool:
    """Return whether an operation only follows a rename, such as an index that is named after its table."""
    return _FOLLOWS in notes(operation)


_FOLLOWS = "follows"


def is_about_index(operation: t.Any, name: str) -> bool:
    """Return whether an operation creates or drops the index of this name."""
    return isinstance(operation, (ops.CreateIndexOp, ops.DropIndexOp)) and operation.index_name == name


def drops_foreign_key(operation: t.Any) -> bool:
    """Return whether an operation drops a foreign key."""
    return isinstance(operation, ops.DropConstraintOp) and operation.constraint_type == "foreignkey"


def table_of(operation: t.Any) -> str:
    """Return the name of the table that an operation is about; empty where there is none."""
    return getattr(operation, "table_name", None) or getattr(operation, "source_table", None) or ""


def put_before_type_changes(
    up: ops.UpgradeOps, make: t.Callable[[ops.AlterColumnOp], list[ops.MigrateOperation]]
) -> None:
    """Put what ``make`` gives for each change of a column's type before the container that the change is in."""
    made: list[ops.MigrateOperation] = []
    for container in up.ops:
        for change in container.ops if isinstance(container, ops.ModifyTableOps) else ():
            if isinstance(change, ops.AlterColumnOp) and change.modify_type is not None:
                made += make(change)
        made.append(container)
    up.ops[:] = made


def leaves(container: ops.OpContainer) -> t.Iterator[t.Any]:
    """Return the operations of a container, those of its tables included; remarks are none."""
    for operation in container.ops:
        if isinstance(operation, ops.OpContainer):
            yield from leaves(operation)
        elif not isinstance(operation, Remark):
            yield operation
