"""The fixtures keep their promises: what a test gets is fresh, real and gone afterwards."""

from __future__ import annotations

import os
import signal
import sys
import time

import pytest
import sqlalchemy as sa

from .conftest import MakeDatabase
from .conftest import MakeProject
from .conftest import RunInTerminal
from .conftest import WriteRepository
from .support import databases
from .support import legacy
from .support import processes
from .support.dumps import dump_rows
from .support.dumps import dump_schema
from .support.servers import admin_engine
from .support.servers import Kind

SCHEMA = (
    "CREATE TABLE a (id INTEGER NOT NULL PRIMARY KEY, name VARCHAR(10) DEFAULT 'x')",
    "CREATE INDEX ix_a_name ON a (name)",
    "CREATE VIEW v AS SELECT id FROM a",
    "CREATE TABLE alembic_version (version_num VARCHAR(32))",
    "INSERT INTO a (id, name) VALUES (2, 'two')",
    "INSERT INTO a (id, name) VALUES (1, NULL)",
)
SERVERS: tuple[Kind, ...] = ("postgresql", "mariadb")


def _names(kind: Kind) -> set[str]:
    query = "SELECT datname FROM pg_database" if kind == "postgresql" else "SHOW DATABASES"
    with admin_engine(kind).connect() as connection:
        return set(connection.exec_driver_sql(query).scalars())


@pytest.mark.parametrize("kind", SERVERS)
def test_a_dropped_database_is_gone_whoever_is_in_it(kind: Kind, make_database: MakeDatabase) -> None:
    """Dropping ends the sessions that are still in the database."""
    url = make_database(kind)
    engine = sa.create_engine(url)
    lingering = engine.connect()
    lingering.exec_driver_sql("CREATE TABLE a (id INTEGER)")
    databases.drop(url)
    assert sa.make_url(url).database not in _names(kind)
    lingering.invalidate()
    lingering.close()
    engine.dispose()


@pytest.mark.parametrize(
    "left",
    [
        'CREATE SCHEMA "Other"; CREATE TYPE "Other".mood AS ENUM (\'glad\'); CREATE TABLE a (m "Other".mood)',
        "CREATE FUNCTION one() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
        "REVOKE ALL ON SCHEMA public FROM PUBLIC",
        "ALTER DATABASE {} SET timezone = 'Asia/Tokyo'",
        "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC",
        "SELECT lo_create(0)",
    ],
)
def test_nothing_of_another_test_is_in_a_database(left: str, make_database: MakeDatabase) -> None:
    """What one test leaves on PostgreSQL, in schemas or beside them, isn't there for the next one."""
    facts = (
        "SELECT nspname, nspacl, nspowner FROM pg_namespace ORDER BY 1",
        "SELECT count(*) FROM pg_class WHERE relkind IN ('r', 'v', 'S') AND relnamespace = 'public'::regnamespace",
        "SELECT count(*), current_setting('timezone') FROM pg_proc",
        "SELECT (SELECT count(*) FROM pg_default_acl), (SELECT count(*) FROM pg_largeobject_metadata)",
    )
    found = []
    for _ in range(2):
        url = make_database("postgresql")
        engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            found.append([connection.exec_driver_sql(query).all() for query in facts])
            connection.exec_driver_sql(left.format(sa.make_url(url).database))
        databases.drop(url)
        engine.dispose()
    assert found[0] == found[1]


@pytest.mark.parametrize("kind", SERVERS)
def test_databases_of_killed_runs_are_swept_by_age(kind: Kind, make_database: MakeDatabase) -> None:
    """An old database of ours is dropped, a young one and anybody else's are kept."""
    young = make_database(kind)
    old = f"{databases.PREFIX}_{int(time.time()) - 10 * 3600}_{os.getpid()}"
    with admin_engine(kind).connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {old}")
    swept = databases.sweep(kind)
    assert all(name.startswith(f"{databases.PREFIX}_") for name in swept)
    assert old not in _names(kind)
    assert sa.make_url(young).database in _names(kind)


def test_a_dump_shows_the_schema_and_the_rows(database_url: str) -> None:
    """Equal databases have equal dumps, and a change of anything shows."""
    engine = sa.create_engine(database_url)
    with engine.begin() as connection:
        for statement in SCHEMA:
            connection.exec_driver_sql(statement)
    before = dump_schema(engine)
    assert not any("alembic_version" in name for name in before)
    assert dump_rows(engine) == {"a": [{"id": 1, "name": None}, {"id": 2, "name": "two"}]}
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP VIEW v")
    after = dump_schema(engine)
    assert {name for name in before if before[name] != after.get(name)} == set(before) - set(after)
    engine.dispose()


def test_a_project_runs_flask_in_a_process_of_its_own(project: MakeProject, sqlite_url: str) -> None:
    """A command sees the application's files, its database and nothing of the tests' own environment."""
    made = project("class A(db.Model):\n    id = sa.Column(sa.Integer, primary_key=True)", url=sqlite_url)
    made.write("shop/cli.py", "")
    result = made.run("routes")
    assert "/static/<path:filename>" in result.stdout
    failed = made.run("nonsense", check=False)
    assert (failed.returncode, failed.stdout) == (2, "")
    with pytest.raises(AssertionError, match="No such command 'nonsense'"):
        made.run("nonsense")


def test_a_project_can_be_imported_again_after_a_change(project: MakeProject) -> None:
    """``app()`` sees models that were rewritten within the same second."""
    made = project("class A(db.Model):\n    id = sa.Column(sa.Integer, primary_key=True)")
    first = made.app()
    made.write_models("class B(db.Model):\n    id = sa.Column(sa.Integer, primary_key=True)")
    second = made.app()
    assert list(first.extensions["sqlalchemy"].metadata.tables) == ["a"]
    assert list(second.extensions["sqlalchemy"].metadata.tables) == ["b"]


def test_a_project_connects_to_its_binds(project: MakeProject, make_database: MakeDatabase) -> None:
    """Each bind is a database of its own."""
    made = project(binds={"users": make_database("sqlite")})
    made.execute("CREATE TABLE only_here (id INTEGER)", bind="users")
    assert sa.inspect(made.connect("users")).get_table_names() == ["only_here"]
    assert sa.inspect(made.connect()).get_table_names() == []


def test_a_started_process_can_be_waited_for(project: MakeProject) -> None:
    """``popen`` returns at once, ``finish`` returns what the process wrote."""
    result = processes.finish(project().popen("--version"))
    assert result.returncode == 0
    assert "Flask" in result.stdout


def test_a_terminal_is_one_for_the_command(tty: RunInTerminal) -> None:
    """Input and output are terminals; what is typed arrives; colours are taken out of the text."""
    program = "import sys; a = input('\\x1b[1mname?\\x1b[0m '); print(sys.stdout.isatty(), a.upper())"
    screen = tty([sys.executable, "-c", program], typed=[("name?", "zoë\n")])
    assert screen.returncode == 0
    assert screen.text.splitlines()[-1] == "True ZOË"
    assert screen.text.startswith("name? ")


def test_ctrl_c_at_a_terminal_is_a_signal(tty: RunInTerminal) -> None:
    """Typing Ctrl-C interrupts the command as a person would."""
    program = "import time\ntry: print('ready'), time.sleep(60)\nexcept KeyboardInterrupt: print('stopped')"
    assert "stopped" in tty([sys.executable, "-c", program], typed=[("ready", "\x03")]).text


def test_a_command_that_never_asks_is_an_error(tty: RunInTerminal) -> None:
    """A question that a test expects and that does not come fails it, showing the screen."""
    with pytest.raises(AssertionError, match=r"ended before it showed 'name\?'"):
        tty([sys.executable, "-c", "print('hello')"], typed=[("name?", "x\n")])


def test_a_pooler_shares_server_connections(pgbouncer_url: str, postgres_url: str) -> None:
    """Through PgBouncer a client gets another's server connection as soon as its transaction ends."""
    engine = sa.create_engine(pgbouncer_url, connect_args={"prepare_threshold": None})
    with engine.connect() as first, engine.connect() as second:
        backends = set()
        for connection in (first, second):
            backends.add(connection.scalar(sa.text("SELECT pg_backend_pid()")))
            connection.commit()
        assert len(backends) == 1
        assert first.scalar(sa.text("SELECT current_database()")) == sa.make_url(postgres_url).database
    engine.dispose()


@pytest.mark.parametrize("often", [True, pytest.param(False, marks=pytest.mark.exhaustive)])
@pytest.mark.parametrize("kind", legacy.VERSIONS)
def test_old_templates_are_those_that_were_published(
    kind: legacy.Kind, often: bool, project: MakeProject, legacy_repository: WriteRepository
) -> None:
    """Each listed version has its own set of files, and what is written is a complete repository."""
    published = {version: legacy.templates(version, kind) for version in legacy.versions(kind, often=often)}
    assert len({repr(sorted(files.items())) for files in published.values()}) == len(published)
    made = project()
    for version in published:
        folder = legacy_repository(made, version, kind, directory=version)
        assert {path.name for path in folder.iterdir()} == {
            "README",
            "alembic.ini",
            "env.py",
            "script.py.mako",
            "versions",
        }
        assert "%%" in made.read(f"{version}/alembic.ini")


def test_children_hear_signals_that_the_tests_ignore(project: MakeProject, tty: RunInTerminal) -> None:
    """Under nohup the tests' own process ignores some; its children don't inherit that."""
    asked = "import signal; print([signal.getsignal(n).name for n in (signal.SIGTERM, signal.SIGHUP)],"
    asked += " signal.getsignal(signal.SIGINT) is signal.default_int_handler)"
    command = [sys.executable, "-c", asked]
    heard = "['SIG_DFL', 'SIG_DFL'] True"
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGHUP)}
    try:
        cwd = project().root
        assert processes.run(command, cwd=cwd).stdout.strip() == heard
        assert processes.finish(processes.start(command, cwd=cwd)).stdout.strip() == heard
        assert tty(command, cwd=cwd).text.strip() == heard
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
