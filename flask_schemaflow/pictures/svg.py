"""SVG of both pictures: colours for light and dark, the frame, texts of a known width, a page that opens by itself."""

from __future__ import annotations

import html
import pathlib

_STYLE = """
svg { --page: #fff; --text: #1c1e21; --quiet: #5a6068; --line: #c3c8ce; --panel: #f3f4f6; --applied: #18794e;
  --pending: #b45309; --added: #18794e; --added-panel: #e6f4ec; --dropped: #b3261e; --dropped-panel: #fbe9e7;
  --changed: #8a5a00; --changed-panel: #fdf3d8; --renamed: #5b3fb8; --renamed-panel: #eeeafb; --edge: #8a93a0;
  background: var(--page); font-family: system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; }
@media (prefers-color-scheme: dark) { svg { --page: #16181b; --text: #e7e9ec; --quiet: #a6adb5; --line: #454b53;
  --panel: #22262b; --applied: #5cc693; --pending: #f0a860; --added: #5cc693; --added-panel: #17301f;
  --dropped: #ff9d94; --dropped-panel: #3a1d1b; --changed: #e9c46a; --changed-panel: #362d13; --renamed: #b8a4ff;
  --renamed-panel: #29224a; --edge: #7b8490; } }
text { fill: var(--text); font-size: 13px; }
.quiet { fill: var(--quiet); }
.code { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: 12px; }
.strong { font-weight: 600; }
.line { fill: none; stroke: var(--edge); stroke-width: 1.5; }
"""
_WIDE = 7.9
"""The width of a character in pixels, generously: what is drawn must fit whatever font the reader has."""
CODE = 7.4
"""The width of a character in ``code``."""


def frame(width: float, height: float, title: str, style: str, body: list[str]) -> str:
    """Return a whole SVG document."""
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
            f'viewBox="0 0 {width:.0f} {height:.0f}" role="group" aria-label="{escape(title)}">',
            f"<title>{escape(title)}</title>",
            f"<style>{_STYLE}{style}</style>",
            *body,
            "</svg>\n",
        ]
    )


def escape(text: str) -> str:
    """Return a text for SVG and HTML, without characters that XML can't hold."""
    return html.escape("".join(sign if sign.isprintable() else " " for sign in text))


def width_of(text: str, each: float = _WIDE) -> float:
    """Return how wide a text may get, in pixels."""
    return sum(2 * each if ord(sign) > 0x2E7F else each for sign in text)


def shortened(text: str, longest: int) -> str:
    """Return a text of at most this many characters."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def html_page(svg: str, title: str) -> str:
    """Return the page; it loads nothing else.

    :param svg: what :func:`.svg.frame` makes.
    :param title: of the page.
    """
    template = pathlib.Path(__file__).with_name("viewer.html").read_text("utf-8")
    return template.replace("{{ title }}", escape(title)).replace("{{ svg }}", svg)
