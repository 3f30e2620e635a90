"""Enums in files that are written on SQLite and run on PostgreSQL and MariaDB as well, there and back, with rows."""

from __future__ import annotations

import typing as t

import pytest

from ...conftest import FlaskDb
from ...conftest import MakeProject
from ...support.application import Project
from ..conftest import content
from ..conftest import output

TRIP = """
class Trip(db.Model):
    __tablename__ = "trips"
    id = sa.Column(sa.Integer, primary_key=True)
    {mode}
"""
MODE = "mode = sa.Column(sa.Enum({}, name='trip_mode'), {})"


def trip(values: str, options: str = "nullable=True", more: str = "") -> str:
    return TRIP.format(mode=MODE.format(values, options)) + more


class Everywhere:
    """An application that is developed on SQLite and deployed on PostgreSQL and MariaDB.

    :param urls: the databases; the first one is SQLite's.
    """

    def __init__(self, made: Project, urls: list[str], run: FlaskDb, environment: pytest.MonkeyPatch) -> None:
        self.project, self.urls = made, urls
        self._run, self._environment = run, environment

    def on_each(self) -> t.Iterator[Project]:
        """Yield the application on each of its databases, and leave it on SQLite."""
        for url in self.urls:
            self._use(url)
            yield self.project
        self._use(self.urls[0])

    def _use(self, url: str) -> None:
        self._environment.setenv("DATABASE_URL", url)
        self.project.url = url

    def execute(self, *statements: str) -> None:
        """Run statements on each database."""
        for made in self.on_each():
            for statement in statements:
                made.execute(statement)

    def rows(self, query: str) -> list[t.Any]:
        """Return what each database answers, which has to be the same."""
        first, *others = [[tuple(map(str, row)) for row in made.execute(query)] for made in self.on_each()]
        assert all(rows == first for rows in others), (first, others)
        return first

    def change(self, models: str, *answers: str, asked: str = "", rows_return: bool = True) -> str:
        """Write a revision on SQLite and apply it on each database, there and back.

        :param asked: what is asked without the answers.
        :param rows_return: whether rows have their old values again after the downgrade.
        """
        self.project.write_models(models)
        if asked:
            assert asked in output(self._run(self.project, "migrate", status=2))
        self._run(self.project, "migrate", *answers)
        for made in self.on_each():
            before = content(made)
            self._run(made, "upgrade")
            after = content(made)
            self._run(made, "downgrade")
            assert content(made)[: 1 + rows_return] == before[: 1 + rows_return]
            self._run(made, "upgrade")
            assert content(made) == after
        assert self._run(self.project, "migrate", "--dry-run").stdout == "No changes in schema detected.\n"
        assert output(self._run(self.project, "check"))
        return self.project.revision_files()[-1].read_text("utf-8")

    def leave(self) -> None:
        """Take everything back, and do it once more, on each database."""
        for made in self.on_each():
            after = content(made)[0]
            self._run(made, "downgrade", "base")
            self._run(made, "upgrade")
            assert content(made)[0] == after
            self._run(made, "downgrade", "base")


@pytest.fixture
def everywhere(
    project: MakeProject, flask_db: FlaskDb, make_database: t.Any, monkeypatch: pytest.MonkeyPatch
) -> Everywhere:
    """Make an application with a database of each kind."""
    urls = [make_database(kind) for kind in ("sqlite", "postgresql", "mariadb")]
    made = project("", url=urls[0])
    flask_db(made, "init")
    return Everywhere(made, urls, flask_db, monkeypatch)


INSERT = "INSERT INTO trips (id, mode) VALUES (1, 'bus'), (2, 'tram'), (3, NULL)"
MODES = "SELECT mode FROM trips ORDER BY id"


def test_values_added(everywhere: Everywhere) -> None:
    """Values that are longer than the others, and not; they can be used in the next revision."""
    everywhere.change(trip("'bus', 'tram'"))
    everywhere.execute(INSERT)
    source = everywhere.change(trip("'bus', 'tram', 'taxi'"))
    assert "ADD VALUE IF NOT EXISTS 'taxi' AFTER 'tram'" in source
    everywhere.execute("UPDATE trips SET mode = 'taxi' WHERE id = 3")
    everywhere.change(trip("'walk', 'bus', 'cablecar', 'tram', 'taxi'", "nullable=True, server_default='walk'"))
    everywhere.execute("INSERT INTO trips (id) VALUES (4)", "INSERT INTO trips (id, mode) VALUES (5, 'cablecar')")
    assert everywhere.rows(MODES) == [("bus",), ("tram",), ("taxi",), ("walk",), ("cablecar",)]
    # Rows with a value that goes stop a downgrade.
    everywhere.execute("DELETE FROM trips WHERE id > 2")
    everywhere.leave()


@pytest.mark.parametrize("new", ["rail", "trolleybus"])
def test_value_renamed(everywhere: Everywhere, new: str) -> None:
    """A value is renamed, along with the default that has it; rows follow."""
    everywhere.change(trip("'bus', 'tram'", "nullable=False, server_default='tram'"))
    everywhere.execute("INSERT INTO trips (id, mode) VALUES (1, 'bus'), (2, 'tram')")
    everywhere.change(
        trip(f"'bus', '{new}'", f"nullable=False, server_default='{new}'"),
        "--rename",
        f"trips.mode.tram:{new}",
        asked=f"Did you rename the value 'tram' of trips.mode to '{new}'? (1 row)",
    )
    everywhere.execute("INSERT INTO trips (id) VALUES (3)")
    assert everywhere.rows(MODES) == [("bus",), (new,), (new,)]
    everywhere.leave()


def test_value_removed(everywhere: Everywhere) -> None:
    """A value is removed, its rows get another one, in two tables that share the type."""
    other = """
class Plan(db.Model):
    __tablename__ = "plans"
    id = sa.Column(sa.Integer, primary_key=True)
    way = sa.Column(sa.Enum({}, name='trip_mode'), nullable=False, server_default='{}')
"""
    everywhere.change(trip("'bus', 'tram', 'steamboat'", more=other.format("'bus', 'tram', 'steamboat'", "steamboat")))
    everywhere.execute("INSERT INTO trips (id, mode) VALUES (1, 'bus'), (2, 'steamboat'), (3, NULL)")
    everywhere.execute("INSERT INTO plans (id) VALUES (1)")
    everywhere.change(
        trip("'tram', 'bus'", more=other.format("'tram', 'bus'", "bus")),
        "--fill",
        "trips.mode.steamboat=tram",
        "--fill",
        "plans.way.steamboat=bus",
        asked="1 row has plans.way = 'steamboat', which the enum no longer has. What should it become? "
        "(values: tram, bus)",
        rows_return=False,
    )
    assert everywhere.rows(MODES) == [("bus",), ("tram",), ("None",)]
    assert everywhere.rows("SELECT way FROM plans") == [("bus",)]
    everywhere.leave()


def test_columns_come_and_go(everywhere: Everywhere) -> None:
    """A type comes with a new column, is shared by another table, and goes with the last one that has it."""
    everywhere.change(TRIP.format(mode=""))
    everywhere.execute("INSERT INTO trips (id) VALUES (1)")
    everywhere.change(trip("'bus', 'tram'", "nullable=False, default='bus'"))
    second = TRIP.replace("Trip", "Leg").replace("trips", "legs").format(mode=MODE.format("'bus', 'tram'", ""))
    everywhere.change(trip("'bus', 'tram'", "nullable=False, default='bus'", second))
    everywhere.change(TRIP.format(mode="") + second, "--drop", "trips.mode", "--fill", "trips.mode=bus")
    everywhere.change("", "--drop", "legs", "--drop", "trips", rows_return=False)
    everywhere.leave()


def test_text_and_enum(everywhere: Everywhere) -> None:
    """A text becomes an enum, an enum of another name, and a text again; defaults go along."""
    everywhere.change(TRIP.format(mode="mode = sa.Column(sa.String(20), server_default='bus')"))
    everywhere.execute(INSERT)
    everywhere.change(trip("'bus', 'tram'", "server_default='bus'"))
    everywhere.change(trip("'bus', 'tram'", "server_default='bus'").replace("trip_mode", "way"))
    everywhere.change(TRIP.format(mode="mode = sa.Column(sa.String(4), server_default='bus')"))
    assert everywhere.rows(MODES) == [("bus",), ("tram",), ("None",)]
    everywhere.leave()


OLD = """
kind = sa.Enum("bus", "tram", name="trip_mode")
op.create_table(
    "trips",
    sa.Column("id", sa.Integer(), nullable=False),
    sa.Column("mode", kind, nullable=True),
    sa.PrimaryKeyConstraint("id", name="pk_trips"),
)
"""


def test_files_of_before(everywhere: Everywhere, flask_db: FlaskDb) -> None:
    """Types that a file creates along with its table, as Alembic writes it, are known and not created again."""
    everywhere.project.write_revision("aaaa", upgrade=OLD, downgrade='op.drop_table("trips")')
    for made in everywhere.on_each():
        flask_db(made, "upgrade")
    everywhere.execute(INSERT)
    second = TRIP.replace("Trip", "Leg").replace("trips", "legs").format(mode=MODE.format("'bus', 'rail'", ""))
    source = everywhere.change(
        trip("'bus', 'rail'", more=second),
        "--rename",
        "trips.mode.tram:rail",
        asked="Did you rename the value 'tram' of trips.mode to 'rail'? (1 row)",
    )
    assert "CREATE TYPE" not in source
    assert everywhere.rows(MODES) == [("bus",), ("rail",), ("None",)]


def test_computed_values(everywhere: Everywhere, flask_db: FlaskDb) -> None:
    """Of a type whose values a file computes nothing is said, and its column can be dropped."""
    everywhere.project.write_revision("aaaa", upgrade=OLD.replace('"bus", "tram"', "*'bus tram'.split()"))
    for made in everywhere.on_each():
        flask_db(made, "upgrade")
    everywhere.project.write_models(trip("'bus', 'rail'"))
    assert flask_db(everywhere.project, "migrate", "--dry-run").stdout == "No changes in schema detected.\n"
    assert output(flask_db(everywhere.project, "check"))
