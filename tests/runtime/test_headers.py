"""What is read from a revision file's text is what running the file gives, or nothing is."""

from __future__ import annotations

import codecs
import os
import pathlib
import py_compile
import random
import subprocess
import sys
import textwrap
import typing as t
import warnings

import pytest
from alembic import util
from alembic.script import Script
from alembic.script import ScriptDirectory
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from flask_schemaflow.runtime import cache_file as cache_files
from flask_schemaflow.runtime import header_cache
from flask_schemaflow.runtime.cache_file import CacheFile
from flask_schemaflow.runtime.header_names import ABSENT
from flask_schemaflow.runtime.header_names import NAMES
from flask_schemaflow.runtime.header_source import read_static
from flask_schemaflow.runtime.headers import Header
from flask_schemaflow.runtime.headers import Locations
from flask_schemaflow.runtime.headers import read_headers
from flask_schemaflow.runtime.index import NotCertain
from flask_schemaflow.runtime.index import RevisionIndex
from flask_schemaflow.runtime.scripts import HeaderScript
from flask_schemaflow.runtime.scripts import script_directory

from .histories import config_for
from .histories import Node

NOON = 1_000_000_000_000_000_000
BODY = """

def upgrade() -> None:
    op.execute("select 1")


def downgrade() -> None:
    pass
"""
HEADER = """'''message

more
'''
from alembic import op
import sqlalchemy as sa
revision = "abc123"
down_revision = None
branch_labels = None
depends_on = None
"""
PLAIN = HEADER + BODY

# Name: the file, and whether its header can be read without running it.
FILES: dict[str, tuple[str | bytes, bool]] = {
    "plain": (PLAIN, True),
    "annotated": (
        "import typing as t\nrevision: str = 'a'\ndown_revision: t.Union[str, t.Sequence[str], None] = 'b'\n"
        + BODY,
        True,
    ),
    "annotation only": ("revision: str\nrevision = 'a'\ndown_revision = None\n", False),
    "tuple": (PLAIN.replace("down_revision = None", "down_revision = ('a', \"b\")"), True),
    "one in a tuple": (PLAIN.replace("down_revision = None", "down_revision = ('a',)"), True),
    "parentheses": (PLAIN.replace("down_revision = None", "down_revision = (\n    'a'\n)"), True),
    "empty tuple": (PLAIN.replace("down_revision = None", "down_revision = ()"), True),
    "list": (PLAIN.replace("down_revision = None", "down_revision = ['a', 'b']"), True),
    "list that is changed": (
        PLAIN.replace("down_revision = None", "down_revision = ['a']\nx = down_revision.append('b')"),
        False,
    ),
    "set": (PLAIN.replace("down_revision = None", "down_revision = {'a', 'b'}"), False),
    "f-string": (PLAIN.replace('"abc123"', "f'abc{1}23'"), False),
    "sum": (PLAIN.replace('"abc123"', "'abc' + '123'"), False),
    "neighbours": (PLAIN.replace('"abc123"', "'abc' '123'"), True),
    "escapes": (PLAIN.replace('"abc123"', r"'\x61bc\u0031'"), True),
    "bytes": (PLAIN.replace('"abc123"', "b'abc'"), False),
    "number": (PLAIN.replace('"abc123"', "123"), False),
    "call": (PLAIN.replace('"abc123"', "str('abc')"), False),
    "another name": (PLAIN.replace('"abc123"', "rev").replace("'''", "rev = 'x'\n'''", 1), False),
    "condition": (PLAIN.replace('revision = "abc123"', 'if op:\n    revision = "abc123"'), False),
    "conditional value": (PLAIN.replace('"abc123"', '"a" if op else "b"'), False),
    "try": (PLAIN.replace('revision = "abc123"', 'try:\n    revision = "a"\nfinally:\n    pass'), False),
    "twice": (PLAIN + "revision = 'other'\n", False),
    "augmented": (PLAIN + "revision += 'x'\n", False),
    "deleted": (PLAIN + "del branch_labels\n", False),
    "chain": (PLAIN.replace("revision = ", "revision = other = ", 1), False),
    "unpacked": (PLAIN.replace('revision = "abc123"', 'revision, x = "abc", 1'), False),
    "walrus": (PLAIN + "x = (revision := 'other')\n", False),
    "walrus in a default": (PLAIN + "def f(x=(revision := 'other')): pass\n", False),
    "walrus in a comprehension": (PLAIN + "x = [(revision := n) for n in 'ab']\n", False),
    "loop": (PLAIN + "for revision in ['other']: pass\n", False),
    "with": (PLAIN + "import contextlib\nwith contextlib.nullcontext('x') as revision: pass\n", False),
    "except": (PLAIN + "try:\n    x = {}['y']\nexcept KeyError as branch_labels:\n    pass\n", False),
    "match": (PLAIN + "match 'other':\n    case revision: pass\n", False),
    "function of that name": (PLAIN + "def revision(): pass\n", False),
    "class of that name": (PLAIN + "class revision: pass\n", False),
    "import of that name": (PLAIN + "import os as revision\n", False),
    "from import of that name": (PLAIN + "from os import path as revision\n", False),
    "star": (PLAIN + "from os.path import *\n", False),
    "star over lines": (PLAIN + "from os.path import \\\n  *\n", False),
    "globals": (PLAIN + "x = globals().update(revision='other')\n", False),
    "globals in a function": (
        PLAIN + "def set_it():\n    globals()['revi' 'sion'] = 'other'\nx = set_it()\n",
        False,
    ),
    "globals in a function that nobody calls": (
        PLAIN + "def set_it():\n    globals()['revi' 'sion'] = 'other'\n",
        True,
    ),
    "global": (PLAIN + "def set_it():\n    global revision\n    revision = 'other'\nset_it()\n", False),
    "global in a class": (PLAIN + "class X:\n    global revision\n    revision = 'other'\n", False),
    "class body": (PLAIN + "class X:\n    exec('import sys')\n", False),
    "decorator": (PLAIN + "def d(f):\n    f.__globals__['revision'] = 'other'\n@d\ndef g(): pass\n", False),
    "exec": (PLAIN + "x = exec('revision = 1')\n", False),
    "exec by another name": (PLAIN + "from builtins import exec as e\nx = e('revision = 1')\n", False),
    "frame": (PLAIN + "import sys\nx = sys._getframe().f_globals.update(revision='other')\n", False),
    "frame by import": (PLAIN + "from sys import _getframe as f\nx = f()\n", False),
    "setattr": (PLAIN + "import os\nx = setattr(os, 'unused_name', 1)\n", False),
    "attribute": (PLAIN + "op.unused_name = 1\n", False),
    "subscript": (PLAIN + "d = {}\nd['x'] = 1\n", False),
    "docstring set": (PLAIN + "__doc__ = 'other'\n", False),
    "module getattr": (
        "revision = 'a'\ndown_revision = None\ndef __getattr__(name): return 'x'\n",
        False,
    ),
    "encoding of old": (PLAIN + "_alembic_source_encoding = 'utf-8'\n", False),
    "statement that calls": (PLAIN + "print('hello', end='')\n", False),
    "helpers": (
        PLAIN
        + "import sqlalchemy.orm\nBase = sqlalchemy.orm.declarative_base()\n"
        + "kind = sa.Enum('a', 'b', name='kind')\nusers = sa.table('users', sa.column('id'))\n",
        True,
    ),
    "model": (
        PLAIN
        + "M = sa.MetaData()\nclass User:\n    id = sa.Column(sa.Integer())\n    def save(self): pass\n",
        True,
    ),
    "conditional import": (PLAIN + "try:\n    import json\nexcept ImportError:\n    json = None\n", True),
    "local of that name": (
        PLAIN + "def f():\n    for revision in 'ab':\n        down_revision = revision\n",
        True,
    ),
    "lambda": (PLAIN + "f = lambda revision: revision\n", True),
    "text of that name": (PLAIN.replace("select 1", "select revision from t"), True),
    "SQL at the margin": (PLAIN.replace('"select 1"', '"""\nselect\n1\n"""'), True),
    "def in the docstring": ("'''\ndef upgrade(): pass\n'''\nrevision = 'a'\ndown_revision = None\n", True),
    "def in a text": (PLAIN + 'x = """\ndef f():\n"""\nbranch_labels = "b"\n', False),
    "decorated": (PLAIN + "import functools\n@functools.cache\ndef f(): pass\n", True),
    "signature over lines": (PLAIN + "def f(\n    a=1,\n) -> None:\n    pass\n", True),
    "header below": (BODY.strip() + "\nrevision = 'a'\ndown_revision = None\n", True),
    "only what is needed": ("revision = 'a'\ndown_revision = None", True),
    "no docstring": (PLAIN.partition("'''\n")[2], True),
    "semicolons": ("revision = 'a'; down_revision = None", True),
    "form feed": (PLAIN + "def f():\n    pass\n   \x0crevision = 'other'\n", False),
    "form feed and call": (PLAIN + "def f():\n    pass\n   \x0cprint('x', end='')\n", False),
    "no identifiers": (BODY, False),
    "no down_revision": ("revision = 'a'\n", False),
    "no revision": ("down_revision = 'a'\n", False),
    "empty": ("", False),
    "spaces": (" \n\n\t\n", False),
    "syntax error": (PLAIN + "def (:\n", False),
    "error of the compiler": (PLAIN + "def f():\n    break\n", False),
    "return": (PLAIN + "return\n", False),
    "late future": (PLAIN + "from __future__ import annotations\n", False),
    "NUL": (PLAIN.encode() + b"\0", False),
    "mark": (codecs.BOM_UTF8 + PLAIN.encode(), True),
    "mark and cookie": (codecs.BOM_UTF8 + b"# coding: utf-8\n" + PLAIN.encode(), True),
    "mark against cookie": (codecs.BOM_UTF8 + b"# coding: latin-1\n" + PLAIN.encode(), False),
    "latin-1": (("# coding: latin-1\n" + PLAIN.replace("more", "m\xf6re")).encode("latin-1"), True),
    "second line": (
        ("#!/x\n# -*- coding: cp1252 -*-\n" + PLAIN.replace("more", "10\u20ac")).encode("cp1252"),
        True,
    ),
    "third line": (("\n\n# coding: latin-1\n" + PLAIN.replace("more", "m\xf6re")).encode("latin-1"), False),
    "no such encoding": ("# coding: nothing\n" + PLAIN, False),
    "utf-7": (b"# coding: utf-7\n" + PLAIN.encode() + b"+AHIAZQB2AGkAcwBpAG8Abg- = 'other'\n", False),
    "not utf-8": (PLAIN.replace("more", "m\xf6re").encode("latin-1"), False),
    "unicode": (PLAIN.replace("message", "\u30e1\u30c3\u30bb\u30fc\u30b8"), True),
    "look-alike": (PLAIN + "\uff52evision = 'other'\n", False),
    "look-alike global": (
        PLAIN + "def f():\n    \uff47lobals()['revi' 'sion'] = 'other'\nx = f()\n",
        False,
    ),
    "surrogate": (PLAIN.replace('"abc123"', r"'\ud800'"), True),
    "CR LF": (PLAIN.replace("\n", "\r\n"), True),
    "CR": (PLAIN.replace("\n", "\r"), True),
    "CR in the middle": (PLAIN + "def f():\n    pass\rrevision = 'other'\n", False),
    "indented docstring": (
        "'''one\n\n    two\n      three\n    '''\nrevision = 'a'\ndown_revision = None\n",
        True,
    ),
    "docstring of parts": ("'one' \" two\"\nrevision = 'a'\ndown_revision = None\n", True),
    "f-string for docstring": ("f'one'\nrevision = 'a'\ndown_revision = None\n", False),
    "future first": (
        "'doc'\nfrom __future__ import annotations\nrevision: X = 'a'\ndown_revision: Y = None\n",
        True,
    ),
    "nothing but comments": ("# revision = 'a'\n", False),
    "self as a parent": (PLAIN.replace("down_revision = None", 'down_revision = "abc123"'), True),
    "None among strings": (PLAIN.replace("down_revision = None", "down_revision = ('a', None)"), False),
    "labels": (PLAIN.replace("branch_labels = None", "branch_labels = ('x', 'y')"), True),
    "star in a tuple": (PLAIN.replace("down_revision = None", "down_revision = (*['a'],)"), False),
    "type alias": (PLAIN + "type = 'x'\n", True),
    "exit": (PLAIN + "raise SystemExit\n", False),
    "condition with a call": (PLAIN + "if len('a') > 2:\n    import nothing\n", True),
}


@pytest.fixture(autouse=True)
def bytecode(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let caches be written, whatever the environment says."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.setattr(sys, "pycache_prefix", None)
    monkeypatch.setattr(header_cache, "_unwritten", {})


@pytest.fixture
def versions(tmp_path: pathlib.Path) -> pathlib.Path:
    """An empty folder for revision files in a repository."""
    folder = pathlib.Path(os.path.realpath(tmp_path)) / "versions"
    folder.mkdir()
    return folder


def write(path: pathlib.Path, content: str | bytes = PLAIN, mtime: int = NOON) -> pathlib.Path:
    """Write a file with a modification time that is long ago."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    os.utime(path, ns=(mtime, mtime))
    return path


def run(path: pathlib.Path) -> dict[str, t.Any]:
    """What the file leaves behind when Alembic runs it."""
    module = util.load_python_file(path.parent, path.name)
    return {"__doc__": module.__doc__, **{name: getattr(module, name, ABSENT) for name in NAMES}}


def static(source: bytes) -> dict[str, t.Any] | None:
    """What is read from its text."""
    found = read_static(source, "file.py")
    return None if found is None else {**dict(zip(NAMES, found[:4], strict=True)), "__doc__": found.doc}


def revision_text(name: str, down: str | None = None) -> str:
    return f"'''message of {name}'''\nrevision = {name!r}\ndown_revision = {down!r}\n"


@pytest.mark.filterwarnings("ignore::SyntaxWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize("name", FILES)
def test_awkward_files(name: str, versions: pathlib.Path) -> None:
    """The header is read where that is certain, and then equals what Alembic's loading of the file gives."""
    content, certain = FILES[name]
    path = write(versions / "abc.py", content)
    found = static(path.read_bytes())
    assert (found is not None) is certain
    if found is not None:
        assert found == run(path)


@pytest.mark.filterwarnings("ignore::SyntaxWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize("name", FILES)
def test_the_directory_reads_awkward_files_as_alembic_does(name: str, versions: pathlib.Path) -> None:
    """Whatever is in the file: the same revision or the same error."""

    def heads(script: ScriptDirectory) -> t.Any:
        try:
            return [(found.revision, found.doc, found.path) for found in script.walk_revisions()]
        except (Exception, SystemExit) as error:
            return type(error), str(error)

    write(versions / "abc.py", FILES[name][0])
    config = config_for(versions.parent)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = heads(ScriptDirectory.from_config(config))
        assert heads(script_directory(config)) == expected


PIECES = [
    "revision = 'abc'\n",
    "revision = ['abc']\n",
    "revision = 'a' 'b'\n",
    "revision: str = 'abc'\n",
    "down_revision = None\n",
    "down_revision = ('a', 'b')\n",
    "down_revision = ['a']\n",
    "down_revision: list[str] = ['a']\n",
    "branch_labels = ('x',)\n",
    "branch_labels = x = None\n",
    "depends_on = 'd'\n",
    "depends_on = revision\n",
    "import os\n",
    "from os import path as depends_on\n",
    "from os.path import *\n",
    "x = len('abc')\n",
    "x = [down_revision.append('z') for _ in 'a']\n",
    "y = [branch_labels := 'q' for _ in 'a']\n",
    "x += 1\n",
    "if x:\n    revision = 'other'\n",
    "if 1:\n    depends_on = 'other'\nelse:\n    z = 1\n",
    "try:\n    import nothing_here\nexcept ImportError as e:\n    z = 2\n",
    "def f():\n    revision = 'local'\n    return revision\n",
    "def f():\n    global revision\n    revision = 'global'\n",
    "def f(a=[depends_on := 'w']):\n    '''\ndef g():\n'''\n",
    "x = f()\n",
    "f()\n",
    "class C:\n    revision = 'class'\n    def f(self):\n        globals()['rev' + 'ision'] = 'method'\n",
    "C().f()\n",
    "z = C().f()\n",
    "@property\ndef f():\n    pass\n",
    "del x\n",
    "'''text\ndef f(): pass\n'''\n",
    "x = '''\ndef f(): pass\n'''\n",
    "# revision = 'comment'\n",
    "for depends_on in 'ab': pass\n",
    "async def f(): await g()\n",
    "lambda: revision\n",
    "x = (lambda: globals().update(revision='l'))()\n",
    "x = {}\nx['a'] = 1\n",
    "\\\n",
    "\x0c",
    "    ",
    ";",
    "\r",
    "(",
    ")",
    '"""',
]


@pytest.mark.filterwarnings("ignore::SyntaxWarning", "ignore::DeprecationWarning", "ignore::RuntimeWarning")
@settings(deadline=None, max_examples=200)
@given(st.lists(st.sampled_from(PIECES), max_size=7), st.permutations(range(4)), st.integers(0, 3))
def test_what_is_read_is_what_running_gives(pieces: list[str], order: list[int], kept: int) -> None:
    """Any sequence of harmless and nasty pieces: a header that is read is that of the module."""
    basis = ["'''doc'''\n", PIECES[0], PIECES[4], "def upgrade() -> None:\n    pass\n"]
    text = "".join(
        [*(basis[index] for index in order[kept:]), *pieces, *(basis[index] for index in order[:kept])]
    )
    found = static(text.encode())
    if found is None:
        return
    namespace: dict[str, t.Any] = {}
    try:
        exec(compile(text.encode(), "file.py", "exec", dont_inherit=True), namespace)
    except Exception:
        # The file fails; when it is run for its code, it says so itself.
        return
    assert found == {
        name: namespace.get(name, ABSENT if name in NAMES else None) for name in (*NAMES, "__doc__")
    }


@pytest.mark.filterwarnings("ignore::SyntaxWarning", "ignore::DeprecationWarning", "ignore::RuntimeWarning")
@settings(deadline=None, max_examples=200)
@given(st.randoms(use_true_random=False), st.integers(1, 4))
def test_a_damaged_file_is_not_misread(chance: random.Random, count: int) -> None:
    """Characters and lines that are lost, doubled, moved or put in don't lead to a false header."""
    lines = PLAIN.splitlines(keepends=True)
    for _ in range(count):
        place = chance.randrange(len(lines))
        match chance.randrange(5):
            case 0:
                lines.pop(place)
            case 1:
                lines.insert(place, lines[chance.randrange(len(lines))])
            case 2:
                lines.insert(place, chance.choice(PIECES))
            case 3:
                spot = chance.randrange(len(lines[place]) or 1)
                lines[place] = lines[place][:spot] + chance.choice("'\"()=,:#\\ \n\t") + lines[place][spot:]
            case _:
                spot = chance.randrange(len(lines[place]) or 1)
                lines[place] = lines[place][:spot] + lines[place][spot + 1 :]
    source = "".join(lines).encode()
    found = static(source)
    if found is None:
        return
    namespace: dict[str, t.Any] = {}
    try:
        exec(compile(source, "file.py", "exec", dont_inherit=True), namespace)
    except Exception:
        return
    assert found == {
        name: namespace.get(name, ABSENT if name in NAMES else None) for name in (*NAMES, "__doc__")
    }


@pytest.mark.parametrize("flag", ["-O", "-OO", "-B"])
def test_docstrings_are_as_the_interpreter_keeps_them(flag: str, versions: pathlib.Path) -> None:
    """Under -OO there is none, and the cache of another level isn't used."""
    write(versions / "abc.py", textwrap.dedent(revision_text("abc")))
    assert read_headers(Locations((str(versions),))).headers[0].doc == "message of abc"
    code = (
        "import sys; from flask_schemaflow.runtime.headers import *;"
        "print(read_headers(Locations((sys.argv[1],))).headers[0].doc)"
    )
    root = pathlib.Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, flag, "-c", code, str(versions)],
        capture_output=True,
        text=True,
        cwd=root,
        check=True,
    )
    assert done.stdout.strip() == ("None" if flag == "-OO" else "message of abc")


# Folders


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
    write(places[3])
    found = assert_same(versions.parent, version_locations="\n".join(map(str, reversed(places))))
    assert [header.revision for header in found] == ["a", "m"]


def test_a_location_twice(versions: pathlib.Path) -> None:
    """Alembic warns; the index leaves it to Alembic."""
    write(versions / "a.py", revision_text("a"))
    twice = f"{versions}\n{versions}"
    assert_same(versions.parent, version_locations=twice)
    with pytest.raises(NotCertain, match="^a file is reached twice or can't be reached$"):
        RevisionIndex.read(Locations((str(versions), str(versions))))


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
    """Links that lead nowhere, in a circle, to a file that is there as well, or to a folder."""
    write(versions / "target.py", revision_text("target"))
    (versions / "folder").mkdir()
    (versions / "a.py").symlink_to(versions / to)
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
        RevisionIndex.read(Locations((str(versions),)))


# The cache


def cache_file(versions: pathlib.Path) -> pathlib.Path:
    return pathlib.Path(CacheFile(str(versions), "headers").path)


def revisions(versions: pathlib.Path) -> list[str]:
    return [header.revision for header in read_headers(Locations((str(versions),))).headers]


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that were parsed and not found in the cache."""
    from flask_schemaflow.runtime import header_source

    names: list[str] = []

    def spy(source: bytes, filename: str) -> t.Any:
        names.append(os.path.basename(filename))
        return read_static(source, filename)

    monkeypatch.setattr(header_source, "read_static", spy)
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


def test_an_edit_is_seen(versions: pathlib.Path, parsed: list[str]) -> None:
    """Of the same size with another time, or of another size with the same time."""
    path = write(versions / "a.py", revision_text("a"))
    assert revisions(versions) == ["a"]
    write(path, revision_text("b"), NOON + 1)
    assert revisions(versions) == ["b"]
    write(path, revision_text("cc"), NOON + 1)
    assert revisions(versions) == ["cc"]
    os.utime(path, ns=(NOON, NOON + 5))
    assert revisions(versions) == ["cc"]
    assert parsed == ["a.py"] * 4


def test_a_file_that_was_just_changed_is_not_trusted(versions: pathlib.Path, parsed: list[str]) -> None:
    """Within the clock's granularity an edit of the same size can't be told, so nothing is kept."""
    path = versions / "a.py"
    path.write_text(revision_text("a"))
    status = path.stat()
    assert revisions(versions) == ["a"]
    path.write_text(revision_text("b"))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert revisions(versions) == ["b"]
    assert parsed == ["a.py", "a.py"]


def test_entries_newer_than_the_cache_are_not_trusted(versions: pathlib.Path, parsed: list[str]) -> None:
    """A file server's clock may lag: what counts is the time that the cache's own file got."""
    write(versions / "a.py", revision_text("a"))
    revisions(versions)
    os.utime(cache_file(versions), ns=(NOON, NOON + 1))
    revisions(versions)
    assert parsed == ["a.py", "a.py"]


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
    """Nothing is written where Python writes no bytecode; the process remembers all the same."""
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
    """Not an error, and no file is left; the process remembers what it read."""
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
        "import os, sys; from flask_schemaflow.runtime import header_cache;"
        "from flask_schemaflow.runtime.cache_file import CacheFile;"
        "from flask_schemaflow.runtime.headers import *;"
        "place = sys.argv[1]; file = CacheFile(place, 'headers')\n"
        "for _ in range(40):\n"
        "    found = read_headers(Locations((place,)))\n"
        "    assert found.certain and len(found.headers) == 60\n"
        "    assert len(header_cache._load(file)) in (0, 60) and not header_cache._unwritten\n"
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
