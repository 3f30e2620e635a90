"""The application that the doctor examines, with its folder and databases; and errors as findings."""

from __future__ import annotations

import functools
import io
import pathlib
import typing as t

from ..errors import SchemaflowError
from ..extension import current_state
from ..records import Finding
from ..revisions.config import Config
from ..revisions.config import load_config
from ..revisions.location import decode
from ..runtime.environment import Environment
from ..runtime.errors.application import unforeseen
from ..targets import Target


class Subject:
    """The current application; each part of it is read when a check first asks for it.

    :param directory: another migrations folder than the registered one.
    :param x_arg: handed to env.py.
    :ivar reached: the databases that answered, once one has tried.
    :ivar made_elsewhere: the names of those with tables that migrations would make, and at no revision.
    :raises NotRegistered: when the application has no ``Migrate``.
    """

    def __init__(self, directory: t.Any = None, x_arg: str | t.Sequence[str] | None = None) -> None:
        self.state = current_state()
        self.reached: list[Target] = []
        self.made_elsewhere: set[str] = set()
        self._directory = directory
        self._x_arg = x_arg

    @functools.cached_property
    def config(self) -> Config:
        """Alembic's configuration, through the application's callbacks."""
        return load_config(self.state, self._directory, self._x_arg, output_buffer=io.StringIO())

    @property
    def folder(self) -> pathlib.Path:
        """The migrations folder, whether or not it is there."""
        return pathlib.Path(self.config.get_main_option("script_location", "migrations"))

    @functools.cached_property
    def environment(self) -> Environment:
        """The folder as commands see it."""
        return Environment(self.state, self.config)

    @functools.cached_property
    def targets(self) -> list[Target]:
        """The databases."""
        return self.state.targets()

    @property
    def binds_with_models(self) -> list[str]:
        """The databases besides the default one that have models."""
        return [found.name for found in self.targets if found.bind and any(m.tables for m in found.metadatas)]

    @functools.cached_property
    def env(self) -> str | None:
        """The text of env.py, if there is one."""
        return self._text("env.py")

    @functools.cached_property
    def template(self) -> str | None:
        """The text of script.py.mako, if there is one."""
        return self._text("script.py.mako")

    @functools.cached_property
    def ini(self) -> bytes | None:
        """The bytes of alembic.ini, if there is one."""
        path = self.folder / "alembic.ini"
        return path.read_bytes() if path.is_file() else None

    def _text(self, name: str) -> str | None:
        path = self.folder / name
        return decode(path.read_bytes()) if path.is_file() else None


def as_finding(error: Exception) -> Finding:
    """Return the finding for an error that a command would end with, an unforeseen one included."""
    known = error if isinstance(error, SchemaflowError) else unforeseen(error)
    return Finding("error", known.code, known.message, hint=known.hint, details=known.details)


def guarded(check: t.Callable[[], t.Iterable[Finding]]) -> list[Finding]:
    """Run a check and return its findings; an error that it raises becomes the last one."""
    found: list[Finding] = []
    try:
        found.extend(check())
    except Exception as error:
        found.append(as_finding(error))
    return found
