"""A revision that failed: which one, where, in which operation, in the database's words, and what became of it."""

from __future__ import annotations

import re
import typing as t

from sqlalchemy import exc

from ...errors import SchemaflowError
from ...errors.connection import ConnectionLost
from ...errors.connection import DatabaseLocked
from ...errors.connection import DatabaseReadOnly
from ...errors.connection import DiskFull
from ...errors.connection import SchemaWithoutHistory
from ...errors.connection import ServerTooOld
from ...errors.database import DatabaseError
from ...errors.running import MigrationFailed
from ...patterns import pattern
from ...redaction import scrub
from ..own_tables import OWN_TABLES
from .aftermath import aftermath
from .connecting import database_error
from .drivers import is_cut_off
from .drivers import kind_of
from .drivers import words_of_database
from .places import Place
from .places import words_of

if t.TYPE_CHECKING:
    from . import Failure

_LONGEST = 300
# What adds something to the database's own words.
_WORTH_SAYING = (ConnectionLost, DatabaseLocked, DatabaseReadOnly, DiskFull, ServerTooOld)
# SQLite, PostgreSQL and MySQL; what MariaDB says may mean any value that doesn't fit.
_WITHOUT_VALUE = pattern(r"Cannot add a NOT NULL column|contains null values|Invalid use of NULL value", re.I)
_EXISTING = pattern(r"""(?:table|relation|index|view) ['"`]?(?P<name>[\w.]+)['"`]? already exists""", re.I)


def revision_failed(error: BaseException, place: Place, failure: Failure) -> SchemaflowError:
    """The error for a revision whose code was running."""
    step = failure.running
    assert step is not None
    if _never_migrated(error, failure):
        return _schema_without_history(error, place, failure)
    of_database = isinstance(error, exc.DBAPIError) or is_cut_off(error)
    reason = database_error(error, failure.where(error)) if of_database else None
    words = scrub(words_of_database(error)) if of_database else words_of(error)
    verb = "Reverting revision" if step.direction == "downgrade" else "Revision"
    on = "" if step.database == "default" else f" on the {step.database} database"
    made = MigrationFailed(
        f"{verb} {step.revision} failed{on} ({place}): {words}",
        details="\n".join(_details(error, place, failure, reason)),
        hint=_next_step(reason, step.direction, words),
    )
    made.revision, made.reason = step.revision, reason
    return made


def _details(
    error: BaseException, place: Place, failure: Failure, reason: DatabaseError | None = None
) -> list[str]:
    lines = [reason.message] if reason is not None and type(reason) in _WORTH_SAYING else []
    lines += [f"Operation: {place.code}"] if place.code else []
    statement = getattr(error, "statement", None)
    if statement and not any(table in str(statement) for table in OWN_TABLES):
        lines.append(f"SQL: {_one_line(str(statement))}")
    return ["  " + line for line in lines + aftermath(failure)]


def _one_line(statement: str) -> str:
    text = scrub(" ".join(statement.split()))
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."


def _next_step(reason: DatabaseError | None, direction: str, words: str) -> str:
    again = f"run `flask db {'downgrade' if direction == 'downgrade' else 'upgrade'}` again"
    if reason is not None and type(reason) is not DatabaseError and reason.hint:
        return reason.hint.replace("run the command again", again)
    if _WITHOUT_VALUE.search(words):
        return (
            "There are rows, and they have no value for a column that is NOT NULL. Give them one before NOT NULL is "
            f"set; in add_column(), `server_default=` does. Then {again}."
        )
    return f"Correct that line and {again}."


def _never_migrated(error: BaseException, failure: Failure) -> bool:
    step = failure.running
    assert step is not None
    return kind_of(error) == "exists" and step.direction == "upgrade" and failure.heads.get(step.database) == ()


def _schema_without_history(error: BaseException, place: Place, failure: Failure) -> SchemaflowError:
    step = failure.running
    assert step is not None
    words = scrub(words_of_database(error))
    found = _EXISTING.search(words)
    name = found.group("name") if found else "that it would make"
    of_bind = "" if step.database == "default" else f" --bind {step.database}"
    return SchemaWithoutHistory(
        f"The table {name} exists in the {step.database} database, where no migration was ever applied: "
        "db.create_all() made it, or something like it.",
        details="\n".join([f"  Revision: {step.revision} ({place})", *_details(error, place, failure)]),
        hint="To keep the tables and their rows, say that they are as the migrations make them: "
        f"`flask db stamp{of_bind} head`, then `flask db check` shows what differs.\n"
        "To begin anew, drop the tables and run `flask db upgrade`.\n"
        "Then remove db.create_all() from the application.",
    )
