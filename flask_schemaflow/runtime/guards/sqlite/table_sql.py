"""A CREATE TABLE statement that can be changed in places while the rest stays as its author wrote it.

What Alembic reflects of a table is less than what SQLite has of it: collations, conflict clauses, unnamed
CHECKs and more have no place in SQLAlchemy's model. SQLite keeps the statement's text, so the text is the model.
"""

from __future__ import annotations

import typing as t

from .tokens import constraint_name
from .tokens import in_parentheses
from .tokens import names_in
from .tokens import normalised
from .tokens import same
from .tokens import significant
from .tokens import split
from .tokens import text_of
from .tokens import Token
from .tokens import Tokens
from .tokens import tokens
from .tokens import with_depth

_TABLE_CONSTRAINTS = {"CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN"}
_COLUMN_CLAUSES = set("CONSTRAINT PRIMARY NOT NULL UNIQUE CHECK DEFAULT COLLATE REFERENCES GENERATED AS".split())
# A keyword after one of these words belongs to the same clause: NOT NULL, SET DEFAULT, ALWAYS AS.
_JOINED = {"NULL": {"NOT", "SET", "DEFAULT"}, "DEFAULT": {"SET"}, "AS": {"ALWAYS"}}
_ROWIDS = ("rowid", "_rowid_", "oid")


class Clause:
    """A clause of a column or a constraint of the table: ``NOT NULL``, ``CONSTRAINT positive CHECK (n > 0)``.

    :ivar kind: its first keyword after a name: ``NOT``, ``UNIQUE``, ``CHECK``, ``FOREIGN``, ``GENERATED`` ...
    :ivar name: of the constraint; empty when it has none.
    """

    def __init__(self, pieces: Tokens) -> None:
        self.pieces = list(pieces)
        words = significant(pieces)
        named = words[0].keyword == "CONSTRAINT" and len(words) > 1
        self.name = words[1].name if named else ""
        kind = words[2 if named and len(words) > 2 else 0].keyword
        self.kind = "GENERATED" if kind == "AS" else kind

    @property
    def text(self) -> str:
        """As it is written, with the space before it."""
        return text_of(self.pieces)

    @property
    def columns(self) -> list[str]:
        """The columns of a key of the table; nothing for a CHECK."""
        return [] if self.kind == "CHECK" else names_in(self.pieces)

    @property
    def condition(self) -> str:
        """The condition of a CHECK, in a form that can be compared."""
        return normalised(text_of(in_parentheses(self.pieces)))

    @property
    def referred(self) -> str:
        """The table after REFERENCES; empty when there is none."""
        words = self._after_references()
        return words[0].name if words else ""

    @property
    def referred_columns(self) -> list[str]:
        """The columns after REFERENCES; nothing where they are left out."""
        rest = self._after_references()[1:]
        return names_in(rest) if rest and rest[0].text == "(" else []

    def set_name(self, name: str) -> None:
        """Give a name to a constraint that has none."""
        lead = next(place for place, piece in enumerate(self.pieces) if piece.kind != "space")
        self.pieces[lead:lead] = tokens(f"CONSTRAINT {constraint_name(name)} ")
        self.name = name

    def _after_references(self) -> list[Token]:
        words = significant(self.pieces)
        place = next((place for place, piece in enumerate(words) if piece.keyword == "REFERENCES"), len(words))
        return words[place + 1 :]


class ColumnText:
    """A column's definition: its name, its type and its clauses, each as it was written."""

    def __init__(self, text: str) -> None:
        pieces = tokens(text)
        start = next(place for place, piece in enumerate(pieces) if piece.kind != "space")
        self._lead = text_of(pieces[: start + 1])
        self.name = pieces[start].name or pieces[start].text.strip("'")
        first, *rest = _clauses(pieces[start + 1 :], _COLUMN_CLAUSES)
        self._type = text_of(first)
        self.clauses = [Clause(part) for part in rest]

    @property
    def text(self) -> str:
        """The definition."""
        return self._lead + self._type + "".join(clause.text for clause in self.clauses)

    @property
    def type(self) -> str:
        """The declared type; empty when there is none."""
        return text_of(Token("space", " ") if piece.kind == "space" else piece for piece in tokens(self._type)).strip()

    @property
    def is_generated(self) -> bool:
        """Whether SQLite computes it, so that it can't be written."""
        return self.find("GENERATED") is not None

    def find(self, kind: str) -> Clause | None:
        """Return the first clause of a kind."""
        return next((clause for clause in self.clauses if clause.kind == kind), None)

    def remove(self, kind: str) -> None:
        """Drop every clause of a kind."""
        self.clauses = [clause for clause in self.clauses if clause.kind != kind]

    def set_type(self, text: str) -> None:
        """Declare another type; one that brings its own COLLATE replaces the old one."""
        if "COLLATE" in (piece.keyword for piece in tokens(text)):
            self.remove("COLLATE")
        self._type = f" {text}" if text else ""

    def set_default(self, text: str | None) -> None:
        """Replace the DEFAULT, ``text`` being what follows the keyword; ``None`` drops it.

        A generated column becomes a plain one.
        """
        self.remove("DEFAULT")
        self.remove("GENERATED")
        if text is not None:
            self.clauses.insert(0, Clause(tokens(f" DEFAULT {text}")))

    def set_generated(self, text: str) -> None:
        """Have SQLite compute the column, ``text`` being the whole clause."""
        self.set_default(None)
        self.append(text)

    def set_nullable(self, nullable: bool) -> None:
        """Allow NULL or not."""
        if nullable == (self.find("NOT") is None):
            return
        self.remove("NOT")
        self.remove("NULL")
        if not nullable:
            place = 1 if self.clauses and self.clauses[0].kind == "DEFAULT" else 0
            self.clauses.insert(place, Clause(tokens(" NOT NULL")))

    def append(self, text: str) -> None:
        """Add a clause at the end."""
        self.clauses.append(Clause(tokens(f" {text}")))


class TableText:
    """The text of a CREATE TABLE statement, taken apart.

    :raises ValueError: for a virtual table and anything else that has no list of columns.
    """

    def __init__(self, sql: str) -> None:
        head, body, tail = _divide(tokens(sql))
        self.head = text_of(head)
        self.tail = text_of(tail)
        length = next(place for place in range(len(body), 0, -1) if body[place - 1].kind != "space")
        self._end = text_of(body[length:])
        body = body[:length]
        items = split(body)
        first = next((place for place, item in enumerate(items) if _is_constraint(item)), len(items))
        self.columns = [ColumnText(text_of(item)) for item in items[:first]]
        self.constraints = [
            Clause(part) for item in items[first:] for part in _clauses(item, _TABLE_CONSTRAINTS) if part
        ]

    @property
    def text(self) -> str:
        """The statement."""
        items = [*(column.text for column in self.columns), *(item.text for item in self.constraints)]
        return f"{self.head}({','.join(items)}{self._end}){self.tail}"

    @property
    def has_rowid(self) -> bool:
        """Whether rows have a rowid of their own."""
        return "WITHOUT" not in _keywords(tokens(self.tail))

    @property
    def is_strict(self) -> bool:
        """Whether columns take values of their type only."""
        return "STRICT" in _keywords(tokens(self.tail))

    @property
    def has_autoincrement(self) -> bool:
        """Whether ids of deleted rows never come again."""
        return any("AUTOINCREMENT" in _keywords(clause.pieces) for clause in self.clauses("PRIMARY"))

    @property
    def rowid_alias(self) -> str:
        """The INTEGER PRIMARY KEY column, which is the rowid; empty when there is none."""
        key = self.primary_key
        column = self.column(key[0]) if len(key) == 1 and self.has_rowid else None
        if column is None or column.type.upper() != "INTEGER":
            return ""
        clause = column.find("PRIMARY")
        return "" if clause is not None and "DESC" in _keywords(clause.pieces) else column.name

    @property
    def primary_key(self) -> list[str]:
        """The names of the primary key's columns."""
        own = [column.name for column in self.columns if column.find("PRIMARY")]
        return own or next((item.columns for item in self.constraints if item.kind == "PRIMARY"), [])

    @property
    def primary_key_name(self) -> str:
        """The name of the primary key; empty when it has none."""
        return next((clause.name for clause in self.clauses("PRIMARY")), "")

    def column(self, name: str) -> ColumnText | None:
        """Return the column of a name."""
        return next((column for column in self.columns if same(column.name, name)), None)

    def clauses(self, kind: str = "") -> list[Clause]:
        """Return the clauses of all columns and the constraints of the table, or those of one kind."""
        every = [*(clause for column in self.columns for clause in column.clauses), *self.constraints]
        return [clause for clause in every if kind in ("", clause.kind)]

    def add(self, text: str) -> None:
        """Add a constraint at the end."""
        self.constraints.append(Clause(tokens(("\n\t" if "\n" in self.text else " ") + text)))

    def remove_named(self, name: str) -> bool:
        """Drop the constraint of a name, of the table or of one of its columns; false if there is none."""
        named = [clause for clause in self.clauses() if clause.name and same(clause.name, name)]
        for clause in named:
            self.discard(clause)
        return bool(named)

    def remove_primary_key(self) -> None:
        """Drop the primary key, wherever it is written; its columns stay."""
        for clause in self.clauses("PRIMARY"):
            self.discard(clause)

    def set_autoincrement(self) -> None:
        """Turn the primary key into ``PRIMARY KEY AUTOINCREMENT`` of its column, if SQLite allows it."""
        column = self.column(self.rowid_alias)
        if column is None or self.has_autoincrement:
            return
        name = self.primary_key_name
        self.remove_primary_key()
        lead = f"CONSTRAINT {constraint_name(name)} " if name else ""
        column.append(f"{lead}PRIMARY KEY AUTOINCREMENT")

    def discard(self, item: Clause) -> None:
        """Drop a constraint that was found in this table."""
        self.constraints = [other for other in self.constraints if other is not item]
        for column in self.columns:
            column.clauses = [other for other in column.clauses if other is not item]


def free_rowid(*tables: TableText) -> list[str]:
    """Return a name of the rowid that no column has taken; nothing when all three are taken."""
    return [name for name in _ROWIDS if all(table.column(name) is None for table in tables)][:1]


def _clauses(pieces: Tokens, keywords: t.Collection[str]) -> t.Iterator[list[Token]]:
    """Return what comes before the first clause, a column's type, then each clause.

    The commas between a table's constraints are optional in SQLite, so its constraints are told apart like clauses.

    :param keywords: those that begin a clause.
    """
    current: list[Token] = []
    space: list[Token] = []
    previous = ""
    named = 0  # tokens to pass over after CONSTRAINT: its name, and the keyword that it names
    for place, (piece, depth) in enumerate(with_depth(pieces)):
        if piece.kind == "space":
            space.append(piece)
            continue
        starts = depth == 0 and named == 0 and _starts_clause(piece, keywords, previous, pieces[place + 1 :])
        if starts:
            yield current
            current = []
        named = 2 if starts and piece.keyword == "CONSTRAINT" else max(0, named - 1)
        current += [*space, piece]
        space, previous = [], piece.keyword
    yield [*current, *space]


def _starts_clause(piece: Token, keywords: t.Collection[str], previous: str, following: Tokens) -> bool:
    word = piece.keyword
    if word not in keywords or previous in _JOINED.get(word, ()):
        return False
    # REFERENCES parent NOT DEFERRABLE
    return not (word == "NOT" and [p.keyword for p in significant(following)[:1]] == ["DEFERRABLE"])


def _divide(pieces: list[Token]) -> tuple[list[Token], list[Token], list[Token]]:
    """Return what is before, inside and after the list of columns and constraints."""
    words = [piece.keyword for piece in significant(pieces)[:4]]
    marks = list(with_depth(pieces))
    start = next((place for place, (_, depth) in enumerate(marks) if depth), None)
    if start is None or "VIRTUAL" in words or "TABLE" not in words:
        raise ValueError(text_of(pieces))
    end = next(place for place, (piece, depth) in enumerate(marks) if depth == 1 and piece.text == ")")
    return pieces[:start], pieces[start + 1 : end], pieces[end + 1 :]


def _is_constraint(item: Tokens) -> bool:
    words = significant(item)
    return bool(words) and words[0].keyword in _TABLE_CONSTRAINTS


def _keywords(pieces: Tokens) -> set[str]:
    return {piece.keyword for piece in pieces}
