"""Renames through the command line: what was in the tables before is in them after."""

from __future__ import annotations

import re
import typing as t

import pytest

from ...conftest import FlaskDb
from ...conftest import MakeProject
from ...support.application import Project
from ..conftest import content
from ..conftest import ThereAndBack

COMPANY = """
class Department(db.Model):
    id = sa.Column(sa.Integer, primary_key=True)
    name = sa.Column(sa.String(50), nullable=False, unique=True)
    head = sa.Column(sa.String(50), index=True)

class Employee(db.Model):
    __tablename__ = "employees"
    id = sa.Column(sa.Integer, primary_key=True)
    name = sa.Column(sa.String(50), nullable=False)
    address = sa.Column(sa.String(50), server_default="nowhere")
    department_id = sa.Column(sa.ForeignKey("department.id"), index=True)
"""
ROWS = (
    "INSERT INTO department (id, name, head) VALUES (1, 'Research', 'Ada'), (2, 'Sales', NULL)",
    "INSERT INTO employees (id, name, address, department_id) VALUES (1, 'Bob', 'Main St', 1), (2, 'Eve', NULL, 2)",
)
DEPARTMENTS = COMPANY.replace(
    "class Department(db.Model):", 'class Department(db.Model):\n    __tablename__ = "departments"'
).replace('"department.id"', '"departments.id"')


@pytest.fixture
def company(project: MakeProject, flask_db: FlaskDb) -> t.Callable[..., Project]:
    """Make a project whose database is up to date and has rows."""

    def make(url: str | None, models: str = COMPANY, rows: t.Sequence[str] = ROWS, **options: t.Any) -> Project:
        made = project(models, url=url, **options)
        flask_db(made, "init")
        flask_db(made, "migrate", "-m", "first")
        flask_db(made, "upgrade")
        for row in rows:
            made.execute(row)
        return made

    return make


def body(made: Project) -> list[str]:
    """The lines of the newest revision's ``upgrade()`` and ``downgrade()``, without comments and blank ones."""
    source = made.revision_files()[-1].read_text("utf-8").partition("def upgrade")[2]
    lines = [line.strip() for line in source.splitlines()[1:]]
    return [line for line in lines if line and not line.startswith(("#", "def "))]


def test_an_answered_column_keeps_its_values(
    company: t.Callable[..., Project], flask_db: FlaskDb, there_and_back: ThereAndBack, database_url: str
) -> None:
    """``--rename`` writes one operation each way, and the file is named after it."""
    made = company(database_url)
    made.write_models(COMPANY.replace("address", "location"))
    result = flask_db(made, "migrate", "--rename", "employees.address:location")
    assert result.stdout.splitlines()[0] == "  rename column employees.address to location"
    assert made.revision_files()[-1].name.endswith("_rename_employees_address_to_location.py")
    there_and_back(made)
    assert made.execute("SELECT location FROM employees ORDER BY id") == [("Main St",), (None,)]


def test_a_table_is_renamed_with_what_refers_to_it_and_is_named_after_it(
    company: t.Callable[..., Project], flask_db: FlaskDb, there_and_back: ThereAndBack, database_url: str
) -> None:
    """A certain rename needs no answer; an index that only follows is not in the file's name."""
    made = company(database_url)
    made.write_models(DEPARTMENTS)
    result = flask_db(made, "migrate")
    assert result.stdout.splitlines()[0] == "  rename table department to departments"
    assert made.revision_files()[-1].name.endswith("_rename_department_to_departments.py")
    there_and_back(made)
    assert made.execute("SELECT * FROM departments ORDER BY id") == [(1, "Research", "Ada"), (2, "Sales", None)]
    # Where a constraint can't be renamed in place it keeps its name, which nothing depends on.
    named = re.sub(r"CONSTRAINT `?\w+", "", str(content(made)[0]))
    assert "department_" not in named.replace("department_id", "")


def test_a_table_with_some_of_its_columns_and_other_changes(
    company: t.Callable[..., Project], flask_db: FlaskDb, there_and_back: ThereAndBack, database_url: str
) -> None:
    """Table, columns and the foreign key's column renamed at once, while a column comes and one changes its type."""
    made = company(database_url)
    made.write_models("""
    class Team(db.Model):
        __tablename__ = "teams"
        id = sa.Column(sa.Integer, primary_key=True)
        name = sa.Column(sa.String(80), nullable=False, unique=True)
        leader = sa.Column(sa.String(50), index=True)
        motto = sa.Column(sa.String(50))

    class Employee(db.Model):
        __tablename__ = "employees"
        id = sa.Column(sa.Integer, primary_key=True)
        name = sa.Column(sa.String(50), nullable=False)
        location = sa.Column(sa.String(50), server_default="somewhere")
        team_id = sa.Column(sa.ForeignKey("teams.id"), index=True)
    """)
    answers = ["--rename-table", "department:teams", "--rename", "department.head:leader"]
    answers += ["--rename", "employees.address:location", "--rename", "employees.department_id:team_id"]
    flask_db(made, "migrate", *answers)
    there_and_back(made)
    assert made.execute("SELECT id, name, leader FROM teams ORDER BY id") == [
        (1, "Research", "Ada"),
        (2, "Sales", None),
    ]
    assert made.execute("SELECT location, team_id FROM employees ORDER BY id") == [("Main St", 1), (None, 2)]


SHOP = """
class Customer(db.Model):
    __tablename__ = "{0}customer"
    id = sa.Column(sa.Integer, primary_key=True)
    name = sa.Column(sa.String(50), index=True)
    email = sa.Column(sa.String(50))

class Order(db.Model):
    __tablename__ = "{0}order"
    id = sa.Column(sa.Integer, primary_key=True)
    placed = sa.Column(sa.Date)
    customer_id = sa.Column(sa.ForeignKey("{0}customer.id"), nullable=False)

class Line(db.Model):
    __tablename__ = "{0}line"
    order_id = sa.Column(sa.ForeignKey("{0}order.id"), primary_key=True)
    number = sa.Column(sa.Integer, primary_key=True, autoincrement=False)
    article = sa.Column(sa.String(20), nullable=False)
"""
SHOP_ROWS = (
    "INSERT INTO customer (id, name) VALUES (1, 'Ada')",
    "INSERT INTO {q}order{q} (id, placed, customer_id) VALUES (7, '2024-05-01', 1)",
    "INSERT INTO line (order_id, number, article) VALUES (7, 1, 'bread'), (7, 2, 'salt')",
)


@pytest.mark.parametrize("batch", [True, False], ids=["batch", "plain"])
def test_several_tables_by_one_pattern(
    company: t.Callable[..., Project],
    flask_db: FlaskDb,
    there_and_back: ThereAndBack,
    database_url: str,
    batch: bool,
) -> None:
    """A prefix for all tables, a reserved word among the names, in batch mode and outside."""
    quote = "`" if database_url.startswith(("mysql", "mariadb")) else '"'
    rows = [row.format(q=quote) for row in SHOP_ROWS]
    made = company(database_url, SHOP.format(""), rows, migrate_arguments=f"render_as_batch={batch}")
    made.write_models(SHOP.format("shop_"))
    flask_db(made, "migrate")
    assert len([line for line in body(made) if "rename_table" in line]) == 6
    there_and_back(made)
    assert made.execute("SELECT * FROM shop_line ORDER BY number") == [(7, 1, "bread"), (7, 2, "salt")]




@pytest.fixture
def conventional(company: t.Callable[..., Project]) -> t.Callable[..., Project]:
    """A project whose metadata has a naming convention."""
    convention = (
        '{"ix": "ix_%(table_name)s_%(column_0_N_name)s", "uq": "uq_%(table_name)s_%(column_0_N_name)s", '
        '"fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s", "pk": "pk_%(table_name)s", '
        '"ck": "ck_%(table_name)s_%(constraint_name)s"}'
    )
    arguments = f"metadata=__import__('sqlalchemy').MetaData(naming_convention={convention})"
    return lambda *args, **options: company(*args, db_arguments=arguments, **options)


def test_names_by_convention_follow(
    conventional: t.Callable[..., Project], flask_db: FlaskDb, there_and_back: ThereAndBack, database_url: str
) -> None:
    """Indexes, unique constraints and foreign keys that carry the old names get the new ones."""
    made = conventional(database_url)
    made.write_models(DEPARTMENTS.replace("address", "location").replace("head =", "leader ="))
    flask_db(made, "migrate", "--rename", "employees.address:location", "--rename", "department.head:leader")
    assert made.revision_files()[-1].name.endswith("_rename_department_to_departments_and_2_.py")
    there_and_back(made)
    names = str(content(made)[0]).replace("department_id", "")
    assert "department_" not in names and "_department'" not in names and "head" not in names


def test_what_postgresql_names_by_itself_follows(
    company: t.Callable[..., Project], flask_db: FlaskDb, there_and_back: ThereAndBack, postgres_url: str
) -> None:
    """Primary key, sequence, unique constraint and check of a table, and the enum types of its columns."""
    models = """
    class Department(db.Model):
        id = sa.Column(sa.Integer, primary_key=True)
        number = sa.Column(sa.Integer, sa.Identity(), unique=True)
        kind = sa.Column(sa.Enum("inner", "outer", name="department_kind"))
        places = sa.Column(sa.ARRAY(sa.Enum("here", "there", name="department_place")))
        size = sa.Column(sa.Integer, sa.CheckConstraint("size > 0", name="department_size_check"))
    """
    rows = ["INSERT INTO department (kind, places, size) VALUES ('outer', '{here,there}', 3)"]
    made = company(postgres_url, models, rows)
    renamed = models.replace("department_", "offices_").replace("size ", "area ")
    made.write_models(renamed.replace("Department(db.Model):", "Office(db.Model):\n        __tablename__ = 'offices'"))
    flask_db(made, "migrate", "--rename-table", "department:offices", "--rename", "department.size:area")
    there_and_back(made)
    assert made.execute("SELECT kind, places::text, area FROM offices") == [("outer", "{here,there}", 3)]
    assert "department" not in str(content(made)[0])
    made.execute("INSERT INTO offices (area) VALUES (1)")
    assert made.execute("SELECT max(id), max(number) FROM offices") == [(2, 2)]


def test_a_table_moves_to_another_schema(
    company: t.Callable[..., Project], flask_db: FlaskDb, there_and_back: ThereAndBack, postgres_url: str
) -> None:
    """PostgreSQL moves a table with its rows, its sequence and the foreign keys that refer to it."""
    made = company(postgres_url, migrate_arguments="include_schemas=True")
    made.execute("CREATE SCHEMA hr")
    made.write_models(
        DEPARTMENTS.replace('"departments.id"', '"hr.departments.id"').replace(
            '__tablename__ = "departments"', '__tablename__ = "departments"\n    __table_args__ = {"schema": "hr"}'
        )
    )
    flask_db(made, "migrate", "--rename-table", "department:hr.departments")
    there_and_back(made)
    assert made.execute("SELECT name FROM hr.departments ORDER BY id") == [("Research",), ("Sales",)]


def test_a_rename_in_a_second_database(
    project: MakeProject, flask_db: FlaskDb, there_and_back: ThereAndBack, database_url: str, sqlite_url: str
) -> None:
    """Each bind is compared with its own models; what is asked and said names it."""
    models = """
    class Employee(db.Model):
        id = sa.Column(sa.Integer, primary_key=True)
        name = sa.Column(sa.String(50))

    class Login(db.Model):
        __bind_key__ = "users"
        __tablename__ = "login"
        id = sa.Column(sa.Integer, primary_key=True)
        at = sa.Column(sa.DateTime)
        address = sa.Column(sa.String(50), index=True)
    """
    made = project(models, url=sqlite_url, binds={"users": database_url})
    flask_db(made, "init", "--multidb")
    flask_db(made, "migrate", "-m", "first")
    flask_db(made, "upgrade")
    made.execute("INSERT INTO login (id, address) VALUES (1, '10.0.0.1')", bind="users")
    made.write_models(models.replace('"login"', '"logins"').replace("address", "host"))
    asked = flask_db(made, "migrate", "--rename-table", "login:logins", status=2)
    assert "Did you rename the column login.address to logins.host?" in asked.stderr
    flask_db(made, "migrate", "--rename-table", "login:logins", "--rename", "login.address:host")
    there_and_back(made, "users")
    assert made.execute("SELECT id, host FROM logins", bind="users") == [(1, "10.0.0.1")]


def test_the_models_can_say_what_something_was_called(
    company: t.Callable[..., Project], flask_db: FlaskDb, there_and_back: ThereAndBack, database_url: str
) -> None:
    """``info={"renamed_from": ...}`` settles a table and a column; it may stay there afterwards."""
    made = company(database_url)
    made.write_models(
        COMPANY.replace("class Department(db.Model):", 'class Unit(db.Model):\n    __table_args__ = MARK')
        .replace("class Unit", 'MARK = {"info": {"renamed_from": "department"}}\n\nclass Unit')
        .replace('"department.id"', '"unit.id"')
        .replace('address = sa.Column(sa.String(50), server_default="nowhere")', LOCATION)
    )
    flask_db(made, "migrate")
    there_and_back(made)
    assert made.execute("SELECT location FROM employees ORDER BY id") == [("Main St",), (None,)]
    assert made.execute("SELECT name FROM unit ORDER BY id") == [("Research",), ("Sales",)]


LOCATION = 'location = sa.Column(sa.String(50), server_default="nowhere", info={"renamed_from": "address"})'


def test_a_new_column_takes_a_renamed_ones_name(
    company: t.Callable[..., Project], flask_db: FlaskDb, there_and_back: ThereAndBack, database_url: str
) -> None:
    """``head`` becomes ``leader`` and a new ``head`` comes: nothing vanished, so only an answer can tell."""
    made = company(database_url)
    made.write_models(COMPANY.replace("    head =", "    head = sa.Column(sa.Text)\n    leader ="))
    flask_db(made, "migrate", "--rename", "department.head:leader")
    there_and_back(made)
    assert made.execute("SELECT leader, head FROM department ORDER BY id") == [("Ada", None), (None, None)]


def test_names_that_go_round(
    company: t.Callable[..., Project], flask_db: FlaskDb, there_and_back: ThereAndBack, database_url: str
) -> None:
    """Two tables, and two columns, swap their names: one of them steps aside for a moment."""
    models = """
    class A(db.Model):
        __tablename__ = "one"
        id = sa.Column(sa.Integer, primary_key=True)
        x = sa.Column(sa.String(30), index=True)
        y = sa.Column(sa.Date)

    class B(db.Model):
        __tablename__ = "two"
        id = sa.Column(sa.Integer, primary_key=True)
        one_id = sa.Column(sa.ForeignKey("one.id"))
    """
    rows = ["INSERT INTO one (id, x, y) VALUES (1, 'a', '2024-02-29')", "INSERT INTO two (id, one_id) VALUES (5, 1)"]
    made = company(database_url, models, rows)
    names = {'"one"': '"two"', '"two"': '"one"', '"one.id"': '"two.id"', "    x =": "    y =", "    y =": "    x ="}
    made.write_models(re.sub("|".join(names), lambda found: names[found[0]], models))
    answers = ["--rename-table", "one:two", "--rename-table", "two:one", "--rename", "two.x:y", "--rename", "two.y:x"]
    flask_db(made, "migrate", *answers)
    there_and_back(made)
    assert made.execute("SELECT id, y FROM two") == [(1, "a")]
    assert made.execute("SELECT id, one_id FROM one") == [(5, 1)]


def test_nothing_of_a_columns_definition_is_lost(
    company: t.Callable[..., Project], flask_db: FlaskDb, there_and_back: ThereAndBack, database_url: str
) -> None:
    """Checks, collations, comments, generated columns, defaults of all sorts: MariaDB has to repeat most of them."""
    collation = {"p": "C", "s": "NOCASE", "m": "utf8mb4_bin"}[database_url[0]]
    models = f"""
    class Thing(db.Model):
        id = sa.Column(sa.Integer, primary_key=True)
        size1 = sa.Column(sa.Integer, sa.CheckConstraint("size1 > 0", name="positive"), comment="it's 100% x")
        twice1 = sa.Column(sa.Integer, sa.Computed("size1 * 2", persisted=True))
        text1 = sa.Column(sa.String(30, collation={collation!r}), server_default="10%: 'a' :b")
        when1 = sa.Column(sa.DateTime, server_default=sa.func.now(), nullable=False)
        flag1 = sa.Column(sa.Boolean, nullable=False, server_default=sa.true())
        json1 = sa.Column(sa.JSON)
        code1 = sa.Column(sa.Numeric(10, 3), server_default="1.5", unique=True)
        enum1 = sa.Column(sa.Enum("a", "b", name="letters"))
    """
    made = company(database_url, models, ["INSERT INTO thing (id, size1, json1, enum1) VALUES (1, 2, '[1]', 'b')"])
    made.write_models(re.sub(r"(size|twice|text|when|flag|json|code|enum)1", r"\g<1>2", models))
    columns = ("size", "twice", "text", "when", "flag", "json", "code", "enum")
    flask_db(made, "migrate", *(word for name in columns for word in ("--rename", f"thing.{name}1:{name}2")))
    there_and_back(made)
    assert made.execute("SELECT size2, twice2, code2, enum2 FROM thing") == [(2, 4, 1.5, "b")]


def test_a_certain_rename_can_be_denied(company: t.Callable[..., Project], flask_db: FlaskDb, sqlite_url: str) -> None:
    """``--drop`` says that a table, or a column, is no other one's former name."""
    made = company(sqlite_url)
    made.write_models(DEPARTMENTS)
    result = flask_db(made, "migrate", "--drop", "department")
    assert result.stderr == "Drops the table department: 2 rows.\n"
    assert "rename table" not in result.stdout
    assert made.revision_files()[-1].name.endswith("_create_departments_drop_foreign_key_of_.py")


def test_sequences_that_the_models_name(
    company: t.Callable[..., Project], flask_db: FlaskDb, there_and_back: ThereAndBack, postgres_url: str
) -> None:
    """A sequence is renamed with its table if the models now call it so, and goes on counting."""
    models = """
    class Ticket(db.Model):
        number = sa.Column(sa.Integer, sa.Sequence("ticket_number_seq", metadata=db.metadata), primary_key=True)
        title = sa.Column(sa.String(30))
    """
    made = company(postgres_url, "", [])
    made.execute("CREATE SEQUENCE ticket_number_seq")
    made.write_models(models)
    flask_db(made, "migrate")
    flask_db(made, "upgrade")
    made.execute("INSERT INTO ticket VALUES (nextval('ticket_number_seq'), 'one')")
    made.write_models(models.replace("class Ticket", "class Case").replace("ticket_", "case_"))
    flask_db(made, "migrate", "--rename-table", "ticket:case")
    there_and_back(made)
    assert made.execute("SELECT nextval('case_number_seq')") == [(2,)]


def test_questions_about_several_databases_come_together(
    project: MakeProject, flask_db: FlaskDb, sqlite_url: str
) -> None:
    """Each question names its own tables; one run asks for all databases."""
    visit = '\nclass Visit(db.Model):\n    __bind_key__ = "users"\n    id = sa.Column(sa.Integer, primary_key=True)\n'
    models = COMPANY + visit + "    origin = sa.Column(sa.String(7))\n"
    made = project(models, binds={"users": sqlite_url})
    flask_db(made, "init")
    flask_db(made, "migrate", "-m", "first")
    flask_db(made, "upgrade")
    made.write_models(models.replace("address", "location").replace("origin", "country"))
    result = flask_db(made, "migrate", status=2)
    assert "Did you rename the column employees.address to employees.location?" in result.stderr
    assert "Did you rename the column visit.origin to visit.country?" in result.stderr
    flask_db(made, "migrate", "--rename", "employees.address:location", "--rename", "visit.origin:country")
    flask_db(made, "upgrade")
    assert flask_db(made, "migrate").stdout == "No changes in schema detected.\n"
