"""Two developers' branches become one history: moved onto each other, or merged where the order doesn't matter."""

from __future__ import annotations

import json
import shutil
import sys
import typing as t
from pathlib import Path

import pytest

import flask_schemaflow
from flask_schemaflow import errors

from ..conftest import FlaskDb
from ..conftest import MakeProject
from ..support import processes
from ..support.application import Project
from ..support.git import git

MODELS = """
class Post(db.Model):
    id = sa.Column(sa.Integer, primary_key=True)
"""


def commit(project: Project, message: str) -> None:
    git(project.root, "add", "-A")
    git(project.root, "commit", "-q", "-m", message)


def add_column(name: str, table: str = "post") -> tuple[str, str]:
    return (
        f"op.add_column({table!r}, sa.Column({name!r}, sa.Integer))",
        f"with op.batch_alter_table({table!r}) as batch:\n    batch.drop_column({name!r})",
    )


def begin(made: Project, flask_db: FlaskDb) -> Project:
    """A repository whose main branch has one revision."""
    flask_db(made, "init")
    columns = "sa.Column('id', sa.Integer, primary_key=True)"
    made.write_revision("a10", None, f"op.create_table('post', {columns})", "op.drop_table('post')")
    made.write(".gitignore", "*.db\n__pycache__\n")
    git(made.root, "init", "-q", "-b", "main")
    commit(made, "start")
    return made


@pytest.fixture
def branched(project: MakeProject, flask_db: FlaskDb, database_url: str) -> Project:
    return branch(begin(project(MODELS, url=database_url), flask_db))


@pytest.fixture
def branched_file(project: MakeProject, flask_db: FlaskDb) -> Project:
    return branch(begin(project(MODELS), flask_db))


def branch(made: Project, mine: str = "likes", theirs: str = "views") -> Project:
    """Ben's column is on main; Ada's branch has two revisions and merges main."""
    git(made.root, "switch", "-q", "-c", "ada")
    made.write_revision("ada1", "a10", *add_column(mine), message="ada's column")
    made.write_revision("ada2", "ada1", *add_column(mine + "2"))
    commit(made, "ada")
    git(made.root, "switch", "-q", "main")
    made.write_revision("ben1", "a10", *add_column(theirs))
    commit(made, "ben")
    git(made.root, "switch", "-q", "ada")
    git(made.root, "merge", "-q", "--no-edit", "main")
    return made


def test_my_chain_follows(branched: Project, flask_db: FlaskDb) -> None:
    """Only two lines of one file change; the database with rows goes on from where it was."""
    flask_db(branched, "upgrade", "ben1")
    branched.execute("INSERT INTO post (id, views) VALUES (1, 5)")
    path = branched.migrations / "versions" / "ada1_ada_s_column.py"
    before = path.read_text()
    preview = flask_db(branched, "rebase", "--dry-run")
    assert "+down_revision = 'ben1'" in preview.stdout and path.read_text() == before
    result = flask_db(branched, "rebase")
    assert "-Revises: a10" in result.stdout and "+Revises: ben1" in result.stdout
    after = path.read_text()
    assert after == before.replace("Revises: a10", "Revises: ben1").replace(
        "down_revision = 'a10'", "down_revision = 'ben1'"
    )
    assert git(branched.root, "status", "--porcelain").split() == ["M", "migrations/versions/" + path.name]
    assert flask_db(branched, "heads").stdout.startswith("ada2")
    flask_db(branched, "upgrade")
    assert branched.execute("SELECT id, views, likes, likes2 FROM post") == [(1, 5, None, None)]
    assert "nothing to rebase" in flask_db(branched, "rebase", status=1).output


def test_what_is_applied_is_reverted_after_a_question(branched: Project, flask_db: FlaskDb) -> None:
    """Without ``--yes`` nothing happens and the losses are named; with it the other branch's column stays."""
    flask_db(branched, "upgrade", "ada2")
    flask_db(branched, "upgrade", "ben1")
    branched.execute("INSERT INTO post (id, views, likes) VALUES (1, 5, 7)")
    refused = flask_db(branched, "rebase", status=1)
    assert "default has ada1, ada2" in refused.output and "the column post.likes with 1 value" in refused.output
    assert branched.execute("SELECT likes FROM post") == [(7,)]
    flask_db(branched, "rebase", "--yes")
    assert flask_db(branched, "current").stdout.split()[0] == "ben1"
    assert branched.execute("SELECT * FROM post") == [(1, 5)]
    flask_db(branched, "upgrade")
    assert branched.execute("SELECT id, views, likes FROM post") == [(1, 5, None)]


def test_another_database_had_applied_them_before(branched: Project, flask_db: FlaskDb, tmp_path: Path) -> None:
    """It lacks what comes first now: ``status`` and ``doctor`` say so, and the commands that they print mend it."""
    flask_db(branched, "upgrade", "ada2")
    branched.execute("INSERT INTO post (id, likes) VALUES (1, 7)")
    url, branched.url = branched.url, f"sqlite:///{tmp_path / 'mine.db'}"
    branched.write_app()
    flask_db(branched, "rebase")
    branched.url = url
    branched.write_app()
    assert "up to date" in flask_db(branched, "upgrade").stdout
    status = flask_db(branched, "status").stdout
    assert "Revision ada1 followed a10 when" in status and "follows ben1 now" in status and "Up to date" not in status
    if url.startswith("sqlite"):
        assert "follows ben1 now" in branched.terminal("db", "upgrade").text
    assert "SF865" in flask_db(branched, "doctor").stdout and "edited since" not in status
    (standing,) = json.loads(flask_db(branched, "status", "--json").stdout)
    assert standing["moved"] == [{"revision": "ada1", "after": "a10", "missing": ["ben1"]}]
    for line in status.splitlines():
        if line.startswith("    flask db"):
            flask_db(branched, *line.split()[2:])
    assert branched.execute("SELECT id, views, likes FROM post") == [(1, None, 7)]
    assert branched.execute("SELECT version_num FROM alembic_version") == [("ada2",)]
    assert "Up to date." in flask_db(branched, "status").stdout and "No drift" in flask_db(branched, "drift").stdout


def test_the_question_at_a_terminal(branched_file: Project) -> None:
    """"no" leaves everything as it was."""
    branched_file.run("db", "upgrade", "ada2")
    screen = branched_file.terminal("db", "rebase", typed=[("Revert them first?", "n\n")])
    assert screen.returncode != 0
    assert git(branched_file.root, "status", "--porcelain") == ""
    screen = branched_file.terminal("db", "rebase", typed=[("Revert them first?", "y\n")])
    assert screen.returncode == 0
    assert branched_file.run("db", "current").stdout.split()[0] == "a10"


def test_a_conflict_names_both_lines(project: MakeProject, flask_db: FlaskDb) -> None:
    """Both add one column: nothing is written, and both places are named; ``--force`` finds it on the copy."""
    made = branch(begin(project(MODELS), flask_db), mine="score", theirs="score")
    result = flask_db(made, "rebase", status=1)
    assert "ben1 (line 18) and ada1 (line 18) both add the column post.score" in result.output
    forced = flask_db(made, "rebase", "--force", status=1)
    assert "upgrade() fails after ben1 on a scratch database of default" in forced.output
    assert "/tmp/schemaflow-" not in forced.output
    assert git(made.root, "status", "--porcelain") == ""


def test_named_revisions_need_no_git(branched_file: Project, flask_db: FlaskDb) -> None:
    """Without a repository the names decide; the head can be chosen, too."""
    shutil.rmtree(branched_file.root / ".git")
    assert "isn't clear which revisions are yours" in flask_db(branched_file, "rebase", status=1).output
    flask_db(branched_file, "rebase", "ben1", "--onto", "ada2")
    assert flask_db(branched_file, "heads").stdout.startswith("ben1")
    assert flask_db(branched_file, "history").stdout.startswith("ada2 -> ben1")


def test_what_cant_be_moved_is_refused(branched_file: Project, flask_db: FlaskDb) -> None:
    """A merge, two chains, a target that comes after, an unknown branch: each says why."""
    made = branched_file
    assert "no branch or commit 'nowhere'" in flask_db(made, "rebase", "--base", "nowhere", status=1).output
    assert "itself one of" in flask_db(made, "rebase", "ada1", "--onto", "ada2", status=1).output
    made.write_revision("ada3", "a10")
    assert "2 chains" in flask_db(made, "rebase", status=1).output
    made.write_revision("m1", ("ada3", "ada2"))
    assert "m1 is a merge of ada3 and ada2" in flask_db(made, "rebase", status=1).output
    assert git(made.root, "diff") == ""


def test_a_file_of_another_hand(branched_file: Project, flask_db: FlaskDb) -> None:
    """Windows' line ends, an annotation, a comment and tuples stay as they are; plain alembic runs the result."""
    path = branched_file.migrations / "versions" / "ada1_ada_s_column.py"
    text = path.read_text().replace("down_revision = 'a10'", "down_revision: str | None = ('a10')  # kept")
    path.write_bytes(text.replace("\n", "\r\n").encode())
    flask_db(branched_file, "rebase")
    assert b"down_revision: str | None = ('ben1')  # kept\r\n" in path.read_bytes()
    assert path.read_bytes().count(b"\r\n") == text.count("\n")
    alembic = Path(sys.executable).with_name("alembic")
    env = {"FLASK_APP": "shop", "PYTHONPATH": str(branched_file.root)}
    source = "from shop import create_app\nwith create_app().app_context():\n    from alembic.config import main\n"
    assert alembic.exists()
    processes.run(
        [sys.executable, "-c", source + "    main(['-c', 'migrations/alembic.ini', 'upgrade', 'head'])"],
        cwd=branched_file.root, env=env,
    )
    assert branched_file.execute("SELECT version_num FROM alembic_version") == [("ada2",)]


def test_merge_auto(branched: Project, flask_db: FlaskDb) -> None:
    """Independent branches are merged, and the merge runs from either side."""
    flask_db(branched, "upgrade", "ada2")
    branched.execute("INSERT INTO post (id, likes) VALUES (1, 7)")
    before = branched.revision_files()
    assert "down_revision" in flask_db(branched, "merge", "--auto", "--dry-run", "heads").stdout
    assert branched.revision_files() == before
    result = flask_db(branched, "merge", "--auto", "heads")
    assert "Wrote" in result.stdout and result.stderr == ""
    flask_db(branched, "upgrade")
    assert branched.execute("SELECT id, likes, views FROM post") == [(1, 7, None)]


@pytest.mark.parametrize(
    ("upgrade", "reason"),
    [
        ("op.add_column('post', sa.Column('likes', sa.Integer))", "both add the column post.likes"),
        ("op.execute('UPDATE post SET id = id + 1')", "UPDATE post SET id"),
        ("op.get_bind().execute(sa.text('DELETE FROM post'))", "DELETE FROM post"),
    ],
)
def test_merge_auto_refuses(branched_file: Project, flask_db: FlaskDb, upgrade: str, reason: str) -> None:
    """What both change, and what changes rows, isn't shown to be independent; nothing is written."""
    branched_file.write_revision("ben2", "ben1", upgrade)
    before = branched_file.revision_files()
    result = flask_db(branched_file, "merge", "--auto", "heads", status=1)
    assert "can't be shown that the order doesn't matter" in result.output and reason in result.output
    assert branched_file.revision_files() == before


def test_git_sees_two_heads(project: MakeProject, flask_db: FlaskDb) -> None:
    """With a file ``versions/HEAD`` the merge of both branches is a conflict, until a rebase leaves one head."""
    made = begin(project(MODELS), flask_db)
    head = made.write("migrations/versions/HEAD", "a10\n")
    commit(made, "a file for git")
    for name in ("ada", "ben"):
        git(made.root, "switch", "-q", "-c", name, "main")
        flask_db(made, "revision", "--rev-id", f"{name}1", "-m", name)
        assert head.read_text() == f"{name}1\n"
        commit(made, name)
    merged = processes.run(
        ["git", "-c", "user.name=A", "-c", "user.email=a@example.org", "merge", "ada"], cwd=made.root, check=False
    )
    assert merged.returncode != 0 and "CONFLICT" in merged.stdout and "versions/HEAD" in merged.stdout
    git(made.root, "merge", "--abort")
    made.write(".gitattributes", "migrations/versions/HEAD merge=schemaflow\n")
    git(made.root, "config", "merge.schemaflow.driver", "sort -u -o %A %A %B")
    git(made.root, "merge", "--no-edit", "ada")
    assert head.read_text() == "ada1\nben1\n"
    flask_db(made, "rebase", "--base", "ada")
    assert head.read_text() == "ben1\n"
    assert flask_db(made, "history").stdout.startswith("ada1 -> ben1")


def test_two_clones(project: MakeProject, flask_db: FlaskDb, tmp_path: Path) -> None:
    """Ada pulls what Ben has pushed, and moves hers; Ben pulls that; both databases keep their rows."""
    ada = begin(project(MODELS), flask_db)
    origin = str(tmp_path / "origin.git")
    git(ada.root, "init", "-q", "--bare", "-b", "main", origin)
    git(ada.root, "remote", "add", "origin", origin)
    git(ada.root, "push", "-q", "-u", "origin", "main")
    git(tmp_path, "clone", "-q", origin, "ben")
    ben = Project(tmp_path / "ben")
    ben.write_app()
    ben.write_revision("ben1", "a10", *add_column("views"))
    commit(ben, "views")
    git(ben.root, "push", "-q")
    for made in (ada, ben):
        made.run("db", "upgrade")
        made.execute("INSERT INTO post (id) VALUES (1)")
    ada.write_revision("ada1", "a10", *add_column("likes"))
    commit(ada, "likes")
    git(ada.root, "pull", "-q", "--no-rebase", "--no-edit")
    ada.write_app()  # each has a database of their own
    ada.run("db", "rebase")
    commit(ada, "likes after views")
    git(ada.root, "push", "-q")
    git(ben.root, "pull", "-q")
    ben.write_app()
    for made in (ada, ben):
        made.run("db", "upgrade")
        assert made.execute("SELECT id, views, likes FROM post") == [(1, None, None)]


def test_from_python(branched_file: Project) -> None:
    """The function returns the difference and raises what the command line prints."""
    with branched_file.app().app_context():
        with pytest.raises(errors.RebaseRefused):
            flask_schemaflow.rebase(revisions=["a10"])
        written = flask_schemaflow.rebase(dry_run=True)
        assert "+Revises: ben1" in written.difference and not written.paths
        kept: t.Any = flask_schemaflow.rebase()
        assert kept.paths[0].endswith("ada1_ada_s_column.py")
