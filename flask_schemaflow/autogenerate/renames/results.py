"""What the detector answers: renames taken for certain, and questions about those that are not."""

from __future__ import annotations

import dataclasses

__all__ = ["Candidate", "Detection"]

# From here on a rename is believed rather than not, so that "yes" is the answer that keeps the values.
_LIKELY = 0.5


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A table or a column that may have been renamed.

    :param table: The table's new name for a column, ``None`` for a table.
    :param old: The name that vanished.
    :param new: The name that appeared.
    :param confidence: From 0 to 1.
    :param evidence: Up to three reasons in a few words, the strongest first, fit to be printed behind a
        question.
    """

    table: str | None
    old: str
    new: str
    confidence: float
    evidence: tuple[str, ...] = ()

    @property
    def likely(self) -> bool:
        """Whether "yes, renamed" is the answer to offer as the default of a question."""
        return self.confidence >= _LIKELY


@dataclasses.dataclass(frozen=True)
class Detection:
    """The outcome of :func:`.detect`.

    :param tables: Renames of tables that need no question; each name occurs once.
    :param columns: The same for columns, in tables that kept their name or were renamed for certain.
    :param ask_tables: Tables to ask about, the most likely first. Two questions may name the same table.
    :param ask_columns: Columns to ask about, the most likely first. Columns of a table that is itself asked
        about are not among them: settle the table and detect again.
    """

    tables: tuple[Candidate, ...] = ()
    columns: tuple[Candidate, ...] = ()
    ask_tables: tuple[Candidate, ...] = ()
    ask_columns: tuple[Candidate, ...] = ()

    def __bool__(self) -> bool:
        """Whether anything was found."""
        return bool(self.tables or self.columns or self.ask_tables or self.ask_columns)
