"""Operations that name what the table doesn't have, and constraints that are corrected after a run stopped at them."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from flask_schemaflow.errors.running import ColumnsUnfit
from flask_schemaflow.errors.running import RowsViolate

from ..conftest import MakeDatabase
from ..support.dumps import dump_schema
from .conftest import TABLES
from .test_interrupted import call

PLACE = 'sa.Column("place", sa.String(20))'
REFUSED = {
    f'op.expand_column("visits", "rom", {PLACE})': "Table visits has no column rom.",
    f'op.expand_column("vizits", "room", {PLACE})': "The database has no table vizits.",
    'op.expand_column("visits", "room", sa.Column("number", sa.Integer()))': "Table visits has a column number already",
    f'op.contract_column("visits", "room", {PLACE})': "Table visits has no column place.",
    'op.contract_column("visits", "rom", sa.Column("number", sa.Integer()))': "Table visits has no column rom.",
}
"""Calls, and what they say."""


def test_a_column_that_is_not_there(database_url: str) -> None:
    """The operation says which, and changes nothing: a trigger that names it would fail with each write."""
    engine = sa.create_engine(database_url, poolclass=NullPool)
    call(engine, TABLES)
    before = dump_schema(engine)
    for source, said in REFUSED.items():
        if "mysql" in database_url and '"rom", sa.Column("number"' in source:
            continue  # MariaDB may have dropped it in an interrupted run
        with pytest.raises(ColumnsUnfit) as caught:
            call(engine, source)
        assert str(caught.value).startswith(said)
        assert dump_schema(engine) == before
    engine.dispose()


def test_a_corrected_constraint(make_database: MakeDatabase) -> None:
    """What the file says in the end is what MariaDB has, not what an earlier run began."""
    engine = sa.create_engine(make_database("mariadb"), poolclass=NullPool)
    call(engine, TABLES)
    with pytest.raises(RowsViolate):
        call(engine, 'op.create_check_constraint_online("positive", "visits", "number > 1")')
    call(engine, 'op.create_check_constraint_online("positive", "visits", "number > 0")')
    with pytest.raises(RowsViolate):
        call(engine, 'op.create_foreign_key_online("fk", "visits", "doctors", ["number"], ["id"])')
    call(engine, 'op.create_foreign_key_online("fk", "visits", "doctors", ["doctor_id"], ["id"])')
    with pytest.raises(sa.exc.ProgrammingError, match="doctrs' doesn't exist"):
        call(engine, 'op.create_foreign_key_online("fk2", "visits", "doctrs", ["doctor_id"], ["id"])')
    inspector = sa.inspect(engine)
    assert [item["sqltext"] for item in inspector.get_check_constraints("visits")] == ["`number` > 0"]
    assert [key["constrained_columns"] for key in inspector.get_foreign_keys("visits")] == [["doctor_id"]]
    engine.dispose()
