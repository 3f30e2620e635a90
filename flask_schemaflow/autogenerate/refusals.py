"""The words with which ``migrate`` refuses to drop tables whose models are missing."""

from __future__ import annotations

import typing as t

from ..errors.autogenerate import EverythingDropped
from ..errors.autogenerate import ModelsNotImported
from .missing_models import ModelModule
from .operations import Key
from .operations import label

_MOST_NAMES = 12
_WAY_ON = (
    "If the tables are to go all the same: `flask db migrate --allow-drops`, or --drop TABLE for one of them. "
    "If they belong to somebody else, name them in SCHEMAFLOW_IGNORE_TABLES."
)


def everything_dropped(
    database: str, tables: t.Sequence[Key], has_models: bool, modules: t.Sequence[ModelModule]
) -> EverythingDropped:
    """No table of a database would be left.

    :param has_models: whether there are models for it at all.
    :param modules: what could have been forgotten.
    """
    reason = "none of them has a model" if has_models else "no model was imported"
    which = "all of its tables" if len(tables) > 1 else "its only table"
    return EverythingDropped(
        f"The {database} database would lose {which}, because {reason}: {_names(tables)}. Nothing was written.",
        details=_listed(modules),
        hint=f"{_cure(modules)}\n{_WAY_ON}",
    )


def models_not_imported(modules: t.Sequence[ModelModule], tables: t.Sequence[Key]) -> ModelsNotImported:
    """Some tables would be dropped that a module defines which was not imported."""
    defined = {name for module in modules for name in module.tables}
    gone = [key for key in tables if key[1] in defined]
    many = "tables" if len(gone) > 1 else "table"
    return ModelsNotImported(
        f"The {many} {_names(gone)} would be dropped, only because the model was not imported. Nothing was written.",
        details=_listed(modules),
        hint=f"{_cure(modules)}\n{_WAY_ON}",
    )


def no_models(modules: t.Sequence[ModelModule]) -> str:
    """A notice for a comparison with no models at all."""
    listed = _listed(modules)
    return "No model was imported, so there was nothing to compare with. " + _cure(modules) + (listed and f"\n{listed}")


def _names(tables: t.Sequence[Key]) -> str:
    shown = [label(key) for key in tables[:_MOST_NAMES]]
    rest = len(tables) - len(shown)
    return ", ".join(shown) + (f" and {rest} more" if rest else "")


def _listed(modules: t.Sequence[ModelModule]) -> str:
    if not modules:
        return ""
    return "\n".join(["These modules look like models and were not imported:", *(f"    {m}" for m in modules)])


def _cure(modules: t.Sequence[ModelModule]) -> str:
    if not modules:
        return "Import the modules with the models where the application is made."
    return f"Import them where the application is made, for example: import {modules[0].name}"
