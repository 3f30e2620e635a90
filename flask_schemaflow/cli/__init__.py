"""The ``flask db`` command group: options, one error boundary, and what people read.

A command parses, calls one function of :mod:`flask_schemaflow.commands`, and shows its record. The group is put
together when somebody asks for it: each command of ``flask`` imports this package for :mod:`.plugin` alone.
"""

from __future__ import annotations

import importlib
import typing as t

if t.TYPE_CHECKING:
    from .assembly import db as db


def __getattr__(name: str) -> t.Any:
    if name == "db":
        return importlib.import_module(".assembly", __name__).db
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
