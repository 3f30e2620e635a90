"""Revision files that don't fit together, and names of revisions that name none: the whole message of each."""

from __future__ import annotations

from pathlib import Path

import pytest

from ..conftest import MakeProject
from ..conftest import WriteRepository
from ..support.application import Project
from ..support.git import git
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


def test_an_unknown_id_suggests_near_ones(history: Project, fails: Fails) -> None:
    """A slip in an id is answered with the ids that resemble it."""
    assert fails("upgrade", "abcd0003", status=2) == said(
        """
        Error [SF301]: PROJECT/migrations has no revision or branch 'abcd0003'.

        Similar revisions:
          abcd0002  streets
          abcd0001  people

        `flask db history` lists all revisions.
        """
    )
    assert fails("show", "zzzz", status=2) == said(
        """
        Error [SF301]: PROJECT/migrations has no revision or branch 'zzzz'.

        `flask db history` lists all revisions.
        """
    )
    assert fails("downgrade", "ab", status=2) == said(
        """
        Error [SF302]: 2 revisions begin with 'ab'.

          abcd0002  streets
          abcd0001  people

        Type more characters of the id.
        """
    )
    assert fails("stamp", "streets", status=2) == said(
        """
        Error [SF301]: PROJECT/migrations has no revision or branch 'streets'.

        Similar revisions:
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

        Type more characters of the id.
        """
    )


def test_an_unknown_branch(history: Project, fails: Fails) -> None:
    """A label that no revision has, with a head or a step behind it."""
    assert fails("upgrade", "billing@head", status=2) == said(
        """
        Error [SF301]: PROJECT/migrations has no revision or branch 'billing'.

        `flask db history` lists all revisions.
        """
    )
    assert fails("revision", "--head", "billing@head", status=2) == said(
        """
        Error [SF301]: PROJECT/migrations has no revision or branch 'billing'.

        `flask db history` lists all revisions.
        """
    )
    assert fails("upgrade", "billing@+1", status=2) == said(
        """
        Error [SF301]: PROJECT/migrations has no revision or branch 'billing'.

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

        Fix that line and run the command again. Nothing was changed.
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

        Run `pip install geoalchemy99`, if that is the package's name, or fix the import.
        """
    )
    history.write(path, path.read_text("utf-8").replace("import geoalchemy99", "from shop.models import Gone"))
    assert fails("upgrade") == said(
        """
        Error [SF303]: The revision file PROJECT/migrations/versions/abcd0003.py, line 1 can't be loaded:
            ImportError: cannot import name 'Gone' from 'shop.models' (PROJECT/shop/models.py)

          from shop.models import Gone

        Fix that line and run the command again. Nothing was changed.
        """
    )
    assert runs("current").stdout == ""


def test_a_file_without_identifiers(history: Project, fails: Fails) -> None:
    """A file that lies among the revisions and is none."""
    history.write("migrations/versions/helpers.py", "def helper():\n    pass\n")
    assert fails("heads") == said(
        """
        Error [SF304]: PROJECT/migrations/versions/helpers.py has no `revision`.

        Add `revision = "ID"` and `down_revision = "ID"` or `None`, or move the file out of the folder.
        """
    )


def test_a_file_without_a_parent(history: Project, fails: Fails) -> None:
    """Without down_revision it is a base, as in Alembic; with a number for an id it is nothing."""
    history.write("migrations/versions/number.py", "revision = 12\ndown_revision = 'abcd0002'\n")
    assert fails("heads") == said(
        """
        Error [SF304]: PROJECT/migrations/versions/number.py, line 1: `revision` is 12, but must be a string.

        Write it in quotes: revision = "12"
        """
    )


def test_the_same_id_twice(history: Project, fails: Fails) -> None:
    """Both files are named."""
    history.write_revision("abcd0002", "abcd0001", message="streets again")
    assert fails("upgrade") == said(
        """
        Error [SF305]: Duplicate revision id abcd0002: two files have it.

          PROJECT/migrations/versions/abcd0002_streets.py
          PROJECT/migrations/versions/abcd0002_streets_again.py

        Delete one of them, or give it a new id and `down_revision`.
        """
    )


def test_a_cycle(history: Project, fails: Fails) -> None:
    """Of several revisions, and of one with itself."""
    history.write_revision("abcd0001", "abcd0002", message="people")
    assert fails("upgrade") == said(
        """
        Error [SF306]: The revisions form a cycle: abcd0002 -> abcd0001 -> abcd0002.

          PROJECT/migrations/versions/abcd0002_streets.py
            down_revision = 'abcd0001'
          PROJECT/migrations/versions/abcd0001_people.py
            down_revision = 'abcd0002'

        Fix `down_revision` or `depends_on` in one of these files and run the command again.
        """
    )
    history.write_revision("abcd0001", None, message="people")
    history.write_revision("abcd0003", "abcd0003")
    assert fails("upgrade") == said(
        """
        Error [SF306]: The revision abcd0003 is its own parent, a cycle.

          PROJECT/migrations/versions/abcd0003.py
            down_revision = 'abcd0003'

        Fix `down_revision` or `depends_on` in that file and run the command again.
        """
    )
    history.write_revision("abcd0003", "abcd0002", depends_on="abcd0003")
    assert fails("upgrade") == said(
        """
        Error [SF306]: The revision abcd0003 is its own parent, a cycle.

          PROJECT/migrations/versions/abcd0003.py
            down_revision = 'abcd0002', depends_on = 'abcd0003'

        Fix `down_revision` or `depends_on` in that file and run the command again.
        """
    )
    history.write_revision("abcd0003", "abcd0002", depends_on="abcd0004")
    history.write_revision("abcd0004", "abcd0003")
    assert fails("upgrade") == said(
        """
        Error [SF306]: The revisions form a cycle: abcd0004 -> abcd0003 -> abcd0004.

          PROJECT/migrations/versions/abcd0004.py
            down_revision = 'abcd0003'
          PROJECT/migrations/versions/abcd0003.py
            down_revision = 'abcd0002', depends_on = 'abcd0004'

        Fix `down_revision` or `depends_on` in one of these files and run the command again.
        """
    )


def test_a_missing_parent(history: Project, fails: Fails) -> None:
    """Where no version control can tell."""
    history.write_revision("abcd0004", "abcd0003", message="cities")
    assert fails("upgrade") == said(
        """
        Error [SF307]: The revision abcd0004 (PROJECT/migrations/versions/abcd0004_cities.py) follows abcd0003,
            which does not exist.

        Restore the file from version control, or name an existing revision in that line.
        """
    )
    history.write_revision("abcd0004", "abcd0002", message="cities", depends_on="abcd0099")
    assert fails("upgrade") == said(
        """
        Error [SF307]: The revision abcd0004 (PROJECT/migrations/versions/abcd0004_cities.py) depends on
            abcd0099, which does not exist.

        Restore the file from version control, or name an existing revision in that line.
        """
    )


def test_a_missing_parent_that_git_knows(history: Project, fails: Fails) -> None:
    """The commit that had it, and the command that gets it back."""
    path = history.write_revision("abcd0003", "abcd0002", message="gone")
    git(history.root, "init", "-q")
    git(history.root, "add", "migrations")
    git(history.root, "commit", "-qm", "Everything")
    commit = git(history.root, "rev-parse", "--short", "HEAD").strip()
    path.unlink()
    history.write_revision("abcd0004", "abcd0003", message="cities")
    assert fails("upgrade").replace(commit, "COMMIT") == said(
        """
        Error [SF307]: The revision abcd0004 (PROJECT/migrations/versions/abcd0004_cities.py) follows abcd0003,
            which does not exist.

          migrations/versions/abcd0003_gone.py: 2024-05-01 Ada Lovelace, commit COMMIT, Everything

        Restore the file: `git checkout COMMIT -- ':/migrations/versions/abcd0003_gone.py'`.
        """
    )


def test_a_stamped_revision_whose_file_is_gone(history: Project, runs: Runs, fails: Fails) -> None:
    """Without version control: what to do about it."""
    gone = history.write_revision("abcd0003", "abcd0002")
    runs("upgrade")
    gone.unlink()
    told = fails("downgrade")
    assert told == said(
        """
        Error [SF308]: The default database is at revision abcd0003, but PROJECT/migrations has no file for it.

        Get the file from where it was written (another branch, another release, a colleague). Then `flask db
            downgrade` and `flask db upgrade` work again.
        If the schema already matches the head, run `flask db stamp --purge head`. It changes only the version
            table.
        """
    )
    assert fails("migrate") == told
    assert fails("upgrade", "+1") == told


def test_a_stamped_revision_whose_file_is_gone_beside_several_heads(
    history: Project, runs: Runs, fails: Fails
) -> None:
    """The advice works when it is pasted: `head` would be ambiguous."""
    gone = history.write_revision("abcd0003", "abcd0002")
    runs("upgrade")
    gone.unlink()
    history.write_revision("abcd0004", "abcd0002")
    history.write_revision("abcd0005", "abcd0002")
    assert "run `flask db stamp --purge heads`" in " ".join(fails("downgrade").split())
    assert runs("stamp", "--purge", "heads").exit_code == 0
    assert runs("upgrade", "heads").exit_code == 0


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
    result = invoke(shop, "upgrade", "+1")
    assert "The log database is at revision abcd0009, but " in result.stderr
    assert "`flask db stamp --purge --bind log head`" in result.stderr


def test_a_stamped_revision_that_git_knows(history: Project, runs: Runs, fails: Fails) -> None:
    """Deleted on this branch, or never there but on another one: commit, author, branch, and the way back."""
    git(history.root, "init", "-q")
    git(history.root, "add", "migrations")
    git(history.root, "commit", "-qm", "Two revisions")
    git(history.root, "checkout", "-qb", "feature")
    gone = history.write_revision("abcd0003", "abcd0002", message="cities")
    git(history.root, "add", "migrations")
    git(history.root, "commit", "-qm", "Cities have names")
    commit = git(history.root, "rev-parse", "--short", "HEAD").strip()
    runs("upgrade")
    git(history.root, "checkout", "-q", "main")
    assert fails("downgrade").replace(commit, "COMMIT") == said(
        """
        Error [SF308]: The default database is at revision abcd0003, but PROJECT/migrations has no file for it.

          The file migrations/versions/abcd0003_cities.py is in commit COMMIT, on feature:
            2024-05-01 Ada Lovelace: Cities have names

        Restore the file: `git checkout COMMIT -- ':/migrations/versions/abcd0003_cities.py'` (or change to the
            branch: `git switch feature`). Then `flask db downgrade` can revert it.
        If the schema already matches the head, run `flask db stamp --purge head`. It changes only the version
            table.
        """
    )
    git(history.root, "checkout", "-q", "feature")
    git(history.root, "rm", "-q", str(gone))
    git(history.root, "commit", "-qm", "No cities after all")
    commit = git(history.root, "rev-parse", "--short", "HEAD").strip()
    told = fails("downgrade").replace(commit, "COMMIT")
    assert told == said(
        """
        Error [SF308]: The default database is at revision abcd0003, but PROJECT/migrations has no file for it.

          The file migrations/versions/abcd0003_cities.py was deleted in commit COMMIT, on feature:
            2024-05-01 Ada Lovelace: No cities after all

        Restore the file: `git checkout COMMIT^ -- ':/migrations/versions/abcd0003_cities.py'`. Then `flask db
            downgrade` can revert it.
        If the schema already matches the head, run `flask db stamp --purge head`. It changes only the version
            table.
        """
    )
    command = told.partition("`")[2].partition("`")[0].replace("COMMIT", commit).replace("'", "")
    git(history.root, *command.split()[1:])
    assert runs("downgrade").exit_code == 0


def test_a_label_twice(history: Project, fails: Fails) -> None:
    """Of two files."""
    history.write_revision("abcd0003", "abcd0002", branch_labels=("billing",))
    history.write_revision("abcd0004", None, branch_labels=("billing",))
    assert fails("upgrade", "heads") == said(
        """
        Error [SF314]: The revisions abcd0003 and abcd0004 both have the branch label 'billing'.

        Remove it from `branch_labels` in one of their files.
        """
    )


def test_characters_that_mean_something_else(history: Project, fails: Fails) -> None:
    """In a file's id; Alembic would take them for a step or a branch."""
    history.write_revision("ab@cd-1", "abcd0002", message="odd")
    assert fails("upgrade") == said(
        """
        Error [SF316]: The revision id 'ab@cd-1' contains invalid characters: -, @.

        Use letters, digits and underscores, in the file's `revision` and wherever it is named.
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
        messages.append(fails("downgrade"))
        history.write(gone, source)
        history.write_revision("abcd0003", "abcd0002", "op.drop_table('nothing')")
        messages.append(fails("upgrade"))
        (history.migrations / "versions" / "abcd0003.py").unlink()
        runs("downgrade", "base")
        told.append(messages)
    assert told[0] == told[1]
