"""An application that can't be found or loaded: in which of its own lines, or in which of its settings."""

from __future__ import annotations

import os
import pathlib
import re
import sysconfig
import traceback
import typing as t

from flask import Flask
from flask.cli import NoAppException
from flask.cli import ScriptInfo
from sqlalchemy import exc

from ...errors import SchemaflowError
from ...errors import setup as errors
from ...errors.running import Unforeseen
from . import urls
from .connecting import database_error
from .connecting import is_connecting
from .connecting import Where
from .drivers import kind_of
from .loading import ENTRANCES
from .places import Place
from .places import place
from .places import words_of

_MOST = 3


def is_loading(error: BaseException) -> bool:
    """Whether the error arose while ``flask`` loaded the application."""
    code = ScriptInfo.load_app.__code__
    return any(frame.f_code is code for frame, _ in traceback.walk_tb(error.__traceback__))


def application_error(error: Exception) -> SchemaflowError:
    """The error for an application that could not be loaded.

    :param error: what ``ScriptInfo.load_app()`` raised.
    """
    if isinstance(error, SchemaflowError):
        return error
    if isinstance(error, NoAppException):
        inner = error.__context__
        if isinstance(inner, ImportError) and error.format_message().startswith("While importing"):
            return _broken(inner)
        return _not_found(error)
    return _broken(error)


def unforeseen(error: Exception) -> SchemaflowError:
    """The error for what nobody thought of: in the reader's own code, or in ours."""
    if isinstance(error, exc.DBAPIError) or (isinstance(error, UnicodeEncodeError) and is_connecting(error)):
        return database_error(error, Where())
    found = _at(error)
    if found is not None and not found.code.startswith(ENTRANCES):
        return Unforeseen(
            f"{words_of(error).rstrip('.')} ({found}).",
            details=f"  {found.code}" if found.code else "",
            hint="Correct that line; `flask db --traceback ...` shows how it was reached.",
        )
    return Unforeseen(
        f"Something failed that Flask-SchemaFlow did not foresee: {words_of(error).rstrip('.')}.",
        hint="`flask db --traceback ...` shows where; please report it with that text.",
    )


def _not_found(error: NoAppException) -> SchemaflowError:
    said = error.format_message()
    if said.startswith("Could not locate"):
        return errors.ApplicationNotFound(
            f"No Flask application was found in {pathlib.Path.cwd()}.",
            hint=f"Name it: `flask --app {(_candidates() or ['NAME'])[0]} db ...`, or set FLASK_APP, "
            "or change to the project's directory.",
        )
    missing = re.match(r"Could not import '(.+)'\.", said)
    if missing:
        near = [name for name in _candidates() if name != missing.group(1)]
        found = f" Here are: {', '.join(near)}." if near else ""
        return errors.ApplicationNotFound(
            f"There is no module {missing.group(1)!r} for --app or FLASK_APP in {pathlib.Path.cwd()}.",
            hint=f"Correct the name, or change to the project's directory.{found}",
        )
    message, _, advice = said.partition(". ")
    return errors.ApplicationNotFound(message.rstrip(".") + ".", hint=advice)


def _candidates() -> list[str]:
    """Modules in the working directory that make an application, for ``--app``."""
    here = pathlib.Path.cwd()
    found = []
    for path in sorted([*here.glob("*.py"), *here.glob("*/__init__.py")]):
        try:
            if "Flask(" in path.read_text("utf-8", "replace"):
                found.append(path.parent.name if path.name == "__init__.py" else path.stem)
        except OSError:
            continue
    return found[:_MOST]


def _broken(error: BaseException) -> SchemaflowError:
    app = application_in(error)
    config = app.config if app is not None else {}
    found = _at(error)
    about_url = urls.url_error(error, config)
    if about_url is not None:
        return about_url
    if isinstance(error, exc.DBAPIError):
        return _queried(error, found, config)
    where = f" ({found})" if found else ""
    return errors.ApplicationBroken(
        f"The application can't be loaded: {words_of(error).rstrip('.')}{where}.",
        details=f"  {found.code}" if found and found.code else "",
        hint=_hint(error),
    )


def _queried(error: exc.DBAPIError, found: Place | None, config: t.Mapping[str, t.Any]) -> SchemaflowError:
    """A query at start-up: of a table that is not there yet, or of a database that isn't."""
    if kind_of(error) != "missing":
        return database_error(error, Where(url_text=config.get("SQLALCHEMY_DATABASE_URI")))
    words = str(error.orig)
    named = re.search(r"""(?:no such table: |relation "|Table ')([\w.]+)""", words)
    table = f"the table {named.group(1).rpartition('.')[2]}" if named else "a table that isn't there"
    return errors.TableQueriedAtStart(
        f"The application queries {table} while it is loaded, and only a migration makes that table"
        f"{f' ({found})' if found else ''}.",
        details=f"  {found.code}" if found and found.code else "",
        hint="Query it when it is needed, in a view or a function, or leave it out while migrations run:\n"
        "    from flask_schemaflow import is_migrating\n"
        "    if not is_migrating():",
    )


def _hint(error: BaseException) -> str:
    again = "Correct that line and run the command again."
    if isinstance(error, ModuleNotFoundError) and error.name:
        return f"`pip install {error.name.partition('.')[0]}`, if that is the package's name; or correct the import."
    return again


def _at(error: BaseException) -> Place | None:
    """The innermost line that is neither the standard library's nor an installed package's."""
    if isinstance(error, SyntaxError) and error.filename:
        return place(error.filename, error.lineno or 1)
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.lineno and _is_own(frame.filename)]
    return place(frames[-1].filename, frames[-1].lineno or 1) if frames else None


def _is_own(filename: str) -> bool:
    path = os.path.realpath(filename)
    package = str(pathlib.Path(__file__).parents[2]) + os.sep
    return os.path.isfile(path) and not path.startswith((*_LIBRARIES, package))


_LIBRARIES = tuple(
    os.path.realpath(sysconfig.get_path(name)) + os.sep for name in ("stdlib", "platstdlib", "purelib", "platlib")
)


def application_in(error: BaseException) -> Flask | None:
    """The half-made application, if a function that was running had one."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        for value in frame.f_locals.values():
            if isinstance(value, Flask):
                return value
    return None
