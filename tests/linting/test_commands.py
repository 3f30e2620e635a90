"""``flask db lint``, ``plan`` and ``sizes``, and what ``upgrade`` says about findings, on a small application."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy import event

from ..conftest import MakeDatabase
from ..conftest import MakeProject
from ..support.git import git
from .application import run
from .application import write
from .application import write_all


def test_findings_have_file_line_and_message(app: Flask) -> None:
    """A dropped column is lost, and the code that reads it fails."""
    result = run(app, "lint")
    assert result.exit_code == 1
    assert "loses-data" in result.output and "b2_.py:9" in result.output
    assert "The values of posts.body are lost; no downgrade brings them back." in result.output
    assert "breaks-running-code" in result.output and "schemaflow_probe" not in result.output


@pytest.mark.parametrize("form", ["json", "gitlab", "sarif", "github"])
def test_every_format_has_the_findings(app: Flask, form: str) -> None:
    """Machines get the same findings as people."""
    result = run(app, "lint", "--format", form)
    assert result.exit_code == 1
    if form == "github":
        assert "::error file=" in result.output and "title=loses-data::" in result.output
        return
    document = json.loads(result.stdout)
    if form == "json":
        (revision,) = document["revisions"]
        assert document["version"] == 1 and document["database"]["dialect"] == "sqlite"
        assert revision["verdict"] == "unsafe" and revision["order"] == "code first"
        assert {"loses-data", "breaks-running-code"} == {item["code"] for item in revision["findings"]}
    elif form == "gitlab":
        assert {item["check_name"] for item in document} == {"loses-data", "breaks-running-code"}
        assert all(item["fingerprint"] and item["location"]["lines"]["begin"] == 9 for item in document)
    else:
        rules = {rule["id"] for rule in document["runs"][0]["tool"]["driver"]["rules"]}
        assert {item["ruleId"] for item in document["runs"][0]["results"]} <= rules


def test_several_heads_come_first(project: MakeProject) -> None:
    """Before everything else, with the next step; in each format; but not where labels keep branches apart."""
    made = project()
    made.run("db", "init")
    made.write_revision("aa1", None)
    made.write_revision("bb2", "aa1")
    other = made.write_revision("cc3", "aa1")
    first, second, *_ = made.run("db", "lint", check=False).stdout.splitlines()
    assert first.startswith("error  several-heads  migrations/versions/") and first.endswith(":12")
    assert "has 2 heads, bb2 and cc3" in second and "`flask db rebase`" in second
    result = made.run("db", "lint", "--all", "--format", "github", check=False)
    assert result.returncode == 1 and "title=several-heads::The history has 2 heads" in result.stdout
    found = json.loads(made.run("db", "lint", "--format", "json", check=False).stdout)
    assert [item["code"] for revision in found["revisions"] for item in revision["findings"]] == ["several-heads"]
    other.unlink()
    made.write_revision("bb2", "aa1", branch_labels=("shop",))
    made.write_revision("cc3", "aa1", branch_labels=("blog",))
    assert "several-heads" not in made.run("db", "lint").stdout


def test_a_comment_with_a_reason_allows_one_rule(app: Flask, tmp_path: Path) -> None:
    """The other finding stays, and the allowed one stays in the records."""
    write(tmp_path, "    # allow loses-data: nobody wrote any\n")
    (revision,) = json.loads(run(app, "lint", "--format", "json").stdout)["revisions"]
    assert {item["code"]: item["allowed"] for item in revision["findings"]} == {
        "loses-data": "nobody wrote any",
        "breaks-running-code": None,
    }


@pytest.mark.parametrize("comment", ["# allow loses-data", "# allow loses-date: typo", "# allow locks-rows: no"])
def test_a_comment_that_allows_nothing_is_found(app: Flask, tmp_path: Path, comment: str) -> None:
    """Without a reason, with a typo, or where nothing is found."""
    write(tmp_path, f"    {comment}\n")
    (revision,) = json.loads(run(app, "lint", "--format", "json").stdout)["revisions"]
    assert "unused-allow" in {item["code"] for item in revision["findings"]}
    assert {item["allowed"] for item in revision["findings"]} == {None}


def test_what_cannot_be_measured_is_never_fine(app: Flask, tmp_path: Path) -> None:
    """A revision that fails before it sends anything ends with 3."""
    write(tmp_path, "    raise ValueError('not yet')\n")
    result = run(app, "lint")
    assert result.exit_code == 3 and result.output.count("Not measured: b2 fails on the copy") == 1


def test_a_server_that_cannot_be_reached_is_named(app: Flask) -> None:
    """Once, with the reason of the driver."""
    result = run(app, "lint", "--on", "postgresql+psycopg://postgres@127.0.0.1:1/postgres")
    assert result.exit_code == 3
    assert result.output.count("Not measured: the server of --on, 127.0.0.1, can't be reached: ") == 1


def test_a_failure_on_copied_rows_is_told_as_one(app: Flask, tmp_path: Path) -> None:
    """Nothing says that the copy was empty."""
    with app.app_context(), app.extensions["migrate"].db.engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO posts (id, body) VALUES (1, 'a'), (2, 'a')")
    write(tmp_path, '    op.create_index("one", "posts", ["body"], unique=True)\n')
    result = run(app, "lint", "--sample", "2")
    assert "measured on a copy with some rows of each table" in result.output
    assert "This statement fails, on the rows that were copied: " in result.output
    assert "can't be copied" not in result.output


def test_wrong_options_are_usage(app: Flask, tmp_path: Path) -> None:
    """They end with 2."""
    assert run(app, "lint", "b2", "--all").exit_code == 2
    assert run(app, "lint", "--explain", "nothing").exit_code == 2
    assert run(app, "lint", "--sizes", str(tmp_path / "none.json")).exit_code == 2


def test_the_applications_tables_are_only_read(app: Flask) -> None:
    """Nothing but queries reaches the application's database, and no table of it changes."""
    sent: list[str] = []
    with app.app_context():
        engine = app.extensions["migrate"].db.engine
        event.listen(engine, "before_cursor_execute", lambda c, cursor, sql, *rest: sent.append(sql))
        before = sa.inspect(engine).get_columns("posts")
        run(app, "lint", "--data", "--sample", "2", "--down")
        run(app, "plan")
        after = sa.inspect(engine).get_columns("posts")
    assert [str(column) for column in before] == [str(column) for column in after]
    words = {sql.split()[0].upper() for sql in sent}
    assert words <= {"SELECT", "PRAGMA", "BEGIN", "SAVEPOINT", "RELEASE", "ROLLBACK"}, words


def test_plan_tells_when_to_deploy(app: Flask) -> None:
    """A dropped column needs the new code first; --check gives lint's exit status."""
    result = run(app, "plan")
    assert result.exit_code == 0
    assert "1. deploy the new code   2. flask db upgrade" in result.output
    assert run(app, "plan", "--check").exit_code == 1
    sql = run(app, "plan", "--sql").output
    assert "DROP COLUMN body" in sql and "CREATE TABLE posts" not in sql
    assert "The table posts is dropped" not in run(app, "plan", "--json").output


def test_plan_has_no_order_for_an_upgrade_that_fails(app: Flask, tmp_path: Path) -> None:
    """Neither where a statement fails by itself, nor where code and schema fail without each other."""
    write_all(tmp_path, ("b2", "a1", "op.execute('ALTER TABLE posts DROP COLUMN nothing')", "pass"))
    output = run(app, "plan").output
    assert output.startswith("order  `flask db upgrade` fails at b2: fix that revision first.\nb2  ")
    assert json.loads(run(app, "plan", "--json").stdout)["order"] == []
    write_all(tmp_path, ("b2", "a1", "op.alter_column('posts', 'body', new_column_name='text')", "pass"))
    assert run(app, "plan").output.startswith("order  No order works for b2: ")


def test_sizes_are_what_lint_takes(app: Flask, tmp_path: Path) -> None:
    """The file of ``sizes`` is read back."""
    path = tmp_path / "sizes.json"
    path.write_text(run(app, "sizes").output, "utf-8")
    assert json.loads(path.read_text("utf-8"))["tables"]["posts"] == {"rows": 0, "bytes": None}
    assert "sizes of sizes.json" in run(app, "lint", "--sizes", str(path)).output


def test_upgrade_stops_where_the_setting_says_so(app: Flask) -> None:
    """And does nothing about findings off a terminal otherwise."""
    app.config["SCHEMAFLOW_LINT"] = "stop"
    result = run(app, "upgrade")
    assert result.exit_code == 1 and "SF902" in result.output and "loses-data" in result.output
    with app.app_context():
        assert "body" in {item["name"] for item in sa.inspect(app.extensions["migrate"].db.engine).get_columns("posts")}
    app.config["SCHEMAFLOW_LINT"] = "auto"
    assert run(app, "upgrade").exit_code == 0


def test_upgrade_asks_on_a_terminal(project: MakeProject) -> None:
    """By default, and Enter alone means no; elsewhere nothing is measured."""
    made = project()
    made.run("db", "init")
    made.write_revision("a1", None, "op.create_table('posts', sa.Column('id', sa.Integer), sa.Column('body', sa.Text))")
    made.run("db", "upgrade")
    made.write_revision("b2", "a1", "op.drop_column('posts', 'body')")
    screen = made.terminal("db", "upgrade", typed=[("Upgrade anyway?", "\n")])
    assert screen.returncode == 1
    assert "loses-data" in screen.text and "SF902" in screen.text
    screen = made.terminal("db", "upgrade", typed=[("Upgrade anyway?", "y\n")])
    assert screen.returncode == 0 and "Applied b2" in screen.text
    made.write_revision("c3", "b2", "op.drop_table('posts')")
    assert "loses-data" not in made.run("db", "upgrade").stderr


def merged(folder: Path) -> None:
    """Write two branches of the first revision, and their merge."""
    write_all(
        folder,
        ("b2", "a1", "op.add_column('posts', sa.Column('b', sa.Integer))", "op.drop_column('posts', 'b')"),
        ("c3", "a1", "op.add_column('posts', sa.Column('c', sa.Integer))", "op.drop_column('posts', 'c')"),
        ("d4", ("b2", "c3"), "pass", "op.execute('UPDATE posts SET body = NULL')"),
    )


def test_a_merge_is_reverted_alone(app: Flask, tmp_path: Path) -> None:
    """It has no single parent to go back to; what its branches did stays until their own turn."""
    merged(tmp_path)
    result = run(app, "lint", "--down", "--format", "json")
    revisions = json.loads(result.stdout)["revisions"]
    assert [item["id"] for item in revisions[:3]][-1] == "d4"
    assert [item["direction"] for item in revisions] == ["upgrade"] * 3 + ["downgrade"] * 3
    down = [item["id"] for item in revisions[3:]]
    assert down[0] == "d4" and sorted(down[1:]) == ["b2", "c3"]
    (statement,) = revisions[3]["transactions"][0]["statements"]
    assert statement["sql"] == "UPDATE posts SET body = NULL"


def test_a_downgrade_is_planned_from_the_latest_on(app: Flask, tmp_path: Path) -> None:
    """Also across a merge."""
    merged(tmp_path)
    assert run(app, "upgrade").exit_code == 0
    result = run(app, "plan", "--down", "a1", "--json")
    assert result.exit_code == 0
    down = [item["id"] for item in json.loads(result.stdout)["revisions"]]
    assert down[0] == "d4" and sorted(down[1:]) == ["b2", "c3"]


def test_several_heads_are_no_measurement_that_failed(app: Flask, tmp_path: Path) -> None:
    """``plan head`` has to be told which one, in the words of every command."""
    write_all(tmp_path, ("c3", "a1", "pass", "pass"))
    result = run(app, "plan", "head")
    assert result.exit_code == 1 and "SF309" in result.output
    assert run(app, "plan", "heads").exit_code == 0


def test_lint_measures_on_another_server(app: Flask, postgres_url: str) -> None:
    """``--on`` names production's kind of database; the history runs there from the beginning."""
    document = json.loads(run(app, "lint", "--on", postgres_url, "--format", "json").stdout)
    assert document["database"]["dialect"] == "postgresql" and document["database"]["measured_on"] == "history"
    (revision,) = document["revisions"]
    locks = revision["transactions"][0]["statements"][0]["locks"]
    assert locks == {"posts": "ACCESS EXCLUSIVE"}
    for url in ("nonsense", "oracle://x/y"):
        assert run(app, "lint", "--on", url).exit_code == 2


def test_lint_since_a_commit(app: Flask, tmp_path: Path) -> None:
    """Only files that were added since; a commit that isn't there is a mistake in the options."""
    git(tmp_path, "init", "-q", "-b", "main")
    git(tmp_path, "add", "migrations/versions/a1_.py", "migrations/env.py")
    git(tmp_path, "commit", "-q", "-m", "first")
    git(tmp_path, "add", "migrations")
    git(tmp_path, "commit", "-q", "-m", "second")
    found = json.loads(run(app, "lint", "--since", "HEAD~1", "--format", "json").stdout)
    assert [item["id"] for item in found["revisions"]] == ["b2"]
    assert json.loads(run(app, "lint", "--since", "HEAD", "--format", "json").stdout)["revisions"] == []
    assert run(app, "lint", "--since", "nowhere").exit_code == 2


def test_a_moved_folder_adds_nothing(app: Flask, tmp_path: Path) -> None:
    """Revisions that only stand elsewhere now aren't new, whatever commit is named."""
    git(tmp_path, "init", "-q", "-b", "main")
    git(tmp_path, "add", "migrations/versions/a1_.py", "migrations/env.py")
    git(tmp_path, "commit", "-q", "-m", "first")
    (tmp_path / "shop").mkdir()
    git(tmp_path, "mv", "migrations", "shop/migrations")
    git(tmp_path, "add", "shop")
    git(tmp_path, "commit", "-q", "-m", "second")
    moved = str(tmp_path / "shop" / "migrations")
    found = json.loads(run(app, "--directory", moved, "lint", "--since", "HEAD~1", "--format", "json").stdout)
    assert [item["id"] for item in found["revisions"]] == ["b2"]


def test_a_sample_shows_what_a_loop_over_rows_does(app: Flask, tmp_path: Path) -> None:
    """On an empty copy the loop runs no statement, and lint says so."""
    loop = (
        "for row in op.get_bind().execute(sa.text('SELECT id FROM posts')).all():\n"
        "        op.execute(f'UPDATE posts SET body = NULL WHERE id = {row.id}')"
    )
    write_all(tmp_path, ("b2", "a1", loop, "pass"))
    with app.app_context(), app.extensions["migrate"].db.engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO posts VALUES (1, 'a'), (2, 'b'), (3, 'c')")
    sent = {}
    for number in ("0", "2"):
        (revision,) = json.loads(run(app, "lint", "--sample", number, "--format", "json").stdout)["revisions"]
        statements = [row["sql"] for part in revision["transactions"] for row in part["statements"]]
        sent[number] = sum(sql.startswith("UPDATE") for sql in statements)
        assert ("depends-on-rows" in {item["code"] for item in revision["findings"]}) == (number == "0")
    assert sent == {"0": 0, "2": 2}


def test_an_old_history_is_left_alone(app: Flask) -> None:
    """``SCHEMAFLOW_LINT_AFTER`` names its last revision."""
    found = json.loads(run(app, "lint", "--all", "--format", "json").stdout)["revisions"]
    assert [item["id"] for item in found] == ["a1", "b2"]
    app.config["SCHEMAFLOW_LINT_AFTER"] = "a1"
    found = json.loads(run(app, "lint", "--all", "--format", "json").stdout)["revisions"]
    assert [item["id"] for item in found] == ["b2"]


def test_some_seconds_of_work_are_fine(app: Flask, tmp_path: Path) -> None:
    """``SCHEMAFLOW_LINT_SECONDS`` says how many."""
    write_all(tmp_path, ("b2", "a1", "op.create_index('ix', 'posts', ['body'])", "pass"))
    sizes = tmp_path / "sizes.json"
    sizes.write_text(json.dumps({"version": 1, "tables": {"posts": {"rows": 300_000}}}), "utf-8")
    assert run(app, "lint", "--sizes", str(sizes)).exit_code == 1
    app.config["SCHEMAFLOW_LINT_SECONDS"] = 20
    assert run(app, "lint", "--sizes", str(sizes)).exit_code == 0


def test_another_value_of_an_enum_breaks_nothing(project: MakeProject, postgres_url: str) -> None:
    """What fails afterwards is put down to the statement that demands a value."""
    made = project(url=postgres_url)
    made.run("db", "init")
    kind = "sa.Enum('car', 'van', name='lorry')"
    columns = f"sa.Column('id', sa.Integer, primary_key=True), sa.Column('kind', {kind}), sa.Column('seats', sa.INT)"
    made.write_revision("aa1", None, f"op.create_table('fleet', {columns})")
    made.run("db", "upgrade")
    more = "with op.get_context().autocommit_block():\n    op.execute(\"ALTER TYPE lorry ADD VALUE 'bus'\")\n"
    made.write_revision("bb2", "aa1", more + "op.alter_column('fleet', 'seats', nullable=False)")
    found = json.loads(made.run("db", "lint", "--format", "json", check=False).stdout)["revisions"][0]["findings"]
    (broken,) = (item for item in found if item["code"] == "needs-new-code-first")
    assert "SET NOT NULL" in broken["statement"]


def test_revisions_that_share_a_new_type(project: MakeProject, postgres_url: str) -> None:
    """SQLAlchemy creates it once in a run, so an upgrade of both works, and one of the second alone fails."""
    made = project(url=postgres_url)
    made.run("db", "init")
    mood = 'sa.Column("mood", sa.Enum("calm", "wild", name="mood"))'
    made.write_revision("aa1", None, f'op.create_table("cat", {mood})', "pass")
    made.write_revision("bb2", "aa1", f'op.create_table("dog", {mood})', "pass")
    verdicts = json.loads(made.run("db", "lint", "--format", "json").stdout)["revisions"]
    assert [item["verdict"] for item in verdicts] == ["safe", "safe"]
    assert "fails" not in made.run("db", "plan").stdout
    made.run("db", "upgrade", "aa1")
    assert made.run("db", "lint", check=False).returncode == 1
    assert made.run("db", "upgrade", check=False).returncode == 1
    made.run("db", "downgrade", "base")
    made.execute("DROP TABLE cat; DROP TYPE mood")
    assert "Applied bb2" in made.run("db", "upgrade").stdout


@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "mariadb"])
def test_a_column_that_needs_a_value_is_named_as_missing(
    project: MakeProject, make_database: MakeDatabase, kind: t.Any
) -> None:
    """The code that runs doesn't know it, so it can't do without it; a default helps, as long as it stays."""
    made = project(url=make_database(kind))
    made.run("db", "init")
    made.write_revision("aa1", None, "op.create_table('pet', sa.Column('id', sa.Integer, primary_key=True))")
    made.run("db", "upgrade")
    column = "sa.Column('kind', sa.String(20), server_default='dog', nullable=False)"
    dropped = "'kind', existing_type=sa.String(20), server_default=None, existing_nullable=False"
    made.write_revision(
        "bb2",
        "aa1",
        f"op.add_column('pet', {column})\nwith op.batch_alter_table('pet') as pet:\n    pet.alter_column({dropped})",
    )
    (revision,) = json.loads(made.run("db", "lint", "--format", "json", check=False).stdout)["revisions"]
    (broken,) = (item for item in revision["findings"] if item["code"] == "breaks-running-code")
    message = broken["message"]
    assert message.startswith("The code that runs now inserts into pet without kind and fails afterwards: ")
    assert message.endswith(" Keep a server_default, or allow NULL, until all code that runs supplies a value.")


def test_the_end_of_an_expanded_column_loses_nothing(app: Flask, tmp_path: Path, postgres_url: str) -> None:
    """Its values are in the new column; the code that knows the old name alone fails, so it is deployed first."""
    column = "'posts', 'body', sa.Column('text', sa.Text, nullable=False)"
    write_all(
        tmp_path,
        ("b2", "a1", f"op.expand_column({column})", "pass"),
        ("c3", "b2", f"op.contract_column({column}, quiet_seconds=0)", "pass"),
    )
    for options in ((), ("--on", postgres_url)):
        revisions = json.loads(run(app, "lint", "--format", "json", *options).stdout)["revisions"]
        expand, contract = ({item["code"]: item["message"] for item in revision["findings"]} for revision in revisions)
        assert not {"breaks-running-code", "loses-data"} & set(expand)
        assert "loses-data" not in contract and "leaves-half" not in contract
        assert "selects, inserts and updates posts.body and fails" in contract["breaks-running-code"]
        assert "is_given" not in "".join(contract.values())
        assert [revision["order"] for revision in revisions] == ["schema first", "code first"]
