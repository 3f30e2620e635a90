"""Drops are said out loud, and what is none is not dropped: forgotten models, other people's tables, our own."""

from __future__ import annotations

import typing as t

import pytest

from flask_schemaflow.autogenerate.missing_models import tables_defined
from flask_schemaflow.autogenerate.reflection import row_counts
from flask_schemaflow.autogenerate.reflection.foreign_tables import KNOWN
from flask_schemaflow.autogenerate.reflection.foreign_tables import matches
from flask_schemaflow.runtime.own_tables import OWN_TABLES

from ...conftest import FlaskDb
from ...conftest import MakeProject
from ...support.application import Project
from ..conftest import content
from ..conftest import output
from ..conftest import ThereAndBack

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
    result = flask_db(made, "migrate", "--allow-drops")
    assert result.stderr == "Drops the table machine: 1 row.\nDrops employee.fax: 2 values.\n"
    assert "  drop table machine\n" in result.stdout and "  drop column employee.fax\n" in result.stdout
    text = made.revision_files()[-1].read_text("utf-8")
    up, _, down = text.partition("def downgrade")
    assert '    # Drop the table machine and its rows.\n    op.drop_table("machine")\n' in up
    assert "# Drop the column employee.fax and its values.\n" in up
    assert "    # Recreate the table machine without its rows.\n    op.create_table(\n" in down
    assert "# Restore the column employee.fax without its values.\n" in down
    flask_db(made, "upgrade")
    assert made.execute("SELECT name FROM employee ORDER BY id") == [("Bob",), ("Eve",), ("Ida",), ("Jo",)]
    flask_db(made, "downgrade")
    assert content(made)[0] == before[0]


def test_a_drop_that_loses_something_needs_an_answer(migrated: Make, flask_db: FlaskDb, database_url: str) -> None:
    """Without a terminal nothing is written before each drop is agreed to; options that are named answer."""
    made = migrated(database_url)
    made.execute(f"INSERT INTO employee (id, name, fax) VALUES {VALUES}")
    made.execute("INSERT INTO machine (id) VALUES (1)")
    made.write_models(EMPLOYEE + "    extension = sa.Column(sa.LargeBinary)\n")
    result = flask_db(made, "migrate", status=2)
    lines = [line.strip() for line in result.stderr.splitlines()]
    at = lines.index("Drop the table machine and its 1 row?")
    assert lines[at + 1 : at + 3] == [
        "--drop machine  drop the table and its rows",
        "--keep machine  leave the table in the database",
    ]
    at = lines.index("Drop the column employee.fax and its 2 values?")
    assert lines[at + 1 : at + 4] == [
        "--drop employee.fax              drop the column and its values",
        "--rename employee.fax:extension  rename the column and keep its values",
        "--keep employee.fax              leave the column in the database",
    ]
    assert len(made.revision_files()) == 1
    renamed_to_itself = ["--rename-table", "machine:machine", "--rename", "employee.fax:fax", "--dry-run"]
    assert "Keeps table machine" in flask_db(made, "migrate", *renamed_to_itself).stderr
    result = flask_db(made, "migrate", "--keep", "machine", "--keep", "employee.fax")
    assert "Keeps table machine, which has no model.\nKeeps employee.fax, which is not in the model." in result.stderr
    flask_db(made, "upgrade")
    assert made.execute("SELECT fax FROM employee WHERE id = 1") == [("123",)]
    flask_db(made, "migrate", status=2)
    flask_db(made, "migrate", "--drop", "machine", "--drop", "employee.fax")
    flask_db(made, "upgrade")
    assert "machine" not in content(made)[1]


def test_a_terminal_is_asked_about_a_drop(migrated: Make) -> None:
    """Enter keeps it; a drop without rows is not asked about."""
    made = migrated()
    made.execute(f"INSERT INTO employee (id, name, fax) VALUES {VALUES}")
    made.write_models(EMPLOYEE)
    screen = made.terminal("db", "migrate", typed=[("Drop the column employee.fax and its 2 values? [y/N]", "\n")])
    assert screen.returncode == 0
    assert "Keeps employee.fax, which is not in the model." in screen.text
    assert "Drops the table machine: no rows." in screen.text
    made.revision_files()[-1].unlink()
    screen = made.terminal("db", "migrate", typed=[("Drop the column employee.fax and its 2 values? [y/N]", "y\n")])
    assert "Drops employee.fax: 2 values." in screen.text


def test_an_answer_that_keeps_nothing_is_a_slip(migrated: Make, flask_db: FlaskDb) -> None:
    """A table or column that the models have needs no such answer."""
    made = migrated()
    made.write_models(EMPLOYEE + MACHINE)
    assert "matches no difference" in flask_db(made, "migrate", "--rename", "employee.name:name", status=2).stderr
    assert "matches no difference" in flask_db(made, "migrate", "--rename-table", "employee:employee", status=2).stderr
    assert "--keep employee matches no difference" in flask_db(made, "migrate", "--keep", "employee", status=2).stderr
    result = flask_db(made, "migrate", "--keep", "employee.fax", "--drop", "employee.fax", status=2)
    assert "employee.fax is both kept and dropped." in result.stderr
    assert "Remove --keep employee.fax or --drop employee.fax." in result.stderr


def test_a_drop_in_a_second_database_names_it(project: MakeProject, flask_db: FlaskDb, sqlite_url: str) -> None:
    """A bind's tables may have the names of others."""
    login = '\nclass Login(db.Model):\n    __bind_key__ = "users"\n    id = sa.Column(sa.Integer, primary_key=True)\n'
    old = '\nclass Visit(db.Model):\n    __bind_key__ = "users"\n    id = sa.Column(sa.Integer, primary_key=True)\n'
    made = project(EMPLOYEE + login + old, binds={"users": sqlite_url})
    flask_db(made, "init")
    flask_db(made, "migrate")
    flask_db(made, "upgrade")
    made.write_models(EMPLOYEE + login)
    assert flask_db(made, "migrate").stderr == "Drops the table visit of the database users: no rows.\n"


def test_counting_stops_at_a_limit(
    migrated: Make, flask_db: FlaskDb, monkeypatch: pytest.MonkeyPatch, database_url: str
) -> None:
    """A table of any size is looked at for as many rows as the limit says."""
    monkeypatch.setattr(row_counts, "LIMIT", 3)
    made = migrated(database_url)
    made.execute(f"INSERT INTO employee (id, name, fax) VALUES {VALUES}")
    with made.connect() as connection:
        assert row_counts.rows(connection, (None, "employee")) == row_counts.Count(3, exact=False)
        found = row_counts.values(connection, (None, "employee"), ["id", "fax"])
        assert found["id"].words("value") == "at least 3 values"
        assert row_counts.rows(connection, (None, "nowhere")) is None
        # The refusal above didn't end the transaction.
        assert row_counts.rows(connection, (None, "machine")) == row_counts.Count(0)


# -- forgotten models --------------------------------------------------------------------------------


def test_forgotten_models_stop_everything(migrated: Make, flask_db: FlaskDb, database_url: str) -> None:
    """No model was imported: nothing is written, and the module is named."""
    made = migrated(database_url)
    made.write_models("")
    made.write("shop/staff.py", "import sqlalchemy as sa\nfrom shop import db\n" + BEFORE)
    result = flask_db(made, "migrate", status=1)
    assert result.stderr == (
        "Error [SF604]: `migrate` would drop all tables of the default database because no model is imported: "
        "employee, machine. Nothing was written.\n\n"
        "These modules look like models but are not imported:\n"
        "    shop.staff (employee, machine)\n\n"
        "Import them in your application factory, for example: import shop.staff\n"
        "To drop the tables anyway, run `flask db migrate --allow-drops` or use --drop TABLE for one.\n"
        "If another application owns them, add them to SCHEMAFLOW_IGNORE_TABLES.\n"
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
        "Error [SF605]: `migrate` would drop the table machine because the model is not imported. "
        "Nothing was written.\n"
    )
    assert "    shop.plant.models (machine)\n" in result.stderr
    flask_db(made, "migrate", "--drop", "machine")


def test_other_models_for_the_same_database(migrated: Make, flask_db: FlaskDb) -> None:
    """Models that share no table with the database belong to another application, or the other way round."""
    made = migrated()
    made.write_models("class Ship(db.Model):\n    draught = sa.Column(sa.Numeric(5, 2), primary_key=True)\n")
    result = flask_db(made, "migrate", status=1)
    told = "would drop all tables of the default database because no model matches them: employee, machine."
    assert told in result.stderr


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
        made.execute(f"CREATE TABLE IF NOT EXISTS {name} (id INTEGER)")
    assert flask_db(made, "check").stdout == "No new upgrade operations detected.\n"
    assert flask_db(made, "migrate").stdout == "No changes in schema detected.\n"
    made.write_models(EMPLOYEE + FAX)
    assert "drop table machine" in flask_db(made, "check", status=1).stderr


def test_tables_that_no_revision_created_are_left_alone(migrated: Make, flask_db: FlaskDb, database_url: str) -> None:
    """A table of a message queue or of a tool nobody has heard of stays, with its indexes, until it is named."""
    made = migrated(database_url)
    for name in ("kombu_queue", "_litestream_seq", "outbox"):
        made.execute(f"CREATE TABLE {name} (id INTEGER, label VARCHAR(20))")
    made.execute("CREATE INDEX ix_outbox_label ON outbox (label)")
    made.execute("INSERT INTO outbox (id) VALUES (1)")
    checked = flask_db(made, "check")
    assert checked.stdout == "No new upgrade operations detected.\n"
    result = flask_db(made, "migrate")
    assert result.stdout == "No changes in schema detected.\n"
    assert checked.stderr == result.stderr == (
        "Leaves _litestream_seq, kombu_queue, outbox alone, because no revision of this folder created them. "
        "To drop such a table: `flask db migrate --drop _litestream_seq`\n"
    )
    assert flask_db(made, "check", "--json").stdout == "[]\n"
    made.write_models(BEFORE + "    note = sa.Column(sa.Text)\n")
    flask_db(made, "migrate", "--drop", "outbox")
    flask_db(made, "upgrade")
    assert {"kombu_queue", "_litestream_seq"} <= set(content(made)[1]) and "outbox" not in content(made)[1]


@pytest.mark.parametrize(
    ("code", "is_ours"),
    [
        ('op.execute("CREATE TABLE outbox (id INTEGER)")', True),
        ('op.create_table("outbox", sa.Column("id", sa.Integer))', True),
        ('for name in ("inbox", "outbox"):\n        op.create_table(name, sa.Column("id", sa.Integer))', True),
        ('op.create_table("box", sa.Column("id", sa.Integer))\n    op.rename_table("box", "outbox")', True),
        ("sa.MetaData().create_all(op.get_bind())", True),
        ('"""Nothing about the outbox."""\n    op.execute("SELECT 1")', False),
        ("op.execute(\"UPDATE employee SET name = 'outboxes'\")", False),
    ],
)
def test_tables_that_a_revision_creates_are_dropped(
    migrated: Make, flask_db: FlaskDb, code: str, is_ours: bool
) -> None:
    """A revision may create a table in many ways; where a file names it in SQL, it counts as created."""
    made = migrated()
    flask_db(made, "revision", "-m", "by hand")
    path = made.revision_files()[-1]
    text = path.read_text("utf-8").replace("import sqlalchemy as sa", "import sqlalchemy as sa\n")
    path.write_text(text.replace("    pass", f"    {code}", 1), "utf-8")
    flask_db(made, "upgrade")
    made.execute("CREATE TABLE IF NOT EXISTS outbox (id INTEGER)")
    assert ("drop table outbox" in output(flask_db(made, "check", status=int(is_ours)))) is is_ours


def test_a_drop_in_a_downgrade_makes_no_owner(migrated: Make, flask_db: FlaskDb) -> None:
    """A revision that once dropped another program's table would create it again; that doesn't count."""
    made = migrated()
    made.execute("CREATE TABLE outbox (id INTEGER)")
    flask_db(made, "migrate", "--drop", "outbox")
    flask_db(made, "upgrade")
    made.execute("CREATE TABLE outbox (id INTEGER)")
    assert flask_db(made, "check").stdout == "No new upgrade operations detected.\n"


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


def test_filters_of_the_user_keep_an_exclude_constraint(
    migrated: Make, flask_db: FlaskDb, postgres_url: str
) -> None:
    """SQLAlchemy reflects none, so the filters get a stand-in with its name and table."""
    made = migrated(postgres_url)
    made.execute("ALTER TABLE employee ADD CONSTRAINT one_number EXCLUDE USING btree (id WITH =)")
    assert "drop constraint one_number of employee" in flask_db(made, "check", status=1).stderr
    by_name = "include_name=lambda name, kind, parents: (name, parents.get('table_name')) != ('one_number', 'employee')"
    by_object = "include_object=lambda item, name, kind, *rest: name != 'one_number' or item.table.name != 'employee'"
    hidden = "include_object=lambda item, name, kind, reflected, other: not reflected or other is not None"
    for filters in (by_name, by_object, hidden):
        made.write_app(migrate_arguments=filters)
        assert flask_db(made, "check").stdout == "No new upgrade operations detected.\n"


def test_what_postgresql_knows_to_be_an_extensions(migrated: Make, flask_db: FlaskDb, postgres_url: str) -> None:
    """A table that belongs to an extension, whatever its name, and the partitions of a table."""
    models = (
        EMPLOYEE
        + """
class Reading(db.Model):
    __table_args__ = {"postgresql_partition_by": "RANGE (id)"}
    id = sa.Column(sa.Integer, primary_key=True)
"""
    )
    made = migrated(postgres_url, models)
    made.execute("CREATE TABLE reading_2024 PARTITION OF reading FOR VALUES FROM (1) TO (9)")
    made.execute("CREATE EXTENSION pg_trgm")
    flask_db(made, "revision", "-m", "words")
    path = made.revision_files()[-1]
    statement = 'op.execute("CREATE TABLE trigram_words (word text)")'
    path.write_text(path.read_text("utf-8").replace("    pass", f"    {statement}", 1), "utf-8")
    flask_db(made, "upgrade")
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
