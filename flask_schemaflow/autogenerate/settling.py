"""Finds out which renames were decided already: by answers, and by ``info={"renamed_from": ...}`` in the models.

What was decided may name what nobody could detect: a column that was renamed while another one took its old
name. So it is held against the database and not only against what vanished.
"""

from __future__ import annotations

import dataclasses
import typing as t

import sqlalchemy as sa

from .decisions import Decisions
from .live_shapes import Changed
from .operations import Key
from .operations import label
from .questions import Answers
from .renames import Settled
from .renames import TableShape

Shapes = t.Mapping[Key, TableShape]
MARKER = "renamed_from"


@dataclasses.dataclass(eq=False, repr=False)
class Ground:
    """What decisions are held against.

    :param before: the database; ``after``: the models.
    :param tables: the models' tables, for their markers.
    :param moves_between_schemas: whether the database can move a table to another schema.
    """

    before: Shapes
    after: Shapes
    tables: t.Mapping[Key, sa.Table]
    decisions: Decisions
    moves_between_schemas: bool = True

    @property
    def answers(self) -> Answers:
        """What was decided before."""
        return self.decisions.answers

    def find(self, name: str, shapes: Shapes, like: Key | None = None) -> Key | None:
        """The table that somebody calls ``name``, in the schema of ``like`` if none is given."""
        for key in shapes:
            if label(key) == name:
                return key
        if like is not None and (like[0], name) in shapes:
            return like[0], name
        return None


def marked(holder: t.Any) -> tuple[str, ...]:
    """The former names that a model's table or column is marked with."""
    value = holder.info.get(MARKER, ())
    return (value,) if isinstance(value, str) else tuple(value)


def has_decisions(answers: Answers, tables: t.Mapping[Key, sa.Table], found: Changed) -> bool:
    """Whether anything was decided that could make a rename of what Alembic found."""
    if answers.renames or answers.table_renames or answers.drops:
        return True
    appeared: list[t.Any] = [tables[key] for key in found.created if key in tables]
    for key, names in found.won.items():
        appeared += [column for column in tables[key].columns if column.name in names]
    return any(marked(item) for item in appeared)


def settled_tables(ground: Ground) -> dict[Key, Key]:
    """Renamed tables, old to new."""
    renamed = _answered_tables(ground)
    return {old: new for old, new in renamed.items() if ground.moves_between_schemas or old[0] == new[0]}


def _answered_tables(ground: Ground) -> dict[Key, Key]:
    found: dict[Key, Key] = {}
    pairs = [
        (name, ground.find(name, ground.before), new_name) for name, new_name in ground.answers.table_renames.items()
    ]
    # A name that is taken becomes free where its table is renamed too.
    leaving = {old for _, old, _ in pairs if old is not None}
    for name, old, new_name in pairs:
        new = ground.find(new_name, ground.after, like=old)
        if old is not None and new is not None and (new not in ground.before or new in leaving):
            found[old] = new
            ground.decisions.use("--rename-table", name)
    for new, table in ground.tables.items():
        if new in ground.before or new not in ground.after or new in found.values():
            continue
        for name in marked(table):
            marked_key = ground.find(name, ground.before, like=new)
            if marked_key is not None and marked_key not in found:
                found[marked_key] = new
    return found


def settled_columns(ground: Ground, renamed: t.Mapping[Key, Key]) -> dict[tuple[Key, str], str]:
    """Renamed columns, by the table's new name and the old column.

    :param renamed: tables that were renamed, decided or detected.
    """
    found = dict(_answered_columns(ground, renamed))
    origin = {new: old for old, new in renamed.items()}
    for new, table in ground.tables.items():
        before = ground.before.get(origin.get(new, new))
        if before is None or (new not in ground.after):
            continue
        for column in table.columns:
            if column.name not in before.by_name:
                names = [name for name in marked(column) if name in before.by_name and (new, name) not in found]
                found.update({(new, name): column.name for name in names})
    return found


def _answered_columns(ground: Ground, renamed: t.Mapping[Key, Key]) -> t.Iterator[tuple[tuple[Key, str], str]]:
    answered = [(name, new, site_of(ground, renamed, name)) for name, new in ground.answers.renames.items()]
    leaving = {(place[1], place[2]) for _, _, place in answered if place is not None}
    for name, new, place in answered:
        if place is None:
            continue
        before, after, column = place
        there = ground.before[before].by_name
        free = new not in there or (after, new) in leaving
        if column in there and free and new in ground.after[after].by_name:
            ground.decisions.use("--rename", name)
            yield (after, column), new


def site_of(ground: Ground, renamed: t.Mapping[Key, Key], name: str) -> tuple[Key, Key, str] | None:
    """The table, by its old and its new name, and the column that ``table.column`` means."""
    table, _, column = name.rpartition(".")
    origin = {new: old for old, new in renamed.items()}
    after = ground.find(table, ground.after)
    if after is None:
        before = ground.find(table, ground.before)
        after = renamed.get(before, before) if before is not None else None
    if after is None or after not in ground.after:
        return None
    before = origin.get(after, after)
    return (before, after, column) if before in ground.before else None


def settle(
    ground: Ground, tables: t.Mapping[Key, Key], detected: t.Mapping[Key, Key] | None = None
) -> Settled:
    """All decisions in the detector's words.

    :param tables: the tables that are settled.
    :param detected: the tables that were detected, for columns that are named by them.
    """
    renamed = {**(detected or {}), **tables}
    columns = settled_columns(ground, renamed)
    return Settled(
        tables={label(old): label(new) for old, new in tables.items()},
        columns={(label(table), old): new for (table, old), new in columns.items()},
        not_tables=frozenset(_denied_tables(ground)),
        not_columns=frozenset(_denied_columns(ground, renamed)),
    )


def _denied_tables(ground: Ground) -> t.Iterator[tuple[str, str]]:
    yield from ground.answers.denied_tables
    appeared = [label(key) for key in ground.after if key not in ground.before]
    for name in ground.answers.drops:
        old = ground.find(name, ground.before)
        if old is not None and old not in ground.after:
            ground.decisions.use("--drop", name)
            yield from ((label(old), new) for new in appeared)


def _denied_columns(ground: Ground, renamed: t.Mapping[Key, Key]) -> t.Iterator[tuple[str, str, str]]:
    for name, new in ground.answers.denied:
        place = site_of(ground, renamed, name)
        if place is not None:
            yield label(place[1]), place[2], new
    for name in ground.answers.drops:
        place = site_of(ground, renamed, name)
        if place is None:
            continue
        before, after, column = place
        there, wanted = ground.before[before].by_name, ground.after[after].by_name
        if column in there and column not in wanted:
            ground.decisions.use("--drop", name)
            yield from ((label(after), column, new) for new in wanted if new not in there)
