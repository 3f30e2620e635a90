"""No password is to be seen while a database is saved, and an interrupted backup leaves nothing."""

from __future__ import annotations

import contextlib
import glob
import signal
import subprocess
import typing as t
from pathlib import Path

import pytest
import sqlalchemy as sa

import flask_schemaflow
from flask_schemaflow.errors import BackupFailed
from flask_schemaflow.records import Event

from ....conftest import MakeDatabase
from ....support import processes
from ....support.application import Project
from ....support.servers import admin_engine
from ....support.servers import Kind
from .saved import files
from .saved import folder
from .saved import running

LOCKS = {"postgresql": "LOCK TABLE parent IN ACCESS EXCLUSIVE MODE", "mariadb": "LOCK TABLES parent WRITE"}
DUMPS = {"postgresql": b"pg_dump", "mariadb": b"mariadb-dump"}


@contextlib.contextmanager
def dumping(made: Project, kind: Kind) -> t.Iterator[tuple[subprocess.Popen[str], list[bytes]]]:
    """An upgrade whose dump waits for a lock, with the command lines of all processes at that moment."""
    with made.engine().connect() as connection:
        connection.exec_driver_sql(LOCKS[kind])
        process = made.popen("db", "upgrade", "--backup", env={"TMPDIR": str(made.root)})
        processes.wait_until(lambda: process.poll() is not None or _dumps(process.pid, kind), "the dump")
        if process.poll() is not None:
            raise AssertionError(f"the dump did not wait:\n{processes.finish(process)}")
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
        assert not glob.glob(f"{made.root}/schemaflow-*")


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
    # The server's processes notice a closed connection a moment later.
    processes.wait_until(lambda: not any(database in line for line in _command_lines()), "the end of the dump")
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
        "Nothing was run. Fix that and run the command again, or skip the backup: `--no-backup`."
    )
    assert files(made) == []
