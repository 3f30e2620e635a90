"""Tables named ``_alembic_tmp_...``: what other tools leave behind when a rebuild is cut off.

Without a transaction around it a killed rebuild leaves either a useless copy or, a moment later, the only one.
"""

from __future__ import annotations

import shlex

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
    rows = catalog.count(entry.name)
    command = _command(catalog, f"ALTER TABLE {quoted(entry.name)} RENAME TO {quoted(original)}")
    return LeftOverTable(
        f"Another tool was cut off while it rebuilt {original}: the table is missing, and {entry.name} holds its "
        f"{rows} row{'s' * (rows != 1)}.",
        hint=f"Give it its name back, then run the command again: {command}",
    )


def _useless(catalog: Catalog, entry: Entry, original: str) -> str:
    return (
        f"Another tool was cut off while it rebuilt {original}, which has all its rows; the copy {entry.name} has "
        f"{catalog.count(entry.name)} of {catalog.count(original)}. "
        f"Drop it: {_command(catalog, f'DROP TABLE {quoted(entry.name)}')}"
    )


def _command(catalog: Catalog, statement: str) -> str:
    """A command for the shell; for a database in memory the statement alone."""
    files = catalog.execute("PRAGMA database_list").mappings()
    path = next((str(row["file"] or "") for row in files if row["name"] == catalog.schema), "")
    return f"sqlite3 {shlex.quote(path)} {shlex.quote(statement)}" if path else statement
