"""PostgreSQL's statements about enum types, as an operation that can be undone."""

from __future__ import annotations

import re
import typing as t

from ...record import Record
from ..operations import OwnOperation


class Direction(Record):
    """Statements that run one after the other.

    :param autocommit: whether each has to be committed before anything can use what it makes.
    :param words: the description.
    """

    statements: tuple[str, ...] = ()
    words: str = ""
    autocommit: bool = False


class TypeStatements(OwnOperation):
    """Statements that only PostgreSQL knows: the file still runs on another database, where they are left out.

    :param forwards: what runs; ``backwards``: what undoes it.
    """

    def __init__(self, forwards: Direction, backwards: Direction, table_name: str = "") -> None:
        self.forwards, self.backwards = forwards, backwards
        self.table_name = table_name

    def render(self, context: t.Any) -> list[str]:
        if not self.forwards.statements:
            return []
        prefix = context.opts["alembic_module_prefix"]
        lines = [f"if {prefix}get_context().dialect.name == 'postgresql':"]
        if self.forwards.autocommit:
            lines.append(f"with {prefix}get_context().autocommit_block():")
        lines += [f"{prefix}execute({escaped(statement)!r})" for statement in self.forwards.statements]
        # An empty line ends a block for Alembic's printer.
        return [*lines, *([""] if self.forwards.autocommit else []), ""]

    def describe(self) -> str:
        return self.forwards.words

    def reverse(self) -> TypeStatements:
        made = TypeStatements(self.backwards, self.forwards, self.table_name)
        return made


def escaped(statement: str) -> str:
    """A statement in which no colon is read as the beginning of a parameter."""
    return re.sub(r"(?<![:\w\\]):(?=\w)", r"\\:", statement)
