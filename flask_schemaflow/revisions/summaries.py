"""The operations of a revision in words, read from its file without running it."""

from __future__ import annotations

import ast
import typing as t

from .calls import Call
from .calls import UNSEEN
from .calls import upgrade_calls

_LONGEST = 100


def summarize(path: str, bind: str | None = None) -> list[str]:
    """Return what ``upgrade()`` of a revision file does, a phrase for each operation.

    :param path: the file.
    :param bind: the database, for a file with a function for each.
    :returns: phrases such as ``create table product``; empty for a file that can't be read or does nothing.
    """
    phrases = [_phrase(call) for call, _ in upgrade_calls(path, bind)]
    return list(dict.fromkeys(phrase for phrase in phrases if phrase))


def _phrase(call: Call) -> str:
    describe = _PHRASES.get(call.name)
    if describe is not None:
        return describe(call)
    if call.name in _SILENT:
        return ""
    table = _table(call)
    return call.name.replace("_", " ") + (f" on {table}" if table != _COMPUTED else "")


_COMPUTED = "(computed)"
_SILENT = ("batch_alter_table", "f", "get_bind", "get_context", "inline_literal", UNSEEN)


def _table(call: Call, position: int = 0, name: str = "table_name") -> str:
    found = call.table_name(position, name)
    return str(found) if isinstance(found, str) else _COMPUTED


def _column(call: Call) -> str:
    found = call.argument(call.after_table, "column_name")
    return str(found) if isinstance(found, str) else _COMPUTED


def _of_columns(call: Call, verb: str) -> str:
    names = call.columns(call.after_table) or [_COMPUTED]
    return ", ".join(f"{verb} column {_table(call)}.{name}" for name in names)


def _alteration(call: Call) -> str:
    column = f"{_table(call)}.{_column(call)}"
    new_name = call.argument(99, "new_column_name")
    if isinstance(new_name, str):
        return f"rename column {column} to {new_name}"
    nullable = call.argument(99, "nullable")
    parts = ["its type"] if call.has("type_") else []
    parts += [] if nullable is None else ["allow NULL" if nullable else "NOT NULL"]
    parts += ["its default"] if call.has("server_default") else []
    parts += ["its comment"] if call.has("comment") else []
    return f"change column {column}" + (f" ({', '.join(parts)})" if parts else "")


def _name(call: Call, parameter: str) -> str | None:
    """Return a name, also in ``op.f("ix_product_name")``."""
    node = call.node_of(0, parameter)
    if isinstance(node, ast.Call) and len(node.args) == 1:
        node = node.args[0]
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _named(call: Call, words: str, parameter: str = "constraint_name", source: str = "table_name") -> str:
    name = _name(call, parameter)
    table = call.table_name(1, source)
    named = f" {name}" if name else ""
    return f"{words}{named}" + (f" on {table}" if isinstance(table, str) else "")


def _statement(call: Call) -> str:
    text = call.statement()
    if text is None:
        return "run SQL"
    flat = " ".join(text.split())
    return f"run {flat if len(flat) <= _LONGEST else flat[: _LONGEST - 4] + ' ...'}"


_PHRASES: dict[str, t.Callable[[Call], str]] = {
    "create_table": lambda call: f"create table {_table(call)}",
    "drop_table": lambda call: f"drop table {_table(call)}",
    "rename_table": lambda call: (
        f"rename table {_table(call, 0, 'old_table_name')} to {call.argument(1, 'new_table_name') or _COMPUTED}"
    ),
    "add_column": lambda call: _of_columns(call, "add"),
    "drop_column": lambda call: f"drop column {_table(call)}.{_column(call)}",
    "alter_column": _alteration,
    "create_index": lambda call: _named(call, "add index", "index_name"),
    "drop_index": lambda call: _named(call, "drop index", "index_name"),
    "create_unique_constraint": lambda call: _named(call, "add unique constraint"),
    "create_check_constraint": lambda call: _named(call, "add check"),
    "create_foreign_key": lambda call: _named(call, "add foreign key", source="source_table"),
    "create_primary_key": lambda call: _named(call, "add primary key"),
    "drop_constraint": lambda call: _named(call, "drop constraint"),
    "bulk_insert": lambda call: "insert rows",
    "execute": _statement,
}
