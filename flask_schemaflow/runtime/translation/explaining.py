"""Which of the modules of this package knows an error."""

from __future__ import annotations

import socket
import typing as t

from alembic.script.revision import RevisionError as AlembicRevisionError
from alembic.util.exc import CommandError
from sqlalchemy import exc

from ...errors import SchemaflowError
from .connecting import database_error
from .connecting import is_connecting
from .graph import graph_error
from .identifiers import odd_identifiers
from .identifiers import something_missing
from .loading import file_refused
from .loading import loading_error
from .options import unusable_option
from .places import place_below
from .running import revision_failed
from .steps import asserted

if t.TYPE_CHECKING:
    from . import Failure


def explained(error: BaseException, failure: Failure) -> SchemaflowError | None:
    """The error in our own words; ``None`` for what can't be explained."""
    versions = failure.version_folders
    if failure.running is not None:
        place = place_below(error, versions)
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
    if isinstance(error, (exc.DBAPIError, ConnectionError, socket.gaierror, TimeoutError)):
        return database_error(error, failure.where(error))
    if isinstance(error, UnicodeEncodeError) and is_connecting(error):
        return database_error(error, failure.where(error))
    found = loading_error(error, failure.folder, versions) if failure.environment is not None else None
    if found is None and isinstance(error, (TypeError, AttributeError)):
        found = something_missing(error, versions) or odd_identifiers(versions)
    if found is None and isinstance(error, (ValueError, TypeError, LookupError)):
        found = unusable_option(error, failure)
    if found is None and isinstance(error, OSError) and error.filename is not None:
        found = file_refused(error, failure.folder)
    if found is None and isinstance(error, exc.SQLAlchemyError):
        found = database_error(error, failure.where(error))
    return found
