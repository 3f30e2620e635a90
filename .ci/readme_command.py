"""Print a command of README.rst: the one that stands in the code block of the section named.

What is printed is what a reader copies, so that CI runs the README's words and not words like them.

Usage: ``python3 .ci/readme_command.py README.rst "Run the tests"``; with ``--file app.py`` instead of a section the
first code block in Python, which is that file.
"""

from __future__ import annotations

import re
import sys
import textwrap
from pathlib import Path

_TITLE = re.compile(r"(?m)^(?P<title>\S.*)\n(?P<line>[=\-~^\"'#*+])(?P=line){2,}[ \t]*$")
_BLOCK = re.compile(
    r"(?m)^\.\. code-block::.*\n"
    r"(?:[ \t]+:.*\n)*\n"  # its options
    r"(?P<body>(?:(?:[ \t]+.*)?\n)+)"
)


def find_command(text: str, section: str) -> str:
    """Return the one command in the first code block of a section, without its prompt.

    :raises LookupError: when there is no such section or block, or it holds several commands.
    """
    block = _BLOCK.search(_section(text, section) + "\n")
    if block is None:
        raise LookupError(f"the section {section!r} has no code block")
    joined = re.sub(r"\\\n\s*", "", textwrap.dedent(block["body"]))
    lines = [line.strip() for line in joined.splitlines() if line.strip()]
    prompted = [line[2:] for line in lines if line.startswith("$ ")]
    commands = prompted or lines
    if len(commands) != 1:
        raise LookupError(f"the section {section!r} has {len(commands)} commands instead of one")
    return commands[0]


def find_python(text: str) -> str:
    """Return the first code block in Python.

    :raises LookupError: when there is none.
    """
    for block in _BLOCK.finditer(text):
        if block[0].startswith(".. code-block:: python\n"):
            return textwrap.dedent(block["body"]).strip("\n")
    raise LookupError("there is no code block in Python")


def _section(text: str, wanted: str) -> str:
    for title in _TITLE.finditer(text):
        if title["title"].strip().lower() == wanted.lower():
            following = _TITLE.search(text, title.end())
            return text[title.end() : following.start() if following else len(text)]
    raise LookupError(f"no section {wanted!r}")


if __name__ == "__main__":
    try:
        text = Path(sys.argv[1]).read_text("utf-8")
        print(find_python(text) if sys.argv[2] == "--file" else find_command(text, sys.argv[2]))
    except LookupError as error:
        sys.exit(f"{sys.argv[1]}: {error}")
