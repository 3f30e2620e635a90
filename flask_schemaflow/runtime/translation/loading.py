"""Files of the migrations folder that can't be loaded: revision files, env.py, the template."""

from __future__ import annotations

import errno
import linecache
import os
import pathlib
import re
import tokenize
import traceback

from mako.exceptions import MakoException

from ...errors import folder as errors
from ...errors import SchemaflowError
from ...errors.revisions import IdentifiersMissing
from ...errors.revisions import RevisionFileBroken
from ...patterns import pattern
from ...redaction import scrub
from .places import Place
from .places import place_below
from .places import words_of

# Where env.py only calls what does the work, the mistake is not there.
ENTRANCES = ("run_env()", "context.run_migrations(", "run_migrations_online()", "run_migrations_offline()")
_REPORT = pattern(r"see (?P<path>\S+\.txt) for a")


def broken_revision_file(error: BaseException, place: Place) -> SchemaflowError:
    """A revision file that failed outside of its functions."""
    return RevisionFileBroken(
        f"The revision file {place} can't be loaded: {words_of(error)}",
        details=f"  {place.code}" if place.code else "",
        hint=_import_hint(error) or "Correct that line and run the command again; nothing was changed.",
    )


def broken_environment(error: BaseException, place: Place, words: str = "") -> SchemaflowError:
    """An env.py that failed."""
    return errors.EnvironmentBroken(
        f"{place} failed: {words or words_of(error)}",
        details=f"  {place.code}" if place.code else "",
        hint=_import_hint(error)
        or "Correct that line. `flask db doctor --fix` writes an env.py that leaves the work to Flask-SchemaFlow, "
        "after it has shown the difference.",
    )


def broken_logging(error: BaseException, folder: pathlib.Path) -> SchemaflowError:
    """The logging sections of alembic.ini, which an env.py of Flask-Migrate or Alembic applies."""
    return errors.ConfigurationBroken(
        f"The logging sections of {folder / 'alembic.ini'} can't be applied: {words_of(error)}.",
        hint="Correct them, or leave logging to the application: SCHEMAFLOW_LOGGING = False.",
    )


def idle_environment(folder: pathlib.Path) -> SchemaflowError:
    """An env.py that came to its end without a single database."""
    return errors.EnvironmentBroken(
        f"{folder / 'env.py'} ran no migration: nothing in it calls context.run_migrations() or run_env().",
        hint="Get it back from version control. `flask db doctor --fix` writes an env.py that leaves the work to "
        "Flask-SchemaFlow, after it has shown the difference.",
    )


def missing_identifiers(filename: str, folder: pathlib.Path) -> SchemaflowError:
    """A file among the revisions without the variables that make it one."""
    found = next((path for path in folder.rglob(filename)), folder / filename)
    return IdentifiersMissing(
        f"The file {found} doesn't say which revision it is: it has no variable `revision`.",
        hint='Write its id and what it follows, `revision = "ID"` and `down_revision = "ID"` or `None`, '
        "or move the file out of the folder.",
    )


def broken_template(message: str, folder: pathlib.Path) -> SchemaflowError:
    """A script.py.mako that failed; Alembic leaves its report in a temporary file, which is read and removed."""
    found = _REPORT.search(message)
    template = folder / "script.py.mako"
    linecache.checkcache(str(template))
    lines: list[str] = []
    if found is not None:
        path = pathlib.Path(found.group("path"))
        try:
            lines = [line for line in path.read_text("utf-8", "replace").splitlines() if line.strip()]
            path.unlink()
        except OSError:
            pass
    numbers = [re.search(rf'File "{re.escape(str(template))}", line (\d+)', line) for line in lines]
    line = next((int(number.group(1)) for number in reversed(numbers) if number), None)
    return _template_broken(folder, line, lines[-1] if lines else "its code has an error")


def unreadable_template(error: BaseException, folder: pathlib.Path) -> SchemaflowError:
    """A script.py.mako that Mako can't even read."""
    words = re.sub(r" in file '.*' at line: \d+ char: \d+|^Fragment.*", "", str(error)).strip()
    return _template_broken(folder, getattr(error, "lineno", None), words)


def _template_broken(folder: pathlib.Path, line: int | None, words: str) -> SchemaflowError:
    template = folder / "script.py.mako"
    where = f"{template}, line {line}," if line else f"{template}"
    text = linecache.getline(str(template), line).strip() if line else ""
    if words == "NameError: Undefined":
        words = "it uses a name that Alembic doesn't give it"
    return errors.TemplateBroken(
        f"The template {where} can't be rendered: {scrub(words.rstrip('.'))}.",
        details=f"  {scrub(text)}" if text else "",
        hint="Correct it, or copy a new one from a folder that `flask db init --directory OTHER` makes.",
    )


def file_refused(error: OSError, folder: pathlib.Path) -> SchemaflowError:
    """A file or folder that the operating system doesn't let us read or write."""
    path = error.filename if isinstance(error.filename, (str, os.PathLike)) else folder
    hint = "Correct the permissions of the file and its folder, or run the command as their owner."
    if isinstance(error, FileNotFoundError):
        hint = "Get it back from version control, or make it."
    elif error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        hint = "Make room on that disk and run the command again."
    return errors.FolderNotWritable(
        f"{os.fspath(path)} can't be read or written: {error.strerror or error}.", hint=hint
    )


def loading_error(error: BaseException, folder: pathlib.Path, versions: list[str]) -> SchemaflowError | None:
    """The error that fits if ``error`` arose in a file of the migrations folder, outside of a running step."""
    if isinstance(error, MakoException):
        return unreadable_template(error, folder)
    damaged = _damaged(error, folder, versions)
    found = damaged or place_below(error, versions)
    if found is not None and found.path != str(folder / "env.py"):
        return broken_revision_file(error, found)
    found = damaged or place_below(error, [folder / "env.py"])
    if found is not None and isinstance(error, (SyntaxError, UnicodeDecodeError)):
        return broken_environment(error, found)
    if found is not None and found.code.startswith("fileConfig("):
        return broken_logging(error, folder)
    if found is not None and found.code.startswith("context.") and _not_configured(error):
        return broken_environment(error, found, "context.configure() was not called before it.")
    if found is not None and (not found.code.startswith(ENTRANCES) or _arose_in(error, folder / "env.py")):
        return broken_environment(error, found)
    return None


def _arose_in(error: BaseException, path: pathlib.Path) -> bool:
    """Whether it is the file itself that failed, and nothing that it called."""
    frames = [frame.f_code.co_filename for frame, _ in traceback.walk_tb(error.__traceback__)]
    return bool(frames) and os.path.realpath(frames[-1]) == os.path.realpath(path)


def _damaged(error: BaseException, folder: pathlib.Path, versions: list[str]) -> Place | None:
    """The file with bytes that are no text, which Python refuses without a word of the file."""
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
    """The number of the line, from 0, with the first byte that can't be in it."""
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
    """Whether it is how Alembic fails without a context; another failed assertion of its own has words."""
    return (isinstance(error, AssertionError) and not str(error)) or "No context has been configured" in str(error)


def _import_hint(error: BaseException) -> str:
    if not isinstance(error, ModuleNotFoundError) or not error.name:
        return ""
    return f"Install what it needs (`pip install {error.name.partition('.')[0]}`, if that is its name), or correct it."
