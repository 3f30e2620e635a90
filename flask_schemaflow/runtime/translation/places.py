"""Where in the reader's own files an error arose: file, line, and the operation that stands there."""

from __future__ import annotations

import ast
import dataclasses
import linecache
import os
import pathlib
import traceback
import typing as t

from ...redaction import scrub

_LONGEST = 100


@dataclasses.dataclass(frozen=True)
class Place:
    """One line of a file.

    :param code: the operation that stands there, on one line and shortened; empty where the file can't be read.
    """

    path: str
    line: int
    code: str = ""

    def __str__(self) -> str:
        return f"{self.path}, line {self.line}"


def place_below(error: BaseException, folders: t.Iterable[str | os.PathLike[str]]) -> Place | None:
    """The innermost line of a file in one of ``folders`` that was running when ``error`` arose.

    A syntax error has no running line; its own place counts.
    """
    roots = [os.path.realpath(folder) for folder in folders]
    if isinstance(error, SyntaxError) and error.filename and _is_below(error.filename, roots):
        return place(error.filename, error.lineno or 1)
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if frame.lineno and _is_below(frame.filename, roots):
            return place(frame.filename, frame.lineno)
    return None


def place(path: str, line: int) -> Place:
    """A line, with the operation that stands there."""
    return Place(path, line, _operation(path, line))


def words_of(error: BaseException) -> str:
    """What an error says of itself, on one line, without passwords: ``KeyError: 'x'``."""
    if isinstance(error, SyntaxError):
        return scrub(f"{type(error).__name__}: {error.msg}")
    text = " ".join(str(error).split())
    return scrub(f"{type(error).__name__}: {text}" if text else type(error).__name__)


def _is_below(filename: str, roots: list[str]) -> bool:
    path = os.path.realpath(filename)
    return any(path == root or path.startswith(root + os.sep) for root in roots)


def _operation(path: str, line: int) -> str:
    """The call in the statement at ``line``, or the line as it stands."""
    try:
        tree = ast.parse(pathlib.Path(path).read_bytes())
    except (OSError, ValueError, SyntaxError, RecursionError):
        return _shortened(linecache.getline(path, line))
    statements = [node for node in ast.walk(tree) if isinstance(node, ast.stmt) and _spans(node, line)]
    if not statements:
        return _shortened(linecache.getline(path, line))
    innermost = max(statements, key=lambda node: (node.lineno, node.col_offset))
    calls = [node for node in ast.walk(innermost) if isinstance(node, ast.Call) and _spans(node, line)]
    return _shortened(ast.unparse(calls[0]) if calls else linecache.getline(path, line))


def _spans(node: ast.stmt | ast.expr, line: int) -> bool:
    return node.lineno <= line <= (node.end_lineno or node.lineno)


def _shortened(code: str) -> str:
    text = scrub(" ".join(code.split()))
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."
