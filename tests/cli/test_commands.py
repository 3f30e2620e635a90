"""Every command of the group, with what it prints, on a real project."""

from __future__ import annotations

import json
import re
import typing as t

import pytest
from click.testing import Result

from ..conftest import MakeProject
from ..support.application import Project
from ..support.invoking import cli_runner

EMPLOYEE = """
class Employee(db.Model):
    id = sa.Column(sa.Integer, primary_key=True)
    name = sa.Column(sa.String(40), nullable=False)
"""

Run = t.Callable[..., Result]


@pytest.fixture
def made(project: MakeProject, database_url: str) -> Project:
    """A project with a migrations folder of two linear revisions, on each kind of database."""
    made = project(EMPLOYEE, url=database_url)
    (made.root / "migrations").mkdir()
    return made


@pytest.fixture
def run(made: Project, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run ``flask db ...`` in this process and give its result."""
    monkeypatch.chdir(made.root)

    def invoke(*args: str, status: int = 0, env: dict[str, str] | None = None) -> Result:
        app = made.app()
        result = cli_runner(app).invoke(args=["db", *args], env=env, auto_envvar_prefix="FLASK")
        with app.app_context():
            for engine in app.extensions["migrate"].db.engines.values():
                engine.dispose()
        assert result.exit_code == status, result.output + repr(result.exception)
        return result

    invoke("init")
    return invoke


@pytest.fixture
def history(made: Project, run: Run) -> Run:
    """Two revisions, a table each."""
    made.write_revision("aa", None, "op.create_table('a', sa.Column('id', sa.Integer))", "op.drop_table('a')", "one")
    made.write_revision("bb", "aa", "op.create_table('b', sa.Column('id', sa.Integer))", "op.drop_table('b')", "two")
    return run


def normal(text: str) -> str:
    """Output without durations."""
    return re.sub(r"\(\d[\d.]* m?s\)", "(TIME)", text)


def test_upgrade_and_downgrade_say_a_line_a_revision(history: Run) -> None:
    """Each revision that was applied or reverted has a line with its duration."""
    assert normal(history("upgrade").stdout) == "Applied aa one (TIME)\nApplied bb two (TIME)\n"
    assert history("upgrade").stdout == "Nothing to upgrade: every database is up to date.\n"
    assert normal(history("downgrade", "-1").stdout) == "Reverted bb two (TIME)\n"
    assert normal(history("upgrade", "+1").stdout) == "Applied bb two (TIME)\n"
    assert normal(history("downgrade", "base").stdout) == "Reverted bb two (TIME)\nReverted aa one (TIME)\n"
    assert history("-q", "upgrade").stdout == ""


def test_reading_commands_print_what_alembic_prints(history: Run) -> None:
    """heads, history and current have the lines that people and scripts know."""
    assert history("heads").stdout == "bb (head)\n"
    assert history("history").stdout == "aa -> bb (head), two\n<base> -> aa, one\n"
    assert history("history", "-r", "aa:bb").stdout == "aa -> bb (head), two\n<base> -> aa, one\n"
    history("upgrade", "aa")
    assert history("current").stdout == "aa\n"
    assert history("history", "-i").stdout == "aa -> bb (head), two\n<base> -> aa (current), one\n"
    assert history("branches").stdout == ""


def test_current_can_insist_on_the_heads(history: Run) -> None:
    """``current --check-heads`` has an exit status for scripts."""
    history("upgrade", "aa")
    assert history("current", "--check-heads", status=1).stderr == (
        "Error [SF310]: The default database is not up to date: it is at aa, not at the head.\n\n"
        "Run `flask db upgrade`. `flask db status` lists the pending revisions.\n"
    )
    history("upgrade")
    history("current", "--check-heads")


def test_status_shows_where_a_database_stands(history: Run) -> None:
    """Applied and pending revisions, for people, for machines, and as an exit status."""
    history("upgrade", "aa")
    text = history("status").stdout
    assert "  applied  aa" in text and "  pending  bb" in text and "1 pending: flask db upgrade" in text
    (record,) = json.loads(history("status", "--json").stdout)
    assert (record["current"], [item["id"] for item in record["pending"]]) == (["aa"], ["bb"])
    history("status", "--check", status=1)
    history("upgrade")
    history("status", "--check")


def test_status_of_an_empty_folder_names_the_next_command(run: Run) -> None:
    """Nothing is pending, and nothing was ever there."""
    assert run("status").stdout.endswith("\n  No revisions yet: flask db migrate\n")


def test_status_names_the_command_that_works(history: Run, made: Project) -> None:
    """With branches, `upgrade` alone would not know where to; what is named applies them all."""
    made.write_revision("cc", "aa", message="three")
    last = history("status").stdout.splitlines()[-1]
    assert last == "  3 pending on multiple heads: flask db merge heads, or flask db upgrade heads"
    history("upgrade", "heads")
    assert history("status").stdout.endswith("\n  Up to date.\n")


def test_stamp_takes_several_targets_and_runs_nothing(history: Run, made: Project) -> None:
    """The version table says so, and no table was made."""
    assert "Stamped bb two" in history("stamp", "head").stdout
    assert history("stamp", "head").stdout == "Nothing to stamp: this is the current revision.\n"
    assert history("current").stdout == "bb (head)\n"
    history("stamp", "--purge", "aa")
    assert history("current").stdout == "aa\n"


def test_stamp_says_what_the_database_is_at_now(history: Run) -> None:
    """Also where that is an older revision than before, or none."""
    history("stamp", "head")
    assert normal(history("stamp", "aa").stdout) == "Stamped aa one (TIME)\n"
    assert normal(history("stamp", "base").stdout) == "Stamped base (TIME)\n"


def test_branches_are_merged(history: Run, made: Project) -> None:
    """Two heads become one; merging one head is refused."""
    refused = history("merge", "heads", status=2).stderr
    assert refused == (
        "Error [SF701]: There is nothing to merge: heads names 1 revision.\n\n"
        "`flask db heads` lists the heads; a merge joins two or more.\n"
    )
    made.write_revision("cc", "aa", message="three")
    assert history("heads").stdout == "bb (head)\ncc (head)\n"
    history("merge", "-m", "both", "--rev-id", "dd", "heads")
    assert history("heads").stdout == "dd (head) (mergepoint)\n"
    assert "Merges: bb, cc" in history("show", "dd").stdout
    history("upgrade")


def test_migrate_writes_what_differs_and_nothing_else(run: Run, made: Project) -> None:
    """A revision for the models, none when nothing differs, and it can be taken back."""
    assert "add table employee" in run("migrate", "-m", "first").stdout
    run("upgrade")
    assert run("check").stdout == "No new upgrade operations detected.\n"
    assert run("migrate", "-m", "empty").stdout == "No changes in schema detected.\n"
    made.write_models(EMPLOYEE + "    salary = sa.Column(sa.Integer)\n")
    assert run("check", status=1).stderr == (
        "Error [SF311]: The models and the database differ.\n\n  add column employee.salary\n\n"
        "Write a revision for it: `flask db migrate`.\n"
    )
    (difference,) = json.loads(run("check", "--json", status=1).stdout)
    assert (difference["table"], difference["column"]) == ("employee", "salary")
    run("migrate", "-m", "salary")
    run("upgrade")
    run("downgrade")
    run("upgrade")
    assert run("check").stdout == "No new upgrade operations detected.\n"


def test_offline_mode_prints_the_script(history: Run) -> None:
    """``--sql`` writes SQL for a whole history or a range, and touches no database."""
    script = history("upgrade", "--sql").stdout
    assert "CREATE TABLE a" in script and "CREATE TABLE b" in script
    part = history("upgrade", "--sql", "aa:bb").stdout
    assert "CREATE TABLE a " not in part and "CREATE TABLE b" in part
    assert "DROP TABLE b" in history("downgrade", "--sql", "bb:aa").stdout
    assert history("current").stderr == "The default database has no current revision.\n"


def test_shared_options_may_stand_anywhere(history: Run, made: Project) -> None:
    """The folder may be named before the command, after it, and in the environment."""
    made.migrations.rename(made.root / "elsewhere")
    assert history("-d", "elsewhere", "heads").stdout == "bb (head)\n"
    assert history("heads", "-d", "elsewhere").stdout == "bb (head)\n"
    assert history("heads", env={"FLASK_DB_DIRECTORY": "elsewhere"}).stdout == "bb (head)\n"
    assert history("heads", env={"FLASK_DB_HEADS_DIRECTORY": "elsewhere"}).stdout == "bb (head)\n"
    missing = history("heads", status=1).stderr
    assert missing == (
        f"Error [SF201]: There is no migrations folder at {made.root / 'migrations'}.\n\n"
        f"There are migrations nearby:\n  {made.root / 'elsewhere'}\n\n"
        "Use it: `flask db --directory elsewhere ...`, or change to its project directory. To start a new folder, run "
        "`flask db init`.\n"
    )


def test_init_makes_nothing_twice(run: Run, made: Project) -> None:
    """A folder with files in it stays as it is."""
    assert run("init", status=1).stderr == (
        f"Error [SF203]: The folder {made.migrations} exists and is not empty.\n\n"
        "Use it as it is, or choose another one: `flask db init --directory OTHER`.\n"
    )
    for number, template in enumerate(("flask", "flask-multidb", "aioflask", "aioflask-multidb")):
        run("init", "-d", f"more{number}", "-t", template)
    assert "flask-multidb - " in run("list-templates").stdout
    refused = run("init", "-d", "last", "-t", "nope", status=2).stderr
    assert refused.startswith("Error [SF204]: There is no template 'nope'")


def test_verbose_shows_alembics_lines(history: Run) -> None:
    """Alembic's INFO lines are there with ``-v`` and only then."""
    assert "Running upgrade" not in history("upgrade", "aa").stderr
    assert "Running upgrade aa -> bb, two" in history("upgrade", "-v").stderr


def test_ensure_version_makes_the_table_alone(history: Run, made: Project) -> None:
    """The version table is there afterwards and empty."""
    history("ensure-version")
    assert made.execute("select count(*) from alembic_version")[0][0] == 0
