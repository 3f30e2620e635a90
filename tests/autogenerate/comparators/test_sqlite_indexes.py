"""Indexes of SQLite with expressions, descending columns and conditions: written, created, compared and reverted."""

from __future__ import annotations

import contextlib
import typing as t
import warnings

import flask
import pytest
import sqlalchemy as sa
from flask_sqlalchemy import SQLAlchemy

import flask_schemaflow
from flask_schemaflow import Migrate

from ...support.application import dispose

Items = t.Sequence[t.Any]
FORMS: dict[str, t.Callable[[], Items]] = {
    "function": lambda: [sa.Index("ix_a", sa.text("lower(name)"))],
    "descending": lambda: [sa.Index("ix_a", sa.text("size DESC"), "name")],
    "unique, a literal with percent": lambda: [sa.Index("ix_a", sa.text("name || ' 5%'"), unique=True)],
    "two, one of them plain": lambda: [sa.Index("ix_a", sa.text("size + 1 DESC")), sa.Index("ix_b", "size")],
    "collation": lambda: [sa.Index("ix_a", sa.text("substr(name, 1, 2) COLLATE NOCASE"))],
    "condition": lambda: [sa.Index("ix_a", "name", sqlite_where=sa.text("size > 1"))],
    "plain": lambda: [sa.Index("ix_a", "name")],
    "none": lambda: [],
}
PAIRS = [
    ("none", "function"),
    ("none", "descending"),
    ("function", "unique, a literal with percent"),
    ("unique, a literal with percent", "collation"),
    ("descending", "plain"),
    ("plain", "function"),
    ("condition", "two, one of them plain"),
    ("plain", "condition"),
    ("two, one of them plain", "none"),
]


@contextlib.contextmanager
def application(folder: t.Any, items: Items | None, **columns: t.Any) -> t.Iterator[SQLAlchemy]:
    """The context of an application whose table has these indexes; without any it has no table."""
    app = flask.Flask("crates", root_path=str(folder), instance_path=str(folder))
    app.config["SQLALCHEMY_DATABASE_URI"] = f"sqlite:///{folder}/crates.db"
    db = SQLAlchemy(app)
    if items is not None:
        made = {"id": sa.Column("id", sa.Integer, primary_key=True), "name": sa.Column("name", sa.String(20))}
        made["size"] = sa.Column("size", sa.Integer)
        sa.Table("crate", db.metadata, *{**made, **columns}.values(), *items)
    Migrate(app, db, directory=str(folder / "migrations"))
    with app.app_context():
        yield db
    dispose(app)


def indexes(db: SQLAlchemy) -> dict[str, str]:
    """What SQLite has of each index."""
    query = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
    with db.engine.connect() as connection:
        return {name: sql for name, sql in connection.exec_driver_sql(query)}


def wanted(items: Items) -> dict[str, str]:
    """What SQLAlchemy makes of them without any migration."""
    engine = sa.create_engine("sqlite://")
    table = sa.Table("crate", sa.MetaData(), sa.Column("name", sa.String(20)), sa.Column("size", sa.Integer), *items)
    table.create(engine)
    with engine.connect() as connection:
        found = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE type = 'index'").all()
    engine.dispose()
    return {name: sql for name, sql in found}


def migrate(db: SQLAlchemy) -> bool:
    """Write and apply a revision; no word about indexes that are skipped."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        written = flask_schemaflow.migrate(message="crates", allow_drops=True, verify=True)
        flask_schemaflow.upgrade()
        flask_schemaflow.check()
    return bool(written)


@pytest.mark.parametrize(("before", "after"), PAIRS)
def test_an_index_is_made_and_taken_back(tmp_path: t.Any, before: str, after: str) -> None:
    """There and back the database has what plain DDL from the models makes, and every row."""
    with application(tmp_path, FORMS[before]()) as db:
        flask_schemaflow.init()
        assert migrate(db)
        assert indexes(db) == wanted(FORMS[before]())
        with db.engine.begin() as connection:
            connection.exec_driver_sql("INSERT INTO crate (name, size) VALUES ('Tea', 2), ('ale', 1), (NULL, 3)")
    with application(tmp_path, FORMS[after]()) as db:
        assert migrate(db)
        assert indexes(db) == wanted(FORMS[after]())
        assert not migrate(db)
        flask_schemaflow.downgrade()
        assert indexes(db) == wanted(FORMS[before]())
        with db.engine.connect() as connection:
            rows = connection.exec_driver_sql("SELECT name, size FROM crate ORDER BY id").all()
    assert [tuple(row) for row in rows] == [("Tea", 2), ("ale", 1), (None, 3)]


@pytest.mark.parametrize("form", ["function", "descending", "condition"])
def test_a_rebuild_and_a_dropped_table_bring_it_back(tmp_path: t.Any, form: str) -> None:
    """A column that changes rebuilds the table; a dropped table comes back with its index."""
    with application(tmp_path, FORMS[form]()) as db:
        flask_schemaflow.init()
        migrate(db)
    stricter = {"name": sa.Column("name", sa.String(20), nullable=False, server_default="-")}
    with application(tmp_path, FORMS[form](), **stricter) as db:
        assert migrate(db)
        assert indexes(db) == wanted(FORMS[form]())
    with application(tmp_path, None) as db:
        assert migrate(db)
        assert indexes(db) == {}
        flask_schemaflow.downgrade()
        assert indexes(db) == wanted(FORMS[form]())


def test_a_bigger_integer_key_is_no_difference(tmp_path: t.Any) -> None:
    """An INTEGER key holds 64 bits on SQLite, and only that one gets its values automatically."""
    with application(tmp_path, []) as db:
        flask_schemaflow.init()
        migrate(db)
    with application(tmp_path, [], id=sa.Column("id", sa.BigInteger, primary_key=True)) as db:
        assert not migrate(db)


@pytest.mark.parametrize("persisted", [True, False])
def test_a_generated_column_becomes_plain(tmp_path: t.Any, persisted: bool) -> None:
    """Its values stay, and the downgrade has SQLite compute them again."""
    generated = {"double": sa.Column("double", sa.Integer, sa.Computed("size * 2", persisted=persisted))}
    with application(tmp_path, [], **generated) as db:
        flask_schemaflow.init()
        migrate(db)
        with db.engine.begin() as connection:
            connection.exec_driver_sql("INSERT INTO crate (size) VALUES (2), (NULL), (7)")
    with application(tmp_path, [], double=sa.Column("double", sa.Integer)) as db:
        assert migrate(db)
        query = "SELECT double FROM crate ORDER BY id"
        with db.engine.connect() as connection:
            assert list(connection.exec_driver_sql(query).scalars()) == [4, None, 14]
        flask_schemaflow.downgrade()
        with db.engine.begin() as connection:
            connection.exec_driver_sql("UPDATE crate SET size = 3 WHERE size = 2")
            assert list(connection.exec_driver_sql(query).scalars()) == [6, None, 14]
