"""The journal's table: one for each version table, made and dropped while others look."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from flask_schemaflow.runtime.guards.journal.table import JournalTable
from flask_schemaflow.runtime.own_tables import is_own_table
from flask_schemaflow.runtime.own_tables import journal_name
from flask_schemaflow.runtime.own_tables import read_versions

from ....conftest import MakeDatabase
from ....support.servers import Kind


def test_a_journal_that_was_made_meanwhile_is_read(mariadb_url: str) -> None:
    """MariaDB refuses a table that is newer than the transaction's snapshot; it is read in a new transaction."""
    engine = sa.create_engine(mariadb_url)
    with engine.begin() as other:
        other.exec_driver_sql("CREATE TABLE seen (id INTEGER) ENGINE=InnoDB")
    with engine.connect() as first, engine.connect() as second:
        first.exec_driver_sql("SELECT * FROM seen").all()
        JournalTable(second, "alembic_version", None).create()
        second.commit()
        assert JournalTable(first, "alembic_version", None).load() == []
    with engine.connect() as first, engine.connect() as second:
        store = JournalTable(first, "alembic_version", None)
        JournalTable(second, "alembic_version", None).drop_if_empty()
        assert store.load() == [] and not store.exists
    engine.dispose()


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
@pytest.mark.parametrize("name", ["alembic_version", "shop version", "v" * 60])
def test_a_version_table_has_a_journal_of_its_own(
    make_database: MakeDatabase, kind: Kind, name: str
) -> None:
    """Its name is one that all servers take; another application's run leaves it alone, and so does autogenerate."""
    assert is_own_table(journal_name(name))
    assert len(journal_name(name)) <= 63
    engine = sa.create_engine(make_database(kind))
    with engine.connect() as connection:
        mine, other = JournalTable(connection, name, None), JournalTable(connection, "elsewhere", None)
        mine.create()
        other.create()
        connection.commit()
        other.drop_if_empty()
        connection.commit()
        assert sa.inspect(connection).get_table_names() == [journal_name(name)]
        assert read_versions(connection, name, None) is None
    engine.dispose()
