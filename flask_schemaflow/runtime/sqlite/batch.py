"""``op.batch_alter_table`` on SQLite without the losses of Alembic's own.

SQLite can change little of a table, so most changes copy it. Alembic copies what SQLAlchemy reflects of it, which is
less than there is; here the table's own text is edited, and what the operations don't mention stays letter by letter.
"""

from __future__ import annotations

import contextlib
import functools
import typing as t

from alembic import op
from alembic.operations import MigrateOperation
from alembic.operations import Operations

from ...errors import SchemaflowError
from ..guards import Guard
from ..guards import is_stamp
from ..guards import Scope

# What Alembic calls its copies of tables; see leftovers.
_REMAINS = "SELECT count(*) FROM main.sqlite_master WHERE name GLOB '_alembic_tmp_*'"
_COMMENTS = ("create_table_comment", "drop_table_comment", "create_column_comment")
_KNOWN = {
    "alter_column",
    "add_column",
    "drop_column",
    "add_constraint",
    "drop_constraint",
    "create_index",
    "drop_index",
    *_COMMENTS,
}


class SqliteBatch(Guard):
    """Promises that a table which batch mode changes keeps its rows and everything that the change doesn't mention.

    No row of the table or of its children is lost and no link is nulled. Triggers, views, every kind of index, CHECKs,
    collations, AUTOINCREMENT with its sequence, generated columns, STRICT, WITHOUT ROWID, conflict clauses and foreign
    keys survive. A change of type keeps every value or is refused, naming one that it would change.
    """

    def __init__(self) -> None:
        self._path = ""

    @classmethod
    def applies(cls, scope: Scope) -> bool:
        """Also on a connection of the caller's: what would lose rows there is refused."""
        return scope.mode == "write" and scope.dialect == "sqlite" and scope.settings.safe_batch

    def plan(self, scope: Scope, steps: t.Sequence[t.Any]) -> None:
        """Look for what a rebuild that was cut off left behind, before anything runs."""
        if all(is_stamp(step) for step in steps) or not scope.connection.exec_driver_sql(_REMAINS).scalar():
            return
        from .catalog import Catalog
        from .leftovers import look

        look(Catalog(scope.connection), scope)

    def begin_step(self, scope: Scope, step: t.Any) -> None:
        """Stand in for Alembic's batch mode while this step runs."""
        revision = getattr(step, "revision", None)
        self._path = str(getattr(revision, "path", "") or "")
        taken = TakeOver()
        op.invoke(taken)
        if taken.operations is not None:
            stand_in(taken.operations, scope)

    def failed(self, scope: Scope, error: BaseException) -> None:
        """A refusal says in which line it arose."""
        if not isinstance(error, SchemaflowError) or error.details or not self._path:
            return
        from ...errors.running import RunError
        from ..translation.places import place_below

        if isinstance(error, RunError):
            place = place_below(error, [self._path])
            if place is not None:
                error.details = f"  {place}"


class TakeOver(MigrateOperation):
    """Asks for the object behind ``alembic.op``, which Alembic hands to the implementation of an operation."""

    def __init__(self) -> None:
        self.operations: Operations | None = None


@Operations.implementation_for(TakeOver)
def _hand_over(operations: Operations, operation: TakeOver) -> None:
    operation.operations = operations


def stand_in(operations: Operations, scope: Scope) -> None:
    """Let ``batch_alter_table`` of one object end in our way of changing a table."""
    if "batch_alter_table" in vars(operations):
        return
    original = operations.batch_alter_table

    @functools.wraps(original)
    @contextlib.contextmanager
    def batch_alter_table(*args: t.Any, **kwargs: t.Any) -> t.Iterator[t.Any]:
        with original(*args, **kwargs) as batch_op:
            batch: t.Any = batch_op.impl
            plain = batch.flush
            batch.flush = lambda: flush(batch, plain, scope)
            yield batch_op

    setattr(operations, "batch_alter_table", batch_alter_table)  # noqa: B010


def flush(batch: t.Any, plain: t.Callable[[], None], scope: Scope) -> None:
    """Carry out what was collected in a ``with op.batch_alter_table()`` block.

    :param plain: Alembic's own way, for what needs no rebuild and for ``--sql``.
    """
    impl = batch.operations.impl
    recreate = batch.recreate == "always" or (batch.recreate == "auto" and impl.requires_recreate_in_batch(batch))
    if impl.as_sql or not recreate or not {name for name, *_ in batch.batch} <= _KNOWN:
        plain()
        return
    from .changing import change

    change(batch, scope)
