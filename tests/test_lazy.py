"""The one door to modules that are imported on first use."""

from __future__ import annotations

import ast
import pathlib
import re
from importlib.util import find_spec

import flask_schemaflow
from flask_schemaflow import hooks
from flask_schemaflow._lazy import resolve

PACKAGE = pathlib.Path(flask_schemaflow.__file__).parent
# autogenerate/rendering.py imports what revision files will import: the modules of the user's types.
OTHER_DOORS = {"_lazy.py", "autogenerate/rendering.py"}


def test_one_door() -> None:
    """Only ``resolve()`` imports by a string, so that a search for it finds every import that contracts can't see."""
    doors = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if re.search(r"import_module\(|__import__\(", path.read_text("utf-8"))
    }
    assert doors == OTHER_DOORS


def test_every_string_resolves() -> None:
    """Each text that is given to ``resolve()`` and needs no names of the run leads to something."""
    given = [
        text
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "resolve"
        if (text := _text(node.args[0])) is not None
    ]
    assert len(given) >= 3
    for target in given:
        if not target.startswith("flask_schemaflow.") and find_spec(target.partition(":")[0]) is None:
            continue  # of a library that only some need
        assert resolve(target) is not None


def _text(node: ast.expr) -> str | None:
    """Return a literal, or one that only the constant of :mod:`flask_schemaflow.hooks` stands before."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if not isinstance(node, ast.JoinedStr) or ast.unparse(node.values[0]) != "{_DEVELOPMENT}":
        return None
    return hooks._DEVELOPMENT + "".join(str(part.value) for part in node.values[1:] if isinstance(part, ast.Constant))
