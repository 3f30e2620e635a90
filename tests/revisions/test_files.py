"""The files that are read are those that Alembic would load, in its order."""

from __future__ import annotations

import os
import pathlib
import py_compile
import typing as t
import warnings

import pytest
from alembic.script import Script
from alembic.script import ScriptDirectory

from flask_schemaflow.errors.revisions import RevisionFileBroken
from flask_schemaflow.revisions.graph import NotCertain
from flask_schemaflow.revisions.graph import RevisionIndex
from flask_schemaflow.revisions.headers import Header
from flask_schemaflow.revisions.headers import Locations
from flask_schemaflow.revisions.headers import read_headers
from flask_schemaflow.revisions.scripts import HeaderScript
from flask_schemaflow.revisions.scripts import script_directory

from .histories import config_for
from .histories import revision_text
from .histories import write


def answers(script: ScriptDirectory) -> tuple[t.Any, list[str]]:
    """The revisions in the order of loading, or the error, and the warnings."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        try:
            script.get_heads()
            found: t.Any = [
                (name, revision.path, revision.module.__name__, revision.doc)
                for name, revision in script.revision_map._revision_map.items()
                if isinstance(revision, Script)
            ]
        except Exception as error:
            found = type(error), str(error)
    return found, [str(warning.message) for warning in seen]


def assert_same(folder: pathlib.Path, **options: str) -> list[Header]:
    """Both directories load the same files in the same order; return what the reading gave."""
    config = config_for(folder, **options)
    mine = script_directory(config)
    assert answers(mine) == answers(ScriptDirectory.from_config(config))
    return read_headers(
        Locations(
            tuple(options.get("version_locations", str(folder / "versions")).split("\n")),
            options.get("recursive_version_locations") == "true",
            options.get("sourceless") == "true",
        )
    ).headers


def test_files_that_are_passed_over(versions: pathlib.Path) -> None:
    """Only the names count that Alembic loads: no locks of Emacs, no ``__init__``, no other endings."""
    for name in ("b.py", "a.py", "a b-c.py", ".hidden.py"):
        write(versions / name, revision_text(name.encode().hex()))
    for name in (".#a.py", "__init__.py", "__init__x.py", "a.pyc", "a.py~", "a.txt", "a.PY", "a.py.orig"):
        write(versions / name, "not Python")
    (versions / "folder.py").mkdir()
    found = assert_same(versions.parent)
    assert [os.path.basename(header.path) for header in found] == [".hidden.py", "a b-c.py", "a.py", "b.py"]
    assert all(header.static for header in found)


def test_folders_below(versions: pathlib.Path) -> None:
    """With ``recursive_version_locations`` folders follow their parents, in the order of their names."""
    for name in (
        "z.py",
        "b/y.py",
        "b/a/x.py",
        "a/w.py",
        "__pycache__/v.py",
        "__pycache__/in/u.py",
        "c/q__pycache__/t.py",
    ):
        path = versions / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, revision_text(path.stem))
    found = assert_same(versions.parent, recursive_version_locations="true")
    assert [header.revision for header in found] == ["z", "u", "w", "y", "x"]
    assert [header.revision for header in assert_same(versions.parent)] == ["z"]


def test_several_locations(versions: pathlib.Path, tmp_path: pathlib.Path) -> None:
    """They are read in their order; one that isn't there, or is a file, adds nothing."""
    places = [versions, tmp_path / "second", tmp_path / "absent", tmp_path / "file"]
    places[1].mkdir()
    write(places[0] / "m.py", revision_text("m"))
    write(places[1] / "a.py", revision_text("a", "m"))
    write(places[3], "not Python")
    found = assert_same(versions.parent, version_locations="\n".join(map(str, reversed(places))))
    assert [header.revision for header in found] == ["a", "m"]


def test_a_location_twice(versions: pathlib.Path) -> None:
    """Alembic warns; the index leaves it to Alembic."""
    write(versions / "a.py", revision_text("a"))
    twice = f"{versions}\n{versions}"
    assert_same(versions.parent, version_locations=twice)
    with pytest.raises(NotCertain, match="^a file is reached twice or can't be reached$"):
        RevisionIndex.read(str(versions), str(versions))


def test_links(versions: pathlib.Path, tmp_path: pathlib.Path) -> None:
    """A link stands for the file that it leads to, under that file's name."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    write(elsewhere / "target.py", revision_text("target"))
    write(elsewhere / "text.txt", "not Python")
    write(elsewhere / "__init__.py", "not Python")
    (versions / "a.py").symlink_to(elsewhere / "target.py")
    (versions / "b.py").symlink_to(elsewhere / "text.txt")
    (versions / "c.py").symlink_to(elsewhere / "__init__.py")
    found = assert_same(versions.parent)
    assert [header.path for header in found] == [str(elsewhere / "target.py")]
    linked = tmp_path / "linked"
    linked.symlink_to(versions)
    assert [header.revision for header in assert_same(tmp_path, version_locations=str(linked))] == ["target"]


@pytest.mark.parametrize("to", ["nowhere.py", "a.py", "target.py", "folder"])
def test_odd_links(to: str, versions: pathlib.Path) -> None:
    """Links that lead nowhere or in a circle are named; one to a listed file, or to a folder, is Alembic's."""
    write(versions / "target.py", revision_text("target"))
    (versions / "folder").mkdir()
    (versions / "a.py").symlink_to(versions / to)
    if to in ("nowhere.py", "a.py"):
        with pytest.raises(RevisionFileBroken, match=r"versions/a\.py is a link to \S+, which does not exist"):
            script_directory(config_for(versions.parent)).get_heads()
        return
    assert_same(versions.parent)
    assert_same(versions.parent, recursive_version_locations="true")


@pytest.mark.parametrize("place", ["beside", "cache", "both"])
def test_sourceless(place: str, versions: pathlib.Path) -> None:
    """With ``sourceless``, bytecode without source is run; nothing is read from it."""
    for name in ("a", "b"):
        path = write(versions / f"{name}.py", revision_text(name))
        if place in ("beside", "both"):
            py_compile.compile(str(path), str(path) + "c", doraise=True)
        if place in ("cache", "both"):
            py_compile.compile(str(path), doraise=True)
    (versions / "a.py").unlink()
    found = assert_same(versions.parent, sourceless="true")
    assert [header.revision for header in found if header.static] == ["b"]
    assert not all(header.static for header in found)


def test_sourceless_with_all_sources(versions: pathlib.Path) -> None:
    """The option alone costs nothing, and the cache isn't taken for bytecode."""
    write(versions / "a.py", revision_text("a"))
    py_compile.compile(str(versions / "a.py"), doraise=True)
    for _ in range(2):
        assert [header.static for header in assert_same(versions.parent, sourceless="true")] == [True]


def test_reading_agrees_with_the_directory(versions: pathlib.Path) -> None:
    """Files that are certain become revisions that aren't run, others Alembic's own."""
    write(versions / "a.py", revision_text("a"))
    write(versions / "b.py", "revision = 'b' + ''\ndown_revision = 'a'\n")
    script = script_directory(config_for(versions.parent))
    assert [type(script.get_revision(name)) is HeaderScript for name in "ab"] == [True, False]
    assert not read_headers(Locations((str(versions),))).certain
    with pytest.raises(NotCertain, match="b.py must be imported$"):
        RevisionIndex.read(str(versions))
