"""SQLite files that can't be opened, read or written, and a disk without room: the whole message of each."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import sqlite3
import typing as t
from pathlib import Path

from .conftest import failing
from .conftest import invoke
from .conftest import With
from .messages import said
from .privileges import like_anybody


def test_the_folder_of_an_sqlite_file(tmp_path: Path, at: With) -> None:
    """Missing, made with the same option; a file that is none; a folder in its place."""
    shop = at(f"sqlite:///{tmp_path}/project/data/deep/shop.db")
    assert failing(shop)("upgrade") == said(
        """
        Error [SF426]: The folder of the SQLite file PROJECT/data/deep/shop.db doesn't exist.

          The database says: unable to open database file

        Run `flask db upgrade --create-database` to create it and apply every migration. Fix the path in
            SQLALCHEMY_DATABASE_URI: three slashes begin a relative path (sqlite:///app.db), four an absolute one
            (sqlite:////srv/app.db).
        """
    )
    made = invoke(shop, "upgrade", "--create-database")
    assert made.stderr == f"Created the folder {tmp_path}/project/data/deep.\n"
    assert shop.execute("SELECT version_num FROM alembic_version") == [("abcd0001",)]


def test_a_file_that_is_no_database(tmp_path: Path, at: With) -> None:
    """Something else, or a folder."""
    shop = at(f"sqlite:///{tmp_path}/project/shop.db")
    (shop.root / "shop.db").write_text("Dear diary, " * 100)
    assert failing(shop)("upgrade") == said(
        """
        Error [SF426]: PROJECT/shop.db is not a SQLite database.

          The database says: file is not a database

        Fix the path in SQLALCHEMY_DATABASE_URI: three slashes begin a relative path (sqlite:///app.db), four an
            absolute one (sqlite:////srv/app.db).
        """
    )
    (shop.root / "shop.db").unlink()
    (shop.root / "shop.db").mkdir()
    assert failing(shop)("upgrade") == said(
        """
        Error [SF426]: PROJECT/shop.db is a folder, not a SQLite database.

          The database says: unable to open database file

        Fix the path in SQLALCHEMY_DATABASE_URI: three slashes begin a relative path (sqlite:///app.db), four an
            absolute one (sqlite:////srv/app.db).
        """
    )


def test_an_sqlite_file_that_cannot_be_written(tmp_path: Path, at: With) -> None:
    """The permission to give."""
    shop = at(f"sqlite:///{tmp_path}/project/shop.db", "op.create_table('first', sa.Column('id', sa.Integer))")
    shop.execute("CREATE TABLE other (id INTEGER)")
    os.chmod(shop.root / "shop.db", 0o400)
    with like_anybody():
        assert failing(shop)("upgrade") == said(
            """
            Error [SF430]: The database is read-only (sqlite:///PROJECT/shop.db).

              The database says: attempt to write a readonly database

            Give this account write permission for the file and its folder: `chmod u+w PROJECT/shop.db`.
            """
        )
    os.chmod(shop.root / "shop.db", 0)
    with like_anybody():
        assert failing(shop)("upgrade") == said(
            """
            Error [SF426]: The SQLite file PROJECT/shop.db can't be opened.

              The database says: unable to open database file

            Give this account read and write permission for the file and its folder, or run the command as their
                owner.
            """
        )


def _name(process: multiprocessing.Process) -> str:
    """What the system calls it, which depends on how the tests were started."""
    return Path(f"/proc/{process.pid}/comm").read_text().strip()


def test_an_sqlite_file_that_is_locked(tmp_path: Path, at: With) -> None:
    """By whom: the process, where the system tells."""
    shop = at(f"sqlite:///{tmp_path}/project/shop.db", SCHEMAFLOW_LOCK_WAIT=0.3)
    ready, done = multiprocessing.Event(), multiprocessing.Event()
    holder = multiprocessing.Process(target=_hold, args=(str(shop.root / "shop.db"), ready, done))
    holder.start()
    try:
        assert ready.wait(20)
        told = failing(shop)("upgrade").replace(f"process {holder.pid} ({_name(holder)})", "process PID (pytest)")
    finally:
        done.set()
        holder.join()
    assert told == said(
        """
        Error [SF510]: PROJECT/shop.db was locked for 0 s by process PID (pytest); nothing was changed.

        End the transaction that holds it and run the command again, or wait longer: SCHEMAFLOW_LOCK_WAIT
            (seconds).
        """
    )


def test_an_sqlite_file_that_cannot_even_be_read(tmp_path: Path, at: With) -> None:
    """A writer that is about to commit keeps readers out."""
    options = {"connect_args": {"timeout": 0.1}}
    shop = at(f"sqlite:///{tmp_path}/project/shop.db", SQLALCHEMY_ENGINE_OPTIONS=options)
    ready, done = multiprocessing.Event(), multiprocessing.Event()
    holder = multiprocessing.Process(target=_hold, args=(str(shop.root / "shop.db"), ready, done, "EXCLUSIVE"))
    holder.start()
    try:
        assert ready.wait(20)
        told = failing(shop)("status").replace(f"rocess {holder.pid} ({_name(holder)})", "rocess PID (pytest)")
    finally:
        done.set()
        holder.join()
    assert told == said(
        """
        Error [SF431]: Process PID (pytest) holds a lock on the database (sqlite:///PROJECT/shop.db).

          The database says: database is locked

        End the other program (an open shell, a server, another migration) or its transaction, then run the
            command again.
        """
    )


def _hold(path: str, ready: t.Any, done: t.Any, how: str = "IMMEDIATE") -> None:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(f"BEGIN {how}")
        ready.set()
        done.wait(20)


def test_a_full_disk(tmp_path: Path, at: With) -> None:
    """What was done is rolled back."""
    shop = at(
        f"sqlite:///{tmp_path}/project/shop.db",
        """
        op.create_table('first', sa.Column('id', sa.Integer), sa.Column('text', sa.Text))
        op.execute("PRAGMA max_page_count = 8")
        op.execute("INSERT INTO first SELECT 1, zeroblob(100000)")
        """,
    )
    assert failing(shop)("upgrade") == said(
        """
        Error [SF502]: Revision abcd0001 failed (PROJECT/migrations/versions/abcd0001_first.py, line 20):
            database or disk is full

          The database is out of space (sqlite:///PROJECT/shop.db).
          Operation: op.execute('INSERT INTO first SELECT 1, zeroblob(100000)')
          SQL: INSERT INTO first SELECT 1, zeroblob(100000)
          Rolled back: abcd0001
          Current revision: none

        Free disk space or raise the quota, then run `flask db upgrade` again.
        """
    )
