"""Columns that become NOT NULL: existing rows get what the model or an answer says, and nothing that is made up."""

from __future__ import annotations

import ast
import datetime
import importlib
import typing as t
import uuid

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from ...conftest import FlaskDb
from ...conftest import MakeProject
from ...support.application import Project
from ..conftest import output

BEFORE = """
class Employee(db.Model):
    __tablename__ = "employees"
    id = sa.Column(sa.Integer, primary_key=True)
    code = sa.Column(sa.String(20))
    note = sa.Column(sa.String(20))
"""


@pytest.fixture
def migrated(project: MakeProject, flask_db: FlaskDb, database_url: str) -> Project:
    """A project that is up to date and has two rows, one of them with a NULL."""
    made = project(BEFORE, url=database_url)
    for command in (["init"], ["migrate", "-m", "first"], ["upgrade"]):
        flask_db(made, *command)
    made.execute("INSERT INTO employees (id, code, note) VALUES (1, 'ADA', 'x'), (2, 'BOB', NULL)")
    return made


def with_columns(*columns: str) -> str:
    return BEFORE + "".join(f"    {column}\n" for column in columns)


def rows(made: Project, columns: str) -> list[tuple[t.Any, ...]]:
    return [tuple(str(value) for value in row) for row in made.execute(f"SELECT {columns} FROM employees ORDER BY id")]


def test_constant_defaults(migrated: Project, flask_db: FlaskDb) -> None:
    """Constant defaults of the model fill existing rows, of every common type, and no row is visited for it."""
    migrated.write_models(
        "import datetime, decimal, enum, uuid\n\n"
        "class Color(enum.Enum):\n    red = 'r'\n    green = 'g'\n"
        + with_columns(
            "salary = sa.Column(sa.Integer, default=0, nullable=False)",
            "rate = sa.Column(sa.Numeric(8, 2), default=decimal.Decimal('1.50'), nullable=False)",
            "active = sa.Column(sa.Boolean, default=False, nullable=False)",
            "motto = sa.Column(sa.String(50), default=\"it's 100% C:\\\\new :ok\", nullable=False)",
            "since = sa.Column(sa.Date, default=datetime.date(2024, 1, 31), nullable=False)",
            "color = sa.Column(sa.Enum(Color, native_enum=False), default=Color.green, nullable=False)",
            "data = sa.Column(sa.JSON, default={'a': ['b']}, nullable=False)",
            "at = sa.Column(sa.DateTime, default=datetime.datetime(2024, 1, 31, 13, 30), nullable=False)",
            "hour = sa.Column(sa.Time, default=datetime.time(13, 30), nullable=False)",
            "token = sa.Column(sa.Uuid, default=uuid.UUID(int=5), nullable=False)",
            "least = sa.Column(sa.Float, default=-1.5, nullable=False)",
            "level = sa.Column(sa.Integer, server_default='3', nullable=False)",
            "seen = sa.Column(sa.DateTime, default=sa.func.now(), nullable=False)",
        )
    )
    flask_db(migrated, "migrate")
    source = migrated.revision_files()[-1].read_text("utf-8")
    assert "# Existing rows get 0 in employees.salary by a default, which is dropped later." in source
    assert "NOT NULL can be added to employees.seen; downgrade() keeps it." in source
    plain = ast.unparse(ast.parse(source))
    assert "sa.Column('salary', sa.Integer(), server_default='0', nullable=False)" in plain
    # Only an expression is computed for each row.
    assert plain.count("UPDATE ") == plain.count("UPDATE employees SET seen = ") == 1
    assert plain.count(" WHERE seen IS NULL") == 1 and "sa.update(" not in plain
    there_and_back_but_times(migrated, flask_db)
    expected = ["0", "1.50", "it's 100% C:\\new :ok", "2024-01-31", "green", "3"]
    migrated.app()
    model = importlib.import_module("shop.models").Employee
    with Session(migrated.engine()) as session:
        first = session.scalars(sa.select(model)).all()[0]
        assert (first.at, first.hour) == (datetime.datetime(2024, 1, 31, 13, 30), datetime.time(13, 30))
        assert (first.token, first.least, first.active) == (uuid.UUID(int=5), -1.5, False)
    columns = sa.inspect(migrated.engine()).get_columns("employees")
    defaults = {column["name"] for column in columns if column["default"] not in (None, "NULL")}
    assert defaults - {"id"} == {"level"}
    assert {column["name"] for column in columns if column["nullable"]} == {"code", "note"}
    for row in rows(migrated, "salary, rate, motto, since, color, level"):
        assert [value.replace("1.5000000000", "1.50") for value in row] == (
            expected if "sqlite" not in migrated.url else ["0", row[1], *expected[2:]]
        )
    assert {value.strip("'\"").replace(" ", "") for (value,) in rows(migrated, "data")} <= {
        '{"a":["b"]}',
        "{'a':['b']}",
    }


def there_and_back_but_times(made: Project, flask_db: FlaskDb) -> None:
    """Upgrade, downgrade, upgrade; the rows of before are there each time."""
    before = rows(made, "id, code, note")
    for command in (["upgrade"], ["downgrade"], ["upgrade"]):
        flask_db(made, *command)
        assert rows(made, "id, code, note") == before
    assert flask_db(made, "migrate", "--dry-run").stdout == "No changes in schema detected.\n"
    assert len(rows(made, "seen")) == 2


def test_question(migrated: Project, flask_db: FlaskDb) -> None:
    """Without a default it is asked, nothing is written, and the answer is a literal or an expression."""
    added = "salary = sa.Column(sa.Integer, nullable=False)", "name = sa.Column(sa.String(20), nullable=False)"
    note = "note = sa.Column(sa.String(20)"
    migrated.write_models(with_columns(*added).replace(note, f"{note}, nullable=False"))
    files = migrated.revision_files()
    refused = flask_db(migrated, "migrate", status=2)
    assert "What value should existing rows have in employees.salary?" in output(refused)
    assert "--fill employees.salary=VALUE" in output(refused)
    question = "What value should existing rows have in employees.note? (becomes NOT NULL but contains NULLs"
    assert question in output(refused)
    assert migrated.revision_files() == files
    wrong = flask_db(migrated, "migrate", "--fill", "employees.salary=much", status=2)
    assert "--fill employees.salary=much: 'much' is not a valid INTEGER." in output(wrong)
    fills = ["employees.salary=7", "employees.name=sql:lower(code)", "employees.note=o'clock"]
    flask_db(migrated, "migrate", *(part for fill in fills for part in ("--fill", fill)))
    flask_db(migrated, "upgrade")
    assert rows(migrated, "salary, name, note") == [("7", "ada", "x"), ("7", "bob", "o'clock")]
    assert flask_db(migrated, "migrate", "--dry-run").stdout == "No changes in schema detected.\n"
    flask_db(migrated, "downgrade")
    # What was filled stays: the rows that had nothing are known no more.
    assert rows(migrated, "id, code, note") == [("1", "ADA", "x"), ("2", "BOB", "o'clock")]
    flask_db(migrated, "upgrade")
    assert rows(migrated, "salary, name, note") == [("7", "ada", "x"), ("7", "bob", "o'clock")]


def test_expression_reads_what_is_dropped(migrated: Project, flask_db: FlaskDb) -> None:
    """The fill stands before the drops, so that it can read what goes."""
    migrated.write_models(BEFORE.replace("code = sa.Column(sa.String(20))", "tag = sa.Column(sa.Text, nullable=False)"))
    joined = "concat('#', code)" if "mysql" in migrated.url else "'#' || code"
    flask_db(migrated, "migrate", "--drop", "employees.code", "--fill", f"employees.tag=sql:{joined}")
    flask_db(migrated, "upgrade")
    assert rows(migrated, "tag") == [("#ADA",), ("#BOB",)]


def test_no_rows_here(migrated: Project, flask_db: FlaskDb) -> None:
    """On an empty table nothing is asked; rows elsewhere stop the upgrade, which makes nothing up."""
    migrated.execute("DELETE FROM employees")
    migrated.write_models(with_columns("salary = sa.Column(sa.Integer, nullable=False)"))
    said = output(flask_db(migrated, "migrate"))
    assert "employees.salary is NOT NULL and has no value for existing rows" in said
    migrated.execute("INSERT INTO employees (id) VALUES (1)")
    flask_db(migrated, "upgrade", status=1)
    migrated.execute("DELETE FROM employees")
    flask_db(migrated, "upgrade")
    assert flask_db(migrated, "migrate", "--dry-run").stdout == "No changes in schema detected.\n"


def test_unique_column(migrated: Project, flask_db: FlaskDb) -> None:
    """A constant can't be the value of several rows of a unique column."""
    options = "default='x', nullable=False, unique=True, index=True"
    migrated.write_models(with_columns(f"email = sa.Column(sa.String(30), {options})"))
    asked = output(flask_db(migrated, "migrate", status=2))
    assert "NOT NULL and unique" in asked and "=VALUE" not in asked
    told = output(flask_db(migrated, "migrate", "--fill", "employees.email=x", status=2))
    assert "employees.email is unique, so 2 rows can't all get the same value." in told
    assert "--fill employees.email=sql:EXPRESSION" in told
    flask_db(migrated, "migrate", "--fill", "employees.email=sql:code")
    flask_db(migrated, "upgrade")
    assert rows(migrated, "email") == [("ADA",), ("BOB",)]


def test_dropped_column_comes_back(migrated: Project, flask_db: FlaskDb) -> None:
    """A NOT NULL column that was dropped comes back with the value that was given, or stops at the first row."""
    columns = "salary = sa.Column(sa.Integer, nullable=False)", "bonus = sa.Column(sa.Integer, nullable=False)"
    migrated.write_models(with_columns(*columns))
    flask_db(migrated, "migrate", "--fill", "employees.salary=7", "--fill", "employees.bonus=8")
    flask_db(migrated, "upgrade")
    migrated.write_models(with_columns(columns[1]))
    flask_db(migrated, "migrate", "--drop", "employees.salary", "--fill", "employees.salary=1")
    for command in ("upgrade", "downgrade"):
        flask_db(migrated, command)
    assert rows(migrated, "salary, bonus") == [("1", "8"), ("1", "8")]
    flask_db(migrated, "upgrade")
    migrated.write_models(BEFORE)
    flask_db(migrated, "migrate", "--drop", "employees.bonus")
    flask_db(migrated, "upgrade")
    told = output(flask_db(migrated, "downgrade", status=1))
    assert told.endswith("un `flask db downgrade` again.\n")
    if "mysql" not in migrated.url:  # MariaDB says as much of any value that doesn't fit
        assert "Existing rows have no value for a NOT NULL column." in told
        back = migrated.revision_files()[-1].read_text("utf-8").partition("def downgrade")[2]
        assert "# It is NOT NULL. If the table has rows, add a server_default=." in back
    assert rows(migrated, "id, code") == [("1", "ADA"), ("2", "BOB")]


def test_terminal(project: MakeProject, flask_db: FlaskDb) -> None:
    """On a terminal the value is asked for."""
    made = project(BEFORE)
    for command in (["init"], ["migrate", "-m", "first"], ["upgrade"]):
        flask_db(made, *command)
    made.execute("INSERT INTO employees (id) VALUES (1)")
    made.write_models(with_columns("salary = sa.Column(sa.Integer, nullable=False)"))
    screen = made.terminal("db", "migrate", typed=[("have in employees.salary?", "5\n")])
    assert screen.returncode == 0, screen.text
    flask_db(made, "upgrade")
    assert rows(made, "salary") == [("5",)]


def test_a_fill_is_also_printed_as_sql(migrated: Project, flask_db: FlaskDb) -> None:
    """``upgrade --sql`` has the values of every type as literals."""
    migrated.write_models(
        with_columns(
            "salary = sa.Column(sa.BigInteger, default=9000000000, nullable=False)",
            "active = sa.Column(sa.Boolean, default=True, nullable=False)",
            "motto = sa.Column(sa.String(50), default=\"it's 100%\", nullable=False)",
        )
    )
    flask_db(migrated, "migrate", "-m", "more")
    sqlite = migrated.url.startswith("sqlite")  # whose tables can't be rebuilt without looking at them
    script = flask_db(migrated, "upgrade", "--sql", status=int(sqlite))
    if sqlite:
        assert "Error [SF524]: Batch mode on SQLite copies the table" in output(script)
        assert output(script).endswith("\nRun the command without --sql, on a copy of the database file.\n")
    else:
        assert "9000000000" in script.output and "'it''s 100%'" in script.output
    flask_db(migrated, "upgrade")
    assert [row[0] for row in rows(migrated, "salary")] == ["9000000000", "9000000000"]
    assert [row[0] for row in rows(migrated, "motto")] == ["it's 100%", "it's 100%"]


LONG = "a text that is longer than twenty"


@pytest.mark.parametrize(
    ("column", "fill", "expected"),
    [
        ("note = sa.Column(sa.Text, nullable=False)", LONG, LONG),
        ("note = sa.Column(sa.DateTime, nullable=False)", "2024-01-31 13:30", "2024-01-31 13:30:00"),
        ("note = sa.Column(sa.Integer, nullable=False, server_default='3')", None, "3"),
    ],
)
def test_another_type_besides(
    migrated: Project, flask_db: FlaskDb, column: str, fill: str | None, expected: str
) -> None:
    """Rows get a value of the new type, which the old one may refuse."""
    values = {LONG: "x", "2024-01-31 13:30": "2020-05-06 07:08:09", None: "5"}
    migrated.execute(f"UPDATE employees SET note = '{values[fill]}' WHERE id = 1")
    migrated.write_models(BEFORE.replace("note = sa.Column(sa.String(20))", column))
    flask_db(migrated, "migrate", "-m", "second", *([] if fill is None else ["--fill", f"employees.note={fill}"]))
    flask_db(migrated, "upgrade")
    assert [row[0][:33].removesuffix(".000000") for row in rows(migrated, "note")] == [values[fill], expected]
    flask_db(migrated, "check")


def test_the_end_of_a_fill_is_no_change(migrated: Project, flask_db: FlaskDb) -> None:
    """A default that is there for the rows alone is a part of the addition."""
    migrated.write_models(with_columns("salary = sa.Column(sa.Integer, default=0, nullable=False)"))
    said = output(flask_db(migrated, "migrate", "-m", "second"))
    assert "add column employees.salary" in said
    assert "server default" not in said
