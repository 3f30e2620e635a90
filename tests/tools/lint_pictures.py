"""Draw what ``flask db lint`` says of an index on a big table, and what its advice saves the application.

``python -m tests.tools.lint_pictures`` needs PostgreSQL. It runs ``lint`` on a revision and on the same one after the
advice, and both revisions on a table with millions of rows while another connection inserts into it. It writes down
what was printed and measured, and the pictures of both.
"""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
import tempfile
import threading
import time
import typing as t
from pathlib import Path

import sqlalchemy as sa

from ..support import databases
from ..support.application import Project
from ..support.pages import Command
from ..support.pages import DOCS
from ..support.pages import read_commands
from .doc_pictures import draw_session

DATA = Path(__file__).parent / "data"
SESSION = DATA / "lint_session.txt"
TIMES = DATA / "lock_times.json"
PLAIN = 'op.create_index("ix_visits_room", "visits", ["room"])'
FILE = "migrations/versions/4f1c_index_visits_room.py"
_COMMANDS = (
    "flask db lint --sizes sizes.json",
    f"sed -i s/create_index/create_index_online/ {FILE}",
    "flask db lint --sizes sizes.json",
)
_SIZES = {"version": 1, "tables": {"visits": {"rows": 41_000_000, "bytes": 3_900_000_000}}}
_MODELS = """
class Visit(db.Model):
    __tablename__ = "visits"
    id = sa.Column(sa.Integer, primary_key=True)
    room = sa.Column(sa.String(40), index=True)
"""
_TABLE = (
    "op.create_table('visits', sa.Column('id', sa.Integer, primary_key=True), sa.Column('room', sa.String(40)))"
)
_FILL = "INSERT INTO visits (room) SELECT md5(i::text) FROM generate_series(1, :rows) AS i"
_PAUSE = 0.02  # seconds between two inserts
_AROUND = 0.5  # seconds of inserts before and after the migration


def prepare(project: Project, operation: str = PLAIN) -> None:
    """Write a project whose table exists and whose index is pending."""
    project.write_app()
    project.write_models(_MODELS)
    project.run("db", "init")
    project.write_revision("3b0a", None, _TABLE, "op.drop_table('visits')", message="create visits")
    project.run("db", "upgrade")
    project.write_revision("4f1c", "3b0a", operation, message="index visits.room")
    project.write("sizes.json", json.dumps(_SIZES))


def session(project: Project) -> str:
    """Return the commands of the picture with what they print."""
    commands = []
    for line in _COMMANDS:
        words = line.split()
        if words[0] == "flask":
            output = project.run(*words[1:], check=False).stdout
        else:
            subprocess.run(words, cwd=project.root, check=True)
            output = ""
        commands.append(Command(line, output=_without_release(output).splitlines()))
    return "".join(command.text for command in commands)


def _without_release(output: str) -> str:
    return re.sub(r"(?m)^postgresql \S+,", "postgresql,", output)


@dataclasses.dataclass
class Times:
    """What was measured, in seconds since the first insert.

    :param build: when the index was built, from and to.
    :param inserts: when each insert began, and how long it took.
    """

    build: tuple[float, float]
    inserts: list[tuple[float, float]]

    @property
    def longest(self) -> float:
        """The longest time that an insert took."""
        return max(took for _, took in self.inserts)


def measure(project: Project, operation: str, rows: int) -> Times:
    """Run the revision on a table with so many rows while another connection inserts."""
    prepare(project, operation)
    with project.engine().begin() as connection:
        connection.execute(sa.text(_FILL), {"rows": rows})
    ended, inserts, seen = threading.Event(), [], []
    started = time.monotonic()

    def insert() -> None:
        with project.engine().connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            while not ended.wait(_PAUSE):
                began = time.monotonic()
                connection.execute(sa.text("INSERT INTO visits (room) VALUES ('A1')"))
                inserts.append((began - started, time.monotonic() - began))

    def watch() -> None:
        active = sa.text(
            "SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND query ~ '^CREATE INDEX'"
            " AND datname = current_database()"
        )
        with project.engine().connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            while not ended.wait(_PAUSE / 2):
                if connection.execute(active).first():
                    seen.append(time.monotonic() - started)

    threads = [threading.Thread(target=work) for work in (insert, watch)]
    for thread in threads:
        thread.start()
    time.sleep(_AROUND)
    project.run("db", "upgrade")
    time.sleep(_AROUND)
    ended.set()
    for thread in threads:
        thread.join()
    return Times((seen[0], seen[-1]), inserts)


_STYLE = """
text { font: 14px sans-serif; fill: #1b1f24 } .small { font-size: 12px; fill: #4a5560 } .build { fill: #b98a1d }
.insert { stroke: #4c9a62; stroke-width: 1.5 } .wait { fill: #c2342b } .axis { stroke: #4a5560 }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .small { fill: #aab6c2 } .build { fill: #d9ae4b }
.insert { stroke: #6fbf85 } .wait { fill: #f0776e } .axis { stroke: #aab6c2 } }
"""
_LEFT, _WIDTH, _LATE = 90.0, 680.0, 0.1  # an insert that takes longer than this is drawn as one that waits
_BEFORE = 0.4  # seconds that are shown before and after the index is built


def draw_times(measured: dict[str, t.Any]) -> str:
    """Return the picture of both runs, one above the other on one scale."""
    runs = {name: Times(tuple(value["build"]), value["inserts"]) for name, value in measured["runs"].items()}
    longest = max(run.build[1] - run.build[0] for run in runs.values()) + 2 * _BEFORE
    scale = _WIDTH / longest
    millions = f"{measured['rows'] / 1e6:.0f} million rows"
    parts = [f'<text x="10" y="22">An index on a table with {millions}, while the application inserts rows</text>']
    for number, (name, run) in enumerate(runs.items()):
        parts += _panel(name, run, 50 + number * 120, scale)
    label = "Time lines: with create_index all inserts wait, with create_index_online none does."
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_LEFT + _WIDTH + 20:.0f} 290" role="img" '
        f'aria-label="{label}"><style>{_STYLE}</style>' + "\n".join([*parts, *_axis(longest, scale)]) + "</svg>\n"
    )


def _panel(name: str, run: Times, top: float, scale: float) -> t.Iterator[str]:
    begin = run.build[0] - _BEFORE
    end = begin + _WIDTH / scale

    def x(moment: float) -> float:
        return _LEFT + (moment - begin) * scale

    took = run.build[1] - run.build[0]
    yield f'<text x="10" y="{top}">op.{name}: longest wait of an insert {_seconds(run.longest)}</text>'
    yield f'<text class="small" x="10" y="{top + 28}">revision</text>'
    yield f'<rect class="build" x="{x(run.build[0]):.1f}" y="{top + 16}" width="{took * scale:.1f}" height="16"/>'
    yield f'<text class="small" x="10" y="{top + 58}">inserts</text>'
    for began, lasted in run.inserts:
        if not begin <= began <= end:
            continue
        if lasted > _LATE:
            width = min(lasted * scale, _LEFT + _WIDTH - x(began))
            yield f'<rect class="wait" x="{x(began):.1f}" y="{top + 46}" width="{width:.1f}" height="16"/>'
        else:
            yield f'<path class="insert" d="M{x(began):.1f},{top + 46}v16"/>'


def _axis(longest: float, scale: float) -> t.Iterator[str]:
    yield f'<path class="axis" d="M{_LEFT},262h{_WIDTH}"/>'
    for second in range(int(longest) + 1):
        yield f'<path class="axis" d="M{_LEFT + second * scale:.1f},258v8"/>'
        yield f'<text class="small" x="{_LEFT + second * scale:.1f}" y="282" text-anchor="middle">{second} s</text>'


def _seconds(value: float) -> str:
    return f"{value:.1f} s" if value >= _LATE else f"{value * 1000:.0f} ms"


def draw_lint() -> str:
    """Return the picture of the session with ``lint``."""
    return draw_session("lint measures a revision, and what its advice changes", read_commands(SESSION.read_text()))


def main(rows: int = 3_000_000) -> None:
    """Run everything and write data and pictures."""
    runs = {}
    for name, operation in (("create_index", PLAIN), ("create_index_online", PLAIN.replace("index(", "index_online("))):
        with tempfile.TemporaryDirectory() as folder:
            url = databases.create("postgresql", Path(folder))
            runs[name] = measure(Project(Path(folder) / "shop", url=url), operation, rows)
            databases.drop(url)
    with tempfile.TemporaryDirectory() as folder:
        url = databases.create("postgresql", Path(folder))
        project = Project(Path(folder) / "shop", url=url)
        prepare(project)
        SESSION.write_text(session(project), "utf-8")
        databases.drop(url)
    kept = {
        name: {"build": _rounded(run.build), "inserts": [_rounded(item) for item in run.inserts]}
        for name, run in runs.items()
    }
    TIMES.write_text(json.dumps({"rows": rows, "runs": kept}) + "\n", "utf-8")
    (DOCS / "_static" / "lock-times.svg").write_text(draw_times(json.loads(TIMES.read_text())), "utf-8")
    (DOCS / "_static" / "terminal-lint.svg").write_text(draw_lint(), "utf-8")


def _rounded(values: t.Iterable[float]) -> list[float]:
    return [round(value, 3) for value in values]


if __name__ == "__main__":
    main()
