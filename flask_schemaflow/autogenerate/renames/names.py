"""How alike two names are, as a developer reads them.

Names are compared by their words, not only by their letters: ``firstname`` and ``first_name`` are the same
name, ``status`` and ``statuses`` differ in number, ``desc`` abbreviates ``description``; but ``banner_title``
and ``banner_enabled`` share most letters and mean different things.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import math
import re

from ...patterns import pattern

__all__ = ["Swap", "bare", "is_shadow", "letters", "original", "similarity", "swap", "words"]

_WORD = pattern(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_a-zA-Z]+")

# Words that mark a table as a copy kept beside another one.
_SHADOWS = {"history", "version", "revision", "audit", "log", "archive"}

# A word counts as another's abbreviation from this many letters on: "id" begins too many words.
_SHORTEST_ABBREVIATION = 3


@functools.lru_cache(maxsize=8192)
def words(name: str) -> tuple[str, ...]:
    """Return a name's words, lower-case and in the singular: ``orderLines`` gives ``("order", "line")``."""
    return tuple(_singular(word.lower()) for word in _WORD.findall(name))


@functools.lru_cache(maxsize=8192)
def letters(name: str) -> str:
    """Return a name without case and separators; two names with equal letters differ in spelling only."""
    return re.sub(r"[\W_]+", "", name).lower()


def bare(table: str) -> str:
    """Return a table's name without its schema."""
    return table.rpartition(".")[2]


def is_shadow(table: str) -> bool:
    """Return whether a table's name says that it is a copy of another: ``works_history``."""
    return any(word in _SHADOWS for word in words(bare(table)))


def original(table: str) -> str:
    """Return the words of a table's name without those that mark it as a copy."""
    return "_".join(word for word in words(bare(table)) if word not in _SHADOWS)


def similarity(old: str, new: str) -> float:
    """Return how alike two names are, from 0 to 1 (equal but for case, separators or number)."""
    if letters(old) == letters(new) or words(old) == words(new):
        return 1.0
    by_letters: float = difflib.SequenceMatcher(None, letters(old), letters(new), autojunk=False).ratio()
    return min(0.99, 0.5 * by_letters + 0.5 * _shared_words(words(old), words(new)))


@dataclasses.dataclass(frozen=True)
class Swap:
    """What turns one name into another: the words ``lost`` are replaced by the words ``won``."""

    lost: tuple[str, ...]
    won: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.lost or self.won)


@functools.lru_cache(maxsize=8192)
def swap(old: str, new: str) -> tuple[Swap, int]:
    """Return the words exchanged between two names, and how many words stay around them.

    ``("r_slug", "slug")`` gives ``(Swap(("r",), ()), 1)``.
    """
    before, after = words(old), words(new)
    shortest = min(len(before), len(after))
    head = 0
    while head < shortest and before[head] == after[head]:
        head += 1
    tail = 0
    while tail < shortest - head and before[-1 - tail] == after[-1 - tail]:
        tail += 1
    return Swap(before[head : len(before) - tail], after[head : len(after) - tail]), head + tail


def _shared_words(old: tuple[str, ...], new: tuple[str, ...]) -> float:
    """Dice's coefficient over words, long words counting more; an abbreviation counts as most of its word."""
    total = sum(_weight(word) for word in old + new)
    left = list(new)
    shared = 0.0
    for word in old:
        match = max(left, key=lambda other: _same_word(word, other), default=None)
        if match is not None and _same_word(word, match):
            left.remove(match)
            shared += _same_word(word, match) * (_weight(word) + _weight(match))
    return shared / total if total else 0.0


def _weight(word: str) -> float:
    return math.sqrt(min(len(word), 6))


def _same_word(one: str, other: str) -> float:
    if one == other:
        return 1.0
    short, long = sorted((one, other), key=len)
    if len(short) >= _SHORTEST_ABBREVIATION and long.startswith(short):
        return 0.8
    return 0.0


def _singular(word: str) -> str:
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 4 and word.endswith(("sses", "shes", "ches", "xes", "uses")):
        return word[:-2]
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word
