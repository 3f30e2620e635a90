"""The private names of Alembic that are used are there; when one has gone, look for what took its place."""

from __future__ import annotations

import types
import typing as t

import alembic.autogenerate.render
import alembic.context
import flask_sqlalchemy_lite
import pytest
import sqlalchemy as sa
import sqlalchemy.orm
from alembic.autogenerate.api import AutogenContext
from alembic.ddl.impl import DefaultImpl
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import Script
from alembic.script import ScriptDirectory
from alembic.script.revision import Revision as AlembicRevision
from alembic.script.revision import RevisionError
from flask import Flask
from sqlalchemy.dialects.sqlite.base import SQLiteDialect

from flask_schemaflow.runtime import private

from .histories import config_for
from .histories import Node
from .histories import plain
from .histories import repository


@pytest.fixture
def engine() -> t.Iterator[sa.Engine]:
    """One in memory."""
    made = sa.create_engine("sqlite://")
    yield made
    made.dispose()


def test_the_names_are_there(engine: sa.Engine) -> None:
    """A release of Alembic without one of them needs another look."""
    assert hasattr(ScriptDirectory, "_catch_revision_errors")
    assert hasattr(ScriptDirectory, "_stamp_revs")
    assert hasattr(Script, "_is_real_head")
    assert hasattr(sa.CheckConstraint("x > 0"), "_type_bound")
    assert "mysql" in getattr(sa.String().with_variant(sa.Text(), "mysql"), "_variant_mapping")  # noqa: B009
    assert hasattr(alembic.autogenerate.render, "_repr_type")
    assert {"_get_table_sql", "_get_table_pragma"} <= set(vars(SQLiteDialect))
    assert hasattr(DefaultImpl, "_exec")
    assert getattr(sa.update(sa.table("t", sa.column("a"))).values(a=1), "_values")  # noqa: B009
    with repository([Node("aa", (), (), (), 0)]) as folder, engine.connect() as connection:
        env = EnvironmentContext(config_for(folder), plain(folder))
        with env:
            assert private.active_environment() is env
            env.configure(connection=connection)
            assert isinstance(getattr(env.get_context(), "_version"), sa.Table)  # noqa: B009
    assert private.active_environment() is not env


def test_there_is_a_way_without_them(monkeypatch: pytest.MonkeyPatch, engine: sa.Engine) -> None:
    """Stamping, heads and the version table work as well, only less finely."""
    nodes = [Node("aa", (), (), (), 0), Node("bb", ("aa",), (), (), 1)]
    with repository(nodes) as folder, engine.connect() as connection:
        script = plain(folder)
        context = MigrationContext.configure(connection)
        expected = {name: private.is_effective_head(script.get_revision(name)) for name in ("aa", "bb")}
        monkeypatch.delattr(AlembicRevision, "_is_real_head")
        monkeypatch.delattr(alembic.context, "_proxy", raising=False)
        assert private.active_environment() is None
        assert {name: private.is_effective_head(script.get_revision(name)) for name in ("aa", "bb")} == expected
        with private.explained(script, end="bb"):
            assert [step.info.up_revision_id for step in private.stamping(script, ("bb",), context)] == ["bb"]
        monkeypatch.delattr(ScriptDirectory, "_catch_revision_errors")
        with pytest.raises(RevisionError), private.explained(script, end="bb"):
            script.revision_map.get_revision("cc")
        monkeypatch.delattr(context, "_version")
        private.create_version_table(context)
        assert sa.inspect(connection).has_table("alembic_version")


def test_the_connections_of_a_session_are_told(engine: sa.Engine) -> None:
    """Only those that it has taken, which it does with its first statement; without the name it is unknown."""
    with sa.orm.Session(engine) as session:
        assert private.session_connections(session) == []
        session.begin()
        assert private.session_connections(session) == []
        session.execute(sa.text("SELECT 1"))
        assert private.session_connections(session) == [session.connection()]
        without: t.Any = types.SimpleNamespace(get_transaction=types.SimpleNamespace)
        assert private.session_connections(without) is None


def test_the_sessions_of_flask_sqlalchemy_lite_are_found() -> None:
    """Where the extension keeps them: the one that the application uses is among them."""
    app, db = Flask(__name__), flask_sqlalchemy_lite.SQLAlchemy()
    app.config["SQLALCHEMY_ENGINES"] = {"default": "sqlite://"}
    db.init_app(app)
    with app.app_context():
        assert private.lite_sessions() == {}
        assert private.lite_sessions() == {"default": db.session}
        db.engine.dispose()


def test_a_type_with_variants_is_known() -> None:
    """Without the name each type may have some."""
    assert private.has_variants(sa.String().with_variant(sa.Text(), "sqlite"))
    assert not private.has_variants(sa.String())
    assert private.has_variants(t.cast(t.Any, object()))


def test_the_dialect_of_sqlite_is_answered(engine: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until the end, and only what is known; a dialect with its own way, or without these names, is left alone."""
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE TABLE a (x INT)")
        row = (0, "y", "TEXT", 0, None, 1, 0)

        def told() -> tuple[str, list[str]]:
            inspector = sa.inspect(connection)
            keys = inspector.get_pk_constraint("a")
            return str(keys["name"]), [item["name"] for item in inspector.get_columns("a")]

        def answered() -> t.Callable[[], None]:
            return private.sqlite_answered(
                engine.dialect, lambda *about: "CONSTRAINT k PRIMARY KEY (y)", lambda *about: [row]
            )

        plain = told()
        assert plain == ("None", ["x"])
        undo = answered()
        assert told() == ("k", ["y"])
        undo()
        assert told() == plain
        undo = private.sqlite_answered(engine.dialect, lambda *about: None, lambda *about: None)
        assert told() == plain
        undo()
        monkeypatch.setattr(type(engine.dialect), "_get_table_sql", SQLiteDialect._get_table_sql, raising=False)
        monkeypatch.setattr(type(engine.dialect), "_get_table_pragma", lambda *about: [], raising=False)
        answered()()
        assert not {"_get_table_sql", "_get_table_pragma"} & set(vars(engine.dialect))
        monkeypatch.undo()
        monkeypatch.delattr(SQLiteDialect, "_get_table_sql")
        answered()()
        assert not {"_get_table_sql", "_get_table_pragma"} & set(vars(engine.dialect))


def test_the_comparators_of_columns_are_told(engine: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of one property, Alembic's own at least; without the name they are unknown."""
    with engine.connect() as connection:
        context = AutogenContext(MigrationContext.configure(connection))
        found = private.column_comparators(context, "types")
        assert found and {function.__module__ for function in found} == {"alembic.autogenerate.compare.types"}
        monkeypatch.delattr(context.comparators, "_registry")
        assert private.column_comparators(context, "types") is None
