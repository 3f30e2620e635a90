"""Schemas of the models are compared and created; those of others are none of ours."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from ...conftest import FlaskDb
from ...conftest import MakeProject
from ...support import databases
from ...support.application import Project
from ..constraint_cases import source
from ..constraint_cases import there_and_back

MODELS = """
class Customer(db.Model):
    id = sa.Column(sa.Integer, primary_key=True)

class Order(db.Model):
    __tablename__ = "orders"
    __table_args__ = (sa.UniqueConstraint("number", "customer_id"), {"schema": "SCHEMA"})
    id = sa.Column(sa.Integer, primary_key=True)
    number = sa.Column(sa.Integer, index=True)
    customer_id = sa.Column(sa.ForeignKey("customer.id"))
    before_id = sa.Column(sa.ForeignKey("SCHEMA.orders.id"))
"""


def test_postgresql(project: MakeProject, flask_db: FlaskDb, postgres_url: str) -> None:
    """A schema is made for its first table, compared from then on, and others stay out."""
    made = project(MODELS.replace("SCHEMA", "sales"), url=postgres_url)
    made.execute("CREATE SCHEMA others")
    made.execute("CREATE TABLE others.thing (id INTEGER)")
    flask_db(made, "init")
    there_and_back(flask_db, made)
    assert "op.execute('CREATE SCHEMA IF NOT EXISTS sales')" in source(made)
    made.execute("INSERT INTO sales.orders (id, number) VALUES (1, 2)")
    made.write_models(
        MODELS.replace("SCHEMA", "sales").replace("number = sa.Column(sa.Integer", "number = sa.Column(sa.BigInteger")
    )
    printed = there_and_back(flask_db, made)
    assert "change column orders.number" in printed and "CREATE SCHEMA" not in source(made)
    assert made.execute("SELECT id, number FROM sales.orders") == [(1, 2)]


def test_a_table_that_leaves_its_schema(project: MakeProject, flask_db: FlaskDb, postgres_url: str) -> None:
    """The schema is named by a revision file only, and its table is seen all the same."""
    models = 'class Note(db.Model):\n    __table_args__ = {"schema": "old"}\n'
    models += "    id = sa.Column(sa.Integer, primary_key=True)\n"
    models += "    text = sa.Column(sa.String(10))\n    mark = sa.Column(sa.String(10))\n"
    made = project(models, url=postgres_url)
    for command in (["init"], ["migrate"], ["upgrade"]):
        flask_db(made, *command)
    made.execute("INSERT INTO old.note (id, text) VALUES (1, 'kept')")
    made.write_models(models.replace('    __table_args__ = {"schema": "old"}\n', ""))
    flask_db(made, "migrate", "--rename-table", "old.note:note")
    flask_db(made, "upgrade")
    assert made.execute("SELECT id, text FROM note") == [(1, "kept")]
    assert flask_db(made, "migrate").stdout == "No changes in schema detected.\n"


@pytest.fixture
def second(project: MakeProject, mariadb_url: str) -> tuple[Project, str]:
    """A project whose models have a schema, which is a database on MariaDB, and that database's name."""
    name = databases.fresh_name()
    # MariaDB looks for what isn't qualified in the database of the table that refers to it.
    models = MODELS.replace('sa.ForeignKey("customer.id")', "sa.Integer")
    return project(models.replace("SCHEMA", name), url=mariadb_url), name


def test_mariadb(second: tuple[Project, str], flask_db: FlaskDb) -> None:
    """The same where schemas are databases; a proof would touch them, so there is none."""
    made, name = second
    try:
        flask_db(made, "init")
        result = flask_db(made, "migrate", "--verify")
        assert (
            "Skipped the test on a scratch copy of default: it reaches into other databases" in result.stderr
        )
        flask_db(made, "upgrade")
        assert flask_db(made, "migrate").stdout == "No changes in schema detected.\n"
        made.execute(f"INSERT INTO {name}.orders (id, number) VALUES (1, 2)")
        flask_db(made, "downgrade")
        assert sa.inspect(made.engine()).get_table_names(schema=name) == []
    finally:
        made.execute(f"DROP DATABASE IF EXISTS {name}")


def test_include_schemas_of_the_application(project: MakeProject, flask_db: FlaskDb, postgres_url: str) -> None:
    """Who decides about schemas decides alone."""
    made = project(MODELS.replace("SCHEMA", "sales"), url=postgres_url, migrate_arguments="include_schemas=True")
    made.execute("CREATE SCHEMA others")
    made.execute("CREATE TABLE others.thing (id INTEGER)")
    flask_db(made, "init")
    assert "drop table thing" in flask_db(made, "migrate", "--drop", "others.thing").stdout
