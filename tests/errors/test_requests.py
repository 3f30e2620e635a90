"""Requests that the history can't meet: heads, steps, names, directions, new revisions."""

from __future__ import annotations

import pytest

from ..support.application import Project
from ..support.git import git
from .conftest import Fails
from .conftest import Runs
from .messages import said


@pytest.fixture
def history(shop: Project) -> Project:
    """Two revisions that touch no table."""
    shop.write_revision("abcd0001", None, message="people")
    shop.write_revision("abcd0002", "abcd0001", message="streets")
    return shop


def test_several_heads(history: Project, runs: Runs, fails: Fails) -> None:
    """Both branches with file, date and author, and the commands for both ways on."""
    history.write_revision("abcd0003", "abcd0002", message="cities")
    history.write_revision("abcd0004", "abcd0002", message="lakes")
    git(history.root, "init", "-q")
    git(history.root, "add", "migrations")
    git(history.root, "commit", "-qm", "Everything")
    told = fails("upgrade")
    assert told == said(
        """
        Error [SF309]: Multiple heads: the history has 2 heads, abcd0003 and abcd0004, so `head` is ambiguous.

          abcd0003  cities
            migrations/versions/abcd0003_cities.py
            2024-01-01 00:00, by Ada Lovelace, follows abcd0002
          abcd0004  lakes
            migrations/versions/abcd0004_lakes.py
            2024-01-01 00:00, by Ada Lovelace, follows abcd0002

        Run `flask db merge heads`, then `flask db upgrade`. Or move yours onto the other: `flask db rebase`.
        To apply all of them as they are: `flask db upgrade heads`.
        """
    )
    assert fails("migrate") == told
    assert fails("revision") == told
    assert "To stamp all of them: `flask db stamp heads`." in fails("stamp")
    assert fails("show").splitlines()[-1] == fails("edit", "head").splitlines()[-1] == "Give the id of one of them."
    assert runs("upgrade", "heads").exit_code == 0
    assert fails("migrate") == told
    assert fails("downgrade") == said(
        """
        Error [SF317]: -1 is ambiguous: the database has 2 current revisions, abcd0003 and abcd0004.

        Choose one:
            flask db downgrade abcd0003@-1
            flask db downgrade abcd0004@-1
        """
    )
    assert runs("downgrade", "abcd0003@-1").stdout.startswith("Reverted abcd0003 cities")
    assert runs("merge", "heads").exit_code == 0


def test_a_database_that_is_behind(history: Project, runs: Runs, fails: Fails) -> None:
    """What is pending, with the command that applies it."""
    assert fails("migrate") == said(
        """
        Error [SF310]: The default database is not up to date: it has no current revision, with 2 pending
            migrations.

          abcd0001  people
          abcd0002  streets

        Run `flask db upgrade`, then run this command again.
        """
    )
    runs("upgrade", "abcd0001")
    assert fails("check") == said(
        """
        Error [SF310]: The default database is not up to date: it is at abcd0001, with 1 pending migration.

          abcd0002  streets

        Run `flask db upgrade`, then run this command again.
        Or regenerate abcd0002 with all changes: `flask db migrate --update`.
        """
    )
    assert fails("current", "--check-heads") == said(
        """
        Error [SF310]: The default database is not up to date: it is at abcd0001, not at the head.

        Run `flask db upgrade`. `flask db status` lists the pending revisions.
        """
    )


def test_steps_beyond_the_ends(history: Project, runs: Runs, fails: Fails) -> None:
    """More steps than there are revisions."""
    assert fails("upgrade", "+3", status=2) == said(
        """
        Error [SF312]: +3 goes past the last revision.

        Use fewer steps, or run `flask db upgrade head`.
        """
    )
    runs("upgrade", "abcd0001")
    assert fails("downgrade", "-2", status=2) == said(
        """
        Error [SF312]: -2 goes past the first revision.

        Use fewer steps, or run `flask db downgrade base`, which reverts everything.
        """
    )
    runs("downgrade", "base")
    assert fails("downgrade", status=2) == said(
        """
        Error [SF312]: -1 goes past the first revision.

        Use fewer steps, or run `flask db downgrade base`, which reverts everything.
        """
    )


def test_a_step_that_meets_a_fork_or_a_merge(history: Project, runs: Runs, fails: Fails) -> None:
    """Each way on is a command to paste; any of a merge's parents takes the merge alone back."""
    history.write_revision("abcd0003", "abcd0001", message="cities")
    history.write_revision("abcd0004", ("abcd0002", "abcd0003"), message="join")
    assert fails("upgrade", "+2") == said(
        """
        Error [SF317]: +2 is ambiguous: it leads to 2 branches, abcd0002 and abcd0003.

        Choose one:
            flask db upgrade abcd0002
            flask db upgrade abcd0003
        """
    )
    runs("upgrade")
    assert fails("downgrade") == said(
        """
        Error [SF317]: -1 is ambiguous: it leads to 2 revisions that were merged, abcd0002 and abcd0003.

        To revert the merge alone, run `flask db downgrade abcd0002`: abcd0002 and abcd0003 stay applied.
        To revert a branch as well, run `flask db downgrade abcd0002@-1` after that.
        """
    )
    assert fails("downgrade", "abcd0004@-1") == said(
        """
        Error [SF317]: abcd0004@-1 is ambiguous: the history branches there.

        Use the id of a revision: `flask db history` lists them.
        """
    )
    runs("downgrade", "abcd0003")
    assert runs("current").stdout.splitlines() == ["abcd0002", "abcd0003"]


def test_steps_that_are_none(history: Project, runs: Runs, fails: Fails) -> None:
    """No step, a step in the other command's direction, a step from a revision beyond the end."""
    assert fails("upgrade", "+0", status=2) == said(
        """
        Error [SF312]: +0 is not a valid step.

        Use at least one: `flask db upgrade +1`.
        """
    )
    assert fails("upgrade", "-1", status=2) == said(
        """
        Error [SF312]: `upgrade` can't take -1, a step back.

        Run `flask db downgrade -1`.
        """
    )
    assert fails("downgrade", "+1", status=2) == said(
        """
        Error [SF312]: `downgrade` can't take +1, a step forward.

        Run `flask db upgrade +1`.
        """
    )
    assert fails("upgrade", "abcd0001+5", status=2) == said(
        """
        Error [SF312]: abcd0001+5 goes past the last revision.

        Use fewer steps, or run `flask db upgrade head`.
        """
    )


@pytest.mark.parametrize(
    "command", [("upgrade", ""), ("show", ""), ("stamp", ""), ("edit", ""), ("revision", "--head", "")]
)
def test_an_empty_name(command: tuple[str, ...], history: Project, fails: Fails) -> None:
    """As an unset variable in a script leaves it."""
    assert fails(*command, status=2) == said(
        """
        Error [SF301]: An empty text, or an @ with nothing around it, is not a revision of PROJECT/migrations.

        `flask db history` lists all revisions.
        """
    )


def test_names_of_no_single_revision(history: Project, fails: Fails) -> None:
    """``base`` is none, and nothing stands before or after an ``@``."""
    assert fails("show", "base", status=2) == said(
        """
        Error [SF301]: 'base' names no revision in PROJECT/migrations.

        `flask db history` lists them.
        """
    )
    assert fails("upgrade", "@", status=2) == said(
        """
        Error [SF301]: '@' is not a revision of PROJECT/migrations.

        `flask db history` lists all revisions.
        """
    )


def test_the_wrong_direction(history: Project, runs: Runs, fails: Fails) -> None:
    """An upgrade to what was applied long ago, a downgrade to what was not applied yet."""
    runs("upgrade", "abcd0001")
    assert fails("downgrade", "abcd0002", status=2) == said(
        """
        Error [SF313]: Can't downgrade to abcd0002: the database is at abcd0001, which is earlier or on another
            branch.

        To continue, run `flask db upgrade abcd0002`. `flask db status` shows the current state.
        """
    )
    runs("upgrade", "head")
    assert runs("upgrade", "abcd0001").stdout == "Nothing to upgrade: every database is up to date.\n"
    assert fails("history", "-r", "abcd0002:abcd0001", status=2) == said(
        """
        Error [SF313]: The range must go from an older revision to a newer one of the same branch.

        Write the older one first, FROM:TO; `flask db history` shows the order.
        """
    )


def test_a_merge_of_one_head(history: Project, fails: Fails) -> None:
    """Nothing is written."""
    assert fails("merge", "heads", status=2) == said(
        """
        Error [SF701]: There is nothing to merge: heads names 1 revision.

        `flask db heads` lists the heads; a merge joins two or more.
        """
    )
    assert fails("merge", "abcd0001", "abcd0002", status=2) == said(
        """
        Error [SF315]: Another revision follows abcd0001 already, so it is not a head.

        Remove --head to follow the head, or add --splice to start a branch at this revision.
        """
    )
    assert fails("merge", "abcd0001", "abcd0099", status=2) == said(
        """
        Error [SF301]: PROJECT/migrations has no revision or branch 'abcd0099'.

        Similar revisions:
          abcd0002  streets
          abcd0001  people

        `flask db history` lists all revisions.
        """
    )


def test_an_id_that_exists(history: Project, fails: Fails) -> None:
    """Nothing is written."""
    assert fails("revision", "--rev-id", "abcd0001", status=2) == said(
        """
        Error [SF702]: The revision id abcd0001 is a duplicate: PROJECT/migrations/versions/abcd0001_people.py
            has it.

        Remove --rev-id to get a new one, or choose another.
        """
    )


def test_a_parent_that_is_no_head(history: Project, fails: Fails) -> None:
    """The option that begins a branch is named."""
    assert fails("revision", "--head", "abcd0001", status=2) == said(
        """
        Error [SF315]: Another revision follows abcd0001 already, so it is not a head.

        Remove --head to follow the head, or add --splice to start a branch at this revision.
        """
    )
    assert fails("revision", "--depends-on", "nothing", status=2) == said(
        """
        Error [SF301]: PROJECT/migrations has no revision or branch 'nothing'.

        `flask db history` lists all revisions.
        """
    )


def test_a_range_without_sql(history: Project, fails: Fails) -> None:
    """A database knows where it is."""
    assert fails("upgrade", "abcd0001:abcd0002", status=2) == said(
        """
        Error [SF701]: The range 'abcd0001:abcd0002' works only with --sql.

        Use the target revision: abcd0002
        """
    )
    assert fails("downgrade", "abcd0002:abcd0001", status=2) == said(
        """
        Error [SF701]: The range 'abcd0002:abcd0001' works only with --sql.

        Use the target revision: abcd0001
        """
    )
