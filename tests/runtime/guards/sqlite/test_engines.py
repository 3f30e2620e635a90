"""Whatever the driver does about transactions by itself, a run is whole and children are kept."""

from __future__ import annotations

import sys
import typing as t

import pytest
import sqlalchemy as sa

from flask_schemaflow import upgrade
from flask_schemaflow.errors import SchemaflowError

from ....support.dumps import dump_rows
from ....support.dumps import dump_schema
from .conftest import MakeShop

pytestmark = pytest.mark.filterwarnings("ignore:.*tometadata")

_ON = '"pool_events": [(lambda c, r: c.execute("PRAGMA foreign_keys = ON"), "connect")]'
# Enforcement can only be switched on outside of the transaction that autocommit=False is always in.
_ON_LATER = (
    '"pool_events": [(lambda c, r: (setattr(c, "autocommit", True), c.execute("PRAGMA foreign_keys = ON"), '
    'setattr(c, "autocommit", False)), "connect")]'
)
ENGINES = {
    "the driver's default": f"{{{_ON}}}",
    "isolation_level=None": f'{{"connect_args": {{"isolation_level": None}}, {_ON}}}',
    "isolation_level=EXCLUSIVE": f'{{"connect_args": {{"isolation_level": "EXCLUSIVE"}}, {_ON}}}',
    "AUTOCOMMIT": f'{{"isolation_level": "AUTOCOMMIT", {_ON}}}',
    "SERIALIZABLE": f'{{"isolation_level": "SERIALIZABLE", {_ON}}}',
    "autocommit=True": f'{{"connect_args": {{"autocommit": True}}, {_ON}}}',
    "autocommit=False": f'{{"connect_args": {{"autocommit": False}}, {_ON_LATER}}}',
    "one connection": f'{{"poolclass": __import__("sqlalchemy").pool.StaticPool, {_ON}}}',
}
TABLES = [
    "CREATE TABLE p (id INTEGER PRIMARY KEY, a TEXT)",
    "CREATE TABLE c (id INTEGER PRIMARY KEY, p INT REFERENCES p (id) ON DELETE CASCADE)",
    "INSERT INTO p VALUES (1, 'x')",
    "INSERT INTO c VALUES (1, 1)",
]
REBUILD = 'with op.batch_alter_table("p") as b:\n    b.alter_column("a", nullable=False)\n'


@pytest.mark.parametrize("engine", ENGINES)
def test_whole_and_without_loss(engine: str, repository: str, shop: MakeShop) -> None:
    """A failure leaves nothing, the next run does everything, and the application's connection is as it was."""
    if "autocommit=" in engine and sys.version_info < (3, 12):
        pytest.skip("the driver knows autocommit from Python 3.12 on")
    made = shop(repository, db_arguments=f"engine_options={ENGINES[engine]}")
    made.make(TABLES)
    before = dump_schema(made.project.engine(), ignore=()), dump_rows(made.project.engine())
    made.project.write_revision("r1", None, upgrade=REBUILD)
    made.project.write_revision(
        "r2", "r1", upgrade='op.execute("DELETE FROM c")\nop.execute("UPDATE missing SET x = 1")'
    )
    with pytest.raises(SchemaflowError, match="no such table: missing"):
        made.upgrade()
    assert (dump_schema(made.project.engine(), ignore=()), dump_rows(made.project.engine())) == before
    made.project.write_revision("r2", "r1", upgrade='op.execute("INSERT INTO c VALUES (2, 1)")')
    with made.context() as app:
        upgrade(str(made.project.migrations))
        with app.extensions["migrate"].db.engine.connect() as connection:
            assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
            connection.exec_driver_sql("DELETE FROM c WHERE id = 2")
            connection.commit()
    assert made.project.execute("SELECT * FROM c") == [(1, 1)]
    assert "NOT NULL" in dump_schema(made.project.engine())["table p"]


def test_an_application_that_begins_by_itself(shop: MakeShop) -> None:
    """As SQLAlchemy's documentation advises, with hooks of its own."""
    made = shop()
    made.make(TABLES)
    made.project.write_revision("r1", None, upgrade=REBUILD + 'op.execute("UPDATE missing SET x = 1")')
    before = dump_schema(made.project.engine(), ignore=())
    with made.context() as app:
        engine = app.extensions["migrate"].db.engine
        sa.event.listen(engine, "connect", _no_begin)
        sa.event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
        with pytest.raises(SchemaflowError, match="no such table: missing"):
            upgrade(str(made.project.migrations))
        assert dump_schema(made.project.engine(), ignore=()) == before
        made.project.write_revision("r1", None, upgrade=REBUILD)
        upgrade(str(made.project.migrations))
    assert made.project.execute("SELECT * FROM c") == [(1, 1)]


def _no_begin(connection: t.Any, record: t.Any) -> None:
    connection.isolation_level = None
    connection.execute("PRAGMA foreign_keys = ON")


ASYNC = """
import sqlalchemy as sa
from flask import Flask
from flask_schemaflow import Migrate
from sqlalchemy.ext.asyncio import create_async_engine


class Database:
    metadata = sa.MetaData()
    engine = create_async_engine("sqlite+aiosqlite:///{path}")


@sa.event.listens_for(Database.engine.sync_engine, "connect")
def enforce(connection, record):
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def create_app():
    app = Flask(__name__)
    Migrate(app, Database())
    return app
"""


def test_an_asyncio_engine(shop: MakeShop, tmp_path: t.Any) -> None:
    """Its driver runs in a thread and hides how it begins."""
    pytest.importorskip("aiosqlite")
    path = tmp_path / "project" / "shop.db"
    made = shop(source=ASYNC.format(path=path))
    made.make(TABLES)
    made.project.write_revision("r1", None, upgrade=REBUILD)
    made.project.write_revision(
        "r2", "r1", upgrade='op.execute("DELETE FROM c")\nop.execute("UPDATE missing SET x = 1")'
    )
    failed = made.project.run("db", "upgrade", check=False)
    assert "no such table: missing" in failed.stderr and failed.returncode == 1
    assert "NOT NULL" not in dump_schema(made.project.engine())["table p"]
    assert made.project.execute("SELECT * FROM c") == [(1, 1)]
    made.project.write_revision("r2", "r1", upgrade="pass")
    made.project.run("db", "upgrade")
    assert made.project.execute("SELECT * FROM c") == [(1, 1)]
    assert "NOT NULL" in dump_schema(made.project.engine())["table p"]
