"""The example of the documentation's page, run: the application, its commands and its requests."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import sqlalchemy as sa

from ..conftest import FlaskDb
from ..conftest import MakeProject

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "tenants.rst"


def test_the_example_of_the_page_runs(project: MakeProject, flask_db: FlaskDb, postgres_url: str) -> None:
    """The page's commands build shared tables and tenants; each request sees its own tenant's rows."""
    text = PAGE.read_text("utf-8")
    source = textwrap.dedent(text.split(".. code-block:: python\n")[1].split("\nThe last function")[0])
    made = project(url=postgres_url, source=source.replace("postgresql+psycopg://me@localhost/shop", postgres_url))
    steps = text.split("The first revision")[1].split(".. code-block:: console\n")[1].split("\nEach schema")[0]
    for step in re.findall(r"\$ flask db (.*)", steps):
        flask_db(made, *(word.strip('"') for word in step.split()))
    engine = sa.create_engine(postgres_url)
    for number, name in enumerate(("acme", "umbrella")):
        with engine.begin() as connection:
            connection.exec_driver_sql(f"INSERT INTO customer VALUES ('{name}')")
        flask_db(made, "create-tenant", name)
        with engine.begin() as connection:
            connection.exec_driver_sql(f"INSERT INTO tenant_{name}.invoice (amount) VALUES ({number})")
    engine.dispose()
    assert "3  template, acme, umbrella" in flask_db(made, "status", "--all-tenants").output
    app = made.app()
    client = app.test_client()
    for number, name in enumerate(("acme", "umbrella")):
        assert client.get("/invoices", base_url=f"http://{name}.example.com").json == {"amounts": [number]}
    assert client.get("/invoices", base_url="http://nobody.example.com").status_code == 404
    with app.app_context():
        app.extensions["sqlalchemy"].engine.dispose()
