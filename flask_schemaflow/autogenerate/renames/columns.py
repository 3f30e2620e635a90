"""Candidates for renamed columns, and the clues that tell them from one column dropped and another added."""

from __future__ import annotations

import collections
import dataclasses
import math
import typing as t

from . import similarity
from .scoring import Clue
from .scoring import COLUMNS
from .scoring import Score
from .scoring import weigh
from .shapes import ColumnPair
from .shapes import ColumnShape
from .shapes import Settled
from .shapes import Site
from .shapes import TableShape
from .tables import related_pairs

# Support beyond so many other places adds nothing.
_ENOUGH_SUPPORT = 4

_TYPE_CLUES = {
    similarity.Likeness.SAME: Clue("same type", 1.0, "same type"),
    similarity.Likeness.LENGTH: Clue("same type, other length", 1.0, "same type, different length"),
    similarity.Likeness.KIND: Clue("kind of type", 1.0, "similar type"),
    similarity.Likeness.CONVERTIBLE: Clue("type to convert", 1.0),
    similarity.Likeness.DIFFERENT: Clue("different type", 1.0),
}

# From so many letters on a word says what a column is about: "at" and "id" are in too many names.
_TELLING = 4


@dataclasses.dataclass(frozen=True)
class Context:
    """The changes around a pair of columns.

    :param renamed: Tables taken as renamed, old name to new name; foreign keys are read through it.
    :param maybe: Tables that may have been renamed, as pairs.
    :param vanished: Names of tables only the old schema has; ``appeared``: only the new one.
    :param created: Tables that are new and no rename of another.
    :param table_swaps: The words exchanged in the names of renamed tables.
    :param support: For each pair, in how many other columns and other tables the same words were exchanged.
    """

    renamed: t.Mapping[str, str]
    maybe: t.AbstractSet[tuple[str, str]]
    vanished: t.AbstractSet[str]
    appeared: t.AbstractSet[str]
    created: t.AbstractSet[str]
    table_swaps: t.AbstractSet[similarity.Swap]
    support: t.Mapping[ColumnPair, tuple[int, int]]


def column_clues(site: Site, old: str, new: str, context: Context) -> list[Clue]:
    """Return the clues about one lost and one won column of a table."""
    one, other = site.before.by_name[old], site.after.by_name[new]
    return [
        *_crowd(site, old, new),
        *_types(one, other),
        *_names(old, new),
        *_swaps(site, old, new, context),
        *_references(site, old, new, context),
        *_details(site, one, other),
    ]


def _crowd(site: Site, old: str, new: str) -> t.Iterator[Clue]:
    if len(site.lost) == len(site.won) == 1:
        yield Clue("sole pair", 1.0, "nothing else was removed from or added to the table")
        return
    lost, won = site.word_counts
    shared = set(similarity.words(old)) & set(similarity.words(new))
    telling = [word for word in sorted(shared) if lost[word] == won[word] == 1 and len(word) >= _TELLING]
    if telling and min(len(site.lost), len(site.won)) > 1:
        yield Clue("telling word", 1.0, f'no other of these columns has "{telling[0]}" in its name')


def _types(one: ColumnShape, other: ColumnShape) -> t.Iterator[Clue]:
    like = similarity.likeness(one.type, other.type)
    yield _TYPE_CLUES[like]
    if like is similarity.Likeness.SAME and not similarity.is_everyday(one.type):
        yield Clue("rare type", 1.0, f"both {one.type}")


def _names(old: str, new: str) -> t.Iterator[Clue]:
    alike = similarity.similarity(old, new)
    if alike == 1.0:
        yield Clue("same letters", 1.0, "same name except for case, separators or number")
    yield Clue("similar name", alike, "similar names" if 0.5 <= alike < 1.0 else "")
    before, after = similarity.words(old), similarity.words(new)
    if before and after and before[-1] == after[-1]:
        yield Clue("same last word", 1.0, f'both names end in "{after[-1]}"' if after[-1] != "id" else "")
    if similarity.differ_by_number(old, new):
        yield Clue("other number", 1.0, "the names differ only by a number")
    exchanged, kept = similarity.swap(old, new)
    if kept and not (exchanged.lost and exchanged.won):
        yield Clue("one name holds the other", 1.0, "one name contains the other")


def _swaps(site: Site, old: str, new: str, context: Context) -> t.Iterator[Clue]:
    exchanged, kept = similarity.swap(old, new)
    if exchanged and exchanged in context.table_swaps:
        yield Clue("table's words", 1.0, "the table's own name changed in the same way")
    columns, tables = context.support.get((site.new, old, new), (0, 0))
    if tables:
        share = math.log2(1 + min(tables, _ENOUGH_SUPPORT))
        yield Clue("same change elsewhere", share, f"the same change in {tables} other table{'s' * (tables > 1)}")
    if columns and kept:
        share = math.log2(1 + min(columns, _ENOUGH_SUPPORT))
        yield Clue("same change beside it", share, f"{columns + 1} columns changed by the same pattern")


def _references(site: Site, old: str, new: str, context: Context) -> t.Iterator[Clue]:
    before = site.before.targets.get(old, frozenset())
    after = site.after.targets.get(new, frozenset())
    through = {context.renamed.get(table, table) for table in before}
    if through & after:
        yield Clue("same foreign key", 1.0, f"same foreign key to {similarity.bare(min(through & after))}")
    elif before and after:
        yield from _other_reference(before, after, context)
    elif before:
        yield Clue("foreign key lost", 1.0)
    if after & context.created:
        yield Clue("refers to a new table", 1.0)


def _other_reference(before: t.AbstractSet[str], after: t.AbstractSet[str], context: Context) -> t.Iterator[Clue]:
    if any((one, other) in context.maybe for one in before for other in after):
        yield Clue("foreign key to a possible rename", 1.0, "they reference tables that may be a rename")
    elif before.isdisjoint(context.vanished) and after.isdisjoint(context.appeared):
        # Both tables were there and stay, so the values must mean something else now.
        yield Clue("foreign key to another table", 1.0)


def _details(site: Site, one: ColumnShape, other: ColumnShape) -> t.Iterator[Clue]:
    if similarity.is_boolean(one.type) and similarity.is_boolean(other.type):
        if similarity.are_opposites(one.name, other.name):
            yield Clue("opposite meaning", 1.0, "its values stay as they are, though the names mean the opposite")
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
    beside: dict[tuple[str, similarity.Swap], set[str]] = collections.defaultdict(set)
    tables: dict[similarity.Swap, set[str]] = collections.defaultdict(set)
    witnesses = [
        (site, old, new, similarity.swap(old, new)[0])
        for site, old, new in pairs
        if similarity.likeness(site.before.by_name[old].type, site.after.by_name[new].type) >= similarity.Likeness.KIND
    ]
    for site, old, _, exchanged in witnesses:
        beside[site.new, exchanged].add(old)
        tables[exchanged].add(similarity.original(site.new))
    return {
        (site.new, old, new): (len(beside[site.new, exchanged]) - 1, len(tables[exchanged]) - 1)
        for site, old, new, exchanged in witnesses
        if exchanged
    }


def column_pairs(sites: t.Sequence[Site], settled: Settled) -> list[tuple[Site, str, str]]:
    """Return the pairs of a lost and a won column of every table."""
    return [
        (site, old, new)
        for site in sites
        for old, new in related_pairs(site.lost, site.won, _traits(site.before), _traits(site.after), len(sites))
        if (site.new, old, new) not in settled.not_columns
    ]


def column_context(
    pairs: t.Sequence[tuple[Site, str, str]],
    renamed: t.Mapping[str, str],
    maybe: t.AbstractSet[tuple[str, str]],
    moved: tuple[t.AbstractSet[str], t.AbstractSet[str]],
    created: t.AbstractSet[str],
) -> Context:
    """Return the :class:`Context` of the pairs.

    :param moved: The names of vanished and of appeared tables.
    """
    swaps = {similarity.swap(similarity.bare(old), similarity.bare(new))[0] for old, new in renamed.items()}
    return Context(renamed, maybe, *moved, created, {swap for swap in swaps if swap}, swap_support(pairs))


def column_scores(
    pairs: t.Sequence[tuple[Site, str, str]], context: Context, weights: t.Mapping[str, float] = COLUMNS
) -> dict[ColumnPair, Score]:
    """Weigh every candidate."""
    return {(site.new, old, new): weigh(column_clues(site, old, new, context), weights) for site, old, new in pairs}


def _traits(table: TableShape) -> t.Callable[[str], t.Iterator[t.Hashable]]:
    def traits(name: str) -> t.Iterator[t.Hashable]:
        yield "letters", similarity.letters(name)
        yield from (("word", word) for word in similarity.words(name))
        yield from (("target", target) for target in table.targets.get(name, ()))

    return traits
