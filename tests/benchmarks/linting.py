"""Measures what ``migrate`` pays for its test on a scratch copy, and lint for its measurement.

Run as ``python -m tests.benchmarks.linting [--tables 200 1000] [--kind sqlite ...] [--rounds 3]``. A revision of five
operations is written for a schema of so many tables. Measured are whole processes, on the clock, because the server
works, too: ``migrate`` without the test, with it, and with it and lint on the same copy, and ``lint`` of the revision.
"""

from __future__ import annotations

import argparse
import pathlib
import tempfile
import typing as t

from ..support import databases
from ..support.servers import Kind
from ..support.servers import KINDS
from . import processes
from . import projects
from .peers import PEERS

PEER = PEERS["flask-schemaflow"]
COLUMN = "    name = sa.Column(sa.String(50), nullable=False, index=True)\n"
CHANGED = (
    "    name = sa.Column(sa.String(80), nullable=False, index=True)\n"
    "    note = sa.Column(sa.Text)\n"
    "    code = sa.Column(sa.String(20), index=True)\n"
    "    owner_id = sa.Column(sa.ForeignKey('t1.id'))\n"
)
"""A longer text, three columns, an index and a foreign key, which batch mode puts together on SQLite."""

COMMANDS = {
    "migrate --no-verify": ("migrate", "--no-verify"),
    "migrate --verify, lint off": ("migrate", "--verify"),
    "migrate --verify": ("migrate", "--verify"),
    "lint": ("lint", "--level", "error"),
}


class Bench:
    """A project whose database has the tables, and whose models have changed since.

    :param folder: an empty one.
    """

    def __init__(self, folder: pathlib.Path, kind: Kind, tables: int) -> None:
        self.url = databases.create(kind, folder)
        self.folder = projects.make_project(folder / "app", PEER, self.url, tables)
        projects.create_tables(self.folder)
        projects.flask(self.folder, "revision", "-m", "first")
        projects.flask(self.folder, "upgrade")
        self._versions = self.folder / "migrations" / "versions"
        self._old = set(self._versions.glob("*.py"))
        path = self.folder / "shop.py"
        head, mark, rest = path.read_text().partition("class T7(")
        path.write_text(head + mark + rest.replace(COLUMN, CHANGED, 1))

    def run(self, name: str, into: processes.Measured) -> None:
        """Measure one of the commands once; a revision that it writes is removed, unless lint needs it."""
        self._lint(name == "migrate --verify")
        if name == "lint":
            projects.flask(self.folder, "migrate", "--no-verify")
        command = PEER.words(*COMMANDS[name])
        processes.run(command, self.folder, into, statuses=(0, 1) if name == "lint" else (0,))
        for path in set(self._versions.glob("*.py")) - self._old:
            path.unlink()

    def _lint(self, on: bool) -> None:
        """Have ``migrate`` lint, or not."""
        path = self.folder / "shop.py"
        mark = "    app.config['SCHEMAFLOW_LINT'] = 'off'\n"
        text = path.read_text().replace(mark, "")
        path.write_text(text if on else text.replace("    db.init_app(app)\n", f"{mark}    db.init_app(app)\n"))


def measure(kind: Kind, tables: int, rounds: int) -> dict[str, float]:
    """Return the seconds of each command, the median of so many runs, after one that isn't counted."""
    with tempfile.TemporaryDirectory() as name:
        bench = Bench(pathlib.Path(name).resolve(), kind, tables)
        found = {name: processes.Measured() for name in COMMANDS}
        try:
            for number in range(rounds + 1):
                for name in COMMANDS:
                    bench.run(name, found[name] if number else processes.Measured())
        finally:
            databases.drop(bench.url)
    return {name: measured.median("wall") for name, measured in found.items()}


def figures(seconds: t.Mapping[str, float]) -> dict[str, float]:
    """Return the share of the test in ``migrate``, and what linting costs in comparison."""
    plain, verified, linted, lint = (seconds[name] for name in COMMANDS)
    return {
        "share of the test": (verified - plain) / verified,
        "with lint, times": linted / verified,
        "lint alone, times": lint / verified,
    }


def main() -> None:
    """Print a line for each database and number of tables."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.linting", description=__doc__)
    parser.add_argument("--tables", type=int, nargs="+", default=[200, 1000])
    parser.add_argument("--kind", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    for kind in options.kind:
        for tables in options.tables:
            seconds = measure(kind, tables, options.rounds)
            parts = [f"{name} {value:.2f} s" for name, value in seconds.items()]
            parts += [f"{name} {value:.2f}" for name, value in figures(seconds).items()]
            print(f"{kind:11} {tables:5} tables: {'; '.join(parts)}", flush=True)


if __name__ == "__main__":
    main()
