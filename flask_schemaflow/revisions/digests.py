"""A digest of what a revision file does, which tells whether the file was edited after it was applied."""

from __future__ import annotations

import hashlib
import pathlib
import re

_STRING = (
    r'"""(?:[^\\]|\\.)*?"""|"(?:[^"\\\n]|\\.)*"|'
    r"'''(?:[^\\]|\\.)*?'''|'(?:[^'\\\n]|\\.)*'"
)
_REPLACES = re.compile(r"^replaces\b[^=\n]*=", re.M)
_COMMENT = re.compile(rf"({_STRING})|#[^\n]*", re.S)
_DOCSTRING = re.compile(rf"\s*[rRuU]?(?:{_STRING})", re.S)
_LAST_COMMA = re.compile(r",(?=[)\]}])")


def digest_of(path: str | pathlib.Path) -> str:
    """Return a digest of a revision file; :func:`is_edited` compares it with the file of another day.

    :returns: a digest of the text and one of what it does, or nothing if the file can't be read.
    """
    text = text_of(path)
    return "" if text is None else f"{_hash(text)}-{_hash(_essential(text))}"


def is_edited(path: str | pathlib.Path, digest: str) -> bool:
    """Return whether a file does something else now; formatting, comments and the docstring don't matter.

    :param digest: what :func:`digest_of` returned when the revision was applied.
    """
    text = text_of(path)
    before, _, essence = digest.partition("-")
    if text is None or not essence or _hash(text) == before:  # which spares a thousand files the parser
        return False
    if _REPLACES.search(text):
        return False  # a squash, which has the id of a file that ran before it was written
    return not does_the_same(text, digest)


def does_the_same(text: str, digest: str) -> bool:
    """Return whether a text does what the file did whose digest this is."""
    return _hash(_essential(text)) == digest.partition("-")[2]


def text_of(path: str | pathlib.Path) -> str | None:
    """Return the text of a revision file; ``None`` if it can't be read."""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except (OSError, UnicodeDecodeError):
        return None


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _essential(text: str) -> str:
    """Return a text without comments, its docstring, and what a formatter changes.

    Regular expressions do it, because each revision that is applied pays for it: a parser takes a hundred times longer.
    """
    text = "".join(part for part in _COMMENT.split(text) if part)
    docstring = _DOCSTRING.match(text)
    if docstring is not None:
        text = text[docstring.end() :]
    return _LAST_COMMA.sub("", "".join(text.split()).replace('"', "'"))
