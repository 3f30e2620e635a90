"""The :class:`Decisions` that all passes of one run share: the answers, and the questions that they leave.

The command line shows the questions on a terminal, and a caller passes answers to ``migrate()``. Without either the
questions are raised as the error ``Undecided``, each with the option that answers it.

"Yes" is the harmless answer to a question about a rename: a rename can be reverted with every value in place, a drop
can't. To a question about a drop it is "no".
"""

from __future__ import annotations

import dataclasses
import difflib
import typing as t

from ..errors.autogenerate import Undecided
from ..errors.autogenerate import UnusedAnswer
from ..questions import Answers
from ..questions import argument
from ..questions import Question
from ..questions import rename_option
from .renames import Candidate
from .renames import similarity

Option = t.Literal["--rename", "--rename-table", "--drop", "--fill", "--keep"]


@dataclasses.dataclass(eq=False, repr=False)
class Decisions:
    """Answers on the way in, questions and notices on the way out, over all databases of a run.

    :param answers: the answers so far.
    :param allow_drops: continue although the models of existing tables seem to be missing.
    :param verify: whether to verify the revision on a scratch database; ``None`` for the setting.
    :param online: write changes of existing tables in the forms that let readers and writers go on.
    :param questions: the questions of passes; while there are some, nothing is written.
    :param notices: sentences to print about the revision.
    :param told: what the notices say is dropped or converted: the bind, the table, and the column unless it is the
        whole table.
    :param differing: the tables that differ from the models, each with its bind, whatever the file does about it.
    :param later: with ``online``, the operations of a second revision, by the token of a database in the template.
    :param backfills: with ``online``, functions for the end of the first revision's file.
    """

    answers: Answers = dataclasses.field(default_factory=Answers)
    allow_drops: bool = False
    verify: bool | None = None
    online: bool = False
    questions: list[Question] = dataclasses.field(default_factory=list)
    notices: list[str] = dataclasses.field(default_factory=list)
    told: set[tuple[str | None, str, str | None]] = dataclasses.field(default_factory=set)
    differing: set[tuple[str | None, tuple[str | None, str]]] = dataclasses.field(default_factory=set)
    later: dict[str, list[t.Any]] = dataclasses.field(default_factory=dict)
    backfills: list[str] = dataclasses.field(default_factory=list)
    _used: set[tuple[Option, str]] = dataclasses.field(default_factory=set)
    _known: set[str] = dataclasses.field(default_factory=set)
    _is_complete: bool = True

    def use(self, option: Option, name: str) -> None:
        """Note that an answer was used; one that never is must be a typo."""
        self._used.add((option, name))

    def know(self, names: t.Iterable[str]) -> None:
        """Note names that answers could have meant, for a suggestion after a typo."""
        self._known.update(names)

    def trial(self, assumed: Answers) -> Decisions:
        """Return decisions with further answers, to find out what would be asked then."""
        return Decisions(self.answers | assumed, self.allow_drops, self.verify)

    def learn(self, trial: Decisions) -> None:
        """Note which answers a trial used; its questions and notices are not taken over."""
        self._used |= trial._used
        self._known |= trial._known

    def is_uncertain(self) -> None:
        """Note that not all passes saw the answers, so that one that was never used need not be a typo."""
        self._is_complete = False

    def settle(self) -> None:
        """End the run.

        :raises UnusedAnswer: when an answer fitted nothing.
        :raises Undecided: while questions are open.
        """
        for option, name, text in self._given():
            if self._is_complete and (option, name) not in self._used:
                raise self._unused(option, name, text)
        if self.questions:
            raise Undecided.about(self.questions)

    def _given(self) -> t.Iterator[tuple[Option, str, str]]:
        answers = self.answers
        yield from (("--rename", old, f"{old}:{new}") for old, new in answers.renames.items())
        yield from (("--rename-table", old, f"{old}:{new}") for old, new in answers.table_renames.items())
        yield from (("--drop", name, name) for name in sorted(answers.drops))
        yield from (("--keep", name, name) for name in sorted(answers.keeps))
        yield from (("--fill", name, f"{name}={value}") for name, value in answers.fills.items())

    def _unused(self, option: Option, name: str, text: str) -> UnusedAnswer:
        near = difflib.get_close_matches(name, sorted(self._known), n=1)
        hint = f"Did you mean {near[0]}?" if near and near[0] != name else "Remove it or fix the name."
        return UnusedAnswer(
            f"{option} {text} matches no difference between the models and the database.", hint=hint
        )


def table_questions(
    candidates: t.Sequence[Candidate], left_alone: t.Collection[str], database: str
) -> t.Iterator[Question]:
    """Ask ``Did you rename the table department to departments?``, once for tables that changed by one pattern.

    :param left_alone: Tables that are not dropped if they weren't renamed: they may belong to another program.
    """
    for group in _by_pattern(candidates):
        pairs = {item.old: item.new for item in group}
        yield Question(
            kind="rename_table",
            text=_text("table", pairs),
            subject=group[0].old,
            evidence=group[0].evidence,
            default=True,
            yes=Answers(table_renames=pairs),
            no=Answers(denied_tables=frozenset(pairs.items())),
            options=_rename_options("--rename-table", "rows", pairs, all(old in left_alone for old in pairs)),
            database=database,
        )


def column_questions(
    candidates: t.Sequence[Candidate], old_names: t.Mapping[str, str], left_alone: t.Collection[str], database: str
) -> t.Iterator[Question]:
    """Ask ``Did you rename the column employees.address to ...?``, once for columns that changed by one pattern.

    :param old_names: The former names of renamed tables.
    :param left_alone: Columns that are not dropped if they weren't renamed.
    """
    for group in _by_pattern(candidates):
        pairs = {f"{old_names.get(item.table or '', item.table)}.{item.old}": item.new for item in group}
        shown = {old: f"{item.table}.{item.new}" for old, item in zip(pairs, group, strict=True)}
        kept = all(f"{item.table}.{item.old}" in left_alone for item in group)
        yield Question(
            kind="rename_column",
            text=_text("column", shown),
            subject=next(iter(pairs)),
            evidence=group[0].evidence,
            default=True,
            yes=Answers(renames=pairs),
            no=Answers(denied=frozenset(pairs.items())),
            options=_rename_options("--rename", "values", pairs, kept),
            database=database,
        )


def _rename_options(
    option: str, contents: str, pairs: t.Mapping[str, str], left_alone: bool
) -> tuple[tuple[str, str], tuple[str, str]]:
    """Return the options for yes and for no, each with its meaning."""
    noun = ("table" if contents == "rows" else "column") + "s" * (len(pairs) > 1)
    its = "its" if len(pairs) == 1 else "their"
    yes = " ".join(rename_option(old, new, option) for old, new in pairs.items())
    no = " ".join(f"{'--keep' if left_alone else '--drop'} {argument(old)}" for old in pairs)
    return (
        (yes, f"rename the {noun} and keep {its} {contents}"),
        (no, f"leave the {noun} in the database" if left_alone else f"drop the {noun} and {its} {contents}"),
    )


def _by_pattern(candidates: t.Sequence[Candidate]) -> t.Iterator[list[Candidate]]:
    """Group candidates whose names change by the same words, such as a prefix, and leave out the rivals of a group.

    A rival is asked about after a "no", when the detector runs again.
    """
    groups: dict[t.Hashable, list[Candidate]] = {}
    for item in candidates:
        group = groups.setdefault(_pattern_of(item), [])
        if not any(_share_name(item, other) for other in group):
            group.append(item)
    patterns = [item for group in groups.values() if len(group) > 1 for item in group]
    for group in groups.values():
        if len(group) > 1 or not any(_share_name(group[0], other) for other in patterns):
            yield group


def _pattern_of(candidate: Candidate) -> t.Hashable:
    old, new = similarity.bare(candidate.old), similarity.bare(candidate.new)
    exchanged, kept = similarity.swap(old, new)
    return exchanged if kept else (similarity.words(old), similarity.words(new))


def _share_name(one: Candidate, other: Candidate) -> bool:
    return one.table == other.table and (one.old == other.old or one.new == other.new)


_MOST_SHOWN = 8


def _text(kind: str, pairs: t.Mapping[str, str]) -> str:
    if len(pairs) == 1:
        ((old, new),) = pairs.items()
        return f"Did you rename the {kind} {old} to {new}?"
    shown = [f"{old} to {new}" for old, new in list(pairs.items())[:_MOST_SHOWN]]
    rest = len(pairs) - len(shown)
    return f"Did you rename {len(pairs)} {kind}s: {', '.join(shown)}{f' and {rest} more' if rest else ''}?"


def drop_question(subject: str, noun: t.Literal["row", "value"], count: str, renamed: str, database: str) -> Question:
    """Ask ``Drop employees.fax and its 431 values?``; "no" leaves it in the database.

    :param subject: ``table`` or ``table.column``.
    :param noun: ``value`` for a column.
    :param count: The rows or values that would be lost, in words.
    :param renamed: The name of something new that it may have been renamed to; empty if there is nothing new.
    """
    is_column = noun == "value"
    what = "column" if is_column else "table"
    options = [(f"--drop {argument(subject)}", f"drop the {what} and its {noun}s")]
    if renamed:
        rename = rename_option(subject, renamed, "--rename" if is_column else "--rename-table")
        options.append((rename, f"rename the {what} and keep its {noun}s"))
    options.append((f"--keep {argument(subject)}", f"leave the {what} in the database"))
    return Question(
        kind="drop",
        text=f"Drop the {what} {subject} and its {count}?",
        subject=subject,
        default=False,
        yes=Answers(drops=frozenset({subject})),
        no=Answers(keeps=frozenset({subject})),
        options=tuple(options),
        database=database,
    )
