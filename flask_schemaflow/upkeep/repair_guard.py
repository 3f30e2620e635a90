"""Have the revision that repairs a database do nothing on every other one, which never drifted."""

from __future__ import annotations

import ast
import textwrap
import typing as t

from ..records import Drift
from ..runtime.planning import function_name

_CHECK = '''

def {name}() -> bool:
    """Return whether this database has what was done by hand; the others need nothing."""
    inspector = sa.inspect(op.get_bind())
    return all(
        (
{conditions}
        )
    )
'''
GUARD = "_is_drifted"
"""Begins the names of the functions that look whether a database drifted."""

_READERS = {
    "column": "get_columns",
    "index": "get_indexes",
    "unique constraint": "get_unique_constraints",
    "foreign key": "get_foreign_keys",
    "check": "get_check_constraints",
}


def only_where_drifted(text: str, found: t.Sequence[Drift]) -> str:
    """Return a revision's text with a check in front of its ``upgrade()``, and an empty ``downgrade()``.

    :param found: what the revision undoes.
    """
    added = []
    for database in sorted({item.database for item in found}):
        bind = None if database == "default" else database
        conditions = [line for item in found if item.database == database for line in _conditions(item)]
        up, down = function_name("upgrade", bind), function_name("downgrade", bind)
        check = f"{GUARD}{up.removeprefix('upgrade')}"
        if conditions:
            listed = textwrap.indent(",\n".join(conditions) + ",", " " * 12)
            added.append(_CHECK.format(name=check, conditions=listed))
            text = _with_first_lines(text, up, f"if not {check}():\n    return")
        text = _with_body(text, down, "pass  # what was done by hand does not come back")
    return text.rstrip() + "\n" + "".join(added)


def _conditions(drift: Drift) -> list[str]:
    """Return the expressions that are true in the database that drifted."""
    if drift.kind == "different":
        return []
    negation = "not " if drift.kind == "missing" else ""
    kind = next((kind for kind in ("table", *_READERS) if drift.part.startswith(f"{kind} ")), "")
    schema, _, table = table_in(drift.part).rpartition(".")
    where = f"{table!r}" + (f", schema={schema!r}" if schema else "")
    if kind == "table":
        schema, _, table = drift.part.removeprefix("table ").rpartition(".")
        return [f"{negation}inspector.has_table({table!r}" + (f", schema={schema!r})" if schema else ")")]
    name = drift.part.removeprefix(f"{kind} ").partition(" of ")[0].rpartition("." if kind == "column" else "\0")[2]
    if kind not in _READERS or name.isdigit() or name == "None":
        return []
    listed = f"[item['name'] for item in inspector.{_READERS[kind]}({where})]"
    return [f"{name!r} {negation}in {listed}"]


def _function(text: str, name: str) -> ast.FunctionDef | None:
    functions = [node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)]
    return next((node for node in functions if node.name == name), None)


def _with_first_lines(text: str, name: str, lines: str) -> str:
    node = _function(text, name)
    if node is None:
        return text
    at = node.body[0].lineno - 1
    whole = text.splitlines(keepends=True)
    while at > node.lineno and whole[at - 1].lstrip().startswith("#"):
        at -= 1
    return "".join([*whole[:at], textwrap.indent(lines, "    ") + "\n", *whole[at:]])


def _with_body(text: str, name: str, line: str) -> str:
    node = _function(text, name)
    if node is None:
        return text
    whole = text.splitlines(keepends=True)
    return "".join([*whole[: node.lineno], f"    {line}\n", *whole[node.end_lineno :]])


def table_in(part: str) -> str:
    """Return the table of a part: of ``column users.email`` and ``index ix of users``."""
    if part.startswith("column "):
        return part.removeprefix("column ").rpartition(".")[0]
    return part.rpartition(" of ")[2]


def words_of_part(value: t.Any, compared: t.Iterable[t.Any]) -> str:
    """Return what a part is, in few words: its type, or the properties that differ.

    :param compared: the values of that part in all schemas that are compared.
    """
    if value is None:
        return "-"
    if value is True:
        return "yes"
    pairs = _pairs(value)
    if not pairs:
        return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
    others = [_pairs(item) for item in compared if item is not None]
    differing = [name for name in pairs if len({item.get(name) for item in others}) > 1]
    if differing:
        return ", ".join(f"{name} {pairs.get(name)}" for name in differing)
    if "type" in pairs:
        return f"{pairs['type']}{'' if pairs.get('nullable') == 'True' else ' NOT NULL'}"
    return "yes"


def _pairs(value: t.Any) -> dict[str, t.Any]:
    is_pairs = isinstance(value, tuple) and value and all(isinstance(item, tuple) and len(item) == 2 for item in value)
    return {str(name): item for name, item in value} if is_pairs else {}
