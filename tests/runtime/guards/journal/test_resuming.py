"""A revision that failed on MariaDB goes on where it was, and its file may be corrected below that."""

from __future__ import annotations

import signal
import textwrap
import typing as t

import pytest

from flask_schemaflow.errors import SchemaflowError
from flask_schemaflow.errors.running import AppliedPartChanged
from flask_schemaflow.errors.running import OutcomeUnknown
from flask_schemaflow.errors.running import UnfinishedRevision
from flask_schemaflow.runtime.guards.journal import entries
from flask_schemaflow.runtime.guards.journal.status import interrupted

from ....conftest import MakeDatabase
from ....support import processes
from .conftest import MakeShop
from .conftest import Shop

DONE = """
op.create_table("item", sa.Column("id", sa.Integer, primary_key=True), sa.Column("n", sa.Integer))
op.execute("INSERT INTO item (id, n) VALUES (1, 1)")
op.add_column("item", sa.Column("note", sa.String(20)))
op.execute("UPDATE item SET n = n + 10")
op.create_index("ix_item_n", "item", ["n"])
"""
FAILS = "op.execute('UPDATE item SET n = n * 2')\nop.execute('UPDATE missing SET n = 1')\n"
WORKS = "op.execute('UPDATE item SET n = n * 2')\nop.drop_column('item', 'note')\n"
ITEM = [{"id": 1, "n": 22}]

pytestmark = pytest.mark.filterwarnings("ignore:.*tometadata")


@pytest.fixture
def broken(shop: MakeShop, mariadb_url: str) -> Shop:
    """A database on which the second of two revisions failed after five statements that stay."""
    made = shop(mariadb_url)
    made.write("r1", "op.create_table('first', sa.Column('id', sa.Integer))")
    made.write("r2", DONE + FAILS, "r1")
    with pytest.raises(SchemaflowError, match="missing"):
        made.upgrade()
    return made


@pytest.mark.parametrize("repository", ["ours", "single 0.1.4", "single 4.1.0", "multidb 2.0.0", "multidb 4.1.0"])
def test_the_corrected_file_is_finished(shop: MakeShop, mariadb_url: str, repository: str) -> None:
    """Each statement takes effect once, under our env.py and old ones; nothing of ours is left."""
    made = shop(mariadb_url, repository)
    made.write("r1", DONE + FAILS)
    with pytest.raises(SchemaflowError, match="missing") as caught:
        made.upgrade()
    assert (
        "5 statements of revision r1 are applied to the default database. "
        "`flask db upgrade` continues after them."
    ) in str(caught.value)
    made.write("r1", DONE + WORKS)
    made.upgrade()
    assert made.rows("item") == ITEM
    assert made.tables() == {"alembic_version", "item"}
    assert made.project.execute("SELECT version_num FROM alembic_version") == [("r1",)]


def test_a_re_run_fails_where_the_first_one_did(broken: Shop) -> None:
    """However often it runs, what is done is done once."""
    for _ in range(2):
        with pytest.raises(SchemaflowError, match="missing"):
            broken.upgrade()
        assert broken.rows("item") == [{"id": 1, "n": 11, "note": None}]
    broken.write("r2", DONE + WORKS, "r1")
    broken.upgrade()
    assert broken.rows("item") == ITEM


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("n + 10", "n + 11", "UPDATE item SET n = n + 10"),
        ("(1, 1)", "(1, 2)", "INSERT INTO item (id, n) VALUES (1, 1)"),
        ('op.create_index("ix_item_n", "item", ["n"])', "", "CREATE INDEX ix_item_n ON item (n)"),
        ("sa.String(20)", "sa.Text", "ALTER TABLE item ADD COLUMN note VARCHAR(20)"),
    ],
)
def test_a_changed_applied_part_is_refused(broken: Shop, old: str, new: str, named: str) -> None:
    """The message has the statement that took effect; nothing runs."""
    broken.write("r2", (DONE + WORKS).replace(old, new), "r1")
    with pytest.raises(AppliedPartChanged) as caught:
        broken.upgrade()
    assert f"`{named}` had taken effect" in caught.value.message
    assert broken.rows("item") == [{"id": 1, "n": 11, "note": None}]
    broken.write("r2", DONE + WORKS, "r1")
    broken.upgrade()
    assert broken.rows("item") == ITEM


def test_an_applied_part_that_is_cut_off_is_refused(broken: Shop) -> None:
    """Also where nothing comes after it."""
    broken.write("r2", DONE.rpartition("op.create_index")[0], "r1")
    with pytest.raises(AppliedPartChanged, match=r"`CREATE INDEX ix_item_n ON item \(n\)` had taken effect"):
        broken.upgrade()


def test_another_step_is_refused_until_this_one_is_done(broken: Shop) -> None:
    """Neither down nor past it."""
    with pytest.raises(UnfinishedRevision) as caught:
        broken.run("downgrade", "base")
    assert caught.value.message == (
        "The upgrade of revision r2 was interrupted on the default database and has to be finished before the "
        "downgrade of revision r1."
    )
    assert "`flask db upgrade r2`" in caught.value.hint


def test_a_stamp_says_that_it_was_finished_by_hand(broken: Shop) -> None:
    """What the interrupted run wrote down goes with it, and that is said, once."""
    broken.run("stamp", "r2")
    assert broken.notices() == [
        "The upgrade of revision r2 was interrupted on the default database. `stamp` removes the record of "
        "applied statements, so no run resumes there."
    ]
    assert broken.status().interrupted == ""
    assert "schemaflow_journal" not in broken.tables()
    broken.run("stamp", "r1")
    assert broken.notices() == []


def test_status_shows_what_is_left(broken: Shop) -> None:
    """In a sentence, by line, and for machines."""
    found = broken.status()
    assert not found.up_to_date
    assert found.interrupted == (
        "Revision r2 was interrupted in its upgrade after 5 statements: flask db upgrade finishes it."
    )
    assert [line.partition(": ")[2] for line in found.left] == [
        "op.execute('UPDATE item SET n = n * 2')",
        "op.execute('UPDATE missing SET n = 1')",
    ]
    shown = broken.project.run("db", "status").stdout
    assert "was interrupted in its upgrade after 5 statements" in shown
    assert "remaining: line " in shown
    assert '"interrupted": "Revision r2' in broken.project.run("db", "status", "--json").stdout
    with broken.project.connect() as connection:
        record = interrupted(connection)
    assert record is not None
    assert (record.revision, record.done, record.in_doubt) == ("r2", 5, False)


def test_a_downgrade_is_resumed(shop: MakeShop, mariadb_url: str) -> None:
    """The way back is no different."""
    made = shop(mariadb_url)
    back = "op.drop_index('ix_item_n', 'item')\nop.execute('UPDATE item SET n = n - 5')\n"
    back += "op.drop_column('item', 'note')\n"
    made.write("r1", DONE, downgrade=back + FAILS)
    made.upgrade()
    with pytest.raises(SchemaflowError, match="missing"):
        made.run("downgrade", "base")
    with pytest.raises(UnfinishedRevision, match="so the revision is only partly applied"):
        made.upgrade()
    made.write("r1", DONE, downgrade=back + "op.execute('UPDATE item SET n = n * 2')")
    made.run("downgrade", "base")
    assert made.rows("item") == [{"id": 1, "n": 12}]
    assert made.tables() == {"alembic_version", "item"}


def test_what_the_code_read_it_reads_again(shop: MakeShop, mariadb_url: str) -> None:
    """Inspection, caught errors, keys of new rows and rows of dropped columns are as they were."""
    made = shop(mariadb_url)
    body = """
    bind = op.get_bind()
    if not sa.inspect(bind).has_table("old"):
        op.create_table("old", sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.String(20)))
    old = sa.table("old", sa.column("id"), sa.column("name"))
    op.bulk_insert(old, [{"name": "a"}, {"name": "b"}])
    try:
        op.execute("ALTER TABLE nowhere ADD COLUMN x INTEGER")
    except sa.exc.ProgrammingError:
        op.create_table("new", sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.String(20)))
    id, name = sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.String(20))
    new = sa.Table("new", sa.MetaData(), id, name)
    rows = bind.execute(sa.select(old).order_by(old.c.id)).all()
    keys = [bind.execute(new.insert().values(name=row.name)).inserted_primary_key[0] for row in rows]
    more = bind.execute(new.insert().returning(new.c.id), [{"name": "c"}, {"name": "d"}]).scalars().all()
    op.drop_table("old")
    columns = [column["name"] for column in sa.inspect(bind).get_columns("new")]
    op.create_table(f"t_{len(keys)}_{max(more)}_{'_'.join(columns)}", sa.Column("id", sa.Integer, primary_key=True))
    """
    made.write("r1", textwrap.dedent(body) + "op.execute('UPDATE missing SET n = 1')")
    with pytest.raises(SchemaflowError, match="missing"):
        made.upgrade()
    made.write("r1", textwrap.dedent(body) + "op.execute(f'UPDATE new SET id = id + {sum(keys) + sum(more)}')")
    made.upgrade()
    assert made.tables() == {"alembic_version", "new", "t_2_4_id_name"}
    assert [row["id"] for row in made.rows("new")] == [11, 12, 13, 14]


@pytest.mark.parametrize(("name", "limit"), [("ROWS", 5), ("CHARACTERS", 3000)])
def test_a_copy_in_python_is_not_repeated(
    shop: MakeShop, mariadb_url: str, monkeypatch: pytest.MonkeyPatch, name: str, limit: int
) -> None:
    """Neither where the rows are too many to be kept nor where the statements are."""
    monkeypatch.setattr(entries, name, limit)
    made = shop(mariadb_url)
    body = """
    bind = op.get_bind()
    for name in ("source", "target"):
        op.create_table(name, sa.Column("id", sa.Integer, primary_key=True), sa.Column("n", sa.Integer))
    op.bulk_insert(sa.table("source", sa.column("n")), [{"n": n} for n in range(60)])
    for number, n in bind.execute(sa.text("SELECT id, n FROM source ORDER BY id")).all():
        bind.execute(sa.text(f"INSERT INTO target (n) VALUES (:n) /* {n % 7} */"), {"n": n})
        bind.execute(sa.text("UPDATE source SET n = n + 1 WHERE id = :id"), {"id": number})
    op.create_index("ix_target_n", "target", ["n"])
    """
    made.write("r1", textwrap.dedent(body) + "op.execute('UPDATE missing SET n = 1')")
    for _ in range(2):
        with pytest.raises(SchemaflowError, match="missing"):
            made.upgrade()
    made.project.execute("CREATE TABLE missing (n INTEGER)")
    made.upgrade()
    assert sorted(row["n"] for row in made.rows("target")) == list(range(60))
    assert sorted(row["n"] for row in made.rows("source")) == list(range(1, 61))


def test_a_person_is_asked_where_the_database_does_not_show_it(shop: MakeShop, mariadb_url: str) -> None:
    """A procedure that changes tables may have done a part of its work; the answer is one statement."""
    made = shop(mariadb_url)
    made.project.execute(
        "CREATE PROCEDURE half() BEGIN CREATE TABLE made (n INTEGER); SIGNAL SQLSTATE '45000'; END"
    )
    made.write("r1", DONE + "op.execute('CALL half()')")
    with pytest.raises(SchemaflowError):
        made.upgrade()
    with pytest.raises(OutcomeUnknown) as caught:
        made.upgrade()
    assert str(caught.value) == (
        "Revision r1 was interrupted during `CALL half()`. It is unknown whether that took effect.\n"
        "  Look at what the statement changes.\n"
        "  If it took effect, run: UPDATE schemaflow_journal SET state = 'done' "
        "WHERE revision = 'r1' AND position = 3;\n"
        "  If it did not, run: UPDATE schemaflow_journal SET state = 'undone' "
        "WHERE revision = 'r1' AND position = 3;\n"
        "Then run `flask db upgrade` again."
    )
    assert "while `CALL half()` ran" in made.status().interrupted
    made.project.execute("UPDATE schemaflow_journal SET state = 'done' WHERE revision = 'r1' AND position = 3")
    made.upgrade()
    assert made.rows("item") == [{"id": 1, "n": 11, "note": None}]


def test_ctrl_c_leaves_what_a_re_run_finishes(shop: MakeShop, mariadb_url: str) -> None:
    """A real process, a real signal, in a statement that takes long."""
    made = shop(mariadb_url)
    slow = "op.execute('UPDATE item SET n = n * 2 WHERE SLEEP({seconds}) = 0')\nop.drop_column('item', 'note')\n"
    made.write("r1", DONE + slow.format(seconds=60))
    process = made.project.popen("db", "upgrade")
    running = "SELECT 1 FROM information_schema.processlist WHERE info LIKE '%SLEEP(60)%' AND info LIKE 'UPDATE%'"
    processes.wait_until(lambda: made.project.execute(running), "the slow statement")
    process.send_signal(signal.SIGINT)
    done = processes.finish(process, 20)
    assert done.returncode not in (0, None)
    made.write("r1", DONE + slow.format(seconds=0))
    made.upgrade()
    assert made.rows("item") == ITEM


def test_tables_locked_by_hand_are_no_obstacle(shop: MakeShop, mariadb_url: str) -> None:
    """Scripts of mysqldump lock the tables that they fill."""
    made = shop(mariadb_url)
    locked = "op.execute('LOCK TABLES item WRITE')\nop.execute('INSERT INTO item (id, n) VALUES (2, 0)')\n"
    locked += "op.execute('ALTER TABLE item ADD COLUMN more INTEGER')\nop.execute('UNLOCK TABLES')\n"
    made.write("r1", DONE + locked + FAILS)
    with pytest.raises(SchemaflowError, match="missing"):
        made.upgrade()
    made.write("r1", DONE + locked + WORKS)
    made.upgrade()
    assert [row["n"] for row in made.rows("item")] == [22, 0]


def test_without_the_setting_nothing_is_written(shop: MakeShop, mariadb_url: str) -> None:
    """``SCHEMAFLOW_JOURNAL = False`` is Alembic's own behaviour."""
    made = shop(mariadb_url, config={"SCHEMAFLOW_JOURNAL": False})
    made.write("r1", DONE + FAILS)
    with pytest.raises(SchemaflowError, match="missing"):
        made.upgrade()
    assert "schemaflow_journal" not in made.tables()
    assert made.status().interrupted == ""


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_an_engine_that_commits_each_statement(shop: MakeShop, make_database: MakeDatabase, kind: t.Any) -> None:
    """Nothing can be rolled back at all there; and a row that outlived its revision is no obstacle."""
    made = shop(make_database(kind), config={"SQLALCHEMY_ENGINE_OPTIONS": {"isolation_level": "AUTOCOMMIT"}})
    made.write("r1", DONE + FAILS)
    for _ in range(2):
        with pytest.raises(SchemaflowError, match="missing"):
            made.upgrade()
        assert made.rows("item") == [{"id": 1, "n": 22, "note": None}]
    made.project.execute("CREATE TABLE kept AS SELECT * FROM schemaflow_journal")
    made.write("r1", DONE + WORKS)
    made.upgrade()
    assert made.rows("item") == ITEM
    made.project.execute("CREATE TABLE schemaflow_journal AS SELECT * FROM kept")
    made.upgrade()
    made.write("r2", "op.drop_table('kept')", "r1")
    made.upgrade()
    assert made.tables() == {"alembic_version", "item"}
