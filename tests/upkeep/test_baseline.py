"""An application that lived without migrations gets its first revision from its database."""

from __future__ import annotations

import json
import typing as t

import pytest
import sqlalchemy as sa

import flask_schemaflow
from flask_schemaflow import errors

from ..conftest import FlaskDb
from ..conftest import MakeDatabase
from ..conftest import MakeProject
from ..conftest import WriteRepository
from ..support import processes
from ..support.application import Project
from .conftest import create_all
from .conftest import ITEMS


def columns(project: Project, table: str, url: str | None = None) -> list[str]:
    engine = sa.create_engine(url or project.url, poolclass=sa.pool.NullPool)
    return [column["name"] for column in sa.inspect(engine).get_columns(table)]


def test_the_live_schema_becomes_the_first_revision(
    grown: Project, flask_db: FlaskDb, make_database: MakeDatabase
) -> None:
    """Rows stay, the database is stamped, nothing differs, and an empty database gets the same by an upgrade."""
    result = flask_db(grown, "baseline")
    assert "add table item" in result.stdout and "recorded it as applied" in result.stdout
    assert result.stderr == ""
    assert grown.execute("SELECT id, code FROM item ORDER BY id") == [(1, "a"), (2, "b")]
    assert flask_db(grown, "check").stdout == "No new upgrade operations detected.\n"
    assert "Up to date." in flask_db(grown, "status").stdout
    kind: t.Any = grown.url.partition("+")[0].partition(":")[0].replace("mysql", "mariadb")
    before = columns(grown, "item")
    grown.url = make_database(kind)
    grown.write_app()
    flask_db(grown, "upgrade")
    assert columns(grown, "item") == before
    assert flask_db(grown, "check").stdout == "No new upgrade operations detected.\n"
    flask_db(grown, "downgrade", "--yes")
    assert "item" not in sa.inspect(grown.engine()).get_table_names()


def test_models_that_differ_come_second(grown: Project, flask_db: FlaskDb) -> None:
    """What the models have and the database hasn't is a revision of its own, which isn't applied yet."""
    grown.write_models(ITEMS + "    note = sa.Column(sa.String(9))\n")
    result = flask_db(grown, "baseline", "-m", "as it was")
    assert "the second revision is for that" in result.stderr
    first, second = grown.revision_files()
    assert "note" not in first.read_text() and "as it was" in first.read_text()
    assert "note" in second.read_text() and "create_table" not in second.read_text()
    assert "note" not in columns(grown, "tag")
    flask_db(grown, "upgrade")
    assert "note" in columns(grown, "tag")
    assert flask_db(grown, "check").stdout == "No new upgrade operations detected.\n"


def test_a_question_waits(grown_file: Project, flask_db: FlaskDb) -> None:
    """Where the second revision needs an answer, the baseline stands and says what is left to do."""
    grown_file.write_models(ITEMS.replace("code = ", "kode = "))
    result = flask_db(grown_file, "baseline")
    assert "needs an answer" in result.stderr and "`flask db migrate`" in result.stderr
    assert len(grown_file.revision_files()) == 1
    flask_db(grown_file, "migrate", "--rename", "item.code:kode")


def test_a_table_without_a_model_is_left_out_and_named(grown: Project, flask_db: FlaskDb) -> None:
    """``--table`` takes it; views and ``create_all()`` in the application are named, too."""
    grown.execute("CREATE TABLE old (id INTEGER)")
    grown.execute("CREATE VIEW cheap AS SELECT id FROM item")
    grown.write("shop/start.py", "from shop import db\n\n\ndef start():\n    db.create_all()\n")
    preview = flask_db(grown, "baseline", "--dry-run")
    assert '"item"' in preview.stdout and not grown.revision_files()
    assert "no model has them: old. To take one: `flask db baseline --table old`." in preview.stderr
    assert "also has the view cheap" in preview.stderr
    assert flask_db(grown, "current").stdout == ""
    result = flask_db(grown, "baseline", "--table", "old")
    assert len(grown.revision_files()) == 1, "nothing drops the table that was just taken"
    assert '"old"' in grown.revision_files()[0].read_text()
    assert "shop/start.py, line 5 calls create_all()" in result.stderr


def test_a_file_that_makes_something_else_is_not_kept(grown_file: Project, flask_db: FlaskDb) -> None:
    """A hook that takes an index away is found on the empty database; nothing is written or stamped."""
    grown = grown_file
    grown.write_app(
        migrate_arguments="process_revision_directives=lambda c, r, d: d[0].upgrade_ops.ops.__setitem__("
        "slice(None), [o for o in d[0].upgrade_ops.ops if 'Index' not in type(o).__name__])"
    )
    result = flask_db(grown, "baseline", status=1)
    assert "different schema than the default database has" in result.output
    assert "ix_item_parent_id" in result.output
    assert not grown.revision_files()
    assert flask_db(grown, "current").stdout == ""


def test_a_history_is_not_begun_twice(grown_file: Project, flask_db: FlaskDb) -> None:
    """Revisions, or a current revision without its file, are named with what to do instead."""
    flask_db(grown_file, "baseline")
    assert "has revisions already" in flask_db(grown_file, "baseline", status=1).output
    for path in grown_file.revision_files():
        path.unlink()
    assert "already, and this folder has no such revision" in flask_db(grown_file, "baseline", status=1).output
    assert not grown_file.revision_files()


@pytest.mark.parametrize("version", ["1.0.0", "4.1.0"])
def test_old_folders_and_plain_alembic(
    project: MakeProject, flask_db: FlaskDb, legacy_repository: WriteRepository, version: str
) -> None:
    """The env.py of an old Flask-Migrate takes part, and ``alembic`` itself runs the file."""
    made = project(ITEMS)
    create_all(made)
    legacy_repository(made, version)
    flask_db(made, "baseline")
    assert flask_db(made, "check").stdout == "No new upgrade operations detected.\n"


def test_several_databases(project: MakeProject, flask_db: FlaskDb, make_database: MakeDatabase) -> None:
    """One file has the tables of each, of other kinds as well; each is stamped."""
    users = "\n\nclass User(db.Model):\n    __bind_key__ = 'users'\n    id = sa.Column(sa.Integer, primary_key=True)\n"
    made = project(ITEMS + users, binds={"users": make_database("postgresql")})
    create_all(made)
    flask_db(made, "init", "--multidb")
    flask_db(made, "baseline")
    (file,) = made.revision_files()
    assert '"item"' in file.read_text() and '"user"' in file.read_text()
    records = json.loads(flask_db(made, "status", "--json").stdout)
    assert [len(record["current"]) for record in records] == [1, 1]
    flask_db(made, "check")


def test_without_the_right_to_create_databases(
    project: MakeProject, flask_db: FlaskDb, postgres_url: str
) -> None:
    """The file is written from the live schema and stamped, and it is said that it wasn't proved."""
    name = str(sa.make_url(postgres_url).database)
    owner = project(url=postgres_url)
    owner.execute(f"CREATE ROLE {name} LOGIN")
    owner.execute(f"GRANT ALL ON SCHEMA public TO {name}")
    made = project(ITEMS, url=postgres_url.replace("postgres@", f"{name}@"))
    create_all(made)
    flask_db(made, "init")
    try:
        refused = flask_db(made, "baseline", "--verify", status=1)
        assert "has no permission to create a scratch database" in refused.output and not made.revision_files()
        result = flask_db(made, "baseline")
        assert "was not run on an empty one" in result.stderr
        assert '"item"' in made.revision_files()[0].read_text()
        flask_db(made, "check")
    finally:
        owner.execute(f"DROP OWNED BY {name}")
        owner.execute(f"DROP ROLE {name}")


def test_a_circle_has_a_way_out(grown_file: Project, flask_db: FlaskDb) -> None:
    """``migrate``, ``status``, ``check`` and ``doctor`` name the command where tables have no revision."""
    for command in ("migrate", "status", "check", "doctor"):
        assert "flask db baseline" in flask_db(grown_file, command).output, command
    flask_db(grown_file, "baseline")
    for command in ("migrate", "status", "check", "doctor"):
        assert "flask db baseline" not in flask_db(grown_file, command).output


def test_nothing_to_begin_with(project: MakeProject, flask_db: FlaskDb) -> None:
    """An empty database is for ``migrate``."""
    made = project(ITEMS)
    flask_db(made, "init")
    assert "no tables" in flask_db(made, "baseline", status=1).output
    assert "baseline" not in flask_db(made, "status").output


def test_from_python(grown_file: Project) -> None:
    """The function returns the file and raises what the command line prints."""
    app = grown_file.app()
    processes.run(["git", "init", "-q"], cwd=grown_file.root)
    with app.app_context():
        assert flask_schemaflow.baseline("migrations", dry_run=True).source
        with pytest.raises(errors.BaselineRefused):
            flask_schemaflow.baseline("migrations", tables=["nowhere"])
