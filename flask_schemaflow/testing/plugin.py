"""The pytest plugin: options and fixtures, which import nothing of the package before a test asks for them.

Every session of whoever has the package installed loads this module, before coverage measures anything. So it only
declares; the work is in :mod:`.session` and :mod:`.items`.
"""

from __future__ import annotations

import typing as t

import pytest

if t.TYPE_CHECKING:
    from flask import Flask

    from .api import AtRevision
    from .databases import Databases


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the command line and of the ini-file."""
    group = parser.getgroup("schemaflow", "database migrations (Flask-SchemaFlow)")
    group.addoption(
        "--schemaflow",
        nargs="?",
        const="all",
        metavar="CHECK,...",
        help="Check the migrations of the Flask application, with all checks or those named.",
    )
    group.addoption(
        "--schemaflow-since",
        metavar="GITREF",
        help="The revisions that GITREF has count as applied somewhere. Default: the main branch.",
    )
    parser.addini("schemaflow", "Checks of migrations to run, or all.", type="args", default=[])
    parser.addini("schemaflow_app", "The application as for `flask --app`, if there is no fixture app or create_app.")
    parser.addini("schemaflow_since", "As --schemaflow-since.")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    """Add a test for each check, if any is wanted."""
    chosen = config.getoption("--schemaflow")
    names = chosen.split(",") if chosen else config.getini("schemaflow")
    if names:
        from .items import check_items

        items.extend(check_items(session, items, names))


@pytest.fixture(scope="session")
def schemaflow_database_uri() -> str | None:
    """Return the URL of a database on the server to use for tests; override it to name one.

    Without it the environment variable ``SCHEMAFLOW_TEST_DATABASE_URI`` has it, or else the application's own server is
    used, if its database is a test's.
    """
    return None


@pytest.fixture(scope="session")
def schemaflow_databases(schemaflow_database_uri: str | None) -> t.Iterator[Databases]:
    """Return the databases of this session, each of which is dropped at its end."""
    from .databases import Databases

    with Databases(schemaflow_database_uri) as databases:
        yield databases


@pytest.fixture(scope="session")
def schemaflow_found_app(request: pytest.FixtureRequest) -> Flask:
    """Return the application that ``flask`` would find."""
    from .session import find_app

    return find_app(request.config.getini("schemaflow_app"))


@pytest.fixture
def schemaflow_app(request: pytest.FixtureRequest) -> Flask:
    """Return the application under test: of the fixture ``app`` or ``create_app``, or as ``flask`` finds it."""
    from .session import app_of

    return app_of(request)


@pytest.fixture
def migrated_app(schemaflow_app: Flask, schemaflow_databases: Databases) -> t.Iterator[Flask]:
    """Return the application with a migrated database of this test's own."""
    from .session import use_copy

    with use_copy(schemaflow_databases, schemaflow_app):
        yield schemaflow_app


@pytest.fixture
def migrated_db(migrated_app: Flask) -> t.Iterator[t.Any]:
    """Return the ``db`` of :func:`migrated_app`, in an application context."""
    from ..extension import current_state

    with migrated_app.app_context():
        yield current_state().db


@pytest.fixture
def migrated_session(schemaflow_app: Flask, schemaflow_databases: Databases) -> t.Iterator[t.Any]:
    """Return ``db.session`` on a migrated database; what the test commits is rolled back at its end."""
    from .session import use_transaction

    with use_transaction(schemaflow_databases, schemaflow_app) as db:
        yield db.session


@pytest.fixture
def at_revision(schemaflow_app: Flask, schemaflow_databases: Databases) -> t.Iterator[t.Callable[[str], AtRevision]]:
    """Return a function that gives the application a database at a revision, to test what others do with its rows."""
    from .api import databases_at

    with databases_at(schemaflow_databases, schemaflow_app) as at:
        yield at
