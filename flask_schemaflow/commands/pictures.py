"""Pictures of the history and of the schema, as text that opens without this package."""

from __future__ import annotations

import typing as t

from flask import current_app

from ..extension import current_state
from ..extension import Directory
from ..extension import XArg
from ..pictures.history import arrange
from ..pictures.history import history_as_text
from ..pictures.history_svg import history_as_svg
from ..pictures.mermaid import history_as_mermaid
from ..pictures.mermaid import schema_as_mermaid
from ..pictures.schema_svg import schema_as_svg
from ..pictures.svg import html_page
from ..targets import choose
from .inspection import history
from .inspection import status

GraphFormat = t.Literal["text", "mermaid", "svg", "html"]
ErdFormat = t.Literal["mermaid", "svg", "html"]


def graph(
    directory: Directory | None = None,
    format: GraphFormat = "text",
    *,
    x_arg: XArg = None,
    binds: t.Sequence[str] = (),
    databases: bool = True,
    ascii_only: bool = False,
) -> str:
    """Return a picture of the history: branches, merges and heads, and what each database has of it.

    :param directory: the migrations folder, if it isn't the registered one.
    :param format: ``text``; ``mermaid``; ``svg``; or ``html``, a page with search and zoom.
    :param x_arg: passed to env.py.
    :param binds: the databases to ask; all by default.
    :param databases: whether to ask databases at all.
    :param ascii_only: draw ``text`` without other characters.
    :returns: the contents of a file in that format.
    :raises RevisionError: if the revision files don't fit together.
    :raises DatabaseError: if a database can't be reached.
    """
    standings = status(directory, x_arg=x_arg, binds=binds) if databases else []
    arranged = arrange(history(directory), standings)
    if format == "text":
        return history_as_text(arranged, ascii_only)
    if format == "mermaid":
        return history_as_mermaid(arranged)
    title = f"History of {current_app.name}"
    return _framed(history_as_svg(arranged, title), title, format)


def erd(
    directory: Directory | None = None,
    format: ErdFormat = "mermaid",
    *,
    x_arg: XArg = None,
    binds: t.Sequence[str] = (),
    databases: bool = True,
) -> str:
    """Return a picture of the tables of the models, with what differs from the databases in colours.

    Renames are shown as far as they are certain; others are shown as a dropped and an added column or table.

    :param directory: the migrations folder, if it isn't the registered one.
    :param format: ``mermaid``; ``svg``; or ``html``, a page with search and zoom.
    :param x_arg: passed to env.py.
    :param binds: the databases whose models are drawn; all by default.
    :param databases: whether to compare with the databases at all.
    :returns: the contents of a file in that format.
    :raises DatabaseError: if a database can't be reached.
    """
    from ..pictures.schema import schema_of
    from ..runtime.environment import Environment

    targets = choose(current_state().targets(), binds)
    standings = status(directory, x_arg=x_arg, binds=binds) if databases else []
    schema = schema_of(targets, Environment.open(directory, x_arg) if databases else None, standings)
    if format == "mermaid":
        return schema_as_mermaid(schema)
    title = f"Schema of {current_app.name}"
    return _framed(schema_as_svg(schema, title), title, format)


def _framed(svg: str, title: str, format: str) -> str:
    return html_page(svg, title) if format == "html" else svg
