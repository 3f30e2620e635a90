"""How alike two names are, as a developer reads them, and when two column types are the same type.

Names are compared by their words, not only by their letters: ``firstname`` and ``first_name`` are the same name,
``status`` and ``statuses`` differ in number, ``desc`` abbreviates ``description``; but ``banner_title`` and
``banner_enabled`` share most letters and mean different things.

Of two types one is reflected from the database and the other compiled from a model: the same column may be
``INTEGER(11)`` here and ``INTEGER`` there, a boolean of MariaDB is a ``TINYINT(1)``, and lengths change along with
names. So types are compared in steps (:class:`Likeness`) instead of letter by letter.
"""

from __future__ import annotations

import collections
import dataclasses
import difflib
import enum
import functools
import math
import re

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_a-zA-Z]+")

# Words that mark a table as a copy kept beside another one.
_SHADOWS = {"history", "version", "revision", "audit", "log", "archive"}

# Words around a boolean's own word, words that negate it, and pairs of words that mean the opposite.
_STATES = {"is", "are", "was", "has", "have", "can", "should", "do", "does", "be"}
_NEGATIONS = {"not", "no", "non", "never", "without"}
_NEGATING_PREFIXES = ("un", "in", "non", "dis", "de", "not", "im", "ir")
_OPPOSITES = [
    (set(one.split()), set(other.split()))
    for one, other in (
        ("active enabled enable activated", "disabled disable deactivated inactive deleted suspended archived banned"),
        ("visible shown show public published displayed", "hidden hide private invisible draft unlisted secret"),
        ("allowed allow permitted accepted approved", "denied forbidden blocked rejected prohibited"),
        ("open unlocked", "closed locked"),
        ("included include", "excluded exclude skip skipped ignored"),
        ("required mandatory", "optional"),
        ("valid successful success ok", "broken failed failure invalid expired"),
        ("on", "off"),
        ("read seen", "new"),
        ("online", "offline"),
        ("paid", "free due"),
        ("internal", "external"),
        ("pending running", "done finished completed"),
    )
]

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


def differ_by_number(old: str, new: str) -> bool:
    """Return whether two names are the same but for their numbers: ``v_3_1`` and ``v_3_2``, ``line`` and ``line_2``."""
    return letters(re.sub(r"\d+", "", old)) == letters(re.sub(r"\d+", "", new)) and letters(old) != letters(new)


def are_opposites(old: str, new: str) -> bool:
    """Return whether one name means the opposite of the other, as ``is_active`` and ``is_disabled`` do."""
    before, after = (collections.Counter(words(name)) for name in (old, new))
    lost, won = set(before - after) - _STATES, set(after - before) - _STATES
    if lost <= _NEGATIONS and won <= _NEGATIONS:
        return len(lost) != len(won)
    return any(_is_opposite(one, other) for one in lost for other in won)


def _is_opposite(one: str, other: str) -> bool:
    short, long = sorted((one, other), key=len)
    if any(long == prefix + short for prefix in _NEGATING_PREFIXES):
        return True
    return any((one in left and other in right) or (one in right and other in left) for left, right in _OPPOSITES)


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


class Likeness(enum.IntEnum):
    """How alike two types are, from different kinds of values to the same type."""

    DIFFERENT = 0
    CONVERTIBLE = 1  # another kind, but one that is often converted to: text and an enum, text and JSON
    KIND = 2  # the same kind of values: INTEGER and BIGINT, VARCHAR and TEXT
    LENGTH = 3  # the same type with another length or precision
    SAME = 4


_KINDS = {
    "integer": "INTEGER INT BIGINT SMALLINT MEDIUMINT TINYINT SERIAL BIGSERIAL INT2 INT4 INT8",
    "boolean": "BOOLEAN BOOL BIT",
    "text": "VARCHAR CHAR CHARACTER TEXT LONGTEXT MEDIUMTEXT TINYTEXT NVARCHAR NCHAR NTEXT STRING CLOB CITEXT VARCHAR2",
    "moment": "TIMESTAMP DATETIME TIMESTAMPTZ DATETIME2",
    "date": "DATE",
    "time": "TIME",
    "decimal": "NUMERIC DECIMAL NUMBER",
    "float": "FLOAT REAL DOUBLE DOUBLE_PRECISION",
    "json": "JSON JSONB",
    "bytes": "BLOB BYTEA LONGBLOB MEDIUMBLOB TINYBLOB BINARY VARBINARY RAW",
    "uuid": "UUID UNIQUEIDENTIFIER",
    "enum": "ENUM",
}
_KIND_OF = {word: kind for kind, spellings in _KINDS.items() for word in spellings.split()}

_CONVERTIBLE = {
    frozenset(pair.split("-"))
    for pair in "text-enum text-json text-uuid integer-boolean integer-decimal integer-float decimal-float "
    "date-moment uuid-bytes".split()
}

# Names of one type. Lengths of integers are display widths without a meaning.
_SAME = {"INT": "INTEGER", "INT4": "INTEGER", "INT8": "BIGINT", "INT2": "SMALLINT", "BOOL": "BOOLEAN"}
_SAME |= {"DECIMAL": "NUMERIC", "DOUBLE_PRECISION": "DOUBLE", "REAL": "FLOAT", "DATETIME": "TIMESTAMP"}
_SAME |= {"TIMESTAMPTZ": "TIMESTAMP", "CHARACTER VARYING": "VARCHAR"}

_NOISE = re.compile(r"\b(CHARACTER SET|CHARSET|COLLATE)\s+\S+|\bUNSIGNED\b|\bZEROFILL\b|\bWITH(OUT)? TIME ZONE\b")
_TYPE = re.compile(r"^([A-Z_0-9.]+(?: PRECISION| VARYING)?)\s*(?:\((.*)\))?\s*(.*)$", re.DOTALL)


def likeness(old: str, new: str) -> Likeness:
    """Compare two types as a dialect spells them."""
    one, other = _parse(old), _parse(new)
    if one == other:
        return Likeness.SAME
    if one[0] == other[0] and one[2] == other[2]:
        return Likeness.LENGTH
    kinds = frozenset((_kind(one), _kind(other)))
    if len(kinds) == 1:
        return Likeness.KIND
    return Likeness.CONVERTIBLE if kinds in _CONVERTIBLE else Likeness.DIFFERENT


def is_boolean(type_: str) -> bool:
    """Return whether a type holds booleans, ``TINYINT(1)`` of MariaDB among them."""
    return _kind(_parse(type_)) == "boolean"


def is_everyday(type_: str) -> bool:
    """Return whether a type is so common that sharing it says little: plain numbers, texts, booleans and
    moments.

    ``DECIMAL(6, 2)``, an ENUM or ``TSVECTOR`` in both is no coincidence; ``INTEGER`` in both is.
    """
    base, arguments, rest = _parse(type_)
    if rest or _kind((base, arguments, rest)) not in {"integer", "boolean", "text", "moment"}:
        return False
    return arguments in {"", "255"}


@functools.lru_cache(maxsize=4096)
def _parse(type_: str) -> tuple[str, str, str]:
    """Split a type into its name, its arguments and what follows (``[]`` of an array)."""
    type_ = re.sub(r"^ENUM:[^(]*", "ENUM", type_, flags=re.IGNORECASE)
    text = " ".join(_NOISE.sub(" ", type_.upper()).split())
    match = _TYPE.match(text)
    if match is None:
        return text, "", ""
    base, arguments, rest = match.group(1), (match.group(2) or "").replace(" ", ""), match.group(3)
    if base == "TINYINT" and arguments == "1":
        return "BOOLEAN", "", rest
    base = _SAME.get(base.replace(" PRECISION", "_PRECISION"), base)
    return base, "" if _KIND_OF.get(base) == "integer" else arguments, rest


def _kind(parsed: tuple[str, str, str]) -> str:
    base, _, rest = parsed
    return _KIND_OF.get(base, base) + rest
