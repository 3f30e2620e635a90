"""Where the migrations folder is: found without Alembic, named by its absolute path ever after.

A relative folder is looked for in the working directory, as Flask-Migrate does, then beside the
application, so that a command typed elsewhere still finds it. ``package:folder`` means a folder
inside an installed package.
"""

from __future__ import annotations

import importlib.util
import os
import pathlib

from flask import current_app


def locate(directory: str | os.PathLike[str]) -> pathlib.Path:
    """The absolute path that ``directory`` means here, whether or not it exists.

    :param directory: relative, absolute, or ``package:folder``.
    :raises FolderError: when the package of ``package:folder`` can't be found.
    """
    text = os.fspath(directory)
    if ":" in text and not _names_a_drive(text):
        return _in_package(text)
    path = pathlib.Path(text)
    if path.is_absolute():
        return path
    for candidate in candidates(path):
        if candidate.is_dir():
            return candidate
    return pathlib.Path.cwd() / path


def candidates(path: pathlib.Path) -> list[pathlib.Path]:
    """Where a relative folder is looked for, in order: working directory, application, its project."""
    root = pathlib.Path(current_app.root_path)
    places = [pathlib.Path.cwd(), root]
    if (root / "__init__.py").exists():
        places.append(root.parent)
    return list(dict.fromkeys(place / path for place in places))


def governing_pyproject(folder: pathlib.Path) -> str | None:
    """The pyproject.toml with Alembic's section that governs ``folder``, if there is one."""
    for place in [pathlib.Path.cwd(), *list(folder.parents)[:3]]:
        path = place / "pyproject.toml"
        if path.is_file() and b"[tool.alembic" in path.read_bytes():
            return os.fspath(path)
    return None


def _names_a_drive(text: str) -> bool:
    return text[:1].isascii() and text[:1].isalpha() and text[1:3] in (":\\", ":/")


def _in_package(text: str) -> pathlib.Path:
    package, _, folder = text.partition(":")
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        spec = None
    if spec is None or not spec.submodule_search_locations:
        from ..errors.folder import FolderError

        raise FolderError(
            f"The migrations folder {text!r} names the package {package!r}, which can't be imported.",
            hint=f"Install {package!r}, or correct the directory that is passed to Migrate.",
        )
    return pathlib.Path(next(iter(spec.submodule_search_locations))) / folder
