"""With a release of Alembic that wasn't checked, only speed is lost: every check of a history is still made.

The marker ``gate_closed`` closes the gate of ``alembic_private.py`` for a test: ``pytest -m gate_closed``.
"""

from __future__ import annotations

import os
import pathlib
import re

import pytest
from alembic.script import Script
from alembic.script import ScriptDirectory

from flask_schemaflow.alembic_private import is_checked_release
from flask_schemaflow.revisions.scripts import script_directory

from .conftest import FlaskDb
from .conftest import MakeProject
from .revisions.histories import config_for
from .revisions.histories import Node
from .revisions.histories import repository
from .support.application import Project

pytestmark = pytest.mark.gate_closed

EVERY = ["heads", "history", "upgrade", "current", "status", "migrate", "revision", "downgrade"]


@pytest.fixture
def mill(project: MakeProject, flask_db: FlaskDb, sqlite_url: str) -> Project:
    """A project with two revisions, of which the first is applied; its env.py keeps the light path away."""
    made = project("class Grain(db.Model):\n    id = sa.Column(sa.Integer, primary_key=True)\n", url=sqlite_url)
    flask_db(made, "init")
    env = made.migrations / "env.py"
    env.write_text(env.read_text() + "\nOWN = 1\n")
    table = "op.create_table('grain', sa.Column('id', sa.Integer, primary_key=True))"
    made.write_revision("g1", None, table, "op.drop_table('grain')")
    made.write_revision("g2", "g1")
    flask_db(made, "upgrade", "g1")
    return made


def test_the_gate_is_closed() -> None:
    """Alembic's own revisions are used."""
    assert not is_checked_release()
    with repository([Node("aa", (), (), (), 0)]) as folder:
        script = script_directory(config_for(folder))
        assert type(script.get_revision("head")) is Script


def test_without_the_names_of_alembics_loader(monkeypatch: pytest.MonkeyPatch) -> None:
    """The files are run by public means, in the same order."""
    nodes = [Node("aa", (), (), (), 0), Node("bb", ("aa",), (), ("mill",), 1), Node("cc", ("bb",), ("aa",), (), 2)]
    with repository(nodes) as folder:
        expected, script = (script_directory(config_for(folder)) for _ in range(2))
        facts = [(found.revision, found.path, found.doc) for found in expected.walk_revisions()]
        monkeypatch.delattr(ScriptDirectory, "_load_revisions")
        monkeypatch.delattr(Script, "_from_path")
        assert [(found.revision, found.path, found.doc) for found in script.walk_revisions()] == facts


def copied(mill: Project) -> None:
    """Give two files one id."""
    path = next((mill.migrations / "versions").glob("g2*.py"))
    (path.parent / "copy.py").write_bytes(path.read_bytes())


def orphaned(mill: Project) -> None:
    """Delete the file that another one follows."""
    mill.write_revision("g3", "nowhere")


def quoted(mill: Project) -> None:
    """Write an id that ends SQL's quotes."""
    (mill.migrations / "versions" / "q.py").write_text("revision = \"q'--\".replace('-', ';')\ndown_revision = 'g2'\n")


def numbered(mill: Project) -> None:
    """Write an id that isn't text."""
    (mill.migrations / "versions" / "n.py").write_text("revision = 12\ndown_revision = 'g2'\n")


def circular(mill: Project) -> None:
    """Let the first revision follow the last."""
    path = next((mill.migrations / "versions").glob("g1*.py"))
    # The comment changes the size: Python takes a file of the same second and size for the one that it compiled.
    path.write_text(re.sub(r"^down_revision.*$", "down_revision = 'g2'  # not None", path.read_text(), flags=re.M))


def dangling(mill: Project) -> None:
    """Link to a file that isn't there."""
    (mill.migrations / "versions" / "link.py").symlink_to(mill.root / "gone.py")


CHECKS = {
    copied: "SF305",
    orphaned: "SF307",
    quoted: "SF316",
    numbered: "SF304",
    circular: "SF306",
    dangling: "SF303",
}


@pytest.mark.parametrize("wrong", CHECKS, ids=lambda wrong: str(getattr(wrong, "__name__", wrong)))
@pytest.mark.filterwarnings("ignore:Revision .* is present more than once")
def test_every_check_is_made(wrong: object, mill: Project, flask_db: FlaskDb) -> None:
    """Whatever is wrong is said by each command, and nothing runs."""
    assert callable(wrong)
    wrong(mill)
    for command in EVERY:
        output = flask_db(mill, command, status=1).output
        assert CHECKS[wrong] in output, f"{command}: {output}"
    assert mill.execute("SELECT version_num FROM alembic_version") == [("g1",)]


def test_commands_work(mill: Project, flask_db: FlaskDb) -> None:
    """Upgrade, migrate, an update of the last revision, and downgrade."""
    flask_db(mill, "upgrade")
    models = pathlib.Path(mill.root) / "shop" / "models.py"
    models.write_text(models.read_text() + "    weight = sa.Column(sa.Integer)\n")
    flask_db(mill, "migrate", "-m", "weight", "--rev-id", "g3")
    models.write_text(models.read_text() + "    size = sa.Column(sa.Integer)\n")
    flask_db(mill, "migrate", "--update")
    (path,) = (mill.migrations / "versions").glob("*g3*.py")
    assert "size" in path.read_text()
    flask_db(mill, "upgrade")
    assert "g3 (head)" in flask_db(mill, "current").output
    flask_db(mill, "downgrade", "base")
    assert os.path.exists(path)
