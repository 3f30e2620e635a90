"""What ``autocommit_block()`` has committed on PostgreSQL is not done again, and an invalid index is rebuilt."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from flask_schemaflow.errors import SchemaflowError
from flask_schemaflow.errors.running import AppliedPartChanged

from .conftest import MakeShop
from .conftest import Shop

BEFORE = """
op.create_table("item", sa.Column("id", sa.Integer, primary_key=True), sa.Column("n", sa.Integer))
op.execute("INSERT INTO item (id, n) VALUES (1, 5), (2, 5)")
op.execute("UPDATE item SET n = n + 1")
"""
BLOCK = """
with op.get_context().autocommit_block():
    op.execute("INSERT INTO item (id, n) VALUES (3, 0)")
{fix}    op.create_index("ux_item_n", "item", ["n"], unique=True, postgresql_concurrently=True)
op.execute("UPDATE item SET n = n * 10")
"""
FIX = '    op.execute("UPDATE item SET n = 7 WHERE id = 2")\n'
INDEXES = """
    SELECT c.relname, x.indisvalid FROM pg_index x JOIN pg_class c ON c.oid = x.indexrelid
    WHERE x.indrelid = 'item'::regclass AND NOT x.indisprimary ORDER BY 1
"""


def block(fix: str = "") -> str:
    """A revision's body that fails unless ``fix`` makes the numbers differ."""
    return BEFORE + BLOCK.format(fix=fix)


def failed(shop: Shop, body: str) -> SchemaflowError:
    """The error of an upgrade to a second revision with this body."""
    shop.write("r1", "op.create_table('first', sa.Column('id', sa.Integer))")
    shop.write("r2", body, "r1")
    with pytest.raises(SchemaflowError, match="could not create unique index") as caught:
        shop.upgrade()
    return caught.value


@pytest.mark.parametrize("repository", ["ours", "single 0.1.4", "single 4.1.0"])
def test_an_invalid_index_is_built_again(shop: MakeShop, postgres_url: str, repository: str) -> None:
    """After the data was corrected in the file; under our env.py and old ones."""
    made = shop(postgres_url, repository)
    error = failed(made, block())
    assert "Committed up to its last autocommit_block() or commit(), rest rolled back: r2" in str(error)
    assert made.project.execute(INDEXES) == [("ux_item_n", False)]
    found = made.status()
    assert found.current == ("r1",)
    assert found.interrupted.startswith("Revision r2 was interrupted in its upgrade after 4 statements")
    made.write("r2", block(FIX), "r1")
    made.upgrade()
    assert [(row["id"], row["n"]) for row in made.rows("item")] == [(1, 60), (2, 70), (3, 0)]
    assert made.project.execute(INDEXES) == [("ux_item_n", True)]
    assert made.tables() == {"alembic_version", "first", "item"}


def test_an_index_without_a_name_is_found(shop: MakeShop, postgres_url: str) -> None:
    """Also when the corrected file gives it one."""
    made = shop(postgres_url)
    named = 'op.create_index("ux_item_n", "item", ["n"], unique=True, postgresql_concurrently=True)'
    failed(made, block().replace(named, 'op.execute("CREATE UNIQUE INDEX CONCURRENTLY ON item (n)")'))
    assert made.project.execute(INDEXES) == [("item_n_idx", False)]
    made.write("r2", block(FIX), "r1")
    made.upgrade()
    assert made.project.execute(INDEXES) == [("ux_item_n", True)]


def test_an_invalid_index_of_another_tool_is_dropped(shop: MakeShop, postgres_url: str) -> None:
    """Flask-Migrate left it, and nobody wrote down how."""
    made = shop(postgres_url)
    made.project.execute("CREATE TABLE item (id INTEGER PRIMARY KEY, n INTEGER)")
    made.project.execute("INSERT INTO item VALUES (1, 5), (2, 5)")
    engine = made.project.engine().execution_options(isolation_level="AUTOCOMMIT")
    with engine.connect() as connection, pytest.raises(sa.exc.IntegrityError):
        connection.exec_driver_sql("CREATE UNIQUE INDEX CONCURRENTLY ux_item_n ON item (n)")
    made.project.execute("UPDATE item SET n = id")
    body = 'with op.get_context().autocommit_block():\n    op.create_index("ux_item_n", "item", ["n"], '
    made.write("r1", body + "unique=True, postgresql_concurrently=True)")
    made.upgrade()
    assert made.notices() == ["Dropped the INVALID index public.ux_item_n, which an interrupted build had left."]
    assert made.project.execute(INDEXES) == [("ux_item_n", True)]


@pytest.mark.parametrize(("old", "named"), [("n + 1", "UPDATE item SET n = n + 1"), ("(3, 0)", "INSERT INTO item")])
def test_a_changed_applied_part_is_refused(shop: MakeShop, postgres_url: str, old: str, named: str) -> None:
    """Before the block, in its own transaction, and in it."""
    made = shop(postgres_url)
    failed(made, block())
    made.write("r2", block(FIX).replace(old, "(4, 9)" if old == "(3, 0)" else "n + 2"), "r1")
    with pytest.raises(AppliedPartChanged, match=named.replace("+", r"\+")):
        made.upgrade()


def test_a_revision_without_a_block_is_left_to_the_transaction(shop: MakeShop, postgres_url: str) -> None:
    """No table of ours is made, and a failure leaves nothing."""
    made = shop(postgres_url)
    made.write("r1", BEFORE + "op.execute('UPDATE missing SET n = 1')")
    with pytest.raises(SchemaflowError, match="missing"):
        made.upgrade()
    assert made.tables() <= {"alembic_version"}
    assert made.status().interrupted == ""


def test_a_loop_in_a_block_goes_on_where_it_was(shop: MakeShop, postgres_url: str) -> None:
    """Batches that were committed count, and the numbers of changed rows are what they were."""
    made = shop(postgres_url)
    body = """
bind = op.get_bind()
op.execute("CREATE TABLE item AS SELECT g AS id, 0 AS n FROM generate_series(1, 100) g")
counts = []
with op.get_context().autocommit_block():
    while not counts or counts[-1]:
        some = "SELECT id FROM item WHERE n = 0 ORDER BY id LIMIT 30"
        counts.append(bind.execute(sa.text(f"UPDATE item SET n = n + 1 WHERE id IN ({some})")).rowcount)
        if len(counts) == 3:
            bind.execute(sa.text("SELECT 1 / (SELECT count(*) FROM go)"))
op.execute(f"CREATE TABLE counted_{'_'.join(map(str, counts))} (id INTEGER)")
"""
    made.project.execute("CREATE TABLE go (id INTEGER)")
    made.write("r1", body)
    with pytest.raises(SchemaflowError, match="division by zero"):
        made.upgrade()
    made.project.execute("INSERT INTO go VALUES (1)")
    made.upgrade()
    assert {row["n"] for row in made.rows("item")} == {1}
    assert "counted_30_30_30_10_0" in made.tables()
