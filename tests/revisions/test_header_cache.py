"""A header is parsed once, and a file that changed is parsed again."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys
import typing as t

import pytest

from flask_schemaflow.revisions import headers as cache_files
from flask_schemaflow.revisions.headers import CacheFile
from flask_schemaflow.revisions.headers import Header
from flask_schemaflow.revisions.headers import Locations
from flask_schemaflow.revisions.headers import read_headers
from flask_schemaflow.revisions.static_parser import ABSENT
from flask_schemaflow.revisions.static_parser import read_static

from .histories import Node
from .histories import NOON
from .histories import revision_text
from .histories import write


def cache_file(versions: pathlib.Path) -> pathlib.Path:
    return pathlib.Path(CacheFile(str(versions), "headers").path)


def revisions(versions: pathlib.Path) -> list[str]:
    return [header.revision for header in read_headers(Locations((str(versions),))).headers]


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that were parsed and not found in the cache."""
    from flask_schemaflow.revisions import static_parser

    names: list[str] = []

    def spy(source: bytes, filename: str) -> t.Any:
        names.append(os.path.basename(filename))
        return read_static(source, filename)

    monkeypatch.setattr(static_parser, "read_static", spy)
    return names


def test_a_file_is_parsed_once(versions: pathlib.Path, parsed: list[str]) -> None:
    """What was read is kept beside the bytecode, with what can't be read from the text."""
    write(versions / "a.py", revision_text("a"))
    write(versions / "b.py", "x")
    first = read_headers(Locations((str(versions),)))
    assert parsed == ["a.py", "b.py"]
    assert read_headers(Locations((str(versions),))) == first
    assert parsed == ["a.py", "b.py"]
    assert [path.name for path in (versions / "__pycache__").iterdir()] == [cache_file(versions).name]


def test_values_survive_the_cache(versions: pathlib.Path) -> None:
    """Tuples, lists, absent names and strange strings come back as they were."""
    write(versions / "a.py", "revision = '\\ud800'\ndown_revision = ['x']\ndepends_on = ('y',)\n")
    first, second = (read_headers(Locations((str(versions),))).headers[0] for _ in range(2))
    assert cache_file(versions).exists()
    assert first == second
    assert second.assigned == ("\ud800", ["x"], ABSENT, ("y",))
    assert second.values() == {"revision": "\ud800", "down_revision": ["x"], "depends_on": ("y",)}


@pytest.mark.parametrize("same", ["size", "time", "size and time", "size, time and inode"])
def test_an_edit_is_seen(same: str, versions: pathlib.Path, parsed: list[str]) -> None:
    """The text counts, whatever the size and times of the file say."""
    path = write(versions / "a.py", revision_text("a"))
    assert revisions(versions) == ["a"]
    if same == "size and time":
        path.unlink()
    text = revision_text("bb" if same == "time" else "b")
    write(path, text, NOON + 1 if same == "size" else NOON)
    assert revisions(versions) == ["bb" if same == "time" else "b"]
    assert parsed == ["a.py"] * 2


def test_two_files_that_change_places(versions: pathlib.Path) -> None:
    """Files of one size and time may be exchanged; each header belongs to the file that has it now."""
    first, second = (write(versions / f"{name}.py", revision_text(name)) for name in "ab")
    assert revisions(versions) == ["a", "b"]
    first.rename(versions / "c.tmp")
    second.rename(first)
    (versions / "c.tmp").rename(second)
    assert revisions(versions) == ["b", "a"]


def test_a_file_that_moves_is_not_parsed_again(
    versions: pathlib.Path, tmp_path: pathlib.Path, parsed: list[str]
) -> None:
    """An image is built at one path and unpacked at another, where files get times of their own."""
    write(versions / "a.py", revision_text("a"))
    assert revisions(versions) == ["a"]
    moved = tmp_path / "moved"
    shutil.copytree(versions, moved)
    write(moved / "a.py", revision_text("a"), NOON + 1)
    assert [header.path for header in read_headers(Locations((str(moved),))).headers] == [str(moved / "a.py")]
    assert parsed == ["a.py"]


def test_deleted_and_added_files(versions: pathlib.Path) -> None:
    """The cache follows what is in the folder."""
    for name in "abc":
        write(versions / f"{name}.py", revision_text(name))
    assert revisions(versions) == ["a", "b", "c"]
    size = cache_file(versions).stat().st_size
    (versions / "b.py").unlink()
    assert revisions(versions) == ["a", "c"]
    assert cache_file(versions).stat().st_size < size
    write(versions / "d.py", revision_text("d"))
    assert revisions(versions) == ["a", "c", "d"]


@pytest.mark.parametrize("damage", ["empty", "short", "cut", "flipped", "foreign", "code", "folder"])
def test_a_damaged_cache_is_ignored(damage: str, versions: pathlib.Path) -> None:
    """Whatever lies there, the files are read, and a sound cache takes its place."""
    write(versions / "a.py", revision_text("a"))
    revisions(versions)
    path = cache_file(versions)
    sound = path.read_bytes()
    match damage:
        case "empty":
            path.write_bytes(b"")
        case "short":
            path.write_bytes(sound[:10])
        case "cut":
            path.write_bytes(sound[:-3])
        case "flipped":
            path.write_bytes(sound[:-5] + bytes([sound[-5] ^ 1]) + sound[-4:])
        case "foreign":
            path.write_bytes(sound.replace(b"cache %d" % cache_files.FORMAT, b"cache 0"))
        case "code":
            path.write_bytes(cache_files.MAGIC + cache_files._checksum(b"?") + b"?")
        case _:
            path.unlink()
            path.mkdir()
    assert revisions(versions) == ["a"]
    if damage != "folder":
        assert path.read_bytes() == sound


def test_no_bytecode_no_cache(
    versions: pathlib.Path, monkeypatch: pytest.MonkeyPatch, parsed: list[str]
) -> None:
    """Nothing is written where Python writes no bytecode; the process keeps what it read."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    path = write(versions / "a.py", revision_text("a"))
    assert (revisions(versions), revisions(versions)) == (["a"], ["a"])
    assert parsed == ["a.py"]
    assert not (versions / "__pycache__").exists()
    write(path, revision_text("b"), NOON + 1)
    assert revisions(versions) == ["b"]


def test_the_prefix_for_bytecode_holds_for_the_cache(
    versions: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``PYTHONPYCACHEPREFIX`` keeps the source tree clean."""
    monkeypatch.setattr(sys, "pycache_prefix", str(tmp_path / "prefix"))
    write(versions / "a.py", revision_text("a"))
    revisions(versions)
    assert not (versions / "__pycache__").exists()
    assert cache_file(versions).is_relative_to(tmp_path / "prefix")
    assert cache_file(versions).exists()


def test_where_nothing_can_be_written(versions: pathlib.Path, parsed: list[str]) -> None:
    """Not an error, and no file is left; the process keeps what it read."""
    write(versions / "a.py", revision_text("a"))
    # A file in the folder's place stops root as well, whom permissions don't.
    (versions / "__pycache__").write_text("")
    assert (revisions(versions), revisions(versions)) == (["a"], ["a"])
    assert parsed == ["a.py"]
    assert sorted(os.listdir(versions)) == ["__pycache__", "a.py"]


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() != 0, reason="needs root to become somebody else")
def test_a_folder_of_somebody_else(versions: pathlib.Path) -> None:
    """A server's own user, who may only read the folder, gets its answers."""
    write(versions / "a.py", revision_text("a"))
    for folder in (versions, *versions.parents[:-1]):
        folder.chmod(folder.stat().st_mode | 0o055)
    child = os.fork()
    if not child:
        try:
            os.setuid(65534)
            os._exit(0 if revisions(versions) == ["a"] else 1)
        finally:
            os._exit(2)
    assert os.waitpid(child, 0)[1] == 0
    assert os.listdir(versions) == ["a.py"]


def test_processes_that_write_at_once(versions: pathlib.Path) -> None:
    """The last one wins, and at no moment is there a cache that isn't whole."""
    for number in range(60):
        write(versions / f"r{number}.py", revision_text(f"r{number}", f"r{number - 1}" if number else None))
    code = (
        "import os, sys; from flask_schemaflow.revisions import headers;"
        "from flask_schemaflow.revisions.headers import CacheFile;"
        "from flask_schemaflow.revisions.headers import *;"
        "place = sys.argv[1]; file = CacheFile(place, 'headers')\n"
        "for _ in range(40):\n"
        "    found = read_headers(Locations((place,)))\n"
        "    assert found.certain and len(found.headers) == 60\n"
        "    assert len(file.read() or ()) in (0, 60) and not headers._unwritten\n"
        "    try: os.unlink(file.path)\n"
        "    except FileNotFoundError: pass\n"
    )
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    root = pathlib.Path(__file__).parents[2]
    command = [sys.executable, "-c", code, str(versions)]
    running = [subprocess.Popen(command, cwd=root, env=environment) for _ in range(3)]
    assert [process.wait() for process in running] == [0, 0, 0]
    assert [path.name for path in (versions / "__pycache__").iterdir() if "headers" not in path.name] == []
    assert len(revisions(versions)) == 60


def test_a_file_that_vanishes_is_left_to_alembic(versions: pathlib.Path) -> None:
    """A file that can't be read is one that must be imported, and nothing about it is kept."""
    path = write(versions / "a.py", revision_text("a"))
    path.chmod(0)
    header = read_headers(Locations((str(versions),))).headers[0]
    assert header == Header(str(path)) or os.geteuid() == 0


def test_nodes_are_read_as_written(versions: pathlib.Path) -> None:
    """A file from Alembic's template gives its header in full."""
    Node("abc", ("x", "y"), ("z",), ("label",), 1).write(versions)
    (header,) = read_headers(Locations((str(versions),))).headers
    assert header[1:7] == ("abc", ("x", "y"), ("label",), ("z",), header.doc, True)
    assert (header.doc or "").startswith("message of abc\n\nRevision ID: abc\n")
