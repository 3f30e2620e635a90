"""A short vocabulary: words that read as if translated, and what to write instead.

proselint, which CI runs too, knows English in general; this is what crept into texts here.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
INSTEAD = {
    r"\banew\b": "again, or regenerate, recreate, rebuild",
    r"\b(as|where) (it|they) stands?\b": "unchanged",
    r"\ball the same\b": "anyway",
    r"\blest\b": "so that ... not",
    r"\b(somebody|nobody) else\b": "another process, another program; name the actor",
    r"\bwhoever\b": "name the actor",
    r"\btake[sn]? back\b": "revert, or restore",
    r"\bgo(es)? away\b": "is dropped, is removed",
    r"\b(go|goes|went|going) on\b": "continues, keeps working, is resumed",
    r"\bslip\b": "typo",
}
READ = [
    ROOT / "README.rst",
    *(path for path in (ROOT / "docs").rglob("*.rst") if path.name != "changes.rst"),
    *(ROOT / "flask_schemaflow" / "errors").glob("*.py"),
    *(ROOT / "flask_schemaflow" / "cli").glob("*.py"),
    ROOT / "flask_schemaflow" / "settings.py",
    ROOT / "flask_schemaflow" / "linting" / "rulebook.py",
]


@pytest.mark.parametrize("path", READ, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_text_has_none_of_these_words(path: Path) -> None:
    """Each place is named with what to write."""
    text = path.read_text("utf-8")
    found = [
        f"line {text.count(chr(10), 0, match.start()) + 1}: {' '.join(match[0].split())!r}: write {better}"
        for pattern, better in INSTEAD.items()
        for match in re.finditer(pattern.replace(" ", r"\s+"), text, re.IGNORECASE)
    ]
    assert not found, "\n".join(found)
