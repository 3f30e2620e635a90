"""What ``flask db doctor`` looks at: one module a family of checks.

A check is a function that takes the :class:`~.subject.Subject` and yields findings; it may raise, for what it raises
becomes a finding too. So each one looks at a single thing, in plain code, also where everything around it is broken.
"""

from __future__ import annotations

import functools
import typing as t

from ..errors import SchemaflowError
from ..records import Finding
from . import application
from . import configuration
from . import databases
from . import environments
from . import folders
from . import history
from . import remains
from . import scripts
from . import versions
from .findings import as_finding
from .findings import guarded
from .subject import Subject

Check = t.Callable[[Subject], t.Iterable[Finding]]

CHECKS: tuple[Check, ...] = (
    application.settings,
    application.models,
    folders.place,
    folders.writable,
    configuration.encoding,
    configuration.percent_signs,
    configuration.options,
    configuration.url,
    configuration.logging_sections,
    environments.generation,
    environments.readable,
    environments.arguments_twice,
    environments.databases_left_out,
    scripts.readable,
    scripts.places,
    history.graph,
    history.several_heads,
    databases.reachable,
    remains.made_elsewhere,
    databases.standings,
    remains.leftovers,
    remains.invalid_indexes,
)


def examine(directory: t.Any = None, x_arg: str | t.Sequence[str] | None = None) -> list[Finding]:
    """Look at everything; the findings in the order in which they are to be settled.

    :param directory: another migrations folder than the registered one.
    """
    found = guarded(versions.installed)
    try:
        subject = Subject(directory, x_arg)
    except SchemaflowError as error:
        return [*found, as_finding(error)]
    for check in CHECKS:
        found += guarded(functools.partial(check, subject))
    return list(dict.fromkeys(found))
