"""Random histories: a squash and a rebase keep the schema, the rows, and the position of every database."""

from __future__ import annotations

import random

import pytest
import sqlalchemy as sa

from ..conftest import FlaskDb
from ..conftest import MakeProject
from ..support.application import Project

BATCH = "with op.batch_alter_table('post') as batch:\n    batch."


def change(columns: list[str], number: int, chance: random.Random, prefix: str) -> tuple[str, str]:
    """Return the bodies of a revision that adds a column, or drops one that the same prefix has added."""
    own = [name for name in columns if name.startswith(prefix)]
    if own and chance.random() < 0.4:
        name = chance.choice(own)
        columns.remove(name)
        return BATCH + f"drop_column('{name}')", BATCH + f"add_column(sa.Column('{name}', sa.Integer))"
    columns.append(f"{prefix}{number}")
    name = columns[-1]
    return BATCH + f"add_column(sa.Column('{name}', sa.Integer))", BATCH + f"drop_column('{name}')"


def write_chain(
    made: Project, down: str, columns: list[str], count: int, chance: random.Random, prefix: str
) -> list[str]:
    """Write revisions that follow each other after ``down``, and return their ids."""
    names = []
    for number in range(count):
        names.append(f"{prefix}{number:03}")
        made.write_revision(names[-1], down, *change(columns, number, chance, prefix))
        down = names[-1]
    return names


def begin(made: Project, flask_db: FlaskDb) -> None:
    flask_db(made, "init")
    table = "op.create_table('post', sa.Column('id', sa.Integer, primary_key=True))"
    made.write_revision("base0", None, table, "op.drop_table('post')")


def columns_of(made: Project) -> list[str]:
    return sorted(item["name"] for item in sa.inspect(made.engine()).get_columns("post"))


@pytest.mark.parametrize("seed", range(3))
def test_squash(project: MakeProject, flask_db: FlaskDb, seed: int) -> None:
    """Whatever the range and wherever the database is, it gets to the same schema, and back to the beginning."""
    chance = random.Random(seed)
    made = project()
    begin(made, flask_db)
    columns = ["id"]
    names = ["base0", *write_chain(made, "base0", columns, 6, chance, "m")]
    start, end = sorted(chance.sample(range(len(names)), 2))
    at = chance.choice(names)
    flask_db(made, "upgrade", at)
    made.execute("INSERT INTO post (id) VALUES (1)")
    flask_db(made, "squash", f"{names[start]}:{names[end]}")
    assert flask_db(made, "current").stdout.split()[0] == at
    flask_db(made, "upgrade")
    assert columns_of(made) == sorted(columns) and made.execute("SELECT id FROM post") == [(1,)]
    assert made.execute("SELECT version_num FROM alembic_version") == [(names[-1],)]
    flask_db(made, "downgrade", "base", "--yes")
    flask_db(made, "upgrade")
    assert columns_of(made) == sorted(columns)


@pytest.mark.parametrize("seed", range(3))
def test_rebase(project: MakeProject, flask_db: FlaskDb, seed: int) -> None:
    """Two chains of any length become one; a database anywhere on the other side loses nothing."""
    chance = random.Random(seed)
    made = project()
    begin(made, flask_db)
    theirs, mine = ["id"], list[str]()
    other = write_chain(made, "base0", theirs, chance.randint(1, 3), chance, "t")
    own = write_chain(made, "base0", mine, chance.randint(1, 3), chance, "m")
    at = chance.choice(["base0", *other])
    flask_db(made, "upgrade", at)
    made.execute("INSERT INTO post (id) VALUES (1)")
    flask_db(made, "rebase", own[0])
    assert made.execute("SELECT version_num FROM alembic_version") == [(at,)]
    flask_db(made, "upgrade")
    assert columns_of(made) == sorted(theirs + mine) and made.execute("SELECT id FROM post") == [(1,)]
    assert made.execute("SELECT version_num FROM alembic_version") == [(own[-1],)]
