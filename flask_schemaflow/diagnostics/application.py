"""Checks of the application: its settings, its models, its alembic.ini, and the versions of the packages it uses."""

from __future__ import annotations

import configparser
import difflib
import importlib.metadata
import logging.config
import pathlib
import platform
import re
import typing as t

from flask import current_app

from ..autogenerate.missing_models import create_all_notices
from ..records import Finding
from ..redaction import safe_url
from ..revisions.location import decode
from ..revisions.location import read_ini
from .env_files import origin
from .subject import Subject


def settings(subject: Subject) -> t.Iterator[Finding]:
    """Report the registration, and check the ``SCHEMAFLOW_*`` settings.

    :raises InvalidSetting: when one of them is unknown or means nothing.
    """
    assert subject.state.settings is not None
    names = ", ".join(target.name for target in subject.targets)
    number = len(subject.targets)
    yield Finding(
        "note",
        "SF802",
        f"The application {current_app.name!r} has {number} database{'s' * (number != 1)}: {names}.",
    )


def models(subject: Subject) -> t.Iterator[Finding]:
    """Warn of an application without models: every table of its databases would be dropped."""
    if subject.targets and not any(m.tables for target in subject.targets for m in target.metadatas):
        yield Finding(
            "warning",
            "SF803",
            "The application has no models: the metadata of every database is empty.",
            hint="Import the modules with the models in your application factory. "
            "If the models have a metadata of their own: Migrate(app, db, metadata=Base.metadata).",
        )


def creating_tables(subject: Subject) -> t.Iterator[Finding]:
    """Warn of ``create_all()`` in the application."""
    for text in create_all_notices(current_app):
        message, _, hint = text.partition(": ")
        yield Finding("warning", "SF804", f"{message}.", hint=hint[:1].upper() + hint[1:])


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
    """Warn of an alembic.ini that isn't plain UTF-8.

    Alembic itself reads the file in the locale's encoding, which is UTF-8 nearly everywhere.
    """
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
        f"{_path(subject)} {what}; `flask db` can read it, but `alembic` may fail.",
        hint="Save it as UTF-8 without a byte-order mark.",
    )


def percent_signs(subject: Subject) -> t.Iterator[Finding]:
    """Warn of a ``%`` that starts no name: undoubled, only the commands here can read it."""
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
                "`flask db` can read it, but `alembic` fails.",
                hint="Write %% for a percent sign.",
            )


def options(subject: Subject) -> t.Iterator[Finding]:
    """Warn of options that neither Alembic nor env.py reads, such as a misspelt one."""
    for option in _values(subject):
        if option == "here" or option in _OPTIONS or option.startswith("sqlalchemy.") or option in (subject.env or ""):
            continue
        near = difflib.get_close_matches(option, _OPTIONS, n=1, cutoff=0.75)
        yield Finding(
            "warning",
            "SF822",
            f"{_path(subject)}{_line(subject, option)}: Alembic has no option {option}, and env.py doesn't read it.",
            hint=f"Did you mean {near[0]}?" if near else "Remove it, or read it in env.py.",
        )


def url(subject: Subject) -> t.Iterator[Finding]:
    """Warn of a database URL that has no effect; it may hold a password."""
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
    """Check that alembic.ini has the sections that ``fileConfig()`` needs, where env.py calls it."""
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


def _path(subject: Subject) -> pathlib.Path:
    return subject.folder / "alembic.ini"


def _line(subject: Subject, option: str) -> str:
    pattern = re.compile(rf"\s*{re.escape(option)}\s*[=:]", re.I)
    lines = decode(subject.ini or b"").splitlines()
    found = next((number for number, line in enumerate(lines, 1) if pattern.match(line)), None)
    return f", line {found}" if found else ""


_DISTRIBUTION = "Flask-SchemaFlow"
_SHOWN = ("Flask", "SQLAlchemy", "alembic", "Flask-SQLAlchemy", "Flask-SQLAlchemy-Lite", "Flask-Migrate")
_NEEDS = re.compile(r"([A-Za-z][\w.-]*)[^>;]*>=([\d.]+)(.*)")


def installed() -> t.Iterator[Finding]:
    """Report the installed versions, and those that are too old."""
    found = {name: version for name in (_DISTRIBUTION, *_SHOWN) if (version := _version(name))}
    listed = ", ".join(f"{name} {version}" for name, version in found.items())
    yield Finding("note", "SF800", f"Python {platform.python_version()}, {listed}.")
    for name, least in _least().items():
        version = found.get(name) or _version(name)
        if version is not None and _numbers(version) < _numbers(least):
            yield Finding(
                "error",
                "SF801",
                f"{name} {version} is installed; Flask-SchemaFlow needs {least} or newer.",
                hint=f"`pip install --upgrade '{name}>={least}'`",
            )


def _least() -> dict[str, str]:
    """Return the oldest supported version of each dependency, optional ones included."""
    try:
        needs = importlib.metadata.requires(_DISTRIBUTION) or []
    except importlib.metadata.PackageNotFoundError:
        return {}
    return {match[1]: match[2] for text in needs if (match := _NEEDS.match(text))}


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])
