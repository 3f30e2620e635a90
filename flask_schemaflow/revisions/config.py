"""Alembic's ``Config`` for one migrations folder, made the way env.py files expect it, and checks of the folder."""

from __future__ import annotations

import argparse
import configparser
import importlib.util
import os
import pathlib
import shlex
import typing as t

from alembic import __version__ as _version
from alembic.config import Config as AlembicConfig

from .. import errors
from .location import governing_pyproject
from .location import locate
from .location import read_ini

if t.TYPE_CHECKING:
    from ..extension import Directory
    from ..extension import State


alembic_version: tuple[int, ...] = tuple(
    int("".join(filter(str.isdigit, part)) or 0) for part in _version.split(".")[:3]
)

TEMPLATES = pathlib.Path(__file__).parent.parent / "templates"


class Config(AlembicConfig):
    """Alembic's ``Config`` with our templates and a tolerant reader.

    :param template_directory: a folder of templates of the reader's own.
    """

    def __init__(self, *args: t.Any, template_directory: str | None = None, **kwargs: t.Any) -> None:
        self.template_directory = template_directory
        self._parsed: configparser.ConfigParser | None = None
        super().__init__(*args, **kwargs)

    def get_template_directory(self) -> str:
        """Return the folder of the templates."""
        return self.template_directory or str(TEMPLATES)

    @property
    def file_config(self) -> configparser.ConfigParser:
        """The parsed alembic.ini; see :mod:`flask_schemaflow.revisions.location` for what it accepts."""
        if self._parsed is None:
            path = pathlib.Path(self.config_file_name) if self.config_file_name else None
            here = path.absolute().parent if path else pathlib.Path()
            self.config_args["here"] = here.as_posix()
            self._parsed = read_ini(path, self.config_args)
            if not self._parsed.has_section(self.config_ini_section):
                self._parsed.add_section(self.config_ini_section)
        return self._parsed


def load_config(
    state: State,
    directory: Directory | None = None,
    x_arg: str | t.Sequence[str] | None = None,
    opts: t.Sequence[str] | None = None,
    **kwargs: t.Any,
) -> Config:
    """Return the configuration of ``state``'s migrations folder, passed through the ``configure`` callbacks.

    :param x_arg: values for ``context.get_x_argument()``.
    :param opts: names that are true in ``config.cmd_opts``, such as ``autogenerate``.
    :param kwargs: further arguments of Alembic's ``Config``.
    """
    folder = locate(state.directory if directory is None else directory)
    config = Config(str(folder / "alembic.ini"), toml_file=governing_pyproject(folder), **kwargs)
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    values = [x_arg] if isinstance(x_arg, str) else list(x_arg or ())
    # quiet: Alembic prints "Generating ..." itself otherwise, and only the command line prints here.
    config.cmd_opts = argparse.Namespace(x=values, quiet=True, **dict.fromkeys(opts or (), True))
    return state.migrate.call_configure_callbacks(config)


_DEEP = 2  # folders below the working directory in which a migrations folder is looked for
_PASSED_OVER = {"__pycache__", "node_modules", "site-packages", "venv", "env", "build", "dist"}
_TOPS = (".git", ".hg", "pyproject.toml", "setup.py", "setup.cfg", "requirements.txt")  # in the top folder of a project


def require_repository(config: Config) -> pathlib.Path:
    """Return the folder of ``config``, if it is a migrations folder.

    :raises FolderMissing: when there is no such folder.
    :raises FileMissing: when one of its files is missing.
    """
    folder = pathlib.Path(config.get_main_option("script_location", "migrations"))
    if not os.path.isdir(folder):  # pathlib raises for a name that is too long; os.path says no
        raise _missing(folder)
    if not _has_bytecode(folder, config):
        _require(folder, "env.py")
    return folder


def _has_bytecode(folder: pathlib.Path, config: Config) -> bool:
    """Return whether Alembic runs the bytecode of an env.py whose source was left out of a deployment.

    Without ``sourceless`` the bytecode in ``__pycache__`` is what remains of an env.py that was deleted.
    """
    if os.path.isfile(folder / "env.py"):
        return False
    if os.path.isfile(folder / "env.pyc"):
        return True
    sourceless = (config.get_main_option("sourceless") or "").lower() == "true"
    return sourceless and os.path.isfile(importlib.util.cache_from_source(str(folder / "env.py")))


def require_template(folder: pathlib.Path) -> None:
    """Only who writes a revision needs its template.

    :raises FileMissing: when it isn't there.
    """
    _require(folder, "script.py.mako")


def _require(folder: pathlib.Path, name: str) -> None:
    if not os.path.isfile(folder / name):
        raise errors.FileMissing(
            f"The migrations folder {folder} has no {name}.",
            hint=f"Get it back from version control, `git checkout -- {folder / name}`, or copy it from a new folder: "
            f"`flask db init --directory NEW`.",
        )


def _missing(folder: pathlib.Path) -> errors.FolderMissing:
    if os.path.exists(folder):
        return errors.FolderMissing(
            f"{folder} is a file, not a migrations folder.",
            hint="Move it away, or name another folder: `flask db init --directory PATH`.",
        )
    near = [path for path in nearby() if path != folder]
    if near:
        return errors.FolderMissing(
            f"There is no migrations folder at {folder}.",
            details="There are migrations nearby:\n" + "\n".join(f"  {path}" for path in near),
            hint=f"Use it: `flask db --directory {shlex.quote(os.path.relpath(near[0]))} ...`, or change to its "
            "project directory. To start a new folder, run `flask db init`.",
        )
    return errors.FolderMissing(
        f"There is no migrations folder at {folder}.",
        hint="Run `flask db init` to create it, or use another one with `flask db --directory PATH`.",
    )


def nearby() -> list[pathlib.Path]:
    """Return the migrations folders of the working directory's project: where env.py and versions/ or alembic.ini are.

    Above the working directory only folders of the same project count, so that nobody is sent to somebody else's.
    """
    here = pathlib.Path.cwd()
    above = list(here.parents)[:3]
    tops = [number for number, path in enumerate([here, *above]) if any(os.path.exists(path / name) for name in _TOPS)]
    parents = above[: tops[0]] if tops else []
    places = [path for parent in parents for path in (parent, *_children(parent))]
    places += [parent / "migrations" for parent in above if parent not in parents]
    level = [here]
    for _ in range(_DEEP):
        level = [child for path in level for child in _children(path)]
        places += level
    return sorted({path for path in places if _is_repository(path)}, key=lambda path: (len(path.parts), path))


def _children(path: pathlib.Path) -> list[pathlib.Path]:
    try:
        with os.scandir(path) as found:
            names = [entry.name for entry in found if entry.is_dir() and not entry.name.startswith(".")]
    except OSError:
        return []
    return [path / name for name in names[:200] if name not in _PASSED_OVER]


def _is_repository(path: pathlib.Path) -> bool:
    try:
        env = os.path.isfile(path / "env.py") or os.path.isfile(path / "env.pyc")
        return env and (os.path.isdir(path / "versions") or os.path.isfile(path / "alembic.ini"))
    except OSError:
        return False
