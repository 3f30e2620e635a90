"""Have the revision that repairs a database do nothing on every other one, which never drifted."""

from __future__ import annotations

import ast
import textwrap
import typing as t

from alembic.script import Script

from ..records import DataStep
from ..records import Drift
from ..revisions.edit import read_source
from ..revisions.operations import Call
from ..revisions.operations import calls_of
from ..revisions.operations import is_schema_statement
from ..revisions.operations import UNSEEN
from ..runtime.planning import function_for
from ..runtime.planning import function_name
from ..targets import Target

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


_CALLS = ("execute", "bulk_insert", UNSEEN)


def data_steps(scripts: t.Iterable[Script], targets: t.Sequence[Target]) -> list[DataStep]:
    """Return the statements of ``upgrade()`` that change rows, or may, oldest first."""
    return [step for script in scripts for target in targets for step in _steps_of(script, target)]


def _steps_of(script: Script, target: Target) -> t.Iterator[DataStep]:
    function = function_for(script.module, "upgrade", target.bind)
    try:
        calls = calls_of(function)
    except LookupError:
        yield DataStep(target.name, script.revision, 0, "", "its source can't be read")
        return
    text = read_source(script.path)
    seen: set[int] = set()
    for call in calls:
        if call.name not in _CALLS or is_schema_statement(call.node):
            continue
        name, statement = _statement_at(text, call)
        if name.startswith(GUARD):
            continue  # which only looks whether a repair is needed
        line = call.line if statement is None else statement.lineno
        if line not in seen:
            seen.add(line)
            is_whole = name.startswith("upgrade")  # a helper's statement needs the helper's variables
            source = _source(text, statement) if statement is not None and is_whole else ""
            yield DataStep(target.name, script.revision, line, source, ast.unparse(call.node)[:100])


def _source(text: str, statement: ast.stmt) -> str:
    lines = text.splitlines()[statement.lineno - 1 : statement.end_lineno]
    return textwrap.dedent("\n".join(lines))


def _statement_at(text: str, call: Call) -> tuple[str, ast.stmt | None]:
    """Return the name of the function in which a call stands, and the statement of its body."""
    for function in ast.parse(text).body:
        if isinstance(function, ast.FunctionDef):
            for statement in function.body:
                if statement.lineno <= call.line <= (statement.end_lineno or 0):
                    return function.name, statement
    return "", None


def with_steps(text: str, steps: t.Sequence[DataStep]) -> str:
    """Return a revision's text with these statements at the end of its ``upgrade()``."""
    for step in steps:
        name = function_name("upgrade", None if step.database == "default" else step.database)
        nodes = [node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef) and node.name == name]
        if nodes and step.source:
            lines = text.splitlines(keepends=True)
            added = textwrap.indent(f"# From {step.revision}:\n{step.source}\n", "    ")
            text = "".join([*lines[: nodes[0].end_lineno], added, *lines[nodes[0].end_lineno :]])
    return text
