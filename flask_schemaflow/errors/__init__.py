"""All errors, as one tree of exceptions.

Catching :class:`SchemaflowError` catches all of them; the command line turns each into one sentence, the next step and
an exit status. Each family is a module that is imported when one of its names is first used, so that an application
that never fails never loads the texts.

============  ======================================================
family        what it is about
============  ======================================================
``setup``         SF1xx: the application, the extension, its settings
``folder``        SF2xx: the migrations folder and its files
``revisions``     SF3xx: revision files and their graph
``database``      SF4xx: locks, the version table, servers and their drivers; SF53x: backups
``running``       SF5xx: a migration that failed or can't start; SF54x: the version table
``autogenerate``  SF6xx: questions and refusals of ``migrate``
``upkeep``        SF66x: baseline, rebase, squash, drift
``arguments``     SF7xx: messages, names and ids given to a command
``testing``       SF95x: tests that use the package's fixtures and checks
``linting``       SF9xx: revisions that could not be measured, or have problems
============  ======================================================
"""

from __future__ import annotations

import typing as t

from .._lazy import resolve

if t.TYPE_CHECKING:
    from .arguments import *  # noqa: F403
    from .autogenerate import *  # noqa: F403
    from .database import *  # noqa: F403
    from .folder import *  # noqa: F403
    from .linting import *  # noqa: F403
    from .revisions import *  # noqa: F403
    from .running import *  # noqa: F403
    from .setup import *  # noqa: F403
    from .testing import *  # noqa: F403
    from .upkeep import *  # noqa: F403

FAMILIES = (
    "setup",
    "folder",
    "revisions",
    "database",
    "running",
    "autogenerate",
    "upkeep",
    "arguments",
    "linting",
    "testing",
)


class SchemaflowError(Exception):
    """Base of every error that Flask-SchemaFlow raises on purpose.

    :param message: one sentence that says what is wrong and names it, without a password.
    :param hint: the next step, as a command or code to paste; may have several lines.
    :param details: labelled context, printed as an indented block.

    ``str(error)`` is the message, then the hint. ``exit_code`` is what the command line exits with. A subclass names
    its ``code``, which nothing else has, and its ``exit_code`` in the class statement.
    """

    code: t.ClassVar[str] = "SF000"
    exit_code: t.ClassVar[int] = 1

    def __init_subclass__(cls, code: str = "", exit_code: int = 0) -> None:
        super().__init_subclass__()
        cls.code = code or cls.code
        cls.exit_code = exit_code or cls.exit_code

    def __init__(self, message: str, *, hint: str = "", details: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details = details

    def __str__(self) -> str:
        return "\n".join(part for part in (self.message, self.details, self.hint) if part)


def errors_of(family: str) -> dict[str, type[SchemaflowError]]:
    """Return the errors of one of :data:`FAMILIES` by name."""
    module = resolve(f"{__name__}.{family}")
    return {name: value for name, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__}


def __getattr__(name: str) -> t.Any:
    if not name.startswith("_"):
        for family in FAMILIES:
            if name in (found := errors_of(family)):
                return found[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
