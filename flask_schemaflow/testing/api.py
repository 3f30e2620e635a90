"""The functions of :mod:`flask_schemaflow.testing`, for unittest and for tests with fixtures of their own."""

from __future__ import annotations

import contextlib
import typing as t

from flask import Flask

from ..errors.testing import MigrationProblems
from ..extension import current_state
from . import rollback
from .checks import choose
from .checks import run_check
from .checks import Subject
from .databases import copied
from .databases import Databases
from .databases import shared_databases
from .records import CheckResult
from .revisions import AtRevision
from .revisions import databases_at


def find_problems(
    app: Flask, *checks: str, since: str | None = None, databases: Databases | None = None
) -> list[CheckResult]:
    """Check the migrations of an application on databases that are created for this.

    :param checks: the names of checks; all by default.
    :param since: a git reference, by default the main branch; databases may have applied the revisions in it.
    :param databases: the databases to use; by default those of this process, which are dropped at its end.
    :returns: a result for each check, with its problems.
    :raises TestingError: if no server may be used for databases, or no check has that name.
    """
    subject = Subject(app, databases or shared_databases(), since)
    return [run_check(name, subject) for name in choose(checks)]


def check_migrations(
    app: Flask, *checks: str, since: str | None = None, databases: Databases | None = None
) -> list[CheckResult]:
    """Check the migrations of an application, and fail the test if there are problems.

    The parameters and the result are those of :func:`find_problems`.

    :raises MigrationProblems: if there are problems; an ``AssertionError`` that lists them.
    """
    results = find_problems(app, *checks, since=since, databases=databases)
    problems = [problem for result in results for problem in result.problems]
    if problems:
        raise MigrationProblems(problems)
    return results


@contextlib.contextmanager
def migrated(app: Flask, databases: Databases | None = None) -> t.Iterator[t.Any]:
    """Let an application use a migrated database of its own in the block.

    The first call runs the migrations; later calls copy its result.

    :param databases: the databases to use; by default those of this process, which are dropped at its end.
    :returns: a context manager for the ``db`` that was passed to ``Migrate``, in an application context.
    :raises TestingError: if no server may be used for databases.
    """
    with copied(databases or shared_databases(), app), app.app_context():
        yield current_state().db


@contextlib.contextmanager
def rolled_back(app: Flask, databases: Databases | None = None) -> t.Iterator[t.Any]:
    """Let an application use a migrated database in the block, and roll back its changes there, even committed ones.

    :param databases: as for :func:`migrated`.
    :returns: a context manager for the ``db`` that was passed to ``Migrate``, in an application context.
    :raises NoRollback: for an asyncio driver.
    """
    with rollback.rolled_back(databases or shared_databases(), app), app.app_context():
        yield current_state().db


@contextlib.contextmanager
def at_revision(app: Flask, revision: str, databases: Databases | None = None) -> t.Iterator[AtRevision]:
    """Let an application use a database at one revision in the block.

    :param revision: an id; ``base`` is an empty database.
    :param databases: as for :func:`migrated`.
    :returns: a context manager for an object that inserts and reads rows, upgrades and downgrades.
    """
    with databases_at(databases or shared_databases(), app) as at:
        yield at(revision)
