"""Operations that are interrupted before each of their statements, and run again without a journal."""

from __future__ import annotations

import typing as t
import uuid

import pytest
import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import event
from sqlalchemy.pool import NullPool

import flask_schemaflow.operations  # noqa: F401

from ..conftest import MakeDatabase
from ..support.dumps import dump_schema
from ..support.servers import embedded_engine
from ..support.servers import Kind
from ..support.servers import KINDS
from .conftest import TABLES

CALLS = {
    "index": 'op.create_index_online("ix_room", "visits", ["room"])',
    "foreign_key": 'op.create_foreign_key_online("fk", "visits", "doctors", ["doctor_id"], ["id"])',
    "check": 'op.create_check_constraint_online("positive", "visits", "number > 0")',
    "unique": 'op.create_unique_constraint_online("one", "visits", ["number"])',
    "not_null": 'op.set_not_null_online("visits", "room")',
    "primary_key": 'op.create_primary_key_online("pk", "pairs", ["a", "b"])',
    "expand": 'op.expand_column("visits", "number", sa.Column("size", sa.Integer(), nullable=False))',
    "contract": 'op.contract_column("visits", "number", sa.Column("size", sa.Integer(), nullable=False))',
    "swap": 'op.contract_column("visits", "number", sa.Column("size", sa.Integer(), server_default="1"), rename=True)',
    "undo_contract": 'op.undo_contract_column("visits", sa.Column("fee", sa.Integer(), nullable=False, '
    'server_default="3"), sa.Column("number", sa.Integer()), forward="fee * 100", backward="number / 100")',
    "undo_swap": 'op.undo_contract_column("visits", sa.Column("number", sa.Integer(), nullable=False),'
    ' sa.Column("number_new", sa.Integer()), rename=True)',
    "column": 'op.add_column_online("visits", sa.Column("paid", sa.Integer(), nullable=False), fill="1")',
}

KEYS = """
op.execute("INSERT INTO doctors (id) SELECT id FROM visits WHERE id > 2")
op.create_foreign_key("fk_number", "visits", "doctors", ["number"], ["id"])
op.create_unique_constraint("one_number", "visits", ["number"])
op.create_index("ix_both", "visits", ["room", "number"])
"""

_CHANGE_NOTHING = ("SELECT", "SHOW", "PRAGMA", "SET", "LOCK", "UNLOCK")
ON_POSTGRESQL = (
    *("index", "unique", "primary_key", "column", "foreign_key", "check", "not_null", "expand", "swap", "undo_swap"),
)
ON_MARIADB = ("foreign_key", "check", "not_null", "expand", "contract", "undo_contract")
"""Operations by the server with more statements for them; where both have as many, one of a pair is enough."""


class Interruption(Exception):
    """What stops an operation."""


def call(engine: sa.Engine, source: str, stop: int = -1) -> None:
    """Run operations of Alembic alone, in a transaction, and interrupt them after their change of that number.

    What only asks, or is about the session, leaves nothing that the next run could stumble over.
    """
    seen, has_changed = 0, False

    def count(connection: t.Any, cursor: t.Any, statement: str, *rest: t.Any) -> None:
        nonlocal seen, has_changed
        seen += has_changed
        if has_changed and seen == stop:
            raise Interruption
        has_changed = not statement.lstrip().startswith(_CHANGE_NOTHING)

    with engine.connect() as connection:
        context = MigrationContext.configure(connection)
        event.listen(connection, "before_cursor_execute", count)
        with Operations.context(context) as op, context.begin_transaction():
            exec(source, {"op": op, "sa": sa})
        connection.commit()


CASES = [
    pytest.param(kind, name, marks=() if name in chosen else pytest.mark.exhaustive)
    for kind, chosen in (("postgresql", ON_POSTGRESQL), ("mariadb", ON_MARIADB))
    for name in CALLS
]


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_interrupted_and_run_again(make_database: MakeDatabase, kind: Kind, name: str) -> None:
    """What an interrupted operation left is no obstacle to its next run, under the plain ``alembic`` command, too."""
    engine = sa.create_engine(make_database(kind), poolclass=NullPool)
    tables = f'{TABLES}\nop.create_table("pairs", sa.Column("a", sa.Integer()), sa.Column("b", sa.Integer()))'
    if name in ("contract", "swap"):
        tables = f"{tables}\n{KEYS}\n{CALLS['expand']}\nop.execute('UPDATE visits SET size = number')"
    call(engine, tables)
    call(engine, CALLS[name])
    wanted = dump_schema(engine)
    stop = 1
    while True:
        call(engine, "op.drop_table('visits'); op.drop_table('doctors'); op.drop_table('pairs')")
        call(engine, tables)
        try:
            call(engine, CALLS[name], stop)
            break
        except Interruption:
            call(engine, CALLS[name])
            assert dump_schema(engine) == wanted
        stop += 1
    engine.dispose()


def test_not_null_where_the_server_has_it() -> None:
    """PostgreSQL 18 validates NOT NULL itself, no check is needed, and the next run of an interrupted one goes on."""
    admin = embedded_engine()
    name = f"online_{uuid.uuid4().hex}"
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    engine = sa.create_engine(admin.url.set(database=name), poolclass=NullPool)
    try:
        call(engine, TABLES)
        with pytest.raises(Interruption):
            call(engine, CALLS["not_null"], 1)
        proved = "SELECT conname, convalidated FROM pg_constraint WHERE conrelid = 'visits'::regclass AND contype = 'n'"
        assert dict(_rows(engine, proved)) == {"visits_id_not_null": True, "visits_room_not_null": False}
        call(engine, CALLS["not_null"])
        assert dict(_rows(engine, proved)) == {"visits_id_not_null": True, "visits_room_not_null": True}
        assert _rows(engine, "SELECT 1 FROM pg_constraint WHERE contype = 'c' AND conrelid = 'visits'::regclass") == []
    finally:
        engine.dispose()
        with admin.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE {name}")


def _rows(engine: sa.Engine, query: str) -> list[t.Any]:
    with engine.connect() as connection:
        return list(connection.exec_driver_sql(query).all())


@pytest.mark.parametrize("kind", KINDS)
def test_a_column_that_comes_back_is_filled(make_database: MakeDatabase, kind: Kind) -> None:
    """In several batches where the server has others at work; the column that stays is left as it is."""
    engine = sa.create_engine(make_database(kind), poolclass=NullPool)
    call(engine, 'op.create_table("pairs", *[sa.Column(x, sa.Integer(), primary_key=True, autoincrement=False) '
         'for x in "ab"], sa.Column("cents", sa.Integer(), nullable=False))\n'
         'op.bulk_insert(sa.table("pairs", *map(sa.column, ("a", "b", "cents"))), '
         '[{"a": n % 7, "b": n, "cents": 123 * n} for n in range(11_000)])')  # fmt: skip
    old = 'sa.Column("fee", sa.Integer(), nullable=False, server_default="7")'
    call(engine, f'op.undo_contract_column("pairs", {old}, sa.Column("cents", sa.Integer(), nullable=False), '
         f'forward="fee * 100", backward="FLOOR(cents / 100)")'.replace("FLOOR" * (kind == "sqlite"), "") )  # fmt: skip
    with engine.connect() as connection:
        found = connection.execute(sa.text("SELECT b, fee, cents FROM pairs ORDER BY b")).all()
        noted = connection.scalar(sa.text("SELECT count(*) FROM schemaflow_writes"))
    columns = {column["name"]: column for column in sa.inspect(engine).get_columns("pairs")}
    engine.dispose()
    assert [tuple(row) for row in found] == [(n, 123 * n // 100, 123 * n) for n in range(11_000)]
    assert noted == 0
    assert "7" in str(columns["fee"]["default"]) and columns["fee"]["nullable"] == (kind == "sqlite")
