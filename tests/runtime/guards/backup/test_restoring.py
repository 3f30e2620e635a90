"""What was saved brings a database back as it was, on every database."""

from __future__ import annotations

import datetime
import os
import re
import shlex
import stat
import subprocess
import typing as t

import pytest
import sqlalchemy as sa

from flask_schemaflow.records import Event

from ....conftest import MakeDatabase
from ....support.application import Project
from ....support.servers import Kind
from .saved import everything
from .saved import files
from .saved import folder
from .saved import upgrade

SUFFIXES = {"sqlite": ".sqlite3", "postgresql": ".dump", "mariadb": ".sql"}


@pytest.mark.parametrize(
    ("kind", "repository"), [("sqlite", ""), ("postgresql", ""), ("mariadb", ""), ("postgresql", "4.1.0")]
)
def test_the_printed_command_brings_everything_back(
    shop: t.Callable[..., Project], make_database: MakeDatabase, kind: Kind, repository: str
) -> None:
    """What the migration dropped, deleted and added is undone by the command as it stands, under any env.py."""
    made = shop(make_database(kind), repository)
    before = everything(made)
    result = made.run("db", "upgrade", "--backup")
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
