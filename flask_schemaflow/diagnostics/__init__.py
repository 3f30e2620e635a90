"""``flask db doctor``: checks of an application, its migrations folder and its databases, one module for each family.

A check is a function that takes the :class:`~.subject.Subject` and yields findings. It may raise: the error becomes a
finding, and the other checks run all the same.
"""

from __future__ import annotations

import functools
import typing as t

from ..errors import SchemaflowError
from ..records import Finding
from . import application
from . import databases
from . import env_files
from . import folder
from .subject import as_finding
from .subject import guarded
from .subject import Subject

Check = t.Callable[[Subject], t.Iterable[Finding]]

CHECKS: tuple[Check, ...] = (
    application.settings,
    application.models,
    application.creating_tables,
    folder.place,
    folder.writable,
    application.encoding,
    application.percent_signs,
    application.options,
    application.url,
    application.logging_sections,
    env_files.generation,
    env_files.readable,
    env_files.arguments_twice,
    env_files.databases_left_out,
    folder.readable,
    folder.places,
    folder.graph,
    folder.several_heads,
    folder.conflicting_branches,
    databases.reachable,
    databases.made_elsewhere,
    databases.revisions,
    databases.leftovers,
    databases.invalid_indexes,
)


def examine(directory: t.Any = None, x_arg: str | t.Sequence[str] | None = None) -> list[Finding]:
    """Run all checks and return their findings, in the order in which to settle them.

    :param directory: another migrations folder than the registered one.
    """
    found = guarded(application.installed)
    try:
        subject = Subject(directory, x_arg)
    except SchemaflowError as error:
        return [*found, as_finding(error)]
    for check in CHECKS:
        found += guarded(functools.partial(check, subject))
    return list(dict.fromkeys(found))
