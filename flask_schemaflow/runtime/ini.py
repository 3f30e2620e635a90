"""Reads an alembic.ini that anybody may have edited, without Alembic.

Files in the wild hold a URL with a bare ``%``, a comment in Latin-1, a byte-order mark; Alembic
reads them with the locale's encoding and the strict interpolation of :mod:`configparser` and fails.
Here UTF-8 is tried first whatever the locale, and a ``%`` that means nothing stands for itself.
"""

from __future__ import annotations

import configparser
import locale
import pathlib

from ..errors.folder import FolderError


class TolerantInterpolation(configparser.BasicInterpolation):
    """``%(here)s`` works; a ``%`` that starts no known name is a percent sign."""

    def before_get(self, parser, section, option, value, defaults):  # type: ignore[no-untyped-def]
        try:
            return super().before_get(parser, section, option, value, defaults)
        except configparser.InterpolationError:
            return value.replace("%%", "%")

    def before_set(self, parser, section, option, value):  # type: ignore[no-untyped-def]
        return value


def read_ini(path: pathlib.Path | None, defaults: dict[str, str]) -> configparser.ConfigParser:
    """Parse ``path``; an empty configuration when there is none.

    :param defaults: values for interpolation, ``here`` among them.
    :raises FolderError: names the file and the line that can't be understood.
    """
    parser = configparser.ConfigParser(defaults, interpolation=TolerantInterpolation())
    if path is not None and path.exists():
        try:
            parser.read_string(decode(path.read_bytes()), source=str(path))
        except configparser.Error as error:
            line = getattr(error, "lineno", None) or _first_line(error)
            place = f"{path}, line {line}" if line else str(path)
            raise FolderError(
                f"The configuration file {place} can't be understood: {_reason(error)}",
                hint="Correct it, or move it away and run `flask db doctor` to see what a new one needs.",
            ) from error
    return parser


def decode(raw: bytes) -> str:
    """The text of a configuration file in any encoding: UTF-8 first, the locale's next, Latin-1 at last."""
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return raw.decode("utf-16")
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
