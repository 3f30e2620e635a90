"""Database URLs that are missing or malformed, and drivers that are not installed: the whole message of each."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from .conftest import Flasks
from .conftest import with_config
from .messages import said


def test_no_uri(flask: Flasks, tmp_path: Path) -> None:
    """Neither of Flask-SQLAlchemy's settings."""
    with_config(tmp_path)
    assert flask("--app", "shop", "db", "upgrade") == said(
        """
        Error [SF112]: No database is configured: set SQLALCHEMY_DATABASE_URI or SQLALCHEMY_BINDS.

        Set it before db.init_app(app):
            app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite:///app.db"
        If you read it from an environment variable, check that the variable is set.
        """
    )


@pytest.mark.parametrize(
    ("url", "module", "package"),
    [
        ("postgresql+psycopg2://shop:s3cret@db/shop", "psycopg2", "psycopg2-binary"),
        ("mysql://shop:s3cret@db/shop", "MySQLdb", "mysqlclient"),
        ("oracle+oracledb://shop:s3cret@db/shop", "oracledb", "oracledb"),
    ],
)
def test_no_driver(
    url: str, module: str, package: str, flask: Flasks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The package to install is named; so is an easier one, where there is one."""
    with_config(tmp_path, SQLALCHEMY_DATABASE_URI=url)
    monkeypatch.setitem(sys.modules, module, None)  # it may be installed here
    told = flask("--app", "shop", "db", "upgrade")
    assert told.startswith("Error [SF113]: The Python package for SQLALCHEMY_DATABASE_URI is not installed:")
    assert f"needs {module}." in told.replace("\n    ", " ")
    assert f"`pip install {package}`" in told and "s3cret" not in told


def test_no_driver_of_a_bind(flask: Flasks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole message, for a bind."""
    monkeypatch.setitem(sys.modules, "MySQLdb", None)
    with_config(tmp_path, SQLALCHEMY_BINDS={"log": "mysql://shop:s3cret@db/log"})
    assert flask("--app", "shop", "db", "upgrade") == said(
        """
        Error [SF113]: The Python package for SQLALCHEMY_BINDS['log'] is not installed: mysql://shop:***@db/log
            needs MySQLdb.

        `pip install mysqlclient`, or choose another driver in the URL: mysql+pymysql://... with `pip install
            PyMySQL`.
        """
    )


def test_a_dialect_that_is_unknown(flask: Flasks, tmp_path: Path) -> None:
    """The old name of PostgreSQL that hosts still give out; a database whose dialect is a package of its own."""
    with_config(tmp_path, SQLALCHEMY_DATABASE_URI="postgres://shop:s3cret@db/shop")
    assert flask("--app", "shop", "db", "upgrade") == said(
        """
        Error [SF114]: SQLAlchemy has no dialect 'postgres', which SQLALCHEMY_DATABASE_URI uses
            (postgres://shop:***@db/shop).

        Write postgresql:// instead. If your host provides the URL: url.replace("postgres://", "postgresql://",
            1)
        """
    )
    with_config(tmp_path, SQLALCHEMY_DATABASE_URI="snowflake://shop:s3cret@db/shop")
    assert flask("--app", "shop", "db", "upgrade") == said(
        """
        Error [SF113]: The Python package for SQLALCHEMY_DATABASE_URI is not installed:
            snowflake://shop:***@db/shop needs snowflake-sqlalchemy.

        `pip install snowflake-sqlalchemy`
        """
    )
    with_config(tmp_path, SQLALCHEMY_DATABASE_URI="mongodb://shop:s3cret@db/shop")
    assert flask("--app", "shop", "db", "upgrade") == said(
        """
        Error [SF114]: SQLAlchemy has no dialect 'mongodb', which SQLALCHEMY_DATABASE_URI uses
            (mongodb://shop:***@db/shop).

        Use a dialect that SQLAlchemy has (postgresql, mysql, mariadb, sqlite, oracle, mssql), or install the
            package for 'mongodb'.
        """
    )
    with_config(tmp_path, SQLALCHEMY_DATABASE_URI="postgresql+psycopg4://shop:s3cret@db/shop")
    assert flask("--app", "shop", "db", "upgrade") == said(
        """
        Error [SF114]: SQLAlchemy has no dialect 'postgresql+psycopg4', which SQLALCHEMY_DATABASE_URI uses
            (postgresql+psycopg4://shop:***@db/shop).

        Remove the driver, postgresql://..., or install the one that you mean.
        """
    )


def test_a_url_that_is_malformed(flask: Flasks, tmp_path: Path) -> None:
    """Not a URL, a port that is no number, an empty text, no text."""
    with_config(tmp_path, SQLALCHEMY_DATABASE_URI="postgresql:/shop:s3cret@db/shop")
    assert flask("--app", "shop", "db", "upgrade") == said(
        """
        Error [SF114]: The database URL in SQLALCHEMY_DATABASE_URI is malformed: postgresql:***@db/shop.

        Write it as dialect+driver://user:password@host:port/database, for example
            postgresql+psycopg://shop:secret@localhost:5432/shop or sqlite:///shop.db.
        In a password, write @ as %40, : as %3A and / as %2F.
        """
    )
    with_config(tmp_path, SQLALCHEMY_DATABASE_URI="postgresql+psycopg://shop:s3/cret@db:port/shop")
    assert flask("--app", "shop", "db", "upgrade") == said(
        """
        Error [SF114]: The database URL in SQLALCHEMY_DATABASE_URI is malformed:
            postgresql+psycopg:***@db:port/shop.

        The port is not a number. Write it as dialect+driver://user:password@host:port/database, for example
            postgresql+psycopg://shop:secret@localhost:5432/shop or sqlite:///shop.db.
        In a password, write @ as %40, : as %3A and / as %2F.
        """
    )
    with_config(tmp_path, SQLALCHEMY_DATABASE_URI="")
    assert flask("--app", "shop", "db", "upgrade") == said(
        """
        Error [SF114]: The database URL in SQLALCHEMY_DATABASE_URI is malformed: it is empty.

        Write it as dialect+driver://user:password@host:port/database, for example
            postgresql+psycopg://shop:secret@localhost:5432/shop or sqlite:///shop.db.
        In a password, write @ as %40, : as %3A and / as %2F.
        """
    )
    with_config(tmp_path, SQLALCHEMY_DATABASE_URI=1700)
    assert flask("--app", "shop", "db", "upgrade") == said(
        """
        Error [SF114]: The database URL in SQLALCHEMY_DATABASE_URI is malformed: it is of type int, not a URL.

        Write it as dialect+driver://user:password@host:port/database, for example
            postgresql+psycopg://shop:secret@localhost:5432/shop or sqlite:///shop.db.
        In a password, write @ as %40, : as %3A and / as %2F.
        """
    )
