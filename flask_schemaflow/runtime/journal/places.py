"""Lines of a revision file: which one is at work, and what comes after one."""

from __future__ import annotations

import ast
import pathlib
import sys
import typing as t

_LONGEST = 100


def line_in(path: str) -> int:
    """The line of a file that the innermost call of this thread is in; 0 if none is."""
    frame: t.Any = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_filename == path:
            return int(frame.f_lineno)
        frame = frame.f_back
    return 0


def lines_from(path: str, line: int) -> list[str]:
    """The statements of the function around ``line`` that begin at it or after it, as ``line 12: op.add_column(...)``.

    :returns: nothing where the file has changed so that no function has that line.
    """
    try:
        source = pathlib.Path(path).read_text("utf-8")
        tree = ast.parse(source)
    except (OSError, SyntaxError, ValueError):
        return []
    for function in tree.body:
        if isinstance(function, ast.FunctionDef) and function.lineno <= line <= (function.end_lineno or 0):
            left = [part for part in function.body if (part.end_lineno or part.lineno) >= line]
            return [f"line {part.lineno}: {_shown(source, part)}" for part in left]
    return []


def _shown(source: str, part: ast.stmt) -> str:
    text = " ".join((ast.get_source_segment(source, part) or "").split())
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
