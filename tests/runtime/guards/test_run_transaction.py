"""What a run tells of as applied is committed, however env.py and revisions treat its transaction."""

from __future__ import annotations

import concurrent.futures
import typing as t

import pytest
import sqlalchemy as sa

import flask_schemaflow
from flask_schemaflow.errors import SchemaflowError
from flask_schemaflow.errors.running import MigrationFailed
from flask_schemaflow.errors.running import NeverCommitted
from flask_schemaflow.records import Event
from flask_schemaflow.runtime.guards import run_transaction

from ...conftest import FlaskDb
from ...conftest import MakeDatabase
from ...conftest import MakeProject
from ...conftest import WriteRepository
from ...support.application import Project
from ...support.servers import Kind

MAKE = 'op.create_table("{0}", sa.Column("id", sa.Integer, primary_key=True))'
ADD = 'op.execute("INSERT INTO {0} (id) VALUES (7)")'
ENDS = {
    "commit": "op.get_bind().commit()",
    "commit and begin": "op.get_bind().commit(); op.get_bind().begin()",
    "twice": "op.get_bind().commit(); op.get_bind().commit()",
    "transaction": "op.get_bind().get_transaction().commit()",
    "raw": 'op.execute("COMMIT")',
    "driver": "op.get_bind().connection.dbapi_connection.commit()",
    "session": """
from sqlalchemy.orm import Session
session = Session(op.get_bind())
session.execute(sa.text('SELECT 1'))
session.commit()
op.get_bind().commit()
""",
    "block": "op.get_bind().commit()\nwith op.get_context().autocommit_block():\n    op.execute('SELECT 1')",
    "work and block": f"""
op.get_bind().commit()
{MAKE.format("between")}
with op.get_context().autocommit_block():
    op.execute('SELECT 1')
""",
}


def told_and_there(made: Project, events: list[Event], tables: set[str]) -> None:
    """Look into the database for what the events tell of."""
    applied = {event.step.revision for event in events if event.kind == "end" and event.step is not None}
    inspector = sa.inspect(made.engine())
    assert tables <= set(inspector.get_table_names())
    assert "schemaflow_journal" not in inspector.get_table_names()
    assert {row[0] for row in made.execute("SELECT version_num FROM alembic_version")} <= applied
    assert made.execute("SELECT count(*) FROM alembic_version") == [(1,)]


def run(made: Project, command: str = "upgrade", revision: str = "head") -> tuple[list[Event], flask_schemaflow.Report]:
    """Run in this process; what was told, and the report."""
    events: list[Event] = []
    with made.app().app_context():
        function = getattr(flask_schemaflow, command)
        report = function(str(made.migrations), revision=revision, notify=events.append)
    return events, report


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def kind(request: pytest.FixtureRequest) -> Kind:
    """Each database."""
    return t.cast(Kind, request.param)


def three(made: Project, middle: str, undo: str = "pass") -> None:
    """Three revisions, of which the second does something to its transaction."""
    made.write_revision("r1", None, MAKE.format("one"))
    made.write_revision("r2", "r1", middle, undo)
    made.write_revision("r3", "r2", MAKE.format("three"), 'op.drop_table("three")')


@pytest.mark.parametrize("arguments", ["", "transaction_per_migration=True"])
@pytest.mark.parametrize("end", ENDS)
def test_a_revision_that_commits_is_committed_to_its_end(
    project: MakeProject, make_database: MakeDatabase, kind: Kind, end: str, arguments: str
) -> None:
    """What comes after the commit, its version and the revisions after it are there; downwards, too."""
    made = project(url=make_database(kind), migrate_arguments=arguments)
    made.run("db", "init")
    undo = f"{ADD.format('one').replace('7', '8')}\n{ENDS[end].replace('between', 'backwards')}\nop.drop_table('two')"
    three(made, f"{MAKE.format('two')}\n{ENDS[end]}\n{ADD.format('two')}", undo)
    events, report = run(made)
    told_and_there(made, events, {"one", "two", "three"})
    assert [step.revision for step in report.steps] == ["r1", "r2", "r3"]
    assert made.execute("SELECT id FROM two") == [(7,)]
    assert made.execute("SELECT version_num FROM alembic_version") == [("r3",)]
    run(made, "downgrade", "r1")
    assert {"two", "three"}.isdisjoint(sa.inspect(made.engine()).get_table_names())
    assert made.execute("SELECT id FROM one") == [(8,)]
    assert made.execute("SELECT version_num FROM alembic_version") == [("r1",)]


@pytest.mark.parametrize(
    "back",
    [
        "op.get_bind().rollback()",
        "op.execute('ROLLBACK')",
        "op.get_bind().get_transaction().rollback()",
        "op.get_bind().rollback()\nop.execute('CREATE TABLE more (id INTEGER)')",
    ],
)
def test_a_revision_that_rolls_back_is_not_applied(
    project: MakeProject, make_database: MakeDatabase, kind: Kind, back: str
) -> None:
    """Where tables are rolled back with it, the line is named; MariaDB keeps them, and the version with them."""
    made = project(url=make_database(kind))
    made.run("db", "init")
    three(made, f"{MAKE.format('two')}\n{back}")
    if kind == "mariadb":
        told_and_there(made, run(made)[0], {"one", "two", "three"} | ({"more"} if "more" in back else set()))
        return
    with pytest.raises(NeverCommitted) as caught:
        run(made)
    assert "Revision r2 rolls back the transaction of the run" in caught.value.message
    assert "r2.py, line 19)" in caught.value.message
    assert "begin_nested()" in caught.value.hint
    assert "two" not in sa.inspect(made.engine()).get_table_names()


ENV = """
from alembic import context
from flask import current_app
import sqlalchemy as sa

with current_app.extensions["migrate"].db.engine.connect() as connection:
    {before}
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
    {after}
"""
STATEMENTS = {"sqlite": "PRAGMA user_version", "postgresql": "SET search_path TO public", "mariadb": "SET @tenant = 1"}


@pytest.mark.parametrize("statement", ["SELECT 1", "own"])
def test_env_py_that_sends_a_statement_first(
    project: MakeProject, make_database: MakeDatabase, kind: Kind, statement: str
) -> None:
    """SQLAlchemy begins a transaction for it, which isn't one that env.py wants to commit."""
    made = project(url=make_database(kind))
    made.run("db", "init")
    own = STATEMENTS[kind] if statement == "own" else statement
    made.write("migrations/env.py", ENV.format(before=f'connection.execute(sa.text("{own}"))', after="pass"))
    three(made, MAKE.format("two"))
    told_and_there(made, run(made)[0], {"one", "two", "three"})


def test_a_schema_that_env_py_makes_first(project: MakeProject, postgres_url: str) -> None:
    """It is there afterwards, with the tables."""
    made = project(url=postgres_url)
    made.run("db", "init")
    before = "connection.execute(sa.text('CREATE SCHEMA IF NOT EXISTS depot'))"
    made.write("migrations/env.py", ENV.format(before=before, after="pass"))
    made.write_revision("r1", None, 'op.create_table("one", sa.Column("id", sa.Integer), schema="depot")')
    run(made)
    assert made.execute("SELECT count(*) FROM depot.one") == [(0,)]


def test_a_statement_that_needs_its_transaction_is_named(project: MakeProject, postgres_url: str) -> None:
    """To commit it would undo it; so env.py has to commit, and is told of its line if it doesn't."""
    made = project(url=postgres_url)
    made.run("db", "init")
    before = "connection.execute(sa.text(\"SET LOCAL statement_timeout = '9s'\"))"
    made.write_revision("r1", None, MAKE.format("one"))
    made.write("migrations/env.py", ENV.format(before=before, after="pass"))
    with pytest.raises(NeverCommitted) as caught:
        run(made)
    assert "`SET LOCAL statement_timeout = '9s'`" in caught.value.message
    assert "env.py, line 7)" in caught.value.message
    assert "one" not in sa.inspect(made.engine()).get_table_names()
    made.write("migrations/env.py", ENV.format(before=before, after="connection.commit()"))
    told_and_there(made, run(made)[0], {"one"})


@pytest.mark.parametrize(
    "begin", ["engine.begin() as connection", "engine.connect() as connection, connection.begin()"]
)
def test_a_transaction_that_env_py_begins_is_env_pys(
    project: MakeProject, make_database: MakeDatabase, kind: Kind, begin: str
) -> None:
    """It commits what it has begun, after Alembic has run in it."""
    made = project(url=make_database(kind))
    made.run("db", "init")
    text = ENV.format(before="pass", after="pass").replace("engine.connect() as connection", begin)
    made.write("migrations/env.py", text)
    three(made, MAKE.format("two"))
    told_and_there(made, run(made)[0], {"one", "two", "three"})


PER_DATABASE = f"""
def upgrade(engine_name=""):
    globals()["upgrade_" + (engine_name or "")]()

def upgrade_():
    pass

def upgrade_depot():
    {MAKE.format("far")}
"""


@pytest.mark.parametrize("template", ["single", "multidb"])
def test_flask_migrates_own_template_with_a_statement_first(
    project: MakeProject,
    make_database: MakeDatabase,
    legacy_repository: WriteRepository,
    kind: Kind,
    template: str,
) -> None:
    """As somebody adds it to the env.py that Flask-Migrate has made."""
    made = project(url=make_database(kind), binds={"depot": make_database(kind)} if template == "multidb" else None)
    legacy_repository(made, "4.1.0", template)  # type: ignore[arg-type]
    env = made.migrations / "env.py"
    text = env.read_text()
    which, indent = ("rec['connection']", 12) if template == "multidb" else ("connection", 8)
    configure = " " * indent + "context.configure(\n" + " " * (indent + 4) + f"connection={which}"
    assert configure in text
    env.write_text(text.replace(configure, f"{' ' * indent}{which}.exec_driver_sql('SELECT 1')\n{configure}"))
    if template == "multidb":
        made.write_revision("r1", None, extra=PER_DATABASE)
    else:
        made.write_revision("r1", None, MAKE.format("one"))
    events, _ = run(made)
    assert [event.step.revision for event in events if event.kind == "end" and event.step is not None][:1] == ["r1"]
    assert made.execute("SELECT version_num FROM alembic_version") == [("r1",)]
    if template == "multidb":
        assert "far" in sa.inspect(made.engine("depot")).get_table_names()


def test_a_failed_commit_is_not_told_of_as_applied(project: MakeProject, postgres_url: str) -> None:
    """A deferred constraint is looked at when the run commits, after the revision's code."""
    made = project(url=postgres_url)
    made.run("db", "init")
    deferred = "DEFERRABLE INITIALLY DEFERRED"
    body = f'op.execute("CREATE TABLE node (id int PRIMARY KEY, up int REFERENCES node {deferred})")\n'
    made.write_revision("r1", None, body + 'op.execute("INSERT INTO node VALUES (1, 2)")')
    events: list[Event] = []
    with made.app().app_context(), pytest.raises(SchemaflowError):
        flask_schemaflow.upgrade(str(made.migrations), notify=events.append)
    assert [event.kind for event in events if event.step is not None] == ["begin"]
    assert "node" not in sa.inspect(made.engine()).get_table_names()


SWALLOWED = """
try:
    op.execute("ALTER TABLE nowhere ADD COLUMN n int")
except Exception:
    pass
"""


@pytest.mark.parametrize("then", ["pass", MAKE.format("two"), "op.get_bind().commit()"])
def test_a_swallowed_error_is_named(project: MakeProject, postgres_url: str, then: str) -> None:
    """With the revision that went on, the line and the words of the statement that failed."""
    made = project(url=postgres_url)
    made.run("db", "init")
    three(made, SWALLOWED + then)
    with pytest.raises(MigrationFailed) as caught:
        run(made)
    assert caught.value.message.startswith("Revision r2 continued after a statement that PostgreSQL rejected (")
    assert 'r2.py, line 19): relation "nowhere" does not exist' in caught.value.message
    assert "SQL: ALTER TABLE nowhere ADD COLUMN n int" in caught.value.details
    assert "with op.get_bind().begin_nested():" in caught.value.hint
    indented = SWALLOWED.replace("    op.execute", "    with op.get_bind().begin_nested():\n        op.execute")
    three(made, indented + then)
    told_and_there(made, run(made)[0], {"one", "three"})


@pytest.mark.parametrize(
    "how",
    [
        "engine.connect().execution_options(isolation_level='AUTOCOMMIT')",
        "engine.execution_options(isolation_level='AUTOCOMMIT').connect()",
        "create_engine(current_app.config['SQLALCHEMY_DATABASE_URI'], isolation_level='AUTOCOMMIT').connect()",
    ],
)
def test_a_level_that_env_py_asks_for_is_left(
    project: MakeProject, make_database: MakeDatabase, kind: Kind, how: str
) -> None:
    """Each statement is committed then, and a swallowed error harms nothing, as with Flask-Migrate."""
    if kind == "sqlite":
        pytest.skip("SQLite's runs are one transaction")
    made = project(url=make_database(kind))
    made.run("db", "init")
    text = ENV.format(before="pass", after="pass").replace("engine.connect()", how)
    if how.startswith("create_engine"):
        text = text.replace('current_app.extensions["migrate"].db.create_engine', "sa.create_engine")
    made.write("migrations/env.py", text)
    three(made, SWALLOWED + MAKE.format("two"))
    told_and_there(made, run(made)[0], {"one", "two", "three"})


def test_a_refused_commit_applies_nothing(project: MakeProject, flask_db: FlaskDb) -> None:
    """SQLite's references are checked before the COMMIT; nothing is told as applied when they are broken."""
    made = project()
    flask_db(made, "init")
    made.write_revision("a1", None, 'op.execute("CREATE TABLE p (id INTEGER PRIMARY KEY)")')
    made.write_revision(
        "a2",
        "a1",
        'op.execute("CREATE TABLE c (id INTEGER PRIMARY KEY, p INTEGER REFERENCES p (id))")\n'
        'op.execute("INSERT INTO c VALUES (1, 9)")',
    )
    source = made.root / "shop" / "__init__.py"
    text = source.read_text("utf-8")
    enforce = (
        "\n\nimport sqlalchemy as _sa\nfrom sqlalchemy import event as _event\n\n\n"
        '@_event.listens_for(_sa.Engine, "connect")\ndef _enforce(driver, record):\n'
        '    driver.execute("PRAGMA foreign_keys = ON")\n'
    )
    source.write_text(text + enforce, "utf-8")
    result = made.run("db", "upgrade", check=False)
    assert result.returncode == 1 and "SF511" in result.stderr
    assert "Applied" not in result.stdout + result.stderr
    assert "p" not in sa.inspect(made.engine()).get_table_names()


TENANTS = """
from alembic import context
from flask import current_app
import sqlalchemy as sa

with current_app.extensions["migrate"].db.engine.{begin} as connection:
    for table in ("first_version", "second_version"):
        connection.execute(sa.text("SELECT 1"))
        context.configure(connection=connection, version_table=table)
        with context.begin_transaction():
            context.run_migrations()
"""
MAKE_OF_TENANT = """
name = op.get_context().version_table.replace("version", "thing")
op.create_table(name, sa.Column("id", sa.Integer, primary_key=True))
"""
DROP_OF_TENANT = 'op.drop_table(op.get_context().version_table.replace("version", "thing"))'


@pytest.mark.parametrize("begin", ["connect()", "begin()"])
def test_env_py_that_configures_a_connection_again(
    project: MakeProject, make_database: MakeDatabase, kind: Kind, begin: str
) -> None:
    """As for the schemas of tenants, one after the other, each in a transaction of its own or all in one."""
    made = project(url=make_database(kind))
    made.run("db", "init")
    made.write("migrations/env.py", TENANTS.format(begin=begin))
    made.write_revision("r1", None, MAKE_OF_TENANT, DROP_OF_TENANT)
    made.write_revision("r2", "r1", "pass")
    events, report = run(made)
    things = {"first_thing", "second_thing"}
    assert things <= set(sa.inspect(made.engine()).get_table_names())
    told = [event.step.revision for event in events if event.kind == "end" and event.step is not None]
    assert told == ["r1", "r2", "r1", "r2"] == [step.revision for step in report.steps]
    assert [made.execute(f"SELECT version_num FROM {name}_version") for name in ("first", "second")] == [[("r2",)]] * 2
    assert not run(made)[1].steps
    run(made, "downgrade", "base")
    assert not things & set(sa.inspect(made.engine()).get_table_names())


def test_every_guard_hears_of_a_failure(project: MakeProject, make_database: MakeDatabase) -> None:
    """The one that explains the error of one database, and those of the other databases."""
    made = project(url=make_database("sqlite"), binds={"depot": make_database("sqlite")})
    made.run("db", "init")
    code = """
def upgrade(engine_name=""):
    globals()["upgrade_" + engine_name]()

def upgrade_():
    op.create_table("near", sa.Column("id", sa.Integer))

def upgrade_depot():
    op.create_table("far", sa.Column("id", sa.Integer))
    op.execute("VACUUM")
"""
    made.write_revision("r1", None, extra=code)
    events: list[Event] = []
    with made.app().app_context(), pytest.raises(SchemaflowError) as caught:
        flask_schemaflow.upgrade(str(made.migrations), notify=events.append)
    assert "autocommit_block()" in caught.value.hint
    aftermath = [event.text for event in events if event.kind == "aftermath"]
    assert any("default database" in text for text in aftermath)
    assert any("depot database" in text for text in aftermath)


def test_statements_of_other_threads_are_not_env_pys(project: MakeProject, make_database: MakeDatabase) -> None:
    """A run notes what its own env.py sends, and forgets nothing of another run."""
    engine = project(url=make_database("sqlite")).engine()

    def other() -> None:
        with engine.connect() as connection:
            connection.execute(sa.text("SELECT 1"))
            assert connection not in run_transaction._noted

    with run_transaction.noting_env_statements(), engine.connect() as mine:
        mine.execute(sa.text("SELECT 2"))
        with run_transaction.noting_env_statements():
            pass
        with concurrent.futures.ThreadPoolExecutor() as pool:
            pool.submit(other).result()
        noted = run_transaction._noted[mine]
        assert noted is not None and [sent.statement for sent in noted.statements] == ["SELECT 2"]
    assert mine not in run_transaction._noted


def test_a_block_without_a_transaction_in_env_pys_own(
    project: MakeProject, make_database: MakeDatabase, kind: Kind
) -> None:
    """Nobody but env.py can end it, which is said; MariaDB commits each change anyway."""
    made = project(url=make_database(kind))
    made.run("db", "init")
    text = ENV.format(before="pass", after="pass").replace("engine.connect()", "engine.begin()")
    made.write("migrations/env.py", text)
    block = f"with op.get_context().autocommit_block():\n    {MAKE.format('two')}"
    three(made, f"{MAKE.format('first')}\n{block}")
    if kind == "mariadb":
        told_and_there(made, run(made)[0], {"one", "first", "two", "three"})
        return
    with pytest.raises(NeverCommitted) as caught:
        run(made)
    assert "Revision r2 (" in caught.value.message and "r2.py, line " in caught.value.message
    assert "engine.connect()" in caught.value.hint
    assert not {"one", "first", "two"} & set(sa.inspect(made.engine()).get_table_names())
