"""Messages of errors as tests compare them: paths of the test's own folder replaced, long lines folded.

A message is asserted as a whole, once, so that a change of its words is a change of a test.
"""

from __future__ import annotations

import re
import textwrap
import typing as t
from pathlib import Path

WIDTH = 105


def readable(text: str, root: Path | None = None, **names: t.Any) -> str:
    """``text`` with the project's folder as ``PROJECT``, durations as ``TIME``, and each long line folded.

    :param names: what else differs from run to run, by the word that stands for it.
    """
    for word, value in names.items():
        text = text.replace(str(value), word)
    if root is not None:
        text = text.replace(str(root), "PROJECT")
    text = re.sub(r"sftest_\d+_[0-9a-f]+", "DATABASE", text)
    text = text.replace("+psycopg2://", "+psycopg://").replace("+mysqldb://", "+pymysql://")
    text = re.sub(r'could not translate host name "[^"]*" to address:', "[Errno -2]", text)  # psycopg2
    text = re.sub(r"\b\d{8}_\d{6}_", "DATE_", text)
    text = re.sub(r"\(\d[\d.]* m?s\)", "(TIME)", text)
    return "\n".join(_folded(line) for line in text.strip("\n").splitlines())


def said(text: str) -> str:
    """The expected message, written indented."""
    return textwrap.dedent(text).strip("\n")


def _folded(line: str) -> str:
    indent = " " * (len(line) - len(line.lstrip()))
    return textwrap.fill(
        line, WIDTH, subsequent_indent=indent + "    ", break_long_words=False, break_on_hyphens=False
    )
