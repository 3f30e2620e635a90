"""PostgreSQL's statements about enum types, and what other databases need instead; both can be undone."""

from __future__ import annotations

import dataclasses
import typing as t

from alembic.autogenerate import renderers
from alembic.operations import ops

from ...records import Record
from ..sql_text import escaped
from . import OwnOperation


@dataclasses.dataclass(frozen=True)
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
        return TypeStatements(self.backwards, self.forwards, self.table_name)


class Elsewhere(OwnOperation):
    """Operations that some databases leave out, in a file that runs on several.

    :param operations: those of one table.
    :param but: the dialects that leave them out.
    """

    def __init__(self, operations: t.Sequence[ops.MigrateOperation], but: tuple[str, ...], table_name: str) -> None:
        self.operations, self.but = tuple(operations), but
        self.table_name = table_name

    def render(self, context: t.Any) -> list[str]:
        condition = f"!= {self.but[0]!r}" if len(self.but) == 1 else f"not in {self.but!r}"
        lines = [f"if {context.opts['alembic_module_prefix']}get_context().dialect.name {condition}:"]
        for operation in self.operations:
            rendered = renderers.dispatch(operation)(context, operation)
            # The printer indents the first line of each text only.
            lines += [line.replace("\n", "\n    ") for line in ([rendered] if isinstance(rendered, str) else rendered)]
        return [*lines, ""] if len(lines) > 1 else []

    def describe(self) -> str:
        parts = (item.describe() for item in self.operations if isinstance(item, OwnOperation))
        return ", ".join(filter(None, parts))

    def reverse(self) -> Elsewhere:
        return Elsewhere([item.reverse() for item in reversed(self.operations)], self.but, self.table_name)
