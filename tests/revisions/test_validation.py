"""A history that doesn't fit together, or that would be dangerous to run, is refused before anything runs."""

from __future__ import annotations

import pathlib

import pytest
from alembic.script import ScriptDirectory

from flask_schemaflow import errors
from flask_schemaflow.revisions.graph import message_of
from flask_schemaflow.revisions.graph import NotCertain
from flask_schemaflow.revisions.graph import RevisionIndex
from flask_schemaflow.revisions.scripts import script_directory
from flask_schemaflow.revisions.validation import validated

from ..conftest import FlaskDb
from ..conftest import MakeProject
from .histories import config_for
from .histories import revision_text
from .histories import write


def opened(versions: pathlib.Path) -> ScriptDirectory:
    """Return the script directory after its history was checked."""
    script = script_directory(config_for(versions.parent), lambda found: validated(found, versions.parent))
    script.get_heads()
    return script


UNSAFE = ["r'x", 'r"1', "r`1", "r\\1", "r;1", "r\n1", "r\x00", "x' OR 'a'='a"]


@pytest.mark.parametrize("name", UNSAFE)
def test_an_id_that_sql_would_not_take_for_one(name: str, versions: pathlib.Path) -> None:
    """One sentence names the file, the line and the character; the light commands leave it to the long way."""
    write(versions / "base.py", revision_text("base1"))
    write(versions / "odd.py", f"'''words'''\n\nrevision = {name!r}\ndown_revision = 'base1'\n")
    with pytest.raises(errors.IdentifierUnusable, match=r"odd\.py, line 3, has .+ in it") as caught:
        opened(versions)
    assert "\n" not in caught.value.message
    with pytest.raises(NotCertain):
        RevisionIndex.read(str(versions))


@pytest.mark.parametrize("name", ["2024 spring", "größe", "r_1.2", "a(b)", "50%"])
def test_an_id_that_worked_goes_on_working(name: str, versions: pathlib.Path) -> None:
    """Only what ends SQL's quotes is refused."""
    write(versions / "a.py", revision_text(name))
    assert opened(versions).get_heads() == [name]


def test_nothing_runs(project: MakeProject, flask_db: FlaskDb, database_url: str) -> None:
    """On each database: neither the revision nor those before it, and not from an online look either."""
    made = project(url=database_url)
    flask_db(made, "init")
    made.write_revision("s1", None, "op.create_table('s', sa.Column('id', sa.Integer))")
    path = made.write_revision("s2", "s1")
    path.write_text(path.read_text().replace("'s2'", '''"s2', (SELECT 1), '"''').replace('"s2"', '''"s2'||'x"'''))
    for line in ("upgrade", "status", "heads", "upgrade --sql"):
        assert "SF316" in flask_db(made, *line.split(), status=1).output, line
    engine = made.engine()
    with engine.connect() as connection:
        assert not engine.dialect.has_table(connection, "s")
    engine.dispose()


MESSAGES: dict[str, tuple[str, str]] = {
    "plain": ("add shelves\n\nRevision ID: 1\nRevises: \n", "add shelves"),
    "several paragraphs": ("add\n\nmore\n\nRevision ID: 1\n", "add\n\nmore"),
    "none": ("Revision ID: 1\nRevises: 0\nCreate Date: 2024-01-01\n", ""),
    "no blank line": ("add shelves\nRevision ID: 1\n", "add shelves"),
    "another order": ("add\n\nRevises: 0\nRevision ID: 1", "add"),
    "of one's own": ("add shelves\n\nwhy and how", "add shelves"),
    "a sentence about them": ("fix the Revision ID: column\n\nmore", "fix the Revision ID: column"),
}


@pytest.mark.parametrize("kind", MESSAGES)
def test_a_message_is_what_was_written_before_the_template_lines(kind: str) -> None:
    """Lines of the template are no message."""
    doc, message = MESSAGES[kind]
    assert message_of(doc.strip()) == message


def test_a_duplicate_id(versions: pathlib.Path) -> None:
    """In the words that people search for."""
    for name in ("one", "two"):
        write(versions / f"{name}.py", revision_text("d0"))
    with pytest.raises(errors.RevisionTwice, match="^Duplicate revision id d0: two files have it"):
        opened(versions)
