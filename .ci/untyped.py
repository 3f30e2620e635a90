"""Read pyright's report on types from standard input; name what is public and has no complete type, and fail for it.

Public is what ``flask_schemaflow`` exports by its ``__all__``, and the modules that the documentation names: the others
are the package's own business, whatever pyright takes for public.

Usage: ``pyright --verifytypes flask_schemaflow --outputjson | python3 .ci/untyped.py``
"""

from __future__ import annotations

import json
import sys

PUBLIC = ("errors", "records", "questions", "testing", "operations")
# The pytest plugin's insides, whose base classes are pytest's: it isn't installed where pyright looks.
INSIDE = ("testing.items.", "testing.survival.", "testing.walk.")


def is_public(name: str) -> bool:
    """Return whether a symbol is part of the public surface."""
    _, *rest = name.split(".")
    if ".".join(rest).startswith(INSIDE):
        return False
    return len(rest) == 1 or rest[0] in PUBLIC or rest[0][:1].isupper()


if __name__ == "__main__":
    symbols = json.load(sys.stdin)["typeCompleteness"]["symbols"]
    public = [symbol for symbol in symbols if symbol["isExported"] and is_public(symbol["name"])]
    unknown = [symbol for symbol in public if not symbol["isTypeKnown"] or symbol["isTypeAmbiguous"]]
    for symbol in unknown:
        print(symbol["name"], *(line["message"] for line in symbol["diagnostics"]), sep="\n  ")
    print(f"{len(public) - len(unknown)} of {len(public)} public symbols have complete types")
    sys.exit(bool(unknown) or not public)
