"""SQL text as SQLite's own parser splits it: enough to change one word and leave the rest as it was written."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from sqlalchemy.dialects import sqlite

Kind = t.Literal["space", "string", "quoted", "word", "mark"]

_PREPARER = sqlite.dialect().identifier_preparer
_TOKEN = re.compile(
    r"""(?P<space>\s+|--[^\n]*(?:\n|\Z)|/\*.*?(?:\*/|\Z))
    |(?P<string>'(?:[^']|'')*')
    |(?P<quoted>"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\])
    |(?P<word>[\w$\x80-\U0010ffff]+)
    |(?P<mark>.)""",
    re.VERBOSE | re.DOTALL,
)


@dataclasses.dataclass(frozen=True)
class Token:
    """A piece of SQL: space or comment, string, quoted identifier, word or number, or one mark."""

    kind: Kind
    text: str

    @property
    def keyword(self) -> str:
        """The word in capitals; empty for anything that can't be a keyword."""
        return self.text.upper() if self.kind == "word" else ""

    @property
    def name(self) -> str:
        """The identifier that this is, without its quotes."""
        return unquoted(self.text) if self.kind in ("quoted", "word") else ""


Tokens = t.Sequence[Token]


def tokens(sql: str) -> list[Token]:
    """Split SQL; joined again the pieces are the text as it was."""
    return [Token(t.cast(Kind, match.lastgroup), match.group()) for match in _TOKEN.finditer(sql)]


def text_of(pieces: t.Iterable[Token]) -> str:
    """Return the text that tokens came from."""
    return "".join(piece.text for piece in pieces)


def significant(pieces: t.Iterable[Token]) -> list[Token]:
    """Return the tokens without spaces and comments."""
    return [piece for piece in pieces if piece.kind != "space"]


def normalised(sql: str) -> str:
    """Return the text without what makes no difference: spaces, quotes of identifiers, capitals outside of strings."""
    return " ".join(
        piece.text if piece.kind == "string" else (piece.name or piece.text).lower()
        for piece in significant(tokens(sql))
    )


def with_depth(pieces: Tokens) -> t.Iterator[tuple[Token, int]]:
    """Return each token with how many parentheses are open around it; a parenthesis counts as inside itself."""
    depth = 0
    for piece in pieces:
        depth += piece.text == "(" and piece.kind == "mark"
        yield piece, depth
        depth -= piece.text == ")" and piece.kind == "mark"


def split(pieces: Tokens, mark: str = ",") -> list[list[Token]]:
    """Split at a mark that stands outside of all parentheses."""
    parts: list[list[Token]] = [[]]
    for piece, depth in with_depth(pieces):
        if depth == 0 and piece.kind == "mark" and piece.text == mark:
            parts.append([])
        else:
            parts[-1].append(piece)
    return parts


def in_parentheses(pieces: Tokens) -> list[Token]:
    """Return what the first pair of parentheses holds; nothing where there is none."""
    inside: list[Token] = []
    for piece, depth in with_depth(pieces):
        if depth:
            inside.append(piece)
        elif inside:
            break
    return inside[1:-1]


def names_in(pieces: Tokens) -> list[str]:
    """Return the first identifier of each part of a list such as ``(a, "b" DESC)``."""
    parts = [significant(part) for part in split(in_parentheses(pieces))]
    return [part[0].name for part in parts if part]


def unquoted(identifier: str) -> str:
    """Return an identifier without its quotes, whichever of SQLite's three kinds they are."""
    first = identifier[:1]
    if first in ('"', "`"):
        return identifier[1:-1].replace(first * 2, first)
    return identifier[1:-1] if first == "[" else identifier


def quoted(identifier: str) -> str:
    """Return an identifier in double quotes."""
    return '"' + identifier.replace('"', '""') + '"'


def constraint_name(name: str) -> str:
    """Return the name of a constraint, quoted only if need be: SQLAlchemy before 2.1 doesn't find quoted ones."""
    return _PREPARER.quote(name)


def string(value: str) -> str:
    """Return a string literal."""
    return "'" + value.replace("'", "''") + "'"


def same(first: str, second: str) -> bool:
    """Return whether two names are the same to SQLite, which ignores the case of ASCII letters."""
    return first.encode().lower() == second.encode().lower()
