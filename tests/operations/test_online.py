"""Operations that let readers and writers go on, on each database, with rows in the tables."""

from __future__ import annotations

import sys

import pytest
import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from ..conftest import FlaskDb
from ..conftest import MakeProject
from ..support import processes
from ..support.application import Project
from .conftest import rows
from .conftest import TABLES

ALL = """
op.create_index_online("ix_visits_room", "visits", ["room"])
op.create_index_online("ix_visits_both", "visits", ["room", sa.text("number")])
op.create_foreign_key_online("fk_doctor", "visits", "doctors", ["doctor_id"], ["id"], ondelete="CASCADE")
op.create_check_constraint_online("number_is_positive", "visits", "number > 0 AND room <> ':x'")
op.create_unique_constraint_online("one_number", "visits", ["number"])
op.set_not_null_online("visits", "room")
op.add_column_online("visits", sa.Column("paid", sa.Boolean(), nullable=False), fill="1")
op.add_column_online("visits", sa.Column("stars", sa.Integer(), server_default="3", nullable=False))
"""
BACK = """
with op.batch_alter_table("visits") as batch:
    batch.drop_column("stars")
    batch.drop_column("paid")
    batch.alter_column("room", existing_type=sa.String(20), nullable=True)
    batch.drop_constraint("one_number", type_="unique")
    batch.drop_constraint("number_is_positive", type_="check")
    batch.drop_constraint("fk_doctor", type_="foreignkey")
op.drop_index_online("ix_visits_both", "visits")
op.drop_index_online("ix_visits_room", "visits")
"""


def test_all_of_them(visits: Project, flask_db: FlaskDb) -> None:
    """Each does what the plain operation does, keeps the rows and whatever else the table has, and can be undone."""
    before = rows(visits, "SELECT id, room, number, doctor_id FROM visits ORDER BY id")
    visits.write_revision("b2", "a1", ALL, BACK)
    flask_db(visits, "upgrade")
    inspector = sa.inspect(visits.engine())
    assert {index["name"] for index in inspector.get_indexes("visits")} >= {"ix_visits_room", "ix_visits_both"}
    (key,) = inspector.get_foreign_keys("visits")
    assert (key["name"], key["options"].get("ondelete")) == ("fk_doctor", "CASCADE")
    assert [item["name"] for item in inspector.get_check_constraints("visits")] == ["number_is_positive"]
    assert [item["name"] for item in inspector.get_unique_constraints("visits")] == ["one_number"]
    columns = {column["name"]: column for column in inspector.get_columns("visits")}
    assert {name for name, column in columns.items() if not column["nullable"]} == {"id", "room", "paid", "stars"}
    assert columns["paid"]["default"] is None
    assert "a" in str(columns["room"]["default"])
    if "sqlite" not in visits.url:
        assert columns["room"]["comment"] == "where it IS NULL, 'nowhere'"
    assert rows(visits, "SELECT count(*) FROM visits WHERE paid AND stars = 3") == [(30,)]
    for wrong in ("number = -1", "number = 2", "room = NULL"):
        with pytest.raises(sa.exc.DBAPIError):
            visits.execute(f"UPDATE visits SET {wrong} WHERE id = 1")
    for command in (["downgrade"], ["upgrade"]):
        flask_db(visits, *command)
        assert rows(visits, "SELECT id, room, number, doctor_id FROM visits ORDER BY id") == before


def test_rows_that_do_not_fit(visits: Project, flask_db: FlaskDb) -> None:
    """A row that doesn't fit stops the operation with a sentence, and the next run succeeds once the row does."""
    down = "a1"
    for number, (operation, damage, said) in enumerate(UNFIT):
        good = rows(visits, "SELECT doctor_id, number, room FROM visits WHERE id = 1")[0]
        visits.execute(f"UPDATE visits SET {damage} WHERE id = 1")
        visits.write_revision(f"b{number}", down, operation)
        down = f"b{number}"
        failed = flask_db(visits, "upgrade", status=1)
        assert said in failed.output
        assert "Traceback" not in failed.output
        values = dict(zip("dnr", good, strict=True))
        visits.execute("UPDATE visits SET doctor_id = :d, number = :n, room = :r WHERE id = 1", **values)
        flask_db(visits, "upgrade")
    inspector = sa.inspect(visits.engine())
    assert [key["name"] for key in inspector.get_foreign_keys("visits")] == ["fk"]
    assert [item["name"] for item in inspector.get_check_constraints("visits")] == ["positive"]
    assert [item["name"] for item in inspector.get_unique_constraints("visits")] == ["one"]
    assert [column["name"] for column in inspector.get_columns("visits") if not column["nullable"]] == ["id", "room"]
    if "postgresql" in visits.url:
        assert rows(visits, "SELECT count(*) FROM pg_constraint WHERE NOT convalidated") == [(0,)]


UNFIT = [
    ('op.create_foreign_key_online("fk", "visits", "doctors", ["doctor_id"], ["id"])', "doctor_id = 9", "fk"),
    ('op.create_check_constraint_online("positive", "visits", "number > 0")', "number = -1", "positive"),
    ('op.create_unique_constraint_online("one", "visits", ["number"])', "number = 2", "number"),
    ('op.set_not_null_online("visits", "room")', "room = NULL", "room"),
]


def test_primary_key(project: MakeProject, flask_db: FlaskDb, database_url: str) -> None:
    """A table without a primary key gets one, also over columns that may be NULL so far."""
    made = project(url=database_url)
    flask_db(made, "init")
    made.write_revision(
        "a1", None, 'op.create_table("pairs", sa.Column("a", sa.Integer()), sa.Column("b", sa.String(9)))\n'
        'op.execute("INSERT INTO pairs VALUES (1, \'x\'), (1, \'y\')")'
    )
    made.write_revision("b2", "a1", 'op.create_primary_key_online("pk_pairs", "pairs", ["a", "b"])')
    flask_db(made, "upgrade")
    assert sa.inspect(made.engine()).get_pk_constraint("pairs")["constrained_columns"] == ["a", "b"]
    assert sorted(rows(made, "SELECT a, b FROM pairs")) == [(1, "x"), (1, "y")]


def test_a_default_that_differs_by_row(visits: Project, flask_db: FlaskDb) -> None:
    """Old rows keep NULL, new rows get the default."""
    random = {"postgresql": "md5(random()::text)", "mysql": "(uuid())", "sqlite": "(hex(randomblob(4)))"}
    kind = sa.make_url(visits.url).get_backend_name()
    visits.write_revision(
        "b2", "a1", 'op.add_column_online("visits", sa.Column("token", sa.String(40), '
        f"server_default=sa.text({random[kind]!r})))"
    )
    flask_db(visits, "upgrade")
    visits.execute("INSERT INTO visits (id) VALUES (99)")
    assert rows(visits, "SELECT count(*) FROM visits WHERE token IS NULL") == [(30,)]
    assert rows(visits, "SELECT count(*) FROM visits WHERE id = 99 AND token IS NOT NULL") == [(1,)]


def test_an_invalid_index_is_built_again(project: MakeProject, flask_db: FlaskDb, postgres_url: str) -> None:
    """What an interrupted build left on PostgreSQL is dropped, also under the plain alembic command."""
    made = project(url=postgres_url)
    flask_db(made, "init")
    made.write_revision("a1", None, TABLES)
    flask_db(made, "upgrade")
    made.execute("INSERT INTO visits (id, number) VALUES (77, 1)")
    with pytest.raises(sa.exc.IntegrityError), made.engine().connect() as connection:
        connection = connection.execution_options(isolation_level="AUTOCOMMIT")
        connection.exec_driver_sql("CREATE UNIQUE INDEX CONCURRENTLY ix_number ON visits (number)")
    invalid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'ix_number'::regclass"
    assert rows(made, invalid) == [(False,)]
    made.write_revision("b2", "a1", 'op.create_index_online("ix_number", "visits", ["number"], if_not_exists=True)')
    command = [sys.executable, "-m", "alembic", "-c", "migrations/alembic.ini", "upgrade", "head"]
    processes.run(command, cwd=made.root, env={"FLASK_APP": "shop", "PYTHONPATH": str(made.root)})
    assert rows(made, invalid) == [(True,)]


def test_with_an_env_of_alembic_alone(tmp_path_factory: pytest.TempPathFactory, database_url: str) -> None:
    """Without Flask the import in the revision is all that is needed; Alembic's own run does the rest."""
    root = tmp_path_factory.mktemp("plain")
    (root / "versions").mkdir()
    (root / "env.py").write_text(
        "import sqlalchemy as sa\nfrom alembic import context\n"
        f"with sa.create_engine({database_url!r}).connect() as connection:\n"
        "    context.configure(connection=connection, transaction_per_migration=True)\n"
        "    with context.begin_transaction():\n        context.run_migrations()\n"
    )
    (root / "alembic.ini").write_text("[alembic]\nscript_location = %(here)s\n")
    head = "import sqlalchemy as sa\nfrom alembic import op\nimport flask_schemaflow.operations\n\n"
    for id, down, body in (("a1", None, TABLES), ("b2", "a1", ALL)):
        lines = body.strip().replace("\n", "\n    ")
        source = f"{head}revision = {id!r}\ndown_revision = {down!r}\n\n\ndef upgrade():\n    {lines}\n"
        (root / "versions" / f"{id}.py").write_text(source)
    processes.run([sys.executable, "-m", "alembic", "upgrade", "head"], cwd=root)
    engine = sa.create_engine(database_url, poolclass=NullPool)
    assert [item["name"] for item in sa.inspect(engine).get_unique_constraints("visits")] == ["one_number"]
    engine.dispose()


def test_as_sql(project: MakeProject, flask_db: FlaskDb, database_url: str) -> None:
    """``--sql`` writes the same statements, without those that only ask."""
    if "sqlite" in database_url:
        pytest.skip("SQLite's batch mode needs the table")
    made = project(url=database_url)
    flask_db(made, "init")
    made.write_revision("a1", None, "pass")
    made.write_revision("b2", "a1", ALL.replace('"visits", "room")', '"visits", "room", existing_type=sa.String(20))'))
    written = flask_db(made, "upgrade", "--sql", "a1:b2").stdout
    if "postgresql" in database_url:
        assert "CREATE INDEX CONCURRENTLY ix_visits_room ON visits (room);" in written
        assert "ON DELETE CASCADE NOT VALID;" in written
        assert "ALTER TABLE visits VALIDATE CONSTRAINT number_is_positive;" in written
        assert "ADD CONSTRAINT one_number UNIQUE USING INDEX one_number;" in written
    else:
        assert "CREATE INDEX ix_visits_room ON visits (room) LOCK=NONE;" in written
        assert "ON DELETE CASCADE, LOCK=NONE;" in written
