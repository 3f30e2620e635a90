"""One column's definition in a CREATE TABLE statement, changed without disturbing what stays."""

from __future__ import annotations

import dataclasses
import typing as t

from .sql_text import same
from .sql_text import significant
from .sql_text import text_of
from .sql_text import Token
from .sql_text import Tokens
from .sql_text import tokens
from .sql_text import with_depth

_STARTS = {
    "CONSTRAINT",
    "PRIMARY",
    "NOT",
    "NULL",
    "UNIQUE",
    "CHECK",
    "DEFAULT",
    "COLLATE",
    "REFERENCES",
    "GENERATED",
    "AS",
}
# A keyword after one of these words belongs to the same clause: NOT NULL, SET DEFAULT, ALWAYS AS.
_JOINED = {
    "NULL": {"NOT", "SET", "DEFAULT"},
    "DEFAULT": {"SET"},
    "AS": {"ALWAYS"},
}


@dataclasses.dataclass
class Clause:
    """A clause behind a column's type, such as ``NOT NULL`` or ``CONSTRAINT positive CHECK (n > 0)``.

    :param kind: its first keyword after a name: ``NOT``, ``UNIQUE``, ``CHECK``, ``GENERATED`` ...
    :param name: of the constraint; empty when it has none.
    """

    kind: str
    name: str
    pieces: list[Token]

    @property
    def text(self) -> str:
        """As it is written, with the space before it."""
        return text_of(self.pieces)


class ColumnText:
    """A column's definition: its name, its type and its clauses, each as it was written."""

    def __init__(self, text: str) -> None:
        pieces = tokens(text)
        start = next(place for place, piece in enumerate(pieces) if piece.kind != "space")
        self._lead = text_of(pieces[: start + 1])
        self.name = pieces[start].name or pieces[start].text.strip("'")
        first, *rest = _clauses(pieces[start + 1 :])
        self._type = text_of(first)
        self.clauses = [_clause(part) for part in rest]

    @property
    def text(self) -> str:
        """The definition."""
        return self._lead + self._type + "".join(clause.text for clause in self.clauses)

    @property
    def type(self) -> str:
        """The declared type; empty when there is none."""
        return text_of(_without_comments(tokens(self._type))).strip()

    @property
    def is_generated(self) -> bool:
        """Whether SQLite computes it, so that it can't be written."""
        return self.find("GENERATED") is not None

    @property
    def is_primary_key(self) -> bool:
        """Whether the definition itself says PRIMARY KEY."""
        return self.find("PRIMARY") is not None

    @property
    def is_nullable(self) -> bool:
        """Whether there is no NOT NULL."""
        return self.find("NOT") is None

    def find(self, kind: str) -> Clause | None:
        """The first clause of a kind."""
        return next((clause for clause in self.clauses if clause.kind == kind), None)

    def remove(self, kind: str) -> None:
        """Drop every clause of a kind."""
        self.clauses = [clause for clause in self.clauses if clause.kind != kind]

    def remove_named(self, name: str) -> bool:
        """Drop the constraint of a name; false if there is none."""
        kept = [clause for clause in self.clauses if not (clause.name and same(clause.name, name))]
        found = len(kept) < len(self.clauses)
        self.clauses = kept
        return found

    def set_type(self, text: str) -> None:
        """Declare another type; one that brings its own COLLATE replaces the old one."""
        if "COLLATE" in (piece.keyword for piece in tokens(text)):
            self.remove("COLLATE")
        self._type = f" {text}" if text else ""

    def set_default(self, text: str | None) -> None:
        """Replace the DEFAULT, ``text`` being what follows the keyword; ``None`` drops it."""
        self.remove("DEFAULT")
        if text is not None:
            self.clauses.insert(0, _clause(tokens(f" DEFAULT {text}")))

    def set_nullable(self, nullable: bool) -> None:
        """Allow NULL or not."""
        if nullable == self.is_nullable:
            return
        self.remove("NOT")
        self.remove("NULL")
        if not nullable:
            place = 1 if self.clauses and self.clauses[0].kind == "DEFAULT" else 0
            self.clauses.insert(place, _clause(tokens(" NOT NULL")))

    def append(self, text: str) -> None:
        """Add a clause at the end."""
        self.clauses.append(_clause(tokens(f" {text}")))


def _clauses(pieces: Tokens) -> t.Iterator[list[Token]]:
    """The type, then each clause."""
    current: list[Token] = []
    space: list[Token] = []
    previous = ""
    named = 0  # tokens to pass over after CONSTRAINT: its name, and the keyword that it names
    for place, (piece, depth) in enumerate(with_depth(pieces)):
        if piece.kind == "space":
            space.append(piece)
            continue
        starts = depth == 0 and named == 0 and _starts(piece, previous, pieces[place + 1 :])
        if starts:
            yield current
            current = []
        named = 2 if starts and piece.keyword == "CONSTRAINT" else max(0, named - 1)
        current += [*space, piece]
        space, previous = [], piece.keyword
    yield [*current, *space]


def _starts(piece: Token, previous: str, following: Tokens) -> bool:
    word = piece.keyword
    if word not in _STARTS or previous in _JOINED.get(word, ()):
        return False
    # REFERENCES parent NOT DEFERRABLE
    return not (word == "NOT" and [p.keyword for p in significant(following)[:1]] == ["DEFERRABLE"])


def _clause(pieces: list[Token]) -> Clause:
    words = significant(pieces)
    named = words[0].keyword == "CONSTRAINT" and len(words) > 1
    kind = words[2 if named and len(words) > 2 else 0].keyword
    return Clause("GENERATED" if kind == "AS" else kind, words[1].name if named else "", pieces)


def _without_comments(pieces: Tokens) -> list[Token]:
    return [Token("space", " ") if piece.kind == "space" else piece for piece in pieces]
