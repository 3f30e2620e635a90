"""Random revision folders, for tests that compare with Alembic's own reading of them."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import tempfile
import typing as t

from alembic.config import Config
from alembic.script import ScriptDirectory
from hypothesis import assume
from hypothesis import strategies as st

TEMPLATE = '''"""{message}

Revision ID: {id}
Create Date: 2024-05-06 07:08:09.123456

"""
from alembic import op

revision = {id!r}
down_revision = {down!r}
branch_labels = {labels!r}
depends_on = {depends_on!r}


def upgrade() -> None:
    op.execute("select 1")


def downgrade() -> None:
    op.execute("select 2")
'''


@dataclasses.dataclass
class Node:
    """One revision of a generated history."""

    id: str
    down: tuple[str, ...]
    depends_on: tuple[str, ...]
    labels: tuple[str, ...]
    place: int

    def write(self, folder: pathlib.Path) -> None:
        """Write its file; *place* decides where it sorts."""
        text = TEMPLATE.format(
            message=f"message of {self.id}",
            id=self.id,
            down=scalar(self.down),
            labels=scalar(self.labels),
            depends_on=scalar(self.depends_on),
        )
        (folder / f"{self.place:03}_{self.id}.py").write_text(text)


def scalar(values: tuple[str, ...]) -> str | tuple[str, ...] | None:
    """Values as Alembic's template writes them."""
    if not values:
        return None
    return values[0] if len(values) == 1 else values


@st.composite
def histories(draw: st.DrawFn, largest: int = 12) -> list[Node]:
    """A sound history: branches, merges, several bases, dependencies by id and by label."""
    count = draw(st.integers(0, largest))
    places = draw(st.permutations(range(count)))
    nodes: list[Node] = []
    labels: list[str] = []
    for number, place in enumerate(places):
        name = f"{'abcd'[number % 4]}{number:03}{'xyz'[number % 3]}"
        recent = [node.id for node in nodes[-4:]]
        earlier = [node.id for node in nodes]
        down = draw(_some(recent, 3)) if draw(st.integers(0, 9)) else ()
        others = [*earlier, *labels]
        depends_on = draw(_some(others, 3)) if others and draw(st.integers(0, 3)) == 0 else ()
        own = (f"label{number}",) if draw(st.integers(0, 4)) == 0 else ()
        nodes.append(Node(name, down, depends_on, own, place))
        labels.extend(own)
    return nodes


@st.composite
def broken_histories(draw: st.DrawFn) -> list[Node]:
    """A history in which one value may be any name: cycles, missing parents, duplicates, taken labels."""
    nodes = draw(histories(largest=7))
    names = [*(node.id for node in nodes), "label0", "missing", "head", "base", "a@b", "", "a+1"]
    for _ in range(draw(st.integers(1, 2)) if nodes else 0):
        node = draw(st.sampled_from(nodes))
        value = draw(st.sampled_from(names))
        match draw(st.sampled_from(["id", "down", "depends_on", "labels", "twice"])):
            case "id":
                node.id = value.replace("/", "")
            case "down":
                node.down = (value,)
            case "depends_on":
                node.depends_on = (value,)
            case "labels":
                node.labels = (value,)
            case _:
                node.down = (value, value)
    assume(not _is_endless(nodes))
    return nodes


def _is_endless(nodes: list[Node]) -> bool:
    """Whether a circle leads through a label; Alembic finds circles of ids only, and goes round this one for ever."""
    ids = {node.id for node in nodes}
    parents: dict[str, set[str]] = {}
    for node in nodes:
        for name in (node.id, *node.labels):
            parents.setdefault(name, set()).update(node.down)

    def ancestors(name: str) -> set[str]:
        found: set[str] = set()
        coming = [name]
        while coming:
            new = parents.get(coming.pop(), set()) - found
            found |= new
            coming.extend(new)
        return found

    return any(label not in ids and label in ancestors(label) for node in nodes for label in node.labels)


def _some(values: list[str], most: int) -> st.SearchStrategy[tuple[str, ...]]:
    if not values:
        return st.just(())
    sizes = st.sampled_from([size for size in (1, 1, 1, 2, 2, most) if size <= len(values)])
    return sizes.flatmap(
        lambda size: st.lists(st.sampled_from(values), min_size=size, max_size=size, unique=True).map(tuple)
    )


@contextlib.contextmanager
def repository(nodes: t.Iterable[Node]) -> t.Iterator[pathlib.Path]:
    """A folder with the files of a history in ``versions``."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(os.path.realpath(name))
        (folder / "versions").mkdir()
        for node in nodes:
            node.write(folder / "versions")
        yield folder


def config_for(folder: pathlib.Path, **options: str) -> Config:
    """Alembic's configuration for a repository."""
    config = Config()
    config.set_main_option("script_location", str(folder))
    for name, value in {"path_separator": "newline", **options}.items():
        config.set_main_option(name, value)
    return config


def plain(folder: pathlib.Path, **options: str) -> ScriptDirectory:
    """Alembic's own script directory, to compare with."""
    return ScriptDirectory.from_config(config_for(folder, **options))


NOON = 1_000_000_000_000_000_000


def write(path: pathlib.Path, content: str | bytes, mtime: int = NOON) -> pathlib.Path:
    """Write a file with a modification time that is long ago."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    os.utime(path, ns=(mtime, mtime))
    return path


def revision_text(name: str, down: str | None = None) -> str:
    """Return the smallest text of a revision file."""
    return f"'''message of {name}'''\nrevision = {name!r}\ndown_revision = {down!r}\n"
