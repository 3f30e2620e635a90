"""The clues that tell a renamed column from one dropped and another added."""

from __future__ import annotations

import collections
import dataclasses
import math
import typing as t

from . import names
from . import spelling
from .belief import Clue
from .changes import ColumnPair
from .changes import Site
from .shapes import ColumnShape

__all__ = ["Context", "column_clues", "swap_support"]

# Support beyond so many other places adds nothing.
_ENOUGH_SUPPORT = 4


@dataclasses.dataclass(frozen=True)
class Context:
    """What surrounds a pair of columns.

    :param renamed: Tables taken as renamed, old name to new name; foreign keys are read through it.
    :param maybe: Tables that may have been renamed, as pairs.
    :param vanished: Names of tables only the old schema has.
    :param appeared: Names of tables only the new schema has.
    :param created: Tables that are new and no rename of another.
    :param table_swaps: The words exchanged in the names of renamed tables.
    :param support: For each pair of columns, in how many independent other places the same words were
        exchanged.
    """

    renamed: t.Mapping[str, str]
    maybe: t.AbstractSet[tuple[str, str]]
    vanished: t.AbstractSet[str]
    appeared: t.AbstractSet[str]
    created: t.AbstractSet[str]
    table_swaps: t.AbstractSet[names.Swap]
    support: t.Mapping[ColumnPair, tuple[int, int]]


def column_clues(site: Site, old: str, new: str, context: Context) -> list[Clue]:
    """Return the clues about one lost and one won column of a table."""
    one, other = site.before.by_name[old], site.after.by_name[new]
    return [
        *_crowd(site),
        *_types(one, other),
        *_names(old, new),
        *_swaps(site, old, new, context),
        *_references(site, old, new, context),
        *_details(site, one, other),
    ]


def _crowd(site: Site) -> t.Iterator[Clue]:
    if len(site.lost) == len(site.won) == 1:
        yield Clue("sole pair", 1.0, "the only column that vanished and appeared")


def _types(one: ColumnShape, other: ColumnShape) -> t.Iterator[Clue]:
    like = spelling.likeness(one.type, other.type)
    if like is spelling.Likeness.SAME:
        yield Clue("same type", 1.0, "same type")
        if not spelling.is_everyday(one.type):
            yield Clue("rare type", 1.0, f"both {one.type}")
    elif like is spelling.Likeness.LENGTH:
        yield Clue("same type, other length", 1.0, "same type but for the length")
    elif like is spelling.Likeness.KIND:
        yield Clue("kind of type", 1.0, "similar type")
    elif like is spelling.Likeness.CONVERTIBLE:
        yield Clue("type to convert", 1.0)
    else:
        yield Clue("different type", 1.0)


def _names(old: str, new: str) -> t.Iterator[Clue]:
    alike = names.similarity(old, new)
    if alike == 1.0:
        yield Clue("same letters", 1.0, "same name but for case, separators or number")
    yield Clue("similar name", alike, "similar names" if 0.5 <= alike < 1.0 else "")
    before, after = names.words(old), names.words(new)
    if before and after and before[-1] == after[-1]:
        yield Clue("same last word", 1.0, f'both names end in "{after[-1]}"' if after[-1] != "id" else "")
    exchanged, kept = names.swap(old, new)
    if kept and not (exchanged.lost and exchanged.won):
        yield Clue("one name holds the other", 1.0, "one name holds the other")


def _swaps(site: Site, old: str, new: str, context: Context) -> t.Iterator[Clue]:
    exchanged, kept = names.swap(old, new)
    if exchanged and exchanged in context.table_swaps:
        yield Clue("table's words", 1.0, "the table's own name changed in the same way")
    columns, tables = context.support.get((site.new, old, new), (0, 0))
    if tables:
        share = math.log2(1 + min(tables, _ENOUGH_SUPPORT))
        yield Clue(
            "same change elsewhere", share, f"the same change in {tables} other table{'s' * (tables > 1)}"
        )
    if columns and kept:
        share = math.log2(1 + min(columns, _ENOUGH_SUPPORT))
        yield Clue("same change beside it", share, f"{columns + 1} columns changed by the same pattern")


def _references(site: Site, old: str, new: str, context: Context) -> t.Iterator[Clue]:
    before = site.before.targets.get(old, frozenset())
    after = site.after.targets.get(new, frozenset())
    through = {context.renamed.get(table, table) for table in before}
    if through & after:
        yield Clue("same foreign key", 1.0, f"same foreign key to {names.bare(min(through & after))}")
    elif before and after:
        yield from _other_reference(before, after, context)
    elif before:
        yield Clue("foreign key lost", 1.0)
    if after & context.created:
        yield Clue("refers to a new table", 1.0)


def _other_reference(
    before: t.AbstractSet[str], after: t.AbstractSet[str], context: Context
) -> t.Iterator[Clue]:
    if any((one, other) in context.maybe for one in before for other in after):
        yield Clue("foreign key to a possible rename", 1.0, "the tables they refer to may be one, renamed")
    elif before.isdisjoint(context.vanished) and after.isdisjoint(context.appeared):
        # Both tables were there and stay, so the values must mean something else now.
        yield Clue("foreign key to another table", 1.0)


def _details(site: Site, one: ColumnShape, other: ColumnShape) -> t.Iterator[Clue]:
    if one.default is not None and one.default == other.default:
        yield Clue("same default", 1.0, "same default")
    elif one.default != other.default:
        yield Clue("other default", 1.0)
    if one.nullable != other.nullable:
        yield Clue("other nullability", 1.0)
    if one.primary_key != other.primary_key:
        yield Clue("only one in the primary key", 1.0)
    elif one.primary_key:
        yield Clue("both in the primary key", 1.0, "both in the primary key")
    if (one.name in site.before.unique_columns) != (other.name in site.after.unique_columns):
        yield Clue("only one unique", 1.0)
    if one.name in site.before.indexed_columns and other.name in site.after.indexed_columns:
        yield Clue("both indexed", 1.0, "both indexed")


def swap_support(pairs: t.Sequence[tuple[Site, str, str]]) -> dict[ColumnPair, tuple[int, int]]:
    """Count for each pair how often the same words were exchanged between other columns.

    One change made in many places at once is the surest sign of a deliberate rename. Only pairs of the same
    kind of type are witnesses, and a table's history copy is none for the table itself.

    :returns: ``(columns beside it in its table, other tables)`` by pair.
    """
    beside: dict[tuple[str, names.Swap], set[str]] = collections.defaultdict(set)
    tables: dict[names.Swap, set[str]] = collections.defaultdict(set)
    witnesses = [
        (site, old, new, names.swap(old, new)[0]) for site, old, new in pairs if _compatible(site, old, new)
    ]
    for site, old, _, exchanged in witnesses:
        beside[site.new, exchanged].add(old)
        tables[exchanged].add(names.original(site.new))
    return {
        (site.new, old, new): (len(beside[site.new, exchanged]) - 1, len(tables[exchanged]) - 1)
        for site, old, new, exchanged in witnesses
        if exchanged
    }


def _compatible(site: Site, old: str, new: str) -> bool:
    one, other = site.before.by_name[old], site.after.by_name[new]
    return spelling.likeness(one.type, other.type) >= spelling.Likeness.KIND
