"""Reading the catalog at once finds the same operations with far fewer statements."""

from __future__ import annotations

import contextlib
import typing as t
import warnings

import pytest
import sqlalchemy as sa
from alembic.autogenerate import produce_migrations
from alembic.autogenerate import render_python_code
from alembic.runtime.migration import MigrationContext
from hypothesis import example
from hypothesis import given
from hypothesis import HealthCheck
from hypothesis import settings
from hypothesis import strategies as st

from flask_schemaflow.autogenerate.reflection.catalog import read_at_once
from flask_schemaflow.runtime.guard import Scope

from ...support.examples import examples

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


@settings(max_examples=examples(40), suppress_health_check=SLOW)
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
    assert len(seen) - scans <= 9 < 60 <= scans


STATEMENTS = (
    "CREATE TABLE parent (id INTEGER NOT NULL, other TEXT, PRIMARY KEY (id), UNIQUE (other))",
    "CREATE TABLE child (id INTEGER PRIMARY KEY, p INTEGER REFERENCES parent, q TEXT,"
    " CONSTRAINT fk FOREIGN KEY (q) REFERENCES parent (other) ON DELETE CASCADE)",
    "CREATE TABLE pair (a INT, b INT, c VARCHAR(20) DEFAULT 'x', PRIMARY KEY (b, a), CHECK (a > b)) WITHOUT ROWID",
    "CREATE TABLE single (x)",
    "CREATE TABLE [Mixed \"Case] (\"quo\"\"ted\" NUMERIC(10, 2) NOT NULL, 'it''s' DATETIME)",
    "CREATE TABLE computed (a INT, b INT GENERATED ALWAYS AS (a + 1) STORED, c INT AS (a * 2) VIRTUAL)",
    "CREATE INDEX plain ON single (x)",
    "CREATE UNIQUE INDEX partial ON pair (c) WHERE c > 'a'",
    "CREATE INDEX expressed ON parent (lower(other))",
    "CREATE INDEX \"In Dex\" ON [Mixed \"Case] ('it''s' DESC)",
    "CREATE VIEW seen AS SELECT id, q FROM child",
    "CREATE VIEW broken AS SELECT x FROM nowhere",
    "CREATE VIRTUAL TABLE searched USING fts5(body)",
    "CREATE TABLE counted (id INTEGER PRIMARY KEY AUTOINCREMENT)",
    "CREATE TEMP TABLE single (y TEXT UNIQUE)",
    "CREATE TEMP TABLE passing (y TEXT UNIQUE)",
)
QUESTIONS = ("columns", "pk_constraint", "foreign_keys", "indexes", "unique_constraints", "check_constraints")
ASKED = ("has_table", *(f"get_{question}" for question in QUESTIONS))


def told(inspector: sa.Inspector, what: str, table: str) -> str:
    """The answer to one question, or the error; texts are compared by what they say."""
    try:
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            found = getattr(inspector, what)(table)
    except sa.exc.SQLAlchemyError as error:
        return type(error).__name__
    entries = found if isinstance(found, list) else [found if isinstance(found, dict) else {"is": found}]
    plain = [{key: spelled(value) for key, value in item.items()} for item in entries]
    return str((plain, [str(item.message) for item in warned]))


def spelled(value: t.Any) -> str:
    if isinstance(value, dict):
        return str({key: str(item) for key, item in value.items()})
    return repr(value) if isinstance(value, sa.types.TypeEngine) else str(value)


def catalog(connection: sa.Connection) -> dict[tuple[str, str], str]:
    """All that can be asked about tables, views, and names that aren't there or are spelled in another way."""
    inspector = sa.inspect(connection)
    names = [*inspector.get_table_names(), *inspector.get_view_names(), *inspector.get_temp_table_names()]
    names += ["missing", "SINGLE", "passing", "plain", "sqlite_master"]
    return {(what, name): told(inspector, what, name) for name in names for what in ASKED}


@contextlib.contextmanager
def read(connection: sa.Connection) -> t.Iterator[list[str]]:
    """The catalog is read at once; gives the statements that are sent meanwhile."""
    sent: list[str] = []
    scope = Scope(connection, {}, t.cast(t.Any, None), t.cast(t.Any, None), "compare")
    sa.event.listen(connection, "before_cursor_execute", lambda conn, cursor, text, *rest: sent.append(text))
    read_at_once(scope)
    with scope.cleanup:
        yield sent


@settings(max_examples=examples(60), suppress_health_check=SLOW, deadline=None)
@given(left_out=st.sets(st.sampled_from(STATEMENTS), max_size=len(STATEMENTS)))
@example(left_out=set())
@example(left_out={statement for statement in STATEMENTS if "TEMP" in statement or "VIRTUAL" in statement})
def test_every_answer_is_the_same_on_sqlite(left_out: set[str]) -> None:
    """About keys, indexes and computed columns; temporary, virtual and broken ones are left to the database."""
    engine = sa.create_engine("sqlite://")
    with engine.connect() as connection:
        for statement in STATEMENTS:
            with contextlib.suppress(sa.exc.OperationalError):  # an index whose table was left out
                connection.exec_driver_sql(statement) if statement not in left_out else None
        expected = catalog(connection)
        with read(connection):
            assert catalog(connection) == expected
        assert catalog(connection) == expected
    engine.dispose()


def test_pragmas_are_asked_once_for_all_tables() -> None:
    """The number of statements doesn't depend on that of tables."""
    engine = sa.create_engine("sqlite://")
    models = metadata({f"t{number}": [("id", "serial"), ("name", "unique")] for number in range(60)})
    with engine.connect() as connection:
        models.create_all(connection)
        with read(connection) as sent:
            inspector = sa.inspect(connection)
            answers = [told(inspector, what, f"t{number}") for number in range(60) for what in ASKED]
    assert len(set(answers)) > 1
    assert len(sent) <= 9


def test_pragmas_are_asked_again_after_a_change() -> None:
    """A column that was added since is there, also one that is added later."""
    engine = sa.create_engine("sqlite://")
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE TABLE a (x INT)")
        with read(connection):
            for number in range(3):
                assert len(sa.inspect(connection).get_columns("a")) == number + 1
                assert sa.inspect(connection).get_unique_constraints("a") == []
                connection.exec_driver_sql(f"ALTER TABLE a ADD COLUMN y{number} INT")
            connection.exec_driver_sql("DROP TABLE a")
            connection.exec_driver_sql("CREATE TABLE a (z INT UNIQUE)")
            assert len(sa.inspect(connection).get_unique_constraints("a")) == 1


def test_other_connections_are_not_answered() -> None:
    """What was read is about one connection; the dialect is the same for all of an engine."""
    engine = sa.create_engine("sqlite://", poolclass=sa.pool.NullPool)  # a database for each connection
    with engine.connect() as first, engine.connect() as second:
        first.exec_driver_sql("CREATE TABLE a (x INT)")
        second.exec_driver_sql("CREATE TABLE a (x INT, y INT UNIQUE)")
        with read(first):
            assert len(sa.inspect(first).get_columns("a")) == 1
            assert len(sa.inspect(second).get_columns("a")) == 2
            assert len(sa.inspect(second).get_unique_constraints("a")) == 1
