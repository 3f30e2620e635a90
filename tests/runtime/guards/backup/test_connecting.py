"""The programs connect exactly as the application does, whatever it was told."""

from __future__ import annotations

import os
import subprocess
import typing as t
from pathlib import Path

import pytest
import sqlalchemy as sa

from ....conftest import MakeDatabase
from ....support.application import Project
from ....support.servers import Kind
from .saved import everything
from .saved import upgrade

SERVICE = """
[shop]
host=127.0.0.1
port={port}
dbname={database}
user={user}
"""


def test_a_service_file_is_followed(
    shop: t.Callable[..., Project], postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What libpq says of the live connection is what pg_dump gets, wherever it came from."""
    url = sa.make_url(postgres_url)
    text = SERVICE.format(port=url.port or 5432, database=url.database, user=url.username)
    (tmp_path / "services").write_text(text)
    monkeypatch.setenv("PGSERVICEFILE", str(tmp_path / "services"))
    made = shop("postgresql+psycopg://?service=shop&application_name=my%20shop&options=-c%20work_mem%3D5MB")
    [backup] = upgrade(made, backup=True).backups
    assert f"dbname=postgres user={url.username}" in backup.restore or "dbname=postgres" in backup.restore
    assert "work_mem" in backup.restore
    made.url = postgres_url
    subprocess.run(backup.restore, shell=True, check=True)
    assert made.execute("SELECT version_num FROM alembic_version") == [("aaa1",)]


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_a_unix_socket_is_followed(shop: t.Callable[..., Project], make_database: MakeDatabase, kind: Kind) -> None:
    """The dump goes over the same socket as the application."""
    url = sa.make_url(make_database(kind))
    with sa.create_engine(url, poolclass=sa.NullPool).connect() as connection:
        if kind == "postgresql":
            found = connection.exec_driver_sql("SHOW unix_socket_directories").scalar_one().split(",")[0]
            socket = f"{found}/.s.PGSQL.{url.port or 5432}"
            local = url.set(host=None, port=None, query={"host": found, "port": str(url.port or 5432)})
        else:
            socket = connection.exec_driver_sql("SELECT @@socket").scalar_one()
            local = url.set(host="localhost", port=None, query={"unix_socket": socket})
    if not os.path.exists(socket) or not _answers(local):
        pytest.skip("the server has no socket that lets this user in")
    made = shop(local.render_as_string(hide_password=False))
    [backup] = upgrade(made, backup=True).backups
    assert (os.path.dirname(socket) if kind == "postgresql" else f"--socket={socket}") in backup.restore


def _answers(url: sa.URL) -> bool:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    try:
        engine.connect().close()
    except sa.exc.DBAPIError:
        return False
    finally:
        engine.dispose()
    return True


ASYNC = """
from flask import Flask
from flask_sqlalchemy_lite import SQLAlchemy
from sqlalchemy import MetaData
from flask_schemaflow import Migrate

db = SQLAlchemy()

def create_app():
    app = Flask(__name__)
    app.config["SQLALCHEMY_ASYNC_ENGINES"] = {{"default": {url!r}}}
    db.init_app(app)
    Migrate(app, db, metadata=MetaData())
    return app
"""


@pytest.mark.parametrize(("kind", "driver"), [("sqlite", "aiosqlite"), ("postgresql", "psycopg_async")])
def test_asyncio_engines_are_saved(
    shop: t.Callable[..., Project], make_database: MakeDatabase, kind: Kind, driver: str
) -> None:
    """Their drivers tell how they are connected as well as others do."""
    made = shop(make_database(kind))
    before = everything(made)
    url = sa.make_url(made.url).set(drivername=f"{kind}+{driver}")
    made.write_app(ASYNC.format(url=url.render_as_string(hide_password=False)))
    result = made.run("db", "upgrade", "--backup")
    restore = result.stderr.rpartition("To restore it: ")[2].splitlines()[0]
    subprocess.run(restore, shell=True, check=True)
    assert everything(made) == before
