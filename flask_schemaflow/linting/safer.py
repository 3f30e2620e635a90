"""Safer code for findings: the operation of the revision file in a form that doesn't block, in the file's own words.

Each of these is only a proposal. :mod:`.lint` runs the changed file on a second copy, and shows what was better there.
"""

from __future__ import annotations

import ast
import dataclasses
import typing as t

from .source import SourceFile

BETTER = {"blocks-reads-and-writes", "blocks-writes", "carries-lock", "fails-in-transaction"}
"""The codes of findings for which there may be another form of an operation."""

_ONLINE = {
    "add_column": "add_column_online",
    "alter_column": "set_not_null_online",
    "create_check_constraint": "create_check_constraint_online",
    "create_foreign_key": "create_foreign_key_online",
    "create_index": "create_index_online",
    "create_primary_key": "create_primary_key_online",
    "create_unique_constraint": "create_unique_constraint_online",
}
_LEFT_OUT = {
    "postgresql_concurrently", "postgresql_not_valid", "nullable", "existing_nullable", "existing_server_default",
    "existing_comment",
}  # fmt: skip
_CHANGES_MORE = {"type_", "new_column_name", "server_default", "comment", "autoincrement"}


@dataclasses.dataclass(frozen=True)
class Proposal:
    """Another form of one call in a revision file.

    :param line: the first line of the call.
    :param last: its last line.
    :param code: what to write instead.
    """

    line: int
    last: int
    code: str
    start: int
    end: int


def proposals(file: SourceFile, lines: t.Iterable[int]) -> list[Proposal]:
    """Return another form for each operation at these lines that has one."""
    try:
        tree = ast.parse(file.text)
    except (SyntaxError, ValueError):
        return []
    found: dict[int, Proposal] = {}
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]
    for line in sorted(set(lines)):
        around = [call for call in calls if call.lineno <= line <= (call.end_lineno or call.lineno)]
        proposed = (_proposal(file.text, call) for call in around)
        for item in proposed:
            if item is not None:
                found.setdefault(item.start, item)
    return list(found.values())


def _proposal(text: str, call: ast.Call) -> Proposal | None:
    function = t.cast("ast.Attribute", call.func)
    online = _ONLINE.get(function.attr)
    keywords = {item.arg for item in call.keywords}
    if online is None or None in keywords:
        return None
    if function.attr == "alter_column" and not _only_sets_not_null(call):
        return None
    given: list[ast.expr | ast.keyword] = [*call.args, *(item for item in call.keywords if item.arg not in _LEFT_OUT)]
    segments = [" ".join((ast.get_source_segment(text, item) or "").split()) for item in given]
    receiver = ast.get_source_segment(text, function.value)
    start, end = _offset(text, call.lineno, call.col_offset), _offset(text, call.end_lineno, call.end_col_offset)
    code = f"{receiver}.{online}({', '.join(segments)})"
    return Proposal(call.lineno, call.end_lineno or call.lineno, code, start, end)


def _only_sets_not_null(call: ast.Call) -> bool:
    values = {item.arg: item.value for item in call.keywords}
    nullable = values.get("nullable")
    return isinstance(nullable, ast.Constant) and nullable.value is False and not _CHANGES_MORE & values.keys()


def _offset(text: str, line: int | None, column: int | None) -> int:
    """Return the place in a text of a place that ``ast`` gives in bytes of a line."""
    lines = text.splitlines(keepends=True)
    assert line is not None and column is not None
    before = lines[line - 1].encode()[:column].decode()
    return sum(map(len, lines[: line - 1])) + len(before)


def with_proposals(text: str, chosen: t.Iterable[Proposal], keep_lines: bool = True) -> str:
    """Return the text of a file with other forms of some calls.

    :param keep_lines: leave every line its number, so that findings can be compared.
    """
    for item in sorted(chosen, key=lambda item: item.start, reverse=True):
        padding = "\n" * (item.last - item.line) if keep_lines else ""
        text = text[: item.start] + item.code[:-1] + padding + ")" + text[item.end :]
    return text
