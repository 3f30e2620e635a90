"""A history that creates something twice, as branches may that were merged: the advice names both lines, and works."""

from __future__ import annotations

import typing as t

import pytest

from ..support.application import Project
from .conftest import invoke
from .conftest import With

TABLE = 'op.create_table("t", sa.Column("id", sa.Integer, primary_key=True))'
OTHER = 'op.create_table("u", sa.Column("id", sa.Integer, primary_key=True))'
COLUMN = 'op.add_column("t", sa.Column("n", sa.Integer))'
INDEX = 'op.create_index("ix_t", "t", ["id"])'
BATCH = 'with op.batch_alter_table("t") as batch:\n    batch.add_column(sa.Column("n", sa.Integer))'
WIDER = 'op.create_table("t", sa.Column("id", sa.Integer, primary_key=True), sa.Column("n", sa.Integer))'
EITHER = "Remove one of the two lines, or add `if_not_exists=True` to the second; then"
ONE = "Remove one of the two lines; then"
CASES = {
    "table": ([TABLE, f"{OTHER}\n{TABLE}"], "Revision a1 creates the table t, too (a1.py", EITHER),
    "in one revision": ([f"{TABLE}\n{TABLE}"], "of this revision creates the table t, too.", EITHER),
    "after a drop": ([TABLE, 'op.drop_table("t")', TABLE, TABLE], "Revision a3 creates the table t", EITHER),
    "by another name": ([OTHER, 'op.rename_table("u", "t")', TABLE], "Revision a2 creates the table t", EITHER),
    "with other columns": ([TABLE, WIDER], "Revision a1 creates the table t, too", ONE),
    "by SQL": ([TABLE, 'op.execute("CREATE TABLE t (id INTEGER)")'], "Revision a1 creates the table t, too", ONE),
    "column": ([TABLE, COLUMN, f"{OTHER}\n{COLUMN}"], "Revision a2 creates the column t.n, too", ONE),
    "column in a batch": ([TABLE, BATCH, f"{OTHER}\n{BATCH}"], "Revision a2 creates the column t.n, too", ONE),
    "index": ([TABLE, INDEX, f"{OTHER}\n{INDEX}"], "Revision a2 creates the index ix_t, too (a2.py", EITHER),
}


@pytest.fixture
def history(at: With, database_url: str) -> t.Callable[[list[str]], Project]:
    """Return a function that writes revisions a1, a2, ... of an empty database."""

    def write(bodies: list[str]) -> Project:
        made = at(database_url)
        for path in made.revision_files():
            path.unlink()
        for number, body in enumerate(bodies, 1):
            made.write_revision(f"a{number}", f"a{number - 1}" if number > 1 else None, body)
        return made

    return write


@pytest.mark.parametrize("case", CASES)
def test_what_a_history_creates_twice(case: str, history: t.Callable[[list[str]], Project]) -> None:
    """The message names the earlier line, and says nothing of ``db.create_all()``, which didn't run."""
    bodies, told, advice = CASES[case]
    shop = history(bodies)
    for _ in range(2):  # the second time MariaDB has the first revisions
        result = invoke(shop, "upgrade")
        assert result.exit_code == 1
        message = " ".join(result.stderr.split())
        assert "create_all" not in message and "stamp" not in message, result.stderr
        assert told in message and f"{advice} run `flask db upgrade` again." in message, result.stderr


def test_the_advice_works(history: t.Callable[[list[str]], Project]) -> None:
    """With ``if_not_exists=True`` the upgrade goes through, also where the first part of it is committed."""
    shop = history([TABLE, f"{OTHER}\n{TABLE}"])
    assert invoke(shop, "upgrade").exit_code == 1
    shop.write_revision("a2", "a1", f"{OTHER}\n{TABLE[:-1]}, if_not_exists=True)")
    result = invoke(shop, "upgrade")
    assert result.exit_code == 0, result.output


def test_a_table_that_sql_created_in_the_same_run(history: t.Callable[[list[str]], Project]) -> None:
    """Its revision isn't known by reading; that the database didn't have it before is."""
    shop = history([f'op.execute("CREATE TABLE t (id INTEGER)")\n{OTHER}', TABLE])
    result = invoke(shop, "upgrade")
    assert result.exit_code == 1 and "create_all" not in result.stderr
    if "mysql" not in shop.url:
        assert "An earlier statement of this run creates the table t, too." in " ".join(result.stderr.split())
