"""Drops are said out loud, and what is none is not dropped: forgotten models, other people's tables, our own."""

from __future__ import annotations

import typing as t

import pytest

from flask_schemaflow.autogenerate import stakes
from flask_schemaflow.autogenerate.foreign_tables import KNOWN
from flask_schemaflow.autogenerate.foreign_tables import matches
from flask_schemaflow.autogenerate.missing_models import tables_defined
from flask_schemaflow.runtime.own_tables import OWN_TABLES
from tests.autogenerate.conftest import content
from tests.autogenerate.conftest import ThereAndBack
from tests.conftest import FlaskDb
from tests.conftest import MakeProject
from tests.support.application import Project

EMPLOYEE = """
class Employee(db.Model):
    id = sa.Column(sa.Integer, primary_key=True)
    name = sa.Column(sa.String(50), nullable=False)
"""
FAX = "    fax = sa.Column(sa.String(20))\n"
MACHINE = """
class Machine(db.Model):
    id = sa.Column(sa.Integer, primary_key=True)
    label = sa.Column(sa.String(20), index=True)
"""
BEFORE = EMPLOYEE + FAX + MACHINE
VALUES = "(1, 'Bob', '123'), (2, 'Eve', NULL), (3, 'Ida', NULL), (4, 'Jo', '456')"
Make = t.Callable[..., Project]


@pytest.fixture
def migrated(project: MakeProject, flask_db: FlaskDb) -> Make:
    """Make a project whose database is up to date."""

    def make(url: str | None = None, models: str = BEFORE, **options: t.Any) -> Project:
        made = project(models, url=url, **options)
        flask_db(made, "init")
        flask_db(made, "migrate", "-m", "first")
        flask_db(made, "upgrade")
        return made

    return make


def test_drops_are_named_with_what_is_at_stake(migrated: Make, flask_db: FlaskDb, database_url: str) -> None:
    """Rows and values that are not NULL, in the output; a comment in the file, both ways."""
    made = migrated(database_url)
    made.execute(f"INSERT INTO employee (id, name, fax) VALUES {VALUES}")
    made.execute("INSERT INTO machine (id) VALUES (1)")
    before = content(made)
    made.write_models(EMPLOYEE)
    result = flask_db(made, "migrate")
    assert result.stderr == "Drops table machine: 1 row.\nDrops employee.fax: 2 values.\n"
    assert "  drop table machine\n" in result.stdout and "  drop column employee.fax\n" in result.stdout
    text = made.revision_files()[-1].read_text("utf-8")
    up, _, down = text.partition("def downgrade")
    assert "    # Drops table machine with all of its rows.\n    op.drop_table('machine')\n" in up
    assert "# Drops employee.fax with all of its values.\n" in up
    assert "    # Creates table machine anew; its rows are not there any more.\n    op.create_table('machine'" in down
    assert "# Adds employee.fax again, without the values that it had.\n" in down
    flask_db(made, "upgrade")
    assert made.execute("SELECT name FROM employee ORDER BY id") == [("Bob",), ("Eve",), ("Ida",), ("Jo",)]
    flask_db(made, "downgrade")
    assert content(made)[0] == before[0]


def test_a_drop_beside_an_addition_says_how_to_rename(migrated: Make, flask_db: FlaskDb) -> None:
    """Where the detector saw nothing, the reader may."""
    made = migrated()
    made.write_models(EMPLOYEE + "    extension = sa.Column(sa.LargeBinary)\n" + MACHINE)
    result = flask_db(made, "migrate", "--dry-run")
    assert result.stderr == "Drops employee.fax: no values. If it was renamed: --rename employee.fax:extension\n"
    made.write_models(EMPLOYEE + FAX + "class Unlike(db.Model):\n    a = sa.Column(sa.Date, primary_key=True)\n")
    result = flask_db(made, "migrate", "--dry-run")
    assert result.stderr == "Drops table machine: no rows. If it was renamed: --rename-table machine:unlike\n"


def test_a_drop_in_a_second_database_names_it(project: MakeProject, flask_db: FlaskDb, sqlite_url: str) -> None:
    """A bind's tables may have the names of others."""
    login = '\nclass Login(db.Model):\n    __bind_key__ = "users"\n    id = sa.Column(sa.Integer, primary_key=True)\n'
    old = '\nclass Visit(db.Model):\n    __bind_key__ = "users"\n    id = sa.Column(sa.Integer, primary_key=True)\n'
    made = project(EMPLOYEE + login + old, binds={"users": sqlite_url})
    flask_db(made, "init")
    flask_db(made, "migrate")
    flask_db(made, "upgrade")
    made.write_models(EMPLOYEE + login)
    assert flask_db(made, "migrate").stderr == "Drops table visit of the database users: no rows.\n"


def test_counting_stops_at_a_limit(
    migrated: Make, flask_db: FlaskDb, monkeypatch: pytest.MonkeyPatch, database_url: str
) -> None:
    """A table of any size is looked at for as many rows as the limit says."""
    monkeypatch.setattr(stakes, "LIMIT", 3)
    made = migrated(database_url)
    made.execute(f"INSERT INTO employee (id, name, fax) VALUES {VALUES}")
    with made.connect() as connection:
        assert stakes.rows(connection, (None, "employee")) == stakes.Stake(3, exact=False)
        found = stakes.values(connection, (None, "employee"), ["id", "fax"])
        assert found["id"].words("value") == "at least 3 values"
        assert stakes.rows(connection, (None, "nowhere")) is None
        # The refusal above didn't end the transaction.
        assert stakes.rows(connection, (None, "machine")) == stakes.Stake(0)


# -- forgotten models --------------------------------------------------------------------------------


def test_forgotten_models_stop_everything(migrated: Make, flask_db: FlaskDb, database_url: str) -> None:
    """No model was imported: nothing is written, and the module is named."""
    made = migrated(database_url)
    made.write_models("")
    made.write("shop/staff.py", "import sqlalchemy as sa\nfrom shop import db\n" + BEFORE)
    result = flask_db(made, "migrate", status=1)
    assert result.stderr == (
        "Error [SF604]: The default database would lose all of its tables, because no model was imported: "
        "employee, machine. Nothing was written.\n\n"
        "These modules look like models and were not imported:\n"
        "    shop.staff (employee, machine)\n\n"
        "Import them where the application is made, for example: import shop.staff\n"
        "If the tables are to go all the same: `flask db migrate --allow-drops`, or --drop TABLE for one of them. "
        "If they belong to somebody else, name them in SCHEMAFLOW_IGNORE_TABLES.\n"
    )
    assert len(made.revision_files()) == 1


def test_drops_can_be_allowed(migrated: Make, flask_db: FlaskDb) -> None:
    """``--allow-drops`` goes on, and so does naming every table."""
    made = migrated()
    made.write_models("")
    flask_db(made, "migrate", "--drop", "employee", "--drop", "machine", "--dry-run")
    flask_db(made, "migrate", "--drop", "employee", "--dry-run", status=1)
    flask_db(made, "migrate", "--allow-drops")
    flask_db(made, "upgrade")
    assert set(content(made)[1]) == set()


def test_one_forgotten_module_is_noticed(migrated: Make, flask_db: FlaskDb) -> None:
    """Some models are there, and a module that nobody imports defines the table that would go."""
    made = migrated()
    made.write_models(EMPLOYEE + FAX)
    made.write("shop/plant/__init__.py", "")
    made.write(
        "shop/plant/models.py",
        "from shop import db\n\nclass Machine(db.Model):\n    id: 'Mapped[int]' = db.mapped_column(primary_key=True)\n",
    )
    result = flask_db(made, "migrate", status=1)
    assert result.stderr.startswith(
        "Error [SF605]: The table machine would be dropped, only because the model was not imported. "
        "Nothing was written.\n"
    )
    assert "    shop.plant.models (machine)\n" in result.stderr
    flask_db(made, "migrate", "--drop", "machine")


def test_other_models_for_the_same_database(migrated: Make, flask_db: FlaskDb) -> None:
    """Models that share no table with the database belong to another application, or the other way round."""
    made = migrated()
    made.write_models("class Ship(db.Model):\n    draught = sa.Column(sa.Numeric(5, 2), primary_key=True)\n")
    result = flask_db(made, "migrate", status=1)
    assert "would lose all of its tables, because none of them has a model: employee, machine." in result.stderr


@pytest.mark.parametrize(
    ("source", "tables"),
    [
        ("class User(db.Model):\n    id = db.Column()\n", ("user",)),
        ("class HTTPLog(Base):\n    id: Mapped[int]\n", ("http_log",)),
        ("class User(Whatever):\n    __tablename__ = 'people'\n", ("people",)),
        ("class User(Whatever):\n    __tablename__: str = 'people'\n", ("people",)),
        ("people = sa.Table('people', metadata, sa.Column('id'))\n", ("people",)),
        ("class Form(Base):\n    name = StringField()\n", None),
        ("class Plain:\n    id = Column()\n", None),
        ("def broken(:\n", None),
        ("text = 'class User(db.Model): pass'\n", None),
    ],
)
def test_what_looks_like_models(tmp_path: t.Any, source: str, tables: t.Any) -> None:
    """Files are read and never run."""
    path = tmp_path / "module.py"
    path.write_text(source, "utf-8")
    assert tables_defined(path) == tables


# -- tables of others --------------------------------------------------------------------------------


def test_tables_of_others_are_left_alone(
    migrated: Make, flask_db: FlaskDb, there_and_back: ThereAndBack, database_url: str
) -> None:
    """Patterns of the setting, known tools and our own tables: by ``migrate`` and by ``check``."""
    made = migrated(database_url, config={"SCHEMAFLOW_IGNORE_TABLES": ["audit_*"]})
    theirs = ["audit_2024", "audit_2025", "celery_taskmeta", "spatial_ref_sys", "django_migrations", *OWN_TABLES]
    for name in theirs:
        made.execute(f"CREATE TABLE {name} (id INTEGER)")
    assert flask_db(made, "check").stdout == "No new upgrade operations detected.\n"
    assert flask_db(made, "migrate").stdout == "No changes in schema detected.\n"
    made.execute("CREATE TABLE mine (id INTEGER)")
    assert "drop table mine" in flask_db(made, "check", status=1).stderr


def test_a_model_makes_a_known_name_ones_own(migrated: Make, flask_db: FlaskDb, database_url: str) -> None:
    """A project may have a table that a tool would call so too; a pattern of the setting is stronger than a model."""
    models = EMPLOYEE + "\nclass SchemaMigrations(db.Model):\n    id = sa.Column(sa.Integer, primary_key=True)\n"
    made = migrated(database_url, models)
    assert "schema_migrations" in content(made)[1]
    made.write_models(models + "    note = sa.Column(sa.Text)\n")
    assert "add column schema_migrations.note" in flask_db(made, "check", status=1).stderr
    made.write_app(config={"SCHEMAFLOW_IGNORE_TABLES": "schema_migrations"})
    assert flask_db(made, "check").stdout == "No new upgrade operations detected.\n"


def test_filters_of_the_user_stay(migrated: Make, flask_db: FlaskDb) -> None:
    """``include_name`` and ``include_object`` run beside ours and see what ours let through."""
    seen = "lambda name, kind, parents: print('name', name) or name != 'legacy'"
    objects = "lambda item, name, kind, *rest: print('object', name) or name != 'old_things'"
    made = migrated(migrate_arguments=f"include_name={seen}, include_object={objects}")
    for name in ("legacy", "old_things", "celery_taskmeta"):
        made.execute(f"CREATE TABLE {name} (id INTEGER)")
    result = flask_db(made, "check")
    assert "name legacy" in result.stdout and "object old_things" in result.stdout
    assert "celery_taskmeta" not in result.stdout and "object legacy" not in result.stdout


def test_what_postgresql_knows_to_be_an_extensions(migrated: Make, flask_db: FlaskDb, postgres_url: str) -> None:
    """A table that belongs to an extension, whatever its name, and the partitions of a table."""
    models = EMPLOYEE + """
class Reading(db.Model):
    __table_args__ = {"postgresql_partition_by": "RANGE (id)"}
    id = sa.Column(sa.Integer, primary_key=True)
"""
    made = migrated(postgres_url, models)
    made.execute("CREATE TABLE reading_2024 PARTITION OF reading FOR VALUES FROM (1) TO (9)")
    made.execute("CREATE EXTENSION pg_trgm")
    made.execute("CREATE TABLE trigram_words (word text)")
    assert "drop table trigram_words" in flask_db(made, "check", status=1).stderr
    made.execute("ALTER EXTENSION pg_trgm ADD TABLE trigram_words")
    assert flask_db(made, "check").stdout == "No new upgrade operations detected.\n"


def test_virtual_tables_of_sqlite(migrated: Make, flask_db: FlaskDb) -> None:
    """A full-text index is a table with shadows, and belongs to no model."""
    made = migrated()
    made.execute("CREATE VIRTUAL TABLE words USING fts5(word)")
    assert flask_db(made, "migrate").stdout == "No changes in schema detected.\n"


def test_patterns() -> None:
    """A pattern without a dot is about every schema, one with a dot about one."""
    assert matches((None, "spatial_ref_sys"), KNOWN) and matches(("topology", "layer"), KNOWN)
    assert matches(("gis", "roads"), ["gis.*"]) and matches(("gis", "roads"), ["roads"])
    assert not matches((None, "roads"), ["gis.*"]) and not matches((None, "layer"), KNOWN)
