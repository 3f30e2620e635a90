"""Pictures of the history: what they show, and that a long one can be read."""

from __future__ import annotations

import typing as t
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import hypothesis
import pytest
from hypothesis import strategies

from flask_schemaflow.pictures.history import arrange
from flask_schemaflow.pictures.history import History
from flask_schemaflow.pictures.history import history_as_text
from flask_schemaflow.pictures.history_svg import history_as_svg
from flask_schemaflow.pictures.mermaid import history_as_mermaid
from flask_schemaflow.pictures.svg import html_page
from flask_schemaflow.records import Revision
from flask_schemaflow.records import Standing

from ..conftest import FlaskDb
from ..conftest import MakeProject
from ..support.browser import save

if t.TYPE_CHECKING:
    from playwright.sync_api import Page

UNICODE = """\
○    f6  merge (head)
├─╮
◐ │  d4  left (current: default) (pending: audit)
│ ○  e5  right
│ ○  c3  right too
├─╯
●    b2  fork (current: audit)
●    a1  begin (shop)

● 2 applied   ○ 3 pending   ◐ 1 applied to some databases
"""
ASCII = UNICODE.translate(str.maketrans("○●◐│├─╮╯", "o*~||-\\/"))


def test_the_history_is_drawn_with_the_state_of_each_database(project: MakeProject, flask_db: FlaskDb) -> None:
    """Branches, a merge, a label, the head, and what two databases have of it; the plain one for plain terminals."""
    made = project(binds={})
    made.binds["audit"] = f"sqlite:///{made.root / 'audit.db'}"
    made.write_app()
    flask_db(made, "init")
    made.write_revision("a1", None, message="begin", branch_labels=("shop",))
    made.write_revision("b2", "a1", message="fork")
    flask_db(made, "upgrade")
    made.write_revision("d4", "b2", message="left")
    flask_db(made, "upgrade", "--bind", "default")
    made.write_revision("c3", "b2", message="right too")
    made.write_revision("e5", "c3", message="right")
    made.write_revision("f6", ("d4", "e5"), message="merge\n\nAdd a table.")
    drawn = flask_db(made, "graph").stdout
    assert normal(drawn) == normal(UNICODE)
    done = made.run("db", "graph", env={"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"})
    assert normal(done.stdout) == normal(ASCII)


def normal(text: str) -> list[str]:
    """Return the lines without what the alignment of ids and labels spread along branches decide."""
    return [" ".join(line.replace("(shop)", "").split()) for line in text.splitlines()]


def test_the_format_follows_from_the_file(project: MakeProject, flask_db: FlaskDb) -> None:
    """The picture is in the file alone; an unwritable one is an error, and what was there stays."""
    made = project()
    flask_db(made, "init")
    made.write_revision("a1", None, message='say "<hi>" & go')
    for name, beginning in {
        "g.svg": "<svg ",
        "g.html": "<!doctype html>",
        "g.mmd": "flowchart BT\n",
        "g.md": "```mermaid\nflowchart BT\n",
        "g.txt": "○  a1",
    }.items():
        done = flask_db(made, "graph", "-o", name)
        assert done.stdout == "" and done.stderr == f"Wrote {name}\n"
        assert made.read(name).startswith(beginning)
    assert "say #quot;#lt;hi#gt;#quot; #amp; go" in made.read("g.mmd")
    assert 'say "<hi>" & go' in "".join(ElementTree.fromstring(made.read("g.svg")).itertext())
    assert flask_db(made, "graph", "--format", "svg").stdout == made.read("g.svg")
    failed = flask_db(made, "graph", "-o", "nowhere/g.svg", status=1)
    assert failed.stderr == (
        "Error [SF706]: nowhere/g.svg can't be written: No such file or directory.\n\n"
        "Name another file after --output, in a folder that exists and that you may write to.\n"
    )


def test_without_databases_it_needs_none(project: MakeProject, flask_db: FlaskDb) -> None:
    """A server that is down doesn't keep anybody from seeing the history."""
    made = project(url="postgresql+psycopg://nobody@127.0.0.1:1/none")
    flask_db(made, "init")
    made.write_revision("a1", None, message="begin")
    assert flask_db(made, "graph", "--no-database").stdout == "●  a1  begin (head)\n"
    assert "SF4" in flask_db(made, "graph", status=1).stderr


@strategies.composite
def histories(draw: strategies.DrawFn) -> list[Revision]:
    """Return a history of any shape, newest first."""
    made: list[Revision] = []
    for number in range(draw(strategies.integers(1, 25))):
        known = [revision.id for revision in made[-6:]]
        down = draw(strategies.lists(strategies.sampled_from(known), max_size=3, unique=True)) if known else []
        made.append(Revision(f"r{number}", f"number {number}", tuple(down)))
    return made[::-1]


@hypothesis.given(histories())
def test_no_line_runs_through_another(revisions: list[Revision]) -> None:
    """In each row a lane holds one revision or lines to one parent, and every parent is reached."""
    drawn = arrange(revisions)
    for number, row in enumerate(drawn.rows):
        lanes: dict[int, int] = {}
        for edge in drawn.edges:
            if edge.child < number < edge.parent:
                assert lanes.setdefault(edge.lane, edge.parent) == edge.parent
                assert edge.lane != row.lane
    assert len(drawn.edges) == sum(len(set(row.revision.down)) for row in drawn.rows)
    text = history_as_text(drawn)
    assert [line for line in text.splitlines() if "number" in line] == [
        line for row in drawn.rows for line in text.splitlines() if line.endswith(f"  {row.revision.message}")
    ]


def long_history() -> History:
    """Return 500 revisions with a branch every 40, of which all but the last ten are applied."""
    made: list[Revision] = []
    for number in range(500):
        down = [f"{number - 1:04}abcd"] if number else []
        if number % 40 == 20:
            down = [f"{number - 5:04}abcd"]
        elif number % 40 == 25:
            down.append(f"{number - 6:04}abcd")
        made.append(Revision(f"{number:04}abcd", f"change number {number}", tuple(down), is_head=number == 499))
    made.reverse()
    standing = Standing("default", "", current=(made[10].id,), applied=tuple(made[10:]))
    return arrange(made, [standing])


def test_five_hundred_revisions_can_be_read(page: Page, tmp_path: Path) -> None:
    """The page opens by itself: a search jumps to the revision, by keyboard alone; zooming keeps the place."""
    path = tmp_path / "history.html"
    path.write_text(html_page(history_as_svg(long_history(), "History of shop"), "History of shop"), "utf-8")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    assert page.get_by_role("listitem").count() == 500
    assert page.get_by_role("listitem", name="0499abcd, change number 499, pending, head").is_visible()
    page.keyboard.press("/")
    page.keyboard.type("change number 77,")
    found = page.get_by_role("listitem", name="0077abcd, change number 77, applied")
    assert page.locator("#count").inner_text() == "1 of 1"
    save(page, "graph-search")
    assert is_in_view(page, found)
    width = found.bounding_box()
    page.get_by_role("button", name="Zoom out").click()
    smaller = found.bounding_box()
    assert width is not None and smaller is not None and smaller["width"] < width["width"]
    assert is_in_view(page, found)
    page.keyboard.press("Escape")
    assert page.locator(".seeking").count() == 0
    assert asked == [path.as_uri()]


def is_in_view(page: Page, item: t.Any) -> bool:
    box = item.bounding_box()
    return box is not None and 0 <= box["y"] <= 900 - box["height"]


def test_mermaid_gets_no_more_than_it_draws() -> None:
    """Mermaid stops at 500 lines and 50,000 characters; runs in which nothing happens are one node."""
    drawn = history_as_mermaid(long_history())
    assert drawn.count("-->") < 300 and len(drawn) < 30_000
    assert "0499abcd" in drawn and "(current: default)" in drawn and "revisions ..." in drawn


@pytest.mark.parametrize("draw", [history_as_text, history_as_mermaid])
def test_an_empty_folder_is_no_error(draw: t.Callable[[History], str]) -> None:
    """There is a picture of nothing, too."""
    assert draw(arrange([]))
    assert "0 revisions" in history_as_svg(arrange([]), "History")
