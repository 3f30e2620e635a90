"""The enum types that the revisions of a folder leave in a PostgreSQL database, read from their files.

Other databases have texts in the place of such types, so only the files know which values a type has by now.
"""

from __future__ import annotations

import ast
import re
import typing as t

from ....revisions.calls import Call
from ....revisions.calls import upgrade_calls
from ...operations import Key

_NAME = r'((?:"[^"]+"|\w+)(?:\.(?:"[^"]+"|\w+))?)'
_VALUE = r"'((?:[^']|'')*)'"
_CREATE = re.compile(rf"\s*CREATE TYPE {_NAME} AS ENUM \((.*)\)\s*;?\s*", re.DOTALL | re.IGNORECASE)
_DROP = re.compile(rf"\s*DROP TYPE (?:IF EXISTS )?{_NAME}", re.IGNORECASE)
_RENAME = re.compile(rf"\s*ALTER TYPE {_NAME} RENAME TO {_NAME}", re.IGNORECASE)
_RENAME_VALUE = re.compile(rf"\s*ALTER TYPE {_NAME} RENAME VALUE {_VALUE} TO {_VALUE}", re.IGNORECASE)
_ADD_VALUE = re.compile(
    rf"\s*ALTER TYPE {_NAME} ADD VALUE (?:IF NOT EXISTS )?{_VALUE}(?: (BEFORE|AFTER) {_VALUE})?", re.IGNORECASE
)
ASIDE = "__old"
"""What the name of a type ends with while a new one takes its place."""


class EnumHistory:
    """What ``upgrade()`` of one revision after the other does about enum types.

    :param paths: the files, the oldest first.
    :ivar labels: the values of each type; none where the files don't tell them.
    :ivar columns: the columns of each table that have a type, by the names that they have at the end.
    """

    def __init__(self, paths: t.Iterable[str], bind: str | None = None) -> None:
        self.labels: dict[Key, tuple[str, ...]] = {}
        self.columns: dict[Key, dict[str, Key]] = {}
        for path in paths:
            for call, assigned in upgrade_calls(path, bind):
                read = _READERS.get(call.name)
                if read is not None:
                    read(self, call, assigned)

    def _table(self, call: Call) -> Key:
        schema = call.argument(99, "schema")
        name = call.table_name()
        # A batch says its schema once for all.
        known = (key for key in self.columns if key[1] == name)
        return next(known, (None, str(name))) if call.batch else (schema, str(name))

    def create_table(self, call: Call, assigned: t.Mapping[str, ast.expr]) -> None:
        """Read the columns of a new table."""
        key = self._table(call)
        self.columns[key] = {}
        for node in call.node.args[1:]:
            self._column(key, node, assigned)

    def add_column(self, call: Call, assigned: t.Mapping[str, ast.expr]) -> None:
        """Read a new column."""
        node = call.node_of(call.after_table, "column")
        if node is not None:
            self._column(self._table(call), node, assigned)

    def alter_column(self, call: Call, assigned: t.Mapping[str, ast.expr]) -> None:
        """Read a new type or a new name of a column."""
        columns = self.columns.setdefault(self._table(call), {})
        name = str(call.argument(call.after_table, "column_name"))
        given = call.node_of(99, "type_")
        if given is not None:
            columns.pop(name, None)
            enum = _enum(given, assigned)
            if enum is not None:
                columns[name] = enum[0]
                self.labels[enum[0]] = enum[1] or self.labels.get(enum[0], ())
        new = call.argument(99, "new_column_name")
        if new and name in columns:
            columns[str(new)] = columns.pop(name)

    def drop_column(self, call: Call, assigned: t.Mapping[str, ast.expr]) -> None:
        """Forget a column."""
        name = call.argument(call.after_table, "column_name")
        self.columns.get(self._table(call), {}).pop(str(name), None)

    def drop_table(self, call: Call, assigned: t.Mapping[str, ast.expr]) -> None:
        """Forget a table."""
        self.columns.pop(self._table(call), None)

    def rename_table(self, call: Call, assigned: t.Mapping[str, ast.expr]) -> None:
        """Read a new name of a table."""
        old = (call.argument(2, "schema"), str(call.argument(0, "old_table_name")))
        self.columns[old[0], str(call.argument(1, "new_table_name"))] = self.columns.pop(old, {})

    def execute(self, call: Call, assigned: t.Mapping[str, ast.expr]) -> None:
        """Read a statement about a type."""
        text = (call.statement() or "").replace("\\:", ":")
        if match := _CREATE.match(text):
            self.labels[_key(match[1])] = tuple(map(_unquoted, re.findall(_VALUE, match[2])))
        elif match := _DROP.match(text):
            self.labels.pop(_key(match[1]), None)
        elif match := _RENAME_VALUE.match(text):
            old, new = _unquoted(match[2]), _unquoted(match[3])
            labels = self.labels.get(_key(match[1]), ())
            self.labels[_key(match[1])] = tuple(new if label == old else label for label in labels)
        elif match := _ADD_VALUE.match(text):
            self._add_value(_key(match[1]), _unquoted(match[2]), match[3], match[4])
        elif match := _RENAME.match(text):
            self._rename(_key(match[1]), _key(match[2])[1])

    def _add_value(self, key: Key, value: str, where: str | None, other: str | None) -> None:
        labels = list(self.labels.get(key, ()))
        if not labels or value in labels:
            return
        near = _unquoted(other or "")
        place = labels.index(near) + (str(where).upper() == "AFTER") if near in labels else len(labels)
        self.labels[key] = (*labels[:place], value, *labels[place:])

    def _rename(self, key: Key, name: str) -> None:
        if name.endswith(ASIDE):
            return
        new = (key[0], name)
        self.labels[new] = self.labels.pop(key, ())
        for columns in self.columns.values():
            columns.update({column: new for column, found in columns.items() if found == key})

    def _column(self, table: Key, node: ast.expr, assigned: t.Mapping[str, ast.expr]) -> None:
        if not isinstance(node, ast.Call) or not ast.unparse(node.func).endswith("Column") or len(node.args) < 2:
            return
        name, enum = node.args[0], _enum(node.args[1], assigned)
        if enum is not None and isinstance(name, ast.Constant):
            self.columns.setdefault(table, {})[str(name.value)] = enum[0]
            self.labels[enum[0]] = self.labels.get(enum[0]) or enum[1]


_READERS: dict[str, t.Callable[[EnumHistory, Call, t.Mapping[str, ast.expr]], None]] = {
    name: getattr(EnumHistory, name)
    for name in ("create_table", "add_column", "alter_column", "drop_column", "drop_table", "rename_table", "execute")
}


def _enum(node: ast.expr, assigned: t.Mapping[str, ast.expr]) -> tuple[Key, tuple[str, ...]] | None:
    """Return the type that an expression makes, with its values; without them where they are computed."""
    if isinstance(node, ast.Name):
        node = assigned.get(node.id, node)
    for part in ast.walk(node):
        if isinstance(part, ast.Call) and ast.unparse(part.func).rpartition(".")[2].upper() == "ENUM":
            constants = (item for item in part.keywords if isinstance(item.value, ast.Constant))
            given: dict[str | None, t.Any] = {item.arg: t.cast(ast.Constant, item.value).value for item in constants}
            if given.get("name") and given.get("native_enum") is not False:
                values = [item.value if isinstance(item, ast.Constant) else None for item in part.args]
                is_plain = all(isinstance(value, str) for value in values)
                return (given.get("schema"), given["name"]), tuple(map(str, values)) if is_plain else ()
    return None


def _unquoted(text: str) -> str:
    return text.replace("''", "'")


def _key(text: str) -> Key:
    schema, _, name = text.rpartition(".")
    return schema.strip('"') or None, name.strip('"')
