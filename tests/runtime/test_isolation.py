"""What a run leaves behind in the process that called it, and in the transaction that it was given: nothing."""

from __future__ import annotations

import logging
import logging.config
import signal
import sys
import threading
import typing as t
import warnings

import pytest
import sqlalchemy as sa
from flask import Flask
from flask import g

import flask_schemaflow
from flask_schemaflow.errors import CallersTransaction

from ..conftest import MakeDatabase
from ..conftest import MakeProject
from ..conftest import WriteRepository
from ..support.application import Project
from ..support.servers import Kind

ON_PARENT = 'op.create_table("parent", sa.Column("id", sa.Integer, primary_key=True))'
RUDE = """
import logging, sys, warnings
from flask import g
logging.basicConfig(level=logging.DEBUG, force=True)
logging.getLogger("shop").setLevel(logging.CRITICAL)
logging.disable(logging.ERROR)
warnings.simplefilter("ignore")
sys.path.insert(0, "/somewhere/else")
g.tenant = "overwritten"
g.new = "left behind"
"""


@pytest.fixture
def shop(
    project: MakeProject, legacy_repository: WriteRepository, monkeypatch: pytest.MonkeyPatch
) -> t.Callable[..., Project]:
    """A function that makes a project with one revision; the test goes on in its folder."""

    def make(url: str | None = None, repository: str = "ours", **options: t.Any) -> Project:
        made = project(url=url, **options)
        monkeypatch.chdir(made.root)
        if repository == "ours":
            with made.app().app_context():
                flask_schemaflow.init()
        else:
            legacy_repository(made, repository)
        made.write_revision("aaa1", None, ON_PARENT, 'op.drop_table("parent")')
        return made

    return make


def process_state(app: Flask) -> dict[str, t.Any]:
    """Everything that a run might change and must not."""
    loggers = {name: logging.getLogger(name) for name in ("", "alembic", "shop", "sqlalchemy", "sqlalchemy.engine")}
    return {
        "loggers": {
            name: (found.level, found.disabled, found.propagate, list(found.handlers))
            for name, found in loggers.items()
        },
        "disabled": logging.root.manager.disable,
        "fileConfig": logging.config.fileConfig,
        "warnings": list(warnings.filters),
        "g": {name: g.get(name) for name in g},
        "path": list(sys.path),
        "signals": [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)],
        "wakeup": _wakeup(),
        "threads": threading.active_count(),
        "configure_args": dict(app.extensions["migrate"].configure_args),
        "db": app.extensions["migrate"].db,
    }


def _wakeup() -> int:
    found = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(found)
    return found


@pytest.mark.parametrize("fails", [False, True], ids=["applied", "failed"])
@pytest.mark.parametrize("repository", ["ours", "0.1.4", "2.0.0", "4.1.0"])
def test_the_process_is_as_it_was(shop: t.Callable[..., Project], repository: str, fails: bool) -> None:
    """Loggers, warning filters, flask.g, search path, signal handlers, options: whatever env.py and a revision do."""
    made = shop(repository=repository)
    made.write_revision("aaa2", "aaa1", RUDE + ("raise RuntimeError" if fails else ""))
    shop_logger = logging.getLogger("shop")
    app = made.app()
    with app.app_context():
        g.tenant = "mine"
        before = process_state(app)
        if fails:
            with pytest.raises(flask_schemaflow.SchemaflowError):
                flask_schemaflow.upgrade()
        else:
            assert flask_schemaflow.upgrade().revisions == ("aaa1", "aaa2")
        assert process_state(app) == before
        assert shop_logger.isEnabledFor(logging.WARNING)


@pytest.mark.parametrize("repository", ["ours", "4.1.0"])
def test_alembic_ini_sets_up_logging_for_the_command_line_only(shop: t.Callable[..., Project], repository: str) -> None:
    """From Python it has no effect; on the command line it has, without silencing the application's loggers."""
    made = shop(repository=repository)
    if repository == "ours":
        made.write("migrations/alembic.ini", INI)
        made.write("migrations/env.py", ENV)
    made.write_revision("aaa2", "aaa1", LOGS)
    said = made.run_python(
        "import shop, flask_schemaflow\nwith shop.create_app().app_context(): flask_schemaflow.upgrade()"
    )
    assert said.stderr == "the application says this\n"
    made.run("db", "downgrade", "base")
    assert "[shop] the application says this\n" in made.run("db", "upgrade").stderr
    made.write_app(config={"SCHEMAFLOW_LOGGING": False})
    made.run("db", "downgrade", "base")
    stderr = made.run("db", "upgrade").stderr
    assert "the application says this\n" in stderr and "[shop]" not in stderr


LOGS = 'import logging\nlogging.getLogger("shop").warning("the application says this")'
ENV = """
from logging.config import fileConfig

from alembic import context
from flask_schemaflow import run_env

fileConfig(context.config.config_file_name)
run_env()
"""
INI = """\
[alembic]

[loggers]
keys = root

[handlers]
keys = console

[formatters]
keys = generic

[logger_root]
level = WARN
handlers = console

[handler_console]
class = StreamHandler
args = (sys.stderr,)
formatter = generic

[formatter_generic]
format = %(levelname)-5.5s [%(name)s] %(message)s
"""


def lend(app: Flask, connection: sa.Connection) -> None:
    """Have every run of ``app`` use ``connection``, in the way that Alembic documents."""

    def use(config: flask_schemaflow.Config) -> flask_schemaflow.Config:
        config.attributes["connection"] = connection
        return config

    app.extensions["migrate"].migrate.configure(use)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_callers_transaction_is_rolled_back_by_the_caller(
    shop: t.Callable[..., Project], make_database: MakeDatabase, kind: Kind
) -> None:
    """The pattern of test suites: connect, begin, upgrade, test, roll back; then nothing is left, and no lock was."""
    made = shop(make_database(kind))
    app = made.app()
    engine = made.engine()
    if kind == "sqlite":
        sa.event.listen(engine, "connect", lambda driver, record: setattr(driver, "isolation_level", None))
        sa.event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    with app.app_context(), engine.connect() as connection:
        transaction = connection.begin()
        connection.execute(sa.text("CREATE TABLE mine (id INTEGER)"))
        lend(app, connection)
        assert flask_schemaflow.upgrade().revisions == ("aaa1",)
        assert connection.get_transaction() is transaction and transaction.is_active
        assert {"mine", "parent"} <= set(sa.inspect(connection).get_table_names())
        assert "parent" not in _tables_of_others(made) if kind == "postgresql" else True
        flask_schemaflow.downgrade(revision="base")
        assert flask_schemaflow.upgrade().revisions == ("aaa1",)
        transaction.rollback()
    assert sa.inspect(made.engine()).get_table_names() == []


def test_a_callers_begin_block_commits_at_its_end(shop: t.Callable[..., Project], postgres_url: str) -> None:
    """``with engine.begin() as connection`` is one transaction of migration and caller together."""
    made = shop(postgres_url)
    app = made.app()
    with app.app_context(), made.engine().begin() as connection:
        lend(app, connection)
        flask_schemaflow.upgrade()
        connection.execute(sa.text("INSERT INTO parent (id) VALUES (7)"))
        assert _tables_of_others(made) == set()
    assert made.execute("SELECT id FROM parent") == [(7,)]


def test_a_connection_without_a_transaction_is_committed_by_the_run(
    shop: t.Callable[..., Project], database_url: str
) -> None:
    """Nobody began anything, so the run begins and commits its own."""
    made = shop(database_url)
    app = made.app()
    with app.app_context(), made.engine().connect() as connection:
        lend(app, connection)
        flask_schemaflow.upgrade()
        assert not connection.in_transaction()
    assert made.execute("SELECT version_num FROM alembic_version") == [("aaa1",)]


COMMITS = {
    "op.get_bind().commit()": "A revision commits the transaction of the caller.",
    "with op.get_context().autocommit_block():\n    op.execute('SELECT 1')": (
        "A revision asks for an autocommit_block(), which would commit the transaction of the caller."
    ),
}


@pytest.mark.parametrize("body", COMMITS)
def test_a_revision_does_not_commit_for_the_caller(
    shop: t.Callable[..., Project], postgres_url: str, body: str
) -> None:
    """The run stops, the transaction goes on, and its end is the caller's to choose."""
    made = shop(postgres_url)
    made.write_revision("aaa2", "aaa1", body)
    app = made.app()
    with app.app_context(), made.engine().begin() as connection:
        connection.execute(sa.text("CREATE TABLE mine (id INTEGER)"))
        lend(app, connection)
        with pytest.raises(CallersTransaction) as caught:
            flask_schemaflow.upgrade()
        assert caught.value.message == COMMITS[body]
        assert caught.value.hint == (
            "Commit before the call, or pass a connection without a transaction open; then the run begins and commits "
            "its own."
        )
        assert connection.in_transaction() and _tables_of_others(made) == set()
        connection.rollback()
    assert _tables_of_others(made) == set()


def test_rows_that_mariadb_would_commit_by_itself_are_protected(
    shop: t.Callable[..., Project], mariadb_url: str
) -> None:
    """With uncommitted rows the run refuses before it creates anything; without them it goes ahead."""
    made = shop(mariadb_url)
    made.execute("CREATE TABLE mine (id INTEGER)")
    app = made.app()
    with app.app_context(), made.engine().connect() as connection:
        connection.execute(sa.text("INSERT INTO mine (id) VALUES (1)"))
        lend(app, connection)
        with pytest.raises(CallersTransaction) as caught:
            flask_schemaflow.upgrade()
        assert caught.value.message == (
            "The caller's transaction has rows that are not committed, and the first CREATE or ALTER of a migration "
            "would commit them: MariaDB and MySQL can't change tables inside a transaction."
        )
        connection.rollback()
        assert made.execute("SELECT count(*) FROM mine") == [(0,)]
        assert _tables_of_others(made) == {"mine"}
        connection.execute(sa.text("SELECT * FROM mine"))
        assert flask_schemaflow.upgrade().revisions == ("aaa1",)


def _tables_of_others(made: Project) -> set[str]:
    """The tables that another connection sees."""
    return set(sa.inspect(made.engine()).get_table_names())
