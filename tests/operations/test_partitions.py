"""Partitioned tables of PostgreSQL: each partition gets its part without keeping others waiting."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from ..conftest import MakeDatabase
from ..support.dumps import dump_schema
from .test_interrupted import call
from .test_interrupted import Interruption

TABLES = """
op.execute("CREATE SCHEMA old")
op.execute("CREATE TABLE halls (id integer PRIMARY KEY)")
op.execute("INSERT INTO halls SELECT generate_series(0, 9)")
op.execute('CREATE TABLE "Shows" (day integer, hall integer, title text) PARTITION BY RANGE (day)')
op.execute('CREATE TABLE shows_now PARTITION OF "Shows" FOR VALUES FROM (100) TO (200)')
op.execute('CREATE TABLE old.shows PARTITION OF "Shows" FOR VALUES FROM (0) TO (100) PARTITION BY LIST (hall)')
op.execute("CREATE TABLE old.small PARTITION OF old.shows FOR VALUES IN (1, 2)")
op.execute(f"CREATE TABLE old.{'others' * 10} PARTITION OF old.shows DEFAULT")
op.execute('INSERT INTO "Shows" SELECT n, mod(n, 10), n FROM generate_series(0, 199) n')
"""
CALLS = {
    "index": 'op.create_index_online("ix_title", "Shows", ["title"], postgresql_where=sa.text("day > 3"))',
    "unique": 'op.create_unique_constraint_online("one", "Shows", ["day", "hall"])',
    "primary_key": 'op.create_primary_key_online("pk", "Shows", ["hall", "day"])',
    "foreign_key": 'op.create_foreign_key_online("fk", "Shows", "halls", ["hall"], ["id"], ondelete="CASCADE")',
    "check": 'op.create_check_constraint_online("positive", "Shows", "day >= 0")',
    "not_null": 'op.set_not_null_online("Shows", "title")',
}
PLAIN = {
    "index": 'op.create_index("ix_title", "Shows", ["title"], postgresql_where=sa.text("day > 3"))',
    "unique": 'op.create_unique_constraint("one", "Shows", ["day", "hall"])',
    "primary_key": 'op.create_primary_key("pk", "Shows", ["hall", "day"])',
    "foreign_key": 'op.create_foreign_key("fk", "Shows", "halls", ["hall"], ["id"], ondelete="CASCADE")',
}
WHOLE = """SELECT pg_get_indexdef(indexrelid), indisvalid FROM pg_index WHERE indrelid = '"Shows"'::regclass
UNION ALL SELECT pg_get_constraintdef(oid), convalidated FROM pg_constraint WHERE conrelid = '"Shows"'::regclass"""
PARTS = """SELECT (SELECT count(*) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE c.relkind = 'i'),
(SELECT count(*) FROM pg_index WHERE indrelid IN (SELECT relid FROM pg_partition_tree('"Shows"') WHERE isleaf)),
(SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND conparentid <> 0)"""


def look(engine: sa.Engine, query: str) -> list[tuple[object, ...]]:
    with engine.connect() as connection:
        return sorted(tuple(row) for row in connection.exec_driver_sql(query))


@pytest.mark.parametrize("name", CALLS)
def test_a_partitioned_table(make_database: MakeDatabase, name: str) -> None:
    """The table has then what the plain operation makes, also if a run was interrupted before each statement."""
    engine = sa.create_engine(make_database("postgresql"), poolclass=NullPool)
    call(engine, TABLES)
    whole = parts = None
    if name in PLAIN:
        call(engine, PLAIN[name])
        whole, parts = look(engine, WHOLE), look(engine, PARTS)
        call(engine, 'op.execute(\'DROP TABLE "Shows", halls; DROP SCHEMA old CASCADE\')')
        call(engine, TABLES)
    call(engine, CALLS[name])
    made = dump_schema(engine)
    if whole is not None:
        assert (look(engine, WHOLE), look(engine, PARTS)) == (whole, parts)
    stop = 1
    while True:
        call(engine, 'op.execute(\'DROP TABLE "Shows", halls; DROP SCHEMA old CASCADE\')')
        call(engine, TABLES)
        try:
            call(engine, CALLS[name], stop)
            break
        except Interruption:
            call(engine, CALLS[name])
            assert dump_schema(engine) == made and (whole is None or look(engine, PARTS) == parts)
        stop += 1
    if name == "index":
        call(engine, 'op.drop_index_online("ix_title", "Shows")')
        assert look(engine, WHOLE) == [] and look(engine, PARTS) == [(0, 0, 0)]
    engine.dispose()
