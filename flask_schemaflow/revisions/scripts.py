"""Alembic's script directory, reading revision files without running each of them.

Everything that Alembic can do with a :class:`alembic.script.ScriptDirectory` works on this one, with the
same answers; only the work differs. A file whose header is certain is run when its ``module`` is first
wanted, usually because its ``upgrade()`` is about to be called.
"""

from __future__ import annotations

import importlib.util
import os
import pathlib
import types
import typing as t

from alembic import util
from alembic.config import Config
from alembic.script import Script
from alembic.script import ScriptDirectory
from alembic.script.revision import Revision
from alembic.script.revision import RevisionMap

from .. import errors
from ..alembic_private import is_checked_release
from ..alembic_private import load_file
from ..alembic_private import load_files
from .files import find_files
from .files import Locations

if t.TYPE_CHECKING:
    from .headers import Header

__all__ = [
    "HeaderScript",
    "flat_folder",
    "locations_of",
    "script_directory",
]


Inspect = t.Callable[[t.Iterable[Script]], t.Iterable[Script]]


def script_directory(
    config: Config, inspect: Inspect = iter, locations: t.Sequence[str] | None = None
) -> ScriptDirectory:
    """Return Alembic's script directory for *config*, over revision files that are run only when that is needed.

    With a release of Alembic that wasn't checked, Alembic loads the files.

    :param inspect: gets the revisions when they are first wanted, and passes them on or refuses them.
    :param locations: other folders of revision files than those of ``config``.
    :raises alembic.util.CommandError: as ``ScriptDirectory.from_config()``.
    """
    script = ScriptDirectory.from_config(config)
    if locations is not None:
        script.version_locations = list(locations)
    script.revision_map = RevisionMap(lambda: inspect(_load(script)))
    return script


def locations_of(script: ScriptDirectory) -> Locations:
    """Return where a script directory looks for revision files."""
    return Locations(_paths(script), script.recursive_version_locations, script.sourceless)


def flat_folder(script: ScriptDirectory) -> str | None:
    """Return the one folder of revision files, or ``None`` if there are several or Alembic loads them."""
    paths = _paths(script)
    if len(paths) > 1 or script.recursive_version_locations or script.sourceless or not is_checked_release():
        return None
    return paths[0]


def _paths(script: ScriptDirectory) -> tuple[str, ...]:
    named = [str(util.coerce_resource_to_filename(path).absolute()) for path in script.version_locations]
    return tuple(named or [os.path.abspath(os.path.join(script.dir, "versions"))])


class HeaderScript(Script):
    """A revision that is known by its header; its file runs when :attr:`module` is first read.

    :param header: a static header.
    """

    _module: types.ModuleType

    def __init__(self, header: Header) -> None:
        self._header = header
        known = types.ModuleType("header")
        vars(known).update(header.values())
        super().__init__(known, header.revision, header.path)
        # The constructor has set what the header says; the file itself wasn't run.
        del self._module

    @property
    def module(self) -> types.ModuleType:
        """The file's module.

        :raises Exception: what the file raises when it is run; reading it again runs it again.
        :raises RevisionChanged: if the file doesn't say any more what its header said.
        """
        if "_module" not in vars(self):
            # Another thread may have been faster; setdefault() lets all see the same module.
            vars(self).setdefault("_module", _run(self._header))
        return self._module

    @module.setter
    def module(self, module: types.ModuleType) -> None:
        self._module = module

    def release(self) -> None:
        """Drop the module; the next access runs the file again."""
        vars(self).pop("_module", None)

    @property
    def longdoc(self) -> str:
        """The docstring, which needn't run the file."""
        return (self._header.doc or "").strip()


def _load(script: ScriptDirectory) -> t.Iterator[Script]:
    """Yield the revisions in Alembic's order; what isn't certain is loaded by Alembic itself."""
    from .headers import read_headers

    locations = locations_of(script)
    reading = read_headers(locations) if is_checked_release() else None
    if reading is None or not reading.plain:
        listing = find_files(locations)
        for link in listing.dangling:
            raise errors.RevisionFileBroken(
                f"The revision file {link} is a link to {os.readlink(link)}, which does not exist.",
                hint="Restore that file, or delete the link.",
            )
        yield from load_files(script, (file.path for _, files in listing.groups for file in files))
        return
    for header in reading.headers:
        revision = HeaderScript(header) if header.static else load_file(script, header.path)
        if revision is not None:
            yield revision


def _module_name(path: str) -> str:
    """Return the name that Alembic gives to a revision's module."""
    return "".join(char if char.isalnum() or char == "_" else "_" for char in os.path.basename(path))


def _run(header: Header) -> types.ModuleType:
    """Run the file and make sure that its header was read rightly.

    Bytecode is trusted by the second and the size, so a file that was changed twice within a second may run
    in its older form; then it is compiled from its text.
    """
    folder, name = os.path.split(header.path)
    module = util.load_python_file(folder, name)
    if _agrees(module, header):
        return module
    module = _run_source(header.path)
    if not _agrees(module, header):
        raise errors.RevisionChanged(
            f"The file {name} no longer has the revision identifiers that were read from it.",
            hint="Run the command again; if that doesn't help, assign plain strings to them in the file.",
        )
    return module


def _run_source(path: str) -> types.ModuleType:
    spec = importlib.util.spec_from_file_location(_module_name(path), path)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    code = compile(pathlib.Path(path).read_bytes(), path, "exec", dont_inherit=True)
    exec(code, vars(module))
    return module


def _agrees(module: types.ModuleType, header: Header) -> bool:
    from .static_parser import ABSENT
    from .static_parser import NAMES

    return header.assigned == tuple([getattr(module, name, ABSENT) for name in NAMES])


def ids(value: str | t.Iterable[str] | None) -> tuple[str, ...]:
    """Return a tuple of one id, several or none, as a revision file writes them."""
    return () if value is None else (value,) if isinstance(value, str) else tuple(value)


def parents(revision: Revision) -> tuple[str, ...]:
    """Return the ids that a revision follows, without those it only depends on."""
    return ids(revision.down_revision)


def oldest_first(script: ScriptDirectory) -> list[Script]:
    """Return all revisions of a folder, each after those that it follows."""
    return list(reversed(list(script.walk_revisions())))
