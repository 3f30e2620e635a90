"""Turns errors of Alembic, SQLAlchemy and the drivers into one sentence, once, with the cause kept."""

from __future__ import annotations

import contextlib
import dataclasses
import traceback
import typing as t

from alembic.util.exc import CommandError
from sqlalchemy import exc

from ..errors import SchemaflowError
from ..errors.database import DatabaseError
from ..errors.revisions import RevisionError
from ..errors.running import MigrationFailed
from ..redaction import scrub


@dataclasses.dataclass
class Failure:
    """What is known of a run when it fails."""

    environment: t.Any
    passage: t.Any = None


@contextlib.contextmanager
def translated(environment: t.Any = None) -> t.Iterator[Failure]:
    """Errors of the block come out as :class:`SchemaflowError`, the original as their cause."""
    failure = Failure(environment)
    try:
        yield failure
    except SchemaflowError:
        raise
    except CommandError as error:
        raise RevisionError(str(error)) from error
    except exc.SQLAlchemyError as error:
        raise _database_error(error, failure) from error


def _database_error(error: exc.SQLAlchemyError, failure: Failure) -> SchemaflowError:
    original = getattr(error, "orig", None) or error
    words = scrub(str(original)).strip()
    place = _place(error)
    if place is None:
        return DatabaseError(f"The database refused: {words}")
    path, line, code = place
    return MigrationFailed(f"{path}, line {line}, failed: {words}", details=code)


def _place(error: BaseException) -> tuple[str, int, str] | None:
    """The line of a revision file that was running, found in the traceback."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if frame.name.startswith(("upgrade", "downgrade")) and frame.lineno:
            return frame.filename, frame.lineno, frame.line or ""
    return None
