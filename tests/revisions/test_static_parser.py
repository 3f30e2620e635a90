"""What is read from a revision file's text is what running the file gives, or nothing is."""

from __future__ import annotations

import codecs
import pathlib
import random
import subprocess
import sys
import textwrap
import typing as t
import warnings

import pytest
from alembic import util
from alembic.script import ScriptDirectory
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from flask_schemaflow.revisions.headers import Locations
from flask_schemaflow.revisions.headers import read_headers
from flask_schemaflow.revisions.scripts import script_directory
from flask_schemaflow.revisions.static_parser import ABSENT
from flask_schemaflow.revisions.static_parser import NAMES
from flask_schemaflow.revisions.static_parser import read_static

from ..support.examples import examples
from .histories import config_for
from .histories import revision_text
from .histories import write

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


def run(path: pathlib.Path) -> dict[str, t.Any]:
    """What the file leaves behind when Alembic runs it."""
    module = util.load_python_file(path.parent, path.name)
    return {"__doc__": module.__doc__, **{name: getattr(module, name, ABSENT) for name in NAMES}}


def static(source: bytes) -> dict[str, t.Any] | None:
    """What is read from its text."""
    found = read_static(source, "file.py")
    return None if found is None else {**dict(zip(NAMES, found[:4], strict=True)), "__doc__": found.doc}


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
@settings(deadline=None, max_examples=examples(200))
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
@settings(deadline=None, max_examples=examples(200))
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
        "import sys; from flask_schemaflow.revisions.headers import *;"
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
