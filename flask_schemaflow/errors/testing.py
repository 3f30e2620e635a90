"""SF95x: tests that use the package's fixtures and checks."""

from __future__ import annotations

import typing as t

from . import SchemaflowError

if t.TYPE_CHECKING:
    from ..testing.records import Problem


class TestingError(SchemaflowError, code="SF950"):
    """A test can't use its database, its application or a check.

    Cause: base class of this family.
    Cure: see the specific error.
    """

    __test__ = False  # no class of tests


class NotATestDatabase(TestingError, code="SF951"):
    """The application's database may not be one for tests.

    Cause: its name does not contain the word "test", and no server for tests is configured. The fixtures create
    databases, which must not happen on a production server.
    Cure: set ``SCHEMAFLOW_TEST_DATABASE_URI``, or configure the application under test with another database.
    """


class TestDatabaseFailed(TestingError, code="SF952"):
    """A database for tests can't be created, copied or dropped.

    Cause: the server can't be reached, the account has no permission to create databases, or Flask-SchemaFlow can't
    copy databases of this kind.
    Cure: see the database's message. Give the account the permission to create databases, or set another server in
    ``SCHEMAFLOW_TEST_DATABASE_URI``.
    """

    __test__ = False


class OtherKindOfDatabase(TestingError, code="SF953"):
    """The database for tests is of another kind than the application's.

    Cause: for example ``SCHEMAFLOW_TEST_DATABASE_URI`` is a PostgreSQL server and the application uses SQLite.
    Cure: configure the application under test with a database of the same kind.
    """


class UnknownCheck(TestingError, code="SF954", exit_code=2):
    """No check has this name.

    Cause: a typo in ``--schemaflow=...``.
    Cure: use one of the names that the message lists.
    """


class NoRollback(TestingError, code="SF955"):
    """Tests can't share one transaction on this database.

    Cause: the application uses an asyncio driver, whose connections belong to the event loop of one test.
    Cure: use ``migrated_db``, which gives each test a copy of the database.
    """


class MigrationProblems(TestingError, AssertionError, code="SF956"):
    """A check of the migrations found problems.

    Cause: the details list the problems.
    Cure: follow the hint of each problem.

    ``problems`` has them as records.
    """

    def __init__(self, problems: t.Sequence[Problem]) -> None:
        several = f"{len(problems)} problems" if len(problems) > 1 else "a problem"
        listed = "\n\n".join(str(problem) for problem in problems)
        super().__init__(f"The migrations have {several}.", details=f"\n{listed}")
        self.problems: tuple[Problem, ...] = tuple(problems)


class OtherDatabaseReached(TestingError, code="SF957"):
    """A test would use another database than the one that was created for it.

    Cause: the application's engine, or env.py, connects by itself to a database that may be a real one: by a
    ``creator``, a ``do_connect`` listener, ``connect_args``, ``ATTACH``, a schema that is another database, or a
    session that was open before. The database of each connection is checked before anything is done there.
    Cure: configure the application under test without that, as the message says.
    """
