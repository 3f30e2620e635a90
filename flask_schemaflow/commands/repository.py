"""The migrations folder itself: create it, list its templates, open and renew its files, find what is wrong."""

from __future__ import annotations

import os
import pathlib
import shutil
import tempfile
import typing as t

from alembic.util import CommandError
from alembic.util import template_to_file

from ..diagnostics import examine
from ..diagnostics.folder import replace_files
from ..diagnostics.folder import replaceable
from ..diagnostics.subject import Subject
from ..errors.arguments import InvalidArgument
from ..errors.folder import FolderExists
from ..errors.folder import FolderNotWritable
from ..errors.folder import TemplateBroken
from ..errors.folder import TemplateMissing
from ..extension import current_state
from ..extension import Directory
from ..extension import XArg
from ..records import Finding
from ..records import Renewal
from ..records import Template
from ..records import Written
from ..revisions.config import Config
from ..revisions.config import TEMPLATES
from ..revisions.location import locate
from ..runtime.environment import Environment
from .alembic_answers import one_script


def list_templates() -> list[Template]:
    """Return the templates that :func:`init` takes, by name."""
    readmes = sorted(TEMPLATES.glob("*/README"))
    return [Template(path.parent.name, path.read_text("utf-8").splitlines()[0]) for path in readmes]


def init(
    directory: Directory | None = None,
    multidb: bool = False,
    template: str | None = None,
    package: bool = False,
) -> Written:
    """Create a migrations folder.

    :param directory: where; the registered folder by default.
    :param multidb: accepted as in Flask-Migrate; every template works for one database and for several.
    :param template: the name of a template, or a path to a folder with one.
    :param package: write ``__init__.py`` files, so that the folder can be imported.
    :returns: the files that were written.
    :raises FolderExists: if the folder has files in it.
    :raises FolderNotWritable: if the folder can't be created; no part of it remains.
    :raises TemplateMissing: if there is no such template.
    """
    state = current_state()
    folder = locate(state.directory if directory is None else directory)
    _refuse_existing(folder)
    parent, name = _template(template, multidb)
    config = Config(str(folder / "alembic.ini"), template_directory=parent)
    config.set_main_option("script_location", str(folder))
    config = state.migrate.call_configure_callbacks(config)
    source = pathlib.Path(config.get_template_directory()) / name
    try:
        return Written(paths=_copy_template(source, folder, package))
    except CommandError as error:
        raise TemplateBroken(
            f"The alembic.ini.mako of the template {name!r} can't be rendered. Nothing was written.",
            hint="Fix it. Mako's report is in this file: " + str(error),
        ) from error
    except OSError as error:
        raise FolderNotWritable(
            f"The folder {folder} can't be created: {error.strerror or error}.",
            hint="Free disk space, fix the permissions of the parent folder, or choose another place: "
            "`flask db init --directory OTHER`.",
        ) from error


def _refuse_existing(folder: pathlib.Path) -> None:
    if os.path.isdir(folder) and not any(folder.iterdir()):
        return
    if os.path.exists(folder):
        what = f"The folder {folder} exists and is not empty" if os.path.isdir(folder) else f"{folder} is a file"
        raise FolderExists(
            f"{what}.", hint="Use it as it is, or choose another one: `flask db init --directory OTHER`."
        )


def _copy_template(template: pathlib.Path, folder: pathlib.Path, package: bool) -> tuple[str, ...]:
    """Write everything beside the folder first, so that it is there whole or not at all."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as temporary:
        new = pathlib.Path(temporary) / "new"
        (new / "versions").mkdir(parents=True)
        for path in template.iterdir():
            if path.name == "alembic.ini.mako":
                template_to_file(path, new / "alembic.ini", "utf-8", script_location="%(here)s")
            elif os.path.isfile(path):
                shutil.copyfile(path, new / path.name)
        for place in (new, new / "versions") if package else ():
            (place / "__init__.py").touch()
        os.replace(new, folder)
    return tuple(str(path) for path in sorted(folder.rglob("*")) if os.path.isfile(path))


def _template(template: str | None, multidb: bool) -> tuple[str | None, str]:
    """Return the folder of a template, ``None`` for the packaged ones, and its name."""
    name = template or ("flask-multidb" if multidb else "flask")
    if "/" in name or os.sep in name:
        parent, name = os.path.split(os.path.abspath(name))
        place = pathlib.Path(parent)
    else:
        parent, place = "", TEMPLATES
    if not os.path.isfile(place / name / "env.py"):
        where = f" in {place.absolute()}" if parent else ""
        names = ", ".join(template.name for template in list_templates())
        raise TemplateMissing(
            f"There is no template {name!r}{where}.",
            hint=f"The templates are: {names}. For your own template, use a path: ./my-template.",
        )
    return parent or None, name


def edit(directory: Directory | None = None, revision: str = "current") -> str:
    """Return the absolute path of a revision file, for an editor to open.

    :param directory: the migrations folder, if it isn't the registered one.
    :param revision: an id, ``head``, or ``current`` for the database's current revision.
    :raises InvalidArgument: if ``current`` isn't exactly one revision.
    :raises RevisionError: if there is no such revision.
    """
    if revision != "current":
        return one_script(Environment.open(directory), revision).path
    from .inspection import current

    revisions = [item for record in current(directory) for item in record.revisions]
    paths = {item.path for item in revisions if item.is_known}
    if len(paths) != 1:
        number = f"{len(paths)} revisions" if paths else "no revision"
        number += "" if all(item.is_known for item in revisions) else " of this folder"
        raise InvalidArgument(
            f"The database is at {number}, so `current` is ambiguous.",
            hint="Name the revision: `flask db edit REVISION`; `flask db history` lists them.",
        )
    return paths.pop()


def doctor(directory: Directory | None = None, *, x_arg: XArg = None) -> list[Finding]:
    """Examine the application, its migrations folder and its databases, without changing anything.

    :param directory: the migrations folder, if it isn't the registered one.
    :param x_arg: passed to env.py.
    :returns: errors, warnings and notes, each with its next step.
    """
    return examine(directory, x_arg)


def renewals(directory: Directory | None = None) -> list[Renewal]:
    """Return the files of the migrations folder that the packaged ones could replace; change nothing.

    :param directory: the migrations folder, if it isn't the registered one.
    :returns: each with the difference and the project's own code in it; empty if all are up to date.
    :raises FolderError: if there is no migrations folder.
    """
    return replaceable(Subject(directory))


def renew(wanted: t.Sequence[Renewal]) -> Written:
    """Replace the files, and keep a copy of each beside it.

    :param wanted: some of the files that :func:`renewals` returned.
    :returns: the files that were written, with a notice for each copy.
    :raises FolderNotWritable: names the file that can't be replaced.
    """
    done = replace_files(wanted)
    return Written(
        paths=tuple(path for path, _ in done),
        notices=tuple(f"Copied the old file to {copy}" for _, copy in done if copy),
        difference="".join(item.difference for item in wanted),
    )
