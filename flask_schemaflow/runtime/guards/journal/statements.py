"""Tells the kind of an SQL statement by its first words."""

from __future__ import annotations

import decimal
import enum
import hashlib
import re
import typing as t

_COMMENTS = re.compile(r"^(?:\s+|--[^\n]*(?:\n|$)|#[^\n]*(?:\n|$)|/\*.*?\*/|\()+", re.S)
_WORD = re.compile(r"[A-Za-z]+")
_QUOTED = re.compile(r"'(?:[^'\\]|\\.|'')*'|\"[^\"]*\"|`[^`]*`|\$(\w*)\$.*?\$\1\$", re.S)
_CALLS = re.compile(r"\b([a-z_][\w.]*)\s*\(", re.I)
_MODIFIES = re.compile(r"\b(?:INSERT|UPDATE|DELETE|MERGE)\b", re.I)
_NUMBER = re.compile(r"\b\d[\d.]*\b")
_BY_CHANCE = re.compile(r"(?=[^\s]*\d)[^\s]{16,}")
_INTO = re.compile(r"\bINTO\b", re.I)
_TARGET = re.compile(
    r"^(?:INSERT|REPLACE|UPDATE|DELETE|TRUNCATE)\s+(?:(?:LOW_PRIORITY|DELAYED|HIGH_PRIORITY|IGNORE|INTO|FROM|TABLE|ONLY)\s+)*"
    r"[`\"]?([\w$]+)",
    re.I,
)
_TEMPORARY = re.compile(
    r"^(?:CREATE\s+(?:OR\s+REPLACE\s+)?(?:LOCAL\s+|GLOBAL\s+)?TEMP(?:ORARY)?\s+(?:TABLE|SEQUENCE)\s+(?:IF\s+NOT\s+EXISTS\s+)?"
    r"|DROP\s+TEMPORARY\s+TABLE\s+(?:IF\s+EXISTS\s+)?)[`\"]?([\w$]+)",
    re.I,
)

_READS = frozenset({"SELECT", "TABLE", "VALUES", "SHOW", "DESCRIBE", "DESC", "EXPLAIN", "FETCH", "CHECKSUM"})
_SESSION = frozenset(
    {"SET", "USE", "RESET", "DISCARD", "PREPARE", "DEALLOCATE", "DECLARE", "CLOSE", "LISTEN", "UNLISTEN"}
    | {"NOTIFY", "SAVEPOINT", "RELEASE", "KILL", "MOVE"}
)
_DATA = frozenset({"INSERT", "UPDATE", "DELETE", "REPLACE", "MERGE", "LOAD", "COPY"})
_HARMLESS = re.compile(
    r"(?:pg_catalog\.)?(?:version|database|schema|user|now|count|max|min|sum|cast|coalesce|connection_id|last_insert_id|sleep"
    r"|current_\w+|pg_get_\w+|pg_backend_pid|pg_(?:try_)?advisory_\w+|pg_sleep|set_config|to_reg\w+"
    r"|(?:get|release|is_free|is_used)_lock|has_\w+_privilege)$",
    re.I,
)


class Kind(enum.Enum):
    """What a statement does to a transaction."""

    READ = "read"
    DATA = "data"
    SCHEMA = "schema"
    SESSION = "session"
    BEGIN = "begin"
    COMMIT = "commit"
    ROLLBACK = "rollback"
    CALL = "call"
    LOCK = "lock"


def bare(statement: str) -> str:
    """Return the statement without the comments and parentheses before its first word."""
    if statement[:1].isalpha():
        return statement
    return _COMMENTS.sub("", statement)


def squeezed(statement: str) -> str:
    """Return the statement on one line."""
    return " ".join(statement.split())


def digest(statement: str) -> str:
    """Return a digest of a statement that ignores spacing."""
    return _short(squeezed(statement))


def shape(statement: str) -> str:
    """Return a digest of a statement that ignores literals, too."""
    return _short(squeezed(_NUMBER.sub("0", _QUOTED.sub("''", statement))))


def values_digest(parameters: t.Any) -> str:
    """Return a digest of the parameters that would be the same if the code ran again.

    Times, floats and keys made by chance are no sign that somebody changed the code.
    """
    return _short(repr(_steady(parameters))) if parameters else ""


def _steady(value: t.Any) -> t.Any:
    if isinstance(value, dict):
        return {key: _steady(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_steady(item) for item in value]
    if isinstance(value, str):
        return "" if _BY_CHANCE.fullmatch(value) else value
    return value if value is None or isinstance(value, (bool, int, decimal.Decimal)) else type(value).__name__


def _short(text: str) -> str:
    return hashlib.sha1(text.encode("utf-8", "replace"), usedforsecurity=False).hexdigest()[:16]


def classify(statement: str, temporary: set[str]) -> Kind:
    """Return the kind of a statement.

    :param temporary: the names of the temporary tables seen so far; a new one is added. They live and die with
        the session, so what is done to them is done again in a new one.
    """
    text = bare(statement)
    found = _WORD.match(text)
    word = found.group().upper() if found else ""
    if _is_temporary(text, temporary):
        return Kind.SESSION
    kind = _by_first_word(word, text)
    if kind in (Kind.READ, Kind.SESSION, Kind.DATA) and _has_several(text):
        return Kind.CALL
    return kind


def _is_temporary(text: str, temporary: set[str]) -> bool:
    made = _TEMPORARY.match(text)
    if made:
        temporary.add(made.group(1).lower())
        return True
    target = _TARGET.match(text) if temporary else None
    return bool(target and target.group(1).lower() in temporary)


def _by_first_word(word: str, text: str) -> Kind:
    if word in _READS:
        return Kind.DATA if _has_effect(text) else Kind.READ
    if word == "WITH":
        return Kind.DATA if _MODIFIES.search(_QUOTED.sub("", text)) else Kind.READ
    if word in ("ROLLBACK", "ABORT"):
        return Kind.SESSION if re.search(r"\bTO\b", text, re.I) else Kind.ROLLBACK
    if word == "BEGIN" and re.match(r"BEGIN\s+NOT\s+ATOMIC", text, re.I):
        return Kind.CALL
    for words, kind in _KINDS:
        if word in words:
            return kind
    return Kind.SCHEMA


_KINDS: tuple[tuple[frozenset[str], Kind], ...] = (
    (_SESSION, Kind.SESSION),
    (_DATA, Kind.DATA),
    (frozenset({"BEGIN", "START"}), Kind.BEGIN),
    (frozenset({"COMMIT", "END"}), Kind.COMMIT),
    (frozenset({"CALL", "EXECUTE", "DO"}), Kind.CALL),
    (frozenset({"LOCK", "UNLOCK"}), Kind.LOCK),
)


def _has_effect(text: str) -> bool:
    """Return whether a SELECT calls a function (``SELECT f()`` without FROM) or writes a table."""
    plain = _QUOTED.sub("''", text)
    if not re.match(r"SELECT\b", plain, re.I):
        return False
    if _INTO.search(plain):
        return True
    if re.search(r"\bFROM\b", plain, re.I):
        return False
    return any(not _HARMLESS.match(name) for name in _CALLS.findall(plain) if name.upper() != "SELECT")


def _has_several(text: str) -> bool:
    return re.search(r";\s*\S", _QUOTED.sub("''", text)) is not None
