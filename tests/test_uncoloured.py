"""Mako's colours come when they are wanted, and are Mako's.

Each test starts a fresh interpreter, because this one has loaded Mako and Pygments long ago.
"""

from __future__ import annotations

import importlib.util
import pathlib
import sys

import pytest

from .support import processes

LATER = """
import sys
from flask_schemaflow.uncoloured import colours_later
with colours_later():
    import alembic.command
assert not [name for name in sys.modules if name.startswith(("pygments.", "mako.ext."))]
assert not any(type(finder).__module__ == "flask_schemaflow.uncoloured" for finder in sys.meta_path)
"""
PAGE = """
from mako import exceptions
from mako.template import Template

def page():
    try:
        Template(filename="page.html").render()
    except ZeroDivisionError:
        return exceptions.html_error_template().render().decode()
"""
SHOWN = "import page; print(page.page())"
NO_PYGMENTS = "import sys; sys.modules['pygments'] = None\n"


def printed(program: str, folder: pathlib.Path) -> str:
    (folder / "page.py").write_text(PAGE)
    (folder / "page.html").write_text("<p>${1 / 0}</p>")
    (folder / "program.py").write_text(program)
    return processes.run([sys.executable, "program.py"], cwd=folder).stdout


@pytest.mark.parametrize("before", ["", NO_PYGMENTS], ids=["with Pygments", "without"])
def test_an_error_page_looks_as_ever(before: str, tmp_path: pathlib.Path) -> None:
    """Also where Pygments can't be imported, and Mako has something plain instead."""
    expected = printed(before + SHOWN, tmp_path)
    coloured = not before and importlib.util.find_spec("pygments") is not None
    assert ('"syntax-highlighted"' in expected) == coloured
    assert printed(before + LATER + SHOWN, tmp_path) == expected


def test_mako_that_is_there_is_left_alone(tmp_path: pathlib.Path) -> None:
    """An application that uses Mako itself has its colours already."""
    same = "import mako.exceptions as m\nbefore = dict(vars(m))\n"
    later = LATER.partition("assert")[0]
    assert printed(f"{same}{later}print(vars(m) == before)", tmp_path) == "True\n"


def test_the_names_are_those_of_mako(tmp_path: pathlib.Path) -> None:
    """Whoever takes one of them gets it, and what Mako doesn't have isn't there."""
    taken = "from mako.exceptions import pygments_html_formatter as p, syntax_highlight as s, RichTraceback"
    program = f"{LATER}{taken}\nimport mako.exceptions as m\nprint(s.__module__, p is m.pygments_html_formatter)"
    where = "mako.ext.pygmentplugin" if importlib.util.find_spec("pygments") else "mako.exceptions"
    assert printed(program, tmp_path) == f"{where} True\n"
    assert printed(f"{LATER}import mako.exceptions as m\nprint(hasattr(m, 'colours'))", tmp_path) == "False\n"
