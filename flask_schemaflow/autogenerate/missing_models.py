"""What the application's own files say: models that were not imported, and calls of ``create_all()``.

A model exists once its module is imported; until then its table looks like one to drop. ``create_all()`` creates tables
that no revision knows. The files beside the application are read, never run, and only when there is something to
explain.
"""

from __future__ import annotations

import ast
import dataclasses
import itertools
import os
import pathlib
import re
import sys
import typing as t
import warnings

from flask import Flask

from ..errors.autogenerate import EverythingDropped
from ..errors.autogenerate import ModelsNotImported
from ..records import Record
from .operations import Key
from .operations import label

_SKIPPED = {"__pycache__", "build", "dist", "env", "migrations", "node_modules", "site-packages", "tests", "venv"}
_MOST_FILES = 5000
_METHOD = "create_all"


@dataclasses.dataclass(frozen=True)
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
    """Return the modules beside ``app`` that look like models and were not imported, by name."""
    base = _base(pathlib.Path(app.root_path))
    files = application_files(app)
    loaded = {
        os.path.realpath(file) for module in list(sys.modules.values()) if (file := getattr(module, "__file__", None))
    }
    modules = []
    for path in files:
        if os.path.realpath(path) in loaded:
            continue
        tables = tables_defined(path)
        if tables is not None:
            root = base.parent if (base / "__init__.py").exists() else base
            modules.append(ModelModule(_dotted(path.relative_to(root)), str(path), tables))
    return sorted(modules, key=lambda module: module.name)


def application_files(app: Flask) -> t.Iterator[pathlib.Path]:
    """Yield the Python files beside ``app``, without tests, migrations and other projects."""
    return itertools.islice(_files(_base(pathlib.Path(app.root_path))), _MOST_FILES)


def tables_defined(path: pathlib.Path) -> tuple[str, ...] | None:
    """Return the tables that a file seems to define, ``None`` if it has no models or can't be read."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return None
    names: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and _is_model(node):
            names.append(_table_name(node))
        elif isinstance(node, ast.Call) and _last_name(node.func) == "Table" and len(node.args) > 1:
            names.append(_constant(node.args[0]))
    return tuple(filter(None, names)) if names else None


def _base(folder: pathlib.Path) -> pathlib.Path:
    """Return the outermost package around a folder, or the folder itself."""
    while (folder / "__init__.py").exists() and (folder.parent / "__init__.py").exists():
        folder = folder.parent
    return folder


def _files(base: pathlib.Path) -> t.Iterator[pathlib.Path]:
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
    """Return whether a class has a ``__tablename__``, or is one of ``db.Model`` with columns of its own."""
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


_MOST_NAMES = 12
_ALLOW_DROPS = (
    "To drop the tables anyway, run `flask db migrate --allow-drops` or use --drop TABLE for one.\n"
    "If another application owns them, add them to SCHEMAFLOW_IGNORE_TABLES."
)


def everything_dropped(
    database: str, tables: t.Sequence[Key], has_models: bool, modules: t.Sequence[ModelModule]
) -> EverythingDropped:
    """Return the error for a database of which no table would be left.

    :param has_models: whether there are models for it at all.
    :param modules: what could have been forgotten.
    """
    reason = "no model matches them" if has_models else "no model is imported"
    if has_models and len(tables) == 1:
        reason = "no model matches it"
    losses = "all tables" if len(tables) > 1 else "the only table"
    return EverythingDropped(
        f"`migrate` would drop {losses} of the {database} database because {reason}: {_names(tables)}. "
        "Nothing was written.",
        details=_listed(modules),
        hint=f"{_advice(modules)}\n{_ALLOW_DROPS}",
    )


def models_not_imported(modules: t.Sequence[ModelModule], tables: t.Sequence[Key]) -> ModelsNotImported:
    """Return the error for tables whose models are defined in a module that was not imported."""
    defined = {name for module in modules for name in module.tables}
    dropped = [key for key in tables if key[1] in defined]
    noun = "tables" if len(dropped) > 1 else "table"
    return ModelsNotImported(
        f"`migrate` would drop the {noun} {_names(dropped)} because the model is not imported. Nothing was written.",
        details=_listed(modules),
        hint=f"{_advice(modules)}\n{_ALLOW_DROPS}",
    )


def no_models(modules: t.Sequence[ModelModule]) -> str:
    """Return a notice for a comparison with no models at all."""
    listed = _listed(modules)
    sentence = f"No models are imported, so there is nothing to compare. {_advice(modules)}"
    return f"{sentence}\n{listed}" if listed else sentence


def _names(tables: t.Sequence[Key]) -> str:
    shown = [label(key) for key in tables[:_MOST_NAMES]]
    rest = len(tables) - len(shown)
    return ", ".join(shown) + (f" and {rest} more" if rest else "")


def _listed(modules: t.Sequence[ModelModule]) -> str:
    if not modules:
        return ""
    return "\n".join(["These modules look like models but are not imported:", *(f"    {m}" for m in modules)])


def _advice(modules: t.Sequence[ModelModule]) -> str:
    if not modules:
        return "Import the modules with the models in your application factory."
    return f"Import them in your application factory, for example: import {modules[0].name}"


def create_all_calls(app: Flask) -> list[str]:
    """Return ``file, line N`` for each call of ``create_all()`` beside the application; tests are left out."""
    found = []
    for path in application_files(app):
        found += [f"{os.path.relpath(path)}, line {line}" for line in _calls(path)]
    return found


def create_all_notices(app: Flask) -> list[str]:
    """Return a sentence for each call of ``create_all()``."""
    return [
        f"{place} calls create_all(), which creates new tables before their revision does: remove the call, and have "
        "`flask db upgrade` run before the application starts."
        for place in create_all_calls(app)
    ]


def _calls(path: pathlib.Path) -> t.Iterator[int]:
    try:
        text = path.read_bytes()
        tree = ast.parse(text) if _METHOD.encode() in text else None
    except (OSError, SyntaxError, ValueError):
        return
    for node in ast.walk(tree) if tree is not None else ():
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == _METHOD:
            yield node.lineno
