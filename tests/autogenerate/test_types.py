"""Changes of types: values are converted, there and back, and what can be lost is said."""

from __future__ import annotations

import typing as t

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import mysql
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.postgresql import psycopg

from flask_schemaflow.autogenerate.passes.conversions import column_type
from flask_schemaflow.autogenerate.passes.conversions import loss
from flask_schemaflow.autogenerate.passes.conversions import using

from ..conftest import FlaskDb
from ..conftest import MakeProject
from ..support.application import Project
from .conftest import content
from .conftest import output

MODEL = """
class Event(db.Model):
    __tablename__ = "events"
    id = sa.Column(sa.Integer, primary_key=True)
"""
Types = tuple[str, str, str, str]

# Column: type before, type after, value before as SQL, value after.
EVERYWHERE: dict[str, Types] = {
    "integer_string": ("sa.Integer", "sa.String(20)", "42", "42"),
    "string_integer": ("sa.String(20)", "sa.Integer", "'42'", "42"),
    "string_numeric": ("sa.String(20)", "sa.Numeric(6, 2)", "'4.25'", "4.25"),
    "boolean_integer": ("sa.Boolean", "sa.Integer", "true", "1"),
    "date_datetime": ("sa.Date", "sa.DateTime", "'2024-01-31'", "2024-01-31 00:00:00"),
    "float_integer": ("sa.Float", "sa.Integer", "3.0", "3"),
    "shorter": ("sa.String(20)", "sa.String(5)", "'abc'", "abc"),
    "defaulted": ("sa.String(20), server_default='7'", "sa.Integer, server_default='7'", "'42'", "42"),
}
_ID = "6f1e1c1e-0000-4000-8000-000000000001"
_NOON, _NOON_UTC = "2024-01-31 12:00:00", "2024-01-31 12:00:00+00:00"
POSTGRESQL: dict[str, Types] = {
    "string_boolean": ("sa.String(5)", "sa.Boolean", "'true'", "True"),
    "string_uuid": ("sa.String(36)", "sa.Uuid", f"'{_ID}'", _ID),
    "uuid_short": ("sa.Uuid", "sa.String(32)", f"'{_ID}'", _ID.replace("-", "")),
    "text_json": ("sa.Text", "sa.JSON", "'[1]'", "[1]"),
    "text_bytes": ("sa.Text", "sa.LargeBinary", "'abc'", "b'abc'"),
    "string_datetime": ("sa.String(30)", "sa.DateTime", f"'{_NOON}'", _NOON),
    "naive_aware": ("sa.DateTime", "sa.DateTime(timezone=True)", f"'{_NOON}'", _NOON_UTC),
    "Odd Name": ("sa.Integer", "sa.Boolean", "1", "True"),
    "enum_string": ("sa.Enum('a', 'b', name='letter')", "sa.String(5)", "'b'", "b"),
}


def model(columns: t.Mapping[str, Types], which: int) -> str:
    lines = [f"    {name.replace(' ', '')} = sa.Column({name!r}, {types[which]})\n" for name, types in columns.items()]
    return MODEL + "".join(lines)


@pytest.fixture
def change(project: MakeProject, flask_db: FlaskDb) -> t.Callable[[str, dict[str, Types]], Project]:
    """Make a project with a row of values and a row of NULLs; its models then have the other types."""

    def make(url: str, columns: dict[str, Types]) -> Project:
        made = project(model(columns, 0), url=url)
        for command in (["init"], ["migrate", "-m", "first"], ["upgrade"]):
            flask_db(made, *command)
        quote = made.engine().dialect.identifier_preparer.quote
        names = ", ".join(map(quote, columns))
        for number, row in enumerate(([types[2] for types in columns.values()], ["NULL"] * len(columns)), 1):
            made.execute(f"INSERT INTO events (id, {names}) VALUES ({number}, {', '.join(row)})")
        made.write_models(model(columns, 1))
        return made

    return make


def values(made: Project) -> list[list[str]]:
    return [[str(value) for value in row[1:]] for row in made.execute("SELECT * FROM events ORDER BY id")]


def there_and_back(made: Project, flask_db: FlaskDb, expected: list[str]) -> None:
    """Upgrade, downgrade, upgrade: the values of before, of after, and nothing left to migrate."""
    before = values(made)
    flask_db(made, "upgrade")
    after = values(made)
    assert after == [expected, ["None"] * len(expected)]
    assert flask_db(made, "migrate", "--dry-run").stdout == "No changes in schema detected.\n"
    flask_db(made, "downgrade")
    assert values(made) == before
    flask_db(made, "upgrade")
    assert values(made) == after


def in_utc(url: str) -> str:
    return f"{url}?options=-ctimezone%3DUTC"


Change = t.Callable[[str, dict[str, Types]], Project]


def test_everywhere(change: Change, flask_db: FlaskDb, database_url: str) -> None:
    """Conversions that the three databases know, each in its way."""
    made = change(database_url, EVERYWHERE)
    said = output(flask_db(made, "migrate"))
    assert "to INTEGER: fractions are rounded away (the column has 1 value)." in said
    expected = {name: types[3] for name, types in EVERYWHERE.items()}
    if "sqlite" in database_url:
        expected["date_datetime"] = "2024-01-31 00:00:00.000000"
    there_and_back(made, flask_db, list(expected.values()))


def test_postgresql(change: Change, flask_db: FlaskDb, postgres_url: str) -> None:
    """Conversions for which PostgreSQL has to be told an expression, at least in one direction."""
    made = change(in_utc(postgres_url), POSTGRESQL)
    flask_db(made, "migrate")
    source = made.revision_files()[-1].read_text("utf-8")
    assert source.count("postgresql_using=") >= len(POSTGRESQL)
    there_and_back(made, flask_db, [types[3] for types in POSTGRESQL.values()])


def test_loss_is_said(change: Change, flask_db: FlaskDb, database_url: str) -> None:
    """What can be lost stands in the file and in the output, with the number of values."""
    made = change(database_url, {"at": ("sa.DateTime", "sa.Date", f"'{_NOON}'", "2024-01-31")})
    said = output(flask_db(made, "migrate"))
    old = "TIMESTAMP WITHOUT TIME ZONE" if "postgresql" in database_url else "DATETIME"
    sentence = f"events.at from {old} to DATE: the time of day is lost"
    assert f"    # {sentence}.\n" in made.revision_files()[-1].read_text("utf-8")
    assert f"{sentence} (the column has 1 value)." in said


def test_unknown_conversion(change: Change, flask_db: FlaskDb, postgres_url: str) -> None:
    """Where PostgreSQL has no conversion it is asked for."""
    made = change(
        in_utc(postgres_url), {"at": ("sa.Integer", "sa.DateTime(timezone=True)", "86400", "1970-01-02 00:00:00+00:00")}
    )
    asked = output(flask_db(made, "migrate", status=2))
    assert "Which SQL expression converts events.at from INTEGER to TIMESTAMP WITH TIME ZONE?" in asked
    flask_db(made, "migrate", "--fill", "events.at=sql:to_timestamp(at)")
    there_and_back(made, flask_db, ["1970-01-02 00:00:00+00:00"])


LISTS: dict[str, Types] = {
    "number": ("sa.Integer", "postgresql.ARRAY(sa.Integer)", "7", "[7]"),
    "numbers": ("postgresql.ARRAY(sa.BigInteger)", "sa.BigInteger", "'{8,9}'", "8"),
    "word": ("sa.String(5)", "postgresql.ARRAY(sa.String(5))", "'a,b'", "['a,b']"),
    "noted": ("postgresql.ARRAY(sa.Integer)", "postgresql.JSONB", "'{1,2}'", "[1, 2]"),
}


def test_arrays(change: Change, flask_db: FlaskDb, postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An array becomes its first element, an element the only one of an array; nothing stays nothing."""
    monkeypatch.setitem(globals(), "MODEL", "from sqlalchemy.dialects import postgresql\n" + MODEL)
    made = change(postgres_url, LISTS)
    said = output(flask_db(made, "migrate"))
    assert "events.numbers from BIGINT[] to BIGINT: all elements but the first are lost" in said
    source = made.revision_files()[-1].read_text("utf-8")
    assert "PostgreSQL can't cast to INTEGER[]. Add postgresql_using=" in source
    flask_db(made, "upgrade")
    assert values(made) == [[types[3] for types in LISTS.values()], ["None"] * len(LISTS)]
    assert flask_db(made, "migrate", "--dry-run").stdout == "No changes in schema detected.\n"


KEYS = """
class Branch(db.Model):
    __tablename__ = "branches"
    code = sa.Column({0}, primary_key=True, {1})
    above = sa.Column({0}, sa.ForeignKey("branches.code", ondelete="CASCADE"))

class Desk(db.Model):
    __tablename__ = "desks"
    id = sa.Column(sa.Integer, primary_key=True)
    branch = sa.Column({0}, sa.ForeignKey("branches.code"), nullable=False)
"""


@pytest.mark.parametrize(
    "old, new",
    [("sa.String(10)", "sa.String(300)"), ("sa.Integer", "sa.BigInteger"), ("sa.Integer", "sa.String(12)")],
    ids=["longer", "bigger", "other"],
)
def test_keys(project: MakeProject, flask_db: FlaskDb, database_url: str, old: str, new: str) -> None:
    """A key changes its type along with the foreign keys that refer to it, one of its own table among them."""
    # Neither PostgreSQL nor MariaDB makes numbers for a key that isn't one.
    options = "autoincrement=False" if "String" in new else ""
    made = project(KEYS.format(old, options), url=database_url)
    for command in (["init"], ["migrate", "-m", "first"], ["upgrade"]):
        flask_db(made, *command)
    made.execute("INSERT INTO branches (code, above) VALUES ('10', NULL)")
    made.execute("INSERT INTO branches (code, above) VALUES ('20', '10')")
    made.execute("INSERT INTO desks (id, branch) VALUES (1, '20')")
    made.write_models(KEYS.format(new, options))
    flask_db(made, "migrate")
    before = content(made)
    flask_db(made, "upgrade")
    query = "SELECT code, above, branch FROM branches LEFT JOIN desks ON branch = code ORDER BY code"
    assert [tuple(map(str, row)) for row in made.execute(query)] == [("10", "None", "None"), ("20", "10", "20")]
    if "sqlite" not in database_url:
        with pytest.raises(sa.exc.DBAPIError):
            made.execute("DELETE FROM branches WHERE code = '20'")
    assert flask_db(made, "migrate", "--dry-run").stdout == "No changes in schema detected.\n"
    flask_db(made, "downgrade")
    assert content(made) == before
    flask_db(made, "upgrade")


PARCEL = """
class Parcel(db.Model):
    __tablename__ = "parcels"
    id = sa.Column(sa.Integer, primary_key=True)
    grams = sa.Column({0}, nullable=False)
    twice = sa.Column({0}, sa.Computed("grams * 2", persisted=True), index=True)
"""


def test_under_views_and_generated_columns(project: MakeProject, flask_db: FlaskDb, database_url: str) -> None:
    """A column changes its type although a generated column and views, one upon the other, are made of it."""
    made = project(PARCEL.format("sa.Integer"), url=database_url)
    for command in (["init"], ["migrate", "-m", "first"], ["upgrade"]):
        flask_db(made, *command)
    made.execute("INSERT INTO parcels (id, grams) VALUES (1, 300)")
    made.execute("CREATE VIEW heavy AS SELECT id, grams FROM parcels WHERE grams > 200")
    made.execute("CREATE VIEW heaviest AS SELECT max(grams) AS most FROM heavy")
    if "postgresql" in database_url:
        made.execute("CREATE MATERIALIZED VIEW weights AS SELECT DISTINCT grams FROM parcels")
        made.execute("CREATE UNIQUE INDEX ix_weights ON weights (grams)")
    made.write_models(PARCEL.format("sa.BigInteger"))
    flask_db(made, "migrate")
    before = content(made)
    flask_db(made, "upgrade")
    made.execute("INSERT INTO parcels (id, grams) VALUES (2, 5000000000)")
    assert made.execute("SELECT twice FROM parcels WHERE id = 2") == [(10000000000,)]
    assert made.execute("SELECT most FROM heaviest") == [(5000000000,)]
    assert flask_db(made, "migrate", "--dry-run").stdout == "No changes in schema detected.\n"
    made.execute("DELETE FROM parcels WHERE id = 2")
    flask_db(made, "downgrade")
    assert content(made) == before
    assert made.execute("SELECT most FROM heaviest") == [(300,)]


_DIALECTS: tuple[t.Any, ...] = (postgresql, mysql, sqlite)


def _loss(old: t.Any, new: t.Any, dialect: t.Any) -> str:
    return loss(column_type(old, dialect), column_type(new, dialect))


def test_losses() -> None:
    """Which pairs can lose values, and in which words."""
    pg, my, lite = (module.dialect() for module in _DIALECTS)
    assert _loss(sa.String(5), sa.String(10), pg) == ""
    assert _loss(sa.Text(), sa.String(10), pg) == "texts of more than 10 characters don't fit"
    assert _loss(sa.Text(), sa.String(70000), my) == ""
    assert _loss(sa.BigInteger(), sa.Integer(), pg) == "numbers beyond the range of INTEGER don't fit"
    assert _loss(sa.Integer(), sa.BigInteger(), my) == ""
    assert _loss(mysql.INTEGER(11), sa.Integer(), my) == ""
    assert _loss(mysql.TINYINT(1), sa.Boolean(), my) == ""
    assert _loss(sa.Numeric(8, 4), sa.Numeric(8, 2), pg) == "fractions are rounded to 2 digits"
    assert _loss(sa.Numeric(8, 2), sa.Numeric(6, 2), pg) == "numbers of more than 4 digits don't fit"
    assert _loss(sa.Float(), sa.Integer(), lite) == "fractions are rounded away"
    assert _loss(sa.Integer(), sa.Float(), pg) == ""
    assert _loss(sa.Integer(), sa.String(3), pg) == (
        "numbers become text, of which at most 3 characters fit and sort as text"
    )
    assert _loss(sa.String(), sa.Date(), pg) == "texts that are no dates can't be converted"
    assert _loss(sa.DateTime(timezone=True), sa.DateTime(), pg) == "time zones are lost, times are kept in UTC"
    assert _loss(sa.DateTime(), sa.DateTime(timezone=True), lite) == ""
    assert _loss(sa.Uuid(), sa.String(36), pg) == ""
    assert _loss(sa.JSON(), postgresql.JSONB(), pg) == ""


def test_expressions() -> None:
    """What PostgreSQL has to be told."""
    pg = _DIALECTS[0].dialect()

    def told(old: t.Any, new: t.Any) -> str | None:
        return using(column_type(old, pg), column_type(new, pg), "c")

    assert told(sa.String(), sa.Integer()) == "c::INTEGER"
    assert told(sa.Integer(), sa.String()) == ""
    # An explicit cast would cut the text off instead of refusing it.
    assert told(sa.Text(), sa.String(3)) == ""
    assert told(sa.Integer(), sa.Boolean()) == "c <> 0"
    assert told(sa.Boolean(), sa.BigInteger()) == "c::integer"
    assert told(sa.Uuid(), sa.String(32)) == "replace(c::text, '-', '')"
    assert told(sa.Integer(), sa.DateTime()) is None
    assert told(postgresql.ARRAY(sa.Integer()), postgresql.JSON()) == "to_json(c)"
    assert told(postgresql.JSONB(), postgresql.ARRAY(sa.Integer())) is None
    # psycopg has a type of its own for texts.
    dialect: t.Any = psycopg.dialect
    assert column_type(sa.Text(), dialect()).ddl == "TEXT"
