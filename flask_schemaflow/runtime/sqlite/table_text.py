"""A CREATE TABLE statement that can be changed in places while the rest stays as its author wrote it.

What Alembic reflects of a table is less than what SQLite has of it: collations, conflict clauses, unnamed
CHECKs and more have no place in SQLAlchemy's model. SQLite keeps the statement's text, so the text is the model.
"""

from __future__ import annotations

import typing as t

from .column_text import Clause
from .column_text import ColumnText
from .sql_text import constraint_name
from .sql_text import in_parentheses
from .sql_text import names_in
from .sql_text import normalised
from .sql_text import same
from .sql_text import significant
from .sql_text import split
from .sql_text import text_of
from .sql_text import Token
from .sql_text import Tokens
from .sql_text import tokens
from .sql_text import with_depth

_CONSTRAINTS = ("CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN")


class ConstraintText:
    """A constraint of the table: PRIMARY KEY, UNIQUE, CHECK or FOREIGN KEY."""

    def __init__(self, pieces: Tokens) -> None:
        self.pieces = list(pieces)
        words = significant(pieces)
        named = words[0].keyword == "CONSTRAINT"
        self.name = words[1].name if named else ""
        self.kind = words[2 if named else 0].keyword

    @property
    def text(self) -> str:
        """As it is written, with the space before it."""
        return text_of(self.pieces)

    @property
    def columns(self) -> list[str]:
        """The columns of a key; nothing for a CHECK."""
        return [] if self.kind == "CHECK" else names_in(self.pieces)

    @property
    def referred(self) -> str:
        """The parent table of a foreign key."""
        return referred_table(self.pieces)


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
        self.constraints = [ConstraintText(part) for item in items[first:] for part in _divide_constraints(item)]

    @property
    def text(self) -> str:
        """The statement."""
        items = [*(column.text for column in self.columns), *(item.text for item in self.constraints)]
        return f"{self.head}({','.join(items)}{self._end}){self.tail}"

    @property
    def has_rowid(self) -> bool:
        """Whether rows have a rowid of their own."""
        words = [piece.keyword for piece in significant(tokens(self.tail))]
        return "WITHOUT" not in words

    @property
    def has_autoincrement(self) -> bool:
        """Whether ids of deleted rows never come again."""
        found = [column.find("PRIMARY") for column in self.columns]
        return any("AUTOINCREMENT" in _keywords(clause.pieces) for clause in found if clause is not None)

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
        own = [column.name for column in self.columns if column.is_primary_key]
        return own or next((item.columns for item in self.constraints if item.kind == "PRIMARY"), [])

    def column(self, name: str) -> ColumnText | None:
        """The column of a name."""
        return next((column for column in self.columns if same(column.name, name)), None)

    def add(self, text: str) -> ConstraintText:
        """Add a constraint at the end."""
        added = ConstraintText(tokens(("\n\t" if "\n" in self.text else " ") + text))
        self.constraints.append(added)
        return added

    def remove_named(self, name: str) -> bool:
        """Drop the constraint of a name, of the table or of one of its columns; false if there is none."""
        kept = [item for item in self.constraints if not (item.name and same(item.name, name))]
        found = len(kept) < len(self.constraints)
        self.constraints = kept
        return any([found, *(column.remove_named(name) for column in self.columns)])

    def remove_primary_key(self) -> None:
        """Drop the primary key, wherever it is written; its columns stay."""
        self.constraints = [item for item in self.constraints if item.kind != "PRIMARY"]
        for column in self.columns:
            column.remove("PRIMARY")

    def constraint_names(self) -> list[str]:
        """The names of all constraints that have one."""
        own = [clause.name for column in self.columns for clause in column.clauses]
        return [name for name in [*own, *(item.name for item in self.constraints)] if name]

    def checks(self) -> t.Iterator[tuple[ColumnText | None, Clause | ConstraintText]]:
        """Every CHECK, with the column that it is written at."""
        for column in self.columns:
            yield from ((column, clause) for clause in column.clauses if clause.kind == "CHECK")
        yield from ((None, item) for item in self.constraints if item.kind == "CHECK")

    def discard(self, item: Clause | ConstraintText) -> None:
        """Drop a constraint that was found in this table."""
        self.constraints = [other for other in self.constraints if other is not item]
        for column in self.columns:
            column.clauses = [other for other in column.clauses if other is not item]


def condition(item: Clause | ConstraintText) -> str:
    """What a CHECK demands, in a form that can be compared."""
    return normalised(text_of(in_parentheses(item.pieces)))


def referred_table(pieces: Tokens) -> str:
    """The table after REFERENCES; empty when there is none."""
    words = significant(pieces)
    places = [place for place, piece in enumerate(words) if piece.keyword == "REFERENCES"]
    return words[places[0] + 1].name if places else ""


def name_constraint(item: Clause | ConstraintText, name: str) -> None:
    """Give a constraint that has none a name."""
    lead = next(place for place, piece in enumerate(item.pieces) if piece.kind != "space")
    item.pieces[lead:lead] = tokens(f"CONSTRAINT {constraint_name(name)} ")
    item.name = name


def _divide(pieces: list[Token]) -> tuple[list[Token], list[Token], list[Token]]:
    """What is before, inside and after the list of columns and constraints."""
    words = [piece.keyword for piece in significant(pieces)[:4]]
    marks = list(with_depth(pieces))
    start = next((place for place, (_, depth) in enumerate(marks) if depth), None)
    if start is None or "VIRTUAL" in words or "TABLE" not in words:
        raise ValueError(text_of(pieces))
    end = next(place for place, (piece, depth) in enumerate(marks) if depth == 1 and piece.text == ")")
    return pieces[:start], pieces[start + 1 : end], pieces[end + 1 :]


def _is_constraint(item: Tokens) -> bool:
    words = significant(item)
    return bool(words) and words[0].keyword in _CONSTRAINTS


def _divide_constraints(item: Tokens) -> list[list[Token]]:
    """SQLite lets the commas between constraints be left out."""
    parts: list[list[Token]] = [[]]
    named = 0
    for piece, depth in with_depth(item):
        if piece.kind == "space":
            parts[-1].append(piece)
            continue
        if depth == 0 and named == 0 and piece.keyword in _CONSTRAINTS and significant(parts[-1]):
            parts.append([Token("space", " ")])
        named = 2 if depth == 0 and piece.keyword == "CONSTRAINT" else max(0, named - 1)
        parts[-1].append(piece)
    return parts


def _keywords(pieces: Tokens) -> set[str]:
    return {piece.keyword for piece in pieces}
