"""Databases are saved before they are changed, whole, readable by nobody else, and can be brought back as they were."""

from __future__ import annotations

import contextlib
import datetime
import glob
import os
import re
import resource
import shlex
import signal
import stat
import subprocess
import typing as t
from pathlib import Path

import pytest
import sqlalchemy as sa

import flask_schemaflow
from flask_schemaflow.errors import BackupBehindPooler
from flask_schemaflow.errors import BackupFailed
from flask_schemaflow.errors import BackupFolderUnusable
from flask_schemaflow.errors import BackupToolMissing
from flask_schemaflow.records import Event
from flask_schemaflow.records import Report
from flask_schemaflow.runtime.own_tables import OWN_TABLES
from tests.conftest import MakeDatabase
from tests.conftest import MakeProject
from tests.conftest import WriteRepository
from tests.support import databases
from tests.support import processes
from tests.support.application import Project
from tests.support.dumps import dump_rows
from tests.support.dumps import dump_schema
from tests.support.servers import admin_engine
from tests.support.servers import Kind

SUFFIXES = {"sqlite": ".sqlite3", "postgresql": ".dump", "mariadb": ".sql"}
FIRST = """
op.create_table("parent", sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.String(40)))
op.create_table(
    "child",
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("parent_id", sa.Integer, sa.ForeignKey("parent.id", name="fk_child_parent")),
)
op.create_index("ix_parent_name", "parent", ["name"])
op.execute("INSERT INTO parent (id, name) VALUES (1, 'Zoë'), (2, 'O''Neil %')")
op.execute("INSERT INTO child (id, parent_id) VALUES (1, 2)")
op.execute("CREATE VIEW grown AS SELECT id FROM parent")
if op.get_bind().dialect.name == "mysql":
    op.execute("CREATE TRIGGER counted BEFORE INSERT ON parent FOR EACH ROW SET NEW.name = UPPER(NEW.name)")
    op.execute("CREATE PROCEDURE hello() SELECT 1")
    op.execute("CREATE EVENT later ON SCHEDULE EVERY 1 YEAR DO DO 0")
"""
SECOND = """
op.drop_table("child")
op.create_table("other", sa.Column("id", sa.Integer, sa.ForeignKey("parent.id", name="fk_other"), primary_key=True))
op.execute("DELETE FROM parent WHERE id = 1")
"""


@pytest.fixture
def shop(
    project: MakeProject, legacy_repository: WriteRepository, monkeypatch: pytest.MonkeyPatch
) -> t.Callable[..., Project]:
    """A function that makes a project at revision aaa1, with rows, and a destructive aaa2 pending."""

    def make(url: str | None = None, repository: str = "", **options: t.Any) -> Project:
        made = project(url=url, **options)
        monkeypatch.chdir(made.root)
        if repository:
            legacy_repository(made, repository)
        else:
            with made.app().app_context():
                flask_schemaflow.init()
        made.write_revision("aaa1", None, FIRST)
        upgrade(made, backup=False)
        made.write_revision("aaa2", "aaa1", SECOND, 'op.drop_table("other")')
        return made

    return make


@contextlib.contextmanager
def running(project: Project) -> t.Iterator[None]:
    """The application's context; its connections are closed afterwards."""
    app = project.app()
    with app.app_context():
        yield
        for engine in app.extensions["migrate"].db.engines.values():
            engine.dispose()


def upgrade(project: Project, revision: str = "head", **options: t.Any) -> Report:
    """Upgrade in this process."""
    with running(project):
        return flask_schemaflow.upgrade(revision=revision, **options)


def folder(project: Project) -> Path:
    """The default folder for backups."""
    return project.root / "instance" / "backups"


def files(project: Project) -> list[str]:
    """What is in it."""
    return sorted(os.listdir(folder(project))) if folder(project).exists() else []


def everything(project: Project) -> tuple[t.Any, t.Any]:
    """The schema and the rows of the default database, the version table too."""
    engine = project.engine()
    return dump_schema(engine, ignore=OWN_TABLES), dump_rows(engine, ignore=OWN_TABLES)


@pytest.mark.parametrize("repository", ["", "4.1.0"])
def test_the_printed_command_brings_everything_back(
    shop: t.Callable[..., Project], database_url: str, repository: str
) -> None:
    """What the migration dropped, deleted and added is undone by the command as it stands, on all three databases."""
    made = shop(database_url, repository)
    before = everything(made)
    result = made.run("db", "upgrade", "--backup")
    kind = made.engine().dialect.name.replace("mysql", "mariadb")
    [name] = files(made)
    assert re.fullmatch(rf"default-\d{{8}}T\d{{6}}Z-aaa1{SUFFIXES[kind]}", name)
    path = folder(made) / name
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    started, saved, command = [line for line in result.stderr.splitlines() if "Sav" in line or "restore" in line]
    assert started == f"Saving the default database to {folder(made)} …"
    assert re.fullmatch(
        rf"Saved the default database at aaa1 \([\d.]+ (kB|bytes), \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d UTC\): {path}",
        saved,
    )
    assert everything(made) != before
    restore = command.removeprefix("To restore it: ")
    subprocess.run(restore, shell=True, check=True, stdout=subprocess.DEVNULL, cwd="/")
    assert everything(made) == before
    if kind == "mariadb":
        assert made.execute("SHOW PROCEDURE STATUS WHERE db = DATABASE()") and made.execute("SHOW EVENTS")
    assert upgrade(made).revisions == ("aaa2",)


def test_a_database_in_wal_mode_comes_back(shop: t.Callable[..., Project], sqlite_url: str) -> None:
    """While others read it: what is in the journal only is saved, and a restore leaves no journal of other pages."""
    made = shop(sqlite_url)
    made.execute("PRAGMA journal_mode = WAL")
    with made.engine().connect() as reader:
        reader.execute(sa.text("SELECT * FROM parent")).all()
        made.execute("INSERT INTO parent (id, name) VALUES (3, 'late')")
        before = everything(made)
        [backup] = upgrade(made, backup=True).backups
        reader.rollback()
        subprocess.run(backup.restore, shell=True, check=True)
    assert everything(made) == before
    assert made.execute("PRAGMA integrity_check") == [("ok",)]
    assert len(files(made)) == 1


def test_the_report_says_what_was_saved(shop: t.Callable[..., Project], sqlite_url: str) -> None:
    """From Python it is a record, told while it happens and returned at the end."""
    made = shop(sqlite_url)
    told: list[Event] = []
    [backup] = upgrade(made, backup=True, notify=told.append).backups
    assert [event.backup for event in told if event.kind == "backup"] == [None, backup]
    assert (backup.database, backup.revisions, backup.size) == ("default", ("aaa1",), os.path.getsize(backup.path))
    assert abs(datetime.datetime.now(datetime.timezone.utc) - backup.made) < datetime.timedelta(minutes=1)
    assert shlex.split(backup.restore)[-2:] == [backup.path, sa.make_url(sqlite_url).database]


@pytest.mark.parametrize(
    ("setting", "option", "saved"),
    [
        ("never", None, False),
        ("never", True, True),
        ("always", None, True),
        ("always", False, False),
        ("destructive", None, True),
        ("destructive", False, False),
    ],
)
def test_the_option_wins_over_the_setting(
    shop: t.Callable[..., Project], sqlite_url: str, setting: str, option: bool | None, saved: bool
) -> None:
    """--backup and --no-backup decide; without them SCHEMAFLOW_BACKUP does."""
    made = shop(sqlite_url)
    made.write_app(config={"SCHEMAFLOW_BACKUP": setting})
    assert bool(upgrade(made, backup=option).backups) is saved
    assert bool(files(made)) is saved


DESTRUCTIVE = {
    'op.drop_table("child")': "drops the table child",
    'op.drop_column("new", "extra")': "drops the column new.extra",
    'with op.batch_alter_table("new") as batch:\n    batch.drop_column("extra")': "drops the column new.extra",
    'with op.batch_alter_table("new") as batch:\n    batch.alter_column("extra", type_=sa.Text())': (
        "changes the type of a column"
    ),
    'op.execute("DELETE FROM child")': "executes SQL that may change rows",
    'op.execute(sa.text("UPDATE child SET id = 2"))': "executes SQL that may change rows",
    "for name in ('child',):\n    op.execute(f'DELETE FROM {name}')": "executes SQL that may change rows",
    'op.get_bind().execute(sa.text("SELECT 1"))': "does what can't be told beforehand",
}
HARMLESS = """
with op.batch_alter_table("parent", schema=None) as batch:
    batch.add_column(sa.Column("age", sa.Integer(), nullable=True))
    batch.create_index(batch.f("ix_age"), ["age"])
    batch.alter_column("name", existing_type=sa.String(40), nullable=True)
op.create_table("third", sa.Column("id", sa.Integer, primary_key=True))
op.rename_table("third", "fourth")
op.execute("INSERT INTO fourth (id) VALUES (1)")
op.execute(sa.text("INSERT INTO fourth (id) VALUES (2)"))
"""


@pytest.mark.parametrize("body", [*DESTRUCTIVE, HARMLESS])
def test_destructive_only(shop: t.Callable[..., Project], body: str) -> None:
    """A backup is made when a pending revision may destroy something, and says what; doubt counts as yes."""
    made = shop(config={"SCHEMAFLOW_BACKUP": "destructive"})
    made.write_revision(
        "aaa2", "aaa1", "op.create_table('new', sa.Column('id', sa.Integer), sa.Column('extra', sa.String(9)))"
    )
    made.write_revision("aaa3", "aaa2", body)
    told: list[Event] = []
    report = upgrade(made, notify=told.append)
    reasons = [event.text for event in told if event.text.startswith("Saving")]
    if body == HARMLESS:
        assert (report.backups, reasons) == ((), [])
    else:
        assert re.fullmatch(
            rf"Saving the default database to \S+, because revision aaa3 {DESTRUCTIVE[body]} \(line \d+\) …", reasons[0]
        )


def test_a_downgrade_is_judged_by_what_it_does(shop: t.Callable[..., Project]) -> None:
    """Most downgrades drop what the upgrade made; with nothing to run nothing is saved, nor for a stamp."""
    made = shop(config={"SCHEMAFLOW_BACKUP": "destructive"})
    upgrade(made, backup=False)
    assert upgrade(made).backups == ()
    with running(made):
        report = flask_schemaflow.downgrade()
        assert [backup.revisions for backup in report.backups] == [("aaa2",)]
        assert flask_schemaflow.stamp(revision="base").backups == ()
    made.write_app(config={"SCHEMAFLOW_BACKUP": "always"})
    with running(made):
        assert flask_schemaflow.stamp(revision="aaa1").backups == ()
    assert len(files(made)) == 1


def test_each_bind_is_saved_by_its_own_name(
    project: MakeProject, make_database: MakeDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only databases with something to run are saved, into the folder that was set, never over an older backup."""
    made = project(
        binds={"eu-west": make_database("sqlite"), "idle": make_database("sqlite")},
        config={"SCHEMAFLOW_BACKUP_DIRECTORY": "saved/here"},
    )
    monkeypatch.chdir(made.root)
    with made.app().app_context():
        flask_schemaflow.init()
    made.write_revision("aaa1")
    with made.app().app_context():
        flask_schemaflow.upgrade(binds=["idle"])
        report = flask_schemaflow.upgrade(backup=True)
        assert [backup.database for backup in report.backups] == ["default", "eu-west"]
        for _ in range(2):
            flask_schemaflow.stamp(revision="base", binds=["eu-west"])
            report = flask_schemaflow.upgrade(backup=True, binds=["eu-west"])
    names = sorted(os.listdir(made.root / "instance" / "saved" / "here"))
    assert len(names) == 4
    assert [name.rpartition("-")[0][:-17] for name in names if name.startswith("default")] == ["default"]


def test_a_database_in_memory_is_not_saved(project: MakeProject, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is nothing to come back to; that is said, and the run goes on."""
    made = project(url="sqlite://")
    monkeypatch.chdir(made.root)
    told: list[Event] = []
    with made.app().app_context():
        flask_schemaflow.init()
        made.write_revision("aaa1")
        assert flask_schemaflow.upgrade(backup=True, notify=told.append).backups == ()
    assert [event.text for event in told if event.kind == "notice"] == [
        "The default database was not saved: it is in memory only."
    ]


def test_a_callers_connection_is_not_saved(shop: t.Callable[..., Project], postgres_url: str) -> None:
    """pg_dump would wait for the caller's own locks; the run says so and goes on as the caller wants."""
    made = shop(postgres_url)
    told: list[Event] = []
    app = made.app()
    with app.app_context(), made.engine().begin() as connection:

        def use(config: flask_schemaflow.Config) -> flask_schemaflow.Config:
            config.attributes["connection"] = connection
            return config

        app.extensions["migrate"].migrate.configure(use)
        assert flask_schemaflow.upgrade(backup=True, notify=told.append).backups == ()
    assert "The default database was not saved: the connection is the caller's." in [event.text for event in told]


# -- failures ---------------------------------------------------------------------------------------


def refused(made: Project, kind: type[flask_schemaflow.SchemaflowError]) -> flask_schemaflow.SchemaflowError:
    """The error of a backup; nothing has run and no file is left."""
    with pytest.raises(kind) as caught:
        upgrade(made, backup=True)
    assert made.execute("SELECT version_num FROM alembic_version") == [("aaa1",)]
    assert "child" in sa.inspect(made.engine()).get_table_names()
    assert files(made) == []
    return caught.value


@pytest.mark.parametrize(
    ("kind", "tool", "package"),
    [
        ("postgresql", "pg_dump", "postgresql-client"),
        ("mariadb", "mariadb-dump or mysqldump", "mariadb-client"),
    ],
)
def test_a_missing_tool_stops_the_run(
    shop: t.Callable[..., Project],
    make_database: MakeDatabase,
    monkeypatch: pytest.MonkeyPatch,
    kind: Kind,
    tool: str,
    package: str,
) -> None:
    """Nothing runs; the message names the package."""
    made = shop(make_database(kind))
    monkeypatch.setenv("PATH", str(made.root))
    error = refused(made, BackupToolMissing)
    assert error.message == f"The default database can't be saved because {tool} is not installed here."
    assert error.hint == (
        f"Install it (Debian and Ubuntu: apt-get install {package}) and run the command again, or go without: "
        "`--no-backup`."
    )


def test_a_missing_tool_for_the_second_database_stops_the_first(
    project: MakeProject, make_database: MakeDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What can be known is known before anything runs anywhere."""
    made = project(binds={"second": make_database("postgresql")})
    monkeypatch.chdir(made.root)
    with made.app().app_context():
        flask_schemaflow.init()
    made.write_revision("aaa1", None, FIRST)
    monkeypatch.setenv("PATH", str(made.root))
    with running(made), pytest.raises(BackupToolMissing):
        flask_schemaflow.upgrade(backup=True)
    assert "parent" not in sa.inspect(made.engine()).get_table_names()


def test_a_folder_that_cannot_be_made_stops_the_run(shop: t.Callable[..., Project], sqlite_url: str) -> None:
    """A file stands where the folder should be, which stops root too."""
    made = shop(sqlite_url)
    (made.root / "instance").mkdir(exist_ok=True)
    taken = made.root / "instance" / "taken"
    taken.write_text("")
    made.write_app(config={"SCHEMAFLOW_BACKUP_DIRECTORY": "taken"})
    error = refused(made, BackupFolderUnusable)
    assert error.message == f"The folder for backups, {taken}, can't be written: File exists."
    assert error.hint == "Correct its rights, or name another one: SCHEMAFLOW_BACKUP_DIRECTORY."


def test_a_full_disk_stops_the_run_and_leaves_nothing(shop: t.Callable[..., Project], database_url: str) -> None:
    """Whoever can't write on, SQLite or a program, the file is gone and nothing has run."""
    made = shop(database_url)
    with made.engine().begin() as connection:
        connection.execute(sa.text("CREATE TABLE big (data VARCHAR(2000))"))
        rows = [{"data": os.urandom(900).hex()} for _ in range(300)]
        connection.execute(sa.text("INSERT INTO big (data) VALUES (:data)"), rows)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        error = refused(made, BackupFailed)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "could not" in error.message and "default database" in error.message
    assert upgrade(made, backup=True).revisions == ("aaa2",)


def test_a_damaged_database_is_noticed(shop: t.Callable[..., Project], sqlite_url: str) -> None:
    """A copy of something broken is no backup."""
    made = shop(sqlite_url)
    path = t.cast(str, sa.make_url(sqlite_url).database)
    [(page,)] = made.execute("SELECT rootpage FROM sqlite_master WHERE name = 'ix_parent_name'")
    with open(path, "r+b") as file:
        file.seek((page - 1) * 4096 + 8)
        file.write(b"\xff" * 50)
    with pytest.raises(BackupFailed) as caught:
        upgrade(made, backup=True)
    assert "could not be saved: " in caught.value.message
    assert files(made) == []


def test_a_pooler_is_not_dumped_through(
    project: MakeProject, pgbouncer_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pg_dump's settings would stay on a connection of the pool."""
    options = {"SQLALCHEMY_ENGINE_OPTIONS": {"connect_args": {"prepare_threshold": None}}}
    made = project(url=pgbouncer_url, config=options)
    monkeypatch.chdir(made.root)
    with running(made):
        flask_schemaflow.init()
        made.write_revision("aaa1")
        with pytest.raises(BackupBehindPooler) as caught:
            flask_schemaflow.upgrade(backup=True)
    assert caught.value.message == (
        "The default database can't be saved through a connection pooler: pg_dump changes settings of its session, "
        "which others would get next."
    )


# -- secrets and interruptions ------------------------------------------------------------------------

PASSWORD = "s3:cr@t /%\"'\\ #"


@pytest.fixture
def account(make_database: MakeDatabase) -> t.Iterator[t.Callable[[Kind], str]]:
    """A function that makes a database with an owner of its own, who has a password; returns the URL."""
    undo: list[tuple[Kind, str, str]] = []

    def make(kind: Kind) -> str:
        url = sa.make_url(make_database(kind))
        user = f"{url.database}"[-20:]
        with admin_engine(kind).connect() as connection:
            password = PASSWORD.replace("'", "''").replace("%", "%%")
            if kind == "postgresql":
                connection.exec_driver_sql(f"CREATE ROLE \"{user}\" LOGIN SUPERUSER PASSWORD '{password}'")
                undo.append((kind, str(url), f'DROP ROLE "{user}"'))
            else:
                password = password.replace("\\", "\\\\")
                connection.exec_driver_sql(f"CREATE USER '{user}'@'%%' IDENTIFIED BY '{password}'")
                connection.exec_driver_sql(f"GRANT ALL ON *.* TO '{user}'@'%%'")
                undo.append((kind, str(url), f"DROP USER '{user}'@'%%'"))
        return url.set(username=user, password=PASSWORD).render_as_string(hide_password=False)

    yield make
    for kind, url, statement in undo:
        databases.drop(url)  # which has things that belong to the account
        with admin_engine(kind).connect() as connection:
            connection.exec_driver_sql(statement)


LOCKS = {"postgresql": "LOCK TABLE parent IN ACCESS EXCLUSIVE MODE", "mariadb": "LOCK TABLES parent WRITE"}
DUMPS = {"postgresql": b"pg_dump", "mariadb": b"mariadb-dump"}


@contextlib.contextmanager
def dumping(made: Project, kind: Kind) -> t.Iterator[tuple[subprocess.Popen[str], list[bytes]]]:
    """An upgrade whose dump waits for a lock, with the command lines of all processes at that moment."""
    with made.engine().connect() as connection:
        connection.exec_driver_sql(LOCKS[kind])
        process = made.popen("db", "upgrade", "--backup", "-d", "migrations")
        processes.wait_until(lambda: process.poll() is not None or _dumps(process.pid, kind), "the dump")
        processes.wait_until(lambda: list(folder(made).glob(".*.part")), "the file")
        yield process, _command_lines()
        if kind == "mariadb":
            connection.exec_driver_sql("UNLOCK TABLES")
        connection.rollback()


def _command_lines() -> list[bytes]:
    found = []
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found.append(Path(path).read_bytes())
    return found


def _dumps(parent: int, kind: Kind) -> list[bytes]:
    """The command line of the dump that ``parent`` runs."""
    found = []
    for path in glob.glob("/proc/[0-9]*/stat"):
        with contextlib.suppress(OSError, IndexError):
            if Path(path).read_text().rpartition(")")[2].split()[1] == str(parent):
                line = Path(path).with_name("cmdline").read_bytes()
                found += [line] if DUMPS[kind] in line else []
    return found


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_no_password_is_on_a_command_line_or_in_a_name(
    shop: t.Callable[..., Project], account: t.Callable[[Kind], str], kind: Kind
) -> None:
    """During the dump no process shows it; afterwards no file has it, nor what was printed; and it was needed."""
    made = shop(account(kind))
    with dumping(made, kind) as (process, lines):
        assert any(DUMPS[kind] in line for line in lines)
        assert not [line for line in lines if b"s3:cr" in line]
    result = processes.finish(process)
    assert result.returncode == 0, result
    assert "s3:cr" not in result.output
    [name] = files(made)
    assert "s3" not in name
    if kind == "mariadb":
        restore = result.stderr.rpartition("To restore it: ")[2].splitlines()[0]
        assert "--password <" in restore.replace("--password  <", "--password <")
        assert not glob.glob("/tmp/schemaflow-*")


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_an_interrupted_backup_leaves_nothing(
    shop: t.Callable[..., Project], make_database: MakeDatabase, kind: Kind
) -> None:
    """SIGTERM during the dump ends the dump as well; the file is gone and nothing has run."""
    made = shop(make_database(kind))
    with dumping(made, kind) as (process, _):
        process.send_signal(signal.SIGTERM)
        result = processes.finish(process)
    assert result.returncode == -signal.SIGTERM
    assert files(made) == []
    database = str(made.engine().url.database).encode()
    assert not [line for line in _command_lines() if database in line]
    assert made.execute("SELECT version_num FROM alembic_version") == [("aaa1",)]


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_a_dump_that_is_refused_stops_the_run(
    shop: t.Callable[..., Project], account: t.Callable[[Kind], str], kind: Kind
) -> None:
    """The server lets the migration in and not the dump: the program's own words, without a password."""
    made = shop(account(kind))
    user = sa.make_url(made.url).username

    def notify(event: Event) -> None:
        if event.kind == "backup":
            with admin_engine(kind).connect() as connection:
                changes = {
                    "postgresql": f'ALTER ROLE "{user}" NOLOGIN',
                    "mariadb": f"ALTER USER '{user}'@'%%' IDENTIFIED BY 'other'",
                }
                connection.exec_driver_sql(changes[kind])

    with running(made), pytest.raises(BackupFailed) as caught:
        flask_schemaflow.upgrade(backup=True, notify=notify)
    words = {"postgresql": "is not permitted to log in", "mariadb": "Access denied for user"}[kind]
    assert caught.value.message.startswith(f"{DUMPS[kind].decode()} could not save the default database: ")
    assert words in caught.value.message and "s3:cr" not in str(caught.value)
    assert caught.value.hint == (
        "Nothing was run. Correct that and run the command again, or go without: `--no-backup`."
    )
    assert files(made) == []


# -- how the application is connected -------------------------------------------------------------------

SERVICE = """
[shop]
host=127.0.0.1
port={port}
dbname={database}
user={user}
"""


def test_a_service_file_is_followed(
    shop: t.Callable[..., Project], postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What libpq says of the live connection is what pg_dump gets, wherever it came from."""
    url = sa.make_url(postgres_url)
    text = SERVICE.format(port=url.port or 5432, database=url.database, user=url.username)
    (tmp_path / "services").write_text(text)
    monkeypatch.setenv("PGSERVICEFILE", str(tmp_path / "services"))
    made = shop("postgresql+psycopg://?service=shop&application_name=my%20shop&options=-c%20work_mem%3D5MB")
    [backup] = upgrade(made, backup=True).backups
    assert f"dbname=postgres user={url.username}" in backup.restore or "dbname=postgres" in backup.restore
    assert "work_mem" in backup.restore
    made.url = postgres_url
    subprocess.run(backup.restore, shell=True, check=True)
    assert made.execute("SELECT version_num FROM alembic_version") == [("aaa1",)]


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_a_unix_socket_is_followed(shop: t.Callable[..., Project], make_database: MakeDatabase, kind: Kind) -> None:
    """The dump goes over the same socket as the application."""
    url = sa.make_url(make_database(kind))
    with sa.create_engine(url).connect() as connection:
        if kind == "postgresql":
            found = connection.exec_driver_sql("SHOW unix_socket_directories").scalar_one().split(",")[0]
            socket = f"{found}/.s.PGSQL.{url.port or 5432}"
            local = url.set(host=None, port=None, query={"host": found, "port": str(url.port or 5432)})
        else:
            socket = connection.exec_driver_sql("SELECT @@socket").scalar_one()
            local = url.set(host="localhost", port=None, query={"unix_socket": socket})
    if not os.path.exists(socket) or not _answers(local):
        pytest.skip("the server has no socket that lets this user in")
    made = shop(local.render_as_string(hide_password=False))
    [backup] = upgrade(made, backup=True).backups
    assert (os.path.dirname(socket) if kind == "postgresql" else f"--socket={socket}") in backup.restore


def _answers(url: sa.URL) -> bool:
    engine = sa.create_engine(url)
    try:
        engine.connect().close()
    except sa.exc.DBAPIError:
        return False
    finally:
        engine.dispose()
    return True


ASYNC = """
from flask import Flask
from flask_sqlalchemy_lite import SQLAlchemy
from sqlalchemy import MetaData
from flask_schemaflow import Migrate

db = SQLAlchemy()

def create_app():
    app = Flask(__name__)
    app.config["SQLALCHEMY_ASYNC_ENGINES"] = {{"default": {url!r}}}
    db.init_app(app)
    Migrate(app, db, metadata=MetaData())
    return app
"""


@pytest.mark.parametrize(("kind", "driver"), [("sqlite", "aiosqlite"), ("postgresql", "psycopg_async")])
def test_asyncio_engines_are_saved(
    shop: t.Callable[..., Project], make_database: MakeDatabase, kind: Kind, driver: str
) -> None:
    """Their drivers tell how they are connected as well as others do."""
    made = shop(make_database(kind))
    before = everything(made)
    url = sa.make_url(made.url).set(drivername=f"{kind}+{driver}")
    made.write_app(ASYNC.format(url=url.render_as_string(hide_password=False)))
    result = made.run("db", "upgrade", "--backup")
    restore = result.stderr.rpartition("To restore it: ")[2].splitlines()[0]
    subprocess.run(restore, shell=True, check=True)
    assert everything(made) == before
