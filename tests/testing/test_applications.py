"""Applications of every make under the checks and fixtures: old templates, asyncio engines, other plugins' company."""

from __future__ import annotations

import sys
import textwrap
import typing as t
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from flask_schemaflow.testing import at_revision
from flask_schemaflow.testing import Databases
from flask_schemaflow.testing import find_problems
from flask_schemaflow.testing import migrated

from ..conftest import MakeProject
from ..support import legacy
from ..support import processes
from ..support.application import Project
from ..support.servers import admin_engine
from .conftest import CREATE
from .conftest import MODELS
from .conftest import server_url

ADD_AGE = 'op.add_column("pet", sa.Column("age", sa.Integer))'
DROP_AGE = 'with op.batch_alter_table("pet") as batch:\n    batch.drop_column("age")'
AGED = MODELS + "    age = sa.Column(sa.Integer)\n"


@pytest.mark.filterwarnings("ignore:.*tometadata")  # of old env.py files
@pytest.mark.parametrize(
    ("version", "kind", "server"),
    [
        ("1.5.0", "single", "sqlite"),
        ("2.5.3", "single", "postgresql"),
        ("4.1.0", "single", "mariadb"),
        ("2.6.0", "multidb", "sqlite"),
    ],
)
def test_old_templates(
    version: str, kind: legacy.Kind, server: t.Any, project: MakeProject, databases: Databases, tmp_path: Path
) -> None:
    """Repositories that Flask-Migrate wrote are checked, and their tests have migrated databases."""
    binds = {"users": f"sqlite:///{tmp_path / 'users.db'}"} if kind == "multidb" else None
    old = project(AGED, url=server_url(server), binds=binds, migrate_arguments="directory='migrations'")
    legacy.write_repository(old.migrations, version, kind)
    old.write_app(migrate_arguments=f"directory={str(old.migrations)!r}")
    engines = "\ndef upgrade_users():\n    pass\n\n\ndef downgrade_users():\n    pass\n" if binds else ""
    old.write_revision("a1", None, CREATE, 'op.drop_table("pet")', extra=engines)
    old.write_revision("a2", "a1", ADD_AGE, DROP_AGE, extra=engines)
    app = old.app()
    results = find_problems(app, databases=databases)
    assert [result.problems for result in results] == [()] * len(results)
    for _ in range(2):
        with migrated(app, databases) as db:
            db.session.execute(sa.text("INSERT INTO pet (name) VALUES ('Rex')"))
            db.session.commit()
            assert db.session.execute(sa.text("SELECT count(*) FROM pet")).scalar() == 1
    assert not (old.root / "shop.db").exists() and not (tmp_path / "users.db").exists()


ASYNCIO = """
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from flask import Flask
from flask_schemaflow import Migrate
from sqlalchemy.ext.asyncio import create_async_engine


class Database:
    metadata = sa.MetaData()


db = Database()
sa.Table(
    "pet", db.metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.String(40), nullable=False)
)


def create_app():
    app = Flask(__name__)
    db.engine = create_async_engine({url!r})
    db.engines = {{None: db.engine}}
    Migrate(app, db, directory={directory!r})
    return app
"""


@pytest.mark.parametrize("driver", ["sqlite+aiosqlite", "postgresql+asyncpg", "mysql+aiomysql"])
def test_asyncio_engines(driver: str, project: MakeProject, databases: Databases) -> None:
    """The checks pass, and a test has its rows to itself."""
    kind: t.Any = {"sqlite": "sqlite", "postgresql": "postgresql", "mysql": "mariadb"}[driver.partition("+")[0]]
    shop = project(MODELS)
    url = f"{driver}:///{shop.root / 'shop.db'}"
    if kind != "sqlite":
        server = admin_engine(kind).url.set(drivername=driver, database="shop_test", query={})
        url = server.render_as_string(hide_password=False)
    shop.run("db", "init")
    shop.write("shop/__init__.py", ASYNCIO.format(url=url, directory=str(shop.migrations)))
    shop.write_revision("a1", None, CREATE, 'op.drop_table("pet")')
    app = shop.app()
    results = find_problems(app, databases=databases)
    assert [result.problems for result in results] == [()] * len(results)
    for _ in range(2):
        with at_revision(app, "a1", databases) as history:
            assert history.rows("pet") == []
            history.insert("pet", name="Rex")
            assert [row["name"] for row in history.rows("pet")] == ["Rex"]
    assert not (shop.root / "shop.db").exists()


BESIDE = ("pytest-flask", "pytest-flask-sqlalchemy", "pytest-alembic", "pytest-asyncio", "pytest-xdist")
CONFTEST = """
import pytest
from shop import create_app, db


@pytest.fixture(scope="session")
def app():
    return create_app()


@pytest.fixture(scope="session")
def _db(app):  # of pytest-flask-sqlalchemy
    return db


@pytest.fixture
def alembic_config():
    return {"script_location": "migrations"}


@pytest.fixture
def alembic_engine(migrated_db):  # of pytest-alembic
    return migrated_db.engine
"""
TESTS = """
import asyncio
import pytest
from pytest_alembic.tests import test_model_definitions_match_ddl, test_single_head_revision
from pytest_alembic.tests import test_up_down_consistency, test_upgrade
from shop import db
from shop.models import Pet


@pytest.mark.parametrize("number", range(2))
def test_the_client_of_pytest_flask(client, migrated_db, number):
    db.session.add(Pet(name="Rex"))
    db.session.commit()
    assert client.application is not None and client.get("/pets").json == ["Rex"]


def test_the_session(migrated_session, client):
    migrated_session.add(Pet(name="Tom"))
    migrated_session.commit()
    assert client.get("/pets").json == ["Tom"]


@pytest.mark.asyncio
@pytest.mark.parametrize("number", range(2))
async def test_with_pytest_asyncio(migrated_db, number):
    await asyncio.sleep(0)
    migrated_db.session.add(Pet(name="Kim"))
    migrated_db.session.commit()
    assert len(migrated_db.session.scalars(db.select(Pet)).all()) == 1


def test_a_revision(at_revision):
    history = at_revision("base")
    history.upgrade()
    history.insert("pet", name="Rex")
    assert len(history.rows("pet")) == 1
"""
ROUTE = """
@app.get("/pets")
def pets():
    from .models import Pet
    return [pet.name for pet in db.session.scalars(db.select(Pet))]
"""


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a virtual environment that has the package and all the other plugins."""
    folder = tmp_path_factory.mktemp("crowded")
    root = Path(__file__).parents[2]
    processes.run([sys.executable, "-m", "venv", folder], cwd=folder)
    python = folder / "bin" / "python"
    packages = ["-e", str(root), "Flask-SQLAlchemy", "pytest", *BESIDE]
    install = [str(python), "-m", "pip", "install", "--quiet", *packages]
    processes.run(install, cwd=folder, env=processes.with_certificates(), timeout=600)
    return python


@pytest.mark.exhaustive
@pytest.mark.parametrize("workers", ["0", "2"])
def test_beside_other_plugins(workers: str, crowded: Path, tmp_path: Path) -> None:
    """No name of a fixture or an option is taken twice, and each plugin's fixtures work with ours."""
    shop = Project(tmp_path / "shop", python=crowded)
    path = shop.write_app()
    route = textwrap.indent(ROUTE.strip(), "    ").replace("\n\n", "\n")
    path.write_text(path.read_text().replace("    return app\n", f"{route}\n    return app\n"))
    shop.write_models(MODELS)
    shop.run("db", "init")
    shop.write_revision("a1", None, CREATE, 'op.drop_table("pet")')
    shop.write("pytest.ini", "[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    shop.write("conftest.py", CONFTEST)
    shop.write("test_shop.py", TESTS)
    line: list[str | Path] = [crowded, "-m", "pytest", "-q", "-n", workers, "-p", "no:cacheprovider", "--schemaflow"]
    env = {"PYTHONPATH": str(shop.root), "COVERAGE_PROCESS_CONFIG": None, "PYTEST_ADDOPTS": None}
    done = processes.run(line, cwd=shop.root, env=env)
    assert "16 passed, 2 skipped" in done.stdout
    assert not list(shop.root.rglob("*.db"))


def test_plain_alembic_with_an_engine(project: MakeProject) -> None:
    """Alembic's own functions take an engine, as pytest-alembic passes it, and compare none of the package's tables."""
    shop = project(MODELS)
    shop.run("db", "init")
    shop.write_revision("a1", None, CREATE, 'op.drop_table("pet")')
    config = Config(str(shop.migrations / "alembic.ini"))
    config.set_main_option("script_location", str(shop.migrations))
    with shop.app().app_context():
        engine = shop.engine()
        config.attributes["connection"] = engine
        command.upgrade(config, "head")
        assert "schemaflow_revisions" in sa.inspect(engine).get_table_names()
        command.check(config)
