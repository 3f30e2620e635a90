"""How renames are asked about: by pattern, behind filters that hide what has no model, and with a word of caution."""

from __future__ import annotations

import typing as t

import pytest

from ...conftest import FlaskDb
from ...conftest import MakeProject
from ...support.application import Project
from ..conftest import content
from ..conftest import output
from ..conftest import ThereAndBack

HIDE_TABLES = """include_object=lambda item, name, kind, reflected, other: not (
    kind == "table" and reflected and other is None)"""
HIDE_ALL = "include_object=lambda item, name, kind, reflected, other: not (reflected and other is None)"
HIDE_NAMES = 'include_name=lambda name, kind, parents: kind != "table" or name in db.metadata.tables'
DEPOT = """
class Depot(db.Model):
    __tablename__ = "{}"
    id = sa.Column(sa.Integer, primary_key=True)
    city = sa.Column(sa.String(40), nullable=False)
    area = sa.Column(sa.Numeric(8, 2))
"""
Make = t.Callable[..., Project]


@pytest.fixture
def migrated(project: MakeProject, flask_db: FlaskDb) -> Make:
    """Make a project whose database is up to date."""

    def make(models: str, *rows: str, url: str | None = None, **options: t.Any) -> Project:
        made = project(models, url=url, **options)
        flask_db(made, "init")
        flask_db(made, "migrate", "-m", "first")
        flask_db(made, "upgrade")
        for row in rows:
            made.execute(row)
        return made

    return make


@pytest.mark.parametrize("recipe", [HIDE_TABLES, HIDE_ALL, HIDE_NAMES], ids=["tables", "all", "names"])
def test_a_renamed_table_is_asked_about_behind_a_filter(
    migrated: Make, flask_db: FlaskDb, there_and_back: ThereAndBack, database_url: str, recipe: str
) -> None:
    """A filter that hides tables without a model hides a renamed one too; no table is renamed without an answer."""
    rows = "INSERT INTO depot (id, city, area) VALUES (1, 'Ulm', 12.5), (2, 'Bonn', NULL)"
    made = migrated(DEPOT.format("depot"), rows, url=database_url, migrate_arguments=recipe)
    made.execute("CREATE TABLE of_others (id INTEGER)")
    made.write_models(DEPOT.format("depots"))
    result = flask_db(made, "migrate", status=2)
    assert "Did you rename the table depot to depots?" in result.stderr and "of_others" not in result.stderr
    assert "--keep depot                 leave the table in the database" in result.stderr
    flask_db(made, "migrate", "--rename-table", "depot:depots")
    there_and_back(made)
    assert made.execute("SELECT id, city FROM depots ORDER BY id") == [(1, "Ulm"), (2, "Bonn")]


def test_a_hidden_table_that_was_not_renamed_stays(migrated: Make, flask_db: FlaskDb) -> None:
    """The option is honoured: a new table is created, the other one is neither renamed nor dropped."""
    made = migrated(DEPOT.format("depot"), migrate_arguments=HIDE_TABLES)
    made.write_models(DEPOT.format("depots"))
    flask_db(made, "migrate", "--keep", "depot")
    flask_db(made, "upgrade")
    assert {"depot", "depots"} <= set(content(made)[1])
    assert flask_db(made, "migrate").stdout == "No changes in schema detected.\n"


def test_a_filter_for_one_table_is_no_reason_to_ask(migrated: Make, flask_db: FlaskDb) -> None:
    """What env.py names itself is no candidate."""
    arguments = "include_object=lambda item, name, *rest: name != 'depot'"
    made = migrated("", migrate_arguments=arguments)
    made.execute("CREATE TABLE depot (id INTEGER PRIMARY KEY, city VARCHAR(40) NOT NULL, area NUMERIC(8, 2))")
    made.write_models(DEPOT.format("depots"))
    assert "add table depots" in flask_db(made, "migrate").stdout


def test_a_renamed_column_is_asked_about_behind_a_filter(migrated: Make, flask_db: FlaskDb, database_url: str) -> None:
    """The same for columns, where the filter hides those too."""
    rows = "INSERT INTO depot (id, city) VALUES (1, 'Ulm')"
    made = migrated(DEPOT.format("depot"), rows, url=database_url, migrate_arguments=HIDE_ALL)
    made.write_models(DEPOT.format("depot").replace("    city", "    city_name"))
    result = flask_db(made, "migrate", status=2)
    assert "Did you rename the column depot.city to depot.city_name?" in result.stderr
    assert "--keep depot.city              leave the column in the database" in result.stderr
    flask_db(made, "migrate", "--rename", "depot.city:city_name")
    flask_db(made, "upgrade")
    assert made.execute("SELECT city_name FROM depot") == [("Ulm",)]


def test_a_table_that_no_revision_created_is_not_renamed_unasked(migrated: Make, flask_db: FlaskDb) -> None:
    """It may belong to another program, however alike the two are."""
    made = migrated("")
    made.execute("CREATE TABLE depot (id INTEGER NOT NULL PRIMARY KEY, city VARCHAR(40) NOT NULL, area NUMERIC(8, 2))")
    made.write_models(DEPOT.format("depots"))
    assert "Did you rename the table depot to depots?" in flask_db(made, "migrate", status=2).stderr
    result = flask_db(made, "migrate", "--keep", "depot")
    assert "Keeps table depot, which has no model." in result.stderr and "add table depots" in result.stdout


SENSOR = """
class Sensor(db.Model):
    id = sa.Column(sa.Integer, primary_key=True)
"""


def columns(*names: str, kind: str = "sa.String(40)") -> str:
    """Columns of one type, as they stand in a model."""
    return "".join(f"    {name} = sa.Column({kind})\n" for name in names)


def test_one_question_for_a_pattern(migrated: Make, flask_db: FlaskDb, database_url: str) -> None:
    """Four columns that change by the same words are one question, whose answer is one for all."""
    old = [f"{name}_v1" for name in ("low", "high", "mean", "last")]
    new = [f"{name}_v2" for name in ("low", "high", "mean", "last")]
    rows = "INSERT INTO sensor (id, low_v1, last_v1) VALUES (1, 'a', 'b')"
    made = migrated(SENSOR + columns(*old), rows, url=database_url)
    made.write_models(SENSOR + columns(*new))
    result = flask_db(made, "migrate", status=2)
    assert "`migrate` needs an answer to one question" in result.stderr
    assert "Did you rename 4 columns: sensor." in result.stderr and "drop the columns and their values" in result.stderr
    lines = result.stderr.splitlines()
    answer = next(line for line in lines if "rename the columns and keep their values" in line).split("  rename")[0]
    flask_db(made, "migrate", *answer.split())
    flask_db(made, "upgrade")
    assert made.execute("SELECT low_v2, last_v2 FROM sensor") == [("a", "b")]


def test_one_question_for_a_change_in_two_tables(migrated: Make, flask_db: FlaskDb) -> None:
    """A column of a mixin is renamed in each of its tables."""
    pump = SENSOR.replace("Sensor", "Pump")
    made = migrated(SENSOR + columns("place") + pump + columns("place"))
    made.write_models(SENSOR + columns("spot") + pump + columns("spot"))
    result = flask_db(made, "migrate", status=2)
    assert "Did you rename 2 columns: pump.place to pump.spot, sensor.place to sensor.spot?" in result.stderr
    lines = result.stderr.splitlines()
    denied = next(line for line in lines if "drop the columns and their values" in line).split("  drop")[0]
    assert "drop column pump.place" in flask_db(made, "migrate", *denied.split()).stdout


def test_a_terminal_answers_a_pattern_once(migrated: Make) -> None:
    """One key for all of them."""
    made = migrated(SENSOR + columns("a_v1", "b_v1", "c_v1"), "INSERT INTO sensor (id, a_v1) VALUES (1, 'x')")
    made.write_models(SENSOR + columns("a_v2", "b_v2", "c_v2"))
    screen = made.terminal("db", "migrate", typed=[("sensor.c_v1 to sensor.c_v2? [Y/n]", "\n")])
    assert screen.returncode == 0 and screen.text.count("[Y/n]") == 1
    assert screen.text.count("rename column sensor.") == 3


def test_booleans_of_opposite_meaning(migrated: Make, flask_db: FlaskDb, database_url: str) -> None:
    """Question and notice say that the values stay."""
    made = migrated(SENSOR + columns("is_shown", kind="sa.Boolean"), url=database_url)
    made.write_models(SENSOR + columns("is_hidden", kind="sa.Boolean"))
    result = flask_db(made, "migrate", status=2)
    assert "its values stay as they are, though the names mean the opposite" in result.stderr
    result = flask_db(made, "migrate", "--rename", "sensor.is_shown:is_hidden")
    assert "sensor.is_shown is renamed to is_hidden, and its values stay as they are" in output(result)


def test_quotation_marks_of_a_fill_are_told(migrated: Make, flask_db: FlaskDb) -> None:
    """They belong to the value, which is said."""
    made = migrated(SENSOR, "INSERT INTO sensor (id) VALUES (1)")
    made.write_models(SENSOR + "    state = sa.Column(sa.String(20), nullable=False)\n")
    result = flask_db(made, "migrate", "--fill", "sensor.state='idle'")
    assert result.stderr.count("Existing rows get 'idle' in sensor.state, quotation marks included.") == 1
    assert "--fill sensor.state=idle" in result.stderr


def test_tables_of_configured_mappers_are_compared(migrated: Make, flask_db: FlaskDb) -> None:
    """Some extensions create tables when the mappers are configured, which ``migrate`` and ``check`` have done."""
    made = migrated("")
    made.write_models(
        SENSOR
        + """
from sqlalchemy import event
from sqlalchemy.orm import Mapper

@event.listens_for(Mapper, "after_configured", once=True)
def make_history():
    sa.Table("sensor_history", db.metadata, sa.Column("id", sa.Integer, primary_key=True))
"""
    )
    assert "add table sensor_history" in flask_db(made, "check", status=1).stderr
    assert "add table sensor_history" in flask_db(made, "migrate").stdout


def test_mappers_that_can_not_be_configured_are_no_obstacle(migrated: Make) -> None:
    """A mistake in a relationship is told, and the tables are compared all the same.

    In a process of its own, because mappers belong to the whole process.
    """
    made = migrated("")
    made.write_models(SENSOR + "    pumps = db.relationship('Pumpe')\n")
    result = made.run("db", "migrate")
    assert "add table sensor" in result.stdout
    assert "The mappers can't be configured" in result.stderr and "Pumpe" in result.stderr
