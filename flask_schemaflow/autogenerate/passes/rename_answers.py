"""Renames that are decided already, by answers and by ``info={"renamed_from": ...}`` in the models.

A decision may be about a rename that can't be detected: a column that was renamed while another one took its old
name. So decisions are compared with the whole database, not only with what vanished from it.
"""

from __future__ import annotations

import dataclasses
import typing as t

import sqlalchemy as sa

from ...errors.setup import UnusableDatabase
from ...questions import Answers
from ...runtime.guard import Scope
from ..decisions import Decisions
from ..decisions import Option
from ..operations import Key
from ..operations import label
from ..reflection.foreign_tables import metadatas_of
from ..renames import Settled
from ..renames import TableShape
from .rename_shapes import Changed

Shapes = t.Mapping[Key, TableShape]
MARKER = "renamed_from"


@dataclasses.dataclass
class RenameDecisions:
    """Answers and marks, with the schemas that they are about.

    :param before: The database; ``after``: the models.
    :param tables: The models' tables, for their marks.
    :param moves_between_schemas: Whether the database can move a table to another schema.
    """

    before: Shapes
    after: Shapes
    tables: t.Mapping[Key, sa.Table]
    decisions: Decisions
    moves_between_schemas: bool = True

    @property
    def answers(self) -> Answers:
        """The answers that were given."""
        return self.decisions.answers

    def find(self, name: str, shapes: Shapes, like: Key | None = None) -> Key | None:
        """Return the table that an answer calls ``name``, in the schema of ``like`` if the answer names none."""
        for key in shapes:
            if label(key) == name:
                return key
        if like is not None and (like[0], name) in shapes:
            return like[0], name
        return None


def require_info(scope: Scope) -> None:
    """Refuse models whose ``info=`` is not a dict, which SQLAlchemy takes and nobody can read.

    :raises UnusableDatabase: names the table or column.
    """
    for metadata in metadatas_of(scope.options):
        for table in metadata.tables.values():
            for holder in (table, *table.columns):
                if not isinstance(holder.info, t.Mapping):
                    raise UnusableDatabase(
                        f"The {'table' if holder is table else 'column'} {holder} of the models has info= of type "
                        f"{type(holder.info).__name__}, not a dict.",
                        hint='Write it as a dict: info={"note": ...}',
                    )


def marked(holder: t.Any) -> tuple[str, ...]:
    """Return the former names that a model's table or column is marked with."""
    value = holder.info.get(MARKER, ())
    return (value,) if isinstance(value, str) else tuple(value)


def has_decisions(answers: Answers, tables: t.Mapping[Key, sa.Table], changes: Changed) -> bool:
    """Return whether anything was decided that could make a rename of the changes."""
    if answers.renames or answers.table_renames or answers.drops or answers.keeps:
        return True
    appeared: list[t.Any] = [tables[key] for key in changes.created if key in tables]
    for key, names in changes.won.items():
        appeared += [column for column in tables[key].columns if column.name in names]
    return any(marked(item) for item in appeared)


def decided_tables(known: RenameDecisions) -> dict[Key, Key]:
    """Return the renamed tables, old to new."""
    renamed = _answered_tables(known)
    taken = set(renamed.values())
    for new, table in known.tables.items():
        if new in known.before or new not in known.after or new in taken:
            continue
        for name in marked(table):
            old = known.find(name, known.before, like=new)
            if old is not None:
                renamed.setdefault(old, new)
    return {old: new for old, new in renamed.items() if known.moves_between_schemas or old[0] == new[0]}


def _answered_tables(known: RenameDecisions) -> dict[Key, Key]:
    renamed: dict[Key, Key] = {}
    pairs = [(name, known.find(name, known.before), new) for name, new in known.answers.table_renames.items()]
    # A name that is taken becomes free where its table is renamed too.
    leaving = {old for _, old, _ in pairs if old is not None}
    for name, old, new_name in pairs:
        new = known.find(new_name, known.after, like=old)
        if old is not None and new is not None and (new not in known.before or new in leaving):
            renamed[old] = new
            known.decisions.use("--rename-table", name)
    return renamed


def decided_columns(known: RenameDecisions, renamed: t.Mapping[Key, Key]) -> dict[tuple[Key, str], str]:
    """Return the renamed columns, by the table's new name and the old column.

    :param renamed: Tables that were renamed, decided or detected.
    """
    columns = dict(_answered_columns(known, renamed))
    origin = {new: old for old, new in renamed.items()}
    for new, table in known.tables.items():
        before = known.before.get(origin.get(new, new))
        if before is None or new not in known.after:
            continue
        for column in table.columns:
            if column.name not in before.by_name:
                for name in marked(column):
                    if name in before.by_name:
                        columns.setdefault((new, name), column.name)
    return columns


def _answered_columns(known: RenameDecisions, renamed: t.Mapping[Key, Key]) -> t.Iterator[tuple[tuple[Key, str], str]]:
    answered = [(name, new, site_of(known, renamed, name)) for name, new in known.answers.renames.items()]
    leaving = {(place[1], place[2]) for _, _, place in answered if place is not None}
    for name, new, place in answered:
        if place is None:
            continue
        before, after, column = place
        there = known.before[before].by_name
        free = new not in there or (after, new) in leaving
        if column in there and free and new in known.after[after].by_name:
            known.decisions.use("--rename", name)
            yield (after, column), new


def site_of(known: RenameDecisions, renamed: t.Mapping[Key, Key], name: str) -> tuple[Key, Key, str] | None:
    """Return the table, by its old and its new name, and the column that ``table.column`` means."""
    table, _, column = name.rpartition(".")
    origin = {new: old for old, new in renamed.items()}
    after = known.find(table, known.after)
    if after is None:
        before = known.find(table, known.before)
        after = renamed.get(before, before) if before is not None else None
    if after is None or after not in known.after:
        return None
    before = origin.get(after, after)
    return (before, after, column) if before in known.before else None


def read_decisions(
    known: RenameDecisions, tables: t.Mapping[Key, Key], detected: t.Mapping[Key, Key] | None = None
) -> Settled:
    """Return all decisions as the detector takes them.

    :param tables: The tables that are decided.
    :param detected: The tables that were detected, for columns that are named by them.
    """
    renamed = {**(detected or {}), **tables}
    columns = decided_columns(known, renamed)
    return Settled(
        tables={label(old): label(new) for old, new in tables.items()},
        columns={(label(table), old): new for (table, old), new in columns.items()},
        not_tables=frozenset(_denied_tables(known)),
        not_columns=frozenset(_denied_columns(known, renamed)),
    )


def _denied_tables(known: RenameDecisions) -> t.Iterator[tuple[str, str]]:
    yield from known.answers.denied_tables
    appeared = [label(key) for key in known.after if key not in known.before]
    for option, name in _not_renamed(known.answers):
        old = known.find(name, known.before)
        if old is not None and old not in known.after:
            known.decisions.use(option, name)
            yield from ((label(old), new) for new in appeared)


def _not_renamed(answers: Answers) -> t.Iterator[tuple[Option, str]]:
    yield from (("--drop", name) for name in answers.drops)
    yield from (("--keep", name) for name in answers.keeps)


def _denied_columns(known: RenameDecisions, renamed: t.Mapping[Key, Key]) -> t.Iterator[tuple[str, str, str]]:
    for name, new in known.answers.denied:
        place = site_of(known, renamed, name)
        if place is not None:
            yield label(place[1]), place[2], new
    for option, name in _not_renamed(known.answers):
        place = site_of(known, renamed, name)
        if place is None:
            continue
        before, after, column = place
        there, wanted = known.before[before].by_name, known.after[after].by_name
        if column in there and column not in wanted:
            known.decisions.use(option, name)
            yield from ((label(after), column, new) for new in wanted if new not in there)
