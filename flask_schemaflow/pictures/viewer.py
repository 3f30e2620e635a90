"""An SVG in a page of HTML that opens by itself, with search and zoom."""

from __future__ import annotations

import pathlib

from .svg import escape


def page(svg: str, title: str) -> str:
    """Return the page; it loads nothing else.

    :param svg: what :func:`.svg.frame` makes.
    :param title: of the page.
    """
    template = pathlib.Path(__file__).with_name("viewer.html").read_text("utf-8")
    return template.replace("{{ title }}", escape(title)).replace("{{ svg }}", svg)
