"""``@backfill``: declares a function of a revision file as a backfill."""

from __future__ import annotations

import dataclasses
import types
import typing as t

if t.TYPE_CHECKING:
    import sqlalchemy as sa

    from .batches import Batch

Function = t.Callable[["Batch"], t.Any]
FunctionT = t.TypeVar("FunctionT", bound=Function)
Pause = t.Callable[["sa.Connection"], "str | bool | None"]

_MARK = "__schemaflow_backfill__"


@dataclasses.dataclass(frozen=True)
class Backfill:
    """A backfill as its revision declares it; the parameters are those of :func:`backfill`."""

    name: str
    function: Function
    table: str
    schema: str | None = None
    key: tuple[str, ...] = ()
    batch_size: int = 1000
    pause: Pause | None = None
    bind: str | None = None


def backfill(
    table: str,
    *,
    schema: str | None = None,
    key: t.Sequence[str] = (),
    batch_size: int = 1000,
    pause: Pause | None = None,
    bind: str | None = None,
) -> t.Callable[[FunctionT], FunctionT]:
    """Declare a function of a revision file as a backfill, which runs after the revision is applied.

    It is called with one :class:`~flask_schemaflow.backfills.batches.Batch` after the other, each in a transaction of
    its own, until every row that the table had at the beginning has been in one. What was committed is never repeated.

    :param table: the table whose rows it fills.
    :param schema: the schema of the table.
    :param key: unique columns without NULL, in the order of an index; the primary key by default.
    :param batch_size: the rows of the first batch; the size of later ones is adjusted to take 0.2 to 0.5 seconds.
    :param pause: called before each batch, with a connection; while it returns a reason, the backfill waits.
    :param bind: the bind that has the table, if that isn't the default database.
    """

    def decorated(function: FunctionT) -> FunctionT:
        declared = Backfill(function.__name__, function, table, schema, tuple(key), batch_size, pause, bind)
        setattr(function, _MARK, declared)
        return function

    return decorated


def backfills_of(module: types.ModuleType, bind: str | None = None) -> list[Backfill]:
    """Return the backfills of a revision's module for one database, in the order in which they stand there."""
    found = [getattr(value, _MARK) for value in vars(module).values() if isinstance(value, types.FunctionType)
             and hasattr(value, _MARK)]
    return [declared for declared in dict.fromkeys(found) if declared.bind == bind]
