"""The guard that saves a database before it is changed, and the policy: always, never, or before data is destroyed.

Whether the pending revisions destroy something is read from their source. The answer decides about a backup, so doubt
counts as yes: only operations that are known to keep every value are let through.
"""

from __future__ import annotations

import re
import typing as t

from ....revisions.calls import Call
from ....revisions.calls import calls_of
from ....revisions.calls import UNSEEN
from ...guard import Guard
from ...guard import is_stamp
from ...guard import Scope
from ...planning import function_for

_KEEPING = frozenset(
    """
    add_column batch_alter_table bulk_insert create_check_constraint create_exclude_constraint create_foreign_key
    create_index create_primary_key create_table create_table_comment create_unique_constraint drop_constraint
    drop_index drop_table_comment f get_bind get_context rename_table
    """.split()
)
_KEEPING_SQL = re.compile(r"\s*(?:INSERT|CREATE|COMMENT|GRANT|REVOKE|ANALYZE|SET|ALTER\s+TYPE\s+\S+\s+ADD)\b", re.I)
_OVERWRITING_SQL = re.compile(
    r"\bREPLACE\b|\bDO\s+UPDATE\b|\bDUPLICATE\s+KEY\b|\bINTO\s+OUTFILE\b|\(\s*\)|;\s*\S", re.I
)


def find_destruction(steps: t.Iterable[t.Any], bind: str | None) -> str:
    """Return the first thing that ``steps`` may destroy, in words: ``revision aaa3 drops the table person``.

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
    """Return what a call destroys, or nothing."""
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
    return "has operations that can't be analysed" if call.name == UNSEEN else f"calls op.{call.name}()"


def _column(call: Call) -> str:
    """Return ``table.column``; in a batch the table is named by the block."""
    parts = [call.table_name(), call.argument(call.after_table, "column_name")]
    return ".".join(str(part) for part in parts) if all(parts) else ""


def _keeps(call: Call) -> bool:
    statement = call.statement()
    return bool(statement and _KEEPING_SQL.match(statement) and not _OVERWRITING_SQL.search(statement))


class BackupFirst(Guard):
    """Promises that a database is backed up before a run changes it, and that the run doesn't start without the
    backup.

    The backup is made under the migration lock, once in a run, and only if there is something to run. It is
    switched on by the option ``--backup`` or by ``SCHEMAFLOW_BACKUP``; with ``"destructive"`` it is made only
    before revisions that may destroy something.
    """

    needs_steps = True

    @classmethod
    def applies(cls, scope: Scope) -> bool:
        """Return true, on a caller's own connection too, to say that it was not saved."""
        return True

    def plan(self, scope: Scope, steps: t.Sequence[t.Any]) -> None:
        """Save the database, or don't.

        :raises BackupError: when it can't be saved.
        """
        revisions = [step for step in steps if not is_stamp(step)]
        name = scope.database
        if not revisions or any(made.database == name for made in scope.backups):
            return
        reason = _reason(scope, revisions)
        if reason is None:
            return
        if scope.foreign:
            scope.tell("notice", f"No backup of the {name} database: you passed the connection.")
            return
        from .saving import save

        save(scope, reason)


def _reason(scope: Scope, steps: t.Sequence[t.Any]) -> str | None:
    """Return why to save it, as far as that needs saying; ``None`` if it needn't be saved."""
    wanted = scope.settings.backup
    if scope.backup is not None:
        wanted = "always" if scope.backup else "never"
    if wanted == "destructive":
        return find_destruction(steps, scope.bind) or None
    return "" if wanted == "always" else None
