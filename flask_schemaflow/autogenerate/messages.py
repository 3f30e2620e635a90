"""The message of a revision whose author gave none: what it does, in a line that makes a good file name."""

from __future__ import annotations

import re
import typing as t

from alembic.operations import ops

from ..patterns import pattern
from .fill_operations import FillColumn
from .fill_operations import SetNotNull
from .operations import follows
from .operations import RenameColumn
from .operations import RenameTable
from .operations import Statement
from .operations import table_of

_LENGTH = 60


def message_for(databases: t.Iterable[t.Iterable[t.Any]]) -> str:
    """``rename department to departments``, or ``add employees.salary and 3 more``.

    :param databases: the operations of each database.
    """
    phrases: list[str] = []
    for operations in databases:
        phrases += [phrase for phrase in map(_phrase, operations) if phrase]
    # The index of a table that comes or goes is no news.
    whole = {phrase.partition(" ")[2] for phrase in phrases if phrase.startswith(("create ", "drop "))}
    phrases = [phrase for phrase in phrases if not (phrase.startswith("change ") and phrase[7:] in whole)]
    phrases = list(dict.fromkeys(phrases)) or ["change tables"]
    shown = phrases[:1]
    while len(shown) < len(phrases) and len(_joined(phrases, len(shown) + 1)) <= _LENGTH:
        shown.append(phrases[len(shown)])
    return _joined(phrases, len(shown))


def _joined(phrases: list[str], number: int) -> str:
    rest = len(phrases) - number
    return ", ".join(phrases[:number]) + (f" and {rest} more" if rest else "")


def _phrase(operation: t.Any) -> str:
    if follows(operation) or isinstance(operation, (FillColumn, SetNotNull)):  # the last two are parts of an addition
        return ""
    if isinstance(operation, Statement):
        return _NOT_PLAIN.sub("_", re.sub(r"^(\w+) (?:column|table) ", r"\1 ", operation.describe()))
    table = _plain(table_of(operation))
    if isinstance(operation, ops.CreateTableOp):
        return f"create {table}"
    if isinstance(operation, ops.DropTableOp):
        return f"drop {table}"
    if isinstance(operation, RenameTable):
        return f"rename {table} to {_plain(operation.new_table_name)}"
    if isinstance(operation, RenameColumn):
        return f"rename {table}.{_plain(operation.column_name)} to {_plain(operation.modify_name)}"
    if isinstance(operation, ops.AddColumnOp):
        return f"add {table}.{_plain(operation.column.name)}"
    if isinstance(operation, ops.DropColumnOp):
        return f"drop {table}.{_plain(operation.column_name)}"
    if isinstance(operation, ops.AlterColumnOp):
        return f"change {table}.{_plain(operation.column_name)}"
    return f"change {table}" if table else ""


_NOT_PLAIN = pattern(r"[^\w $.-]")


def _plain(name: t.Any) -> str:
    """A name as it may stand in a docstring and in a file's name."""
    return re.sub(r"[^\w$-]", "_", str(name))
