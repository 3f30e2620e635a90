"""What one run of autogenerate was told, has to ask, and has to say: the only thing that passes share."""

from __future__ import annotations

import dataclasses
import difflib
import typing as t

from ..errors.autogenerate import Undecided
from ..errors.autogenerate import UnusedAnswer
from .questions import Answers
from .questions import Question

Option = t.Literal["--rename", "--rename-table", "--drop", "--fill"]


@dataclasses.dataclass(eq=False, repr=False)
class Decisions:
    """Answers on the way in, questions and notices on the way out, over all databases of a run.

    :param answers: what was decided before.
    :param allow_drops: go on although the models of existing tables seem to be missing.
    :param verify: whether what is written has to be proved on a scratch database; ``None`` for what the settings say.
    :param questions: what passes have to ask; then nothing is written.
    :param notices: what the reader has to be told about what is written.
    """

    answers: Answers = dataclasses.field(default_factory=Answers)
    allow_drops: bool = False
    verify: bool | None = None
    questions: list[Question] = dataclasses.field(default_factory=list)
    notices: list[str] = dataclasses.field(default_factory=list)
    _used: set[tuple[Option, str]] = dataclasses.field(default_factory=set)
    _known: set[str] = dataclasses.field(default_factory=set)

    def use(self, option: Option, name: str) -> None:
        """Note that an answer was of use; one that never is must be a slip."""
        self._used.add((option, name))

    def know(self, names: t.Iterable[str]) -> None:
        """Note names that answers could have meant, for a suggestion after a slip."""
        self._known.update(names)

    def settle(self) -> None:
        """End the run.

        :raises Undecided: while questions are open.
        :raises UnusedAnswer: when an answer fitted nothing.
        """
        if self.questions:
            raise Undecided.about(self.questions)
        for option, name, text in self._given():
            if (option, name) not in self._used:
                raise self._unused(option, name, text)

    def _given(self) -> t.Iterator[tuple[Option, str, str]]:
        answers = self.answers
        yield from (("--rename", old, f"{old}:{new}") for old, new in answers.renames.items())
        yield from (("--rename-table", old, f"{old}:{new}") for old, new in answers.table_renames.items())
        yield from (("--drop", name, name) for name in sorted(answers.drops))
        yield from (("--fill", name, f"{name}={value}") for name, value in answers.fills.items())

    def _unused(self, option: Option, name: str, text: str) -> UnusedAnswer:
        near = difflib.get_close_matches(name, sorted(self._known), n=1)
        hint = f"Did you mean {near[0]}?" if near and near[0] != name else "Leave it out, or correct its names."
        return UnusedAnswer(
            f"{option} {text} fits nothing that differs between the models and the database.", hint=hint
        )
