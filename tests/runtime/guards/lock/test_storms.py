"""Twenty processes that migrate one database at once: each succeeds, each revision runs once."""

from __future__ import annotations

import typing as t

import pytest

from ....conftest import MakeDatabase
from ....conftest import WriteRepository
from ....support.application import Project
from ....support.servers import Kind
from .conftest import MakeHistory
from .storms import storm

pytestmark = pytest.mark.slow

UPGRADE = "import flask_schemaflow; flask_schemaflow.upgrade()"
LONGEST = 5.0  # seconds; about half a second on an idle machine, and far more one after the other
SERVERS = ("postgresql", "mariadb")
POOLED = {"SQLALCHEMY_ENGINE_OPTIONS": {"connect_args": {"prepare_threshold": None}}}


def assert_once(project: Project) -> None:
    """Every revision has run once."""
    assert project.execute("SELECT n FROM counter") == [(1,)]
    assert project.execute("SELECT version_num FROM alembic_version") == [("aaa3",)]


def test_twenty_upgrades_on_sqlite(history: MakeHistory, sqlite_url: str) -> None:
    """SQLite's own write transaction keeps twenty processes apart."""
    made = history(sqlite_url)
    assert storm(made, UPGRADE).stdout == "0 of 20 failed\n"
    assert_once(made)


@pytest.mark.exhaustive
@pytest.mark.parametrize("kind", ["sqlite", *SERVERS])
@pytest.mark.parametrize("version, template", [("4.1.0", "single"), ("4.1.0", "multidb")])
def test_ten_upgrades_under_an_old_env(
    history: MakeHistory,
    legacy_repository: WriteRepository,
    make_database: MakeDatabase,
    kind: Kind,
    version: str,
    template: t.Any,
) -> None:
    """env.py files of Flask-Migrate, of which the one for several databases begins its transaction first."""
    made = history(make_database(kind))
    (made.migrations / "env.py").unlink()
    legacy_repository(made, version, template)
    assert storm(made, UPGRADE, count=10).stdout == "0 of 10 failed\n"
    assert_once(made)


def test_twenty_upgrades_on_postgresql(history: MakeHistory, postgres_url: str) -> None:
    """The session's own lock keeps twenty processes apart."""
    made = history(postgres_url)
    assert storm(made, UPGRADE).stdout == "0 of 20 failed\n"
    assert_once(made)


def test_twenty_upgrades_through_a_pooler(history: MakeHistory, postgres_url: str, pgbouncer_url: str) -> None:
    """The lock holds through a pooler that gives each transaction another session, and leaves none behind."""
    made = history(pgbouncer_url, config=POOLED)
    assert storm(made, UPGRADE).stdout == "0 of 20 failed\n"
    made.url = postgres_url
    assert_once(made)
    left = made.execute("SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid) "
                        "WHERE locktype = 'advisory' AND datname = current_database()")
    assert left == [(0,)]


def test_twenty_upgrades_on_mariadb(history: MakeHistory, mariadb_url: str) -> None:
    """The same where no statement can be rolled back."""
    made = history(mariadb_url)
    assert storm(made, UPGRADE).stdout == "0 of 20 failed\n"
    assert_once(made)


@pytest.mark.parametrize("kind", SERVERS)
def test_twenty_upgrades_by_lease(history: MakeHistory, kind: Kind, make_database: MakeDatabase) -> None:
    """The row that replaces the database's own lock keeps twenty processes apart, too."""
    made = history(make_database(kind), config={"SCHEMAFLOW_LOCK": "lease"})
    assert storm(made, UPGRADE).stdout == "0 of 20 failed\n"
    assert_once(made)


@pytest.mark.exhaustive
@pytest.mark.parametrize("kind", ["sqlite", *SERVERS])
def test_downgrades_and_stamps_at_once(history: MakeHistory, kind: Kind, make_database: MakeDatabase) -> None:
    """Downgrades and stamps wait for each other as upgrades do."""
    made = history(make_database(kind))
    assert storm(made, UPGRADE, count=2).stdout == "0 of 2 failed\n"
    down = storm(made, "import flask_schemaflow; flask_schemaflow.downgrade(revision='base')", count=10)
    assert down.stdout == "0 of 10 failed\n"
    assert made.execute("SELECT version_num FROM alembic_version") == []
    stamped = storm(made, "import flask_schemaflow; flask_schemaflow.stamp()", count=10)
    assert stamped.stdout == "0 of 10 failed\n"
    assert made.execute("SELECT version_num FROM alembic_version") == [("aaa3",)]


@pytest.mark.parametrize("kind", ["sqlite", *SERVERS])
def test_waiters_end_with_the_one_that_works(history: MakeHistory, kind: Kind, make_database: MakeDatabase) -> None:
    """Twenty replicas with one pending revision end shortly after it is committed, not one after the other."""
    made = history(make_database(kind))
    assert storm(made, UPGRADE, count=1).stdout == "0 of 1 failed\n"
    slow = "import time\ntime.sleep(2)\nop.create_table(\"late\", sa.Column(\"id\", sa.Integer, primary_key=True))"
    made.write_revision("aaa4", "aaa3", slow)
    work = UPGRADE + "; import time; open(f'ended-{number}', 'w').write(str(time.time()))"
    result = storm(made, work)
    assert result.stdout == "0 of 20 failed\n", result
    ended = sorted(float(path.read_text()) for path in made.root.glob("ended-*"))
    assert len(ended) == 20
    assert ended[-1] - ended[0] < LONGEST, ended
