"""Each applied revision has a row beside its version; what isn't committed has none."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

import flask_schemaflow
from flask_schemaflow.records import AppliedRevision
from flask_schemaflow.revisions.digests import digest_of
from flask_schemaflow.revisions.digests import is_edited
from flask_schemaflow.runtime.applied_table import read_if_there
from flask_schemaflow.runtime.applied_table import TABLE_ROW
from tests.conftest import FlaskDb
from tests.conftest import MakeDatabase
from tests.conftest import MakeProject
from tests.support.application import Project
from tests.support.servers import Kind

KINDS = pytest.mark.parametrize("kind", ["sqlite", "postgresql", "mariadb"])


def applied(project: Project) -> dict[str, AppliedRevision]:
    """What the database records, read by a connection of its own."""
    with project.engine().connect() as connection:
        rows = read_if_there(connection, "alembic_version", None)
    return {found.revision: found for found in rows if not found.revision.startswith(TABLE_ROW)}


@pytest.fixture
def three(project: MakeProject, flask_db: FlaskDb) -> Project:
    """A project on SQLite with three revisions, none applied."""
    return with_three(project(), flask_db)


def with_three(made: Project, flask_db: FlaskDb) -> Project:
    """Write three revisions that each create a table."""
    flask_db(made, "init")
    for id, down in (("r1", None), ("r2", "r1"), ("r3", "r2")):
        made.write_revision(
            id, down, f'op.create_table("shelf_{id}", sa.Column("id", sa.Integer))', f'op.drop_table("shelf_{id}")'
        )
    return made


@KINDS
def test_up_and_down(kind: Kind, project: MakeProject, flask_db: FlaskDb, make_database: MakeDatabase) -> None:
    """A row comes with its version and goes with it; each says by whom, and from which text."""
    made = with_three(project(url=make_database(kind)), flask_db)
    flask_db(made, "upgrade", "r2")
    first = applied(made)
    assert list(first) == ["r1", "r2"]
    assert all("@" in row.applied_by and row.digest for row in first.values())
    flask_db(made, "downgrade", "r1")
    assert applied(made) == {"r1": first["r1"]}
    flask_db(made, "upgrade")
    assert {"r1", "r2", "r3"} == set(applied(made))
    flask_db(made, "check", status=1)  # the tables that no model has, and not the table of the rows
    assert "schemaflow_revisions" not in flask_db(made, "check", status=1).output


@KINDS
def test_a_failure_leaves_no_row(
    kind: Kind, project: MakeProject, flask_db: FlaskDb, make_database: MakeDatabase
) -> None:
    """The rows are those of the versions that were committed."""
    made = with_three(project(url=make_database(kind)), flask_db)
    made.write_revision("r4", "r3", 'raise ValueError("no")')
    flask_db(made, "upgrade", status=1)
    committed = {"r1", "r2", "r3"} if kind == "mariadb" else set()
    assert set(applied(made)) == committed


def test_a_revision_that_commits_leaves_the_rows_of_those_before_it(
    project: MakeProject, flask_db: FlaskDb, make_database: MakeDatabase
) -> None:
    """PostgreSQL runs all revisions in one transaction, which an ``autocommit_block()`` commits."""
    made = with_three(project(url=make_database("postgresql")), flask_db)
    block = 'with op.get_context().autocommit_block():\n    op.execute("SELECT 1")\nraise ValueError("no")'
    made.write_revision("r4", "r3", block)
    flask_db(made, "upgrade", status=1)
    assert set(applied(made)) == {"r1", "r2", "r3"}


def test_it_can_be_switched_off(project: MakeProject, flask_db: FlaskDb) -> None:
    """Then there is no table."""
    made = with_three(project(config={"SCHEMAFLOW_RECORD_APPLIED": False}), flask_db)
    flask_db(made, "upgrade")
    assert "schemaflow_revisions" not in sa.inspect(made.engine()).get_table_names()


@KINDS
@pytest.mark.parametrize("env", ["ours", "theirs"])
def test_a_file_that_was_edited_is_told(
    kind: Kind, env: str, project: MakeProject, flask_db: FlaskDb, make_database: MakeDatabase
) -> None:
    """By ``status``, ``doctor`` and ``upgrade``; what a formatter does is no edit."""
    made = with_three(project(url=make_database(kind)), flask_db)
    if env == "theirs":  # an env.py of one's own, so that Alembic answers
        file = made.migrations / "env.py"
        file.write_text(file.read_text("utf-8") + "\n# ours\n", "utf-8")
    flask_db(made, "upgrade", "r2")
    (file,) = (made.migrations / "versions").glob("r1*.py")
    text = file.read_text("utf-8")
    file.write_text("# formatted\n" + text.replace('"shelf_r1"', "'shelf_r1'"), "utf-8")
    assert "edited since" not in flask_db(made, "status").output
    file.write_text(text.replace("shelf_r1", "rack_r1"), "utf-8")
    (line,) = [line for line in flask_db(made, "status").output.splitlines() if " r1 " in line]
    assert "(edited since)" in line
    with made.app().app_context():
        (status,) = flask_schemaflow.status()
        assert status.edited == ("r1",)
        assert [record.revision for record in status.history] == ["r1", "r2"]
        assert "SF863" in {finding.code for finding in flask_schemaflow.doctor()}
    assert f"{file} was edited after revision r1 was applied" in flask_db(made, "upgrade").output


def test_a_digest_says_what_a_file_does(tmp_path: Path) -> None:
    """Comments, the docstring and what a formatter changes are none of that; a value is."""
    file = tmp_path / "a.py"
    file.write_text('"""one"""\n\ndef upgrade():\n    op.add("a", 1,)  # why\n')
    digest = digest_of(file)
    assert digest and not is_edited(file, digest) and not is_edited(file, "")
    file.write_text("'''Another.\n\nRevises: b\n'''\ndef upgrade():\n    # so\n    op.add(\n        'a', 1\n    )\n")
    assert not is_edited(file, digest)
    file.write_text('"""one"""\n\ndef upgrade():\n    op.add("a", 2)\n')
    assert is_edited(file, digest)
    assert digest_of(tmp_path / "missing.py") == ""
    assert not is_edited(tmp_path / "missing.py", digest)
