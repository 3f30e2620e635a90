"""Tests never reach the application's own database, whatever in the application connects by itself."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
import sqlalchemy as sa

from flask_schemaflow.errors.testing import OtherDatabaseReached
from flask_schemaflow.testing import at_revision
from flask_schemaflow.testing import Databases
from flask_schemaflow.testing import find_problems
from flask_schemaflow.testing import migrated
from flask_schemaflow.testing import rolled_back

from ..support.servers import admin_engine
from .conftest import MakeShop
from .conftest import Shop


def filled(path: Path) -> sa.Engine:
    """Return the application's real database, with a table and a row."""
    engine = sa.create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE pet (id INTEGER PRIMARY KEY, name VARCHAR(40) NOT NULL)")
        connection.exec_driver_sql("INSERT INTO pet (name) VALUES ('real')")
    return engine


def refused(shop: Shop, databases: Databases) -> list[str]:
    """Return the messages of everything that could change the database, and see that each is refused."""

    def at_a_revision() -> None:
        with at_revision(shop.app, "base", databases) as at:
            at.upgrade()

    def use(context: t.ContextManager[t.Any]) -> None:
        with context as db:
            db.session.execute(sa.text("DELETE FROM pet"))
            db.session.commit()

    messages = []
    uses: list[t.Callable[[], t.Any]] = [
        lambda: find_problems(shop.app, databases=databases),
        lambda: use(migrated(shop.app, databases)),
        lambda: use(rolled_back(shop.app, databases)),
        at_a_revision,
    ]
    for function in uses:
        with pytest.raises(OtherDatabaseReached) as caught:
            function()
        messages.append(str(caught.value))
    return messages


def untouched(engine: sa.Engine) -> bool:
    """Return whether the real database has its one row, and nothing else."""
    with engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT name FROM pet").scalars().all()
        return (sa.inspect(connection).get_table_names(), rows) == (["pet"], ["real"])


@pytest.mark.parametrize(
    "db_arguments",
    [
        "engine_options={'creator': lambda: __import__('sqlite3').connect(PATH)}",
        "engine_options={'creator': lambda: __import__('sqlite3').connect(PATH, check_same_thread=False), "
        "'poolclass': __import__('sqlalchemy').pool.StaticPool}",
    ],
)
def test_a_creator(db_arguments: str, make_shop: MakeShop, databases: Databases, tmp_path: Path) -> None:
    """An engine with a creator is refused in one sentence that names what it reaches, and the next step."""
    path = tmp_path / "real.db"
    shop = make_shop(db_arguments=db_arguments.replace("PATH", repr(str(path))))
    real = filled(path)
    for message in refused(shop, databases):
        assert message == (
            f"A connection of the default database reaches {path}, which isn't the one that was made for the tests. "
            "Nothing was done there.\nConfigure the application under test without what connects by itself: a `creator`"
            ", a `do_connect` listener that returns a connection, or a database in `connect_args`."
        )
    assert untouched(real)


def test_an_asyncio_creator(make_shop: MakeShop, databases: Databases, tmp_path: Path) -> None:
    """So is an asyncio engine's."""
    path = tmp_path / "real.db"
    shop = make_shop()
    shop.project.write(
        "shop/__init__.py",
        f"""
        import aiosqlite
        import sqlalchemy as sa
        from flask import Flask
        from flask_schemaflow import Migrate
        from sqlalchemy.ext.asyncio import create_async_engine

        async def connect(*args, **kwargs):
            return await aiosqlite.connect({str(path)!r})

        class Database:
            metadata = sa.MetaData()

        db = Database()
        db.engine = create_async_engine("sqlite+aiosqlite:///{path}", async_creator=connect)
        db.engines = {{None: db.engine}}

        def create_app():
            app = Flask(__name__)
            Migrate(app, db, directory={str(shop.project.migrations)!r})
            return app
        """,
    )
    real = filled(path)
    with pytest.raises(OtherDatabaseReached, match=r"reaches .*real\.db, which isn't"):
        with migrated(shop.app, databases):
            pass
    assert untouched(real)


def test_a_listener_that_connects(make_shop: MakeShop, databases: Databases, tmp_path: Path) -> None:
    """A ``do_connect`` listener that returns a connection; one that only changes the arguments is no matter."""
    path = tmp_path / "real.db"
    shop = make_shop()
    real = filled(path)
    app = shop.app
    with app.app_context():
        (engine,) = app.extensions["sqlalchemy"].engines.values()

    def connect(dialect: t.Any, record: t.Any, cargs: t.Any, cparams: dict[str, t.Any]) -> t.Any:
        cparams["timeout"] = 3
        return dialect.connect(str(path)) if connects else None

    connects = True
    sa.event.listen(engine, "do_connect", connect)
    assert all("real.db, which isn't" in message for message in refused(shop, databases))
    assert untouched(real)
    connects = False
    with migrated(app, databases) as db:
        db.session.execute(sa.text("INSERT INTO pet (name) VALUES ('Rex')"))
        db.session.commit()
    assert untouched(real)


def test_a_file_that_is_attached(make_shop: MakeShop, databases: Databases, tmp_path: Path) -> None:
    """A file that a listener attaches is refused, unless its name says that it is a test's."""
    shop = make_shop()
    app = shop.app
    with app.app_context():
        (engine,) = app.extensions["sqlalchemy"].engines.values()
    attached = tmp_path / "reports.db"

    def attach(driver: t.Any, record: t.Any) -> None:
        driver.execute("ATTACH DATABASE ? AS reports", (str(attached),))

    sa.event.listen(engine, "connect", attach)
    assert all(f"attaches {attached}, which isn't a file of the tests." in item for item in refused(shop, databases))
    attached = tmp_path / "reports-test.db"
    with migrated(app, databases):
        pass


def test_an_env_py_with_an_engine_of_its_own(make_shop: MakeShop, databases: Databases, tmp_path: Path) -> None:
    """An env.py that connects by an address of its own is refused before anything is migrated there."""
    path = tmp_path / "real.db"
    shop = make_shop()
    real = filled(path)
    shop.project.write(
        "migrations/env.py",
        f"""
        import sqlalchemy as sa
        from alembic import context

        with sa.create_engine("sqlite:///{path}").connect() as connection:
            context.configure(connection=connection, target_metadata=sa.MetaData())
            with context.begin_transaction():
                context.run_migrations()
        """,
    )
    with pytest.raises(OtherDatabaseReached) as caught, migrated(shop.app, databases):
        pass
    assert str(caught.value) == (
        f"env.py connects to {path}, which isn't the database that was made for the tests. Nothing was done there.\n"
        "Have env.py use the application's engines: `flask db doctor --fix` replaces it by one that does."
    )
    assert untouched(real)
    with pytest.raises(OtherDatabaseReached):
        find_problems(shop.app, "stairway", databases=databases)


def test_a_session_that_was_open_before(make_shop: MakeShop, databases: Databases) -> None:
    """A session that has begun a transaction on the real database would go on there."""
    shop = make_shop()
    real = filled(shop.project.root / "shop.db")
    app = shop.app
    with app.app_context():
        db = app.extensions["sqlalchemy"]
        db.session.execute(sa.text("SELECT 1"))
        with pytest.raises(OtherDatabaseReached, match="open transaction on .*shop.db, where it began before"):
            with migrated(app, databases):
                pass
        db.session.remove()
        with migrated(app, databases):
            pass
    assert untouched(real)


def test_arguments_of_the_driver(make_shop: MakeShop, databases: Databases) -> None:
    """A database in ``connect_args`` gives way to the test's; one that a listener changes to is refused."""
    options = "engine_options={'connect_args': {'dbname': 'postgres', 'application_name': 'shop'}}"
    shop = make_shop("postgresql", db_arguments=options)
    with migrated(shop.app, databases) as db:
        names = db.session.execute(sa.text("SELECT current_database(), current_setting('application_name')")).one()
        assert names[0].startswith("schemaflow_test_") and names[1] == "shop"


@pytest.fixture
def other_database() -> t.Iterator[str]:
    """Another database on the MariaDB server."""
    name = "schemaflow_reports"
    with admin_engine("mariadb").connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE IF NOT EXISTS {name}")
        yield name
        connection.exec_driver_sql(f"DROP DATABASE {name}")


def test_use_of_another_database(make_shop: MakeShop, databases: Databases, other_database: str) -> None:
    """``USE`` when a connection begins is refused."""
    options = f"engine_options={{'connect_args': {{'init_command': 'USE {other_database}'}}}}"
    assert all(other_database in item for item in refused(make_shop("mariadb", db_arguments=options), databases))


def test_a_schema_of_mariadb(make_shop: MakeShop, databases: Databases, other_database: str) -> None:
    """A revision that makes a table in another database is refused."""
    shop = make_shop("mariadb")
    shop.revision("a2", "a1", f'op.create_table("toy", sa.Column("id", sa.Integer), schema="{other_database}")')
    with pytest.raises(OtherDatabaseReached, match=f"A statement changes the database {other_database}, which isn't"):
        with migrated(shop.app, databases):
            pass
    with admin_engine("mariadb").connect() as connection:
        assert sa.inspect(connection).get_table_names(schema=other_database) == []
