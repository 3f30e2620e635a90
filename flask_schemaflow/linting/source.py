"""Where in a revision file a statement comes from, and the comments there that allow a finding.

The line comes from the stack at the moment the statement is sent, so helpers, loops and batch mode have one, too.
"""

from __future__ import annotations

import ast
import dataclasses
import io
import pathlib
import re
import sys
import tokenize
import typing as t

from .records import Finding
from .rulebook import RULES

_ALLOW = re.compile(r"#\s*allow\s+(?P<code>[\w-]+)\s*(?::\s*(?P<reason>\S.*?)?)?\s*$")


def lines_of(path: str) -> tuple[int, ...]:
    """Return the lines of the file that are being executed, the innermost first."""
    frame = sys._getframe(1)
    lines = []
    while frame is not None:
        if frame.f_code.co_filename == path and frame.f_code.co_name != "<module>":
            lines.append(frame.f_lineno)
        frame = frame.f_back  # type: ignore[assignment]
    return tuple(lines)


@dataclasses.dataclass(frozen=True)
class Allowance:
    """One ``# allow CODE: reason`` comment."""

    line: int
    code: str
    reason: str


class SourceFile:
    """The text of one revision file.

    :ivar allowances: its comments that allow something.
    """

    def __init__(self, path: str) -> None:
        self.text = pathlib.Path(path).read_text("utf-8", errors="replace")
        self._spans = _spans(self.text)
        self._functions = _functions(self.text)
        self.allowances = tuple(_allowances(self.text))

    def span(self, line: int) -> tuple[int, int]:
        """Return the first and last line of the innermost statement at ``line``."""
        around = [span for span in self._spans if span[0] <= line <= span[1]]
        return min(around, key=lambda span: span[1] - span[0], default=(line, line))

    def allowance(self, code: str, lines: tuple[int, ...]) -> Allowance | None:
        """Return the comment that allows ``code`` for a statement that these lines sent."""
        for line in lines:
            first, last = self.span(line)
            for item in self.allowances:
                if item.code == code and self._belongs(item.line, first, last):
                    return item
        return None

    def function(self, direction: str) -> tuple[int, int]:
        """Return the lines outside of the function of the other direction: helpers belong to both."""
        other = "downgrade" if direction == "upgrade" else "upgrade"
        found = [span for name, *span in self._functions if name.startswith(other)]
        if not found:
            return 1, len(self.text.splitlines())
        start, end = found[0]
        return (1, start - 1) if direction == "upgrade" else (end + 1, len(self.text.splitlines()))

    def _belongs(self, line: int, first: int, last: int) -> bool:
        if first <= line <= last:
            return True
        between = self.text.splitlines()[line - 1 : first - 1]
        return line < first and all(text.strip().startswith("#") for text in between)


def _spans(text: str) -> list[tuple[int, int]]:
    """Return the lines of every simple statement, and of the heads of those that hold others."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return []
    spans = []
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt):
            body = getattr(node, "body", None)
            last = body[0].lineno - 1 if body else node.end_lineno or node.lineno
            spans.append((node.lineno, max(last, node.lineno)))
    return spans


def _functions(text: str) -> list[tuple[str, int, int]]:
    try:
        body = ast.parse(text).body
    except (SyntaxError, ValueError):
        return []
    functions = [node for node in body if isinstance(node, ast.FunctionDef)]
    return [(node.name, node.lineno, node.end_lineno or node.lineno) for node in functions]


def _allowances(text: str) -> list[Allowance]:
    found = []
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            match = _ALLOW.search(token.string) if token.type == tokenize.COMMENT else None
            if match is not None:
                found.append(Allowance(token.start[0], match["code"], match["reason"] or ""))
    except (tokenize.TokenError, SyntaxError):
        pass
    return found


def with_allowances(
    findings: t.Sequence[Finding],
    lines: t.Sequence[tuple[int, ...]],
    file: SourceFile,
    direction: str = "upgrade",
) -> list[Finding]:
    """Return findings with the reasons that allow them, and one for each comment that allows nothing.

    :param lines: those that sent each statement, by its number.
    :param direction: comments outside of the function that ran are left alone.
    """
    used: set[Allowance] = set()
    result = []
    for finding in findings:
        allowance = file.allowance(finding.code, lines[finding.number - 1] if finding.number else ())
        if allowance is not None and allowance.reason:
            used.add(allowance)
            finding = finding.changed(allowed=allowance.reason)
        result.append(finding)
    first, last = file.function(direction)
    for allowance in file.allowances:
        if allowance not in used and first <= allowance.line <= last:
            result.append(_unused(allowance))
    return result


def _unused(allowance: Allowance) -> Finding:
    if allowance.code not in RULES:
        why = f"There is no rule {allowance.code}; `flask db lint --explain` lists them."
    elif not allowance.reason:
        why = f"The comment has no reason, so it allows nothing: write `# allow {allowance.code}: why it is all right`."
    else:
        why = f"Nothing here is found by {allowance.code}, so the comment can go."
    return Finding("unused-allow", RULES["unused-allow"].level, allowance.line, "", message=why)
