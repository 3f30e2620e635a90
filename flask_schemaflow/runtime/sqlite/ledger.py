"""What a run did to one database and whether it is there to stay: the words after a failure."""

from __future__ import annotations

import typing as t


class Ledger:
    """Follows the revisions of one run through its transactions."""

    def __init__(self) -> None:
        self.kept: list[str] = []
        self.undone: list[str] = []
        self.half = ""
        """The revision of which a part is committed that can't be taken back."""
        self._open: list[str] = []
        self._running = ""

    def begin(self, step: t.Any) -> None:
        """A revision begins."""
        self._running = _name(step.info)

    def written(self, info: t.Any) -> None:
        """Its row in the version table is written, so it shares the transaction's fate."""
        self._running = self.half = ""
        self._open.append(_name(info))

    def ended(self, kept: bool) -> None:
        """The transaction ended."""
        if kept:
            self.half = self._running
        elif self._running and not self.half:
            self._open.append(self._running)
        (self.kept if kept else self.undone).extend(self._open)
        self._open = []

    def lines(self, database: str) -> t.Iterator[str]:
        """What holds now, in sentences."""
        if self.kept:
            yield f"The {database} database keeps what was committed: {', '.join(self.kept)}."
        if self.half:
            yield (
                f"Revision {self.half} has an autocommit_block(): what it did to the {database} database up to there "
                "is committed."
            )
        if self.undone:
            yield f"The {database} database was rolled back: {', '.join(self.undone)}."


def _name(info: t.Any) -> str:
    revision = info.up_revision
    return revision.revision if revision is not None else ", ".join(info.source_revision_ids) or "base"
