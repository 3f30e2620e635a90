"""Tell the kind of a driver's error, whichever driver raised it, and what the account or the server lacks.

A driver gives a SQLSTATE (PostgreSQL), a number (MySQL, MariaDB), or only words (SQLite, and libpq while it connects).
The words of libpq may be translated; then the kind stays unknown, which costs precision and nothing else. A syntax
error of a server that is too old is recognised by the feature in the statement.
"""

from __future__ import annotations

import re
import typing as t

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.dialects import postgresql

from ...errors.database import ServerTooOld

Kind = t.Literal[
    "refused",
    "host",
    "login",
    "database",
    "connections",
    "file",
    "readonly",
    "locked",
    "permission",
    "disk",
    "lost",
    "exists",
    "missing",
    "syntax",
    "unknown",
]

# SQLSTATEs of PostgreSQL, numbers of MySQL and MariaDB.
_CODES: dict[Kind, tuple[str | int, ...]] = {
    "login": ("28P01", "28000", 1045, 1698),
    "database": ("3D000", 1049),
    "connections": ("53300", 1040, 1203, 1226),
    "readonly": ("25006", 1290, 1792, 1836),
    "locked": ("55P03", "40P01", 1205, 1213),
    "permission": ("42501", 1044, 1142, 1143, 1227, 1370),
    "disk": ("53100", 1021, 1114),
    "lost": ("57P01", "57P02", "08003", "08006", 2006, 2013, 1053),
    "refused": ("57P03", 2002, 2003),
    "exists": ("42P07", "42P04", "42701", "42710", 1007, 1050, 1060, 1061, 1826),
    "missing": ("42P01", 1146),
    "syntax": ("42601", "0A000", "42704", 1064, 4161),
    "host": (2005,),
}
_KINDS: dict[str | int, Kind] = {code: kind for kind, codes in _CODES.items() for code in codes}
_WORDS: tuple[tuple[str, Kind], ...] = (
    (r"could not translate host name|failed to resolve host|name or service not known|nodename nor servname", "host"),
    (r"temporary failure in name resolution|getaddrinfo failed|unknown (mysql )?server host", "host"),
    (r"connection refused|timeout expired|timed out|no route to host|network is unreachable", "refused"),
    (r"no such file or directory.*(socket|server)|is the server running|starting up", "refused"),
    (r"(password|ident|peer|\w+) authentication failed|no password supplied|no pg_hba\.conf entry", "login"),
    (r"role .* does not exist|role .* is not permitted to log in", "login"),
    (r"database .* does not exist", "database"),
    (r"too many (clients|connections)|remaining connection slots", "connections"),
    (r"unable to open database file|file is not a database|file is encrypted", "file"),
    (r"attempt to write a readonly database", "readonly"),
    (r"database (table |schema )?is locked", "locked"),
    (r"database or disk is full|no space left on device", "disk"),
    (
        r"server closed the connection|connection (already )?closed|terminating connection|consuming input failed",
        "lost",
    ),
    (r"lost connection|gone away|connection was killed|broken pipe|connection reset", "lost"),
    (r"permission denied", "permission"),
    (r"(table|index|view) .* already exists|duplicate column name", "exists"),
    (r"no such table", "missing"),
    (r"syntax error", "syntax"),
)


# Drivers put these before the server's words, each release something else, and libpq its guesses after them.
_PREFIXES = re.compile(
    r"""^(connection\ (failed|is\ bad):\s+
      | connection\ to\ server\ on\ socket\ "[^"]*"\ failed:\s+
      | connection\ to\ server\ at\ "[^"]*"(\ \([^)]*\))?,\ port\ \d+\ failed:\s+
      | consuming\ input\ failed:\s+ | failed\ to\ resolve\ host\ '[^']*':\s+ | FATAL:\s+)+""",
    re.VERBOSE,
)
_BESIDE_THE_POINT = re.compile(
    r"LINE \d+:|\^|\[SQL|server closed the connection unexpectedly|This probably means|before or while processing"
    r"|Is the server running"
)


def kind_of(error: BaseException) -> Kind:
    """Return the kind of a driver's error, or of the SQLAlchemy error around it."""
    if is_cut_off(error):
        return "lost"
    original: t.Any = getattr(error, "orig", None) or error
    state = getattr(original, "sqlstate", None) or getattr(original, "pgcode", None)
    number = original.args[0] if getattr(original, "args", ()) else None
    found = _KINDS.get(str(state)) or (_KINDS.get(number) if isinstance(number, int) else None)
    by_words = _by_words(str(original))
    if found is None or (found == "refused" and by_words == "host"):
        found = by_words
    if found == "unknown" and getattr(error, "connection_invalidated", False):
        return "lost"
    return found


def is_cut_off(error: BaseException) -> bool:
    """Return true if SQLAlchemy refuses a connection that it lost earlier, in a transaction."""
    return isinstance(error, exc.PendingRollbackError) and "reconnect" in str(error)


def words_of_database(error: BaseException) -> str:
    """Return the database's own words on one line, without the driver's numbers and the statement."""
    if is_cut_off(error):
        return "the connection was lost"
    original: t.Any = getattr(error, "orig", None) or error
    args: tuple[t.Any, ...] = getattr(original, "args", ())
    text = args[1] if len(args) > 1 and isinstance(args[0], int) and isinstance(args[1], str) else str(original)
    lines = [line.strip() for line in text.strip().splitlines()]
    kept = [line for line in lines if line and not _BESIDE_THE_POINT.match(line)]
    return " ".join(_PREFIXES.sub("", " ".join(kept or lines)).split())


def _by_words(text: str) -> Kind:
    for words, kind in _WORDS:
        if re.search(words, text, re.IGNORECASE | re.DOTALL):
            return kind
    return "unknown"


# Features that a migration may well use, and the first version that has them, from the databases' release notes.
_FEATURES: tuple[tuple[str, str, str, tuple[int, ...]], ...] = (
    ("sqlite", r"\bRENAME COLUMN\b", "RENAME COLUMN", (3, 25)),
    ("sqlite", r"\bDROP COLUMN\b", "DROP COLUMN", (3, 35)),
    ("sqlite", r"\bRETURNING\b", "RETURNING", (3, 35)),
    ("sqlite", r"\bGENERATED ALWAYS\b", "generated columns", (3, 31)),
    ("sqlite", r"\)\s*STRICT\b", "STRICT tables", (3, 37)),
    ("postgresql", r"\bAS IDENTITY\b", "identity columns", (10,)),
    ("postgresql", r"\bINCLUDE\s*\(", "INCLUDE in an index", (11,)),
    ("postgresql", r"\bGENERATED ALWAYS AS\s*\(.*\)\s*STORED", "generated columns", (12,)),
    ("postgresql", r"\bNULLS NOT DISTINCT\b", "NULLS NOT DISTINCT", (15,)),
    ("postgresql", r"\)\s*VIRTUAL\b", "virtual generated columns", (18,)),
    ("mysql", r"\bRENAME COLUMN\b", "RENAME COLUMN", (8,)),
    ("mysql", r"\bDEFAULT\s*\(", "expressions as defaults", (8, 0, 13)),
    ("mariadb", r"\bRENAME COLUMN\b", "RENAME COLUMN", (10, 5, 2)),
    ("mariadb", r"\bUUID\b", "the type UUID", (10, 7)),
    ("mariadb", r"\bINET4\b", "the type INET4", (10, 10)),
    ("mariadb", r"\bVECTOR\b", "the type VECTOR", (11, 7)),
)


def too_old(error: BaseException, engine: sa.Engine | None) -> ServerTooOld | None:
    """Return the error for a statement that needs a newer server than ``engine`` is connected to."""
    statement = getattr(error, "statement", None)
    if engine is None or not statement or kind_of(error) != "syntax":
        return None
    name = "mariadb" if getattr(engine.dialect, "is_mariadb", False) else engine.dialect.name
    version = tuple(getattr(engine.dialect, "server_version_info", None) or ())
    found = missing_feature(name, version, str(statement))
    if found is None:
        return None
    feature, needed = found
    return ServerTooOld(
        f"{NAMES.get(name, name)} {_dotted(needed)} is needed for {feature}; this server has {_dotted(version[:3])}.",
        hint="Upgrade the server, or write the step without that feature.",
    )


def missing_feature(name: str, version: tuple[int, ...], statement: str) -> tuple[str, tuple[int, ...]] | None:
    """Return the feature of ``statement`` that this version lacks, and the version that has it."""
    numbers = tuple(part for part in version if isinstance(part, int))
    for database, text, feature, needed in _FEATURES:
        if database == name and numbers and numbers < needed and re.search(text, statement, re.I | re.S):
            return feature, needed
    return None


NAMES = {"sqlite": "SQLite", "postgresql": "PostgreSQL", "mysql": "MySQL", "mariadb": "MariaDB"}


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(str(part) for part in version if isinstance(part, int))


# What an account lacks, by the words of PostgreSQL, MySQL and MariaDB, in English unless the server was told otherwise.
_OWNER = r"must be owner of ((?:materialized )?\w+) (.+)"
_DENIED = r"permission denied for (schema|table|relation|sequence) (.+)"
_GRANTS = {"schema": "USAGE, CREATE ON SCHEMA", "sequence": "ALL ON SEQUENCE"}
_MYSQL = r"denied (?:to|for) user '(?P<user>[^']*)'@'(?P<host>[^']*)' (?:for table|to database '(?P<database>[^']*)')"


def statement_that_allows(words: str, user: str, database: str) -> str:
    """Return the SQL that the owner has to run, or an empty string if the words don't tell what is missing."""
    owned, denied = re.search(_OWNER, words), re.search(_DENIED, words)
    if user and owned is not None:
        kind = "TABLE" if owned[1] == "relation" else owned[1].upper()
        return f"ALTER {kind} {_if_needed(owned[2].strip())} OWNER TO {_quoted(user)}"
    if user and denied is not None:
        return f"GRANT {_GRANTS.get(denied[1], 'ALL ON')} {_if_needed(denied[2].strip())} TO {_quoted(user)}"
    refused = re.search(_MYSQL, words)
    if refused is None:
        return ""
    account = "@".join(_quoted(refused[group], "'") for group in ("user", "host"))
    return f"GRANT ALL ON {_quoted(refused['database'] or database, '`')}.* TO {account}"


def _if_needed(name: str) -> str:
    """Quote a name as PostgreSQL needs it; a function comes with its arguments and stays."""
    dialect: t.Any = postgresql.dialect
    return name if name.endswith(")") else str(dialect().identifier_preparer.quote(name))


def _quoted(name: str, sign: str = '"') -> str:
    return f"{sign}{name.replace(sign, sign * 2)}{sign}"
