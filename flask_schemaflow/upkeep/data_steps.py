"""Statements of revisions that change rows, which no schema shows: listed before a squash, and kept or dropped."""

from __future__ import annotations

import ast
import textwrap
import typing as t

from alembic.script import Script

from ..records import DataStep
from ..revisions.edit import read_source
from ..revisions.operations import Call
from ..revisions.operations import calls_of
from ..revisions.operations import is_schema_statement
from ..revisions.operations import UNSEEN
from ..runtime.planning import function_for
from ..runtime.planning import function_name
from ..targets import Target
from .repair_guard import GUARD

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
