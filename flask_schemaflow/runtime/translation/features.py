"""SQL that a server is too old for: it answers with a syntax error, and the version it needs isn't said."""

from __future__ import annotations

import re

import sqlalchemy as sa

from ...errors.connection import ServerTooOld
from .drivers import kind_of

# What a migration may well contain, and the first version that understands it: the databases' release notes.
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
    """The error to raise when the refused statement needs a newer server than ``engine`` is connected to."""
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
        f"This {_NAMES.get(name, name)} server, version {_dotted(version)}, is too old for {feature}, "
        f"which needs {_dotted(needed)}.",
        hint="Upgrade the server, or write the step in a way that this version understands.",
    )


def missing_feature(name: str, version: tuple[int, ...], statement: str) -> tuple[str, tuple[int, ...]] | None:
    """The feature of ``statement`` that this version lacks, and the version that has it."""
    numbers = tuple(part for part in version if isinstance(part, int))
    for database, pattern, feature, needed in _FEATURES:
        if database == name and numbers and numbers < needed and re.search(pattern, statement, re.I | re.S):
            return feature, needed
    return None


_NAMES = {"sqlite": "SQLite", "postgresql": "PostgreSQL", "mysql": "MySQL", "mariadb": "MariaDB"}


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(str(part) for part in version if isinstance(part, int))
