"""A check on MariaDB, which has a form that reads no row, and on MySQL, which has none."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.pool import NullPool

from flask_schemaflow.errors.running import RowsViolate

from ..conftest import MakeDatabase
from .test_interrupted import call

COMMENT = "it's 100% of \\ the :visits"
CHECK = """op.create_check_constraint_online("po'si:tive%", "visits", sa.column("n") % 7 < 6)"""


@pytest.mark.parametrize("is_mariadb", [True, False])
def test_a_check(make_database: MakeDatabase, is_mariadb: bool) -> None:
    """It holds, old rows are proved, and the rest of the table stays; only MySQL's form copies the table."""
    engine = sa.create_engine(make_database("mariadb"), poolclass=NullPool)
    with engine.connect():
        vars(engine.dialect)["is_mariadb"] = is_mariadb  # MySQL's form, on a server that has it, too
    metadata = sa.MetaData()
    visits = sa.Table(
        "visits", metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("n", sa.Integer), comment=COMMENT
    )
    metadata.create_all(engine)
    sent: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *args: sent.append(args[2]))
    with engine.begin() as connection:
        connection.execute(sa.insert(visits).values(id=1, n=6))
    with pytest.raises(RowsViolate, match="Rows of visits don't meet the condition of po'si:tive%"):
        call(engine, CHECK)
    with engine.begin() as connection:
        connection.execute(sa.update(visits).values(n=5))
    call(engine, CHECK)
    with pytest.raises(sa.exc.DBAPIError, match="CONSTRAINT `po'si:tive%` failed"), engine.begin() as connection:
        connection.execute(sa.insert(visits).values(id=2, n=6))
    inspector = sa.inspect(engine)
    assert inspector.get_table_comment("visits")["text"] == COMMENT
    assert [column["name"] for column in inspector.get_columns("visits")] == ["id", "n"]
    altered = [statement for statement in sent if "ADD C" in statement]
    assert len(altered) == 2  # MySQL's form is tried with LOCK=NONE first
    assert all(("ALGORITHM=INSTANT" in statement) == is_mariadb for statement in altered)
    engine.dispose()
