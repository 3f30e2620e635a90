"""Foreign keys are enforced, tables are rebuilt, and no row of a child is lost or unlinked."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from flask_schemaflow import upgrade
from flask_schemaflow.errors.running import BrokenReferences
from flask_schemaflow.errors.running import LeftOverTable
from flask_schemaflow.errors.running import RebuildRefused
from flask_schemaflow.extension import current_state
from flask_schemaflow.revisions.config import Config
from flask_schemaflow.runtime.own_tables import OWN_TABLES

from ....conftest import MakeProject
from ....support.dumps import dump_rows
from ....support.dumps import dump_schema
from .conftest import ENFORCED
from .conftest import MakeShop
from .conftest import sqlite_path

pytestmark = pytest.mark.filterwarnings("ignore:.*tometadata")

FAMILY = [
    "CREATE TABLE parent (id INTEGER PRIMARY KEY, name TEXT, extra TEXT, "
    "up INT REFERENCES parent (id) ON DELETE CASCADE)",
    *(
        f"CREATE TABLE {name} (id INTEGER PRIMARY KEY, parent INT CONSTRAINT fk_{name} REFERENCES parent (id) {action})"
        for name, action in (
            ("cascaded", "ON DELETE CASCADE"),
            ("unlinked", "ON DELETE SET NULL"),
            ("defaulted", "ON DELETE SET DEFAULT"),
            ("restricted", "ON DELETE RESTRICT"),
            ("deferred", "DEFERRABLE INITIALLY DEFERRED"),
        )
    ),
    "INSERT INTO parent VALUES (1, 'one', 'x', NULL), (2, 'two', 'y', 1)",
    *(
        f"INSERT INTO {name} VALUES (1, 1), (2, 1), (3, 2), (4, NULL)"
        for name in ("cascaded", "unlinked", "defaulted", "restricted", "deferred")
    ),
]
REBUILD = """\
with op.batch_alter_table("parent") as b:
    b.alter_column("name", nullable=False)
    b.drop_column("extra")
"""
UNDO = """\
with op.batch_alter_table("parent") as b:
    b.add_column(sa.Column("extra", sa.Text()))
    b.alter_column("name", nullable=True)
"""


def test_a_rebuilt_parent_keeps_its_children(repository: str, shop: MakeShop) -> None:
    """Whatever happens on delete, under every env.py, and in both kinds of transaction."""
    made = shop(repository, db_arguments=ENFORCED, config={"SCHEMAFLOW_TRANSACTION": "revision"})
    made.make(FAMILY)
    before = dump_rows(made.project.engine())
    made.project.write_revision("r1", None, upgrade=REBUILD, downgrade=UNDO)
    made.project.write_revision("r2", "r1", upgrade='op.rename_table("parent", "ancestor")')
    made.upgrade()
    after = dump_rows(made.project.engine())
    parents = after.pop("ancestor")
    assert after == {name: rows for name, rows in before.items() if name != "parent"}
    assert [row["name"] for row in parents] == ["one", "two"]
    assert 'REFERENCES "ancestor"(id)ON DELETE SET NULL' in dump_schema(made.project.engine())["table unlinked"]


def test_there_and_back_by_the_command_line(project: MakeProject) -> None:
    """With real processes: rows and links are the same after an upgrade and a downgrade."""
    made = project(db_arguments=ENFORCED)
    with made.engine().begin() as connection:
        for statement in FAMILY:
            connection.exec_driver_sql(statement)
    before = dump_rows(made.engine())
    made.run("db", "init")
    made.write_revision("r1", None, upgrade=REBUILD, downgrade=UNDO)
    done = made.run("db", "upgrade")
    assert "Applied r1" in done.stdout and done.stderr == ""
    made.run("db", "downgrade", "base")
    after = dump_rows(made.engine())
    for row in before["parent"]:
        row["extra"] = None
    assert after == before
    assert made.execute("PRAGMA integrity_check") == [("ok",)]


def test_links_that_the_migration_breaks_are_named_before_the_commit(shop: MakeShop) -> None:
    """Table, number of rows, rowids and constraint; broken ones of old are nobody's fault today."""
    made = shop(db_arguments=ENFORCED)
    made.make(FAMILY)
    made.make(["INSERT INTO cascaded VALUES (9, 77)"])  # the maker's own connection doesn't enforce anything
    made.project.write_revision("r1", None, upgrade='op.execute("DELETE FROM parent WHERE id = 2")')
    before = dump_rows(made.project.engine())
    with pytest.raises(BrokenReferences) as caught:
        made.upgrade()
    assert str(caught.value) == (
        "The migration was rolled back because it would leave 5 rows without the parent that a foreign key asks for.\n"
        "  cascaded: 1 row (rowid 3) without parent, by fk_cascaded: FOREIGN KEY (parent) REFERENCES parent (id)\n"
        "  defaulted: 1 row (rowid 3) without parent, by fk_defaulted: FOREIGN KEY (parent) REFERENCES parent (id)\n"
        "  deferred: 1 row (rowid 3) without parent, by fk_deferred: FOREIGN KEY (parent) REFERENCES parent (id)\n"
        "  restricted: 1 row (rowid 3) without parent, by fk_restricted: FOREIGN KEY (parent) REFERENCES parent (id)\n"
        "  unlinked: 1 row (rowid 3) without parent, by fk_unlinked: FOREIGN KEY (parent) REFERENCES parent (id)\n"
        "Delete or relink these rows in the revision; foreign keys are not enforced while it runs."
    )
    assert dump_rows(made.project.engine()) == before


def test_a_key_that_can_no_longer_be_referred_to_is_named(shop: MakeShop) -> None:
    """A parent's column that is not unique any more makes every write to the child fail."""
    made = shop(db_arguments=ENFORCED)
    made.make(["CREATE TABLE p (id INTEGER PRIMARY KEY, code TEXT CONSTRAINT u UNIQUE)"])
    made.make(["CREATE TABLE c (x REFERENCES p (code))"])
    made.project.write_revision("r1", upgrade='with op.batch_alter_table("p") as b:\n    b.drop_constraint("u")')
    with pytest.raises(BrokenReferences) as caught:
        made.upgrade()
    assert str(caught.value) == (
        "The migration was rolled back because it would leave foreign keys that SQLite can't enforce.\n"
        '  foreign key mismatch - "c" referencing "p"\n'
        "Keep the parent's columns unique, or drop the foreign keys that refer to them."
    )


def test_foreign_keys_are_enforced_again_afterwards(shop: MakeShop) -> None:
    """The connection goes back to the pool as the application made it, also after a failure."""
    made = shop(db_arguments=ENFORCED)
    made.make(FAMILY)
    made.project.write_revision("r1", None, upgrade=REBUILD)
    made.project.write_revision("r2", "r1", upgrade='op.execute("UPDATE missing SET x = 1")')
    with made.context() as app:
        engine = app.extensions["migrate"].db.engine
        with pytest.raises(Exception, match="missing"):
            upgrade(str(made.project.migrations))
        upgrade(str(made.project.migrations), "r1")
        with engine.connect() as connection:
            names = ("foreign_keys", "legacy_alter_table")
            assert [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in names] == [1, 0]
        assert made.project.execute("SELECT count(*) FROM cascaded") == [(4,)]


def test_a_callers_transaction_that_enforces_foreign_keys_is_refused(shop: MakeShop) -> None:
    """There nothing can stop SQLite from deleting the children; a table without children is changed."""
    made = shop(db_arguments=ENFORCED)
    made.make(FAMILY)
    made.project.write_revision("r1", None, upgrade=REBUILD)
    before = dump_rows(made.project.engine())
    with made.context() as app:
        engine = app.extensions["migrate"].db.engine
        with engine.connect() as connection, connection.begin():
            connection.exec_driver_sql("UPDATE cascaded SET parent = 1 WHERE id = 1")
            with pytest.raises(RebuildRefused) as caught:
                _upgrade_on(connection, made.project.migrations)
        assert caught.value.message == (
            "Rebuilding parent would change rows of cascaded, defaulted, deferred, restricted, unlinked, because "
            "foreign keys are enforced in this transaction."
        )
        assert dump_rows(made.project.engine()) == before
        childless = 'with op.batch_alter_table("cascaded") as b:\n    b.alter_column("parent", nullable=False)'
        made.project.write_revision("r1", None, upgrade=childless)
        with engine.connect() as connection, connection.begin():
            connection.exec_driver_sql("DELETE FROM cascaded WHERE parent IS NULL")
            _upgrade_on(connection, made.project.migrations)
        assert len(made.project.execute("SELECT * FROM cascaded")) == 3


def _upgrade_on(connection: sa.Connection, folder: object) -> None:
    """Upgrade on a caller's connection, as a test suite does."""
    callbacks = current_state().migrate.configure_callbacks

    def lend(config: Config) -> Config:
        config.attributes["connection"] = connection
        return config

    callbacks.append(lend)
    try:
        upgrade(str(folder))
    finally:
        callbacks.remove(lend)


def test_a_batch_in_an_autocommit_block_is_refused_where_it_would_lose_rows(shop: MakeShop) -> None:
    """There the foreign keys are enforced as ever."""
    made = shop(db_arguments=ENFORCED)
    made.make(FAMILY)
    body = "with op.get_context().autocommit_block():\n" + "    " + REBUILD.replace("\n", "\n    ")
    made.project.write_revision("r1", None, upgrade=body)
    with pytest.raises(RebuildRefused, match="Rebuilding parent would change rows of cascaded"):
        made.upgrade()
    assert made.project.execute("SELECT count(*) FROM cascaded") == [(4,)]


def test_the_setting_leaves_alembics_way(shop: MakeShop) -> None:
    """With safe_batch off the rebuild is Alembic's; the rows are safe all the same, the collation is not."""
    made = shop(db_arguments=ENFORCED, config={"SCHEMAFLOW_SAFE_BATCH": False})
    made.make([*FAMILY, "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT COLLATE NOCASE)"])
    other = 'with op.batch_alter_table("t") as b:\n    b.alter_column("a", nullable=False)'
    made.project.write_revision("r1", None, upgrade=f"{REBUILD}\n{other}")
    made.upgrade()
    assert made.project.execute("SELECT count(*) FROM cascaded WHERE parent IS NOT NULL") == [(3,)]
    assert "NOCASE" not in made.project.execute("SELECT sql FROM sqlite_master WHERE name = 't'")[0][0]


LEFT = "CREATE TABLE _alembic_tmp_t (id INTEGER PRIMARY KEY, a TEXT)"


def test_the_only_copy_is_not_passed_over(shop: MakeShop) -> None:
    """Another tool was killed between DROP and RENAME: the message restores the table."""
    made = shop()
    made.make([LEFT, "INSERT INTO _alembic_tmp_t VALUES (1, 'x')"])
    made.project.write_revision("r1", upgrade='with op.batch_alter_table("t") as b:\n    b.drop_column("a")')
    with pytest.raises(LeftOverTable) as caught:
        made.upgrade()
    assert str(caught.value) == (
        "Another tool was interrupted while rebuilding t: the table is missing, and _alembic_tmp_t holds its 1 row.\n"
        f"Rename it back, then run the command again: sqlite3 {sqlite_path(made.project)} "
        '\'ALTER TABLE "_alembic_tmp_t" RENAME TO "t"\''
    )
    made.make([str(caught.value).split("'")[1]])
    made.upgrade()
    assert made.project.execute("SELECT * FROM t") == [(1,)]


def test_a_useless_copy_is_mentioned(shop: MakeShop) -> None:
    """It stands in nobody's way: the rebuild uses another name."""
    made = shop()
    made.make(["CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT)", "INSERT INTO t VALUES (1, 'x')", LEFT])
    made.project.write_revision("r1", upgrade='with op.batch_alter_table("t") as b:\n    b.drop_column("a")')
    made.upgrade()
    assert made.notices() == [
        "Another tool left the table _alembic_tmp_t, a copy of t with 0 of its 1 rows. "
        f"Drop it: sqlite3 {sqlite_path(made.project)} 'DROP TABLE \"_alembic_tmp_t\"'"
    ]
    assert made.project.execute("SELECT * FROM t") == [(1,)]
    tables = {table for (table,) in made.project.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert tables - OWN_TABLES == {"t", "_alembic_tmp_t", "alembic_version"}
