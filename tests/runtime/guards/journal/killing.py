"""Kills an upgrade at every statement and commit, runs it once more, and looks at what is there.

    python -m tests.runtime.guards.journal.killing FOLDER URL EVERY upgrade|downgrade [all]

One warm process forks for each run, so that none pays for an interpreter. A run counts what its connections are
about to do (a statement, a commit) and kills itself with SIGKILL at the number that it was given: what came before is
done, and may not be noted anywhere. Statements that change tables are also killed while the server is at work.
Points that find the database as the one before them does are left out, unless ``all`` are asked for.
Prints a JSON object: the number of points, what they were, and for each that did not recover, why.
"""

from __future__ import annotations

import importlib
import itertools
import json
import os
import pathlib
import re
import signal
import sys
import threading
import traceback
import typing as t

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.pool import NullPool

from flask_schemaflow import downgrade
from flask_schemaflow import upgrade

from ....support.dumps import dump_rows
from ....support.dumps import dump_schema

_SHOWN = 100
_DDL = ("CREATE", "ALTER", "DROP", "RENAME")
_CHANGE_NOTHING = ("SELECT", "SHOW", "DESCRIBE", "SET", "PRAGMA", "BEGIN", "SAVEPOINT", "RELEASE")
_VALUE = re.compile(r"'[^']*'|\d+")

Point = tuple[int, str]
"""The number of what happens, and ``before`` or, to be killed while the server is at work, ``during``."""


class Counter:
    """Counts what happens to connections of this process, and ends it in time."""

    def __init__(self, point: Point | None) -> None:
        self._number, self._how = point or (0, "")
        self.seen: list[str] = []
        event.listen(sa.Engine, "before_cursor_execute", self._before)
        event.listen(sa.Engine, "commit", lambda connection: self._count("COMMIT"))

    def _before(self, connection: t.Any, cursor: t.Any, statement: str, *rest: t.Any) -> None:
        self._count(statement)

    def _count(self, what: str) -> None:
        self.seen.append(" ".join(what.split())[:_SHOWN])
        if len(self.seen) != self._number:
            return
        if self._how == "during":
            threading.Timer(0.003, os.kill, (os.getpid(), signal.SIGKILL)).start()
        else:
            os.kill(os.getpid(), signal.SIGKILL)


class Killing:
    """Runs an application's migrations in children of this process.

    :param folder: the application's folder.
    :param url: its database, which is emptied again and again.
    """

    def __init__(self, folder: pathlib.Path, url: str, direction: str = "upgrade") -> None:
        self._folder = folder
        self._url = url
        self._direction = direction
        os.chdir(folder)
        sys.path.insert(0, str(folder))
        self._create_app = importlib.import_module("shop").create_app

    def warm(self) -> None:
        """Migrate in this process once, so that its children find everything imported."""
        app = self._create_app()
        with app.app_context():
            upgrade()
            for engine in app.extensions["migrate"].db.engines.values():
                engine.dispose()

    def run(self, point: Point | None, direction: str | None = None) -> tuple[int, dict[str, t.Any]]:
        """The status of a child that migrates, as ``os.waitpid`` has it, and what it said at its end."""
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reader)
            self._migrate(point, writer, direction or self._direction)
        os.close(writer)
        with os.fdopen(reader) as stream:
            said = stream.read()
        return os.waitpid(child, 0)[1], json.loads(said or "{}")

    def _migrate(self, point: Point | None, writer: int, direction: str) -> t.NoReturn:
        counter, error, told = Counter(point), "", []
        try:
            with self._create_app().app_context():
                if direction == "upgrade":
                    upgrade(notify=lambda seen: told.append(seen.text))
                else:
                    downgrade(revision="base", notify=lambda seen: told.append(seen.text))
        except BaseException:
            error = traceback.format_exc()
        os.write(writer, json.dumps({"seen": counter.seen, "error": error, "told": told}).encode())
        os._exit(bool(error))

    def empty(self) -> None:
        """Make the database as good as new."""
        url = sa.make_url(self._url)
        engine = sa.create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        if url.get_backend_name() == "sqlite":
            file = pathlib.Path(t.cast("str", url.database))
            for path in file.parent.glob(f"{file.name}*"):
                path.unlink()
            return
        with engine.connect() as connection:
            if url.get_backend_name() == "postgresql":
                connection.exec_driver_sql("DROP SCHEMA public CASCADE")
                connection.exec_driver_sql("CREATE SCHEMA public")
            else:
                connection.exec_driver_sql(f"DROP DATABASE `{url.database}`")
                connection.exec_driver_sql(f"CREATE DATABASE `{url.database}` CHARACTER SET utf8mb4")

    def prepare(self) -> None:
        """An empty database, or for a downgrade one that was upgraded."""
        self.empty()
        if self._direction == "downgrade":
            status, said = self.run(None, "upgrade")
            assert status == 0, said["error"]

    def look(self) -> t.Any:
        """Everything that is in the database.

        A key that the server gave is left out: a rollback does not give it back. What refers to it has the name.
        """
        engine = sa.create_engine(self._url, poolclass=NullPool)
        rows = dump_rows(engine, ignore=())
        # Killed between its last commit and the end, a run leaves the journal's table behind, empty.
        unused = ["schemaflow_journal"] if rows.get("schemaflow_journal") == [] else []
        rows = {name: found for name, found in rows.items() if name not in unused}
        # Each revision is recorded once, at a time of its own.
        recorded = sorted(row["revision"] for row in rows.pop("schemaflow_revisions", ()) if row["revision"][0] != ":")
        rows["schemaflow_revisions"] = [{"revision": revision} for revision in recorded]
        names = {row["id"]: row["name"] for row in rows.get("author", ())}
        for row in rows.get("book", ()):
            row["author_id"] = names.get(row["author_id"])
        for table, found in rows.items():
            for row in found:
                if table not in ("book", "big"):
                    row.pop("id", None)
        return repr(dump_schema(engine, ignore=unused)), repr(rows)

    def at(self, point: Point, wanted: t.Any) -> str:
        """Kill at a point and run once more; what is wrong then, empty if nothing is."""
        self.prepare()
        status, said = self.run(point)
        if not (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL):
            return "" if point[1] == "during" and status == 0 else f"it was not killed: {said}"
        status, said = self.run(None)
        if status != 0:
            return f"the re-run failed: {said['error']}"
        found = self.look()
        return "" if found == wanted else f"it is another database:\n{found}\ninstead of\n{wanted}"


def telling(seen: list[str]) -> list[int]:
    """Return the numbers of what is worth a kill: what comes after a change, and of many equal pairs the outer ones."""
    pairs: dict[tuple[str, str], tuple[int, int]] = {}
    for number, (before, what) in enumerate(itertools.pairwise(seen), 2):
        if not before.startswith(_CHANGE_NOTHING):
            pair = (_VALUE.sub("?", before), _VALUE.sub("?", what))
            pairs[pair] = (pairs.get(pair, (number,))[0], number)
    return sorted({number for outer in pairs.values() for number in outer})


def main(folder: str, url: str, every: int, direction: str, which: str = "") -> dict[str, t.Any]:
    """Try every ``every``-th point."""
    killing = Killing(pathlib.Path(folder), url, direction)
    killing.empty()
    killing.warm()
    killing.prepare()
    status, said = killing.run(None)
    assert status == 0, said["error"]
    wanted = killing.look()
    seen = said["seen"]
    first = next((number for number, what in enumerate(seen, 1) if "CREATE TABLE alembic_version" in what), 1)
    chosen = range(1, len(seen) + 1) if which == "all" else telling(seen)
    numbers = [number for number in chosen if number >= first][::every]
    points = [(number, "before") for number in numbers]
    points += [(number, "during") for number in numbers if seen[number - 1].startswith(_DDL)]
    wrong = {}
    for point in points:
        problem = killing.at(point, wanted)
        if problem:
            wrong[f"{point[1]} {point[0]}: {seen[point[0] - 1]}"] = problem
    return {"points": len(points), "seen": seen, "wanted": wanted, "wrong": wrong}


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), *sys.argv[4:])))
