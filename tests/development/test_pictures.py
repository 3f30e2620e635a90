"""The documentation's pictures of the page about pending migrations are pictures of today's page."""

from __future__ import annotations

from ..tools import page_pictures


def test_the_pictures_are_of_the_page() -> None:
    """They were taken of the template as it is now."""
    assert page_pictures.MADE_OF.read_text("utf-8") == page_pictures.digest() + "\n", (
        "run `python -m tests.tools.page_pictures` and look at the pictures"
    )
