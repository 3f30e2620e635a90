"""Answers to questions that need neither Alembic nor env.py.

Importing Alembic and running env.py costs more than most answers: a readiness check would pay a quarter of
a second for one row. With the packaged env.py, a plain alembic.ini and no callbacks, what env.py would do is
known, so the version table can be read directly and the revision files by their headers. Wherever that is
not certain the answer is ``None``, and the caller takes the long way.
"""

from __future__ import annotations

import pathlib
import re
import typing as t

from ..extension import current_state
from ..extension import Directory
from ..extension import State
from ..patterns import pattern
from .certainty import NotCertain
from .location import governing_pyproject
from .location import locate

if t.TYPE_CHECKING:
    from .light_folder import LightFolder

_TEMPLATE = pathlib.Path(__file__).parent.parent / "templates" / "flask"
_PACKAGED = pattern(
    r"""\s*(?:\"{3}[^"\\]*\"{3})?\s*from\s+flask_schemaflow\s+import\s+run_env\s+run_env\(\)\s*""", re.ASCII
)
# Options of alembic.ini that say nothing about which revisions there are, nor where they are applied.
_HARMLESS = {
    "file_template",
    "here",
    "output_encoding",
    "path_separator",
    "revision_environment",
    "script_location",
    "timezone",
    "truncate_slug_length",
}


Answer = t.TypeVar("Answer")


def lightly(question: t.Callable[[LightFolder], Answer], directory: Directory | None = None) -> Answer | None:
    """The answer to ``question`` about the current application's folder, or ``None`` where only Alembic can tell.

    :param directory: another folder than the registered one.
    :raises SchemaflowError: for what is wrong with the application or its settings.
    """
    state = current_state()
    try:
        folder = _light_folder(state, directory)
        return None if folder is None else question(folder)
    except (NotCertain, OSError, UnicodeDecodeError):
        return None


def _light_folder(state: State, directory: Directory | None) -> LightFolder | None:
    """The folder of ``state`` if everything about it is plain, else ``None``."""
    if state.migrate.configure_callbacks:
        return None
    folder = locate(state.directory if directory is None else directory)
    if not _is_plain(folder) or governing_pyproject(folder) is not None:
        return None
    from .light_folder import LightFolder

    return LightFolder(state, str(folder / "versions"))


def _is_plain(folder: pathlib.Path) -> bool:
    """Whether env.py and alembic.ini say nothing but where the revisions are."""
    if not (folder / "script.py.mako").is_file():
        return False
    if not _is_as_made(folder / "env.py", "env.py") and not _only_runs(folder / "env.py"):
        return False
    return _is_as_made(folder / "alembic.ini", "alembic.ini.mako") or _is_harmless(folder / "alembic.ini")


def _is_as_made(path: pathlib.Path, template: str) -> bool:
    """Whether a file is what ``init`` wrote; comparing is less work than understanding."""
    return path.read_bytes() == (_TEMPLATE / template).read_bytes()


def _only_runs(env: pathlib.Path) -> bool:
    """Whether an env.py that was edited still does nothing but call ``run_env()``."""
    return _PACKAGED.fullmatch(env.read_text("utf-8")) is not None


def _is_harmless(ini: pathlib.Path) -> bool:
    from .ini import read_ini

    parser = read_ini(ini, {"here": ini.parent.as_posix()})
    return parser.has_section("alembic") and set(parser.options("alembic")) <= _HARMLESS
