"""Pictures of the schema: the pending change in colours, and that many tables can be read."""

from __future__ import annotations

import typing as t
from pathlib import Path
from xml.etree import ElementTree

from flask_schemaflow.pictures.mermaid import schema_as_mermaid
from flask_schemaflow.pictures.schema import Column
from flask_schemaflow.pictures.schema import Schema
from flask_schemaflow.pictures.schema import Table
from flask_schemaflow.pictures.schema_svg import place
from flask_schemaflow.pictures.schema_svg import schema_as_svg
from flask_schemaflow.pictures.svg import html_page

from ..conftest import FlaskDb
from ..conftest import MakeProject
from ..support.browser import save

if t.TYPE_CHECKING:
    from playwright.sync_api import Page

BEFORE = """
class Customer(db.Model):
    id = sa.Column(sa.Integer, primary_key=True)
    full_name = sa.Column(sa.String(80))
    age = sa.Column(sa.Integer)
class Old(db.Model):
    id = sa.Column(sa.Integer, primary_key=True)
"""
AFTER = """
class Customer(db.Model):
    id = sa.Column(sa.Integer, primary_key=True)
    fullname = sa.Column(sa.String(80))
    age = sa.Column(sa.Integer, nullable=False)
class Invoice(db.Model):
    id = sa.Column(sa.Integer, primary_key=True)
    customer_id = sa.Column(sa.ForeignKey("customer.id"), nullable=False)
    total = sa.Column(sa.Numeric(10, 2))
"""


def test_the_pending_change_is_marked(project: MakeProject, flask_db: FlaskDb, database_url: str) -> None:
    """On each database a table and a column are added, dropped, renamed and changed; nothing is written or applied."""
    made = project(BEFORE, url=database_url)
    flask_db(made, "init")
    flask_db(made, "migrate", "-m", "first")
    flask_db(made, "upgrade")
    made.write_models(AFTER)
    drawn = flask_db(made, "erd").stdout
    assert "    class invoice added\n" in drawn and "    class old dropped\n" in drawn
    assert "    class customer changed\n" in drawn
    assert 'fullname "renamed: rename column customer.full_name to fullname"' in drawn
    assert 'age "changed: change column customer.age: NOT NULL"' in drawn
    assert '    customer ||--o{ invoice : "customer_id"\n' in drawn and "customer_id FK" in drawn
    plain = flask_db(made, "erd", "--no-database").stdout
    assert "class " not in plain and "old" not in plain
    flask_db(made, "erd", "-o", "erd.svg")
    assert "2 added" not in made.read("erd.svg") and "1 renamed" in made.read("erd.svg")
    assert len(made.revision_files()) == 1


def test_what_a_pending_revision_does_is_marked(project: MakeProject, flask_db: FlaskDb) -> None:
    """Apart from what no revision does; with the revision's id."""
    made = project(BEFORE)
    flask_db(made, "init")
    flask_db(made, "migrate", "-m", "first")
    flask_db(made, "upgrade")
    made.write_models(AFTER)
    made.write_revision(
        "b2b2b2",
        "head",
        "op.alter_column('customer', 'full_name', new_column_name='fullname')\nop.drop_table('old')",
        "pass",
    )
    path = made.migrations / "versions" / "b2b2b2.py"
    first = next(file.name for file in made.revision_files() if file != path).split("_")[2]
    path.write_text(path.read_text("utf-8").replace("'head'", repr(first)), "utf-8")
    drawn = flask_db(made, "erd").stdout
    assert 'fullname "renamed (pending b2b2b2): rename column' in drawn
    assert '"changed: change column customer.age' in drawn
    flask_db(made, "erd", "-o", "erd.svg")
    svg = made.read("erd.svg")
    assert "dotted: a pending revision does it" in svg and 'class="table dropped unapplied"' in svg
    assert "full_name to fullname (pending: b2b2b2)" in svg and 'class="table added"' in svg


def test_a_text_is_no_format_of_it(project: MakeProject, flask_db: FlaskDb) -> None:
    """A suffix that stands for another format is refused before anything is compared."""
    made = project(BEFORE)
    assert "Use --format, one of mermaid, svg, html." in flask_db(made, "erd", "-o", "erd.txt", status=2).stderr


def test_the_picture_alone_is_well_formed() -> None:
    """A browser opens the file only if it is XML; a page takes more."""
    table = Table("child", (Column("parent", "INT", target="a<b.id"),), "added")
    ElementTree.fromstring(schema_as_svg(Schema((Table("a<b", (Column("id", "INT"),)), table)), "A & B"))


def large() -> Schema:
    """Return 150 tables, of which most refer to a few, and some to themselves and in circles."""
    tables = []
    for number in range(150):
        columns = [Column("id", "INTEGER", is_key=True, nullable=False)]
        columns += [Column("parent", "INTEGER", target=f"table_{number % 7}.id")] * (number % 10 != 9)
        columns += [Column(f"field_{field}", "VARCHAR(80)") for field in range(number % 13)]
        columns += [Column("extra", "TEXT", change="added", note="add column table_77.extra")] * (number == 77)
        tables.append(Table(f"table_{number}", tuple(columns), "changed" if number == 77 else ""))
    return Schema(tuple(tables))


def test_no_box_covers_another() -> None:
    """All boxes have a place of their own, and the whole is no ribbon."""
    schema = large()
    sizes = {table.name: (200.0, 40.0 + 20 * len(table.columns)) for table in schema.tables}
    places = place(sizes, {table.name: table.targets for table in schema.tables})
    boxes = [(*places[name], *sizes[name]) for name in sizes]
    for number, (x, y, width, height) in enumerate(boxes):
        for x2, y2, width2, height2 in boxes[:number]:
            assert x + width <= x2 or x2 + width2 <= x or y + height <= y2 or y2 + height2 <= y
    right, bottom = max(x + width for x, _, width, _ in boxes), max(y + height for _, y, _, height in boxes)
    assert 0.5 < right / bottom < 4


def test_a_hundred_and_fifty_tables_can_be_read(page: Page, tmp_path: Path) -> None:
    """All are seen at once; a search for a column zooms to its table; Enter on a table shows its neighbours alone."""
    path = tmp_path / "schema.html"
    path.write_text(html_page(schema_as_svg(large(), "Schema of shop"), "Schema of shop"), "utf-8")
    page.goto(path.as_uri())
    assert page.get_by_role("listitem").count() == 150
    save(page, "erd")
    page.keyboard.press("/")
    page.keyboard.type("extra")
    box = page.get_by_role("listitem", name="table_77, changed").bounding_box()
    assert page.locator("#count").inner_text() == "1 of 1"
    assert box is not None and 0 <= box["y"] <= 900 and box["width"] > 150
    page.keyboard.press("Escape")
    page.locator('[data-table="table_77"]').focus()
    page.keyboard.press("Enter")
    assert set(page.locator(".near[data-table]").evaluate_all("found => found.map(item => item.dataset.table)")) == {
        "table_77",
        "table_0",
    }


def test_mermaid_gets_no_more_than_it_draws() -> None:
    """A schema that is too large is drawn with its keys and changes only."""
    columns = tuple(Column(f"a_column_with_a_long_name_{number}", "VARCHAR(80)") for number in range(20))
    schema = Schema(tuple(Table(f"table_{number}", columns) for number in range(150)))
    assert len(schema_as_mermaid(schema)) < 50_000 and "a_column" not in schema_as_mermaid(schema)
