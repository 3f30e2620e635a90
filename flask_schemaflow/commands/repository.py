"""The migrations folder itself: make it, list its templates, open one of its files."""

from __future__ import annotations

import os
import pathlib
import shutil
import tempfile

from alembic.util import CommandError
from alembic.util import template_to_file

from ..errors.arguments import InvalidArgument
from ..errors.folder import FolderExists
from ..errors.folder import FolderNotWritable
from ..errors.folder import TemplateBroken
from ..errors.folder import TemplateMissing
from ..extension import current_state
from ..extension import Directory
from ..records import Template
from ..records import Written
from ..runtime.config import Config
from ..runtime.config import TEMPLATES
from ..runtime.environment import Environment
from ..runtime.location import locate
from .selection import one_script


def list_templates() -> list[Template]:
    """The templates that :func:`init` takes, by name."""
    found = [path for path in sorted(TEMPLATES.iterdir()) if (path / "README").is_file()]
    return [Template(path.name, (path / "README").read_text("utf-8").splitlines()[0]) for path in found]


def init(
    directory: Directory | None = None,
    multidb: bool = False,
    template: str | None = None,
    package: bool = False,
) -> Written:
    """Make a migrations folder.

    :param directory: where; the registered folder by default.
    :param multidb: kept for Flask-Migrate's users: one template serves one database and many.
    :param template: the name of a template, or a path to a folder with one.
    :param package: whether to write ``__init__.py`` files, so that the folder can be imported.
    :returns: the files that were written.
    :raises FolderExists: when the folder has files in it.
    :raises FolderNotWritable: when it can't be made; nothing is left of it.
    :raises TemplateMissing: when there is no such template.
    """
    state = current_state()
    folder = locate(state.directory if directory is None else directory)
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        what = f"The folder {folder} exists and is not empty" if folder.is_dir() else f"{folder} is a file"
        raise FolderExists(
            f"{what}.", hint="Use it as it is, or choose another one: `flask db init --directory OTHER`."
        )
    parent, name = _template(template, multidb)
    config = Config(str(folder / "alembic.ini"), template_directory=parent)
    config.set_main_option("script_location", str(folder))
    config = state.migrate.call_configure_callbacks(config)
    try:
        return Written(paths=_make(pathlib.Path(config.get_template_directory()) / name, folder, package))
    except CommandError as error:
        raise TemplateBroken(
            f"The alembic.ini.mako of the template {name!r} can't be rendered; nothing was made.",
            hint="Correct it; Mako's report is in the file that is named here: " + str(error),
        ) from error
    except OSError as error:
        raise FolderNotWritable(
            f"The folder {folder} can't be made: {error.strerror or error}.",
            hint="Make room or correct the permissions where it is to be, or choose another place: "
            "`flask db init --directory OTHER`.",
        ) from error


def _make(template: pathlib.Path, folder: pathlib.Path, package: bool) -> tuple[str, ...]:
    """Write everything beside the folder first, so that it is there whole or not at all."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as temporary:
        new = pathlib.Path(temporary) / "new"
        (new / "versions").mkdir(parents=True)
        for path in template.iterdir():
            if path.name == "alembic.ini.mako":
                template_to_file(path, new / "alembic.ini", "utf-8", script_location="%(here)s")
            elif path.is_file():
                shutil.copyfile(path, new / path.name)
        for place in (new, new / "versions") if package else ():
            (place / "__init__.py").touch()
        os.replace(new, folder)
    return tuple(str(path) for path in sorted(folder.rglob("*")) if path.is_file())


def _template(template: str | None, multidb: bool) -> tuple[str | None, str]:
    name = template or ("flask-multidb" if multidb else "flask")
    if "/" in name or os.sep in name:
        parent, name = os.path.split(os.path.normpath(name))
        place = pathlib.Path(parent)
    else:
        parent, place = "", TEMPLATES
    if not (place / name / "env.py").is_file():
        where = f" in {place.absolute()}" if parent else ""
        names = ", ".join(template.name for template in list_templates())
        raise TemplateMissing(
            f"There is no template {name!r}{where}.",
            hint=f"The templates are: {names}. A folder of your own is given as a path: ./my-template.",
        )
    return parent or None, name


def edit(directory: Directory | None = None, revision: str = "current") -> str:
    """The path of a revision file, for an editor to open.

    :param directory: the migrations folder, where it isn't the registered one.
    :param revision: an id, ``head``, or ``current`` for the one that the database is at.
    :returns: the absolute path.
    :raises InvalidArgument: when ``current`` is no single revision.
    :raises RevisionError: when there is no such revision.
    """
    if revision != "current":
        return one_script(Environment.open(directory), revision).path
    from .reading import current

    found = {item.path for record in current(directory) for item in record.revisions}
    if len(found) != 1:
        number = f"{len(found)} revisions" if found else "no revision"
        raise InvalidArgument(
            f"The database is at {number}, so `current` names no single file.",
            hint="Name the revision: `flask db edit REVISION`; `flask db history` lists them.",
        )
    return found.pop()
