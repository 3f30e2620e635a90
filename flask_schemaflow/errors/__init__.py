"""Everything that can go wrong, as one tree of exceptions.

A caller catches :class:`SchemaflowError` and has caught all of them; the command line turns
each into one sentence, the next step and an exit status. The classes live in one module a
family, imported when one of their names is first asked for, so that an application that
never fails never pays for the words.

============  ======================================================
family        what it is about
============  ======================================================
``setup``         SF1xx: the application, the extension, its settings
``folder``        SF2xx: the migrations folder and its files
``revisions``     SF3xx: revision files and their graph
``database``      SF4xx: locks, the version table
``connection``    SF42x: what a server or its driver refused
``running``       SF5xx: a migration that failed, or must not start
``backup``        SF53x: the database could not be saved first
``versions``      SF54x: what the version table says stands in the way
``autogenerate``  SF6xx: questions and refusals of ``migrate``
``arguments``     SF7xx: messages, names and ids given to a command
============  ======================================================
"""

from __future__ import annotations

import importlib
import typing as t

if t.TYPE_CHECKING:
    from .arguments import *  # noqa: F403
    from .autogenerate import *  # noqa: F403
    from .backup import *  # noqa: F403
    from .connection import *  # noqa: F403
    from .database import *  # noqa: F403
    from .folder import *  # noqa: F403
    from .revisions import *  # noqa: F403
    from .running import *  # noqa: F403
    from .setup import *  # noqa: F403
    from .versions import *  # noqa: F403

FAMILIES = (
    "setup",
    "folder",
    "revisions",
    "database",
    "connection",
    "running",
    "backup",
    "versions",
    "autogenerate",
    "arguments",
)


class SchemaflowError(Exception):
    """Base of every error that Flask-SchemaFlow raises on purpose.

    :param message: one sentence that names the thing that is wrong; no password in it.
    :param hint: the next step, a command or code to paste; may have several lines.
    :param details: labelled context, printed as an indented block.

    ``str(error)`` is the message, then the hint. ``exit_code`` is what the command line exits with.
    """

    code: t.ClassVar[str] = "SF000"
    exit_code: t.ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "", details: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details = details

    def __str__(self) -> str:
        return "\n".join(part for part in (self.message, self.details, self.hint) if part)


def __getattr__(name: str) -> t.Any:
    if not name.startswith("_"):
        for family in FAMILIES:
            module = importlib.import_module(f"{__name__}.{family}")
            if name in module.__all__:
                return getattr(module, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
