"""What a run writes into the version table, and when it refuses to."""

from __future__ import annotations

import importlib.util
import typing as t

import pytest
import sqlalchemy as sa

import flask_schemaflow
from flask_schemaflow.errors import ChangedMeanwhile
from flask_schemaflow.errors import HistoryEmptied
from flask_schemaflow.errors import RevisionIdsAlike
from flask_schemaflow.errors import RevisionIdTooLong
from flask_schemaflow.errors import SchemaflowError
from flask_schemaflow.errors import SchemaWithoutHistory
from flask_schemaflow.revisions.calls import calls_of
from flask_schemaflow.revisions.calls import UNSEEN

from ...conftest import MakeDatabase
from ...conftest import MakeProject
from ...conftest import WriteRepository
from ...support.application import Project
from ...support.dumps import VERSION_TABLES
from ...support.servers import Kind

LONG = "f" * 33
TABLE = 'op.create_table("parent", sa.Column("id", sa.Integer, primary_key=True))'
INSIDE = """
with op.get_context().autocommit_block():
    if op.get_bind().dialect.name == "sqlite":
        op.execute("INSERT INTO alembic_version VALUES ('zzz9')")
    else:
        engine = sa.create_engine({url!r}, poolclass=sa.pool.NullPool)
        with engine.begin() as other:
            other.execute(sa.text("INSERT INTO alembic_version VALUES ('zzz9')"))
"""


class MakeShop(t.Protocol):
    """``shop(url, **options)``: a project with an empty migrations folder; the test goes on in its folder."""

    def __call__(self, url: str, **options: t.Any) -> Project: ...


@pytest.fixture
def shop(project: MakeProject, monkeypatch: pytest.MonkeyPatch) -> MakeShop:
    """A function that makes a project with an empty migrations folder."""

    def make(url: str, **options: t.Any) -> Project:
        made = project(url=url, **options)
        monkeypatch.chdir(made.root)
        with made.app().app_context():
            flask_schemaflow.init()
        return made

    return make


def upgrade(project: Project, revision: str = "head") -> flask_schemaflow.records.Report:
    """Upgrade in this process."""
    with project.app().app_context():
        return flask_schemaflow.upgrade(revision=revision)


def refused(project: Project, kind: type[SchemaflowError], revision: str = "head") -> SchemaflowError:
    """The error of an upgrade that must not run anything."""
    with pytest.raises(kind) as caught:
        upgrade(project, revision)
    assert "parent" not in sa.inspect(project.engine()).get_table_names()
    return caught.value


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("postgresql", "ALTER COLUMN version_num TYPE VARCHAR(64)"),
        ("mariadb", "MODIFY version_num VARCHAR(64) NOT NULL"),
    ],
)
def test_an_id_that_does_not_fit_is_refused_first(
    shop: MakeShop, make_database: MakeDatabase, kind: Kind, change: str
) -> None:
    """Not one revision runs; the statement of the hint, run as it stands, lets the next upgrade through."""
    made = shop(make_database(kind))
    with made.app().app_context():
        flask_schemaflow.ensure_version()
    made.write_revision("aaa1", None, TABLE)
    made.write_revision(LONG, "aaa1")
    error = refused(made, RevisionIdTooLong)
    assert error.message == (
        f"The revision id {LONG} has 33 characters; the version table of the default database takes 32."
    )
    assert error.hint == (
        f"Widen its column:\n    ALTER TABLE alembic_version {change};\n"
        "or give the revision a shorter id, in its file and where others name it."
    )
    made.execute(f"ALTER TABLE alembic_version {change}")
    assert upgrade(made).revisions == ("aaa1", LONG)
    assert made.execute("SELECT version_num FROM alembic_version") == [(LONG,)]


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_a_version_table_of_this_run_has_room(shop: MakeShop, make_database: MakeDatabase, kind: Kind) -> None:
    """The run that has Alembic make the table widens its column, so that a new database takes any history."""
    made = shop(make_database(kind))
    made.write_revision("aaa1", None, TABLE)
    made.write_revision(LONG, "aaa1")
    assert upgrade(made).revisions == ("aaa1", LONG)
    assert made.execute("SELECT version_num FROM alembic_version") == [(LONG,)]


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("postgresql", "op.execute('ALTER TABLE alembic_version ALTER COLUMN version_num TYPE VARCHAR(64)')"),
        (
            "mariadb",
            "op.alter_column('alembic_version', 'version_num', existing_type=sa.String(32), type_=sa.String(64), "
            "existing_nullable=False)",
        ),
    ],
)
def test_a_revision_that_widens_the_column_itself_is_trusted(
    shop: MakeShop, make_database: MakeDatabase, kind: Kind, change: str
) -> None:
    """Its own id and those after it may be longer, as with Flask-Migrate; what is too long even then is refused."""
    made = shop(make_database(kind))
    made.write_revision("aaa1", None, TABLE)
    assert upgrade(made).revisions == ("aaa1",)
    made.write_revision(LONG, "aaa1", change)
    made.write_revision(f"{LONG}_2", LONG)
    longest = "b" * 65
    made.write_revision(longest, f"{LONG}_2", "op.create_table('never', sa.Column('id', sa.Integer))")
    with pytest.raises(RevisionIdTooLong, match="takes 64"):
        upgrade(made)
    assert "never" not in sa.inspect(made.engine()).get_table_names()
    with made.app().app_context():
        report = flask_schemaflow.upgrade(revision=f"{LONG}_2")
    assert f"{LONG}_2" in report.revisions or kind == "mariadb"  # which had committed it before the refusal
    assert made.execute("SELECT version_num FROM alembic_version") == [(f"{LONG}_2",)]


def test_the_columns_own_length_counts(shop: MakeShop, postgres_url: str) -> None:
    """A column that somebody made shorter than Alembic's is measured, on an upgrade, a downgrade and a stamp."""
    made = shop(postgres_url, migrate_arguments='version_table="versions"')
    made.write_revision("aaa1", None, TABLE)
    made.execute("CREATE TABLE versions (version_num VARCHAR(3) NOT NULL PRIMARY KEY)")
    error = refused(made, RevisionIdTooLong)
    assert "takes 3." in error.message and "ALTER TABLE versions ALTER COLUMN" in error.hint
    with made.app().app_context(), pytest.raises(RevisionIdTooLong):
        flask_schemaflow.stamp(revision="aaa1")


def test_a_table_that_the_search_path_finds_is_measured(shop: MakeShop, postgres_url: str) -> None:
    """It need not be in the schema where new tables go."""
    made = shop(postgres_url)
    made.write_revision("aaa1")
    upgrade(made)
    made.execute("CREATE SCHEMA first")
    made.execute(f'ALTER DATABASE "{sa.make_url(made.url).database}" SET search_path = first, public')
    made.write_revision(LONG, "aaa1", TABLE)
    assert "takes 32" in refused(made, RevisionIdTooLong).message


def test_sqlite_takes_ids_of_any_length(shop: MakeShop, sqlite_url: str) -> None:
    """SQLite doesn't mind the length of a column, so neither does the guard."""
    made = shop(sqlite_url)
    made.write_revision(LONG, None, TABLE)
    assert upgrade(made).revisions == (LONG,)


def test_ids_that_differ_by_case_are_refused_where_the_server_mixes_them_up(shop: MakeShop, mariadb_url: str) -> None:
    """Two branches, abc1 and ABC1: nothing runs until one is renamed or the column is made to tell them apart."""
    made = shop(mariadb_url)
    made.write_revision("aaa1", None, TABLE)
    made.write_revision("abc1", "aaa1")
    made.write_revision("ABC1", "aaa1")
    error = refused(made, RevisionIdsAlike, "heads")
    [collation] = made.execute("SELECT @@collation_database")[0]
    assert error.message == (
        "The revision ids ABC1 and abc1 differ only by case, and the version table of the default database "
        f"(collation {collation}) can't tell them apart."
    )
    statement = error.hint.splitlines()[1].strip()
    assert statement == "ALTER TABLE alembic_version MODIFY version_num VARCHAR(32) COLLATE utf8mb4_bin NOT NULL;"
    made.execute(statement)
    assert set(upgrade(made, "heads").revisions) == {"aaa1", "abc1", "ABC1"}
    assert sorted(made.execute("SELECT version_num FROM alembic_version")) == [("ABC1",), ("abc1",)]
    assert len(made.execute("SELECT revision FROM schemaflow_revisions WHERE seconds IS NOT NULL")) == 3


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_ids_that_differ_by_case_are_two_elsewhere(shop: MakeShop, make_database: MakeDatabase, kind: Kind) -> None:
    """A server that tells cases apart runs both."""
    made = shop(make_database(kind))
    made.write_revision("abc1")
    made.write_revision("ABC1")
    assert sorted(upgrade(made, "heads").revisions) == ["ABC1", "abc1"]


def test_an_emptied_version_table_is_recognised(shop: MakeShop, database_url: str) -> None:
    """With its rows deleted the database looks new; both ways out are named, and nothing runs."""
    made = shop(database_url)
    made.write_revision("aaa1", None, 'op.create_table("first", sa.Column("id", sa.Integer, primary_key=True))')
    made.write_revision("aaa2", "aaa1", 'op.execute("INSERT INTO first (id) VALUES (1)")')
    upgrade(made)
    made.execute("DELETE FROM alembic_version")
    made.write_revision("aaa3", "aaa2", TABLE)
    error = refused(made, HistoryEmptied)
    assert error.message == (
        "The version table alembic_version of the default database is empty, but the table first of revision aaa1 "
        "exists."
    )
    assert error.details == f"  Revision: aaa1 ({made.migrations}/versions/aaa1.py, line 18)"
    assert error.hint == (
        "To keep the tables, which are as of revision aaa2, run `flask db stamp aaa2` and then `flask db upgrade`.\n"
        "To start over, drop the tables and run `flask db upgrade`."
    )
    with made.app().app_context():
        flask_schemaflow.stamp(revision="aaa2")
    assert upgrade(made).revisions == ("aaa3",)


def test_tables_that_no_migration_made_are_recognised_first(shop: MakeShop, mariadb_url: str) -> None:
    """Where DDL can't be rolled back, create_all() is found out before the first table is made beside its own."""
    made = shop(mariadb_url)
    made.write_revision("aaa1", None, f'{TABLE}\nop.create_table("child", sa.Column("id", sa.Integer))')
    made.execute("CREATE TABLE child (id INTEGER)")
    error = refused(made, SchemaWithoutHistory)
    assert error.message == (
        "The table child already exists, but no migration has been applied to the default database. Probably "
        "db.create_all() created it."
    )


@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "mariadb"])
@pytest.mark.parametrize(
    "body",
    [
        'op.execute("CREATE INDEX ix_gone ON gone (id)")',
        'op.execute("UPDATE gone SET id = id + 1")',
        'op.rename_table("gone", "away")',
        'op.drop_table("gone")',
    ],
)
def test_an_emptied_version_table_is_recognised_by_a_later_table(
    shop: MakeShop, make_database: MakeDatabase, kind: Kind, body: str
) -> None:
    """Where the tables of the first revisions are gone, nothing of them is made anew before that is found out."""
    made = shop(make_database(kind))
    made.write_revision("aaa1", None, f'op.create_table("gone", sa.Column("id", sa.Integer))\n{body}')
    made.write_revision("aaa2", "aaa1", 'op.create_table("lasting", sa.Column("id", sa.Integer))')
    upgrade(made)
    for table in ("gone", "away"):
        made.execute(f"DROP TABLE IF EXISTS {table}")
    made.execute("DELETE FROM alembic_version")
    assert "the table lasting of revision aaa2 exists" in refused(made, HistoryEmptied).message
    assert set(sa.inspect(made.engine()).get_table_names()) == {*VERSION_TABLES, "lasting"}


@pytest.mark.parametrize(
    "body",
    [
        'if not sa.inspect(op.get_bind()).has_table("parent"):\n    ' + TABLE,
        f'op.execute("DROP TABLE parent")\n{TABLE}',
        f'op.drop_table("parent")\n{TABLE}',
        'op.create_table("parent", sa.Column("id", sa.Integer, primary_key=True), if_not_exists=True)',
        'op.add_column("parent", sa.Column("name", sa.String(40)))',
    ],
    ids=["asks", "sql", "drops", "if not exists", "adopts"],
)
def test_a_start_that_expects_the_tables_is_let_through(shop: MakeShop, sqlite_url: str, body: str) -> None:
    """A database that is put under migrations later has tables and no history, and that is nobody's mistake."""
    made = shop(sqlite_url)
    made.execute("CREATE TABLE parent (id INTEGER PRIMARY KEY)")
    made.write_revision("aaa1", None, body)
    assert upgrade(made).revisions == ("aaa1",)


@pytest.mark.parametrize("repository", ["ours", "4.1.0"])
def test_a_version_written_by_somebody_else_stops_the_run(
    shop: MakeShop, database_url: str, legacy_repository: WriteRepository, repository: str
) -> None:
    """A tool without our lock that adds a version during a revision is found before this run writes its own."""
    made = shop(database_url)
    if repository != "ours":
        made.migrations.rename(made.root / "unused")
        legacy_repository(made, repository)
    made.write_revision("aaa1")
    made.write_revision("aaa2", "aaa1", INSIDE.format(url=made.url))
    made.write_revision("aaa3", "aaa2", TABLE)
    upgrade(made, "aaa1")
    error = refused(made, ChangedMeanwhile)
    when = "while this run held no lock" if made.url.startswith("sqlite") else "before the version was written"
    assert error.message == (
        f"Another tool migrated the default database from aaa1 to aaa1, zzz9 {when}."
    )
    assert sorted(made.execute("SELECT version_num FROM alembic_version")) == [("aaa1",), ("zzz9",)]


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_a_change_between_two_revisions_stops_the_second(
    shop: MakeShop, make_database: MakeDatabase, kind: Kind
) -> None:
    """With each revision in its own transaction there is a moment between them; who comes then is noticed."""
    made = shop(make_database(kind), migrate_arguments="transaction_per_migration=True")
    made.write_revision("aaa1")
    made.write_revision("aaa2", "aaa1", TABLE)

    def notify(event: flask_schemaflow.records.Event) -> None:
        if event.kind == "end":
            made.execute("UPDATE alembic_version SET version_num = 'zzz9'")

    with made.app().app_context(), pytest.raises(ChangedMeanwhile) as caught:
        flask_schemaflow.upgrade(notify=notify)
    assert caught.value.message == (
        "Another tool migrated the default database from aaa1 to zzz9 before this run did anything more."
    )
    assert "parent" not in sa.inspect(made.engine()).get_table_names()


CALLS = """
def columns(name):
    op.add_column(name, sa.Column("n", sa.Integer, server_default=str(len(name))))


def upgrade():
    with op.batch_alter_table("parent", schema=None) as batch_op:
        batch_op.drop_column("a")
    if op.get_bind().dialect.name == "sqlite":
        op.drop_table("b")
    columns("c")
    op.execute(sa.text("DELETE FROM d"))
    op.get_bind().execute(sa.text("DELETE FROM e"))
    with op.get_context().autocommit_block():
        op.create_index(op.f("ix"), "f", ["id"])
    unknown(op)


def unknown(op):
    recursion(op)


def recursion(op):
    unknown(op)
"""


def test_the_calls_of_a_revision_are_read_without_running_it(shop: MakeShop, sqlite_url: str) -> None:
    """In order, through functions of the file and batches; what can't be judged is said to be so."""
    made = shop(sqlite_url)
    path = made.write_revision("aaa1", extra=CALLS)
    spec = importlib.util.spec_from_file_location("aaa1", path)
    assert spec is not None and spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    found = [(call.name, call.table, call.certain) for call in calls_of(loaded.upgrade)]
    assert [item for item in found if item[0] not in ("get_bind", "get_context", "f")] == [
        ("batch_alter_table", None, True),
        ("drop_column", "parent", True),
        ("drop_table", None, False),
        ("add_column", None, True),
        ("execute", None, True),
        (UNSEEN, None, True),
        ("create_index", None, True),
        (UNSEEN, None, True),
    ]
