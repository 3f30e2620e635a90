"""Finds the migrations folder and reads its alembic.ini, without Alembic.

A relative folder is looked for in the working directory, as Flask-Migrate does, then beside the application, so that a
command typed elsewhere still finds it. ``package:folder`` means a folder inside an installed package. Once found, the
folder goes by its absolute path.

An alembic.ini may hold a URL with a bare ``%``, a comment in Latin-1 or a byte-order mark. Alembic reads it with the
locale's encoding and the strict interpolation of :mod:`configparser` and fails. Here UTF-8 is tried first whatever the
locale, and a ``%`` that starts no known name stands for itself.
"""

from __future__ import annotations

import configparser
import importlib.util
import locale
import os
import pathlib

from flask import current_app

from .. import errors


class TolerantInterpolation(configparser.BasicInterpolation):
    """``%(here)s`` works; a ``%`` that starts no known name is a percent sign."""

    def before_get(self, parser, section, option, value, defaults):  # type: ignore[no-untyped-def]
        """Return a value with what is known filled in."""
        try:
            return super().before_get(parser, section, option, value, defaults)
        except configparser.InterpolationError:
            return value.replace("%%", "%")

    def before_set(self, parser, section, option, value):  # type: ignore[no-untyped-def]
        """Return any value as it is."""
        return value


def read_ini(path: pathlib.Path | None, defaults: dict[str, str]) -> configparser.ConfigParser:
    """Parse ``path``; an empty configuration when there is none.

    :param defaults: values for interpolation, ``here`` among them.
    :raises ConfigurationBroken: names the file and the line that can't be understood.
    """
    parser = configparser.ConfigParser(defaults, interpolation=TolerantInterpolation())
    if path is not None and os.path.exists(path):
        text = ""
        try:
            text = decode(path.read_bytes())
            parser.read_string(text, source=str(path))
        except OSError as error:
            from ..errors.folder import NEEDS_PERMISSION

            raise errors.FolderNotWritable(
                f"{path} can't be read: {error.strerror}.",
                hint=NEEDS_PERMISSION,
            ) from error
        except configparser.Error as error:
            raise _broken(path, text, error) from error
    return parser


def _broken(path: pathlib.Path, text: str, error: configparser.Error) -> errors.ConfigurationBroken:
    from ..redaction import scrub

    line = getattr(error, "lineno", None) or _first_line(error)
    lines = text.splitlines()
    return errors.ConfigurationBroken(
        f"The configuration file {path}{f', line {line},' if line else ''} can't be understood: {_reason(error)}",
        details=f"  {scrub(lines[line - 1].strip())}" if line and line <= len(lines) else "",
        hint="Fix that line and run the command again.",
    )


def decode(raw: bytes) -> str:
    """Return the text of a configuration file in any encoding: UTF-8 first, the locale's next, Latin-1 at last."""
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return raw.decode("utf-16", "replace")
    for encoding in ("utf-8-sig", locale.getpreferredencoding(False)):
        try:
            return raw.decode(encoding)
        except (UnicodeDecodeError, LookupError):
            continue
    return raw.decode("latin-1")


def _first_line(error: configparser.Error) -> int | None:
    errors = getattr(error, "errors", None)
    return int(errors[0][0]) if errors else None


def _reason(error: configparser.Error) -> str:
    names = {
        "MissingSectionHeaderError": "a line comes before the first [section].",
        "DuplicateSectionError": f"the section [{getattr(error, 'section', '')}] is there twice.",
        "DuplicateOptionError": f"the option {getattr(error, 'option', '')!r} is there twice.",
    }
    return names.get(type(error).__name__, "a line is neither a [section] nor name = value.")


def locate(directory: str | os.PathLike[str]) -> pathlib.Path:
    """Return the absolute path that ``directory`` means here, whether or not it exists.

    :param directory: relative, absolute, or ``package:folder``.
    :raises FolderError: when the package of ``package:folder`` can't be found.
    """
    text = os.fspath(directory)
    if ":" in text and not _names_a_drive(text):
        return _in_package(text)
    path = pathlib.Path(text)
    if path.is_absolute():
        return path
    for candidate in candidates(path):
        if os.path.isdir(candidate):  # which a name that is too long is not
            return candidate
    return pathlib.Path.cwd() / path


def candidates(path: pathlib.Path) -> list[pathlib.Path]:
    """Return where a relative folder is looked for, in order: working directory, application, its project."""
    root = pathlib.Path(current_app.root_path)
    places = [pathlib.Path.cwd(), root]
    if os.path.exists(root / "__init__.py"):
        places.append(root.parent)
    return list(dict.fromkeys(place / path for place in places))


def governing_pyproject(folder: pathlib.Path) -> str | None:
    """Return the pyproject.toml with Alembic's section that governs ``folder``, if there is one."""
    for place in [pathlib.Path.cwd(), *list(folder.parents)[:3]]:
        path = place / "pyproject.toml"
        if os.path.isfile(path) and b"[tool.alembic" in path.read_bytes():
            return os.fspath(path)
    return None


def _names_a_drive(text: str) -> bool:
    return text[:1].isascii() and text[:1].isalpha() and text[1:3] in (":\\", ":/")


def _in_package(text: str) -> pathlib.Path:
    package, _, folder = text.partition(":")
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        spec = None
    if spec is None or not spec.submodule_search_locations:
        from ..errors.folder import FolderError

        raise FolderError(
            f"The migrations folder {text!r} names the package {package!r}, which can't be imported.",
            hint=f"Install {package!r}, or fix the directory that is passed to Migrate.",
        )
    return pathlib.Path(next(iter(spec.submodule_search_locations))) / folder
