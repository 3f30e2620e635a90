"""Which env.py a folder has: made by which tool, in which release, changed or not.

A file is recognised by what Python reads of it, so that formatting, quotes and comments don't count. The table holds
a fingerprint of each env.py that Flask-Migrate has published; it was made from the packages themselves, and a test
compares the two.
"""

from __future__ import annotations

import ast
import hashlib
import io
import pathlib
import tokenize
import typing as t

TEMPLATES = pathlib.Path(__file__).parent.parent / "templates"
_UNREAD = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)
_FORMATTING = ("(", ")", ",")

# With a release that had that file, and what it was for.
PUBLISHED: dict[str, str] = {
    "bc61160429710152": "Flask-Migrate 0.1.4 (one database)",
    "92ee1433b21b869c": "Flask-Migrate 1.3.1 (one database)",
    "e04ebfa365e9d364": "Flask-Migrate 1.5.0 (one database)",
    "556569a28f1ded28": "Flask-Migrate 2.0.0 (one database)",
    "8d374ef38b86fe4a": "Flask-Migrate 2.3.1 (one database)",
    "56118aa85c290cfe": "Flask-Migrate 2.4.0 (one database)",
    "e44e36993940c5b2": "Flask-Migrate 2.5.2 (one database)",
    "3385bcfcfe065b6c": "Flask-Migrate 2.5.3 (one database)",
    "92f60ac31cb6fea1": "Flask-Migrate 2.6.0 (one database)",
    "b43b5277909b76dc": "Flask-Migrate 3.0.0 (one database)",
    "c115ba6e0a4e33c4": "Flask-Migrate 3.0.1 (one database)",
    "d241a8a470c93320": "Flask-Migrate 4.0.0 (one database)",
    "e391fab62b302273": "Flask-Migrate 4.0.2 (one database)",
    "3b8038d3c3518504": "Flask-Migrate 4.0.3 (one database)",
    "9742b3e336499d16": "Flask-Migrate 4.0.4 (one database)",
    "9e9ac3a1e00de85f": "Flask-Migrate 4.1.0 (one database)",
    "fa946ee75c301fa7": "Flask-Migrate 1.5.0 (several databases)",
    "67f152bbb7dcc7e7": "Flask-Migrate 2.0.0 (several databases)",
    "50eff291105acde3": "Flask-Migrate 2.4.0 (several databases)",
    "175e61cdbcaffb9a": "Flask-Migrate 2.5.2 (several databases)",
    "7431e8bded55d324": "Flask-Migrate 2.5.3 (several databases)",
    "22fc0ab2b220476b": "Flask-Migrate 2.6.0 (several databases)",
    "2f6c95c276c76e50": "Flask-Migrate 3.0.0 (several databases)",
    "2f72cdd4ced5d78e": "Flask-Migrate 3.0.1 (several databases)",
    "117769ac64baf8d5": "Flask-Migrate 3.1.0 (several databases)",
    "7a486f188d0a2969": "Flask-Migrate 4.0.0 (several databases)",
    "6ad08835790d2f1f": "Flask-Migrate 4.0.2 (several databases)",
    "dbf4a5778d2455a1": "Flask-Migrate 4.0.3 (several databases)",
    "7e09581517eb7540": "Flask-Migrate 4.0.4 (several databases)",
    "9b83fa948d3fc36d": "Flask-Migrate 4.1.0 (several databases)",
    "b0df6c8aa3fef877": "Flask-Migrate 3.1.0 (one database, asyncio)",
    "3102abfbbd81d527": "Flask-Migrate 4.0.0 (one database, asyncio)",
    "df5e6542d243bc59": "Flask-Migrate 4.0.2 (one database, asyncio)",
    "9da866be71c00007": "Flask-Migrate 4.0.3 (one database, asyncio)",
    "f27562711651a31c": "Flask-Migrate 4.0.4 (one database, asyncio)",
    "7eb03766db641811": "Flask-Migrate 4.1.0 (one database, asyncio)",
    "ff24daf65d687324": "Flask-Migrate 3.1.0 (several databases, asyncio)",
    "c5c4b4590f14a805": "Flask-Migrate 4.0.0 (several databases, asyncio)",
    "08da8b207ce82904": "Flask-Migrate 4.0.2 (several databases, asyncio)",
    "54ee0efa675e65f9": "Flask-Migrate 4.0.3 (several databases, asyncio)",
    "31a39967add0ec05": "Flask-Migrate 4.0.4 (several databases, asyncio)",
    "50d614dac5af3a83": "Flask-Migrate 4.1.0 (several databases, asyncio)",
}


PUBLISHED_TEMPLATES = frozenset(
    {
        "92420c6e3c3f0e09",
        "7415ebe54af64b6d",
        "26fe50742a3b055a",
        "07a89d15b7e6f6d7",
        "af536c33ce5ee0a6",
        "d8cedbb3162e6d07",
    }
)
"""Of each script.py.mako that Flask-Migrate has published."""


def template_fingerprint(template: str) -> str:
    """What two templates of revision files have in common that differ in white space alone."""
    return hashlib.sha256("\n".join(template.split()).encode()).hexdigest()[:16]


def fingerprint(source: str) -> str | None:
    """What two files have in common that Python reads as the same; ``None`` where it can't read them."""
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
        read = [_meaning(token) for token in tokens if token.type not in _UNREAD and token.string not in _FORMATTING]
    except (tokenize.TokenError, SyntaxError, ValueError):
        return None
    return hashlib.sha256("\n".join(read).encode()).hexdigest()[:16]


def _meaning(token: tokenize.TokenInfo) -> str:
    is_plain = token.type == tokenize.STRING and "f" not in token.string[:2].lower()
    return repr(ast.literal_eval(token.string)) if is_plain else token.string


def origin(source: str) -> t.Literal["packaged", "full", "published", "own"]:
    """Where an env.py comes from.

    :returns: ``packaged`` for the short one of this package, ``full`` for its long one, ``published`` for one of
        Flask-Migrate that nobody has changed, and else ``own``.
    """
    found = fingerprint(source)
    if calls_run_env(source):
        return "packaged"
    if found is not None and found == fingerprint((TEMPLATES / "flask-full" / "env.py").read_text("utf-8")):
        return "full"
    return "published" if found in PUBLISHED else "own"


def calls_run_env(source: str) -> bool:
    """Whether a file leaves the work to ``run_env()``, whatever else is in it."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return False
    names = (node.func for node in ast.walk(tree) if isinstance(node, ast.Call))
    return any(getattr(name, "id", getattr(name, "attr", "")) == "run_env" for name in names)
