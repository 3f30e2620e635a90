"""A range of revisions becomes one; every database goes on from where it is."""

from __future__ import annotations

import sys
import typing as t
from pathlib import Path

import pytest
import sqlalchemy as sa

import flask_schemaflow
from flask_schemaflow import errors

from ..conftest import FlaskDb
from ..conftest import MakeDatabase
from ..conftest import MakeProject
from ..support import legacy
from ..support import processes
from ..support.application import Project
from ..support.git import git

POST = "op.create_table('post', sa.Column('id', sa.Integer, primary_key=True))"
BATCH = "with op.batch_alter_table('post') as batch:\n    batch."
MADE_BY_HAND = POST[:-1] + ", sa.Column('b', sa.Integer), sa.Column('d', sa.Integer))"
MODELS = """
class Post(db.Model):
    id = sa.Column(sa.Integer, primary_key=True)
    b = sa.Column(sa.Integer)
    d = sa.Column(sa.Integer)
"""


def write_history(made: Project, data: str = "") -> Project:
    """Four revisions and one after them; the second may change rows, the third takes a column away again."""
    made.write_revision("a10", None, POST, "op.drop_table('post')")
    column = BATCH + "add_column(sa.Column('{0}', sa.Integer))"
    made.write_revision("b20", "a10", column.format("b") + "\n" + data, BATCH + "drop_column('b')")
    made.write_revision("c30", "b20", column.format("c"), BATCH + "drop_column('c')")
    made.write_revision("d40", "c30", BATCH + "drop_column('c')", column.format("c"))
    made.write_revision("e50", "d40", column.format("d"), BATCH + "drop_column('d')")
    return made


@pytest.fixture
def long(project: MakeProject, flask_db: FlaskDb, database_url: str) -> Project:
    made = project(MODELS, url=database_url)
    flask_db(made, "init")
    return write_history(made)


@pytest.fixture
def long_file(project: MakeProject, flask_db: FlaskDb) -> Project:
    made = project(MODELS)
    flask_db(made, "init")
    return write_history(made)


def names(made: Project) -> list[str]:
    return sorted(path.name[:3] for path in (made.migrations / "versions").glob("*.py"))


def columns(made: Project) -> list[str]:
    return sorted(item["name"] for item in sa.inspect(made.engine()).get_columns("post"))


def test_every_database_goes_on(long: Project, flask_db: FlaskDb) -> None:
    """One inside the range finishes the old files, one past it needs nothing, an empty one runs the new file."""
    flask_db(long, "upgrade", "c30")
    long.execute("INSERT INTO post (id, b, c) VALUES (1, 2, 3)")
    result = flask_db(long, "squash", "a10:d40", "-m", "the beginning")
    assert "add table post" not in result.stderr and "4 revisions are in" in result.stderr
    assert len(list((long.migrations / "versions").glob("*.py"))) == 2
    assert flask_db(long, "history").stdout.splitlines() == [
        "d40 -> e50 (head), revision e50", "<base> -> d40, the beginning"
    ]
    assert "applied  c30" in flask_db(long, "status").stdout and "2 pending" in flask_db(long, "status").stdout
    assert flask_db(long, "current").stdout.split()[0] == "c30"
    assert "c30, which d40 has replaced" in flask_db(long, "squash", "--prune", status=1).output
    upgraded = flask_db(long, "upgrade").stdout
    assert "Applied d40" in upgraded and "Applied e50" in upgraded and "c30" not in upgraded
    assert columns(long) == ["b", "d", "id"] and long.execute("SELECT id, b FROM post") == [(1, 2)]
    status = flask_db(long, "status").stdout
    assert "Up to date." in status and "edited" not in status and "Changed since" not in status
    assert "up to date" in flask_db(long, "upgrade").stdout
    flask_db(long, "downgrade", "b20", "--yes")
    assert long.execute("SELECT version_num FROM alembic_version") == [("b20",)] and columns(long) == ["b", "id"]
    flask_db(long, "upgrade")
    flask_db(long, "downgrade", "base", "--yes")
    assert "post" not in sa.inspect(long.engine()).get_table_names()
    assert "Applied d40 the beginning" in flask_db(long, "upgrade").stdout
    assert columns(long) == ["b", "d", "id"]
    prune = ("squash", "--prune", "--dry-run", "--url")
    assert "the file is not there" in flask_db(long, *prune, "sqlite:////nowhere.db", status=1).output
    assert "Connection refused" in flask_db(long, *prune, "postgresql+psycopg://me@127.0.0.1:1/x", status=1).output
    assert "--url takes the URL" in flask_db(long, *prune, "nowhere", status=2).output
    assert "Would delete" in flask_db(long, *prune, long.url).stdout and (long.migrations / "squashed").exists()
    assert "Deleted" in flask_db(long, "squash", "--prune").stdout
    assert not (long.migrations / "squashed").exists()
    flask_db(long, "check")


def test_plain_alembic(long_file: Project, flask_db: FlaskDb) -> None:
    """``replaces`` is a variable that Alembic doesn't read; the file runs, and a database past it stays."""
    flask_db(long_file, "squash", "--all")
    assert len(names(long_file)) == 1
    source = "from shop import create_app\nwith create_app().app_context():\n    from alembic.config import main\n"
    run = [sys.executable, "-c", source + "    main(['-c', 'migrations/alembic.ini', 'upgrade', 'head'])"]
    for _ in range(2):
        processes.run(run, cwd=long_file.root, env={"PYTHONPATH": str(long_file.root)})
    assert long_file.execute("SELECT version_num FROM alembic_version") == [("e50",)]
    assert columns(long_file) == ["b", "d", "id"]


def test_changes_of_rows_are_decided(project: MakeProject, flask_db: FlaskDb) -> None:
    """They are listed; kept ones stand at the end of the new file, dropped ones don't."""
    made = project(MODELS)
    flask_db(made, "init")
    write_history(made, "op.execute('INSERT INTO post (id, b) VALUES (1, 5)')")
    before = {path: path.read_bytes() for path in made.revision_files()}
    refused = flask_db(made, "squash", "--all", status=2)
    assert "b20 (line 20): op.execute('INSERT INTO post" in refused.output and "--keep-data b20" in refused.output
    assert {path: path.read_bytes() for path in made.revision_files()} == before
    dropped = flask_db(made, "squash", "--all", "--drop-data", "b20", "--dry-run")
    assert "INSERT" not in dropped.stdout and "replaces = [" in dropped.stdout
    assert "5 revisions would move to" in dropped.stderr
    assert "INSERT" in flask_db(made, "squash", "--all", "--yes", "--dry-run").stdout
    assert "INSERT" not in flask_db(made, "squash", "--all", "--yes", "--drop-data", "b20", "--dry-run").stdout
    twice = flask_db(made, "squash", "--all", "--keep-data", "b20", "--drop-data", "b20", status=2)
    assert "two decisions on the row changes of b20" in twice.output
    assert {path: path.read_bytes() for path in made.revision_files()} == before
    screen = made.terminal("db", "squash", "--all", typed=[("Repeat this", "\n")])
    assert screen.returncode == 0, screen.text
    flask_db(made, "upgrade")
    assert made.execute("SELECT id, b FROM post") == [(1, 5)]


def test_a_revision_stays_as_it_is(project: MakeProject, flask_db: FlaskDb, database_url: str) -> None:
    """Its file isn't touched; both sides of it are squashed, and a database between them goes on."""
    made = project(MODELS, url=database_url)
    flask_db(made, "init")
    write_history(made)
    helper = "\n\ndef _number():\n    return 5\n"
    column = BATCH + "add_column(sa.Column('c', sa.Integer))"
    insert = "\nop.get_bind().execute(sa.text(f'INSERT INTO post (id, c) VALUES (1, {_number()})'))"
    data = made.write_revision("c30", "b20", column + insert, BATCH + "drop_column('c')", extra=helper)
    before = data.read_bytes()
    flask_db(made, "upgrade", "a10")
    assert "_number" in flask_db(made, "squash", "a10:e50", "--yes", status=1).output
    assert "isn't in the range" in flask_db(made, "squash", "a10:b20", "--keep-file", "c30", status=1).output
    result = flask_db(made, "squash", "--all", "--keep-file", "c30")
    assert len(result.stderr.splitlines()) == 2 and data.read_bytes() == before
    assert [line.split()[2].strip(",") for line in flask_db(made, "history").stdout.splitlines()] == [
        "e50", "c30", "b20"
    ]
    flask_db(made, "upgrade")
    assert columns(made) == ["b", "d", "id"] and made.execute("SELECT id, b FROM post") == [(1, None)]
    flask_db(made, "downgrade", "d40", "--yes")
    flask_db(made, "upgrade")
    flask_db(made, "downgrade", "base", "--yes")
    flask_db(made, "upgrade")
    assert made.execute("SELECT id, b FROM post") == [(1, None)]
    flask_db(made, "check")


def test_what_cant_be_squashed(long_file: Project, flask_db: FlaskDb) -> None:
    """A branch out of the range, a dependency on its inside, a wrong order, one revision, a squash with its files."""
    made = long_file
    assert "fewer than two" in flask_db(made, "squash", "a10:a10", status=1).output
    assert "doesn't come before" in flask_db(made, "squash", "d40:b20", status=1).output
    assert flask_db(made, "squash", status=2)
    branch = made.write_revision("x10", "b20")
    assert "x10 follows b20, which is inside the range" in flask_db(made, "squash", "a10:d40", status=1).output
    branch.unlink()
    depends = made.write_revision("f60", "e50", depends_on="b20")
    assert "f60 depends on b20" in flask_db(made, "squash", "a10:d40", status=1).output
    depends.unlink()
    flask_db(made, "squash", "a10:c30")
    assert "old files are still there" in flask_db(made, "squash", "--all", status=1).output
    flask_db(made, "squash", "--prune")
    flask_db(made, "squash", "--all")
    text = made.revision_files()[0].read_text()
    assert 'replaces = ["a10", "b20", "c30", "d40"]' in text
    flask_db(made, "upgrade")
    flask_db(made, "check")


def test_a_history_that_fails_leaves_everything(long_file: Project, flask_db: FlaskDb) -> None:
    """The range doesn't run: nothing is written or moved."""
    long_file.write_revision("d40", "c30", "op.drop_table('nothing')")
    before = names(long_file)
    assert "doesn't run from base" in flask_db(long_file, "squash", "a10:d40", status=1).output
    assert names(long_file) == before and not (long_file.migrations / "squashed").exists()


def test_labels_dependencies_and_binds(
    project: MakeProject, flask_db: FlaskDb, make_database: MakeDatabase
) -> None:
    """The new file has the labels of the range, and a function for each database."""
    made = project(binds={"users": make_database()})
    flask_db(made, "init", "--multidb")
    users = "\n\ndef upgrade_users():\n    op.create_table('user', sa.Column('id', sa.Integer))\n\n\n"
    users += "def downgrade_users():\n    op.drop_table('user')\n"
    made.write_revision("a10", None, POST, "op.drop_table('post')", branch_labels=("blog",), extra=users)
    made.write_revision("b20", "a10")
    flask_db(made, "squash", "--all")
    flask_db(made, "upgrade", "blog@head")
    assert "user" in sa.inspect(made.engine("users")).get_table_names()
    assert "post" in sa.inspect(made.engine()).get_table_names()


def test_a_squash_by_hand_is_recognised(long: Project, flask_db: FlaskDb) -> None:
    """By its commit, by work in progress or by a line ``replaces``; a database inside the range isn't taken for it."""
    made = long
    made.write(".gitignore", "*.db\n__pycache__\n")
    git(made.root, "init", "-q", "-b", "main")
    git(made.root, "add", "-A")
    git(made.root, "commit", "-q", "-m", "five revisions")
    flask_db(made, "upgrade", "c30")
    made.execute("INSERT INTO post (id, b) VALUES (1, 2)")
    for path in made.revision_files():
        path.unlink()
    new = made.write_revision("s10", None, MADE_BY_HAND, "op.drop_table('post')")
    made.write_revision("t20", "s10", BATCH + "add_column(sa.Column('e', sa.Integer))", BATCH + "drop_column('e')")
    step = "flask db stamp --purge --verify s10"
    assert "t20 seems to replace it" in flask_db(made, "upgrade", status=1).output
    new.unlink()
    made.write_revision("s10", None, MADE_BY_HAND, "op.drop_table('post')", extra="replaces = ['c30', 'e50']\n")
    assert step in flask_db(made, "upgrade", status=1).output
    (made.migrations / "versions" / "t20.py").unlink()
    made.write_revision("s10", None, MADE_BY_HAND, "op.drop_table('post')")
    assert step in flask_db(made, "upgrade", status=1).output
    git(made.root, "add", "-A")
    git(made.root, "commit", "-q", "-m", "squashed")
    made.write_revision("t20", "s10", BATCH + "add_column(sa.Column('e', sa.Integer))", BATCH + "drop_column('e')")
    told = flask_db(made, "upgrade", status=1).output
    assert f"s10 seems to replace it. Compare the database with it, and record it if they match: `{step}`" in told
    assert "If they differ, restore the file: `git checkout" in told
    assert step in flask_db(made, "doctor", status=1).output
    refused = flask_db(made, *step.split()[2:], status=1).output
    assert "default: column post.c is extra" in refused and "It matches no revision" in refused
    made.execute("ALTER TABLE post DROP COLUMN c")
    made.execute("ALTER TABLE post ADD COLUMN d INTEGER")
    assert "It is what s10 makes: `flask db stamp --purge s10`" in flask_db(made, "stamp", "--verify", status=1).output
    flask_db(made, *step.split()[2:])
    flask_db(made, "upgrade")
    assert columns(made) == ["b", "d", "e", "id"] and made.execute("SELECT id, b FROM post") == [(1, 2)]
    assert "base makes nothing" in flask_db(made, "stamp", "--verify", "base", status=2).output


def test_files_of_old_templates(project: MakeProject, flask_db: FlaskDb) -> None:
    """Those of Flask-Migrate 1.5 have neither branch_labels nor depends_on."""
    made = project()
    legacy.write_repository(made.migrations, "1.5.0", "single")
    made.write_revision("a10", None, POST, "op.drop_table('post')")
    made.write_revision("b20", "a10")
    assert "branch_labels" not in flask_db(made, "squash", "--all", "--dry-run").stdout
    made.write_revision("a10", None, POST, "op.drop_table('post')", branch_labels=("blog",))
    flask_db(made, "squash", "--all")
    flask_db(made, "upgrade", "blog@head")
    assert made.execute("SELECT version_num FROM alembic_version") == [("b20",)]


def test_from_python(long_file: Project) -> None:
    """The function returns the text and raises what the command line prints."""
    with long_file.app().app_context():
        assert "replaces" in flask_schemaflow.squash(rev_range="b20:c30", dry_run=True).source
        with pytest.raises(errors.SquashRefused):
            flask_schemaflow.squash(rev_range="nothing")
        done: t.Any = flask_schemaflow.squash(rev_range="b20:d40")
        assert Path(done.paths[0]).exists() and flask_schemaflow.prune()
