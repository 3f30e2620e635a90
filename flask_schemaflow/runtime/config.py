"""Alembic's ``Config`` for one migrations folder, made the way env.py files expect it."""

from __future__ import annotations

import argparse
import configparser
import pathlib
import typing as t

from alembic import __version__ as _version
from alembic.config import Config as AlembicConfig

from .ini import read_ini
from .location import governing_pyproject
from .location import locate

if t.TYPE_CHECKING:
    from ..extension import Directory
    from ..extension import State

alembic_version = tuple(int("".join(filter(str.isdigit, part)) or 0) for part in _version.split(".")[:3])

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
        return self.template_directory or str(TEMPLATES)

    @property
    def file_config(self) -> configparser.ConfigParser:
        """The parsed alembic.ini; see :mod:`flask_schemaflow.runtime.ini` for what it forgives."""
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
    """The configuration of ``state``'s migrations folder, passed through the ``configure`` callbacks.

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

