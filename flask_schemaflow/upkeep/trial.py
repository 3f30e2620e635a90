"""A history with other texts in some of its files, on scratch databases: tried before a file is changed."""

from __future__ import annotations

import contextlib
import copy
import os
import shutil
import tempfile
import typing as t

from ..autogenerate.verify.snapshot import Snapshot
from ..errors import SchemaflowError
from ..revisions.edit import replace_files
from ..revisions.scripts import locations_of
from ..revisions.scripts import script_directory
from ..revisions.validation import validated
from ..runtime.environment import Environment
from ..targets import Target
from .scratch import schema_of
from .scratch import scratch_for
from .scratch import ScratchEnvironment


@contextlib.contextmanager
def changed_history(environment: Environment, texts: t.Mapping[str, str | None]) -> t.Iterator[Environment]:
    """Yield the environment over a copy of its revision files, in which some have another text.

    :param texts: by path; ``None`` leaves the file out.
    """
    with tempfile.TemporaryDirectory(prefix="schemaflow-") as folder:
        copies: dict[str, str] = {}
        changed: dict[str, str | None] = {}
        for number, location in enumerate(locations_of(environment.script).paths):
            place = os.path.join(folder, str(number))
            ignore = shutil.ignore_patterns("__pycache__")
            shutil.copytree(location, place, ignore=ignore) if os.path.isdir(location) else os.mkdir(place)
            copies[place] = location
            for path, text in texts.items():
                if os.path.dirname(os.path.realpath(path)).startswith(os.path.realpath(location)):
                    changed[os.path.join(place, os.path.relpath(path, location))] = text
        replace_files(changed)
        other = copy.copy(environment)
        vars(other)["script"] = script_directory(
            environment.config, lambda found: validated(found, environment.folder), list(copies)
        )
        try:
            yield other
        except SchemaflowError as error:
            _name_originals(error, copies)
            raise


def _name_originals(error: SchemaflowError, copies: t.Mapping[str, str]) -> None:
    """Have an error name the files that the reader knows."""
    for place, location in copies.items():
        for attribute in ("message", "details", "hint"):
            setattr(error, attribute, getattr(error, attribute).replace(place, location))


@contextlib.contextmanager
def scratch_with(
    environment: Environment, history: Environment, target: Target, *, filled: bool = False
) -> t.Iterator[ScratchEnvironment]:
    """Yield a scratch database in place of ``target``, for the revisions of ``history``.

    The parameters are those of :func:`.scratch.scratch_for`.
    """
    with scratch_for(environment, target, filled=filled) as scratch:
        vars(scratch)["script"] = history.script
        yield scratch


def schema_in(scratch: ScratchEnvironment) -> Snapshot:
    """Return the schema of a scratch database."""
    with scratch.connect() as connection:
        return schema_of(connection, scratch.options)
