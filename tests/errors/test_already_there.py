"""What the database has already, or lacks: the line of the revision is right, so the advice is another one."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from ..conftest import MakeProject
from .conftest import failing
from .conftest import invoke

MODELS = """
class Boat(db.Model):
    id = sa.Column(sa.Integer, primary_key=True)
"""
FIRST = """
def upgrade():
    op.create_table("boat", sa.Column("id", sa.Integer, primary_key=True), sa.Column("mast", sa.String(20)))
"""


class Harbour:
    """A project on one of the databases, with revisions written by hand."""

    def __init__(self, make: MakeProject, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.shop = make(MODELS, url=url)
        self.engine = sa.create_engine(url, poolclass=sa.pool.NullPool)
        monkeypatch.chdir(self.shop.root)
        self.fails = failing(self.shop)
        invoke(self.shop, "init")

    def run(self, *args: str) -> None:
        """Run a command that has to succeed."""
        result = invoke(self.shop, *args)
        assert result.exit_code == 0, result.output

    def write(self, name: str, parent: str | None, body: str) -> None:
        """Write a revision."""
        text = f"from alembic import op\nimport sqlalchemy as sa\nrevision = {name!r}\ndown_revision = {parent!r}\n"
        (self.shop.root / "migrations" / "versions" / f"{name}.py").write_text(
            f"{text}{body}\n\ndef downgrade():\n    pass\n", "utf-8"
        )

    def execute(self, *statements: str) -> None:
        """Change the database by hand."""
        with self.engine.begin() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)


@pytest.fixture
def harbour(project: MakeProject, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Harbour:
    """On each of the databases."""
    return Harbour(project, database_url, monkeypatch)


def test_a_column_that_is_there(harbour: Harbour) -> None:
    """Equal: the revision is recorded; another type: it is named."""
    harbour.write("boat0001", None, FIRST)
    harbour.run("upgrade")
    harbour.write(
        "boat0002", "boat0001", '\ndef upgrade():\n    op.add_column("boat", sa.Column("keel", sa.String(30)))'
    )
    harbour.execute("ALTER TABLE boat ADD COLUMN keel VARCHAR(30)")
    told = harbour.fails("upgrade")
    assert "In the database: boat.keel VARCHAR(30) NULL" in told
    assert "record it as applied with `flask db stamp boat0002`." in " ".join(told.split())
    harbour.execute(
        "DROP TABLE IF EXISTS schemaflow_journal",
        "ALTER TABLE boat DROP COLUMN keel",
        "ALTER TABLE boat ADD COLUMN keel INTEGER",
    )
    told = " ".join(harbour.fails("upgrade").split())
    assert "The column in the database differs from the revision's" in told
    assert "stamp" not in told


def test_a_column_that_is_there_after_other_revisions(harbour: Harbour) -> None:
    """What was rolled back is applied before the revision is recorded; the advice leads to the end."""
    harbour.write("boat0001", None, FIRST)
    harbour.run("upgrade")
    harbour.write("boat0002", "boat0001", '\ndef upgrade():\n    op.add_column("boat", sa.Column("oars", sa.Integer))')
    line = 'op.add_column("boat", sa.Column("keel", sa.String(30)))'
    harbour.write("boat0003", "boat0002", f"\ndef upgrade():\n    {line}")
    harbour.execute("ALTER TABLE boat ADD COLUMN keel VARCHAR(30)")
    result = invoke(harbour.shop, "upgrade")
    assert result.exit_code == 1
    kept = harbour.engine.dialect.name == "mysql"
    first = "" if kept else "run `flask db upgrade boat0002`, then "
    assert f"{first}record it as applied with `flask db stamp boat0003`." in " ".join(result.stderr.split())
    if not kept:
        harbour.run("upgrade", "boat0002")
    harbour.run("stamp", "boat0003")
    assert {column["name"] for column in sa.inspect(harbour.engine).get_columns("boat")} >= {"oars", "keel"}


def test_an_index_that_is_there(harbour: Harbour) -> None:
    """One operation of two: it may be skipped; over other columns: it is another one."""
    harbour.write("boat0001", None, FIRST)
    harbour.run("upgrade")
    body = (
        '\ndef upgrade():\n    op.create_index("ix_mast", "boat", ["mast"])\n'
        '    op.create_index("ix_both", "boat", ["id", "mast"])'
    )
    harbour.write("boat0002", "boat0001", body)
    harbour.execute("CREATE INDEX ix_mast ON boat (mast)")
    told = " ".join(harbour.fails("upgrade").split())
    assert "Add `if_not_exists=True` to that line, then run `flask db upgrade` again." in told
    harbour.execute(
        "DROP TABLE IF EXISTS schemaflow_journal",
        f"DROP INDEX ix_mast{' ON boat' if harbour.engine.dialect.name == 'mysql' else ''}",
        "CREATE INDEX ix_mast ON boat (id)",
    )
    assert "differs from the revision's" in harbour.fails("upgrade")


def test_a_constraint_without_a_name(harbour: Harbour) -> None:
    """The names that the database has are listed, on every database with ALTER."""
    harbour.write(
        "boat0001",
        None,
        FIRST.rstrip() + '\n    op.create_table("oar", sa.Column("id", sa.Integer, primary_key=True),'
        ' sa.Column("boat_id", sa.Integer), sa.ForeignKeyConstraint(["boat_id"], ["boat.id"], name="fk_oar_boat"))',
    )
    harbour.run("upgrade")
    batch = harbour.engine.dialect.name == "sqlite"
    line = 'op.drop_constraint(None, "oar", type_="foreignkey")'
    if batch:
        line = 'with op.batch_alter_table("oar") as it:\n        it.drop_constraint(None, type_="foreignkey")'
    harbour.write("boat0002", "boat0001", f"\ndef upgrade():\n    {line}")
    told = harbour.fails("upgrade")
    assert "Error [SF519]: A constraint of table oar is to be dropped, and its name is missing." in told
    assert "fk_oar_boat" in told


def test_tables_as_of_an_earlier_revision(harbour: Harbour) -> None:
    """The advice is never to stamp a revision whose tables or columns are missing, or whose drops were not made."""
    harbour.write("boat0001", None, FIRST)
    harbour.write("boat0002", "boat0001", '\ndef upgrade():\n    op.add_column("boat", sa.Column("keel", sa.Integer))')
    harbour.write("boat0003", "boat0002", '\ndef upgrade():\n    op.create_table("oar", sa.Column("id", sa.Integer))')
    harbour.execute("CREATE TABLE boat (id INTEGER PRIMARY KEY, mast VARCHAR(20), keel INTEGER)")
    told = " ".join(harbour.fails("upgrade").split())
    assert "which are as of revision boat0002, run `flask db stamp boat0002` and then `flask db upgrade`" in told
    harbour.execute("CREATE TABLE oar (id INTEGER)")
    assert "`flask db stamp head`" in " ".join(harbour.fails("upgrade").split())
    harbour.execute("DROP TABLE boat", "CREATE TABLE boat (id INTEGER PRIMARY KEY)")
    told = " ".join(harbour.fails("upgrade").split())
    assert "The tables match no revision here" in told and "stamp head" not in told


def test_rows_that_stop_a_line(harbour: Harbour) -> None:
    """The rows have to change, not the line."""
    harbour.write("boat0001", None, FIRST)
    harbour.run("upgrade")
    harbour.execute("INSERT INTO boat (id, mast) VALUES (1, 'oak'), (2, 'oak')")
    harbour.write(
        "boat0002", "boat0001", '\ndef upgrade():\n    op.create_index("ix_one", "boat", ["mast"], unique=True)'
    )
    told = " ".join(harbour.fails("upgrade").split())
    assert "Several rows have the same value. Change or delete the duplicates in the revision" in told
    assert "Fix that line" not in told


@pytest.mark.parametrize(
    "body",
    [
        'op.create_table("crew", sa.Column("mood", sa.Enum("calm", "wild", name="mood")))',
        "op.execute(\"CREATE TYPE mood AS ENUM ('calm', 'wild')\")",
    ],
)
def test_a_type_that_is_there(
    project: MakeProject, postgres_url: str, monkeypatch: pytest.MonkeyPatch, body: str
) -> None:
    """Never `stamp`: the table that should have it isn't there. A type without a use can go, another one is used."""
    harbour = Harbour(project, postgres_url, monkeypatch)
    harbour.write("boat0001", None, f"\ndef upgrade():\n    {body}")
    harbour.execute("CREATE TYPE mood AS ENUM ('calm', 'wild')")
    told = " ".join(harbour.fails("upgrade").split())
    assert "In the database: mood ('calm', 'wild'), used by no column" in told
    assert "run `DROP TYPE mood` in the database, then run `flask db upgrade` again" in told
    assert "stamp" not in told
    harbour.execute("CREATE TABLE crowd (moods mood[])")
    told = " ".join(harbour.fails("upgrade").split())
    assert "used by crowd.moods" in told
    way = "`postgresql.ENUM(..., name='mood', create_type=False)`" if "create_table" in body else "remove that line"
    assert way in told
    harbour.execute("DROP TABLE crowd", "DROP TYPE mood")
    harbour.run("upgrade")
