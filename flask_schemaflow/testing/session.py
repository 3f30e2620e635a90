"""What the plugin's fixtures do: find the application under test."""

from __future__ import annotations

import contextlib
import os
import typing as t

import pytest
from flask import Flask
from flask.cli import load_dotenv
from flask.cli import NoAppException
from flask.cli import ScriptInfo

from ..errors import SchemaflowError
from ..errors.setup import ApplicationNotFound
from ..extension import current_state
from .databases import copied
from .databases import Databases
from .rollback import rolled_back


@contextlib.contextmanager
def told_plainly() -> t.Iterator[None]:
    """Fail a test by the sentences of an error alone, if a fixture of ours raises one."""
    try:
        yield
    except SchemaflowError as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None


def app_of(request: pytest.FixtureRequest) -> Flask:
    """Return the application under test: of the fixture ``app`` or ``create_app``, or as ``flask`` finds it."""
    for name in ("app", "create_app"):
        try:
            found: t.Any = request.getfixturevalue(name)
        except pytest.FixtureLookupError as error:
            if error.argname != name:  # a fixture that this one asks for
                raise
        else:
            found = found() if name == "create_app" and not isinstance(found, Flask) else found
            if isinstance(found, Flask):
                return found
    with told_plainly():
        return t.cast(Flask, request.getfixturevalue("schemaflow_found_app"))


def find_app(given: str) -> Flask:
    """Return the application that ``flask`` finds.

    :param given: as for ``flask --app``; by default ``FLASK_APP``, or ``app.py`` or ``wsgi.py`` here.
    :raises ApplicationNotFound: if there is none.
    """
    if os.environ.get("FLASK_SKIP_DOTENV", "") != "1":
        load_dotenv()
    try:
        return ScriptInfo(app_import_path=given or os.environ.get("FLASK_APP") or None).load_app()
    except NoAppException as error:
        raise ApplicationNotFound(
            "No Flask application was found to test migrations of.",
            details="  " + " ".join(str(error).split()),
            hint="Write a fixture `app` or `create_app`, or name the application in pyproject.toml:\n"
            '    [tool.pytest.ini_options]\n    schemaflow_app = "package:create_app"',
        ) from error


@contextlib.contextmanager
def use_copy(databases: Databases, app: Flask) -> t.Iterator[None]:
    """Have the application use a migrated copy in the block."""
    with contextlib.ExitStack() as stack:
        with told_plainly():
            stack.enter_context(copied(databases, app))
        yield


@contextlib.contextmanager
def use_transaction(databases: Databases, app: Flask) -> t.Iterator[t.Any]:
    """Have the application use one transaction in the block; yields its ``db``, in an application context."""
    with contextlib.ExitStack() as stack:
        with told_plainly():
            stack.enter_context(rolled_back(databases, app))
        stack.enter_context(app.app_context())
        yield current_state().db
