"""The versions of Python and of the packages that everything rests on."""

from __future__ import annotations

import importlib.metadata
import platform
import re
import typing as t

from ..records import Finding

_DISTRIBUTION = "Flask-SchemaFlow"
_SHOWN = ("Flask", "SQLAlchemy", "alembic", "Flask-SQLAlchemy", "Flask-SQLAlchemy-Lite", "Flask-Migrate")
_NEEDS = re.compile(r"([A-Za-z][\w.-]*)[^>;]*>=([\d.]+)(.*)")


def installed() -> t.Iterator[Finding]:
    """What is installed, and what of it is too old."""
    found = {name: version for name in (_DISTRIBUTION, *_SHOWN) if (version := _version(name))}
    listed = ", ".join(f"{name} {version}" for name, version in found.items())
    yield Finding("note", "SF800", f"Python {platform.python_version()}, {listed}.")
    for name, least in _least().items():
        version = found.get(name) or _version(name)
        if version is not None and _numbers(version) < _numbers(least):
            yield Finding(
                "error",
                "SF801",
                f"{name} {version} is installed; Flask-SchemaFlow needs {least} or newer.",
                hint=f"`pip install --upgrade '{name}>={least}'`",
            )


def _least() -> dict[str, str]:
    """The oldest versions that this package says it works with, of what is needed always and of what may be there."""
    try:
        needs = importlib.metadata.requires(_DISTRIBUTION) or []
    except importlib.metadata.PackageNotFoundError:
        return {}
    return {match[1]: match[2] for text in needs if (match := _NEEDS.match(text))}


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])
