"""The check ``rows``: what is in a database before a revision is still there after it."""

from __future__ import annotations

import datetime
import decimal
import typing as t
import uuid
from pathlib import Path

import pytest
import sqlalchemy as sa

from flask_schemaflow.testing import CheckResult
from flask_schemaflow.testing import Databases
from flask_schemaflow.testing import find_problems
from flask_schemaflow.testing.rows import is_same
from flask_schemaflow.testing.rows import value_for

from ..support.servers import Kind
from ..support.servers import KINDS
from .conftest import MakeShop
from .conftest import Shop

DROP = 'with op.batch_alter_table("pet") as batch:\n    batch.drop_column({0!r})'
ALTER = 'with op.batch_alter_table("pet") as batch:\n    batch.alter_column("age", {})'
AGAIN = """
op.drop_table("pet"){}
op.create_table(
    "pet",
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(50), nullable=False),
)
"""
ADD = 'op.add_column("pet", sa.Column({0!r}, {1}))'


def rows(shop: Shop, databases: Databases) -> CheckResult:
    """Do the check."""
    (result,) = find_problems(shop.app, "rows", databases=databases)
    return result


def told(result: CheckResult) -> list[t.Any]:
    """Return what problems say, and where."""
    return [(item.revision, Path(item.path).name, item.line, item.message, item.details) for item in result.problems]


def add(column: str, type_: str = "sa.Integer") -> str:
    """Return the operation that adds a column."""
    return ADD.format(column, type_)


def drop(column: str) -> str:
    """Return the operation that drops a column."""
    return DROP.format(column)


TOYS = """
op.create_table(
    "toy",
    sa.Column("pet_id", sa.Integer, sa.ForeignKey("pet.id", ondelete="CASCADE"), nullable=False),
    sa.Column("kind", sa.Enum("ball", "bone", name="toy_kind"), nullable=False),
    sa.Column("price", sa.Numeric(8, 2), nullable=False),
    sa.Column("bought", sa.DateTime, nullable=False),
    sa.Column("note", sa.Text),
    sa.PrimaryKeyConstraint("pet_id", "kind"),
    sa.CheckConstraint("price BETWEEN 5 AND 7", name="cheap"),
)
"""
DROP_TOYS = 'op.drop_table("toy")\nsa.Enum(name="toy_kind").drop(op.get_bind(), checkfirst=True)'


@pytest.mark.parametrize("kind", KINDS)
def test_revisions_that_keep_rows(kind: Kind, make_shop: MakeShop, databases: Databases) -> None:
    """Columns and tables come and go, types change, rows are moved and values are computed: all of it is said."""
    shop = make_shop(kind)
    shop.revision("a2", "a1", TOYS, DROP_TOYS)
    shop.revision("a3", "a2", add("age", 'sa.Integer, server_default="1"'), drop("age"))
    shop.revision(
        "a4",
        "a3",
        ALTER.format("type_=sa.BigInteger, nullable=False"),
        ALTER.format("type_=sa.Integer, nullable=True"),
    )
    shop.revision("a5", "a4", "op.execute(\"UPDATE pet SET name = 'x', age = age + 1\")", "pass")
    shop.revision("a6", "a5", 'op.rename_table("toy", "plaything")', 'op.rename_table("plaything", "toy")')
    shop.revision("a7", "a6", 'op.execute("DELETE FROM plaything")', "pass")
    result = rows(shop, databases)
    assert not told(result), str(told(result))
    assert result.notes == ()


@pytest.mark.parametrize("kind", KINDS)
def test_rows_that_go(kind: Kind, make_shop: MakeShop, databases: Databases) -> None:
    """A table that is made anew without its rows: the revision, its line, the rows and the next step."""
    shop = make_shop(kind)
    shop.revision("a2", "a1", AGAIN.format(""), "pass")
    (problem,) = rows(shop, databases).problems
    assert (problem.revision, Path(problem.path).name, problem.line) == ("a2", "a2.py", 19)
    assert problem.message == "upgrade() of revision a2 doesn't keep the rows that are there before it."
    assert problem.details == ("the row of pet with id 9001 is gone", "the row of pet with id 9002 is gone")
    assert "# allow loses-data: REASON" in problem.hint


def test_rows_that_a_comment_lets_go(make_shop: MakeShop, databases: Databases) -> None:
    """A comment with a reason says that the rows may go."""
    shop = make_shop()
    shop.revision("a2", "a1", AGAIN.format("  # allow loses-data: they are computed anew"), "pass")
    assert rows(shop, databases)


@pytest.mark.parametrize("kind", KINDS)
def test_values_that_change(kind: Kind, make_shop: MakeShop, databases: Databases) -> None:
    """A value that doesn't come back, and rows that a trigger or a cascade takes along, are told for the downgrade."""
    shop = make_shop(kind)
    shop.revision("a2", "a1", TOYS, DROP_TOYS)
    shop.revision("a3", "a2", "pass", "op.execute(\"DELETE FROM pet\")")
    expected = (
        "the row of toy with pet_id 9001, kind 'bone' is gone",
        "the row of toy with pet_id 9002, kind 'ball' is gone",
    )
    result = rows(shop, databases)
    if kind == "sqlite":  # which doesn't enforce foreign keys here
        assert result
    else:
        assert [(item.message[:13], item.details) for item in result.problems] == [("downgrade() o", expected)]


def test_a_value_that_is_cut(make_shop: MakeShop, databases: Databases) -> None:
    """A conversion that loses a part of the value is told with both values."""
    shop = make_shop()
    shop.revision("a2", "a1", add("price", "sa.Numeric(8, 2)"), drop("price"))
    cut = """
    op.execute("ALTER TABLE pet RENAME TO old")
    op.execute("CREATE TABLE pet (id INTEGER PRIMARY KEY, name VARCHAR(40) NOT NULL, price INTEGER)")
    op.execute("INSERT INTO pet SELECT id, name, CAST(price AS INTEGER) FROM old")
    op.execute("DROP TABLE old")
    """
    shop.revision("a3", "a2", cut, "pass")
    (problem,) = rows(shop, databases).problems
    assert problem.line == 20
    assert problem.details[0] == "pet.price of the row with id 9001 was 9001.5 and is now 9001"


@pytest.mark.parametrize("kind", KINDS)
def test_a_revision_that_fails_on_rows(kind: Kind, make_shop: MakeShop, databases: Databases) -> None:
    """A revision that works on empty tables only is told with the database's words; those after it are checked, too."""
    shop = make_shop(kind)
    shop.revision("a2", "a1", add("code", "sa.Integer, nullable=True"), drop("code"))
    shop.revision(
        "a3",
        "a2",
        'op.execute("UPDATE pet SET code = 1")\nop.create_index("u", "pet", ["code"], unique=True)',
        'op.drop_index("u", "pet")',
    )
    shop.revision("a4", "a3", "pass", "op.execute('UPDATE pet SET name = NULL')")
    first, second = rows(shop, databases).problems
    assert first.message == "upgrade() of revision a3 fails on tables that have rows."
    assert (first.revision, first.line) == ("a3", 19) and first.details[0].startswith("Revision a3 failed")
    assert (second.revision, second.message) == ("a4", "downgrade() of revision a4 fails on tables that have rows.")
    path = shop.project.migrations / "versions" / "a3.py"
    path.write_text(path.read_text().replace("def upgrade", "# allow fails-on-data: no shop has two\ndef upgrade"))
    assert [item.revision for item in rows(shop, databases).problems] == ["a4"]


def test_a_downgrade_that_fails_anyway(make_shop: MakeShop, databases: Databases) -> None:
    """That is what stairway tells; this check goes on with the revisions after it."""
    shop = make_shop()
    shop.revision("a2", "a1", add("age"), "raise NotImplementedError")
    shop.revision("a3", "a2", "op.execute('UPDATE pet SET age = NULL')", 'op.execute("DELETE FROM nothing")')
    shop.revision("a4", "a3", "op.create_table('toy', sa.Column('id', sa.Integer))")  # which no second one can
    shop.revision("a5", "a4", "op.execute('UPDATE pet SET age = 5')")
    assert told(rows(shop, databases)) == []


@pytest.mark.parametrize("kind", KINDS)
def test_tables_that_depend_on_each_other(kind: Kind, make_shop: MakeShop, databases: Databases) -> None:
    """Keys within a table, in a circle, and to a table that comes later in the alphabet; unique and NOT NULL."""
    shop = make_shop(kind)
    tables = """
    op.create_table(
        "zoo", sa.Column("id", sa.Integer, primary_key=True), sa.Column("town", sa.String(3), unique=True),
        sa.Column("parent_id", sa.Integer, sa.ForeignKey("zoo.id")),
    )
    op.create_table(
        "cage", sa.Column("zoo_id", sa.Integer, sa.ForeignKey("zoo.id"), primary_key=True),
        sa.Column("open", sa.Boolean, nullable=False),
        sa.Column("size", sa.String(10), nullable=False),
        sa.CheckConstraint("size IN ('big', 'small')", name="size"),
    )
    op.create_table("no_key", sa.Column("day", sa.Date, nullable=False), sa.Column("data", sa.JSON))
    """
    shop.revision("a2", "a1", tables, 'op.drop_table("no_key")\nop.drop_table("cage")\nop.drop_table("zoo")')
    lose = 'op.drop_table("no_key")\nop.create_table("no_key", sa.Column("day", sa.Date), sa.Column("data", sa.JSON))'
    shop.revision("a3", "a2", lose, "pass")
    result = rows(shop, databases)
    assert result.notes == ()
    (problem,) = result.problems
    assert len(problem.details) == 2, problem.details
    assert [item.startswith("the row of no_key with day ") for item in problem.details] == [True, True]


def test_a_table_that_takes_no_row(make_shop: MakeShop, databases: Databases) -> None:
    """A condition that no generated value fulfils is told as what was not checked."""
    shop = make_shop()
    impossible = 'sa.CheckConstraint("length(code) = 31", name="odd"), nullable=False'
    create = f'op.create_table("odd", sa.Column("code", sa.Text, {impossible}))'
    shop.revision("a2", "a1", create, 'op.drop_table("odd")')
    shop.revision("a3", "a2")
    result = rows(shop, databases)
    assert result and result.notes == (
        "No row could be generated for the table odd, so what happens to its rows is unknown.",
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("9001", 9001),
        (True, "t"),
        (1, True),
        (decimal.Decimal("1.50"), 1.5),
        (uuid.UUID(int=5), str(uuid.UUID(int=5))),
        (datetime.datetime(2024, 1, 2, 3, 4, 5), "2024-01-02 03:04:05"),
        (datetime.date(2024, 1, 2), datetime.datetime(2024, 1, 2)),
        ({"n": 1}, '{"n": 1}'),
        (b"x", memoryview(b"x")),
        ("abc  ", "abc"),
    ],
)
def test_values_that_are_the_same(before: t.Any, after: t.Any) -> None:
    """A value is the same whatever type holds it."""
    assert is_same(before, after)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("x", None),
        (1.5, 1),
        ("a", "b"),
        (True, False),
        (datetime.datetime(2024, 1, 2, 3), datetime.datetime(2024, 1, 2)),
    ],
)
def test_values_that_differ(before: t.Any, after: t.Any) -> None:
    """What is lost isn't the same."""
    assert not is_same(before, after)


def test_values_fit_their_columns() -> None:
    """Texts have their length, and those that are to become an enum are one of its values."""
    assert value_for(sa.String(2), 9001) == "01"
    assert value_for(sa.String(8), 9001, sa.Enum("a", "b")) == "b"
    assert value_for(sa.Numeric(3, 2), 9001) == decimal.Decimal("1.5")


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_transaction_for_each_revision(kind: Kind, make_shop: MakeShop, databases: Databases) -> None:
    """Between two of them nothing is left open; a database of a bind has rows of its own."""
    shop = make_shop(kind)
    path = shop.project.root / "shop" / "__init__.py"
    path.write_text(path.read_text().replace("Migrate(", "Migrate(transaction_per_migration=True, "))
    shop.revision("a2", "a1", TOYS, DROP_TOYS)
    shop.revision("a3", "a2", add("age"), drop("age"))
    shop.revision("a4", "a3", "op.execute('DELETE FROM toy')\nop.execute('DELETE FROM pet WHERE id = 9001')", "pass")
    results = find_problems(shop.app, "stairway", "rows", "base", databases=databases)
    assert [item.problems for item in results] == [()] * 3
