"""What is measured: each workload makes a project for a peer and names the command to run in it."""

from __future__ import annotations

import dataclasses
import pathlib
import sys
import typing as t

from ..support import databases
from ..support.servers import Kind
from . import projects
from .history_reading import revision_id
from .peers import FLOOR
from .peers import Peer

__all__ = ["Bench", "WORKLOADS"]

IMPORT = "import shop; shop.create_app()"


@dataclasses.dataclass
class Bench:
    """One peer's project for one workload.

    :ivar command: what is measured; run in ``folder``.
    :ivar reset: brings the database back to where it was, before each run.
    :ivar url: of the database that has to be dropped at the end.
    """

    folder: pathlib.Path
    command: list[str]
    reset: t.Callable[[], None] = lambda: None
    url: str = ""


@dataclasses.dataclass(frozen=True)
class Workload:
    """A thing that people do.

    :param make: makes the project of a peer; gets an empty folder's path, the peer and the size.
    :param sizes: how many revisions or tables there are, by default.
    :param rounds: how often it is run, by default.
    """

    name: str
    make: t.Callable[[pathlib.Path, Peer, int], Bench]
    sizes: tuple[int, ...]
    rounds: int = 7


def _python(*words: str) -> list[str]:
    return [sys.executable, *words]


def _importing(folder: pathlib.Path, peer: Peer, size: int) -> Bench:
    projects.make_project(folder, peer, "sqlite://")
    return Bench(folder, _python("-c", IMPORT))


def _flask(*words: str) -> t.Callable[[pathlib.Path, Peer, int], Bench]:
    def make(folder: pathlib.Path, peer: Peer, size: int) -> Bench:
        projects.make_project(folder, peer, "sqlite://")
        return Bench(folder, _python("-m", "flask", *(words if peer is not FLOOR else ("nothing",))))

    return make


def _reading(*words: str, merges: bool = False) -> t.Callable[[pathlib.Path, Peer, int], Bench]:
    """Measure a command over a history of which everything is applied."""

    def make(folder: pathlib.Path, peer: Peer, size: int) -> Bench:
        url = f"sqlite:///{folder}/shop.db"
        projects.make_project(folder, peer, url)
        if peer is not FLOOR:
            projects.fill_folder(folder, size, merges)
        projects.stamp(url, revision_id(size - 1))
        return Bench(folder, peer.words(*words) if peer is not FLOOR else _python("-m", "flask", "nothing"))

    return make


def _fresh(kind: Kind) -> t.Callable[[pathlib.Path, Peer, int], Bench]:
    """All revisions applied to an empty database."""

    def make(folder: pathlib.Path, peer: Peer, size: int) -> Bench:
        folder.mkdir(parents=True)
        url = databases.create(kind, folder)
        projects.make_project(folder / "app", peer, url)
        if peer is FLOOR:
            return Bench(folder / "app", _python("-m", "flask", "nothing"), url=url)
        projects.fill_folder(folder / "app", size)
        return Bench(folder / "app", peer.words("upgrade"), lambda: databases.empty(url), url)

    return make


def _comparing(kind: Kind, *words: str) -> t.Callable[[pathlib.Path, Peer, int], Bench]:
    """Models and database that are the same; nothing is written."""

    def make(folder: pathlib.Path, peer: Peer, size: int) -> Bench:
        folder.mkdir(parents=True)
        url = databases.create(kind, folder)
        projects.make_project(folder / "app", peer, url, size)
        projects.create_tables(folder / "app")
        command = peer.words(*words) if peer is not FLOOR else _python("-m", "flask", "nothing")
        return Bench(folder / "app", command, url=url)

    return make


WORKLOADS = {
    found.name: found
    for found in (
        Workload("import", _importing, (0,)),
        Workload("routes", _flask("routes"), (0,)),
        Workload("db --help", _flask("db", "--help"), (0,)),
        Workload("heads", _reading("heads"), (100, 1000)),
        Workload("history", _reading("history"), (100, 1000)),
        Workload("history with merges", _reading("history", merges=True), (5000,), 3),
        Workload("current", _reading("current"), (100, 1000, 5000), 5),
        Workload("status", _reading("status"), (100, 1000)),
        Workload("upgrade, nothing to do", _reading("upgrade"), (100, 1000)),
        Workload("upgrade from nothing, SQLite", _fresh("sqlite"), (1000,), 3),
        Workload("upgrade from nothing, PostgreSQL", _fresh("postgresql"), (1000,), 3),
        Workload("upgrade from nothing, MariaDB", _fresh("mariadb"), (1000,), 3),
        Workload("check, SQLite", _comparing("sqlite", "check"), (1000, 3000), 3),
        Workload("check, PostgreSQL", _comparing("postgresql", "check"), (1000,), 3),
    )
}
