"""The page about pending migrations, in a real browser and from Flask's own server."""

from __future__ import annotations

import itertools
import typing as t

from ..support.browser import is_dark
from ..support.browser import save
from .conftest import NOTHING
from .conftest import Shop

if t.TYPE_CHECKING:
    from playwright.sync_api import Browser
    from playwright.sync_api import Page


def tables(shop: Shop, bind: str | None = None) -> set[str]:
    return {name for (name,) in shop.execute("SELECT name FROM sqlite_master WHERE type = 'table'", bind)}


def test_the_button_upgrades_all_databases_and_the_request_goes_on(shop: Shop, page: Page) -> None:
    """By keyboard alone: the first stop is the button, Enter upgrades, and the page that was asked for follows."""
    answer = page.goto(f"{shop.server.url}/items?page=2")
    assert answer is not None and answer.status == 503
    assert page.get_by_role("heading", level=1).inner_text() == "Migrations are pending"
    assert page.get_by_role("region", name="default: 1 pending").get_by_role("listitem").first.is_visible()
    assert "create table entry" in page.get_by_role("region", name="audit: 1 pending").inner_text()
    page.keyboard.press("Tab")
    assert page.locator(":focus").inner_text() == "Upgrade all databases"
    page.keyboard.press("Enter")
    page.wait_for_url("**/items?page=2")
    page.get_by_text("0 items, page 2").wait_for()
    assert "item" in tables(shop) and "entry" in tables(shop, "audit")
    assert "Applied a1 create item on audit" in shop.server.output


def test_what_the_revisions_do_is_measured(shop: Shop, page: Page) -> None:
    """The plan's sentences come after the page, from a copy that the database knows nothing of."""
    shop.write_revision("b2", "a1", "op.drop_table('item')", "pass", message="drop it", extra=NOTHING)
    shop.expect("a1", "b2")
    shop.run("db", "upgrade", "a1")
    shop.expect("b2")
    page.goto(f"{shop.server.url}/items")
    entry = page.get_by_role("region", name="default: 1 pending").get_by_role("listitem").filter(has_text="drop it")
    entry.get_by_text("error: ").first.wait_for()
    assert "deployment: code first" in entry.inner_text()
    save(page, "page-measured")
    assert "item" in tables(shop) and "entry" in tables(shop, "audit")
    wrong: dict[str, str | float | bool] = {"token": "another"}
    assert page.request.post(f"{shop.server.url}/_schemaflow/effects", form=wrong).json() == {}


def test_a_form_is_sent_again_after_the_upgrade(shop: Shop, page: Page) -> None:
    """A POST that met the page loses nothing: the browser repeats it."""
    page.goto(f"{shop.server.url}/new")
    page.get_by_role("button", name="Continue without upgrading").click()
    page.get_by_role("button", name="Add").wait_for()
    page.context.clear_cookies()
    page.get_by_role("button", name="Add").click()
    assert "It was a POST request." in page.get_by_role("main").inner_text()
    page.get_by_role("button", name="Upgrade all databases").click()
    page.get_by_text("added tea").wait_for()
    assert shop.execute("SELECT name FROM item") == [("tea",)]


def test_a_failure_is_told_with_its_cause_and_can_be_tried_again(shop: Shop, page: Page) -> None:
    """The page shows what ``flask db upgrade`` would print; nothing was changed; the mended file goes through."""
    shop.write_revision("b2", "a1", "op.execute('INSERT INTO nowhere VALUES (1)')", message="fill it", extra=NOTHING)
    shop.expect("a1", "b2")
    page.goto(f"{shop.server.url}/items")
    page.get_by_role("button", name="Upgrade all databases").click()
    said = page.get_by_role("alert").inner_text()
    assert said.startswith("The upgrade failed. ") and "no such table: nowhere" in said and "SF5" in said
    save(page, "page-failed")
    assert "item" not in tables(shop)
    shop.write_revision("b2", "a1", "op.execute('UPDATE item SET name = 1')", message="fill it", extra=NOTHING)
    page.get_by_role("button", name="Upgrade all databases").click()
    page.get_by_text("0 items").wait_for()
    assert shop.execute("SELECT version_num FROM alembic_version") == [("b2",)]


def test_continuing_holds_until_something_else_is_pending(shop: Shop, page: Page) -> None:
    """Who continues without upgrading sees no page until another revision comes."""
    page.goto(f"{shop.server.url}/new")
    page.get_by_role("button", name="Continue without upgrading").click()
    page.get_by_role("button", name="Add").wait_for()
    page.reload()
    assert page.get_by_role("button", name="Add").is_visible()
    shop.write_revision("b2", "a1", message="another")
    shop.expect("a1", "b2")
    page.reload()
    assert page.get_by_role("region", name="default: 2 pending").is_visible()


def test_it_reads_well_everywhere(shop: Shop, browser: Browser) -> None:
    """On a telephone and a desk, in light and in dark, nothing is cut off, however long a name is."""
    shop.write_revision("b" * 40, "a1", "op.drop_table('x')", message="a_very_long_name_without_a_blank_" * 5)
    shop.expect("a1", "b" * 40)
    schemes: tuple[t.Literal["light", "dark"], ...] = ("light", "dark")
    for scheme, width in itertools.product(schemes, (390, 1280)):
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        page = context.new_page()
        page.goto(f"{shop.server.url}/items")
        save(page, f"page-{scheme}-{width}")
        assert page.evaluate("document.documentElement.scrollWidth") == width
        background, text = (
            page.evaluate(f"getComputedStyle(document.body).{name}") for name in ("backgroundColor", "color")
        )
        assert is_dark(background) == (scheme == "dark") != is_dark(text)
        context.close()


def test_several_heads_are_told_before_the_button_is_pressed(shop: Shop, page: Page) -> None:
    """The button applies all heads, and says so."""
    shop.write_revision("b2", "a1", message="left")
    shop.write_revision("c3", "a1", message="right")
    shop.expect("a1", "b2", "c3")
    page.goto(f"{shop.server.url}/items")
    assert "The history has 2 heads: b2, c3." in page.get_by_role("main").inner_text()
    page.get_by_role("button", name="Upgrade all databases").click()
    page.get_by_text("0 items").wait_for()
    assert sorted(shop.execute("SELECT version_num FROM alembic_version")) == [("b2",), ("c3",)]
