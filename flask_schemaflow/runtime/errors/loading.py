"""Explain files of the migrations folder that can't be loaded: revision files, env.py, the template, alembic.ini."""

from __future__ import annotations

import contextlib
import errno
import linecache
import os
import pathlib
import re
import tokenize
import traceback
import typing as t

from mako.exceptions import MakoException

from ...errors import folder as errors
from ...errors import SchemaflowError
from ...errors.folder import ConfigurationBroken
from ...errors.folder import NEEDS_PERMISSION
from ...errors.revisions import IdentifiersMissing
from ...errors.revisions import RevisionFileBroken
from ...redaction import scrub
from .lines import advice_on_line
from .lines import arose_in
from .lines import Place
from .lines import place_below
from .lines import words_of

if t.TYPE_CHECKING:
    from . import Failure


# Calls in env.py that start the work, whose errors arise elsewhere.
ENTRANCES = ("run_env()", "context.run_migrations(", "run_migrations_online()", "run_migrations_offline()")
_REPORT = re.compile(r"see (?P<path>\S+\.txt) for a")
_FIX_ENV = "Run `flask db doctor --fix` to compare env.py with the current template and replace it. It keeps a copy."


def broken_revision_file(error: BaseException, place: Place) -> SchemaflowError:
    """Return the error for a revision file that failed outside of its functions."""
    advice = advice_on_line(error, place, "run the command again")
    return RevisionFileBroken(
        f"The revision file {place} can't be loaded: {words_of(error)}",
        details=f"  {place.code}" if place.code else "",
        hint=advice if isinstance(error, ModuleNotFoundError) else f"{advice} Nothing was changed.",
    )


def broken_environment(error: BaseException, place: Place, words: str = "") -> SchemaflowError:
    """Return the error for an env.py that failed."""
    hint = f"Fix that line. {_FIX_ENV}"
    if isinstance(error, ModuleNotFoundError) and error.name:
        hint = advice_on_line(error, place, "run the command again")
    elif not words and not arose_in(error, place.path):
        hint = f"If the line is right, `flask db --traceback ...` shows what failed below it. {_FIX_ENV}"
    return errors.EnvironmentBroken(
        f"{place} failed: {words or words_of(error)}", details=f"  {place.code}" if place.code else "", hint=hint
    )


def idle_environment(folder: pathlib.Path) -> SchemaflowError:
    """Return the error for an env.py that ended without a single database."""
    return errors.EnvironmentBroken(
        f"{folder / 'env.py'} never calls context.run_migrations() or run_env().",
        hint=f"Restore it from version control. {_FIX_ENV}",
    )


def missing_identifiers(filename: str, folder: pathlib.Path) -> SchemaflowError:
    """Return the error for a file among the revisions that has no identifiers."""
    path = next((path for path in folder.rglob(filename)), folder / filename)
    return IdentifiersMissing(
        f"{path} has no `revision`.",
        hint='Add `revision = "ID"` and `down_revision = "ID"` or `None`, or move the file out of the folder.',
    )


def broken_template(message: str, folder: pathlib.Path) -> SchemaflowError:
    """Return the error for a script.py.mako that failed.

    Alembic leaves its report in a temporary file, which is read and removed.
    """
    report, text = _REPORT.search(message), ""
    if report is not None:
        with contextlib.suppress(OSError):
            path = pathlib.Path(report.group("path"))
            text = path.read_text("utf-8", "replace").strip()
            path.unlink()
    numbers = re.findall(rf'File "{re.escape(str(folder / "script.py.mako"))}", line (\d+)', text)
    line = int(numbers[-1]) if numbers else None
    return _template_broken(folder, line, text.rpartition("\n")[2] or "its code has an error")


def unreadable_template(error: BaseException, folder: pathlib.Path) -> SchemaflowError:
    """Return the error for a script.py.mako that Mako can't read."""
    words = re.sub(r" in file '.*' at line: \d+ char: \d+|^Fragment.*", "", str(error)).strip()
    return _template_broken(folder, getattr(error, "lineno", None), words)


def _template_broken(folder: pathlib.Path, line: int | None, words: str) -> SchemaflowError:
    template = folder / "script.py.mako"
    where = f"{template}, line {line}," if line else f"{template}"
    linecache.checkcache(str(template))
    text = linecache.getline(str(template), line).strip() if line else ""
    if words == "NameError: Undefined":
        words = "it uses an undefined name"
    return errors.TemplateBroken(
        f"The template {where} can't be rendered: {scrub(words.rstrip('.'))}.",
        details=f"  {scrub(text)}" if text else "",
        hint="Fix it, or copy a new one from a folder that `flask db init --directory OTHER` creates.",
    )


def file_refused(error: OSError, folder: pathlib.Path) -> SchemaflowError:
    """Return the error for a file or folder that the operating system refuses to read or write."""
    path = error.filename if isinstance(error.filename, (str, os.PathLike)) else folder
    hint = NEEDS_PERMISSION
    if isinstance(error, FileNotFoundError):
        hint = "Restore it from version control, or create it."
    elif error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        hint = "Free some space on that disk and run the command again."
    return errors.FolderNotWritable(
        f"{os.fspath(path)} can't be read or written: {error.strerror or error}.", hint=hint
    )


def loading_error(error: BaseException, folder: pathlib.Path, versions: list[str]) -> SchemaflowError | None:
    """Return the error for a file of the migrations folder that failed outside of a running step."""
    if isinstance(error, MakoException):
        return unreadable_template(error, folder)
    damaged = _damaged(error, folder, versions)
    place = damaged or place_below(error, versions)
    if place is not None and place.path != str(folder / "env.py"):
        return broken_revision_file(error, place)
    place = damaged or place_below(error, [folder / "env.py"])
    if place is None:
        return None
    if isinstance(error, (SyntaxError, UnicodeDecodeError)):
        return broken_environment(error, place)
    if place.code.startswith("fileConfig("):
        return errors.ConfigurationBroken(
            f"The logging sections of {folder / 'alembic.ini'} can't be applied: {words_of(error)}.",
            hint="Fix them, or leave logging to the application: SCHEMAFLOW_LOGGING = False.",
        )
    if place.code.startswith("context.") and _not_configured(error):
        return broken_environment(error, place, "context.configure() was not called before it.")
    own = not place.code.startswith(ENTRANCES) or arose_in(error, place.path)
    return broken_environment(error, place) if own else None


def _damaged(error: BaseException, folder: pathlib.Path, versions: list[str]) -> Place | None:
    """Return the place of bytes that aren't text, for which Python names no file."""
    silent = isinstance(error, UnicodeDecodeError) or "null bytes" in str(error)
    if not silent or getattr(error, "filename", None):
        return None
    revisions = [path for location in versions for path in sorted(pathlib.Path(location).rglob("*.py"))]
    for path in [*revisions, folder / "env.py"]:
        at = _first_odd_byte(path)
        if at is not None:
            return Place(str(path), at + 1)
    return None


def _first_odd_byte(path: pathlib.Path) -> int | None:
    """Return the number of the line, from 0, with the first invalid byte."""
    raw = b""
    try:
        raw = path.read_bytes()
        with open(path, "rb") as file:
            encoding = tokenize.detect_encoding(file.readline)[0]
        raw.decode(encoding)
    except UnicodeDecodeError as error:
        return raw[: error.start].count(b"\n")
    except (OSError, SyntaxError):
        return 0 if path.is_file() else None
    return raw[: raw.index(b"\0")].count(b"\n") if b"\0" in raw else None


def _not_configured(error: BaseException) -> bool:
    """Return true if Alembic has no context yet; its other assertions have words."""
    return (isinstance(error, AssertionError) and not str(error)) or "No context has been configured" in str(error)


def unusable_option(error: BaseException, failure: Failure) -> ConfigurationBroken | None:
    """Return the error for an option of alembic.ini; Alembic fails on its value and names neither option nor file."""
    frames = traceback.extract_tb(error.__traceback__)
    if failure.repository is None or not any(frame.name in _READERS for frame in frames):
        return None
    config = failure.repository.config
    names = config.file_config.options(config.config_ini_section)
    options = {name: config.get_main_option(name) or "" for name in names}
    named = [name for name, value in options.items() if value and repr(value) in str(error)]
    named += [name for frame in frames if (name := _READERS.get(frame.name, "")) in options]
    what = f"The option {named[0]} = {options[named[0]]}" if named else "An option"
    return ConfigurationBroken(
        f"{what} in {failure.folder / 'alembic.ini'} is invalid: {words_of(error)}.",
        hint="Fix or remove it; Alembic's documentation lists the valid values.",
    )


# Functions of Alembic that read options (when the folder is opened, when a new file is named and written), and the one
# option of which each error of such a function speaks.
_READERS = {"from_config": "", "_rev_path": "file_template", "template_to_file": "output_encoding"}
