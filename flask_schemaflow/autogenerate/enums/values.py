"""What became of an enum's values: renamed, removed, added; asked where that can't be known.

A value is named ``table.column.value`` in answers. Values that differ only in case and punctuation are certainly the
same one; where others go and come, each that goes is asked about once. Rows whose value is removed need another
one, which is asked for as well; where there are no such rows here and there are some elsewhere, the database
refuses to convert them.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
import typing as t

import sqlalchemy as sa

from ...errors.autogenerate import InvalidAnswer
from ...record import Record
from ..fills import SQL
from ..fills import Value
from ..operations import Key
from ..operations import label
from ..pipeline import PassContext
from ..questions import Answers
from ..questions import Question

_ALIKE = 0.5
"""From which likeness on a question is worth it where several values go or come."""


class Place(Record):
    """A column that holds values of an enum, by the names that operations use.

    :param is_array: whether it holds arrays of them.
    """

    table: Key
    column: str
    is_array: bool = False

    def __str__(self) -> str:
        return f"{label(self.table)}.{self.column}"


@dataclasses.dataclass(eq=False, repr=False)
class Change:
    """How the values of an enum change.

    :param renames: old values to new ones.
    :param fills: what rows get that have a removed value, by column and value.
    :param removed: values that go; ``added``: values that come.
    """

    old: tuple[str, ...]
    new: tuple[str, ...]
    renames: dict[str, str] = dataclasses.field(default_factory=dict)
    fills: dict[tuple[Place, str], Value] = dataclasses.field(default_factory=dict)

    @property
    def renamed_old(self) -> tuple[str, ...]:
        """The old values once the renames are done."""
        return tuple(self.renames.get(value, value) for value in self.old)

    @property
    def removed(self) -> tuple[str, ...]:
        """Values that go without a successor."""
        return tuple(value for value in self.old if value not in self.new and value not in self.renames)

    @property
    def added(self) -> tuple[str, ...]:
        """Values that come and are no other one's new name."""
        return tuple(value for value in self.new if value not in self.renamed_old)

    def words(self) -> str:
        """``'gray' is now 'grey', without 'red', with 'blue'``."""
        parts = [f"{old!r} is now {new!r}" for old, new in self.renames.items()]
        for word, found in (("without", self.removed), ("with", self.added)):
            parts += [f"{word} {', '.join(map(repr, found))}"] if found else []
        return ", ".join(parts) or "in another order"


def understand(
    context: PassContext, old: t.Sequence[str], new: t.Sequence[str], places: t.Sequence[Place]
) -> Change | None:
    """Find out what became of the values.

    :param old: the values that there are, or those of rows, where the column was no enum.
    :param places: the columns that hold them.
    :returns: ``None`` when something has to be asked first; it is among the context's questions then.
    """
    change = Change(tuple(old), tuple(new))
    gone = [value for value in old if value not in new]
    context.decisions.know(f"{place}.{value}" for place in places for value in gone)
    asked = len(context.questions)
    for value in gone:
        free = [item for item in new if item not in old and item not in change.renames.values()]
        _rename(context, change, value, free, places)
    rivals = [value for value in gone if value not in change.renames]
    for value in rivals:
        free = [item for item in new if item not in old and item not in change.renames.values()]
        _removed(context, change, value, _candidate(value, free, len(rivals)), places)
    return change if len(context.questions) == asked else None


def _rename(
    context: PassContext, change: Change, value: str, free: list[str], places: t.Sequence[Place]
) -> None:
    """Note the rename of a value that is certain or answered."""
    for name in _names(context, places, value):
        given = context.answers.renames.get(name)
        if given is not None:
            context.decisions.use("--rename", name)
            if given not in free:
                raise InvalidAnswer(
                    f"--rename {name}:{given} names no value that is new.",
                    hint=f"New are: {', '.join(free) or 'none'}.",
                )
            change.renames[value] = given
            return
    same = [item for item in free if _letters(item) == _letters(value)]
    if len(same) == 1 and not _denied(context, places, value, same[0]):
        change.renames[value] = same[0]


def _names(context: PassContext, places: t.Sequence[Place], value: str) -> t.Iterator[str]:
    """How answers may call a value; also by the names that a renamed table or column had."""
    for place in places:
        yield f"{place}.{value}"
        before = context.renames.old(place.table)
        column = context.stored_column(*place.table, place.column)
        if before is not None and (before, column) != (place.table, place.column):
            yield f"{label(before)}.{column}.{value}"


def _letters(value: str) -> str:
    return re.sub(r"[\W_]", "", value).lower()


def _denied(context: PassContext, places: t.Sequence[Place], value: str, new: str) -> bool:
    names = set(_names(context, places, value))
    dropped = names & context.answers.drops
    for name in dropped:
        context.decisions.use("--drop", name)
    denied = {(name, new) for name in names} & context.answers.denied
    return bool(dropped or denied or names & context.answers.fills.keys())


def _candidate(value: str, free: list[str], rivals: int) -> str | None:
    """The value that may be its new name."""
    if len(free) == 1 and rivals == 1:
        return free[0]
    best = difflib.get_close_matches(value.lower(), [item.lower() for item in free], n=1, cutoff=_ALIKE)
    return next((item for item in free if best and item.lower() == best[0]), None)


def _removed(
    context: PassContext, change: Change, value: str, candidate: str | None, places: t.Sequence[Place]
) -> None:
    """Ask whether a value was renamed; if not, what its rows get."""
    counts = {place: _rows(context, place, value) for place in places}
    denied = candidate is None or _denied(context, places, value, candidate)
    if candidate is not None and not denied and context.settings.renames == "ask":
        context.ask(_rename_question(context, places[0], value, candidate, sum(counts.values())))
        return
    for place, count in counts.items():
        answer = next(filter(None, (context.fill(name) for name in _names(context, [place], value))), None)
        if answer is not None:
            change.fills[place, value] = _read(place, value, answer, change.new)
        elif count:
            context.ask(_fill_question(context, place, value, count, change.new))


def _read(place: Place, value: str, answer: str, new: t.Sequence[str]) -> Value:
    if answer.startswith(SQL):
        return Value(sql=answer.removeprefix(SQL).strip())
    if answer not in new:
        raise InvalidAnswer(
            f"--fill {place}.{value}={answer} is no value of {place}.",
            hint=f"Its values are: {', '.join(new)}. Nothing is written {SQL}NULL.",
        )
    return Value(answer)


def _rename_question(context: PassContext, place: Place, value: str, new: str, rows: int) -> Question:
    name = f"{place}.{value}"
    no = (
        (f"--fill {name}=VALUE", "no, it is removed, and its rows get another value")
        if rows
        else (f"--drop {name}", "no, it is removed")
    )
    return Question(
        kind="rename_column",
        text=f"Was the value {value!r} of {place} renamed to {new!r}?",
        subject=name,
        evidence=(f"{rows} row{'' if rows == 1 else 's'}",) if rows else ("no rows",),
        default=True,
        yes=Answers(renames={name: new}),
        no=Answers(denied=frozenset({(name, new)})),
        options=((f"--rename {name}:{new}", "yes, rows keep it"), no),
        database=context.database,
    )


def _fill_question(context: PassContext, place: Place, value: str, rows: int, new: t.Sequence[str]) -> Question:
    name = f"{place}.{value}"
    return Question(
        kind="fill",
        text=f"Which value do rows get that have {value!r} in {place}?",
        subject=name,
        evidence=(f"{rows} row{'' if rows == 1 else 's'}", f"values: {', '.join(new)}"),
        options=(
            (f"--fill {name}={new[0] if new else 'VALUE'}", "this value"),
            (f'--fill "{name}={SQL}NULL"', "none"),
        ),
        database=context.database,
    )


def _rows(context: PassContext, place: Place, value: str) -> int:
    """How many rows have a value; zero where they can't be counted."""
    key = context.stored(*place.table)
    if key is None:
        return 0
    column = context.stored_column(*place.table, place.column)
    quote = context.connection.dialect.identifier_preparer.quote
    text = f"CAST({quote(column)} AS {_TEXT_TYPES.get(context.dialect, 'CHAR')}{'[]' if place.is_array else ''})"
    test = f":value = ANY({text})" if place.is_array else f"{text} = :value"
    source = sa.table(key[1], schema=key[0])
    query: sa.Select[t.Any] = sa.select(sa.func.count()).select_from(source).where(sa.text(test))
    try:
        with context.connection.begin_nested():
            return int(context.connection.scalar(query, {"value": value}) or 0)
    except sa.exc.DBAPIError:
        return 0


_TEXT_TYPES = {"postgresql": "TEXT", "sqlite": "TEXT"}
