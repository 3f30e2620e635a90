"""Tables named ``_alembic_tmp_...``: what other tools leave behind when a rebuild is cut off.

Without a transaction around it a killed rebuild leaves either a useless copy or, a moment later, the only one.
"""

from __future__ import annotations

from ...errors.running import LeftOverTable
from ...errors.running import RebuildRefused
from ..guards import Scope
from .catalog import Catalog
from .catalog import Entry
from .sql_text import quoted

PREFIX = "_alembic_tmp_"
_CUT_AT = 50


def look(catalog: Catalog, scope: Scope) -> None:
    """Stop when a left-over table is the only copy, mention one that is not.

    :raises LeftOverTable: with the statement that restores the table.
    """
    for entry in catalog.entries():
        if entry.kind != "table" or not entry.name.startswith(PREFIX):
            continue
        original = _original(catalog, entry.name)
        if catalog.find(original) is None:
            raise _only_copy(catalog, entry, original)
        scope.tell("notice", _useless(catalog, entry, original))


def _original(catalog: Catalog, name: str) -> str:
    """The table that was rebuilt; Alembic cuts long names off."""
    original = name[len(PREFIX) :]
    if len(name) == _CUT_AT:
        longer = (
            entry.name for entry in catalog.entries() if entry.kind == "table" and entry.name.startswith(original)
        )
        return next(longer, original)
    return original


def require_table(catalog: Catalog, name: str, scope: Scope) -> Entry:
    """The table that is to be changed.

    :raises RebuildRefused: when there is none of that name.
    """
    found = catalog.find(name)
    if found is not None and found.kind == "table":
        return found
    if found is not None:
        raise RebuildRefused(f"{found.name} is a view, which can't be altered.", hint="Drop it and create it again.")
    names = [entry.name for entry in catalog.entries() if entry.kind == "table"]
    raise RebuildRefused(
        f"The {scope.bind or 'default'} database has no table {name}.",
        hint="Its tables are: " + ", ".join(sorted(names)) + ".",
    )


def _only_copy(catalog: Catalog, entry: Entry, original: str) -> LeftOverTable:
    return LeftOverTable(
        f"Another tool was cut off while it rebuilt {original}: the table is missing, and {entry.name} holds its "
        f"{catalog.count(entry.name)} rows.",
        hint=f"Give it its name back, then run the command again: "
        f"ALTER TABLE {quoted(entry.name)} RENAME TO {quoted(original)};",
    )


def _useless(catalog: Catalog, entry: Entry, original: str) -> str:
    rows, copied = catalog.count(original), catalog.count(entry.name)
    return (
        f"Another tool was cut off while it rebuilt {original}, which has all its {rows} rows; {entry.name} is a copy "
        f"with {copied}. Drop it: DROP TABLE {quoted(entry.name)};"
    )
