"""Requests that meet pending migrations, without a browser: APIs, other sites, other servers."""

from __future__ import annotations

import json
import re
import threading
import typing as t
import wsgiref.simple_server
from pathlib import Path

import pytest
import sqlalchemy as sa

import flask_schemaflow
from flask_schemaflow.development.pending import announce

from ..support.browser import DevelopmentServer
from .conftest import make_shop
from .conftest import ServeShop
from .conftest import Shop

HTML = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def token(shop: Shop) -> str:
    page = shop.server.send("/items", **HTML).text
    found = re.search(r'name="token" value="([^"]+)"', page)
    assert found is not None, page
    return found[1]


def press(shop: Shop, data: str, **headers: str) -> int:
    return shop.server.send("/_schemaflow/upgrade", data, **headers).status


def test_a_program_gets_json(shop: Shop) -> None:
    """Whoever doesn't ask for HTML gets 503 and the revisions in the shape of ``status --json``."""
    answer = shop.server.send("/items")
    assert answer.status == 503 and answer.headers["Content-Type"] == "application/json"
    body = json.loads(answer.text)
    assert body["error"] == "pending_migrations" and body["command"] == "flask db upgrade"
    assert body["message"] == "Migrations are pending: 1 on default, 1 on audit."
    listed = json.loads(shop.run("db", "status", "--json").stdout)
    assert body["databases"] == [{"database": item["database"], "pending": item["pending"]} for item in listed]


def test_files_and_preflights_pass(shop: Shop) -> None:
    """A style sheet and the question of a browser about another origin need no database."""
    assert shop.server.send("/static/style.css").status == 200
    assert shop.server.send("/items", method="OPTIONS").status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"sec_fetch_site": "cross-site"},
        {"host": "evil.example"},
        {"host": "localhost.evil.example:5000"},
        {"x_forwarded_for": "203.0.113.9"},
    ],
    ids=["origin", "site", "rebound name", "similar name", "proxy"],
)
def test_the_button_is_for_this_machine_alone(shop: Shop, headers: dict[str, str]) -> None:
    """Another site, a name that was pointed here, and a tunnel can't upgrade, even with the token."""
    assert press(shop, f"token={token(shop)}&next=/", **headers) == 403
    assert shop.execute("SELECT count(*) FROM sqlite_master WHERE name = 'item'") == [(0,)]


def test_a_guess_changes_nothing_and_shows_the_page_again(shop: Shop) -> None:
    """A page from before a restart has an old token; it says so and has a new one."""
    answer = shop.server.send("/_schemaflow/upgrade", "token=guess&next=/", **HTML)
    assert answer.status == 403 and "has restarted since" in answer.text and 'name="token"' in answer.text
    assert shop.execute("SELECT count(*) FROM sqlite_master WHERE name = 'item'") == [(0,)]


def test_the_page_shows_no_button_to_others(shop: Shop) -> None:
    """Through a proxy, the page names the command only."""
    answer = shop.server.send("/items", **HTML, x_forwarded_for="203.0.113.9")
    assert answer.status == 503 and "<button" not in answer.text and "flask db upgrade" in answer.text


@pytest.mark.parametrize("target", ["//evil.example", "https://evil.example/", "/\\evil.example", ""])
def test_the_button_leads_nowhere_else(shop: Shop, target: str) -> None:
    """What comes after the upgrade is on this server."""
    answer = shop.server.send("/_schemaflow/upgrade", f"token={token(shop)}&next={target}")
    assert (answer.status, answer.headers["Location"]) == (303, "/")


def test_two_presses_upgrade_once(shop: Shop) -> None:
    """The second one waits for the first, and finds nothing left to do."""
    data, statuses = f"token={token(shop)}&next=/new", []
    threads = [threading.Thread(target=lambda: statuses.append(press(shop, data))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [303, 303]
    assert shop.execute("SELECT revision FROM schemaflow_revisions WHERE revision NOT LIKE ':%'") == [("a1",)]


LINE = " * Pending migrations: 1 on default, 1 on audit. Run `flask db upgrade`.\n"


@pytest.mark.parametrize("debug", [True, False], ids=["reloader", "no debug"])
def test_flask_run_says_one_line(serve: ServeShop, debug: bool) -> None:
    """Once with the reloader, too; without debug mode there is the line but no page."""
    shop = serve(debug=debug)
    assert shop.server.send("/new", **HTML).status == (503 if debug else 200)
    assert shop.server.output.count(LINE) == 1 == shop.server.output.count("Pending migrations")


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        ("page", LINE),
        ("warn", LINE),
        ("off", ""),
        (
            "paeg",
            ' * SCHEMAFLOW_PENDING must be one of "page", "warn", "off", not \'paeg\'.\n'
            "Fix app.config['SCHEMAFLOW_PENDING']; the default is 'page'.\n",
        ),
    ],
)
def test_the_setting_decides_about_the_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], mode: str, said: str
) -> None:
    """``off`` says nothing; a value that is none is named in one line, and the server starts."""
    shop = make_shop(tmp_path / "shop", SCHEMAFLOW_PENDING=mode)
    announce(shop.app())
    assert capsys.readouterr().err == said
    shop.close()


def test_with_warn_there_is_a_line_in_the_log_and_help_with_the_error(serve: ServeShop) -> None:
    """Requests are answered; the debugger's page of the error names what is pending."""
    shop = serve("--no-reload", SCHEMAFLOW_PENDING="warn")
    assert shop.server.send("/new").status == 200
    answer = shop.server.send("/items", **HTML)
    assert answer.status == 500 and "no such table: item" in answer.text
    assert "Migrations are pending (1 on default, 1 on audit), which may add it: flask db upgrade" in answer.text
    said = shop.server.output
    assert len(re.findall(r"WARNING in gate: Pending migrations", said)) == 1


def answers(shop: Shop, **environ: str) -> int:
    app = shop.app()
    app.debug = True
    return app.test_client().get("/new", environ_overrides=environ).status_code


def test_other_servers_and_tests_see_no_page(tmp_path: Path) -> None:
    """Debug mode alone is not enough: a test client and another WSGI server get the application's answer."""
    shop = make_shop(tmp_path / "shop")
    assert answers(shop) == 200
    app = shop.app()
    app.debug = True
    with wsgiref.simple_server.make_server("127.0.0.1", 0, app) as server:
        threading.Thread(target=server.handle_request).start()
        other = DevelopmentServer.__new__(DevelopmentServer)
        other.url = f"http://127.0.0.1:{server.server_port}"
        assert other.send("/new", **HTML).status == 200
    shop.close()


def test_the_databases_are_asked_once_a_second(tmp_path: Path) -> None:
    """A hundred requests open no more connections than one."""
    shop = make_shop(tmp_path / "shop")
    app = shop.app()
    with app.app_context():
        flask_schemaflow.upgrade()
    app.debug = True
    opened: list[object] = []
    with app.app_context():
        for engine in app.extensions["sqlalchemy"].engines.values():
            sa.event.listen(engine, "checkout", lambda *args: opened.append(args))
    client = app.test_client()
    server = {"SERVER_SOFTWARE": "Werkzeug/3"}
    assert client.get("/new", environ_overrides=server).status_code == 200
    first = len(opened)
    for _ in range(100):
        client.get("/new", environ_overrides=server)
    assert first and len(opened) <= 2 * first
    shop.close()


QUERIES = {"a table": "SELECT * FROM item", "a column": "SELECT price FROM product"}


@pytest.mark.parametrize("missing", QUERIES)
def test_an_error_about_a_missing_object_names_what_is_pending(
    project: t.Any, flask_db: t.Any, database_url: str, missing: str
) -> None:
    """On each database, for tables and columns; nothing is added once nothing is pending, nor without debug mode."""
    made = project("class Product(db.Model):\n    id = sa.Column(sa.Integer, primary_key=True)\n", url=database_url)
    flask_db(made, "init")
    flask_db(made, "migrate", "-m", "first")
    flask_db(made, "upgrade")
    made.write_revision("b2", made.revision_files()[0].stem.split("_")[2], message="more")
    app = made.app()

    def fail() -> str:
        app.extensions["sqlalchemy"].session.execute(sa.text(QUERIES[missing]))
        return ""

    app.add_url_rule("/", view_func=fail)
    advice = "(Migrations are pending (1 on default), which may add it: flask db upgrade)"
    app.testing = True
    for debug in (True, False):
        app.debug = debug
        with pytest.raises(sa.exc.DBAPIError) as raised:
            app.test_client().get("/")
        assert (advice in str(raised.value)) == debug
    flask_db(made, "stamp", "b2")
