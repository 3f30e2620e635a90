"""A session or connection that only reads inside a revision undoes nothing that the revision does around it."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from tests.conftest import FlaskDb
from tests.conftest import MakeDatabase
from tests.conftest import MakeProject
from tests.support.servers import Kind

IMPORT = "from shop import db\nfrom sqlalchemy import text\n"
READS = {
    "session": """
        db.session.execute(text("SELECT count(*) FROM stock")).scalar()
        op.execute("INSERT INTO stock (id) VALUES (7)")
        op.create_table("made", sa.Column("id", sa.Integer, primary_key=True))
        op.execute("INSERT INTO made (id) VALUES (8)")
    """,
    "engine": """
        with db.engine.connect() as connection:
            rows = connection.execute(text("SELECT id FROM stock")).all()
            op.execute("INSERT INTO stock (id) VALUES (7)")
            op.create_table("made", sa.Column("id", sa.Integer, primary_key=True))
        op.execute("INSERT INTO made (id) VALUES (8)")
    """,
    "both": """
        db.session.execute(text("SELECT count(*) FROM stock")).scalar()
        op.create_table("made", sa.Column("id", sa.Integer, primary_key=True))
        op.bulk_insert(sa.table("made", sa.column("id")), [{"id": 8}])
        with db.engine.connect() as connection:
            connection.execute(text("SELECT count(*) FROM made")).scalar()
            op.execute("INSERT INTO stock (id) VALUES (7)")
    """,
    "session that commits": """
        db.session.execute(text("INSERT INTO stock (id) VALUES (7)"))
        db.session.commit()
        db.session.execute(text("SELECT count(*) FROM stock")).scalar()
        op.create_table("made", sa.Column("id", sa.Integer, primary_key=True))
        op.execute("INSERT INTO made (id) VALUES (8)")
    """,
}


@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "mariadb"])
@pytest.mark.parametrize("reads", READS.values(), ids=READS)
def test_the_revision_s_work_stays(
    kind: Kind, reads: str, project: MakeProject, flask_db: FlaskDb, make_database: MakeDatabase
) -> None:
    """What is told of as applied is in the database, read by a connection of its own."""
    made = project(url=make_database(kind))
    flask_db(made, "init")
    made.write_revision("a1", None, 'op.create_table("stock", sa.Column("id", sa.Integer, primary_key=True))')
    made.write_revision("a2", "a1", "\n".join(line.strip("\n") for line in [IMPORT, dedented(reads)]))
    assert "Applied a2" in flask_db(made, "upgrade").stdout
    with made.engine().connect() as connection:
        assert connection.execute(sa.text("SELECT id FROM stock")).scalars().all() == [7]
        assert connection.execute(sa.text("SELECT id FROM made")).scalars().all() == [8]


def dedented(text: str) -> str:
    """A body without its indentation."""
    import textwrap

    return textwrap.dedent(text)
