"""The pages that can be followed do what they say: files are written, commands run, and their outputs compared."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from .support import processes
from .support.dumps import dump_schema
from .support.pages import DOCS
from .support.pages import equalised
from .support.pages import is_executable
from .support.pages import replay

TUTORIAL = DOCS / "tutorial.rst"
PAGES = [page for page in sorted(DOCS.rglob("*.rst")) if is_executable(page.read_text("utf-8"))]


@pytest.mark.parametrize("page", [pytest.param(page, id=str(page.relative_to(DOCS))) for page in PAGES])
def test_a_page_does_what_it_says(page: Path, tmp_path: Path) -> None:
    """A reader who follows the page sees what the page shows."""
    told, went = replay(page.read_text("utf-8"), tmp_path)
    assert equalised("".join(command.text for command in told)) == equalised("".join(command.text for command in went))


def test_the_tutorial_ends_with_the_example(tmp_path: Path) -> None:
    """The tables that a reader's migrations make are those of the example's."""
    replay(TUTORIAL.read_text("utf-8"), tmp_path)
    committed = tmp_path / "committed.db"
    processes.run(
        [sys.executable, "-m", "flask", "--app", "example_app", "db", "upgrade"],
        cwd=DOCS.parent,
        env={"DATABASE_URL": f"sqlite:///{committed}"},
    )
    assert _schema(tmp_path / "instance" / "company.db") == _schema(committed)


def test_another_output_is_noticed(tmp_path: Path) -> None:
    """The comparison fails when a page shows what a command doesn't print, or leaves something out."""
    page = ".. code-block:: console\n\n    $ echo 0123456789ab at fedcba987654\n    {}\n"
    told, went = replay(page.format("ba9876543210 at 0123456789ab"), tmp_path)
    assert equalised(told[0].output[0]) == equalised(went[0].output[0])
    told, went = replay(page.format("0123456789ab at 0123456789ab"), tmp_path)
    assert equalised(told[0].text) != equalised(went[0].text)
    told, went = replay(page.format(""), tmp_path)
    assert equalised(told[0].text) != equalised(went[0].text)


def _schema(path: Path) -> dict[str, object]:
    return dump_schema(sa.create_engine(f"sqlite:///{path}", poolclass=NullPool))
