"""The one door to modules that are imported on first use."""

from __future__ import annotations

import ast
import pathlib
import re
from importlib.util import find_spec

import flask_schemaflow
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
    """Each literal that is given to ``resolve()`` names something that is there."""
    given = [
        str(node.args[0].value)
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "resolve"
        if isinstance(node.args[0], ast.Constant)
    ]
    assert len(given) >= 3
    for target in given:
        if not target.startswith("flask_schemaflow.") and find_spec(target.partition(":")[0]) is None:
            continue  # of a library that only some need
        assert resolve(target) is not None
