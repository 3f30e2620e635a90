"""Operations in words: each in one line, and all of a revision in a message that makes a good file name.

Our own operations describe themselves; for Alembic's there is a table by type.
"""

from __future__ import annotations

import re
import typing as t

from alembic.operations import ops

from .operations import follows
from .operations import RenameColumn
from .operations import RenameTable
from .operations import Statement
from .operations import table_of
from .operations.fills import DropFill
from .operations.fills import FillColumn
from .operations.fills import SetNotNull

_LENGTH, _LONGEST = 60, 80


Describe = t.Callable[[t.Any, str], str]

_DROPPED = {
    "unique": "drop unique constraint",
    "foreignkey": "drop foreign key",
    "primary": "drop primary key",
    "check": "drop check",
}

_DESCRIPTIONS: dict[type, Describe] = {
    ops.CreateTableOp: lambda operation, table: f"add table {table}",
    ops.DropTableOp: lambda operation, table: f"drop table {table}",
    ops.RenameTableOp: lambda operation, table: f"rename table {table} to {operation.new_table_name}",
    ops.AddColumnOp: lambda operation, table: f"add column {table}.{operation.column.name}",
    ops.DropColumnOp: lambda operation, table: f"drop column {table}.{operation.column_name}",
    ops.AlterColumnOp: lambda operation, table: f"change column {table}.{operation.column_name}: {_changes(operation)}",
    ops.CreateIndexOp: lambda operation, table: f"add index {operation.index_name} on {table}",
    ops.DropIndexOp: lambda operation, table: f"drop index {operation.index_name} of {table}",
    ops.DropConstraintOp: lambda operation, table: _constraint(
        operation, table, _DROPPED.get(str(operation.constraint_type), "drop constraint"), "of"
    ),
    ops.CreateUniqueConstraintOp: lambda operation, table: _constraint(operation, table, "add unique constraint"),
    ops.CreateForeignKeyOp: lambda operation, table: (
        f"{_constraint(operation, table, 'add foreign key')} to {operation.referent_table}"
    ),
    ops.CreatePrimaryKeyOp: lambda operation, table: _constraint(operation, table, "add primary key"),
    ops.CreateCheckConstraintOp: lambda operation, table: _constraint(operation, table, "add check"),
    ops.CreateTableCommentOp: lambda operation, table: _constraint(operation, table, "change comment"),
    ops.DropTableCommentOp: lambda operation, table: _constraint(operation, table, "drop comment"),
}


def describe(operation: t.Any) -> str:
    """Return one operation in one line; an operation with a method of this name describes itself."""
    if hasattr(operation, "describe"):
        return str(operation.describe())
    table = table_of(operation)
    known = _by_type(_DESCRIPTIONS, operation)
    if known is not None:
        return known(operation, table)
    return _constraint(operation, table, type(operation).__name__.removesuffix("Op"))


def _by_type(descriptions: dict[type, Describe], operation: t.Any) -> Describe | None:
    return next((descriptions[kind] for kind in type(operation).__mro__ if kind in descriptions), None)


def _constraint(operation: t.Any, table: str, words: str, preposition: str = "on") -> str:
    name = getattr(operation, "constraint_name", None)
    columns = ", ".join(map(str, getattr(operation, "columns", None) or getattr(operation, "local_cols", None) or ()))
    where = f"{preposition} {table}" + (f" ({columns})" if columns else "") if table else ""
    return " ".join(part for part in (words, name if isinstance(name, str) else "", where) if part)


def _changes(operation: ops.AlterColumnOp) -> str:
    parts = []
    if operation.modify_name is not None:
        parts.append(f"name to {operation.modify_name}")
    if operation.modify_type is not None:
        parts.append(f"type from {operation.existing_type!r} to {operation.modify_type!r}")
    if operation.modify_nullable is not None:
        parts.append("NULL allowed" if operation.modify_nullable else "NOT NULL")
    if operation.modify_server_default is not False:
        parts.append("server default")
    if operation.modify_comment is not False:
        parts.append("comment")
    return ", ".join(parts) or "attributes"


class _Phrase(t.NamedTuple):
    """What an operation does, in the message of its revision.

    :param verb: the first word.
    :param table: the table that it is about.
    :param rest: the column and what follows it; empty for the table as a whole.
    :param words: the phrase of an operation that is named only if nothing else of its table is.
    :param short: the same without the name of a constraint or an index.
    """

    verb: str
    table: str
    rest: str = ""
    words: str = ""
    short: str = ""


def message_for(databases: t.Iterable[t.Iterable[t.Any]]) -> str:
    """Return a message such as ``rename ticket.subject to title, add channel``, or ``create a, create b and 3 more``.

    :param databases: the operations of each database.
    """
    found: list[_Phrase] = []
    for operations in databases:
        found += [phrase for phrase in map(_phrase, operations) if phrase is not None]
    # The index of a table that comes or goes is no news, nor is that of a new column.
    named = {phrase.table for phrase in found if not phrase.words}
    phrases = [phrase for phrase in found if not phrase.words or (phrase.table and phrase.table not in named)]
    phrases = list(dict.fromkeys(phrases or found))
    if len(phrases) > 1:
        short = (item._replace(words=item.short) if item.words and item.table else item for item in phrases)
        phrases = sorted(dict.fromkeys(short), key=lambda phrase: phrase.verb != "rename")
    texts = list(_in_turn(phrases)) or ["change tables"]
    shown = 1
    while shown < len(texts) and len(_joined(texts, shown + 1)) <= _LENGTH:
        shown += 1
    return _cut(_joined(texts, shown))


def _in_turn(phrases: t.Iterable[_Phrase]) -> t.Iterator[str]:
    """Return the phrases in words; a table is named once for columns of it that follow each other."""
    before = ""
    for verb, table, rest, words, _ in phrases:
        column = rest if table == before else f"{table}.{rest}"
        yield words or f"{verb} {column if rest else table}"
        before = table if rest else ""


def _joined(phrases: list[str], number: int) -> str:
    rest = len(phrases) - number
    return ", ".join(phrases[:number]) + (f" and {rest} more" if rest else "")


def _cut(text: str) -> str:
    """Return a text of at most about a line, cut at a word."""
    return text if len(text) <= _LONGEST else text[:_LONGEST].rpartition(" ")[0] or text[:_LONGEST]


_PHRASES: dict[type, t.Callable[[t.Any, str], _Phrase]] = {
    ops.CreateTableOp: lambda operation, table: _Phrase("create", table),
    ops.DropTableOp: lambda operation, table: _Phrase("drop", table),
    RenameTable: lambda operation, table: _Phrase("rename", f"{table} to {_plain(operation.new_table_name)}"),
    RenameColumn: lambda operation, table: _Phrase(
        "rename", table, f"{_plain(operation.column_name)} to {_plain(operation.modify_name)}"
    ),
    ops.AddColumnOp: lambda operation, table: _Phrase("add", table, _plain(operation.column.name)),
    ops.DropColumnOp: lambda operation, table: _Phrase("drop", table, _plain(operation.column_name)),
    ops.AlterColumnOp: lambda operation, table: _Phrase("change", table, _plain(operation.column_name)),
}
_COLUMN = re.compile(r"(\w+) column (.+)\.([^.]+)\Z")


def _phrase(operation: t.Any) -> _Phrase | None:
    if follows(operation) or isinstance(operation, (FillColumn, SetNotNull, DropFill)):  # parts of an addition
        return None
    table = _plain(table_of(operation))
    if isinstance(operation, Statement):
        words = operation.describe()
        column = _COLUMN.match(words)
        if column is not None:
            return _Phrase(column[1], _cleaned(column[2]), _cleaned(column[3]))
        verb, _, rest = re.sub(r"^(\w+) table ", r"\1 ", words).partition(" ")
        return _Phrase(verb, _cleaned(rest)) if words else None
    known = t.cast("t.Callable[[t.Any, str], _Phrase] | None", _by_type(t.cast(t.Any, _PHRASES), operation))
    if known is not None:
        return known(operation, table)
    words = _cleaned(describe(operation))
    name = getattr(operation, "constraint_name", None) or getattr(operation, "index_name", None)
    short = words.replace(f" {_cleaned(str(name))}", "", 1) if name else words
    return _Phrase("", table, words=words, short=short) if words else None


def _cleaned(words: str) -> str:
    return re.sub(r"[^\w $.-]", "_", words.replace(" (", " ").replace(")", "").replace(",", ""))


def _plain(name: t.Any) -> str:
    """Return a name as it may stand in a docstring and in a file's name."""
    return re.sub(r"[^\w$-]", "_", str(name))
