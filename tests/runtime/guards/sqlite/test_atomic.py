"""A run is applied to a SQLite file as a whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from flask_schemaflow import downgrade
from flask_schemaflow import stamp
from flask_schemaflow.errors import SchemaflowError
from flask_schemaflow.errors.running import MigrationFailed
from flask_schemaflow.errors.running import NeverCommitted
from flask_schemaflow.errors.running import OutsideTransaction
from flask_schemaflow.errors.running import SameFile
from flask_schemaflow.runtime.own_tables import OWN_TABLES

from ....support.dumps import dump_rows
from ....support.dumps import dump_schema
from .conftest import MakeShop
from .conftest import Shop
from .conftest import sqlite_path

FIRST = "op.create_table('a', sa.Column('id', sa.Integer, primary_key=True))\nop.execute('INSERT INTO a VALUES (1)')"
SECOND = "op.create_table('b', sa.Column('id', sa.Integer))\nop.execute('INSERT INTO b VALUES (2)')\n"
FOR_BINDS = """
def upgrade_():
    pass


def upgrade_users():
    {users}
"""
FAILS = SECOND + "op.execute('UPDATE missing SET x = 1')"

pytestmark = pytest.mark.filterwarnings("ignore:.*tometadata")


def write_failing(shop: Shop) -> None:
    """Three revisions of which the second fails half-way."""
    shop.project.write_revision("r1", None, upgrade=FIRST)
    shop.project.write_revision("r2", "r1", upgrade=FAILS)
    shop.project.write_revision("r3", "r2", upgrade="op.drop_table('a')")


def outcome(error: SchemaflowError) -> list[str]:
    """What the error says of where the databases stand now."""
    lines = [line.strip() for line in error.details.splitlines()]
    return [line for line in lines if not line.startswith(("Operation:", "SQL:"))]


def test_a_failing_revision_leaves_the_file_as_it_was(repository: str, shop: MakeShop) -> None:
    """The revisions before it in the run are rolled back with it, and the run after the correction just works."""
    made = shop(repository)
    write_failing(made)
    with pytest.raises(SchemaflowError, match="no such table: missing") as caught:
        made.upgrade()
    assert dump_schema(made.project.engine(), ignore=()) == {}
    assert outcome(caught.value) == ["Rolled back: r1, r2", "Current revision: none"]
    made.project.write_revision("r2", "r1", upgrade=SECOND)
    made.upgrade()
    assert dump_rows(made.project.engine(), ignore=OWN_TABLES) == {
        "alembic_version": [{"version_num": "r3"}],
        "b": [{"id": 2}],
    }


def test_a_long_history_is_not_listed_whole(shop: MakeShop) -> None:
    """The first revisions, the last and their number."""
    made = shop("ours")
    for number in range(1, 20):
        upgrade = "pass" if number < 19 else "op.execute('DELETE FROM missing')"
        made.project.write_revision(f"r{number}", f"r{number - 1}" if number > 1 else None, upgrade=upgrade)
    with pytest.raises(SchemaflowError, match="no such table: missing") as caught:
        made.upgrade()
    assert outcome(caught.value) == ["Rolled back: r1, r2 ... r19 (19 revisions)", "Current revision: none"]


def test_one_transaction_for_each_revision(repository: str, shop: MakeShop) -> None:
    """With the setting "revision" what succeeded stays; an env.py that began by itself remains a whole."""
    made = shop(repository, config={"SCHEMAFLOW_TRANSACTION": "revision"})
    write_failing(made)
    with pytest.raises(SchemaflowError, match="no such table: missing") as caught:
        made.upgrade()
    if repository.startswith("multidb"):
        assert outcome(caught.value) == ["Rolled back: r1, r2", "Current revision: none"]
        return
    assert dump_rows(made.project.engine(), ignore=OWN_TABLES)["alembic_version"] == [{"version_num": "r1"}]
    assert "table b" not in dump_schema(made.project.engine())
    assert outcome(caught.value) == ["Applied and committed: r1", "Rolled back: r2", "Current revision: r1"]


def test_an_exception_of_the_code_rolls_back(repository: str, shop: MakeShop) -> None:
    """Not only failing statements do."""
    made = shop(repository)
    made.project.write_revision("r1", upgrade=FIRST + "\nraise ZeroDivisionError")
    with pytest.raises(MigrationFailed, match="ZeroDivisionError"):
        made.upgrade()
    assert dump_schema(made.project.engine(), ignore=()) == {}


def test_downgrade_and_stamp_are_whole_too(shop: MakeShop) -> None:
    """A downgrade that fails in its second step undoes the first."""
    made = shop()
    made.project.write_revision("r1", None, upgrade=FIRST, downgrade="op.execute('UPDATE missing SET x = 1')")
    made.project.write_revision("r2", "r1", upgrade=SECOND, downgrade="op.drop_table('b')")
    made.upgrade()
    before = dump_schema(made.project.engine()), dump_rows(made.project.engine(), ignore=OWN_TABLES)
    with made.context(), pytest.raises(SchemaflowError, match="no such table: missing"):
        downgrade(str(made.project.migrations), "base")
    assert (dump_schema(made.project.engine()), dump_rows(made.project.engine(), ignore=OWN_TABLES)) == before
    with made.context():
        stamp(str(made.project.migrations), "r1")
    assert made.project.execute("SELECT version_num FROM alembic_version") == [("r1",)]


def test_each_of_several_files_is_whole(shop: MakeShop, tmp_path: Path) -> None:
    """When the second file fails the first keeps its revisions, and both are said."""
    made = shop(binds={"users": f"sqlite:///{tmp_path}/users.db"})
    made.project.write_revision("r1", None, extra=FOR_BINDS.format(users=FIRST.replace("\n", "; ")))
    made.project.write_revision("r2", "r1", extra=FOR_BINDS.format(users="op.execute('UPDATE missing SET x = 1')"))
    with pytest.raises(SchemaflowError, match="no such table: missing") as caught:
        made.upgrade()
    assert outcome(caught.value) == [
        "default: Applied and committed: r1, r2",
        "default: Current revision: r2",
        "users: Rolled back: r1, r2",
        "users: Current revision: none",
    ]
    assert made.project.execute("SELECT version_num FROM alembic_version") == [("r2",)]
    assert dump_schema(made.project.engine("users"), ignore=()) == {}


def test_several_files_fail_together_where_env_py_commits_last(shop: MakeShop, tmp_path: Path) -> None:
    """The env.py of Flask-Migrate for several databases commits them all at the end, so none is changed."""
    made = shop("multidb 4.1.0", binds={"users": f"sqlite:///{tmp_path}/users.db"})
    made.project.write_revision("r1", None, extra=FOR_BINDS.format(users="op.execute('UPDATE missing SET x = 1')"))
    with pytest.raises(SchemaflowError, match="no such table: missing") as caught:
        made.upgrade()
    assert outcome(caught.value) == [
        "default: Rolled back: r1",
        "default: Current revision: none",
        "users: Rolled back: r1",
        "users: Current revision: none",
    ]
    assert dump_schema(made.project.engine(), ignore=()) == dump_schema(made.project.engine("users"), ignore=()) == {}


def test_two_databases_in_one_file_are_refused_rather_than_waited_for(shop: MakeShop, tmp_path: Path) -> None:
    """An env.py that locks both at once would wait for itself."""
    url = f"sqlite:///{tmp_path}/one.db"
    made = shop("multidb 4.1.0", url=url, binds={"users": url})
    made.project.write_revision("r1")
    with pytest.raises(SameFile) as caught:
        made.upgrade()
    assert str(caught.value) == (
        f"The databases default and users are the same file, {tmp_path}/one.db.\n"
        "Give each database a file of its own, or drop one of the two binds."
    )


def test_an_autocommit_block_is_outside(shop: MakeShop) -> None:
    """VACUUM works in it, what came before it is committed, and what comes after it is a whole again."""
    made = shop()
    block = "\nwith op.get_context().autocommit_block():\n    op.execute('VACUUM')\n"
    made.project.write_revision("r1", None, upgrade=FIRST + block + SECOND)
    made.project.write_revision("r2", "r1", upgrade=f"op.drop_table('b'){block}op.execute('UPDATE missing SET x = 1')")
    with pytest.raises(SchemaflowError, match="no such table: missing") as caught:
        made.upgrade()
    assert outcome(caught.value) == [
        "Applied and committed: r1",
        "Committed up to its last autocommit_block() or commit(), rest rolled back: r2",
        "Current revision: r1",
    ]
    assert dump_rows(made.project.engine(), ignore=OWN_TABLES) == {
        "a": [{"id": 1}],
        "alembic_version": [{"version_num": "r1"}],
    }


def test_a_statement_that_needs_no_transaction_is_explained(shop: MakeShop) -> None:
    """VACUUM outside such a block is refused with the way out."""
    made = shop()
    made.project.write_revision("r1", None, upgrade="op.execute('VACUUM')")
    with pytest.raises(OutsideTransaction) as caught:
        made.upgrade()
    assert str(caught.value) == (
        "SQLite refused `VACUUM` inside the migration's transaction.\n"
        "cannot VACUUM from within a transaction\n"
        "Put it outside, in the revision: with op.get_context().autocommit_block():"
    )


def test_a_file_that_may_only_be_read_is_up_to_date(shop: MakeShop) -> None:
    """An upgrade with nothing to do needs no write lock."""
    made = shop()
    made.project.write_revision("r1", upgrade=FIRST)
    made.upgrade()
    made.project.url = f"sqlite:///file:{sqlite_path(made.project)}?mode=ro&uri=true"
    made.project.write_app()
    made.upgrade()
    made.project.write_revision("r2", "r1", upgrade="op.drop_table('a')")
    with pytest.raises(SchemaflowError, match="attempt to write a readonly database"):
        made.upgrade()


def test_an_env_py_that_never_commits_is_an_error(shop: MakeShop) -> None:
    """Nothing would be applied, and nobody would say so."""
    made = shop()
    made.project.write_revision("r1", upgrade=FIRST)
    made.project.write(
        "migrations/env.py",
        """
        from alembic import context
        from flask import current_app

        with current_app.extensions["migrate"].db.engine.connect() as connection:
            context.configure(connection=connection)
            context.run_migrations()
        """,
    )
    with pytest.raises(NeverCommitted) as caught:
        made.upgrade()
    assert str(caught.value) == (
        "env.py ran revision r1 on the default database and never committed it, so nothing was applied.\n"
        "In env.py, write: with context.begin_transaction(): context.run_migrations()"
    )
