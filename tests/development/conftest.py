"""A shop with two databases and a pending revision, served by ``flask run``."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest

import flask_schemaflow

from ..support import processes
from ..support.application import Project
from ..support.browser import DevelopmentServer

VIEWS = """
    from flask import request

    @app.get("/items")
    def items():
        from shop.models import Item
        return f"{db.session.query(Item).count()} items, page {request.args.get('page')}"

    @app.post("/items")
    def add():
        from shop.models import Item
        db.session.add(Item(name=request.form["name"]))
        db.session.commit()
        return f"added {request.form['name']}"

    @app.get("/new")
    def new():
        return '<form method="post" action="/items"><input name="name" value="tea"><button>Add</button></form>'

    return app
"""
MODELS = """
class Item(db.Model):
    id = sa.Column(sa.Integer, primary_key=True)
    name = sa.Column(sa.String(40), nullable=False)


class Entry(db.Model):
    __bind_key__ = "audit"
    id = sa.Column(sa.Integer, primary_key=True)
"""
NOTHING = """
def upgrade_audit():
    pass
"""
TABLES = '''
def upgrade_audit():
    op.create_table("entry", sa.Column("id", sa.Integer(), primary_key=True))


def downgrade_audit():
    op.drop_table("entry")
'''


class Shop(Project):
    """The project, with its server while there is one."""

    server: DevelopmentServer

    def expect(self, *revisions: str) -> None:
        """Wait until the server knows that these are pending on both databases; it asks about once a second.

        Their number alone would not tell whether it still means those of the test before.
        """
        expected = {"default": sorted(revisions), "audit": sorted(revisions)}
        processes.wait_until(lambda: self._pending() == expected, f"the pending revisions {expected}")

    def _pending(self) -> dict[str, list[str]]:
        """Return the pending revisions of each database, as the server says them."""
        answer = self.server.send("/items")
        databases = json.loads(answer.text)["databases"] if answer.status == 503 else []
        return {entry["database"]: sorted(item["id"] for item in entry["pending"]) for entry in databases}


def make_shop(root: Path, **config: t.Any) -> Shop:
    """Write a project whose one revision is pending on two databases."""
    shop = Shop(root, binds={"audit": f"sqlite:///{root / 'audit.db'}"})
    shop.write_app(config=config)
    source = shop.read("shop/__init__.py").replace("    return app\n", VIEWS)
    shop.write("shop/__init__.py", source)
    shop.write_models(MODELS)
    shop.write("shop/static/style.css", "body { color: black }\n")
    with shop.app().app_context():
        flask_schemaflow.init(str(shop.migrations))
    shop.write_revision(
        "a1",
        None,
        "op.create_table('item', sa.Column('id', sa.Integer(), primary_key=True), sa.Column('name', sa.String(40)))",
        "op.drop_table('item')",
        message="create item",
        extra=TABLES,
    )
    return shop


class ServeShop(t.Protocol):
    """``serve(**config)``: a shop and its running server."""

    def __call__(self, *options: str, debug: bool = True, **config: t.Any) -> Shop: ...


@pytest.fixture
def serve(tmp_path: Path) -> t.Iterator[ServeShop]:
    """Return a function that makes a shop and starts its server; both end with the test."""
    made: list[Shop] = []

    def start(*options: str, debug: bool = True, **config: t.Any) -> Shop:
        shop = make_shop(tmp_path / f"shop{len(made)}", **config)
        shop.server = DevelopmentServer(shop, *options, debug=debug)
        made.append(shop)
        return shop

    yield start
    for shop in made:
        shop.server.stop()
        shop.close()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Shop]:
    """A shop in debug mode whose server serves all tests of a module."""
    shop = make_shop(tmp_path_factory.mktemp("served"))
    shop.server = DevelopmentServer(shop, "--no-reload")
    yield shop
    shop.server.stop()
    shop.close()


@pytest.fixture
def shop(served: Shop) -> Shop:
    """The shop of the module with empty databases and its first revision alone."""
    for path in served.migrations.glob("versions/[!a]*.py"):
        path.unlink()
    for bind in (None, "audit"):
        for (name,) in served.execute("SELECT name FROM sqlite_master WHERE type = 'table'", bind):
            served.execute(f"DROP TABLE {name}", bind)
    served.expect("a1")
    return served
