"""The one door to modules that are imported on first use.

A web worker registers the ``db`` command group and never runs it, so what it imports names other modules by a string
and imports them through :func:`resolve`. Nothing else in the package imports by a string. Every pytest session imports
this module, through the plugin, so it imports nothing itself.
"""

from __future__ import annotations

import importlib
import typing as t


def resolve(target: str) -> t.Any:
    """Import a module, or one of its attributes.

    :param target: ``package.module`` or ``package.module:attribute``, in full.
    """
    module, _, attribute = target.partition(":")
    imported = importlib.import_module(module)
    return getattr(imported, attribute) if attribute else imported
