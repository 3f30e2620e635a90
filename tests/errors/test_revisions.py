"""Revision files that don't fit together, and names of revisions that name none: the whole message of each."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import MakeProject
from tests.conftest import WriteRepository
from tests.support import processes
from tests.support.application import Project

from .conftest import Fails
from .conftest import invoke
from .conftest import Runs
from .messages import said


@pytest.fixture
def history(shop: Project) -> Project:
    """Two revisions that touch no table."""
    shop.write_revision("abcd0001", None, message="people")
    shop.write_revision("abcd0002", "abcd0001", message="streets")
    return shop


def git(shop: Project, *args: str) -> str:
    """Run git in the project, as a person of its own."""
    person = ["-c", "user.name=Ada Lovelace", "-c", "user.email=ada@example.org", "-c", "init.defaultBranch=main"]
    dated = {"GIT_AUTHOR_DATE": "2024-05-01T12:00:00", "GIT_COMMITTER_DATE": "2024-05-01T12:00:00"}
    return processes.run(["git", *person, *args], cwd=shop.root, env=dated).stdout


def test_an_unknown_id_suggests_near_ones(history: Project, fails: Fails) -> None:
    """A slip in an id is answered with the ids that resemble it."""
    assert fails("upgrade", "abcd0003", status=2) == said(
        """
        Error [SF301]: No revision or branch is called 'abcd0003' in PROJECT/migrations.

        Near it are:
          abcd0002  streets
          abcd0001  people

        `flask db history` lists all revisions.
        """
    )
    assert fails("show", "zzzz", status=2) == said(
        """
        Error [SF301]: No revision or branch is called 'zzzz' in PROJECT/migrations.

        `flask db history` lists all revisions.
        """
    )
    assert fails("downgrade", "ab", status=2) == said(
        """
        Error [SF302]: 2 revisions begin with 'ab'.

          abcd0002  streets
          abcd0001  people

        Give more characters of the one that is meant.
        """
    )
    assert fails("stamp", "streets", status=2) == said(
        """
        Error [SF301]: No revision or branch is called 'streets' in PROJECT/migrations.

        Near it are:
          abcd0002  streets

        `flask db history` lists all revisions.
        """
    )


def test_an_ambiguous_id_lists_what_it_fits(history: Project, fails: Fails) -> None:
    """The beginning of several ids."""
    assert fails("upgrade", "abcd", status=2) == said(
        """
        Error [SF302]: 2 revisions begin with 'abcd'.

          abcd0002  streets
          abcd0001  people

        Give more characters of the one that is meant.
        """
    )


def test_an_unknown_branch(history: Project, fails: Fails) -> None:
    """A label that no revision has, with a head or a step behind it."""
    assert fails("upgrade", "billing@head", status=2) == said(
        """
        Error [SF301]: No revision or branch is called 'billing' in PROJECT/migrations.

        `flask db history` lists all revisions.
        """
    )
    assert fails("revision", "--head", "billing@head", status=2) == said(
        """
        Error [SF301]: No revision or branch is called 'billing' in PROJECT/migrations.

        `flask db history` lists all revisions.
        """
    )
    assert fails("upgrade", "billing@+1", status=2) == said(
        """
        Error [SF301]: No revision or branch is called 'billing' in PROJECT/migrations.

        `flask db history` lists all revisions.
        """
    )


def test_a_syntax_error_in_a_file(history: Project, fails: Fails) -> None:
    """File, line and what stands there."""
    path = history.write_revision("abcd0003", "abcd0002", upgrade="op.drop_table('x'")
    assert fails("upgrade") == said(
        """
        Error [SF303]: The revision file PROJECT/migrations/versions/abcd0003.py, line 18 can't be loaded:
            SyntaxError: '(' was never closed

          op.drop_table('x'

        Correct that line and run the command again; nothing was changed.
        """
    )
    assert path.exists()


def test_an_import_that_fails_in_a_file(history: Project, runs: Runs, fails: Fails) -> None:
    """A package that isn't installed, and a name that a module lacks."""
    path = history.write_revision("abcd0003", "abcd0002")
    history.write(path, "import geoalchemy99\n" + path.read_text("utf-8"))
    assert fails("upgrade") == said(
        """
        Error [SF303]: The revision file PROJECT/migrations/versions/abcd0003.py, line 1 can't be loaded:
            ModuleNotFoundError: No module named 'geoalchemy99'

          import geoalchemy99

        Install what it needs (`pip install geoalchemy99`, if that is its name), or correct it.
        """
    )
    history.write(path, path.read_text("utf-8").replace("import geoalchemy99", "from shop.models import Gone"))
    assert fails("upgrade") == said(
        """
        Error [SF303]: The revision file PROJECT/migrations/versions/abcd0003.py, line 1 can't be loaded:
            ImportError: cannot import name 'Gone' from 'shop.models' (PROJECT/shop/models.py)

          from shop.models import Gone

        Correct that line and run the command again; nothing was changed.
        """
    )
    assert runs("current").stdout == ""


def test_a_file_without_identifiers(history: Project, fails: Fails) -> None:
    """A file that lies among the revisions and is none."""
    history.write("migrations/versions/helpers.py", "def helper():\n    pass\n")
    assert fails("heads") == said(
        """
        Error [SF304]: The file PROJECT/migrations/versions/helpers.py doesn't say which revision it is: it has
            no variable `revision`.

        Write its id and what it follows, `revision = "ID"` and `down_revision = "ID"` or `None`, or move the
            file out of the folder.
        """
    )


def test_a_file_without_a_parent(history: Project, fails: Fails) -> None:
    """Without down_revision it is a base, as in Alembic; with a number for an id it is nothing."""
    history.write("migrations/versions/number.py", "revision = 12\ndown_revision = 'abcd0002'\n")
    assert fails("heads") == said(
        """
        Error [SF304]: In the file PROJECT/migrations/versions/number.py, line 1, `revision` is 12; an id is
            text.

        Write it in quotes: revision = "12"
        """
    )


def test_the_same_id_twice(history: Project, fails: Fails) -> None:
    """Both files are named."""
    history.write_revision("abcd0002", "abcd0001", message="streets again")
    assert fails("upgrade") == said(
        """
        Error [SF305]: Two files have the revision id abcd0002.

          PROJECT/migrations/versions/abcd0002_streets.py
          PROJECT/migrations/versions/abcd0002_streets_again.py

        Delete the one that is not wanted, or give it an id of its own and a `down_revision` that fits.
        """
    )


def test_a_cycle(history: Project, fails: Fails) -> None:
    """Of several revisions, and of one with itself."""
    history.write_revision("abcd0001", "abcd0002", message="people")
    assert fails("upgrade") == said(
        """
        Error [SF306]: The revisions abcd0002 -> abcd0001 -> abcd0002 follow each other in a circle.

          PROJECT/migrations/versions/abcd0002_streets.py
            down_revision = 'abcd0001'
          PROJECT/migrations/versions/abcd0001_people.py
            down_revision = 'abcd0002'

        Correct `down_revision` or `depends_on` in one of these files and run the command again.
        """
    )
    history.write_revision("abcd0001", None, message="people")
    history.write_revision("abcd0003", "abcd0003")
    assert fails("upgrade") == said(
        """
        Error [SF306]: The revision abcd0003 follows itself.

          PROJECT/migrations/versions/abcd0003.py
            down_revision = 'abcd0003'

        Correct `down_revision` or `depends_on` in that file and run the command again.
        """
    )
    history.write_revision("abcd0003", "abcd0002", depends_on="abcd0003")
    assert fails("upgrade") == said(
        """
        Error [SF306]: The revision abcd0003 follows itself.

          PROJECT/migrations/versions/abcd0003.py
            down_revision = 'abcd0002', depends_on = 'abcd0003'

        Correct `down_revision` or `depends_on` in that file and run the command again.
        """
    )
    history.write_revision("abcd0003", "abcd0002", depends_on="abcd0004")
    history.write_revision("abcd0004", "abcd0003")
    assert fails("upgrade") == said(
        """
        Error [SF306]: The revisions abcd0004 -> abcd0003 -> abcd0004 follow each other in a circle.

          PROJECT/migrations/versions/abcd0004.py
            down_revision = 'abcd0003'
          PROJECT/migrations/versions/abcd0003.py
            down_revision = 'abcd0002', depends_on = 'abcd0004'

        Correct `down_revision` or `depends_on` in one of these files and run the command again.
        """
    )


def test_a_missing_parent(history: Project, fails: Fails) -> None:
    """Where no version control can tell."""
    history.write_revision("abcd0004", "abcd0003", message="cities")
    assert fails("upgrade") == said(
        """
        Error [SF307]: The revision abcd0004 (PROJECT/migrations/versions/abcd0004_cities.py) follows abcd0003,
            which no file has.

        Get the file back from version control, or name an existing revision in that line.
        """
    )
    history.write_revision("abcd0004", "abcd0002", message="cities", depends_on="abcd0099")
    assert fails("upgrade") == said(
        """
        Error [SF307]: The revision abcd0004 (PROJECT/migrations/versions/abcd0004_cities.py) depends on
            abcd0099, which no file has.

        Get the file back from version control, or name an existing revision in that line.
        """
    )


def test_a_missing_parent_that_git_knows(history: Project, fails: Fails) -> None:
    """The commit that had it, and the command that gets it back."""
    path = history.write_revision("abcd0003", "abcd0002", message="gone")
    git(history, "init", "-q")
    git(history, "add", "migrations")
    git(history, "commit", "-qm", "Everything")
    commit = git(history, "rev-parse", "--short", "HEAD").strip()
    path.unlink()
    history.write_revision("abcd0004", "abcd0003", message="cities")
    assert fails("upgrade").replace(commit, "COMMIT") == said(
        """
        Error [SF307]: The revision abcd0004 (PROJECT/migrations/versions/abcd0004_cities.py) follows abcd0003,
            which no file has.

          migrations/versions/abcd0003_gone.py: 2024-05-01 Ada Lovelace, commit COMMIT, Everything

        Get the file back: `git checkout COMMIT -- ':/migrations/versions/abcd0003_gone.py'`.
        """
    )


def test_a_stamped_revision_whose_file_is_gone(history: Project, runs: Runs, fails: Fails) -> None:
    """Without version control: what to do about it."""
    gone = history.write_revision("abcd0003", "abcd0002")
    runs("upgrade")
    gone.unlink()
    told = fails("upgrade")
    assert told == said(
        """
        Error [SF308]: The default database is at revision abcd0003, which no file in PROJECT/migrations has.

        Get the file from where it was written (another branch, another release, a colleague); with it, `flask db
            downgrade` or `flask db upgrade` works again.
        Or, if the schema is as the newest migration here makes it, say so: `flask db stamp --purge head` changes
            the version table and nothing else.
        """
    )
    assert fails("downgrade") == told
    assert fails("migrate") == told
    assert fails("current") == told


def test_a_stamped_revision_of_one_of_several_databases(
    project: MakeProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The way out touches that database's version table alone."""
    shop = project(binds={"log": f"sqlite:///{tmp_path}/log.db"})
    monkeypatch.chdir(shop.root)
    invoke(shop, "init")
    shop.write_revision("abcd0001", None)
    shop.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)", "log")
    shop.execute("INSERT INTO alembic_version VALUES ('abcd0009')", "log")
    result = invoke(shop, "upgrade")
    assert "The log database is at revision abcd0009, which no file in " in result.stderr
    assert "`flask db stamp --purge --bind log head`" in result.stderr


def test_a_stamped_revision_that_git_knows(history: Project, runs: Runs, fails: Fails) -> None:
    """Deleted on this branch, or never there but on another one: commit, author, branch, and the way back."""
    git(history, "init", "-q")
    git(history, "add", "migrations")
    git(history, "commit", "-qm", "Two revisions")
    git(history, "checkout", "-qb", "feature")
    gone = history.write_revision("abcd0003", "abcd0002", message="cities")
    git(history, "add", "migrations")
    git(history, "commit", "-qm", "Cities have names")
    commit = git(history, "rev-parse", "--short", "HEAD").strip()
    runs("upgrade")
    git(history, "checkout", "-q", "main")
    assert fails("upgrade").replace(commit, "COMMIT") == said(
        """
        Error [SF308]: The default database is at revision abcd0003, which no file in PROJECT/migrations has.

          The file migrations/versions/abcd0003_cities.py is in commit COMMIT, on feature:
            2024-05-01 Ada Lovelace: Cities have names

        Get the file back: `git checkout COMMIT -- ':/migrations/versions/abcd0003_cities.py'` (or change to the
            branch: `git switch feature`); with it, `flask db downgrade` reverts what the database has too much.
        Or, if the schema is as the newest migration here makes it, say so: `flask db stamp --purge head` changes
            the version table and nothing else.
        """
    )
    git(history, "checkout", "-q", "feature")
    git(history, "rm", "-q", str(gone))
    git(history, "commit", "-qm", "No cities after all")
    commit = git(history, "rev-parse", "--short", "HEAD").strip()
    told = fails("upgrade").replace(commit, "COMMIT")
    assert told == said(
        """
        Error [SF308]: The default database is at revision abcd0003, which no file in PROJECT/migrations has.

          The file migrations/versions/abcd0003_cities.py was deleted in commit COMMIT, on feature:
            2024-05-01 Ada Lovelace: No cities after all

        Get the file back: `git checkout COMMIT^ -- ':/migrations/versions/abcd0003_cities.py'`; with it, `flask
            db downgrade` reverts what the database has too much.
        Or, if the schema is as the newest migration here makes it, say so: `flask db stamp --purge head` changes
            the version table and nothing else.
        """
    )
    command = told.partition("`")[2].partition("`")[0].replace("COMMIT", commit).replace("'", "")
    git(history, *command.split()[1:])
    assert runs("downgrade").exit_code == 0


def test_several_heads(history: Project, runs: Runs, fails: Fails) -> None:
    """Both branches with file, date and author, and the commands for both ways on."""
    history.write_revision("abcd0003", "abcd0002", message="cities")
    history.write_revision("abcd0004", "abcd0002", message="lakes")
    git(history, "init", "-q")
    git(history, "add", "migrations")
    git(history, "commit", "-qm", "Everything")
    told = fails("upgrade")
    assert told == said(
        """
        Error [SF309]: The history ends in 2 revisions, abcd0003 and abcd0004, and `head` means one.

          abcd0003  cities
            migrations/versions/abcd0003_cities.py
            2024-01-01 00:00, by Ada Lovelace, follows abcd0002
          abcd0004  lakes
            migrations/versions/abcd0004_lakes.py
            2024-01-01 00:00, by Ada Lovelace, follows abcd0002

        Join them, then upgrade: `flask db merge heads`, `flask db upgrade`. Or apply them side by side: `flask
            db upgrade heads`.
        """
    )
    assert fails("migrate") == told
    assert fails("revision") == told
    assert runs("upgrade", "heads").exit_code == 0
    assert fails("migrate") == told
    assert fails("downgrade", status=2) == said(
        """
        Error [SF302]: The database is at 2 revisions, abcd0003 and abcd0004, and -1 may mean a step back from
            each.

        Name the one to step back from:
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
        Error [SF310]: The default database is at no revision: 2 migrations are not applied yet.

          abcd0001  people
          abcd0002  streets

        Apply what is pending: `flask db upgrade`; then run this command again.
        """
    )
    runs("upgrade", "abcd0001")
    assert fails("check") == said(
        """
        Error [SF310]: The default database is at abcd0001: 1 migration is not applied yet.

          abcd0002  streets

        Apply what is pending: `flask db upgrade`; then run this command again.
        """
    )
    assert fails("current", "--check-heads") == said(
        """
        Error [SF310]: The default database is at abcd0001, not at the newest.

        Apply what is pending: `flask db upgrade`; `flask db status` lists it.
        """
    )


def test_steps_beyond_the_ends(history: Project, runs: Runs, fails: Fails) -> None:
    """More steps than there are revisions."""
    assert fails("upgrade", "+3", status=2) == said(
        """
        Error [SF312]: +3 leads beyond the last revision.

        Give fewer steps, or the end by its name: `flask db upgrade head`.
        """
    )
    runs("upgrade", "abcd0001")
    assert fails("downgrade", "-2", status=2) == said(
        """
        Error [SF312]: -2 leads beyond the first revision.

        Give fewer steps, or the end by its name: `flask db downgrade base` reverts everything.
        """
    )
    runs("downgrade", "base")
    assert fails("downgrade", status=2) == said(
        """
        Error [SF312]: -1 leads beyond the first revision.

        Give fewer steps, or the end by its name: `flask db downgrade base` reverts everything.
        """
    )


def test_a_step_that_meets_a_fork_or_a_merge(history: Project, runs: Runs, fails: Fails) -> None:
    """Each way on is a command to paste; any of a merge's parents takes the merge alone back."""
    history.write_revision("abcd0003", "abcd0001", message="cities")
    history.write_revision("abcd0004", ("abcd0002", "abcd0003"), message="join")
    assert fails("upgrade", "+2", status=2) == said(
        """
        Error [SF302]: +2 leads to 2 branches, abcd0002 and abcd0003.

        Name the one to go to:
            flask db upgrade abcd0002
            flask db upgrade abcd0003
        """
    )
    runs("upgrade")
    assert fails("downgrade", status=2) == said(
        """
        Error [SF302]: -1 leads to 2 revisions that were merged, abcd0002 and abcd0003.

        Name the one to go to:
            flask db downgrade abcd0002
            flask db downgrade abcd0003
        """
    )
    assert fails("downgrade", "abcd0004@-1", status=2) == said(
        """
        Error [SF302]: abcd0004@-1 leads into several branches.

        Name the revision to go to: `flask db history` lists them.
        """
    )
    runs("downgrade", "abcd0003")
    assert runs("current").stdout.splitlines() == ["abcd0002", "abcd0003"]


def test_steps_that_are_none(history: Project, runs: Runs, fails: Fails) -> None:
    """No step, a step in the other command's direction, a step from a revision beyond the end."""
    assert fails("upgrade", "+0", status=2) == said(
        """
        Error [SF312]: +0 is no step.

        Give at least one: `flask db upgrade +1`.
        """
    )
    assert fails("upgrade", "-1", status=2) == said(
        """
        Error [SF312]: -1 is a step back, and `upgrade` goes the other way.

        `flask db downgrade -1`
        """
    )
    assert fails("downgrade", "+1", status=2) == said(
        """
        Error [SF312]: +1 is a step forward, and `downgrade` goes the other way.

        `flask db upgrade +1`
        """
    )
    assert fails("upgrade", "abcd0001+5", status=2) == said(
        """
        Error [SF312]: abcd0001+5 leads beyond the last revision.

        Give fewer steps; `flask db history` shows the order.
        """
    )


@pytest.mark.parametrize(
    "command", [("upgrade", ""), ("show", ""), ("stamp", ""), ("edit", ""), ("revision", "--head", "")]
)
def test_an_empty_name(command: tuple[str, ...], history: Project, fails: Fails) -> None:
    """As an unset variable in a script leaves it."""
    assert fails(*command, status=2) == said(
        """
        Error [SF301]: An empty text, or an @ with nothing around it, names no revision in PROJECT/migrations.

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
        Error [SF301]: '@' names no revision in PROJECT/migrations.

        `flask db history` lists all revisions.
        """
    )


def test_the_wrong_direction(history: Project, runs: Runs, fails: Fails) -> None:
    """An upgrade to what was applied long ago, a downgrade to what was not applied yet."""
    runs("upgrade", "abcd0001")
    assert fails("downgrade", "abcd0002", status=2) == said(
        """
        Error [SF313]: A downgrade can't lead to abcd0002: the database, at abcd0001, has not reached it or is on
            another branch.

        To go on: `flask db upgrade abcd0002`. `flask db status` shows where the database stands.
        """
    )
    runs("upgrade", "head")
    assert runs("upgrade", "abcd0001").stdout == "Nothing to upgrade: every database is up to date.\n"
    assert fails("history", "-r", "abcd0002:abcd0001", status=2) == said(
        """
        Error [SF313]: The range does not lead from an older revision to a newer one of the same branch.

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
        Error [SF315]: Another revision follows abcd0001 already.

        Leave --head out to follow the newest revision, or add --splice to begin a branch at this one.
        """
    )
    assert fails("merge", "abcd0001", "abcd0099", status=2) == said(
        """
        Error [SF301]: No revision or branch is called 'abcd0099' in PROJECT/migrations.

        Near it are:
          abcd0002  streets
          abcd0001  people

        `flask db history` lists all revisions.
        """
    )


def test_an_id_that_exists(history: Project, fails: Fails) -> None:
    """Nothing is written."""
    assert fails("revision", "--rev-id", "abcd0001", status=2) == said(
        """
        Error [SF702]: The revision id abcd0001 is taken, by PROJECT/migrations/versions/abcd0001_people.py.

        Leave --rev-id out to get a new one, or choose another.
        """
    )


def test_a_parent_that_is_no_head(history: Project, fails: Fails) -> None:
    """The option that begins a branch is named."""
    assert fails("revision", "--head", "abcd0001", status=2) == said(
        """
        Error [SF315]: Another revision follows abcd0001 already.

        Leave --head out to follow the newest revision, or add --splice to begin a branch at this one.
        """
    )
    assert fails("revision", "--depends-on", "nothing", status=2) == said(
        """
        Error [SF301]: No revision or branch is called 'nothing' in PROJECT/migrations.

        `flask db history` lists all revisions.
        """
    )


def test_a_label_twice(history: Project, fails: Fails) -> None:
    """Of two files."""
    history.write_revision("abcd0003", "abcd0002", branch_labels=("billing",))
    history.write_revision("abcd0004", None, branch_labels=("billing",))
    assert fails("upgrade", "heads") == said(
        """
        Error [SF314]: The branch label 'billing' stands in two revisions, abcd0004 and abcd0003.

        Remove it from `branch_labels` in one of their files.
        """
    )


def test_characters_that_mean_something_else(history: Project, fails: Fails) -> None:
    """In a file's id; Alembic would take them for a step or a branch."""
    history.write_revision("ab@cd-1", "abcd0002", message="odd")
    assert fails("upgrade") == said(
        """
        Error [SF316]: The revision id 'ab@cd-1' has characters that don't belong in an id: -, @.

        Use letters, digits and underscores, in the file's `revision` and wherever it is named.
        """
    )


def test_a_range_without_sql(history: Project, fails: Fails) -> None:
    """A database knows where it is."""
    assert fails("upgrade", "abcd0001:abcd0002", status=2) == said(
        """
        Error [SF701]: The range 'abcd0001:abcd0002' makes sense only with --sql; a database knows where it is.

        Name the revision to go to: abcd0002
        """
    )
    assert fails("downgrade", "abcd0002:abcd0001", status=2) == said(
        """
        Error [SF701]: The range 'abcd0002:abcd0001' makes sense only with --sql; a database knows where it is.

        Name the revision to go to: abcd0001
        """
    )


@pytest.mark.parametrize("version", ["0.1.4", "2.0.3", "3.1.0", "4.1.0"])
def test_old_env_files_get_the_same_messages(
    version: str, history: Project, legacy_repository: WriteRepository, runs: Runs, fails: Fails
) -> None:
    """An env.py of Flask-Migrate changes none of it."""
    told: list[list[str]] = []
    for env in ("packaged", "old"):
        if env == "old":
            (history.migrations / "env.py").unlink()
            legacy_repository(history, version)
        messages = [fails("migrate"), fails("upgrade", "abcd0003", status=2), fails("upgrade", "+3", status=2)]
        runs("upgrade")
        gone = history.migrations / "versions" / "abcd0002_streets.py"
        source = gone.read_text("utf-8")
        gone.unlink()
        messages.append(fails("upgrade"))
        history.write(gone, source)
        history.write_revision("abcd0003", "abcd0002", "op.drop_table('nothing')")
        messages.append(fails("upgrade"))
        (history.migrations / "versions" / "abcd0003.py").unlink()
        runs("downgrade", "base")
        told.append(messages)
    assert told[0] == told[1]
