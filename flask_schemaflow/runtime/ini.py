"""Reads an alembic.ini that anybody may have edited, without Alembic.

Files in the wild hold a URL with a bare ``%``, a comment in Latin-1, a byte-order mark; Alembic
reads them with the locale's encoding and the strict interpolation of :mod:`configparser` and fails.
Here UTF-8 is tried first whatever the locale, and a ``%`` that means nothing stands for itself.
"""

from __future__ import annotations

import configparser
import locale
import pathlib

from .. import errors


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
    :raises ConfigurationBroken: names the file and the line that can't be understood.
    """
    parser = configparser.ConfigParser(defaults, interpolation=TolerantInterpolation())
    if path is not None and path.exists():
        text = ""
        try:
            text = decode(path.read_bytes())
            parser.read_string(text, source=str(path))
        except OSError as error:
            raise errors.FolderNotWritable(
                f"{path} can't be read: {error.strerror}.",
                hint="Correct the permissions of the file and its folder, or run the command as their owner.",
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
        hint="Correct that line and run the command again.",
    )


def decode(raw: bytes) -> str:
    """The text of a configuration file in any encoding: UTF-8 first, the locale's next, Latin-1 at last."""
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
