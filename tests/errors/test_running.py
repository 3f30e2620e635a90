"""A run that fails or is broken off: what failed, where, in whose words, what holds now, and what to do next."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import pytest
import sqlalchemy as sa

import flask_schemaflow
from flask_schemaflow import SchemaflowError
from flask_schemaflow.errors.database import PermissionRefused
from flask_schemaflow.errors.running import MigrationFailed

from ..conftest import MakeDatabase
from ..conftest import MakeProject
from ..conftest import WriteRepository
from ..support import processes
from ..support.application import Project
from .conftest import Fails
from .conftest import invoke
from .conftest import MODELS
from .conftest import Runs
from .messages import readable
from .messages import said

OPTIONS = 'app.config["SQLALCHEMY_ENGINE_OPTIONS"] = {"pool_events": [(fail, "reset")]}'
FIRST = "op.create_table('first', sa.Column('id', sa.Integer, primary_key=True))"
SECOND = """
op.create_table('second', sa.Column('id', sa.Integer))
op.add_column(
    'prices',
    sa.Column('cents', sa.Integer),
)
"""


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def broken(
    request: pytest.FixtureRequest,
    project: MakeProject,
    make_database: MakeDatabase,
    monkeypatch: pytest.MonkeyPatch,
) -> Project:
    """A project whose second of three revisions fails in its second operation, on each kind of database."""
    made = project(MODELS, url=make_database(request.param))
    monkeypatch.chdir(made.root)
    invoke(made, "init")
    made.write_revision("abcd0001", None, FIRST, "op.drop_table('first')", "first")
    made.write_revision("abcd0002", "abcd0001", SECOND, "op.drop_table('second')", "second")
    made.write_revision("abcd0003", "abcd0002", message="third")
    return made


def kind_of(shop: Project) -> str:
    """The kind of its database."""
    return sa.make_url(shop.url).get_backend_name()


def test_a_revision_that_fails(broken: Project) -> None:
    """Revision, file and line, operation, the database's words, what was kept and what rolled back, what next."""
    result = invoke(broken, "upgrade")
    assert result.exit_code == 1 and "Traceback" not in result.output
    told = readable(result.stderr, broken.root)
    if kind_of(broken) == "sqlite":
        assert told == said(
            """
            Error [SF502]: Revision abcd0002 failed (PROJECT/migrations/versions/abcd0002_second.py, line 19): no
                such table: prices

              Operation: op.add_column('prices', sa.Column('cents', sa.Integer))
              SQL: ALTER TABLE prices ADD COLUMN cents INTEGER
              Rolled back: abcd0001, abcd0002
              Current revision: none

            No revision up to abcd0002 creates the table prices; where this one was written, db.create_all() may
                have. Fix the name in that line, or create the table in an earlier revision, then run `flask db
                upgrade` again.
            """
        )
    elif kind_of(broken) == "postgresql":
        assert told == said(
            """
            Error [SF502]: Revision abcd0002 failed (PROJECT/migrations/versions/abcd0002_second.py, line 19):
                relation "prices" does not exist

              Operation: op.add_column('prices', sa.Column('cents', sa.Integer))
              SQL: ALTER TABLE prices ADD COLUMN cents INTEGER
              Rolled back: abcd0001, abcd0002
              Current revision: none

            No revision up to abcd0002 creates the table prices; where this one was written, db.create_all() may
                have. Fix the name in that line, or create the table in an earlier revision, then run `flask db
                upgrade` again.
            """
        )
    else:
        assert told == said(
            """
            Error [SF502]: Revision abcd0002 failed (PROJECT/migrations/versions/abcd0002_second.py, line 19): Table
                'DATABASE.prices' doesn't exist

              Operation: op.add_column('prices', sa.Column('cents', sa.Integer))
              SQL: ALTER TABLE prices ADD COLUMN cents INTEGER
              Applied and committed: abcd0001
              1 statement of revision abcd0002 is applied to the default database. `flask db upgrade` continues after
                  it.
              Current revision: abcd0001

            No revision up to abcd0002 creates the table prices; where this one was written, db.create_all() may
                have. Fix the name in that line, or create the table in an earlier revision, then run `flask db
                upgrade` again.
            """
        )


def test_a_revision_that_fails_to_revert(shop: Project, runs: Runs) -> None:
    """The same the other way."""
    shop.write_revision("abcd0001", None, FIRST, "op.drop_table('frist')", "first")
    shop.write_revision("abcd0002", "abcd0001", "pass", "pass", "second")
    runs("upgrade")
    result = invoke(shop, "downgrade", "base")
    assert result.exit_code == 1
    assert readable(result.stderr, shop.root) == said(
        """
        Error [SF502]: Reverting revision abcd0001 failed (PROJECT/migrations/versions/abcd0001_first.py, line
            22): no such table: frist

          Operation: op.drop_table('frist')
          SQL: DROP TABLE frist
          Rolled back: abcd0002, abcd0001
          Current revision: abcd0002

        The database is not as this revision expects it. `flask db status` shows the applied revisions; fix that
            line or the schema, then run `flask db downgrade` again.
        """
    )
    assert shop.execute("SELECT version_num FROM alembic_version") == [("abcd0002",)]


def test_python_that_fails_in_a_revision(shop: Project, fails: Fails) -> None:
    """No database was involved: the line, and a helper's own line where it is in the folder."""
    shop.write_revision("abcd0001", None, "names = {}\nnames['first']")
    assert fails("upgrade") == said(
        """
        Error [SF502]: Revision abcd0001 failed (PROJECT/migrations/versions/abcd0001.py, line 19): KeyError:
            'first'

          Operation: names['first']
          Rolled back: abcd0001
          Current revision: none

        Fix that line and run `flask db upgrade` again.
        """
    )
    shop.write_revision("abcd0001", None, "op.add_colum('first')")
    assert fails("upgrade") == said(
        """
        Error [SF502]: Revision abcd0001 failed (PROJECT/migrations/versions/abcd0001.py, line 18):
            AttributeError: module 'alembic.op' has no attribute 'add_colum'

          Operation: op.add_colum('first')
          Rolled back: abcd0001
          Current revision: none

        Fix that line and run `flask db upgrade` again.
        """
    )


def test_a_failure_in_one_of_several_databases(
    project: MakeProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which database, and where the other one stands."""
    shop = project(MODELS, binds={"log": f"sqlite:///{tmp_path}/log.db"})
    monkeypatch.chdir(shop.root)
    invoke(shop, "init")
    extra = "\n\ndef upgrade_log():\n    op.drop_table('entries')\n\n\ndef downgrade_log():\n    pass\n"
    shop.write_revision("abcd0001", None, FIRST, extra=extra)
    assert readable(invoke(shop, "upgrade").stderr, shop.root) == said(
        """
        Error [SF502]: Revision abcd0001 failed on the log database (PROJECT/migrations/versions/abcd0001.py,
            line 26): no such table: entries

          Operation: op.drop_table('entries')
          SQL: DROP TABLE entries
          default: Applied and committed: abcd0001
          default: Current revision: abcd0001
          log: Rolled back: abcd0001
          log: Current revision: none

        No revision up to abcd0001 creates the table entries; where this one was written, db.create_all() may
            have. Fix the name in that line, or create the table in an earlier revision, then run `flask db
            upgrade` again.
        """
    )


def test_each_revision_in_a_transaction_of_its_own(shop: Project) -> None:
    """What was applied before is kept, and said."""
    shop.write_app(config={"SCHEMAFLOW_TRANSACTION": "revision"})
    shop.write_revision("abcd0001", None, FIRST)
    shop.write_revision("abcd0002", "abcd0001", SECOND)
    result = invoke(shop, "upgrade")
    assert result.stdout.startswith("Applied abcd0001")
    assert readable(result.stderr, shop.root) == said(
        """
        Error [SF502]: Revision abcd0002 failed (PROJECT/migrations/versions/abcd0002.py, line 19): no such
            table: prices

          Operation: op.add_column('prices', sa.Column('cents', sa.Integer))
          SQL: ALTER TABLE prices ADD COLUMN cents INTEGER
          Applied and committed: abcd0001
          Rolled back: abcd0002
          Current revision: abcd0001

        No revision up to abcd0002 creates the table prices; where this one was written, db.create_all() may
            have. Fix the name in that line, or create the table in an earlier revision, then run `flask db
            upgrade` again.
        """
    )


def test_an_old_env_file_gets_the_same_words(
    broken: Project, legacy_repository: WriteRepository
) -> None:
    """An env.py of Flask-Migrate changes none of it."""
    told = readable(invoke(broken, "upgrade").stderr, broken.root)
    for table in ("second", "first"):
        broken.execute(f"DROP TABLE IF EXISTS {table}")
    for table in ("alembic_version", "schemaflow_journal"):
        broken.execute(f"DROP TABLE IF EXISTS {table}")
    (broken.migrations / "env.py").unlink()
    legacy_repository(broken, "2.6.0")
    assert readable(invoke(broken, "upgrade").stderr, broken.root) == told


def test_the_error_from_python(broken: Project) -> None:
    """Message, hint, details and code are attributes; the database's error is the cause; nothing was printed."""
    with broken.app().app_context(), pytest.raises(SchemaflowError) as caught:
        flask_schemaflow.upgrade()
    error = caught.value
    assert isinstance(error, MigrationFailed)
    assert error.code == "SF502" and error.exit_code == 1 and error.revision == "abcd0002"
    assert error.message.startswith("Revision abcd0002 failed (")
    assert error.hint.endswith("then run `flask db upgrade` again.")
    assert "  Operation: op.add_column('prices', sa.Column('cents', sa.Integer))" in error.details.splitlines()
    assert str(error) == f"{error.message}\n{error.details}\n{error.hint}"
    assert isinstance(error.__cause__, sa.exc.DBAPIError) and error.__cause__.orig is not None


def test_a_reason_is_an_error_too(
    project: MakeProject, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``reason`` tells a program what the sentence tells a person."""
    shop = project(MODELS, url=postgres_url)
    monkeypatch.chdir(shop.root)
    invoke(shop, "init")
    shop.write_revision("abcd0001", None, "op.execute('ALTER TABLE pg_class ADD COLUMN x INTEGER')")
    with shop.app().app_context(), pytest.raises(MigrationFailed) as caught:
        flask_schemaflow.upgrade()
    reason = caught.value.reason
    assert isinstance(reason, PermissionRefused) and reason.code == "SF432"


def test_where_an_error_arose(shop: Project) -> None:
    """``--traceback`` and ``FLASK_DEBUG`` show it, the sentence after it, without passwords."""
    shop.write_revision("abcd0001", None, "raise ValueError('postgresql://u:s3cret@h/d')")
    for result in (
        invoke(shop, "upgrade", "--traceback"),
        invoke(shop, "--traceback", "upgrade"),
        invoke(shop, "upgrade", env={"FLASK_DEBUG": "1"}),
    ):
        assert result.exit_code == 1
        assert result.stderr.startswith("Traceback (most recent call last):")
        assert "ValueError: postgresql://u:***@h/d" in result.stderr and "s3cret" not in result.output
        assert "\nError [SF502]: Revision abcd0001 failed (" in result.stderr
    assert "Traceback" not in invoke(shop, "upgrade", env={"FLASK_DEBUG": "0"}).output


def interrupted(made: Project, body: str) -> str:
    """Send Ctrl-C to an upgrade whose second revision waits at its end; return what it writes to stderr."""
    (made.migrations / "versions" / "abcd0002_second.py").unlink()
    waiting = "print('waiting', flush=True)\nimport time\ntime.sleep(60)"
    made.write_revision("abcd0002", "abcd0001", f"{body}\n{waiting}", message="second")
    process = made.popen("db", "upgrade")
    assert process.stdout is not None
    while "waiting" not in process.stdout.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    result = processes.finish(process)
    assert result.returncode == 130
    return result.stderr


def test_ctrl_c(broken: Project) -> None:
    """Exit status 130, what was rolled back, and no traceback."""
    told = readable(interrupted(broken, "op.create_table('second', sa.Column('id', sa.Integer))"), broken.root)
    if kind_of(broken) == "mysql":
        assert told == said(
            """
            Interrupted. Revision abcd0002 was being applied.

              Applied and committed: abcd0001
              1 statement of revision abcd0002 is applied to the default database. `flask db upgrade` continues after
                  it.
              Current revision: abcd0001

            To continue, run `flask db upgrade`.
            """
        )
    else:
        assert told == said(
            """
            Interrupted. Revision abcd0002 was being applied.

              Rolled back: abcd0001, abcd0002
              Current revision: none

            To continue, run `flask db upgrade`.
            """
        )


def test_ctrl_c_of_a_connection_that_cannot_be_reset(broken: Project) -> None:
    """The statement that is cancelled may be the ROLLBACK with which its pool takes the connection back."""
    name = "shop/__init__.py"
    fail = "def fail(*args):\n    if pathlib.Path('waits').exists():\n        raise RuntimeError('cancelled')\n\n\n"
    source = broken.read(name).replace("    db.init_app(app)", f"    {OPTIONS}\n    db.init_app(app)", 1)
    broken.write(name, f"import pathlib\n\n\n{fail}{source}")
    told = interrupted(broken, "import pathlib\npathlib.Path('waits').touch()")
    assert told.lstrip().startswith("Interrupted. Revision abcd0002 was being applied."), told
    assert "Traceback" not in told and "cancelled" not in told, told


def shop_path(shop: Project) -> str:
    """The project, and whatever else the tests' own interpreter was told to search."""
    return os.pathsep.join([str(shop.root), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)


def test_output_that_nobody_reads(shop: Project, runs: Runs) -> None:
    """``flask db history | head -1`` ends quietly."""
    for number in range(200):
        shop.write_revision(f"abcd{number:04}", f"abcd{number - 1:04}" if number else None, message="x" * 400)
    command = " ".join(f"'{part}'" for part in shop.command("db", "history"))
    done = processes.run(
        ["sh", "-c", f"{command} | head -1"], cwd=shop.root, env={"PYTHONPATH": shop_path(shop)}
    )
    assert done.stdout.startswith("abcd0198 -> abcd0199 (head)") and done.stderr == ""


def test_a_migration_goes_on_when_its_output_is_closed(shop: Project) -> None:
    """``flask db upgrade | head -1``, or onto a full disk: every revision is applied all the same."""
    for number in range(12):
        pause = "import time; time.sleep(0.05)"
        shop.write_revision(f"abcd{number:04}", f"abcd{number - 1:04}" if number else None, pause, message="x" * 400)
    command = " ".join(f"'{part}'" for part in shop.command("db", "upgrade"))
    for piped in (f"{command} | head -1", f"{command} > /dev/full"):
        done = processes.run(["sh", "-c", piped], cwd=shop.root, env={"PYTHONPATH": shop_path(shop)})
        assert done.stderr == ""
        assert shop.execute("SELECT version_num FROM alembic_version") == [("abcd0011",)]
        shop.execute("DELETE FROM alembic_version")


def test_letters_that_the_terminal_lacks(shop: Project) -> None:
    """A message in another script is printed as far as it goes, and the migration is done."""
    shop.write_revision("abcd0001", None, "pass", "op.drop_table('caf\u00e9')", message="\u5efa\u7269")
    env: dict[str, str | None] = {"PYTHONIOENCODING": "latin-1", "PYTHONUTF8": "0"}
    done = shop.run("db", "upgrade", env=env)
    assert done.stdout.startswith("Applied abcd0001 \\u5efa\\u7269 (")
    assert "no such table: caf" in shop.run("db", "downgrade", env=env, check=False).stderr


def test_no_editor(shop: Project, fails: Fails) -> None:
    """The file is named, so that it can be opened otherwise."""
    shop.write_revision("abcd0001")
    assert fails("edit", "head", env={"EDITOR": "no-such-editor", "VISUAL": ""}) == said(
        """
        Error [SF705]: Can't open PROJECT/migrations/versions/abcd0001.py: no-such-editor: Editing failed.

        Set an installed editor, `export EDITOR=nano`, or open the file yourself.
        """
    )
    assert fails("edit", "head", env={"EDITOR": "false", "VISUAL": ""}) == said(
        """
        Error [SF705]: Can't open PROJECT/migrations/versions/abcd0001.py: false: Editing failed.

        Set an installed editor, `export EDITOR=nano`, or open the file yourself.
        """
    )
    assert fails("edit", "current", status=2) == said(
        """
        Error [SF701]: The database is at no revision, so `current` is ambiguous.

        Name the revision: `flask db edit REVISION`; `flask db history` lists them.
        """
    )


def test_a_command_inside_a_revision(shop: Project, fails: Fails) -> None:
    """A revision that calls ``upgrade()``."""
    shop.write_revision("abcd0001", None, "import flask_schemaflow\nflask_schemaflow.upgrade()")
    assert fails("upgrade") == said(
        """
        The default database was rolled back: abcd0001.
        Error [SF501]: A migration command was called from inside a revision file or env.py.

          PROJECT/migrations/versions/abcd0001.py, line 19

        Call it after the running command has ended.
        """
    )


def test_a_revision_that_exits(shop: Project, fails: Fails) -> None:
    """``sys.exit()`` in a revision is a failure of it, not of the process."""
    shop.write_revision("abcd0001", None, "import sys\nsys.exit('no more')")
    assert fails("upgrade") == said(
        """
        Error [SF502]: Revision abcd0001 failed (PROJECT/migrations/versions/abcd0001.py, line 19): SystemExit:
            no more

          Operation: sys.exit('no more')
          Rolled back: abcd0001
          Current revision: none

        Fix that line and run `flask db upgrade` again.
        """
    )


def test_a_usage_error(shop: Project, fails: Fails) -> None:
    """click's own words and status."""
    assert "No such option" in fails("upgrade", "--sequel", status=2)
    assert re.search("No such command 'upgrad'", fails("upgrad", status=2))


def told_by_a_line(project: MakeProject, monkeypatch: pytest.MonkeyPatch, line: str) -> str:
    """Return what an upgrade says, on one line, if a revision fails at this line of its code."""
    made = project(MODELS)
    monkeypatch.chdir(made.root)
    invoke(made, "init")
    made.write_revision("aa01", None, f"{FIRST}\n{line}")
    result = invoke(made, "upgrade")
    assert result.exit_code == 1
    return " ".join(result.stderr.split())


@pytest.mark.parametrize(
    ("statement", "advice"),
    [
        ("ALTER TABLE first ALTER COLUMN id SET NOT NULL", "Use `with op.batch_alter_table(...)`, which rebuilds"),
        ("ALTERR TABLE first ADD x", "Fix that line and run `flask db upgrade` again."),
        ("SELECT unheard_of(1)", "Fix that line and run `flask db upgrade` again."),
    ],
)
def test_a_mistake_in_sql_on_sqlite(
    project: MakeProject, monkeypatch: pytest.MonkeyPatch, statement: str, advice: str
) -> None:
    """Its driver raises for a mistake what others raise for a server's trouble; there is no server and no log."""
    told = told_by_a_line(project, monkeypatch, f"op.execute({statement!r})")
    assert "log" not in told
    assert advice in told


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        ('op.get_bind().execute("SELECT 1")', "`op.get_bind().execute(sa.text(...))`"),
        ('op.get_bind().engine.execute("SELECT 1")', "`op.get_bind().execute(sa.text(...))`"),
        ('sa.text("SELECT 1").execute()', "`op.get_bind().execute(statement)`"),
        ('sa.select([sa.column("id")])', "`sa.select(a, b)`"),
        ("sa.MetaData(bind=op.get_bind())", "`autoload_with=op.get_bind()`"),
        ('sa.Table("first", sa.MetaData(), autoload=True)', "`autoload_with=op.get_bind()`"),
        ("op.get_bind().engine.table_names()", "get_table_names()"),
        ('op.get_bind().execute(sa.text("SELECT :a"), a=1)', "`execute(statement, {...})`"),
        ('op.get_bind().execute(sa.text("SELECT 1 AS one")).one()["one"]', "`row.name`"),
        ('op.create_foreign_key(None, "first", "first", ["id"], ["id"])', "`with op.batch_alter_table(...) as"),
    ],
)
def test_a_form_of_an_older_sqlalchemy(
    project: MakeProject, monkeypatch: pytest.MonkeyPatch, code: str, advice: str
) -> None:
    """The history of an old application ran years ago; a new database gets it with the SQLAlchemy of today."""
    told = told_by_a_line(project, monkeypatch, code)
    assert advice in told and told.endswith("Then run `flask db upgrade` again.")
