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
from alembic.operations import ops

from ....backfills.sql import single_percents
from ....errors.autogenerate import InvalidAnswer
from ....questions import Answers
from ....questions import argument
from ....questions import Question
from ....questions import rename_option
from ....records import Record
from ...operations import Key
from ...operations import label
from ...operations import remark
from ...operations.fills import SQL
from ...operations.fills import Value
from ...pipeline import PassContext
from ...sql_text import escaped

_ALIKE = 0.5
"""From which likeness on a question is worth it where several values go or come."""


@dataclasses.dataclass(frozen=True)
class EnumColumn(Record):
    """A column that holds values of an enum, by the names that operations use.

    :param is_array: whether it holds arrays of them.
    """

    table: Key
    column: str
    is_array: bool = False

    def __str__(self) -> str:
        return f"{label(self.table)}.{self.column}"


@dataclasses.dataclass(eq=False, repr=False)
class ValueChange:
    """How the values of an enum change.

    :param renames: old values to new ones.
    :param fills: what rows get that have a removed value, by column and value.
    :param removed: values that go; ``added``: values that come.
    :param is_from_rows: whether ``old`` are the values of rows alone, so that nobody knows which of the others are new.
    """

    old: tuple[str, ...]
    new: tuple[str, ...]
    renames: dict[str, str] = dataclasses.field(default_factory=dict)
    fills: dict[tuple[EnumColumn, str], Value] = dataclasses.field(default_factory=dict)
    is_from_rows: bool = False

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
        """``without 'red', with 'blue'``; renames are written, and told, by themselves."""
        parts = []
        for word, found in (("without", self.removed), ("with", self.added)):
            parts += [f"{word} {', '.join(map(repr, found))}"] if found else []
        return ", ".join(parts) or "in another order"


def understand(
    context: PassContext,
    old: t.Sequence[str],
    new: t.Sequence[str],
    places: t.Sequence[EnumColumn],
    is_from_rows: bool = False,
) -> ValueChange | None:
    """Find out what became of the values.

    :param old: the values that there are, or those of rows, where the column was no enum.
    :param places: the columns that hold them.
    :returns: ``None`` when something has to be asked first; it is among the context's questions then.
    """
    change = ValueChange(tuple(old), tuple(new), is_from_rows=is_from_rows)
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
    context: PassContext, change: ValueChange, value: str, free: list[str], places: t.Sequence[EnumColumn]
) -> None:
    """Note the rename of a value that is certain or answered."""
    for name in _names(context, places, value):
        given = context.answers.renames.get(name)
        if given is not None:
            context.decisions.use("--rename", name)
            if given not in free:
                raise InvalidAnswer(
                    f"--rename {name}:{given}: {given!r} is not a new value.",
                    hint=f"The new values are: {', '.join(free) or 'none'}.",
                )
            change.renames[value] = given
            return
    same = [item for item in free if _letters(item) == _letters(value)]
    if len(same) == 1 and not _denied(context, places, value, same[0]):
        change.renames[value] = same[0]


def _names(context: PassContext, places: t.Sequence[EnumColumn], value: str) -> t.Iterator[str]:
    """Yield the names that answers may call a value by; also by the names that a renamed table or column had."""
    for place in places:
        yield f"{place}.{value}"
        before = context.renames.old(place.table)
        column = context.stored_column(*place.table, place.column)
        if before is not None and (before, column) != (place.table, place.column):
            yield f"{label(before)}.{column}.{value}"


def _letters(value: str) -> str:
    return re.sub(r"[\W_]", "", value).lower()


def _denied(context: PassContext, places: t.Sequence[EnumColumn], value: str, new: str) -> bool:
    names = set(_names(context, places, value))
    dropped = names & context.answers.drops
    for name in dropped:
        context.decisions.use("--drop", name)
    denied = {(name, new) for name in names} & context.answers.denied
    return bool(dropped or denied or names & context.answers.fills.keys())


def _candidate(value: str, free: list[str], rivals: int) -> str | None:
    """Return the value that may be its new name."""
    if len(free) == 1 and rivals == 1:
        return free[0]
    best = difflib.get_close_matches(value.lower(), [item.lower() for item in free], n=1, cutoff=_ALIKE)
    return next((item for item in free if best and item.lower() == best[0]), None)


def _removed(
    context: PassContext, change: ValueChange, value: str, candidate: str | None, places: t.Sequence[EnumColumn]
) -> None:
    """Ask whether a value was renamed; if not, what its rows get."""
    counts = {place: _rows(context, place, value) for place in places}
    denied = candidate is None or _denied(context, places, value, candidate)
    if candidate is not None and not denied and context.settings.renames == "ask":
        context.ask(_rename_question(context, change, places[0], value, candidate, sum(counts.values())))
        return
    for place, count in counts.items():
        answer = next(filter(None, (context.fill(name) for name in _names(context, [place], value))), None)
        if answer is not None:
            change.fills[place, value] = _read(context, place, value, answer, change.new)
        elif count:
            context.ask(_fill_question(context, change, place, value, count))


def _read(context: PassContext, place: EnumColumn, value: str, answer: str, new: t.Sequence[str]) -> Value:
    given = Value(sql=answer.removeprefix(SQL).strip()) if answer.startswith(SQL) else Value(answer)
    if given.is_null and not _may_be_null(context, place):
        raise InvalidAnswer(
            f"--fill {place}.{value}={answer}: {place} is NOT NULL.", hint=f"The values are: {', '.join(new)}."
        )
    if given.sql is None and answer not in new:
        null = f" For NULL, use {SQL}NULL." if _may_be_null(context, place) else ""
        raise InvalidAnswer(
            f"--fill {place}.{value}={answer}: {answer!r} is not a value of {place}.",
            hint=f"The values are: {', '.join(new)}.{null}",
        )
    return given


def _may_be_null(context: PassContext, place: EnumColumn) -> bool:
    table = context.tables.get(place.table)
    column = None if table is None else next((item for item in table.columns if item.name == place.column), None)
    return column is None or bool(column.nullable)


def _rename_question(
    context: PassContext, change: ValueChange, place: EnumColumn, value: str, new: str, rows: int
) -> Question:
    name = f"{place}.{value}"
    others = [item for item in _free(change) if item != new]
    no = (
        (f"--fill {argument(f'{name}=VALUE')}", "remove the value and set VALUE in its rows")
        if rows
        else (f"--drop {argument(name)}", "remove the value")
    )
    return Question(
        kind="rename_column",
        text=f"Did you rename the value {value!r} of {place} to {new!r}?",
        subject=name,
        evidence=(f"{rows} row{'' if rows == 1 else 's'}",) if rows else ("no rows",),
        default=True,
        yes=Answers(renames={name: new}),
        no=Answers(denied=frozenset({(name, new)})),
        options=(
            (rename_option(name, new), "rename the value in all rows"),
            *((rename_option(name, item), f"rename it to {item!r} instead") for item in others),
            no,
        ),
        database=context.database,
    )


def _free(change: ValueChange) -> list[str]:
    """Return the new values that are no other one's new name."""
    if change.is_from_rows:
        return []
    return [item for item in change.new if item not in change.old and item not in change.renames.values()]


def _fill_question(context: PassContext, change: ValueChange, place: EnumColumn, value: str, rows: int) -> Question:
    """Ask what becomes of rows whose value is removed; each value that there is, or is new, is an answer."""
    name = f"{place}.{value}"
    free = _free(change)
    options = [(rename_option(name, item), f"rename the value to {item!r}") for item in free]
    kept = (item for item in change.new if item not in free)
    options += [(f"--fill {argument(f'{name}={item}')}", f"set {item!r} in these rows") for item in kept]
    may_be_null = _may_be_null(context, place)
    if may_be_null:
        options.append((f"--fill {argument(f'{name}={SQL}NULL')}", "set NULL in these rows"))
    have = "1 row has" if rows == 1 else f"{rows} rows have"
    it = "it" if rows == 1 else "they"
    return Question(
        kind="fill",
        text=f"{have} {place} = {value!r}, which the enum no longer has. What should {it} become?",
        subject=name,
        evidence=(f"values: {', '.join(change.new)}{f', or {SQL}NULL' if may_be_null else ''}",),
        options=tuple(options),
        database=context.database,
        renamed=tuple(free),
        check=lambda reply: _read(context, place, value, reply, change.new),
    )


def _rows(context: PassContext, place: EnumColumn, value: str) -> int:
    """Count the rows that have a value; zero where they can't be counted."""
    key = context.stored(*place.table)
    if key is None:
        return 0
    column = context.stored_column(*place.table, place.column)
    quote = context.connection.dialect.identifier_preparer.quote
    cast = f"CAST({quote(column)} AS {_TEXT_TYPES.get(context.dialect, 'CHAR')}{'[]' if place.is_array else ''})"
    text = escaped(single_percents(cast, context.connection.dialect))
    test = f":value = ANY({text})" if place.is_array else f"{text} = :value"
    source = sa.table(key[1], schema=key[0])
    query: sa.Select[t.Any] = sa.select(sa.func.count()).select_from(source).where(sa.text(test))
    try:
        with context.connection.begin_nested():
            return int(context.connection.scalar(query, {"value": value}) or 0)
    except sa.exc.DBAPIError:
        return 0


_TEXT_TYPES = {"postgresql": "TEXT", "sqlite": "TEXT"}


def remark_rows(
    operation: ops.MigrateOperation, name: str, removed: t.Sequence[str], added: t.Sequence[str] = ()
) -> None:
    """Write before an operation that it fails on rows with a removed value, its reverse on those with an added one.

    :param name: of the column or type that loses the values.
    """
    text = "The next line fails if rows have {} in {}. Change these rows first."
    there = text.format(", ".join(removed), name) if removed else ""
    back = text.format(", ".join(added), name) if added else ""
    remark(operation, there, back)
