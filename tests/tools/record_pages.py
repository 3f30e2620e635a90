"""Run the commands of documentation pages and write what they print into the pages.

``python -m tests.tools.record_pages docs/howto/renames.rst ...``; a page where a command prints something else than
what the page shows is recorded whole, so that a revision has one identifier on it. Look at the difference before you
commit it.
"""

from __future__ import annotations

import re
import sys
import tempfile
import textwrap
from pathlib import Path

from ..support.pages import equalised
from ..support.pages import read_commands
from ..support.pages import replay


def record(page: str) -> str:
    """Return a page with the outputs that its commands have now."""
    with tempfile.TemporaryDirectory() as folder:
        told, went = replay(page, Path(folder).resolve())
    if equalised("".join(command.text for command in told)) == equalised("".join(command.text for command in went)):
        return page
    outputs = iter(went)
    lines: list[str] = []
    for part in _parts(page):
        if not part.startswith("    $ "):
            lines.append(part)
            continue
        for command in read_commands(textwrap.dedent(part)):
            shown = next(outputs)
            typed = [f">>> {line}" for line in command.typed]
            block = [f"$ {command.line}", *typed, *shown.output]
            lines.append("".join(f"    {line}".rstrip() + "\n" for line in block).rstrip("\n") + "\n")
        lines.append("\n" * (len(part) - len(part.rstrip("\n")) - 1))
    return "".join(lines)


def _parts(page: str) -> list[str]:
    """Cut a page into its console blocks and what stands between them."""
    marker = ".. code-block:: console\n\n"
    first, *rest = re.split(f"(?m)^{re.escape(marker)}", page)
    parts = [first]
    for piece in rest:
        body = piece.splitlines(keepends=True)
        end = next((i for i, line in enumerate(body) if line.strip() and not line.startswith("    ")), len(body))
        parts += [marker, "".join(body[:end]), "".join(body[end:])]
    return parts


def main(paths: list[str]) -> None:
    """Record the pages with these paths."""
    for path in map(Path, paths):
        before = path.read_text("utf-8")
        after = record(before)
        if after != before:
            path.write_text(after, "utf-8")
            print(f"changed {path}")


if __name__ == "__main__":
    main(sys.argv[1:])
