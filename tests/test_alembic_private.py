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
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.runtime.migration import MigrationStep
from alembic.script import Script
from alembic.script import ScriptDirectory
from alembic.script.revision import Revision as AlembicRevision
from alembic.script.revision import RevisionError
from flask import Flask
from sqlalchemy.dialects.sqlite.base import SQLiteDialect

from flask_schemaflow import alembic_private
from flask_schemaflow.errors.setup import AlembicUnknown

from .revisions.histories import config_for
from .revisions.histories import Node
from .revisions.histories import plain
from .revisions.histories import repository


@pytest.fixture
def engine() -> t.Iterator[sa.Engine]:
    """One in memory."""
    made = sa.create_engine("sqlite://")
    yield made
    made.dispose()


def test_a_transaction_that_nobody_asked_for_is_told_apart(
    engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLAlchemy begins one for a statement; without the name each counts as asked for."""
    found: list[bool] = []
    sa.event.listen(engine, "begin", lambda connection: found.append(alembic_private.begins_by_itself()))
    with engine.connect() as connection:
        connection.exec_driver_sql("SELECT 1")
        connection.rollback()
        connection.begin().close()
        monkeypatch.setattr(sa.Connection, "_autobegin", lambda self: self.begin())
        connection.exec_driver_sql("SELECT 1")
        monkeypatch.delattr(sa.Connection, "_autobegin")
        assert alembic_private.begins_by_itself() is False
        monkeypatch.undo()
    assert found == [True, False, True]


def test_the_names_are_there(engine: sa.Engine) -> None:
    """A release of Alembic without one of them needs another look."""
    assert hasattr(ScriptDirectory, "_catch_revision_errors")
    assert hasattr(ScriptDirectory, "_stamp_revs")
    assert hasattr(Script, "_is_real_head")
    assert hasattr(sa.CheckConstraint("x > 0"), "_type_bound")
    assert "mysql" in getattr(sa.String().with_variant(sa.Text(), "mysql"), "_variant_mapping")  # noqa: B009
    assert hasattr(alembic.autogenerate.render, "_repr_type")
    assert {"_get_table_sql", "_get_table_pragma"} <= set(vars(SQLiteDialect))
    assert hasattr(sa.Connection, "_autobegin")
    with repository([Node("aa", (), (), (), 0)]) as folder, engine.connect() as connection:
        env = EnvironmentContext(config_for(folder), plain(folder))
        with env:
            assert alembic_private.active_environment() is env
            env.configure(connection=connection)
            assert isinstance(getattr(env.get_context(), "_version"), sa.Table)  # noqa: B009
    assert alembic_private.active_environment() is not env


def test_there_is_a_way_without_them(monkeypatch: pytest.MonkeyPatch, engine: sa.Engine) -> None:
    """Stamping, heads and the version table work as well, only less finely."""
    nodes = [Node("aa", (), (), (), 0), Node("bb", ("aa",), (), (), 1)]
    with repository(nodes) as folder, engine.connect() as connection:
        script = plain(folder)
        context = MigrationContext.configure(connection)
        expected = {name: alembic_private.is_effective_head(script.get_revision(name)) for name in ("aa", "bb")}
        monkeypatch.delattr(AlembicRevision, "_is_real_head")
        monkeypatch.delattr(alembic.context, "_proxy", raising=False)
        assert alembic_private.active_environment() is None
        assert {name: alembic_private.is_effective_head(script.get_revision(name)) for name in ("aa", "bb")} == expected
        with alembic_private.explained(script, end="bb"):
            assert [step.info.up_revision_id for step in alembic_private.stamping(script, ("bb",), context)] == ["bb"]
        monkeypatch.delattr(ScriptDirectory, "_catch_revision_errors")
        with pytest.raises(RevisionError), alembic_private.explained(script, end="bb"):
            script.revision_map.get_revision("cc")
        monkeypatch.delattr(context, "_version")
        alembic_private.create_version_table(context)
        assert sa.inspect(connection).has_table("alembic_version")


def test_alembic_runs_the_function_of_a_step(engine: sa.Engine) -> None:
    """The function that is set is the one that Alembic calls, in place of the revision's own."""
    ran: list[str] = []
    with repository([Node("aa", (), (), (), 0)]) as folder, engine.connect() as connection:
        script = plain(folder)
        step = MigrationStep.upgrade_from_script(script.revision_map, script.get_revision("aa"))
        assert alembic_private.step_code(step) == script.get_revision("aa").module.upgrade

        def ours(**given: t.Any) -> None:
            ran.append("ours")

        alembic_private.set_step_code(step, ours)
        assert alembic_private.step_code(step) is ours
        context = MigrationContext.configure(connection, opts={"fn": lambda heads, context: [step]})
        with context.begin_transaction():
            context.run_migrations()
        assert (ran, context.get_current_heads()) == (["ours"], ("aa",))


def test_a_step_without_a_function_never_runs_past_its_guards() -> None:
    """Neither reading nor replacing it is possible, and the error names the next step."""
    unknown: t.Any = types.SimpleNamespace()
    with pytest.raises(AlembicUnknown, match="does not know how this release of Alembic runs a revision") as error:
        alembic_private.step_code(unknown)
    assert "pip install --upgrade Flask-SchemaFlow" in error.value.hint
    with pytest.raises(AlembicUnknown):
        alembic_private.set_step_code(unknown, print)
    assert not hasattr(unknown, "migration_fn")


def test_alembic_asks_the_work_function_for_steps(engine: sa.Engine) -> None:
    """The one that is set in place of the command's own; without the name it can't be told."""
    asked: list[str] = []
    with repository([Node("aa", (), (), (), 0)]) as folder, engine.connect() as connection:
        env = EnvironmentContext(config_for(folder), plain(folder), fn=lambda heads, context: asked.append("theirs"))
        work = alembic_private.work_function(env)
        assert work is not None

        def ours(heads: t.Any, context: t.Any) -> list[t.Any]:
            asked.append("ours")
            work(heads, context)
            return []

        alembic_private.set_work_function(env, ours)
        assert alembic_private.work_function(env) is ours
        with env:
            env.configure(connection=connection)
            env.run_migrations()
        assert asked == ["ours", "theirs"]
        del env.context_opts
        assert alembic_private.work_function(env) is None
    assert alembic_private.work_function(t.cast(t.Any, object())) is None


def test_a_connection_with_options_of_its_engine_is_listened_to(engine: sa.Engine) -> None:
    """SQLAlchemy before 2.0.37 refuses it, which is got round by a private name; today's listens by itself."""
    sent: list[str] = []

    def note(connection: sa.Connection, cursor: t.Any, statement: str, *rest: t.Any) -> None:
        sent.append(statement)

    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        alembic_private.listen_to(connection, "before_cursor_execute", note)
        connection.execute(sa.text("SELECT 1"))
        alembic_private.stop_listening_to(connection, "before_cursor_execute", note)
        connection.execute(sa.text("SELECT 2"))
        key = alembic_private._event_key(connection, "before_cursor_execute", note)
        key.listen()
        connection.execute(sa.text("SELECT 3"))
        key.remove()
        connection.execute(sa.text("SELECT 4"))
    assert sent == ["SELECT 1", "SELECT 3"]


def test_the_connections_of_a_session_are_told(engine: sa.Engine) -> None:
    """Only those that it has taken, which it does with its first statement; without the name it is unknown."""
    with sa.orm.Session(engine) as session:
        assert alembic_private.session_connections(session) == []
        session.begin()
        assert alembic_private.session_connections(session) == []
        session.execute(sa.text("SELECT 1"))
        assert alembic_private.session_connections(session) == [session.connection()]
        without: t.Any = types.SimpleNamespace(get_transaction=types.SimpleNamespace)
        assert alembic_private.session_connections(without) is None


def test_the_sessions_of_flask_sqlalchemy_lite_are_found() -> None:
    """Where the extension keeps them: the one that the application uses is among them."""
    app, db = Flask(__name__), flask_sqlalchemy_lite.SQLAlchemy()
    app.config["SQLALCHEMY_ENGINES"] = {"default": "sqlite://"}
    db.init_app(app)
    with app.app_context():
        assert alembic_private.lite_sessions() == {}
        assert alembic_private.lite_sessions() == {"default": db.session}
        db.engine.dispose()


def test_a_type_with_variants_is_known() -> None:
    """Without the name each type may have some."""
    assert alembic_private.has_variants(sa.String().with_variant(sa.Text(), "sqlite"))
    assert not alembic_private.has_variants(sa.String())
    assert alembic_private.has_variants(t.cast(t.Any, object()))


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
            return alembic_private.sqlite_answered(
                engine.dialect, lambda *about: "CONSTRAINT k PRIMARY KEY (y)", lambda *about: [row]
            )

        plain = told()
        assert plain == ("None", ["x"])
        undo = answered()
        assert told() == ("k", ["y"])
        undo()
        assert told() == plain
        undo = alembic_private.sqlite_answered(engine.dialect, lambda *about: None, lambda *about: None)
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
        found = alembic_private.column_comparators(context, "types")
        assert found and {function.__module__ for function in found} == {"alembic.autogenerate.compare.types"}
        monkeypatch.delattr(context.comparators, "_registry")
        assert alembic_private.column_comparators(context, "types") is None
