"""Whether migrations are what this process is for: asked by applications that query their tables at start-up."""

from __future__ import annotations

import os
import sys

_WITH_VALUE = ("-A", "--app", "-e", "--env-file")


def is_migrating(command: str = "db") -> bool:
    """Whether a command of ``flask db`` runs, also while it only loads the application, or a migration does.

    An application that reads a table while it is made can leave that out then, because the first migration has
    yet to make the table::

        if not is_migrating():
            load_settings_from_database()

    :param command: the name of the command group, where ``Migrate(..., command=...)`` gave it another one.
    """
    running = sys.modules.get(f"{__package__}.runtime.environment")
    if running is not None and running.is_running():
        return True
    if os.path.basename(sys.argv[0]).removesuffix(".exe") == "alembic":
        return True
    return _is_flask(sys.argv[0]) and _first_argument(sys.argv[1:]) == command


def _is_flask(program: str) -> bool:
    """``flask``, or ``python -m flask``, which runs a file of that package."""
    folder, name = os.path.split(program)
    stem = name.removesuffix(".exe").removesuffix("-script.py")
    return stem == "flask" or (name == "__main__.py" and os.path.basename(folder) == "flask")


def _first_argument(arguments: list[str]) -> str:
    waiting = iter(arguments)
    for argument in waiting:
        if argument in _WITH_VALUE:
            next(waiting, None)
        elif not argument.startswith("-"):
            return argument
    return ""
