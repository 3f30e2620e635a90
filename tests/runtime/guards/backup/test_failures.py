"""A backup that fails stops the run before it starts, says why, and leaves nothing."""

from __future__ import annotations

import contextlib
import os
import resource
import sqlite3
import typing as t

import pytest
import sqlalchemy as sa

import flask_schemaflow
from flask_schemaflow.errors import BackupBehindPooler
from flask_schemaflow.errors import BackupFailed
from flask_schemaflow.errors import BackupFolderUnusable
from flask_schemaflow.errors import BackupToolMissing

from ....conftest import MakeDatabase
from ....conftest import MakeProject
from ....support.application import Project
from ....support.servers import Kind
from .conftest import FIRST
from .saved import files
from .saved import running
from .saved import upgrade


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
    assert error.message == f"Can't back up the default database: {tool} is not installed."
    assert error.hint == (
        f"Install it (Debian and Ubuntu: apt-get install {package}) and run the command again, or skip the "
        "backup: `--no-backup`."
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
    assert error.hint == "Fix its permissions, or use another folder: SCHEMAFLOW_BACKUP_DIRECTORY."


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


WITHOUT_ROWID = (
    "CREATE TABLE dock (n INT, a TEXT NOT NULL, b TEXT NOT NULL, c TEXT NOT NULL, PRIMARY KEY (c, b)) WITHOUT ROWID",
    "CREATE TABLE quay (a INT, b TEXT, c TEXT NOT NULL CHECK (c > 'a'), d TEXT NOT NULL, PRIMARY KEY (d, b)) "
    "WITHOUT ROWID",
)


def test_a_sound_database_is_not_called_damaged(shop: t.Callable[..., Project], sqlite_url: str) -> None:
    """Some versions of SQLite report NULL in such tables where there is none; the copy has every row."""
    made = shop(sqlite_url)
    with made.engine().begin() as connection:
        for statement in WITHOUT_ROWID:
            connection.exec_driver_sql(statement)
        connection.exec_driver_sql("INSERT INTO dock VALUES (NULL, 'a', 'b', 'c'), (2, 'd', 'e', 'f')")
        connection.exec_driver_sql("INSERT INTO quay VALUES (1, 'x', 'y', 'z'), (NULL, 'u', 'v', 'w')")
    [backup] = upgrade(made, backup=True).backups
    with contextlib.closing(sqlite3.connect(backup.path)) as copy:
        assert copy.execute("SELECT * FROM dock ORDER BY c").fetchall() == [(None, "a", "b", "c"), (2, "d", "e", "f")]
        assert copy.execute("SELECT count(*) FROM quay").fetchone() == (2,)


def test_no_home_is_needed(shop: t.Callable[..., Project], database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Services and containers often run without HOME."""
    made = shop(database_url)
    monkeypatch.delenv("HOME")
    assert len(upgrade(made, backup=True).backups) == 1


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
        "Can't back up the default database through a connection pooler: pg_dump changes settings of its session, "
        "and other clients would get it next."
    )
