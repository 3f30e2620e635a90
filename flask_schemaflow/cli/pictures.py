"""The commands that draw: graph, erd."""

from __future__ import annotations

import pathlib
import sys
import typing as t

import click

from .. import commands
from ..errors.arguments import OutputNotWritable
from ..revisions.edit import write_whole
from .group import bind_option
from .group import flag
from .group import Parameters
from .group import Shared
from .output import alembic_lines
from .output import echo
from .output import echo_script

_SUFFIXES = {
    ".svg": "svg",
    ".html": "html",
    ".htm": "html",
    ".mmd": "mermaid",
    ".mermaid": "mermaid",
    ".md": "mermaid",
    ".txt": "text",
}


def graph(
    shared: Shared, format: str | None, output: str | None, no_database: bool, binds: tuple[str, ...]
) -> None:
    """Draw the history as a graph.

    Prints text by default. With --output, the file name sets the format: .svg, .html (with search and zoom), .mmd or
    .md (Mermaid), .txt.
    """
    chosen = _format(format, output, ("text", "mermaid", "svg", "html"))
    picture = commands.graph(
        format=chosen,
        binds=binds,
        databases=not no_database,
        ascii_only=output is None and not _can_draw(sys.stdout),
        **shared.arguments,
    )
    _put_out(picture, chosen, output, shared)


def erd(
    shared: Shared, format: str | None, output: str | None, no_database: bool, binds: tuple[str, ...]
) -> None:
    """Draw the tables of the models, and the pending change.

    What `flask db migrate` would add, drop, change or rename has a colour and a sign. Prints Mermaid by default. With
    --output, the file name sets the format: .svg, .html (with search and zoom), .mmd or .md (Mermaid).
    """
    chosen = _format(format, output, ("mermaid", "svg", "html"))
    with alembic_lines(shared):
        picture = commands.erd(format=chosen, binds=binds, databases=not no_database, **shared.arguments)
    _put_out(picture, chosen, output, shared)


def _format(format: str | None, output: str | None, known: tuple[str, ...]) -> t.Any:
    """Return the format that was given, or the one of the file's name; else the first."""
    if format is not None:
        return format
    suffix = pathlib.Path(output or "").suffix.lower()
    found = _SUFFIXES.get(suffix, known[0])
    if found not in known:
        raise click.UsageError(f"{suffix} is no format of this picture. Use --format, one of {', '.join(known)}.")
    return found


def _can_draw(stream: t.Any) -> bool:
    """Return whether a stream can print lines and circles."""
    try:
        "│├╮●○◐".encode(getattr(stream, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _put_out(picture: str, format: str, output: str | None, shared: Shared) -> None:
    if not picture.endswith("\n"):
        picture += "\n"
    if output is None:
        echo_script(picture)
        return
    if pathlib.Path(output).suffix.lower() == ".md":
        picture = f"```mermaid\n{picture}```\n" if format == "mermaid" else f"```\n{picture}```\n"
    _write(pathlib.Path(output), picture)
    if not shared.quiet:
        echo(f"Wrote {output}", err=True)


def _write(path: pathlib.Path, text: str) -> None:
    """Replace a file in one step.

    :raises OutputNotWritable: names the file; it is unchanged.
    """
    try:
        write_whole(str(path), text.encode())
    except OSError as error:
        raise OutputNotWritable(
            f"{path} can't be written: {error.strerror}.",
            hint="Name another file after --output, in a folder that exists and that you may write to.",
        ) from error


def _options(*formats: str) -> list[click.Parameter]:
    return [
        click.Option(["--format"], type=click.Choice(formats), help="Draw in this format."),
        click.Option(["-o", "--output"], type=click.Path(dir_okay=False), help="Write to this file."),
        flag("--no-database", help="Don't connect to the databases."),
        bind_option(),
    ]


PARAMETERS: Parameters = {
    "graph": lambda: _options("text", "mermaid", "svg", "html"),
    "erd": lambda: _options("mermaid", "svg", "html"),
}
"""The parameters of each command, created for the one that runs."""
