"""Calls of ``create_all()`` in the application's own files, which create tables that no revision knows."""

from __future__ import annotations

import ast
import os
import pathlib
import typing as t

from flask import Flask

from ..autogenerate.missing_models import application_files

_METHOD = "create_all"


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
