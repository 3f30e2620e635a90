"""The recipes of the documentation do what they say, with rows, on each database, there and back."""

from __future__ import annotations

import re
import typing as t

import sqlalchemy as sa

from ..conftest import FlaskDb
from ..conftest import MakeProject
from ..support.application import Project
from ..support.pages import DOCS
from ..support.pages import read_blocks

PAGE = (DOCS / "howto" / "big-table-recipes.rst").read_text("utf-8")
HEADER = "import sqlalchemy as sa\nfrom alembic import op\n\nrevision = {id!r}\ndown_revision = {down!r}\n\n\n"
ROWS = 25
COUNTS = {
    "visits": "paid = (1 = 0) AND tax = fee * 19 AND place = 'room 1' AND number = id",
    "addresses": "street = 'street 2'",
    "doctors": "phone = 'phone 3'",
}


def revisions() -> list[str]:
    """The ids of the recipes' revisions, written in the order of the page, with the number of the block."""
    names = re.findall(r"\.\. recipe: (\S+)", PAGE)
    return [f"{number:02}_{name.replace('-', '_')}" for number, name in enumerate(names)]


def test_recipes(project: MakeProject, flask_db: FlaskDb, database_url: str) -> None:
    """All of them, one after the other."""
    made = project(url=database_url)
    flask_db(made, "init")
    ids = revisions()
    blocks = [block.body for block in read_blocks(PAGE.replace("\n.. recipe:", "\n\n.. recipe:"))]
    assert len(blocks) == len(ids) == 18
    for number, (id, body) in enumerate(zip(ids, blocks, strict=True)):
        text = HEADER.format(id=id, down=ids[number - 1] if number else None) + body
        made.write(f"migrations/versions/{id}.py", re.sub(r"@backfill\((.+)\)", r"@backfill(\1, batch_size=7)", text))
    flask_db(made, "upgrade", ids[0])
    made.execute("INSERT INTO doctors (id, grade) VALUES (1, 'junior')")
    for number in range(ROWS):
        made.execute(
            "INSERT INTO visits (id, number, doctor_id, doctor_phone, fee, room, street) VALUES "
            f"({number + 1}, {number + 1}, 1, 'phone 3', {number}, 'room 1', 'street 2')"
        )
    before = contents(made)
    for id in ids[1:]:
        flask_db(made, "upgrade", id)
        flask_db(made, "backfill", "run")
    for table, condition in COUNTS.items():
        assert made.execute(f"SELECT count(*) FROM {table} WHERE {condition}") == [(1 if table == "doctors" else ROWS,)]
    made.execute("UPDATE doctors SET grade = 'chief'")
    names = {column["name"]: column for column in sa.inspect(made.engine()).get_columns("visits")}
    assert isinstance(names["fee"]["type"], sa.Numeric) and not {"room", "street", "remark"} & set(names)
    made.execute("UPDATE doctors SET grade = 'junior'")
    flask_db(made, "downgrade", ids[0])
    assert contents(made) == before


def contents(made: Project) -> list[tuple[t.Any, ...]]:
    """The rows of the tables as they were at the beginning."""
    query = "SELECT id, number, doctor_id, doctor_phone, fee, room, street, remark FROM visits ORDER BY id"
    return made.execute(query) + made.execute("SELECT id, grade FROM doctors")
