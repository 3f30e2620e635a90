"""Reading the catalog at once finds the same operations with far fewer statements."""

from __future__ import annotations

import contextlib
import typing as t

import pytest
import sqlalchemy as sa
from alembic.autogenerate import produce_migrations
from alembic.autogenerate import render_python_code
from alembic.runtime.migration import MigrationContext
from hypothesis import given
from hypothesis import HealthCheck
from hypothesis import settings
from hypothesis import strategies as st

from flask_schemaflow.autogenerate.catalog import read_at_once
from flask_schemaflow.runtime.guards import Scope

NAMES = ("plain", "Mixed Case", 'quo"ted', "order")
KINDS = ("serial", "bigserial", "smallserial", "identity", "own sequence", "borrowed", "integer", "text", "unique")


def column(kind: str, name: str, table: str) -> sa.Column[t.Any]:
    """A column, as the models of a careful and of a careless developer have it."""
    if kind in ("serial", "bigserial", "smallserial"):
        types = {"serial": sa.Integer, "bigserial": sa.BigInteger, "smallserial": sa.SmallInteger}
        return sa.Column(name, types[kind], primary_key=True, autoincrement=True)
    if kind == "identity":
        return sa.Column(name, sa.Integer, sa.Identity(), nullable=False)
    if kind == "own sequence":
        return sa.Column(name, sa.Integer, sa.Sequence(f"{table}_own"), nullable=False)
    if kind == "borrowed":
        return sa.Column(name, sa.Integer, server_default=sa.text("nextval('borrowed'::regclass)"))
    if kind == "unique":
        return sa.Column(name, sa.String(20), sa.CheckConstraint(f'"{name.replace(chr(34), chr(34) * 2)}" <> \'\''))
    return sa.Column(name, sa.Integer if kind == "integer" else sa.Text, nullable=kind == "text")


@st.composite
def tables(draw: st.DrawFn, kinds: t.Sequence[str]) -> dict[str, list[tuple[str, str]]]:
    """Tables by name, with the name and kind of each column; at most one of a kind that makes a primary key."""
    found: dict[str, list[tuple[str, str]]] = {}
    for name in draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True)):
        chosen = draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=4))
        serial = [kind for kind in chosen if kind.endswith("serial")][:1]
        rest = [kind for kind in chosen if not kind.endswith("serial")]
        found[name] = [(NAMES[number], kind) for number, kind in enumerate(serial + rest)]
    return found


def metadata(description: dict[str, list[tuple[str, str]]]) -> sa.MetaData:
    made = sa.MetaData()
    for name, columns in description.items():
        sa.Table(name, made, *(column(kind, own, name) for own, kind in columns))
    return made


def compared(engine: sa.Engine, models: sa.MetaData, at_once: bool) -> tuple[str, int]:
    """What a comparison finds, as code, and how many statements it takes."""
    sent: list[str] = []

    def count(cursor: t.Any, statement: str, *rest: t.Any) -> None:
        sent.append(statement)

    with engine.connect() as connection, contextlib.ExitStack() as cleanup:
        if at_once:
            scope = Scope(connection, {}, t.cast(t.Any, None), t.cast(t.Any, None), "compare")
            read_at_once(scope)
            cleanup.push(scope.cleanup)
        sa.event.listen(connection, "before_cursor_execute", lambda conn, *rest: count(*rest))
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        try:
            up = produce_migrations(context, models).upgrade_ops
        except AssertionError:  # Alembic can't compare an identity with a default
            return "fails", len(sent)
        assert up is not None
        return render_python_code(up), len(sent)


@contextlib.contextmanager
def made(engine: sa.Engine, models: sa.MetaData) -> t.Iterator[None]:
    """The tables of *models* in the database, with a sequence that a column borrows without owning it."""
    models.create_all(engine)
    try:
        yield
    finally:
        models.drop_all(engine)


@pytest.fixture
def postgresql(postgres_url: str) -> t.Iterator[sa.Engine]:
    """An empty PostgreSQL database."""
    yield from engine_of(postgres_url)


@pytest.fixture
def sqlite(sqlite_url: str) -> t.Iterator[sa.Engine]:
    """An empty SQLite file."""
    yield from engine_of(sqlite_url)


def engine_of(url: str) -> t.Iterator[sa.Engine]:
    engine = sa.create_engine(url)
    yield engine
    engine.dispose()


SLOW = (HealthCheck.function_scoped_fixture, HealthCheck.too_slow)


@settings(max_examples=10, suppress_health_check=SLOW)
@given(stored=tables(KINDS), wanted=tables(KINDS))
def test_the_same_on_postgresql(
    postgresql: sa.Engine, stored: dict[str, t.Any], wanted: dict[str, t.Any]
) -> None:
    """SERIAL, identity, sequences that a column owns and such that it only uses, in tables of any name."""
    with postgresql.begin() as connection:
        connection.exec_driver_sql("CREATE SEQUENCE IF NOT EXISTS borrowed")
    with made(postgresql, metadata(stored)):
        for models in (metadata(stored), metadata(wanted)):
            assert compared(postgresql, models, True)[0] == compared(postgresql, models, False)[0]


@settings(max_examples=40, suppress_health_check=SLOW)
@given(stored=tables(("serial", "integer", "text", "unique")), wanted=tables(("serial", "integer", "text", "unique")))
def test_the_same_on_sqlite(
    sqlite: sa.Engine, stored: dict[str, t.Any], wanted: dict[str, t.Any]
) -> None:
    """Constraints, which are read from the definitions, in tables of any name."""
    with made(sqlite, metadata(stored)):
        for models in (metadata(stored), metadata(wanted)):
            assert compared(sqlite, models, True)[0] == compared(sqlite, models, False)[0]


def test_few_statements_on_postgresql(postgresql: sa.Engine) -> None:
    """Their number doesn't depend on that of tables; a name with a quote, which Alembic fails on, is no trouble."""
    models = metadata({f"t{number}": [("id", "serial"), ("name", "unique")] for number in range(60)})
    with made(postgresql, models):
        before, after = compared(postgresql, models, False), compared(postgresql, models, True)
    assert before[0] == after[0]
    assert after[1] <= 25 < 60 <= before[1]
    models = metadata({"it's": [("id", "serial")]})
    with made(postgresql, models):
        assert "pass" in compared(postgresql, models, True)[0]


def test_one_look_at_the_definitions_on_sqlite(sqlite: sa.Engine) -> None:
    """SQLite's own table of definitions is read a few times, however many tables there are."""
    models = metadata({f"t{number}": [("id", "serial"), ("name", "unique")] for number in range(60)})
    seen: list[str] = []

    def trace(connection: t.Any, record: t.Any) -> None:
        connection.set_trace_callback(lambda text: seen.append(text) if "sqlite_master" in text else None)

    with made(sqlite, models):
        sqlite.dispose()
        sa.event.listen(sqlite, "connect", trace)
        before, scans = compared(sqlite, models, False), len(seen)
        after = compared(sqlite, models, True)
    assert before[0] == after[0]
    assert len(seen) - scans <= 3 < 60 <= scans
