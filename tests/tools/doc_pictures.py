"""Draw the pictures of terminals in the documentation from the sessions that its pages show.

``python -m tests.tools.doc_pictures`` writes ``docs/_static/terminal-*.svg``. The sessions are those of pages that a
test executes, so that a picture shows what the commands print; another test fails when a picture is older than its
page. The drawing is Rich's.
"""

from __future__ import annotations

import io
import re
import typing as t
from pathlib import Path

from ..support.pages import Command
from ..support.pages import DOCS
from ..support.pages import read_blocks
from ..support.pages import read_commands

FOLDER = DOCS / "_static"
WIDTH = 100


class Picture(t.NamedTuple):
    """What a picture shows.

    :param page: the page whose console blocks it is made of.
    :param commands: the first words of the commands that it shows.
    """

    page: str
    title: str
    commands: tuple[str, ...]


_FIRST = ("flask db migrate", "flask db upgrade", "flask db status")
_RENAME = ("flask db migrate", "flask db migrate --rename", "flask db upgrade", "flask shell")
PICTURES = {
    "terminal-start": Picture("start.rst", "Three commands", _FIRST),
    "terminal-rename": Picture("howto/renames.rst", "A rename keeps the values", _RENAME),
}


def draw(picture: Picture) -> str:
    """Return a picture as SVG."""
    return draw_session(picture.title, _shown(picture))


def draw_session(title: str, commands: t.Sequence[Command]) -> str:
    """Return the picture of a terminal with commands and what they print."""
    from rich.console import Console
    from rich.text import Text

    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    for command in commands:
        console.print(Text("$ ", style="green") + Text(command.line, style="bold"))
        for line in command.typed:
            console.print(Text(">>> ", style="green") + Text(line, style="bold"))
        for line in command.output:
            console.print(Text(re.sub(r"/home/me/shop/", "", line)), soft_wrap=False)
        console.print()
    svg: str = console.export_svg(title=title, unique_id="terminal")
    return re.sub(r"[ \t]+$", "", svg, flags=re.M).rstrip() + "\n"


def _shown(picture: Picture) -> list[Command]:
    page = (DOCS / picture.page).read_text("utf-8")
    commands = [
        command
        for block in read_blocks(page)
        if block.language == "console" and not block.caption
        for command in read_commands(block.body)
    ]
    found: list[Command] = []
    wanted = list(picture.commands)
    for command in commands:  # each in its turn, the first that begins so
        if wanted and command.line.startswith(wanted[0]):
            found.append(command)
            wanted.pop(0)
    if wanted:
        raise LookupError(f"{picture.page} has no command that begins with {wanted[0]!r}")
    return found


def main() -> None:
    """Write the pictures."""
    for name, picture in PICTURES.items():
        path = Path(FOLDER / f"{name}.svg")
        path.write_text(draw(picture), "utf-8")
        print(path)


if __name__ == "__main__":
    main()
