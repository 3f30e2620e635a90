"""Enums: types that come and go with their columns, values that are added, renamed and removed; rows keep theirs."""

from __future__ import annotations

import ast
import importlib.util
import typing as t

import pytest

from ...conftest import FlaskDb
from ...conftest import MakeProject
from ...support.application import Project
from ..conftest import output
from ..conftest import ThereAndBack

PLAIN = """
class Car(db.Model):
    __tablename__ = "cars"
    id = sa.Column(sa.Integer, primary_key=True)
"""
COLOR = "    color = sa.Column(sa.Enum({}, name='color'{}){})\n"


def car(labels: str = "'red', 'gray'", options: str = "", more: str = "", type_options: str = "") -> str:
    return PLAIN + COLOR.format(labels, type_options, options) + more


class Start(t.Protocol):
    """``start(url, models)``: a project that is up to date."""

    def __call__(self, url: str, models: str) -> Project: ...


@pytest.fixture
def start(project: MakeProject, flask_db: FlaskDb) -> Start:
    """Make a project that is up to date."""

    def make(url: str, models: str) -> Project:
        made = project(models, url=url)
        for command in (["init"], ["migrate", "-m", "first"], ["upgrade"]):
            flask_db(made, *command)
        return made

    return make


def colors(made: Project) -> list[str]:
    return [str(row[0]) for row in made.execute("SELECT color FROM cars ORDER BY id")]


def insert(made: Project, *values: str) -> None:
    for number, value in enumerate(values, 1):
        made.execute(f"INSERT INTO cars (id, color) VALUES ({number}, '{value}')")


def enum_types(made: Project) -> list[str]:
    return [str(row[0]) for row in made.execute("SELECT typname FROM pg_type WHERE typtype = 'e' ORDER BY 1")]


def labels(made: Project, name: str = "color") -> list[str]:
    query = "SELECT enumlabel FROM pg_enum WHERE enumtypid = to_regtype(:name) ORDER BY enumsortorder"
    return [str(row[0]) for row in made.execute(query, name=name)]


def source(made: Project) -> str:
    return ast.unparse(ast.parse(made.revision_files()[-1].read_text("utf-8")))


# -- PostgreSQL: types --------------------------------------------------------------------------------------


def test_type_comes_and_goes(
    start: Start, flask_db: FlaskDb, there_and_back: ThereAndBack, postgres_url: str
) -> None:
    """A type is created with its first column, kept for its second, and dropped with the last."""
    made = start(postgres_url, PLAIN)
    made.execute("INSERT INTO cars (id) VALUES (1)")
    made.write_models(car(options=", server_default='red'"))
    flask_db(made, "migrate")
    assert source(made).count("CREATE TYPE color AS ENUM") == 1
    there_and_back(made)
    assert colors(made) == ["red"]
    second = PLAIN.replace("Car", "Bike").replace("cars", "bikes") + COLOR.format("'red', 'gray'", "", "")
    made.write_models(car(options=", server_default='red'") + second)
    flask_db(made, "migrate")
    assert "CREATE TYPE" not in source(made)
    there_and_back(made)
    made.write_models(PLAIN + second)
    flask_db(made, "migrate", "--drop", "cars.color")
    assert "DROP TYPE" not in source(made)
    flask_db(made, "upgrade")
    made.write_models(PLAIN)
    flask_db(made, "migrate")
    assert "op.execute('DROP TYPE color')" in source(made)
    there_and_back(made)
    assert enum_types(made) == []
    flask_db(made, "downgrade", "base")
    assert enum_types(made) == []
    flask_db(made, "upgrade")
    made.run("db", "upgrade", "--sql")


def test_added_values(start: Start, flask_db: FlaskDb, there_and_back: ThereAndBack, postgres_url: str) -> None:
    """Values are added where they belong, outside of the transaction, and can be used in the same revision."""
    made = start(postgres_url, car())
    insert(made, "red", "gray")
    five = "'black', 'red', 'blue', 'gray', 'white'"
    roof = COLOR.format(five, "", ", server_default='blue', nullable=False").replace("color =", "roof =")
    made.write_models(car(five, more=roof))
    assert "change values of enum color: with 'black', 'blue', 'white'" in output(flask_db(made, "check", status=1))
    flask_db(made, "migrate")
    assert "autocommit_block()" in source(made)
    there_and_back(made)
    assert labels(made) == ["black", "red", "blue", "gray", "white"]
    assert colors(made) == ["red", "gray"]


def test_renamed_value(start: Start, flask_db: FlaskDb, there_and_back: ThereAndBack, postgres_url: str) -> None:
    """When one value goes and one comes it is asked; a rename keeps the rows."""
    made = start(postgres_url, car())
    insert(made, "red", "gray")
    made.write_models(car("'red', 'silver'"))
    asked = output(flask_db(made, "migrate", status=2))
    assert "Did you rename the value 'gray' of cars.color to 'silver'? (1 row)" in asked
    assert "--rename cars.color.gray:silver" in asked
    assert "--fill cars.color.gray=VALUE" in asked
    flask_db(made, "migrate", "--rename", "cars.color.gray:silver")
    there_and_back(made)
    assert colors(made) == ["red", "silver"]
    # The same letters are the same value.
    made.write_models(car("'RED', 'silver'"))
    flask_db(made, "migrate")
    there_and_back(made)
    assert colors(made) == ["RED", "silver"]


def test_removed_value(start: Start, flask_db: FlaskDb, there_and_back: ThereAndBack, postgres_url: str) -> None:
    """A removed value needs another for its rows; defaults, arrays, indexes and checks go along."""
    before = "'red', 'gray', 'blue'"
    more = (
        "    extra = sa.Column(sa.ARRAY(sa.Enum({}, name='color')))\n"
        "    __table_args__ = (\n"
        "        sa.Index('ix_red', 'id', postgresql_where=sa.text(\"color = 'red'\")),\n"
        "        sa.CheckConstraint(\"color <> 'blue'\", name='not_blue'),\n"
        "    )\n"
    )
    made = start(postgres_url, car(before, ", server_default='gray'", more.format(before)))
    made.execute("INSERT INTO cars (id, color, extra) VALUES (1, 'gray', '{gray,red}'), (2, 'red', NULL)")
    after = "'blue', 'red'"
    made.write_models(car(after, ", server_default='red'", more.format(after)))
    asked = output(flask_db(made, "migrate", status=2))
    for column in ("cars.color", "cars.extra"):
        question = f"1 row has {column} = 'gray', which the enum no longer has. What should it become?"
        assert f"{question} (values: blue, red, or sql:NULL)" in asked
    wrong = output(flask_db(made, "migrate", "--fill", "cars.color.gray=pink", status=2))
    assert "--fill cars.color.gray=pink: 'pink' is not a value of cars.color." in wrong
    flask_db(made, "migrate", "--fill", "cars.color.gray=red", "--fill", "cars.extra.gray=blue")
    flask_db(made, "upgrade")
    assert flask_db(made, "migrate", "--dry-run").stdout == "No changes in schema detected.\n"
    assert colors(made) == ["red", "red"]
    assert made.execute("SELECT extra::text FROM cars WHERE id = 1") == [("{blue,red}",)]
    flask_db(made, "downgrade")
    assert labels(made) == ["red", "gray", "blue"]
    flask_db(made, "upgrade")
    assert labels(made) == ["blue", "red"]


def test_type_renamed(start: Start, flask_db: FlaskDb, there_and_back: ThereAndBack, postgres_url: str) -> None:
    """A type by another name is renamed, and its values change as usual."""
    made = start(postgres_url, car())
    insert(made, "red", "gray")
    made.write_models(car("'red', 'gray', 'blue'").replace("name='color'", "name='paint'"))
    flask_db(made, "migrate")
    there_and_back(made)
    assert enum_types(made) == ["paint"]
    assert colors(made) == ["red", "gray"]


def test_text_becomes_enum(start: Start, flask_db: FlaskDb, database_url: str) -> None:
    """A text column becomes an enum; values that are none of its own are asked about."""
    made = start(database_url, PLAIN + "    color = sa.Column(sa.String(20), server_default='red')\n")
    insert(made, "red", "grey", "pink")
    check = ", native_enum=False, create_constraint=True" if "sqlite" in database_url else ""
    made.write_models(car(options=", server_default='red'", type_options=check))
    asked = output(flask_db(made, "migrate", status=2))
    assert "Did you rename the value 'grey' of cars.color to 'gray'?" in asked or "cars.color = 'grey'" in asked
    assert "cars.color = 'pink'" in asked
    flask_db(made, "migrate", "--fill", "cars.color.grey=gray", "--fill", "cars.color.pink=red")
    if not database_url.startswith("postgresql"):
        file = made.revision_files()[-1].read_text("utf-8")
        assert "# Rows that get another value here keep it after downgrade()." in file
    flask_db(made, "upgrade")
    assert colors(made) == ["red", "gray", "red"]
    assert flask_db(made, "migrate", "--dry-run").stdout == "No changes in schema detected.\n"
    flask_db(made, "downgrade")
    assert colors(made) == ["red", "gray", "red"]
    flask_db(made, "upgrade")
    assert colors(made) == ["red", "gray", "red"]


def test_schema_of_type(start: Start, flask_db: FlaskDb, there_and_back: ThereAndBack, postgres_url: str) -> None:
    """Types in a schema of their own, and of the default schema in a table elsewhere."""
    made = start(postgres_url, PLAIN)
    made.execute("CREATE SCHEMA garage")
    made.write_models(
        PLAIN
        + PLAIN.replace("Car", "Van")
        + "    __table_args__ = {'schema': 'garage'}\n"
        + "    color = sa.Column(sa.Enum('red', 'gray', name='color', schema='garage'))\n"
        + "    size = sa.Column(sa.Enum('s', 'l', name='size', inherit_schema=False))\n"
    )
    flask_db(made, "migrate")
    there_and_back(made)
    made.execute("INSERT INTO garage.cars VALUES (1, 'red', 's')")
    flask_db(made, "downgrade")
    assert enum_types(made) == []


# -- columns with a list of values: MariaDB, and CHECKs anywhere --------------------------------------------

CHECKED = ", native_enum=False, create_constraint=True"


@pytest.fixture(params=["sqlite", "postgresql", "mariadb", "mariadb-enum", "sqlite-unnamed"])
def listed(request: pytest.FixtureRequest, make_database: t.Any) -> tuple[str, t.Callable[..., str]]:
    """A database, and a function that makes models for it whose values are listed with the column."""
    kind, _, form = str(request.param).partition("-")
    url = make_database(kind)

    def models(labels: str, options: str = "", name: str = "color") -> str:
        found = car(labels, options, type_options="" if form == "enum" else CHECKED)
        return (found.replace("name='color', ", "") if form == "unnamed" else found).replace("color =", f"{name} =")

    return url, models


def test_listed_values(
    start: Start, flask_db: FlaskDb, there_and_back: ThereAndBack, listed: tuple[str, t.Callable[..., str]]
) -> None:
    """Values are added, renamed and removed; each database refuses what is none of them."""
    url, models = listed
    made = start(url, models("'red', 'gray'"))
    insert(made, "red", "gray")
    made.write_models(models("'red', 'gray', 'turquoise'"))
    told = output(flask_db(made, "check", status=1))
    assert "color: with 'turquoise'" in told or "color: type from" in told
    flask_db(made, "migrate")
    before = colors(made)
    flask_db(made, "upgrade")
    assert output(flask_db(made, "check"))
    made.execute("INSERT INTO cars (id, color) VALUES (3, 'turquoise')")
    with pytest.raises(Exception, match="(?i)color|constraint|check|truncated"):
        made.execute("INSERT INTO cars (id, color) VALUES (4, 'pink')")
    made.execute("DELETE FROM cars WHERE id = 3")
    flask_db(made, "downgrade")
    assert colors(made) == before
    flask_db(made, "upgrade")
    # One is renamed, one is removed.
    made.execute("INSERT INTO cars (id, color) VALUES (3, 'turquoise')")
    made.write_models(models("'red', 'silver'"))
    flask_db(made, "migrate", status=2)
    flask_db(made, "migrate", "--rename", "cars.color.gray:silver", "--fill", "cars.color.turquoise=red")
    flask_db(made, "upgrade")
    assert colors(made) == ["red", "silver", "red"]
    assert flask_db(made, "migrate", "--dry-run").stdout == "No changes in schema detected.\n"
    flask_db(made, "downgrade")
    assert colors(made) == ["red", "gray", "red"]
    flask_db(made, "upgrade")
    assert colors(made) == ["red", "silver", "red"]


def test_listed_column_added(
    start: Start, flask_db: FlaskDb, listed: tuple[str, t.Callable[..., str]]
) -> None:
    """A new column has its list of values, and loses it when it goes."""
    url, models = listed
    made = start(url, PLAIN)
    made.execute("INSERT INTO cars (id) VALUES (1)")
    made.write_models(models("'red', 'gray'", ", default='red', nullable=False"))
    flask_db(made, "migrate")
    flask_db(made, "upgrade")
    assert flask_db(made, "migrate", "--dry-run").stdout == "No changes in schema detected.\n"
    assert colors(made) == ["red"]
    with pytest.raises(Exception, match="(?i)color|constraint|check|truncated"):
        made.execute("INSERT INTO cars (id, color) VALUES (4, 'pink')")
    flask_db(made, "downgrade")
    flask_db(made, "upgrade")
    assert colors(made) == ["red"]


# -- beside alembic-postgresql-enum -------------------------------------------------------------------------

_ENV = "import alembic_postgresql_enum\nfrom flask_schemaflow import run_env\n\nrun_env()\n"


@pytest.mark.slow
@pytest.mark.skipif(not importlib.util.find_spec("alembic_postgresql_enum"), reason="not installed")
def test_beside_the_package(project: MakeProject, postgres_url: str) -> None:
    """Where env.py imports the package nothing is done twice, and the files don't need it.

    In processes of their own: the package registers itself for good.
    """
    made = project(PLAIN, url=postgres_url)
    made.run("db", "init")
    made.write("migrations/env.py", _ENV)
    made.run("db", "migrate", "-m", "first")
    made.run("db", "upgrade")
    made.write_models(car(options=", server_default='red'"))
    made.run("db", "migrate")
    assert source(made).count("CREATE TYPE") == 1
    assert "sa.Enum" not in source(made) and "alembic_postgresql_enum" not in source(made)
    made.run("db", "upgrade")
    insert(made, "red", "gray")
    made.write_models(car("'black', 'red', 'silver'", ", server_default='red'"))
    changed = "change values of enum color: without 'gray', with 'black', 'silver'"
    assert changed in made.run("db", "check", check=False).output
    made.run("db", "migrate", "--rename", "cars.color.gray:silver")
    assert "enum_value" not in source(made)
    made.run("db", "upgrade")
    assert colors(made) == ["red", "silver"]
    assert labels(made) == ["black", "red", "silver"]
    assert "No changes" in made.run("db", "migrate").stdout
    # Types that the package would drop because nobody uses them are dropped once.
    made.execute("CREATE TYPE lost AS ENUM ('a')")
    made.write_models(PLAIN)
    made.run("db", "migrate", "--allow-drops")
    assert source(made).count("op.execute('DROP TYPE ") == 2
    made.run("db", "upgrade")
    assert enum_types(made) == []
    made.write("migrations/env.py", _ENV.partition("\n")[2])
    made.run("db", "downgrade", "-2")
    made.run("db", "upgrade")
    assert enum_types(made) == []
