"""Measures commands for many tenants: ``python -m tests.benchmarks.tenants [--schemas 10000] [--changed 200]``.

A PostgreSQL of its own is started, with a schema for each tenant. Measured are whole processes: an upgrade and a status
with nothing to do, and one pending revision for some tenants with one job and with two. The statements for one tenant
are counted in the server's log, connections and transactions included.
"""

from __future__ import annotations

import argparse
import pathlib
import re
import sys
import tempfile

import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from ..support.private_server import PrivateServer
from . import processes

APP = """
from flask import Flask
from flask_schemaflow import Migrate, Tenant
from flask_sqlalchemy import SQLAlchemy

db = SQLAlchemy()


def all_tenants():
    for number in range({count}):
        yield Tenant(f"t{{number}}", schema=f"t{{number}}")


def create_app():
    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = {url!r}
    db.init_app(app)
    Migrate(app, db, tenants=all_tenants)
    return app
"""
REVISION = '''"""revision"""
import sqlalchemy as sa
from alembic import op

revision = {id!r}
down_revision = {down!r}


def upgrade():
    {body}


def downgrade():
    pass
'''
CREATE = 'op.create_table("person", sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.Text))'
ADD = 'op.add_column("person", sa.Column("{}", sa.Integer))'
TOGETHER = 100  # schemas in one transaction


class Fleet:
    """An application whose tenants are schemas of one server.

    :param root: an empty folder.
    :param count: how many tenants.
    """

    def __init__(self, root: pathlib.Path, server: PrivateServer, count: int) -> None:
        self.root, self._count = root, count
        self._revisions: list[str] = []
        self._engine = sa.create_engine(server.url, poolclass=NullPool)
        (root / "shop.py").write_text(APP.format(count=count, url=server.url))
        self.run("init")
        self.revise(CREATE)

    def run(self, *words: str) -> processes.Measured:
        found = processes.Measured()
        command = [sys.executable, "-m", "flask", "--app", "shop", "db", *words]
        processes.run(command, self.root, found)
        return found

    def revise(self, body: str) -> None:
        """Add a revision to the history."""
        down, id = self._revisions[-1] if self._revisions else None, f"a{len(self._revisions)}"
        path = self.root / "migrations" / "versions" / f"{id}.py"
        path.write_text(REVISION.format(id=id, down=down, body=body))
        self._revisions.append(id)

    def fill(self) -> None:
        """Create the schemas and have them at the head, by plain SQL."""
        made = (
            "CREATE SCHEMA t{0}; CREATE TABLE t{0}.person (id serial PRIMARY KEY, name text); "
            "CREATE TABLE t{0}.alembic_version (version_num varchar(32) PRIMARY KEY); "
            "INSERT INTO t{0}.alembic_version VALUES ('{1}')"
        )
        for start in range(0, self._count, TOGETHER):
            numbers = range(start, min(start + TOGETHER, self._count))
            with self._engine.begin() as connection:
                connection.exec_driver_sql("; ".join(made.format(number, self._revisions[-1]) for number in numbers))

    def log(self, statements: str) -> None:
        """Have the server log every statement (``all``) or none."""
        with self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql(f"ALTER SYSTEM SET log_statement = '{statements}'")
            connection.exec_driver_sql("SELECT pg_reload_conf()")


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.tenants", description=__doc__)
    parser.add_argument("--schemas", type=int, default=10_000, help="how many tenants there are")
    parser.add_argument("--changed", type=int, default=200, help="how many have a pending revision")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        root = pathlib.Path(name).resolve()
        root.chmod(0o777)  # the server's account writes its log there
        log = {"logging_collector": "on", "log_directory": root, "log_filename": "log", "log_line_prefix": "%p "}
        server = PrivateServer(max_locks_per_transaction=256, **log)
        try:
            _measure(root, server, options.schemas, options.changed)
        finally:
            server.remove()


def _measure(root: pathlib.Path, server: PrivateServer, count: int, changed: int) -> None:
    fleet = Fleet(root, server, count)
    fleet.fill()
    _show("nothing to do, upgrade", count, fleet.run("upgrade", "--all-tenants"))
    _show("nothing to do, status", count, fleet.run("status", "--all-tenants"))
    walls: list[float] = []
    for jobs in ("1", "2", "1", "2"):
        fleet.revise(ADD.format(f"c{len(walls)}"))
        (root / "names").write_text("".join(f"t{number}\n" for number in range(changed)))
        found = fleet.run("upgrade", "--tenants-from", "names", "--jobs", jobs)
        walls.append(found.median("wall"))
        _show(f"one pending revision, --jobs {jobs}", changed, found)
    print(f"--jobs 2 is {(walls[0] + walls[2]) / (walls[1] + walls[3]):.2f} times as fast as one")
    fleet.revise(ADD.format("last"))
    fleet.log("all")
    fleet.run("upgrade", "--tenant", "t0", "--tenant", "t1")  # the first connection of a process asks more
    fleet.log("none")
    print(f"{_statements(root / 'log', 't1')} statements for one tenant with one pending revision")


def _statements(log: pathlib.Path, schema: str) -> int:
    """Return how many statements were sent for a tenant, the last one in its session."""
    lines = re.findall(r"^(\d+) LOG: +(?:statement|execute [^:]+): (.*)", log.read_text(), re.M)
    (first,) = [number for number, (_, text) in enumerate(lines) if f'search_path TO "{schema}"' in text]
    session, _ = lines[first]
    return sum(session == other for other, _ in lines[first:])


def _show(title: str, tenants: int, found: processes.Measured) -> None:
    wall, cpu = found.median("wall"), found.median("cpu")
    print(
        f"{title:<36} {tenants:>6} tenants {wall:7.2f} s, {wall / tenants * 1000:7.2f} ms each; "
        f"CPU {cpu:6.2f} s; {found.memory:4.0f} MB",
        flush=True,
    )


if __name__ == "__main__":
    main()
