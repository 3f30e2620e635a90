"""Choose the module of this package that explains an error."""

from __future__ import annotations

import socket
import typing as t

from alembic.script.revision import RevisionError as AlembicRevisionError
from alembic.util.exc import CommandError
from sqlalchemy import exc

from ...errors import SchemaflowError
from ...revisions.validation import odd_identifiers
from ...revisions.validation import something_missing
from ..planning import is_in_migration
from .database import database_error
from .database import is_connecting
from .heads import asserted
from .lines import own_line
from .lines import Place
from .lines import place_below
from .loading import file_refused
from .loading import loading_error
from .loading import unusable_option
from .migration import revision_failed
from .revisions import graph_error

if t.TYPE_CHECKING:
    from . import Failure


def explained(error: BaseException, failure: Failure) -> SchemaflowError | None:
    """Return the error in our own words, or ``None`` if it can't be explained."""
    place = _place_in_revision(error, failure)
    if place is not None:
        return revision_failed(error, place, failure)
    if isinstance(error, AssertionError):
        misnamed = asserted(error, failure)
        if misnamed is not None:
            return misnamed
    if isinstance(error, (CommandError, AlembicRevisionError)):
        return graph_error(error, failure)
    if isinstance(error, BrokenPipeError):
        return None  # nobody reads our output any more; a driver would have wrapped it
    if isinstance(error, (exc.DBAPIError, ConnectionError, socket.gaierror, TimeoutError)) or is_connecting(error):
        return database_error(error, failure.where(error))
    return _of_files(error, failure)


def _place_in_revision(error: BaseException, failure: Failure) -> Place | None:
    """Return the line of the running revision, or of a decorator or helper that it uses, in which the error arose."""
    if failure.running is None:
        return None
    place = place_below(error, failure.version_folders)
    if place is None and is_in_migration(error):
        revision = failure.script.get_revision(failure.running.revision)
        place = own_line(error) or (Place(revision.path, 1) if revision is not None else None)
    return place


def _of_files(error: BaseException, failure: Failure) -> SchemaflowError | None:
    """Return the error for a file of the migrations folder that can't be used."""
    versions = failure.version_folders
    explanation = loading_error(error, failure.folder, versions) if failure.repository is not None else None
    if explanation is None and isinstance(error, (TypeError, AttributeError)):
        explanation = something_missing(error, versions) or odd_identifiers(versions)
    if explanation is None and isinstance(error, (ValueError, TypeError, LookupError)):
        explanation = unusable_option(error, failure)
    if explanation is None and isinstance(error, OSError) and error.filename is not None:
        explanation = file_refused(error, failure.folder)
    if explanation is None and isinstance(error, exc.SQLAlchemyError):
        explanation = database_error(error, failure.where(error))
    return explanation
