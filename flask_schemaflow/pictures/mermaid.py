"""Texts and names as Mermaid takes them."""

from __future__ import annotations

import re

_SIGNS = {'"': "#quot;", "#": "#35;", "<": "#lt;", ">": "#gt;", "&": "#amp;", "\\": "#92;", "`": "#96;"}


def quoted(text: str) -> str:
    """Return a text that can stand between double quotes."""
    return "".join(_SIGNS.get(sign, sign) if sign.isprintable() else " " for sign in text)


def word(text: str) -> str:
    """Return a text as a word of letters, digits and underscores that begins with a letter."""
    made = re.sub(r"\W", "_", text, flags=re.ASCII)
    return made if made[:1].isalpha() else f"t{made}"
