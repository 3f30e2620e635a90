"""Whether the pending revisions destroy something, read from their source.

The answer decides about a backup, so doubt counts as yes: only operations that are known to keep every value are
let through.
"""

from __future__ import annotations

import re
import typing as t

from ...patterns import pattern
from ..dispatch import function_for
from ..revision_calls import Call
from ..revision_calls import calls_of
from ..revision_calls import UNSEEN

_KEEPING = frozenset(
    """
    add_column batch_alter_table bulk_insert create_check_constraint create_exclude_constraint create_foreign_key
    create_index create_primary_key create_table create_table_comment create_unique_constraint drop_constraint
    drop_index drop_table_comment f get_bind get_context rename_table
    """.split()
)
_KEEPING_SQL = pattern(r"\s*(?:INSERT|CREATE|COMMENT|GRANT|REVOKE|ANALYZE|SET|ALTER\s+TYPE\s+\S+\s+ADD)\b", re.I)
_OVERWRITING_SQL = pattern(
    r"\bREPLACE\b|\bDO\s+UPDATE\b|\bDUPLICATE\s+KEY\b|\bINTO\s+OUTFILE\b|\(\s*\)|;\s*\S", re.I
)


def destruction(steps: t.Iterable[t.Any], bind: str | None) -> str:
    """The first thing that ``steps`` may destroy, in words: ``revision aaa3 drops the table person``.

    :returns: an empty text if every operation keeps what is there.
    """
    for step in steps:
        revision = step.revision.revision
        direction = "upgrade" if step.is_upgrade else "downgrade"
        try:
            calls = calls_of(function_for(step.revision.module, direction, bind))
        except LookupError:
            return f"what revision {revision} does can't be read"
        for call in calls:
            words = _words(call)
            if words:
                return f"revision {revision} {words} (line {call.line})"
    return ""


def _words(call: Call) -> str:
    """What a call destroys, or nothing."""
    if call.name in _KEEPING:
        return ""
    if call.name == "drop_table":
        return f"drops the table {call.argument(0, 'table_name') or ''}".rstrip()
    if call.name == "drop_column":
        return f"drops the column {_column(call)}".rstrip()
    if call.name == "alter_column":
        return "changes the type of a column" if call.has("type_") else ""
    if call.name == "execute":
        return "" if _keeps(call) else "executes SQL that may change rows"
    return "does what can't be told beforehand" if call.name == UNSEEN else f"calls op.{call.name}()"


def _column(call: Call) -> str:
    """``table.column``; in a batch the table is said elsewhere."""
    parts = [call.argument(0, "table_name"), call.argument(1, "column_name")]
    if call.batch:
        parts = [call.table, call.argument(0, "column_name")]
    return ".".join(str(part) for part in parts) if all(parts) else ""


def _keeps(call: Call) -> bool:
    statement = call.statement()
    return bool(statement and _KEEPING_SQL.match(statement) and not _OVERWRITING_SQL.search(statement))
