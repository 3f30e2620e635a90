"""Which tables a new revision needs on its scratch copy; a big schema is copied without the others.

A copy has the tables that the file names and that differ from the models, what can't be without them (partitions,
views, rows that go with theirs), and those that a foreign key connects with them. This is sound only while the
revision concerns nothing else, so each statement is watched: what names an object of another table, asks a catalog, or
may run code that is kept in the database is uncertain, and the whole schema is copied then. So it is after a failure.
"""

from __future__ import annotations

import contextlib
import contextvars
import dataclasses
import pathlib
import re
import sys
import typing as t

import sqlalchemy as sa
from alembic.script import Script
from sqlalchemy import event

from ...backfills.sql import ASKS
from ...runtime.own_tables import is_own_table
from ..operations import Key
from . import outlines
from .outlines import Outline

FEWEST = 40
"""A schema with fewer tables is copied as a whole, which takes no time."""

_WORDS = re.compile(r"[\w$]+")
_CERTAIN = re.compile(
    r"\s*(?:(?:CREATE|ALTER|DROP|RENAME)\s+(?:UNIQUE\s+|FULLTEXT\s+|SPATIAL\s+|ONLINE\s+|IGNORE\s+)*"
    r"(?:TABLE|INDEX|TYPE|SEQUENCE|DOMAIN)\b"
    r"|COMMENT\s+ON\s+(?:TABLE|COLUMN|INDEX|CONSTRAINT|TYPE|SEQUENCE)\b"
    r"|PRAGMA\s+(?:\w+\.)?(?:table_x?info|index_x?info|index_list|foreign_key_list)\b"
    r"|PRAGMA\s+(?:foreign_keys|defer_foreign_keys|legacy_alter_table|recursive_triggers)\b"
    r"|(?:SAVEPOINT|RELEASE|ROLLBACK|COMMIT|BEGIN|START)\b|SET\s+(?:LOCAL\s+|SESSION\s+)?\w*(?:timeout|checks)\b"
    r"|(?P<data>INSERT|UPDATE|DELETE|SELECT)\b)",
    re.I,
)
_DOUBTFUL = re.compile(
    r";\s*\S|\b(?:pg_\w+|information_schema|reg\w+|sqlite_(?:temp_)?(?:master|schema)|pragma_\w+|SCHEMA|DATABASE|EXTENSION|TABLESPACE|OWNED|EXECUTE|CALL)\b"
    r"|(?<!DELETE )(?<!UPDATE )\bCASCADE\b|\bALL\s+IN\b|\w+_to_xml|\bdblink",
    re.I,
)
"""Several statements at once, catalogs, what concerns more than a table, and what runs or drops further things."""

_REFERENCES = re.compile(r"\bREFERENCES\s+(\"(?:[^\"]|\"\")+\"|`[^`]+`|[\w$]+)(?=\s*(?:\(|$))", re.I)

_looking: contextvars.ContextVar[bool] = contextvars.ContextVar("schemaflow_looking", default=False)


class Uncertain(Exception):
    """Raised when a revision may concern tables that its copy lacks."""


@contextlib.contextmanager
def looking() -> t.Iterator[None]:
    """Have the statements of the block, which only look at what a revision does, left out of the watch."""
    token = _looking.set(True)
    try:
        yield
    finally:
        _looking.reset(token)


@dataclasses.dataclass(frozen=True)
class Excerpt:
    """The part of a schema that a revision concerns.

    :param named: the tables that it may name; they are compared afterwards.
    :param needed: those and what they need beside them; they are copied.
    """

    outline: Outline
    named: frozenset[Key]
    needed: frozenset[Key]
    paths: frozenset[str]

    @property
    def left_out(self) -> frozenset[Key]:
        """The tables that aren't copied."""
        return self.outline.tables - self.needed

    @contextlib.contextmanager
    def watched(self, engine: sa.Engine) -> t.Iterator[None]:
        """Watch what the revisions send within the block.

        :raises Uncertain: at the end, if anything may have concerned a table that is left out.
        """
        doubts: list[str] = []

        def look(connection: t.Any, cursor: t.Any, statement: str, values: t.Any, context: t.Any, many: bool) -> None:
            asks = _looking.get() or ASKS in context.execution_options
            if not asks and self._sends() and self._is_doubtful(statement):
                doubts.append(statement)

        event.listen(engine, "before_cursor_execute", look)
        try:
            yield
        finally:
            event.remove(engine, "before_cursor_execute", look)
        if doubts:
            raise Uncertain(*doubts)

    def checking(self, apply: t.Callable[[Script], None], engine: sa.Engine) -> t.Callable[[Script], None]:
        """Return a function that applies a revision and looks for names of what the copy lacks, which nobody wrote.

        It raises :class:`Uncertain` if there are some.
        """

        def checked(script: Script) -> None:
            apply(script)
            self._refuse_clashes(engine)

        return checked

    def _refuse_clashes(self, engine: sa.Engine) -> None:
        with engine.connect() as connection:
            there = outlines.outline_of(connection).names.keys()
        known = {name for name, tables in self.outline.names.items() if tables & self.needed}
        if (there - known) & self.outline.names.keys():
            raise Uncertain

    def _sends(self) -> bool:
        """Return whether a function of one of the files is running."""
        frame = sys._getframe(1)
        while frame is not None:
            if frame.f_code.co_filename in self.paths:
                return True
            frame = frame.f_back  # type: ignore[assignment]
        return False

    def _is_doubtful(self, statement: str) -> bool:
        certain = _CERTAIN.match(statement)
        if certain is None or _DOUBTFUL.search(statement) or (certain["data"] and self.outline.has_code):
            return True
        if self.outline.named(statement) <= self.named:
            return False
        # The copy has the tables that foreign keys refer to; SQLite's rebuild of a table states all of its keys again.
        return bool(self.outline.named(_REFERENCES.sub(self._without_copied, statement)) - self.named)

    def _without_copied(self, reference: re.Match[str]) -> str:
        return "" if self.outline.named(reference[1]) <= self.needed else reference[0]


def excerpt(
    source: sa.Engine, scripts: t.Sequence[Script], differing: t.Collection[Key], own: t.Collection[str]
) -> Excerpt | None:
    """Return the part of a schema that new revisions concern; ``None`` if the whole is to be copied.

    :param differing: the tables that differ from the models.
    :param own: names of tables that are always copied.
    """
    if source.dialect.name not in outlines.READERS:
        return None
    with source.connect() as connection:
        outline = outlines.outline_of(connection)
        connection.rollback()
    if len(outline.tables) < FEWEST:
        return None
    text = "\n".join(pathlib.Path(script.path).read_text("utf-8", errors="replace") for script in scripts)
    named = outline.together(outline.named(text) | (set(differing) & outline.tables))
    beside = {key for key in outline.tables if key[1] in own or is_own_table(key[1])}
    needed = outline.together(named | outline.neighbours(named) | beside)
    if len(needed) > len(outline.tables) / 2 or needed & outline.with_code:
        return None
    paths = frozenset(str(script.path) for script in scripts)
    return Excerpt(outline, frozenset(named), frozenset(needed), paths)
