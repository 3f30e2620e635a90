"""The folder's alembic.ini: what other tools can't read in it, and what has no effect."""

from __future__ import annotations

import configparser
import difflib
import logging.config
import pathlib
import re
import typing as t

from ..records import Finding
from ..redaction import safe_url
from ..runtime.ini import decode
from ..runtime.ini import read_ini
from .fingerprints import origin
from .subject import Subject

_SECTION = "alembic"
_OPTIONS = {
    "file_template",
    "here",
    "output_encoding",
    "path_separator",
    "prepend_sys_path",
    "recursive_version_locations",
    "revision_environment",
    "script_location",
    "sourceless",
    "sqlalchemy.url",
    "timezone",
    "truncate_slug_length",
    "version_locations",
    "version_path_separator",
}
_EXAMPLE = "driver://user:pass@localhost/dbname"
_NEEDED_FOR_LOGGING = ("loggers", "handlers", "formatters")


def encoding(subject: Subject) -> t.Iterator[Finding]:
    """Alembic itself reads the file in the locale's encoding, which is UTF-8 nearly everywhere."""
    raw = subject.ini or b""
    if raw.startswith((b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf")):
        what = "begins with a byte-order mark"
    else:
        try:
            raw.decode("utf-8")
            return
        except UnicodeDecodeError as error:
            what = f"is not UTF-8 (line {raw[: error.start].count(10) + 1})"
    yield Finding(
        "warning",
        "SF820",
        f"{_path(subject)} {what}; the commands here read it, the plain `alembic` command may not.",
        hint="Save it as UTF-8 without a byte-order mark.",
    )


def percent_signs(subject: Subject) -> t.Iterator[Finding]:
    """A ``%`` that starts no name has to be doubled, or only we can read it."""
    parser = configparser.ConfigParser({"here": str(subject.folder)})
    parser.read_string(decode(subject.ini or b""))
    for option in parser.options(_SECTION) if parser.has_section(_SECTION) else ():
        try:
            parser.get(_SECTION, option)
        except configparser.InterpolationError:
            yield Finding(
                "warning",
                "SF821",
                f"{_path(subject)}{_line(subject, option)}: the value of {option} has a % that starts no %(name)s; "
                "the commands here read it, the plain `alembic` command does not.",
                hint="Write %% for a percent sign.",
            )


def options(subject: Subject) -> t.Iterator[Finding]:
    """Options that nobody reads, such as a slip in the name of one that Alembic would."""
    for option in _own_options(subject):
        if option in _OPTIONS or option.startswith("sqlalchemy.") or option in (subject.env or ""):
            continue
        near = difflib.get_close_matches(option, _OPTIONS, n=1, cutoff=0.75)
        yield Finding(
            "warning",
            "SF822",
            f"{_path(subject)}{_line(subject, option)}: Alembic has no option {option}, and env.py doesn't read it.",
            hint=f"Did you mean {near[0]}?" if near else "Remove it, or read it in env.py.",
        )


def url(subject: Subject) -> t.Iterator[Finding]:
    """A database URL that has no effect, and that keeps a password where it doesn't belong."""
    if origin(subject.env or "") == "own":
        return
    value = _values(subject).get("sqlalchemy.url", "")
    if value and value != _EXAMPLE:
        yield Finding(
            "warning",
            "SF823",
            f"{_path(subject)}{_line(subject, 'sqlalchemy.url')}: sqlalchemy.url ({safe_url(value)}) has no effect: "
            "the databases are the application's.",
            hint="Remove the line. If it holds a password that is in use, change that password.",
        )


def logging_sections(subject: Subject) -> t.Iterator[Finding]:
    """What an env.py that calls ``fileConfig()`` needs."""
    if "fileConfig(" not in (subject.env or ""):
        return
    parser = read_ini(pathlib.Path(subject.folder / "alembic.ini"), {})
    missing = [name for name in _NEEDED_FOR_LOGGING if not parser.has_section(name)]
    if missing:
        yield Finding(
            "error",
            "SF208",
            f"env.py calls {logging.config.fileConfig.__name__}(), and {_path(subject)} has no section "
            f"{' and no section '.join(f'[{name}]' for name in missing)}.",
            hint="Get the sections back from version control, or `flask db doctor --fix`: the packaged env.py leaves "
            "logging to the application.",
        )


def _values(subject: Subject) -> dict[str, str]:
    if subject.ini is None:
        return {}
    parser = read_ini(subject.folder / "alembic.ini", {})
    return dict(parser.items(_SECTION)) if parser.has_section(_SECTION) else {}


def _own_options(subject: Subject) -> list[str]:
    return [name for name in _values(subject) if name not in ("here",)]


def _path(subject: Subject) -> pathlib.Path:
    return subject.folder / "alembic.ini"


def _line(subject: Subject, option: str) -> str:
    pattern = re.compile(rf"\s*{re.escape(option)}\s*[=:]", re.I)
    lines = decode(subject.ini or b"").splitlines()
    found = next((number for number, line in enumerate(lines, 1) if pattern.match(line)), None)
    return f", line {found}" if found else ""
