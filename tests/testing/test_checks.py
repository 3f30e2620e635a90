"""The checks of migrations, through the functions; each is shown one history that it accepts and those it doesn't."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from flask_schemaflow.errors import MigrationProblems
from flask_schemaflow.errors import UnknownCheck
from flask_schemaflow.testing import check_migrations
from flask_schemaflow.testing import CheckResult
from flask_schemaflow.testing import Databases
from flask_schemaflow.testing import find_problems

from ..support.git import git
from ..support.servers import Kind
from ..support.servers import KINDS
from .conftest import MakeShop
from .conftest import MODELS
from .conftest import Shop

INDEX = 'op.create_index("ix_pet_name", "pet", ["name"])'
DROP_INDEX = 'op.drop_index("ix_pet_name", "pet")'
INDEXED = MODELS.replace("nullable=False", "nullable=False, index=True")


def check(shop: Shop, databases: Databases, name: str) -> CheckResult:
    """Do one check."""
    (result,) = find_problems(shop.app, name, databases=databases)
    return result


def told(result: CheckResult) -> list[t.Any]:
    """Return what problems say, and where."""
    return [(item.revision, Path(item.path).name, item.line, item.message, item.details) for item in result.problems]


@pytest.mark.parametrize("kind", KINDS)
def test_a_history_in_order_passes_every_check(kind: Kind, make_shop: MakeShop, databases: Databases) -> None:
    """Nothing is said of two revisions that lead to the models and back."""
    shop = make_shop(kind, INDEXED)
    shop.revision("a2", "a1", INDEX, DROP_INDEX)
    results = check_migrations(shop.app, databases=databases)
    assert [result.problems for result in results] == [()] * len(results)


def test_two_heads(make_shop: MakeShop, databases: Databases) -> None:
    """Two heads are one problem, which names both and the way to merge them."""
    shop = make_shop()
    shop.revision("a2", "a1")
    shop.revision("a3", "a1")
    (problem,) = check(shop, databases, "one-head").problems
    assert problem.message == "The history has 2 heads, a2 and a3, so `flask db upgrade` doesn't know where to go."
    assert "flask db merge heads" in problem.hint
    assert problem.line == 12


def test_heads_of_labelled_branches(make_shop: MakeShop, databases: Databases) -> None:
    """Branches with labels have a head each."""
    shop = make_shop()
    shop.revision("a2", "a1", branch_labels=("left",))
    shop.revision("a3", "a1", branch_labels=("right",))
    assert check(shop, databases, "one-head")


def test_a_file_without_downgrade(make_shop: MakeShop, databases: Databases) -> None:
    """Both functions have to be there."""
    shop = make_shop()
    path = shop.project.migrations / "versions" / "a1.py"
    path.write_text(path.read_text().replace("def downgrade", "def backwards"))
    assert told(check(shop, databases, "importable")) == [("a1", "a1.py", 0, "Revision a1 has no downgrade().", ())]


def test_a_file_that_cannot_be_imported(make_shop: MakeShop, databases: Databases) -> None:
    """The line that fails is named, and the other files are imported all the same."""
    shop = make_shop()
    shop.revision("a2", "a1", extra="import no_such_module\n")
    shop.revision("a3", "a2", extra="from os import nothing\n")
    found = {item.revision: (item.line, item.message) for item in check(shop, databases, "importable").problems}
    assert set(found) == {"a2", "a3"}
    assert "no_such_module" in found["a2"][1] and "'nothing' from 'os'" in found["a3"][1]
    assert found["a3"][0] == 23


@pytest.mark.parametrize("kind", KINDS)
def test_models_that_no_revision_makes(kind: Kind, make_shop: MakeShop, databases: Databases) -> None:
    """What the models have and the head has not, and the other way round."""
    shop = make_shop(kind, MODELS + "    age = sa.Column(sa.Integer)\n")
    shop.revision("a2", "a1", INDEX, DROP_INDEX)
    (problem,) = check(shop, databases, "models").problems
    assert problem.message == "At the head a2 the database differs from the models."
    assert problem.details == ("add column pet.age", "drop index ix_pet_name of pet")
    assert "flask db migrate" in problem.hint


def test_models_without_a_revision(make_shop: MakeShop, databases: Databases) -> None:
    """A folder that is still empty is told as such."""
    shop = make_shop()
    (shop.project.migrations / "versions" / "a1.py").unlink()
    (problem,) = check(shop, databases, "models").problems
    assert problem.message == "The folder has no revision, and the models have tables."
    assert problem.details == ("add table pet",)


def test_a_revision_that_fails(make_shop: MakeShop, databases: Databases) -> None:
    """Every check that runs the history names the revision, its line and the database's words."""
    shop = make_shop()
    shop.revision("a2", "a1", 'op.drop_column("nothing", "there")')
    for name in ("models", "stairway", "base"):
        (problem,) = check(shop, databases, name).problems
        assert (problem.revision, Path(problem.path).name, problem.line) == ("a2", "a2.py", 18)
        assert problem.message.startswith("Revision a2 failed")


@pytest.mark.parametrize("kind", KINDS)
def test_a_downgrade_that_forgets(kind: Kind, make_shop: MakeShop, databases: Databases) -> None:
    """The revision that leaves something is named, and not those before it; the end of the stairs hides it."""
    shop = make_shop(kind)
    shop.revision("a2", "a1", INDEX, "pass")
    shop.revision("a3", "a2", 'op.create_table("toy", sa.Column("id", sa.Integer))', 'op.drop_table("toy")')
    expected = "downgrade() of revision a2 doesn't restore the schema before it."
    assert told(check(shop, databases, "stairway")) == [
        ("a2", "a2.py", 21, expected, ("index ix_pet_name of pet remains",))
    ]
    assert check(shop, databases, "base")  # the table that it belongs to is dropped


def test_a_second_upgrade_that_makes_something_else(make_shop: MakeShop, databases: Databases) -> None:
    """The third flight of the stairs leads to what the first one did."""
    shop = make_shop()
    shop.revision(
        "a2",
        "a1",
        """
        import sys
        op.add_column("pet", sa.Column(f"again_{getattr(sys, '_shop_test', 0)}", sa.Integer))
        sys._shop_test = getattr(sys, "_shop_test", 0) + 1
        """,
        """
        import sys
        with op.batch_alter_table("pet") as batch:
            batch.drop_column(f"again_{sys._shop_test - 1}")
        """,
    )
    assert told(check(shop, databases, "stairway")) == [
        (
            "a2",
            "a2.py",
            17,
            "upgrade() of revision a2 makes another schema on a database that it has been reverted on.",
            ("column pet.again_0 is missing", "column pet.again_1 remains"),
        )
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_left_at_base(kind: Kind, make_shop: MakeShop, databases: Databases) -> None:
    """A table and a view that stay are told of with the revision that made each."""
    shop = make_shop(kind)
    shop.revision("a2", "a1", 'op.create_table("toy", sa.Column("id", sa.Integer))', "pass")
    shop.revision("a3", "a2", 'op.execute("CREATE VIEW toys AS SELECT 1 AS one")', "pass")
    view = "view public.toys" if kind == "postgresql" else "view toys"
    assert [(item.revision, item.line, item.details) for item in check(shop, databases, "base").problems] == [
        ("a2", 21, ("table toy remains",)),
        ("a3", 21, (f"{view} remains",)),
    ]


def test_what_only_postgresql_has(make_shop: MakeShop, databases: Databases) -> None:
    """Enum types, sequences, functions and domains are looked for, and a second upgrade that meets them is no news."""
    shop = make_shop("postgresql")
    shop.revision(
        "a2",
        "a1",
        """
        op.execute("CREATE TYPE mood AS ENUM ('sad', 'happy')")
        op.execute("CREATE SEQUENCE numbers")
        op.execute("CREATE DOMAIN short AS varchar(3)")
        op.execute("CREATE FUNCTION one() RETURNS integer LANGUAGE sql AS 'SELECT 1'")
        """,
        "pass",
    )
    expected = (
        "domain public.short remains",
        "function public.one() remains",
        "sequence public.numbers remains",
        "type public.mood remains",
    )
    assert [item.details for item in check(shop, databases, "base").problems] == [expected]
    assert [item.details for item in check(shop, databases, "stairway").problems] == [expected]


def test_a_bind(make_shop: MakeShop, databases: Databases, tmp_path: Path) -> None:
    """Each database of an application is checked; what differs has the bind's name before it."""
    other = '\nclass Login(db.Model):\n    __bind_key__ = "users"\n    id = sa.Column(sa.Integer, primary_key=True)\n'
    shop = make_shop(models=MODELS + other, binds={"users": f"sqlite:///{tmp_path / 'users.db'}"})
    path = shop.project.migrations / "versions" / "a1.py"
    functions = """
def upgrade_users():
    op.create_table("login", sa.Column("id", sa.Integer, primary_key=True))


def downgrade_users():
    pass
"""
    path.write_text(path.read_text() + functions)
    assert check(shop, databases, "models")
    (problem,) = check(shop, databases, "base").problems
    assert (problem.revision, problem.details) == ("a1", ("users: table login remains",))
    assert not (tmp_path / "users.db").exists()


def test_an_unknown_check(make_shop: MakeShop, databases: Databases) -> None:
    """A typo is told with the name that was meant."""
    with pytest.raises(UnknownCheck) as caught:
        find_problems(make_shop().app, "stairways", databases=databases)
    assert str(caught.value) == "There is no check 'stairways'.\nDid you mean stairway?"


def test_problems_fail_a_test(make_shop: MakeShop, databases: Databases) -> None:
    """unittest shows an assertion that has every problem with its place and the next step."""
    shop = make_shop()
    shop.revision("a2", "a1", INDEX, "pass")
    with pytest.raises(AssertionError) as caught:
        check_migrations(shop.app, "stairway", databases=databases)
    assert isinstance(caught.value, MigrationProblems)
    path = shop.project.migrations / "versions" / "a2.py"
    assert str(caught.value) == (
        "The migrations have a problem.\n\n"
        f"{path}:21: downgrade() of revision a2 doesn't restore the schema before it.\n"
        "  index ix_pet_name of pet remains\n"
        "Have it undo all that upgrade() does."
    )


def test_a_broken_history(make_shop: MakeShop, databases: Databases) -> None:
    """A history that can't be read is a problem of each check, in the words that every command has."""
    shop = make_shop()
    shop.revision("a2", "nowhere")
    for result in find_problems(shop.app, databases=databases):
        assert [problem.message for problem in result.problems] == [
            f"The revision a2 ({shop.project.migrations / 'versions' / 'a2.py'}) follows nowhere, which does not exist."
        ]


def test_what_git_has_of_another_branch(make_shop: MakeShop, databases: Databases) -> None:
    """An edited revision of the main branch, and a new one that loses data, are found; comments are no edit."""
    shop = make_shop("sqlite")
    assert {check.skipped for check in find_problems(shop.app, "unedited", "lint", databases=databases)} == {
        "git has no branch to compare with; name one with --schemaflow-since"
    }
    for command in ("init -q -b main", "add .", "commit -q -m first", "checkout -q -b mine"):
        git(shop.project.root, *command.split())
    [path] = (shop.project.migrations / "versions").glob("*.py")
    path.write_text(path.read_text() + "# a comment\n")
    assert not told(check(shop, databases, "unedited"))
    path.write_text(path.read_text().replace("op.create_table(", "op.execute('SELECT 1')\n    op.create_table(", 1))
    shop.revision("a2", "a1", 'op.drop_column("pet", "name")', "pass")
    assert [problem.revision for problem in check(shop, databases, "unedited").problems] == ["a1"]
    found = check(shop, databases, "lint")
    assert any(item.message.startswith("Revision a2: loses-data.") for item in found.problems)
