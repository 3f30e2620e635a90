"""Explain a revision that failed: its line and operation, the database's words, and the state of the databases.

Whether a step was kept depends on the database, on env.py and on who opened the transaction, so the state is read from
the version tables rather than inferred.
"""

from __future__ import annotations

import os
import re
import typing as t

import sqlalchemy as sa
from alembic.runtime.migration import MigrationContext
from sqlalchemy import exc

from ...errors import SchemaflowError
from ...errors.database import ConnectionLost
from ...errors.database import DatabaseError
from ...errors.database import DatabaseLocked
from ...errors.database import DatabaseReadOnly
from ...errors.database import DiskFull
from ...errors.database import SchemaWithoutHistory
from ...errors.database import ServerTooOld
from ...errors.running import MigrationFailed
from ...errors.running import RebuildRefused
from ...records import Step
from ...redaction import one_line
from ...redaction import scrub
from ...revisions.calls import Call
from ..own_tables import OWN_TABLES
from .database import database_error
from .drivers import is_cut_off
from .drivers import kind_of
from .drivers import words_of_database
from .lines import advice_on_line
from .lines import advice_on_old_form
from .lines import Place
from .lines import words_of
from .schema import calls_of_revision
from .schema import created_before
from .schema import Creation
from .schema import Existing
from .schema import existing
from .schema import names_hint
from .schema import never_created
from .schema import newest_present
from .schema import stamp_advice

if t.TYPE_CHECKING:
    from . import Failure


def aftermath(failure: Failure) -> list[str]:
    """Return lines on what was kept, rolled back or half applied; none if the databases can't be asked."""
    running = failure.running
    run = failure.run
    if run is None or running is None or (run.scope is not None and run.scope.foreign):
        return []
    steps: list[Step] = [*run.ran, running]
    databases = list(dict.fromkeys(step.database for step in steps))
    lines: list[str] = []
    for database in databases:
        at = _current_revisions(database, failure)
        if at is not None:
            state = _state([step for step in steps if step.database == database], at, failure, running)
            lines += [line if len(databases) == 1 else f"{database}: {line}" for line in state]
    if lines:
        failure.take("aftermath")
    return lines


def _state(steps: list[Step], at: tuple[str, ...], failure: Failure, running: Step) -> list[str]:
    present = _ancestors(at, failure)
    others = [step for step in steps if step is not running]
    kept = [step for step in others if (step.revision in present) == (step.direction != "downgrade")]
    undone = [step for step in others if step not in kept]
    word = "Reverted" if running.direction == "downgrade" else "Applied"
    lines = [f"{word} and committed: {_names(kept)}"] if kept else []
    scope = failure.run.scope
    if running in steps and scope is not None and scope.half_done == running.revision:
        lines.append(f"Committed up to its last autocommit_block() or commit(), rest rolled back: {running.revision}")
    elif running in steps and scope is not None and scope.context and not scope.context.impl.transactional_ddl:
        half = f"Possibly half applied, because this database can't roll back DDL: {running.revision}"
        lines += failure.take("notice") or [half]
    elif running in steps:
        undone.append(running)
        lines += failure.take("notice")
    if undone:
        lines.append(f"Rolled back: {_names(undone)}")
    return [*lines, f"Current revision: {', '.join(at) or 'none'}"]


_MOST = 10
"""The number of revisions up to which each is named."""


def _names(steps: list[Step]) -> str:
    names = [step.revision for step in steps]
    if len(names) <= _MOST:
        return ", ".join(names)
    return f"{names[0]}, {names[1]} ... {names[-1]} ({len(names)} revisions)"


def _ancestors(at: tuple[str, ...], failure: Failure) -> set[str]:
    known = {revision.revision for revision in failure.script.walk_revisions()}
    located = tuple(name for name in at if name in known)
    return {revision.revision for revision in failure.script.iterate_revisions(located, "base")} if located else set()


def _current_revisions(database: str, failure: Failure) -> tuple[str, ...] | None:
    """Return the rows of the version table, or ``None`` if it can't be read."""
    scope = failure.run.scope
    options: dict[str, t.Any] = dict(scope.options) if scope is not None else {}
    names = {key: options[key] for key in ("version_table", "version_table_schema") if options.get(key)}
    return failure.ask(database, lambda it: tuple(MigrationContext.configure(it, opts=names).get_current_heads()))


# -- the error ------------------------------------------------------------------------------------

_LONGEST = 300
# What adds something to the database's own words.
_WORTH_SAYING = (ConnectionLost, DatabaseLocked, DatabaseReadOnly, DiskFull, ServerTooOld)
_BROKEN_FILE = re.compile(r"malformed|disk I/O|not a database")
_EXISTING_TABLE = re.compile(r"""(?:table|relation|view) ['"`]?(?P<name>[\w.]+)['"`]? already exists""", re.I)

# What helps beside the line itself, by the words of SQLite, PostgreSQL, MariaDB and MySQL.
_ROWS = (
    (
        r"Cannot add a NOT NULL column|contains null values|Invalid use of NULL value|NOT NULL constraint failed"
        r"|violates not-null constraint|cannot be null",
        "Existing rows have no value for a NOT NULL column. Set one before adding NOT NULL, or use `server_default=` "
        "in add_column().",
    ),
    (
        r"UNIQUE constraint failed|could not create unique index|Duplicate entry|violates unique constraint",
        "Several rows have the same value. Change or delete the duplicates in the revision, above that line.",
    ),
    (
        r"FOREIGN KEY constraint failed|violates foreign key constraint|a foreign key constraint fails",
        "Rows refer to rows that don't exist. Fix or delete them in the revision, above that line.",
    ),
    (
        r"CHECK constraint failed|violates check constraint|is violated by some row|CONSTRAINT .+ failed for",
        "Rows violate the new constraint. Fix them in the revision, above that line.",
    ),
    (
        r"cannot be cast automatically|invalid input (value|syntax)|Data truncated|Incorrect \w+ value|Data too long"
        r"|value too long|Out of range value|out of range",
        "Rows have values that the new type can't hold. Convert them in the revision, above that line.",
    ),
)
_MISSING = re.compile(
    r"does not exist|doesn't exist|no such (?:table|column|index)|Unknown column|Can't DROP|Key column .+ doesn't exist"
    r"|Unknown table",
    re.I,
)


def revision_failed(error: BaseException, place: Place, failure: Failure) -> SchemaflowError:
    """Return the error for a revision whose code was running."""
    step = failure.running
    assert step is not None
    of_database = isinstance(error, exc.DBAPIError) or is_cut_off(error)
    words = scrub(words_of_database(error)) if of_database else words_of(error)
    if _never_migrated(error, words, place, failure):
        return _schema_without_history(error, words, place, failure)
    reason = database_error(error, failure.where(error)) if of_database else None
    call, calls = _operation(place, step, failure)
    unnamed = _without_name(error, place, call, step, failure)
    if unnamed is not None:
        return unnamed
    verb = "Reverting revision" if step.direction == "downgrade" else "Revision"
    on = "" if step.database == "default" else f" on the {step.database} database"
    details = _details(error, place, failure, reason)
    hint = _next_step(error, words, reason, place, failure)
    if of_database and step.direction == "upgrade":
        statement = str(getattr(error, "statement", "") or "")
        present = failure.ask(step.database, lambda it: existing(words, statement, call, it))
        if present is not None:
            details[1:1] = [f"  In the database: {present.text}"] if present.text else []
            twice = _created_before(present, place, step, failure)
            below = _taken_back(step, failure)
            if twice is not None or present.is_gone:
                hint = _twice_hint(present, twice, call, step)
            else:
                hint = _existing_hint(present, call, calls, step, below)
    if call is not None and call.name in ("drop_constraint", "drop_index") and _MISSING.search(words):
        hint = f"{failure.ask(step.database, lambda it: names_hint(call, it)) or ''} {hint}".strip()
    failed = MigrationFailed(
        f"{verb} {step.revision} failed{on} ({place}): {words}", details="\n".join(details), hint=hint
    )
    failed.revision, failed.reason = step.revision, reason
    return failed


def _operation(place: Place, step: Step, failure: Failure) -> tuple[Call | None, list[Call]]:
    """Return the operation at a line of the running revision, and all of its operations."""
    revision = failure.script.get_revision(step.revision)
    if revision is None:
        return None, []
    bind = None if step.database == "default" else step.database
    calls = [call for call in calls_of_revision(revision, step.direction, bind) if call.name != "f"]
    here = (call for call in calls if call.line <= place.line <= (call.node.end_lineno or call.line))
    return next((call for call in here if place.path == revision.path), None), calls


def _details(
    error: BaseException, place: Place, failure: Failure, reason: DatabaseError | None = None
) -> list[str]:
    lines = [reason.message] if reason is not None and type(reason) in _WORTH_SAYING else []
    lines += [f"Operation: {place.code}"] if place.code else []
    statement = getattr(error, "statement", None)
    if statement and not any(table in str(statement) for table in OWN_TABLES):
        lines.append("SQL: " + one_line(str(statement), _LONGEST, "..."))
    return ["  " + line for line in lines + aftermath(failure)]


def _again(step: Step) -> str:
    return f"run `flask db {'downgrade' if step.direction == 'downgrade' else 'upgrade'}` again"


def _next_step(
    error: BaseException, words: str, reason: DatabaseError | None, place: Place, failure: Failure
) -> str:
    step = failure.running
    assert step is not None
    again = _again(step)
    table = never_created(words, failure.script, step.revision) if step.direction == "upgrade" else ""
    if table:
        return (
            f"No revision up to {step.revision} creates the table {table}; where this one was written, db.create_all() "
            f"may have. Fix the name in that line, or create the table in an earlier revision, then {again}."
        )
    if reason is not None and type(reason) is not DatabaseError and reason.hint:
        return reason.hint.replace("run the command again", again)
    if reason is not None:
        for text, hint in _ROWS:
            if re.search(text, words, re.I):
                return f"{hint} Then {again}."
        if _MISSING.search(words):
            return (
                "The database is not as this revision expects it. `flask db status` shows the applied revisions; fix "
                f"that line or the schema, then {again}."
            )
    old = advice_on_old_form(error)
    if old is not None:
        return f"{old} Then {again}."
    target = failure.target(step.database)
    if target is not None and target.sync_engine.dialect.name == "sqlite" and not _BROKEN_FILE.search(words):
        return _advice_on_sqlite(error, again) or advice_on_line(error, place, again)
    return advice_on_line(error, place, again)


def _advice_on_sqlite(error: BaseException, again: str) -> str | None:
    """Return the advice for an error of SQLite, which has no server and no log: mostly it is about the statement."""
    if not isinstance(error, exc.DBAPIError):
        return None
    if kind_of(error) == "syntax" and re.match(r"\s*ALTER\s+TABLE\b", str(error.statement), re.I):
        return (
            "SQLite's ALTER TABLE only adds, renames and drops columns. Use `with op.batch_alter_table(...)`, which "
            f"rebuilds the table, or fix that line. Then {again}."
        )
    return f"Fix that line and {again}."


def _without_name(
    error: BaseException, place: Place, call: Call | None, step: Step, failure: Failure
) -> SchemaflowError | None:
    """Return the error for ``drop_constraint(None, ...)``, which only SQLite's batch mode refuses by itself."""
    if call is None or call.name not in ("drop_constraint", "drop_index"):
        return None
    what = call.name.removeprefix("drop_")
    if not call.gives_none(0, f"{what}_name"):
        return None
    table = call.table_name(1)
    article = "An" if what == "index" else "A"
    names = failure.ask(step.database, lambda it: names_hint(call, it)) or ""
    return RebuildRefused(
        f"{article} {what} of table {table} is to be dropped, and its name is missing.",
        details="\n".join([f"  {place}", *_details(error, place, failure)]),
        hint=f"{names} Write its name into that line, then {_again(step)}.".strip(),
    )


def _taken_back(step: Step, failure: Failure) -> str | None:
    """Return the revision before a failed one if the database lacks it now: it was rolled back with the failed one."""
    revision, at = failure.script.get_revision(step.revision), _current_revisions(step.database, failure)
    below = None if revision is None else revision.down_revision
    if at is None or not isinstance(below, str) or below in _ancestors(at, failure):
        return None
    return below


def _existing_hint(
    present: Existing, call: Call | None, calls: list[Call], step: Step, below: str | None
) -> str:
    """Return the advice for an object that the database has already.

    :param below: the revision to apply before the failed one is recorded as applied.
    """
    on = "" if step.database == "default" else f" --bind {step.database}"
    stamp, again = f"`flask db stamp{on} {step.revision}`", _again(step)
    if present.kind == "type":
        return _type_hint(present, call, again)
    first = "" if below is None else f"run `flask db upgrade{on} {below}`, then "
    if present.same is False:
        differs = f"The {present.kind} in the database differs from the revision's"
        return f"{differs}. Rename, alter or drop it, then {again}."
    alike = "" if present.same else f", if the {present.kind} is as the revision would create it"
    if len(calls) == 1:
        return f"The rest of this revision has nothing to do: {first}record it as applied with {stamp}{alike}."
    remove = "Remove that line"
    if call is not None and call.name in ("create_table", "create_index"):
        remove = "Add `if_not_exists=True` to that line"
    return (
        f"{remove}, then {again}{alike}.\nIf the database has everything that the revision creates, "
        f"{first}record it as applied: {stamp}."
    )


def _type_hint(present: Existing, call: Call | None, again: str) -> str:
    """Return the advice for a type of PostgreSQL, which isn't dropped with the tables that had it."""
    if not present.is_used:
        return f"No column has this type, so it can go: run `DROP TYPE {present.name}` in the database, then {again}."
    if present.same is False:
        return f"Name the revision's type otherwise, or change the values of {present.name}, then {again}."
    alike = "" if present.same else " if it is as the revision would create it"
    if call is not None and call.name in ("create_table", "add_column", "alter_column"):
        return (
            f"To use the type of the database{alike}, write it in that line as "
            f"`postgresql.ENUM(..., name={present.name!r}, create_type=False)`, then {again}."
        )
    return f"To use the type of the database{alike}, remove that line or pass `checkfirst=True`, then {again}."


def _created_before(present: Existing, place: Place, step: Step, failure: Failure) -> Creation | None:
    """Return the line that creates what the running revision creates once more."""
    revision = failure.script.get_revision(step.revision)
    if revision is None or place.path != revision.path:
        return None
    bind = None if step.database == "default" else step.database
    return created_before(failure.script, revision, place.line, present, bind)


def _twice_hint(present: Existing, before: Creation | None, call: Call | None, step: Step) -> str:
    """Return the advice for an object that the history creates twice, as two branches may that were merged.

    :param before: the first of the two lines, if it is known.
    """
    who, place = "An earlier statement of this run", ""
    if before is not None and before.revision == step.revision:
        who = f"Line {before.line} of this revision"
    elif before is not None:
        who, place = f"Revision {before.revision}", f" ({os.path.basename(before.path)}, line {before.line})"
    remove = "Remove one of the two lines"
    known = before.columns if before is not None and call is not None else frozenset()
    other = known and call is not None and known != set(call.columns(1))
    may_stay = call is not None and call.name in ("create_table", "create_index")
    if may_stay and not other and present.same is not False:
        remove = "Remove one of the two lines, or add `if_not_exists=True` to the second"
    return f"{who} creates the {present.kind} {present.name}, too{place}. {remove}; then {_again(step)}."


def _never_migrated(error: BaseException, words: str, place: Place, failure: Failure) -> bool:
    """Return whether a table was there before the first revision ran."""
    step, refused = failure.running, _EXISTING_TABLE.search(words)
    assert step is not None
    first = step.direction == "upgrade" and failure.heads.get(step.database) == ()
    if not first or refused is None or kind_of(error) != "exists" or _current_revisions(step.database, failure):
        return False
    table = refused["name"]
    if failure.ask(step.database, lambda it: sa.inspect(it).has_table(table)) is False and "." not in table:
        return False  # it went with the run that had created it
    return _created_before(Existing("table", table), place, step, failure) is None


def _schema_without_history(error: BaseException, words: str, place: Place, failure: Failure) -> SchemaflowError:
    step, refused = failure.running, _EXISTING_TABLE.search(words)
    assert step is not None and refused is not None
    bind = None if step.database == "default" else step.database
    at = failure.ask(step.database, lambda it: newest_present(failure.script, it, bind)) or ()
    return schema_without_history(
        refused["name"],
        step.database,
        details="\n".join([f"  Revision: {step.revision} ({place})", *_details(error, place, failure)]),
        advice=stamp_advice(at, failure.script.get_heads(), bind),
    )


def schema_without_history(table: str, database: str, details: str, advice: str) -> SchemaWithoutHistory:
    """Return the error for tables that exist in a database to which no migration was applied.

    :param advice: the result of :func:`~flask_schemaflow.runtime.errors.schema.stamp_advice`.
    """
    return SchemaWithoutHistory(
        f"The table {table} already exists, but no migration has been applied to the {database} database. Probably "
        "db.create_all() created it.",
        details=details,
        hint=f"{advice}\nThen remove db.create_all() from the application.",
    )
