"""Finds modules of the application that define models and were not imported, without importing them.

A model exists once its module was imported; until then its table looks like one that is to be dropped. The
files beside the application are read, never run, and only when there is something to explain.
"""

from __future__ import annotations

import ast
import itertools
import os
import pathlib
import re
import sys
import typing as t
import warnings

from flask import Flask

from ..record import Record

_SKIPPED = {"__pycache__", "build", "dist", "env", "migrations", "node_modules", "site-packages", "tests", "venv"}
_MOST_FILES = 5000


class ModelModule(Record):
    """A module that looks like models and was not imported.

    :param name: its dotted name, as it would be imported.
    :param path: its file.
    :param tables: the names of its tables, as far as they can be read.
    """

    name: str
    path: str
    tables: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.name} ({', '.join(self.tables)})" if self.tables else self.name


def unimported_models(app: Flask) -> list[ModelModule]:
    """The modules beside ``app`` that look like models and were not imported, by name."""
    base = _base(pathlib.Path(app.root_path))
    loaded = {
        os.path.realpath(file) for module in list(sys.modules.values()) if (file := getattr(module, "__file__", None))
    }
    found = []
    for path in _files(base):
        if os.path.realpath(path) in loaded:
            continue
        tables = tables_defined(path)
        if tables is not None:
            root = base.parent if (base / "__init__.py").exists() else base
            found.append(ModelModule(_dotted(path.relative_to(root)), str(path), tables))
    return sorted(found, key=lambda module: module.name)


def tables_defined(path: pathlib.Path) -> tuple[str, ...] | None:
    """The tables that a file seems to define; ``None`` if it has no models or can't be read."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return None
    tables: list[str] = []
    models = False
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and _is_model(node):
            models = True
            tables.append(_table_name(node))
        elif isinstance(node, ast.Call) and _last_name(node.func) == "Table" and len(node.args) > 1:
            models = True
            tables += [name for name in [_constant(node.args[0])] if name]
    return tuple(tables) if models else None


def _base(folder: pathlib.Path) -> pathlib.Path:
    """The outermost package around a folder, or the folder itself."""
    while (folder / "__init__.py").exists() and (folder.parent / "__init__.py").exists():
        folder = folder.parent
    return folder


def _files(base: pathlib.Path) -> t.Iterator[pathlib.Path]:
    return itertools.islice(_all_files(base), _MOST_FILES)


def _all_files(base: pathlib.Path) -> t.Iterator[pathlib.Path]:
    for folder, folders, files in os.walk(base):
        folders[:] = sorted(
            name
            for name in folders
            if name not in _SKIPPED
            and not name.startswith(".")
            and not os.path.exists(os.path.join(folder, name, "pyvenv.cfg"))
        )
        yield from (pathlib.Path(folder, name) for name in sorted(files) if name.endswith(".py"))


def _dotted(path: pathlib.Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


def _is_model(node: ast.ClassDef) -> bool:
    """A class with a ``__tablename__``, or one of ``db.Model`` with columns of its own."""
    if any(_assigned(item) == "__tablename__" for item in node.body):
        return True
    bases = [_last_name(base) for base in node.bases]
    return any(name.endswith(("Model", "Base")) for name in bases) and any(map(_is_column, node.body))


def _is_column(item: ast.stmt) -> bool:
    if isinstance(item, ast.AnnAssign) and _last_name(item.annotation) == "Mapped":
        return True
    value = getattr(item, "value", None)
    return isinstance(value, ast.Call) and _last_name(value.func) in ("Column", "mapped_column")


def _table_name(node: ast.ClassDef) -> str:
    for item in node.body:
        if _assigned(item) == "__tablename__" and isinstance(item, (ast.Assign, ast.AnnAssign)):
            given = _constant(item.value)
            if given:
                return given
    # As Flask-SQLAlchemy makes it up.
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", node.name).lower()


def _assigned(item: ast.stmt) -> str:
    if isinstance(item, ast.Assign) and isinstance(item.targets[0], ast.Name):
        return item.targets[0].id
    return item.target.id if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name) else ""


def _last_name(node: ast.expr) -> str:
    """``Model`` of ``db.Model``, ``Mapped`` of ``orm.Mapped[int]``."""
    if isinstance(node, ast.Subscript):
        return _last_name(node.value)
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _constant(node: ast.expr | None) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
