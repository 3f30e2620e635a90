"""What somebody changed in a database without a revision is found, accepted or repaired."""

from __future__ import annotations

import json
import typing as t

import pytest
import sqlalchemy as sa

import flask_schemaflow

from ..conftest import FlaskDb
from ..conftest import MakeDatabase
from ..conftest import MakeProject
from ..support.application import Project

MODELS = """
class Post(db.Model):
    id = sa.Column(sa.Integer, primary_key=True)
    title = sa.Column(sa.String(20), nullable=False)
    views = sa.Column(sa.Integer)
    note = sa.Column(sa.String(9), index=True)
"""


@pytest.fixture
def blog(project: MakeProject, flask_db: FlaskDb, database_url: str) -> Project:
    return at_head(project(MODELS, url=database_url), flask_db)


@pytest.fixture
def blog_file(project: MakeProject, flask_db: FlaskDb) -> Project:
    return at_head(project(MODELS), flask_db)


def at_head(made: Project, flask_db: FlaskDb) -> Project:
    flask_db(made, "init")
    flask_db(made, "migrate", "--no-verify")
    flask_db(made, "upgrade")
    made.execute("INSERT INTO post (id, title, views) VALUES (1, 'a', 3)")
    return made


def change_by_hand(made: Project) -> None:
    made.execute("ALTER TABLE post ADD COLUMN rating INTEGER")
    made.execute("DROP INDEX ix_post_note" + (" ON post" if "mysql" in made.url else ""))
    made.execute("CREATE TABLE side (id INTEGER PRIMARY KEY)")


def test_a_revision_that_creates_an_extension(project: MakeProject, flask_db: FlaskDb, postgres_url: str) -> None:
    """The empty database in which the history runs has the database's extensions, which others use without creating."""
    made = project(MODELS, url=postgres_url)
    made.execute("CREATE EXTENSION btree_gist")
    flask_db(made, "init")
    made.write_revision("aa1", None, 'op.execute("CREATE EXTENSION pg_trgm")', 'op.execute("DROP EXTENSION pg_trgm")')
    words = 'sa.Column("words", sa.Text), sa.Index("ix_words", "words", postgresql_using="gist", '
    words += 'postgresql_ops={"words": "gist_trgm_ops"})'
    made.write_revision("bb2", "aa1", f'op.create_table("page", sa.Column("id", sa.Integer), {words})', "pass")
    flask_db(made, "upgrade")
    assert "No drift" in flask_db(made, "drift").stdout
    assert "fails" not in flask_db(made, "lint", "--all").stdout


def test_three_columns(blog: Project, flask_db: FlaskDb) -> None:
    """History, database and models beside each other; ``status`` names the tables by one query; exit status 1."""
    assert "No drift" in flask_db(blog, "drift").stdout
    assert "Changed since" not in flask_db(blog, "status").stdout
    change_by_hand(blog)
    lines = flask_db(blog, "drift", status=1).stdout.splitlines()
    assert lines[0].split() == ["part", "history", "database", "models"]
    assert lines[1].split()[:4] == ["extra", "column", "post.rating", "-"] and lines[1].split()[-1] == "-"
    assert lines[2].split() == ["missing", "index", "ix_post_note", "of", "post", "yes", "-", "yes"]
    assert lines[3].split() == ["extra", "table", "side", "-", "yes", "-"]
    found = json.loads(flask_db(blog, "drift", "--json", status=1).stdout)
    assert [item["kind"] for item in found] == ["extra", "missing", "extra"]
    assert "Changed since the last upgrade: post (flask db drift)" in flask_db(blog, "status").stdout
    (standing,) = json.loads(flask_db(blog, "status", "--json").stdout)
    assert standing["drifted"] == ["post"] and len(standing["history"]) == 1
    assert blog.execute("SELECT id, title, views FROM post") == [(1, "a", 3)]


def test_accept(blog: Project, flask_db: FlaskDb, make_database: MakeDatabase) -> None:
    """A revision does the same elsewhere, and is recorded here without being run."""
    change_by_hand(blog)
    before = blog.revision_files()
    preview = flask_db(blog, "drift", "--accept", "--dry-run", "-m", 'by "hand", once').stdout
    assert preview.startswith('"""by "hand", once') and "rating" in preview and blog.revision_files() == before
    assert "rating" in flask_db(blog, "drift", "--json", status=1).stdout
    result = flask_db(blog, "drift", "--accept", "-m", "by hand")
    assert "recorded it as applied" in result.stdout
    assert "No drift" in flask_db(blog, "drift").stdout
    assert blog.execute("SELECT id, views FROM post") == [(1, 3)]
    kind: t.Any = blog.url.partition("+")[0].partition(":")[0].replace("mysql", "mariadb")
    blog.url = make_database(kind)
    blog.write_app()
    flask_db(blog, "upgrade")
    assert "side" in sa.inspect(blog.engine()).get_table_names()
    flask_db(blog, "downgrade")
    assert "side" not in sa.inspect(blog.engine()).get_table_names()


def test_repair(blog: Project, flask_db: FlaskDb, make_database: MakeDatabase) -> None:
    """A revision undoes it here at the next upgrade, and does nothing on a database that didn't drift."""
    change_by_hand(blog)
    preview = flask_db(blog, "drift", "--repair", "--dry-run", "--rev-id", "r10").stdout
    assert "def _is_drifted()" in preview and "drop_column" in preview and len(blog.revision_files()) == 1
    assert "Leave --dry-run out" in flask_db(blog, "drift", "--dry-run", status=2).output
    flask_db(blog, "drift", "--repair", "--rev-id", "r10")
    assert blog.revision_files()[-1].read_text().split("Date")[1][40:] == preview.split("Date")[1][40:]
    assert "rating" in {item["name"] for item in sa.inspect(blog.engine()).get_columns("post")}
    flask_db(blog, "upgrade")
    assert "No drift" in flask_db(blog, "drift").stdout
    assert "side" not in sa.inspect(blog.engine()).get_table_names()
    assert blog.execute("SELECT id, title, views FROM post") == [(1, "a", 3)]
    kind: t.Any = blog.url.partition("+")[0].partition(":")[0].replace("mysql", "mariadb")
    blog.url = make_database(kind)
    blog.write_app()
    flask_db(blog, "upgrade")
    assert "No drift" in flask_db(blog, "drift").stdout


def test_what_is_different(blog_file: Project, flask_db: FlaskDb) -> None:
    """A column that was changed is told by what differs in it, on each side."""
    for statement in (
        "CREATE TABLE new (id INTEGER NOT NULL PRIMARY KEY, title VARCHAR(40), views INTEGER, note VARCHAR(9))",
        "INSERT INTO new SELECT id, title, views, note FROM post",
        "DROP TABLE post",
        "ALTER TABLE new RENAME TO post",
        "CREATE INDEX ix_post_note ON post (note)",
    ):
        blog_file.execute(statement)
    found = json.loads(flask_db(blog_file, "drift", "--json", status=1).stdout)
    assert [(item["kind"], item["part"]) for item in found] == [("different", "column post.title")]
    assert "VARCHAR(20)" in found[0]["history"] and "VARCHAR(40)" in found[0]["found"]
    flask_db(blog_file, "drift", "--accept")
    assert "No drift" in flask_db(blog_file, "drift").stdout
    assert "Changed since" not in flask_db(blog_file, "status").stdout


def test_a_type_of_another_kind_of_database(project: MakeProject, flask_db: FlaskDb) -> None:
    """A portable revision has an enum for PostgreSQL; what is written on SQLite leaves it alone."""
    made = project("class Pet(db.Model):\n    id = sa.Column(sa.Integer, primary_key=True)\n"
                   "    kind = sa.Column(sa.Enum('cat', 'dog', name='kinds'))\n")  # fmt: skip
    flask_db(made, "init")
    flask_db(made, "migrate", "--no-verify")
    flask_db(made, "upgrade")
    made.execute("ALTER TABLE pet ADD COLUMN age INTEGER")
    for option in ("--accept", "--repair"):
        text = flask_db(made, "drift", option, "--dry-run").stdout
        assert "age" in text and "kind" not in text
    flask_db(made, "drift", "--repair", "--rev-id", "b20")
    notices = flask_db(made, "squash", "--all", "--dry-run").stderr
    assert "have code for postgresql, which a squash elsewhere can't repeat" in notices


def test_what_cant_be_told(blog_file: Project, flask_db: FlaskDb) -> None:
    """No revision, one without a file, a history that doesn't run: each is said, and nothing is reset."""
    (file,) = blog_file.revision_files()
    text = file.read_text()
    file.write_text(text.replace("def upgrade() -> None:\n", "def upgrade() -> None:\n    raise RuntimeError('old')\n"))
    told = flask_db(blog_file, "drift", status=1).output
    assert "don't run from base" in told and "by the digests that it kept: no table" in told
    blog_file.execute("ALTER TABLE post ADD COLUMN rating INTEGER")
    told = flask_db(blog_file, "drift", "--accept", status=1).output
    assert "by the digests that it kept: post." in told and blog_file.revision_files() == [file]
    assert "post" in flask_db(blog_file, "status").stdout
    file.unlink()
    assert "no file has its revision" in flask_db(blog_file, "drift", status=1).output
    file.write_text(text)
    blog_file.execute("DELETE FROM alembic_version")
    assert "at no revision" in flask_db(blog_file, "drift", status=1).output
    assert blog_file.execute("SELECT count(*) FROM post") == [(1,)]


def test_health(blog_file: Project) -> None:
    """``migrate.drifted()`` names the tables, without Alembic; tables of others don't count."""
    app = blog_file.app()
    with app.app_context():
        migrate = app.extensions["migrate"].migrate
        assert migrate.drifted() == []
        blog_file.execute("CREATE TABLE side (id INTEGER)")
        assert migrate.drifted() == []
        blog_file.execute("ALTER TABLE post ADD COLUMN rating INTEGER")
        assert migrate.drifted() == ["default.post"]
        assert flask_schemaflow.drift().differences[0].part == "column post.rating"
