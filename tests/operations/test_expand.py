"""A column that gets another name, and one that gets another type, while old and new code write the table."""

from __future__ import annotations

import os
import re
import typing as t

import pytest
import sqlalchemy as sa

from ..conftest import FlaskDb
from ..conftest import MakeProject
from ..support.application import Project
from ..support.dumps import dump_schema
from .conftest import rows

TABLE = """
op.create_table(
    "visits",
    sa.Column("id", sa.Integer(), primary_key=True),
    sa.Column("fee", sa.Integer(), nullable=False),
    sa.Column("note", sa.String(20)),
    mysql_engine="InnoDB",
)
op.bulk_insert(sa.table("visits", sa.column("id"), sa.column("fee")), [{"id": n, "fee": n} for n in range(1, 21)])
"""
NEW = 'sa.Column("cents", sa.BigInteger(), nullable=False)'
OLD = 'sa.Column("fee", sa.Integer(), nullable=False)'
HOW = 'forward="fee * 100", backward="cents / 100"'
FILL = """

from flask_schemaflow import backfill


@backfill("visits", batch_size=7)
def fill_cents(batch):
    batch.update(cents=sa.text("fee * 100"), where="cents IS NULL")
"""


@pytest.fixture
def visits(project: MakeProject, flask_db: FlaskDb, database_url: str) -> Project:
    """A project whose second revision expands, and whose third one contracts."""
    made = project(url=database_url)
    flask_db(made, "init")
    made.write_revision("a1", None, TABLE)
    back = f'op.undo_expand_column("visits", {OLD}, "cents")'
    made.write_revision("b2", "a1", f'op.expand_column("visits", "fee", {NEW}, {HOW})', back, extra=FILL)
    up = f'op.contract_column("visits", "fee", {NEW}, quiet_seconds=5)'
    made.write_revision("c3", "b2", up, f'op.undo_contract_column("visits", {OLD}, {NEW}, {HOW})')
    flask_db(made, "upgrade", "a1")
    return made


def pairs(made: Project) -> dict[int, tuple[t.Any, ...]]:
    """The two columns of each row."""
    return {row[0]: tuple(map(int, row[1:])) for row in rows(made, "SELECT id, fee, cents FROM visits ORDER BY id")}


def write_as_both(made: Project, first: int) -> None:
    """Write as code that knows one of the columns, and as code that knows the other."""
    made.execute(f"INSERT INTO visits (id, fee) VALUES ({first}, 5)")
    made.execute(f"INSERT INTO visits (id, cents) VALUES ({first + 1}, 700)")
    made.execute("UPDATE visits SET fee = 8 WHERE id = 1")
    made.execute("UPDATE visits SET cents = 999 WHERE id = 2")
    made.execute("UPDATE visits SET note = 'x' WHERE id = 3")
    made.execute("UPDATE visits SET cents = 900, fee = 9 WHERE id = 4")


def columns_of(made: Project) -> set[tuple[t.Any, ...]]:
    """The columns of the table, as the database has them."""
    found = sa.inspect(made.engine()).get_columns("visits")
    return {(column["name"], str(column["type"]), column["nullable"], column["default"]) for column in found}


def test_another_name_and_type(visits: Project, flask_db: FlaskDb) -> None:
    """Both columns hold the same whoever writes; the old one goes when nobody writes it any more."""
    before = columns_of(visits)
    flask_db(visits, "upgrade", "b2")
    write_as_both(visits, 50)
    refused = flask_db(visits, "upgrade", status=1)
    assert "whose backfill fill_cents is unfinished" in refused.output
    flask_db(visits, "backfill", "run")
    write_as_both(visits, 60)
    found = pairs(visits)
    assert {found[id] for id in (50, 60)} == {(5, 500)} and {found[id] for id in (51, 61)} == {(7, 700)}
    assert (found[1], found[3], found[10]) == ((8, 800), (3, 300), (10, 1000))
    assert found[2][1] == 999 and found[4] == (9, 900)
    refused = flask_db(visits, "upgrade", status=1)
    assert "Code that doesn't know visits.cents wrote fee " in refused.output
    assert pairs(visits) == found
    visits.execute("UPDATE schemaflow_writes SET seconds = seconds - 60")
    flask_db(visits, "upgrade")
    assert dict(rows(visits, "SELECT id, cents FROM visits")) == {id: cents for id, (_, cents) in found.items()}
    columns = {column["name"]: column for column in sa.inspect(visits.engine()).get_columns("visits")}
    assert set(columns) == {"id", "cents", "note"} and not columns["cents"]["nullable"]
    visits.execute("INSERT INTO visits (id, cents) VALUES (70, 100)")
    flask_db(visits, "downgrade")
    assert pairs(visits) == {**found, 70: (1, 100)}
    write_as_both(visits, 80)
    assert (pairs(visits)[80], pairs(visits)[81]) == ((5, 500), (7, 700))
    flask_db(visits, "downgrade")
    assert columns_of(visits) == before
    assert not any("sf_visits" in key for key in dump_schema(visits.engine()))
    visits.execute("INSERT INTO visits (id, fee) VALUES (90, 5)")
    assert rows(visits, "SELECT count(*) FROM visits") == [(28,)]


def test_rows_without_a_value(visits: Project, flask_db: FlaskDb) -> None:
    """A cancelled backfill lets the revision begin, and the rows themselves stop it."""
    flask_db(visits, "upgrade", "b2")
    flask_db(visits, "backfill", "cancel")
    refused = flask_db(visits, "upgrade", status=1)
    assert "Rows of visits have no value in cents yet, so fee was not dropped." in refused.output
    flask_db(visits, "backfill", "run", "fill_cents", "--restart")
    flask_db(visits, "upgrade")
    assert "fee" not in {column["name"] for column in sa.inspect(visits.engine()).get_columns("visits")}


def test_another_type_under_the_same_name(project: MakeProject, flask_db: FlaskDb, database_url: str) -> None:
    """The new column takes the name of the old one in the end."""
    made = project(url=database_url)
    flask_db(made, "init")
    made.write_revision("a1", None, TABLE)
    new = 'sa.Column("fee_new", sa.String(20), nullable=False, server_default="0")'
    cast = {"postgresql": "CAST(fee_new AS integer)"}.get(sa.make_url(database_url).get_backend_name(), "fee_new")
    how = f'forward="CAST(fee AS CHAR(20))", backward="{cast}"'
    if "postgresql" in database_url:
        how = how.replace("CHAR(20)", "VARCHAR(20)")
    fill = FILL.replace("cents=", "fee_new=").replace("fee * 100", how.split('"')[1]).replace("cents IS", "fee_new IS")
    back = f'op.undo_expand_column("visits", {OLD}, "fee_new")'
    made.write_revision("b2", "a1", f'op.expand_column("visits", "fee", {new}, {how})', back, extra=fill)
    up = f'op.contract_column("visits", "fee", {new}, rename=True)'
    made.write_revision("c3", "b2", up, f'op.undo_contract_column("visits", {OLD}, {new}, {how}, rename=True)')
    flask_db(made, "upgrade", "b2")
    flask_db(made, "backfill", "run")
    made.execute("INSERT INTO visits (id, fee) VALUES (50, 5)")
    flask_db(made, "upgrade")
    columns = {column["name"]: column for column in sa.inspect(made.engine()).get_columns("visits")}
    assert set(columns) == {"id", "fee", "note"}
    assert isinstance(columns["fee"]["type"], sa.String) and not columns["fee"]["nullable"]
    assert "0" in str(columns["fee"]["default"])
    assert rows(made, "SELECT fee FROM visits WHERE id IN (3, 50) ORDER BY id") == [("3",), ("5",)]
    flask_db(made, "downgrade")
    made.execute("INSERT INTO visits (id, fee) VALUES (60, 6)")
    flask_db(made, "downgrade")
    assert rows(made, "SELECT fee FROM visits WHERE id IN (3, 50, 60) ORDER BY id") == [(3,), (5,), (6,)]


def test_as_sql(visits: Project, flask_db: FlaskDb) -> None:
    """The SQL that ``--sql`` writes makes the same, up and down, on servers; on SQLite it isn't written."""
    if "sqlite" in visits.url:
        assert "can't be printed as SQL" in flask_db(visits, "upgrade", "--sql", "a1:b2", status=1).output
        return
    before = columns_of(visits)
    run_script(visits, flask_db(visits, "upgrade", "--sql", "a1:b2").stdout)
    write_as_both(visits, 50)
    visits.execute("UPDATE visits SET cents = fee * 100 WHERE cents IS NULL")
    found = pairs(visits)
    assert (found[1], found[2][1], found[50], found[51]) == ((8, 800), 999, (5, 500), (7, 700))
    run_script(visits, flask_db(visits, "upgrade", "--sql", "b2:c3").stdout)
    assert dict(rows(visits, "SELECT id, cents FROM visits")) == {id: cents for id, (_, cents) in found.items()}
    assert "c3 (head)" in flask_db(visits, "current").output
    run_script(visits, flask_db(visits, "downgrade", "--sql", "c3:b2").stdout)
    assert pairs(visits) == found
    write_as_both(visits, 80)
    assert (pairs(visits)[80], pairs(visits)[81]) == ((5, 500), (7, 700))
    run_script(visits, flask_db(visits, "downgrade", "--sql", "b2:a1").stdout)
    assert columns_of(visits) == before


def run_script(made: Project, script: str) -> None:
    """Run a script as the server's client does, statement by statement."""
    with made.engine().connect().execution_options(isolation_level="AUTOCOMMIT", no_parameters=True) as connection:
        for number, part in enumerate(re.split(r"DELIMITER \S+\n\n", script)):
            for statement in part.split(" //\n\n" if number % 2 else ";\n\n"):
                if re.sub(r"(?m)^\s*(--.*)?$", "", statement).strip() not in ("", "BEGIN", "COMMIT"):
                    connection.exec_driver_sql(statement)


def test_an_application_that_may_little(visits: Project, flask_db: FlaskDb) -> None:
    """On PostgreSQL a user with rights to the table alone writes it, whatever the search path is."""
    if "postgresql" not in visits.url:
        pytest.skip("triggers of other databases run with the rights of their creator")
    flask_db(visits, "upgrade", "b2")
    with visits.engine().connect() as connection:
        role = f"little_{connection.scalar(sa.text('SELECT txid_current()'))}_{os.getpid()}"
        connection.exec_driver_sql(f"CREATE ROLE {role}")
        connection.exec_driver_sql(f"GRANT SELECT, INSERT, UPDATE ON visits TO {role}")
        connection.exec_driver_sql(f"SET LOCAL ROLE {role}")
        connection.exec_driver_sql("SET LOCAL search_path = pg_catalog")
        connection.exec_driver_sql("INSERT INTO public.visits (id, fee) VALUES (50, 5)")
        assert connection.scalar(sa.text("SELECT cents FROM public.visits WHERE id = 50")) == 500
        connection.exec_driver_sql("RESET ROLE")
        assert connection.scalar(sa.text("SELECT count(*) FROM public.schemaflow_writes")) == 1
        connection.rollback()
