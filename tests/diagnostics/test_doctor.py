"""``flask db doctor``: what it finds in folders, applications and databases, and what ``--fix`` does."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
import typing as t
from pathlib import Path

import flask_sqlalchemy_lite
import pytest
import sqlalchemy as sa
from click.testing import Result
from flask import Flask

import flask_schemaflow
from flask_schemaflow.diagnostics import env_files
from flask_schemaflow.records import Finding

from ..conftest import MakeDatabase
from ..conftest import MakeProject
from ..conftest import RunInTerminal
from ..conftest import WriteRepository
from ..support import legacy
from ..support.application import Project
from ..support.dumps import VERSION_TABLES
from ..support.invoking import cli_runner

MODELS = """
class Employee(db.Model):
    id = sa.Column(sa.Integer, primary_key=True)
    name = sa.Column(sa.String(40), nullable=False)
"""
LOG = """
class Entry(db.Model):
    __bind_key__ = "log"
    id = sa.Column(sa.Integer, primary_key=True)
"""
LATER = "    note = sa.Column(sa.String(20))\n"


@pytest.fixture
def shop(project: MakeProject, monkeypatch: pytest.MonkeyPatch) -> Project:
    """An application with the packaged folder, one applied revision and an up-to-date database."""
    made = project(MODELS)
    monkeypatch.chdir(made.root)
    run(made, "init")
    made.write_revision("abcd0001", upgrade=CREATE, downgrade="op.drop_table('employee')")
    run(made, "upgrade")
    return made


CREATE = """
op.create_table(
    "employee",
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(40), nullable=False),
)
"""


def run(project: Project, *args: str, status: int = 0) -> Result:
    """Run ``flask db ARGS`` in this process."""
    app = project.app()
    result = cli_runner(app).invoke(args=["db", *args], env={"FLASK_DEBUG": None})
    with app.app_context():
        for engine in app.extensions["sqlalchemy"].engines.values():
            engine.dispose()
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == status, result.output
    assert "Traceback" not in result.output
    return result


def found(project: Project) -> list[Finding]:
    """What the doctor says beside notes; its exit status fits, and its text names everything."""
    app = project.app()
    with app.app_context():
        findings = [item for item in flask_schemaflow.doctor() if item.level != "note"]
    status = int(any(item.level == "error" for item in findings))
    text = run(project, "doctor", status=status).stdout
    assert all(item.message in text for item in findings)
    return findings


def codes(project: Project) -> list[str]:
    """The codes of what the doctor says beside notes."""
    return [item.code for item in found(project)]


def test_nothing_to_say(shop: Project) -> None:
    """In order: notes alone, as text, as JSON, and none with -q."""
    result = run(shop, "doctor")
    assert result.stdout.splitlines() == [line for line in result.stdout.splitlines() if line.startswith("note ")]
    assert "[SF862] The default database is at abcd0001; nothing is pending." in result.stdout
    records = json.loads(run(shop, "doctor", "--json").stdout)
    assert {record["level"] for record in records} == {"note"}
    assert [record["code"] for record in records] == [
        "SF800", "SF802", "SF810", "SF830", "SF850", "SF861", "SF862",
    ]  # fmt: skip
    assert run(shop, "doctor", "-q").stdout == ""
    before = (shop.migrations / "env.py").read_bytes()
    assert run(shop, "doctor", "--fix").stderr == "env.py and script.py.mako are up to date.\n"
    assert (shop.migrations / "env.py").read_bytes() == before


def test_no_folder(shop: Project) -> None:
    """A folder that isn't there is one finding, and everything else is still looked at."""
    shutil.rmtree(shop.migrations)
    findings = found(shop)
    assert [(item.level, item.code) for item in findings] == [("error", "SF201")]
    assert findings[0].hint.startswith("Run `flask db init` to create it")
    assert "SF861" in run(shop, "doctor", status=1).stdout
    assert "SF201" in run(shop, "doctor", "--fix", status=1).stderr


def edit(old: str, new: str, name: str = "env.py") -> t.Callable[[Project], None]:
    """A change of a file of the folder; ``old`` empty appends, ``*`` replaces everything."""

    def change(shop: Project) -> None:
        path = shop.migrations / name
        text = path.read_text("utf-8") if path.exists() else ""
        assert old in ("", "*") or old in text
        path.write_text({"": text + new, "*": new}.get(old) or text.replace(old, new), "utf-8")

    return change


def ini(line: str) -> t.Callable[[Project], None]:
    """Another line in alembic.ini's section."""
    return edit("path_separator = os", f"path_separator = os\n{line}", "alembic.ini")


def two_heads(shop: Project) -> None:
    shop.write_revision("abcd0002", "abcd0001")
    shop.write_revision("abcd0003", "abcd0001")


def orphan(shop: Project) -> None:
    shop.execute("UPDATE alembic_version SET version_num = 'gone0001'")


def cut_off(shop: Project) -> None:
    shop.execute("ALTER TABLE employee RENAME TO _alembic_tmp_employee")


def useless_copy(shop: Project) -> None:
    shop.execute("CREATE TABLE _alembic_tmp_employee (id INTEGER)")


def unstamped(shop: Project) -> None:
    shop.execute("DROP TABLE alembic_version")


def emptied(shop: Project) -> None:
    shop.execute("DELETE FROM alembic_version")


def no_models(shop: Project) -> None:
    shop.write_models("")


def wrong_setting(shop: Project) -> None:
    shop.write_app(config={"SCHEMAFLOW_LOCK_WIAT": 3})


def no_file(shop: Project) -> None:
    (shop.root / "shop.db").unlink()


def latin_1(shop: Project) -> None:
    path = shop.migrations / "alembic.ini"
    path.write_bytes(path.read_bytes() + "# schön\n".encode("latin-1"))


def broken_without_a_database(shop: Project) -> None:
    no_file(shop)
    edit("*", "def broken(:\n")(shop)


def removed(name: str) -> t.Callable[[Project], None]:
    return lambda shop: (shop.migrations / name).unlink()


TWICE = """
from alembic import context
from flask import current_app
args = current_app.extensions["migrate"].configure_args
with current_app.extensions["migrate"].db.engine.connect() as connection:
    context.configure(connection=connection, compare_type=True, **args)
    with context.begin_transaction():
        context.run_migrations()
"""


@pytest.mark.parametrize(
    ("harm", "expected", "words"),
    [
        (removed("env.py"), ["error SF202"], "has no env.py"),
        (removed("script.py.mako"), ["error SF202"], "has no script.py.mako"),
        (edit("*", "def broken(:\n"), ["warning SF832", "error SF205"], "a file that Python can't read (line 1)"),
        (edit("*", "import nothing_of_that_name\n"), ["warning SF832", "error SF205"], "nothing_of_that_name"),
        (edit("*", TWICE), ["warning SF832", "error SF833", "error SF205"], "line 6, passes compare_type"),
        (edit("*", "no section\n", "alembic.ini"), ["error SF208"], "a line comes before the first [section]"),
        (ini("timezon = UTC"), ["warning SF822"], "Did you mean timezone?"),
        (ini("my_own = 1"), ["warning SF822"], "line 6: Alembic has no option my_own"),
        (ini("my_url = 50% off"), ["warning SF821", "warning SF822"], "my_url has a %"),
        (ini("sqlalchemy.url = mysql://me:s3cret@db/shop"), ["warning SF823"], "mysql://me:***@db/shop"),
        (latin_1, ["warning SF820"], "is not UTF-8 (line 1"),
        (edit("*", "${up_revision", "script.py.mako"), ["error SF206", "warning SF840"], "can't be rendered"),
        (two_heads, ["error SF309", "warning SF310"], "`flask db merge heads`"),
        (edit("*", "x = = 1\n", "versions/broken.py"), ["error SF303"], "versions/broken.py, line 1"),
        (orphan, ["error SF308"], "is at revision gone0001, but"),
        (cut_off, ["error SF518"], "holds its 0 rows"),
        (useless_copy, ["warning SF870"], "DROP TABLE"),
        (unstamped, ["error SF436"], "db.create_all() created it"),
        (emptied, ["error SF542"], "Its version table is empty"),
        (no_models, ["warning SF803"], "Migrate(app, db, metadata=Base.metadata)"),
        (wrong_setting, ["error SF108"], "Did you mean SCHEMAFLOW_LOCK_WAIT?"),
        (broken_without_a_database, ["warning SF832", "error SF205", "warning SF860"], "env.py, line 1 failed"),
        (no_file, ["warning SF860"], "shop.db of the default database is not there"),
    ],
)  # fmt: skip
def test_what_it_finds(harm: t.Callable[[Project], None], expected: list[str], words: str, shop: Project) -> None:
    """One thing is wrong, and that is what is said, with a next step and without a password."""
    harm(shop)
    before = sorted(shop.root.rglob("*.db"))
    findings = found(shop)
    assert [f"{item.level} {item.code}" for item in findings] == expected
    text = "\n".join(f"{item.message}\n{item.details}\n{item.hint}" for item in findings)
    assert words in text and "s3cret" not in text
    assert all(item.hint for item in findings)
    assert sorted(shop.root.rglob("*.db")) == before


@pytest.mark.parametrize("version", ["2.5.3", "4.1.0"])
def test_a_hook_that_an_old_folder_has_too(
    version: str, project: MakeProject, legacy_repository: WriteRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Flask-Migrate before 4 passes its own hook beside that of Migrate(...): found before a command fails of it."""
    made = project(MODELS, migrate_arguments="process_revision_directives=print")
    monkeypatch.chdir(made.root)
    legacy_repository(made, version)
    (made.root / "shop.db").touch()
    if version == "4.1.0":
        assert codes(made) == ["SF832"]
        return
    finding = found(made)[1]
    assert (finding.level, finding.code) == ("error", "SF833")
    assert "passes process_revision_directives to Alembic" in finding.message
    result = run(made, "upgrade", status=1)
    assert "process_revision_directives" in result.stderr
    run(made, "doctor", "--fix", "--yes")
    assert codes(made) == []


def test_an_application_without_the_extension() -> None:
    """Said like anything else."""
    with Flask("shop").app_context():
        findings = flask_schemaflow.doctor()
    assert [item.code for item in findings if item.level != "note"] == ["SF102"]


def test_an_asyncio_engine(tmp_path: Path) -> None:
    """Asked like any other; a database that can't be opened is one finding."""
    app = Flask("shop", root_path=str(tmp_path))
    (tmp_path / "shop.db").touch()
    app.config["SQLALCHEMY_ASYNC_ENGINES"] = {
        "default": f"sqlite+aiosqlite:///{tmp_path / 'shop.db'}",
        "log": "postgresql+psycopg_async://me:s3cret@127.0.0.1:1/log",
    }
    db = flask_sqlalchemy_lite.SQLAlchemy(app)
    flask_schemaflow.Migrate(app, db, metadata=sa.MetaData())
    with app.app_context():
        findings = flask_schemaflow.doctor(str(tmp_path / "nowhere"))
    assert [item.code for item in findings if item.level != "note"] == ["SF803", "SF201", "SF421"]
    messages = " ".join(item.message for item in findings if item.code == "SF861")
    assert "Connected to the default database: sqlite" in messages


def test_servers(project: MakeProject, make_database: MakeDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    """An INVALID index on PostgreSQL; a server that isn't there beside one that is."""
    made = project(MODELS + LOG, url=make_database("postgresql"), binds={"log": make_database("mariadb")})
    monkeypatch.chdir(made.root)
    run(made, "init")
    run(made, "migrate")
    run(made, "upgrade")
    assert codes(made) == []
    made.execute("INSERT INTO employee (name) VALUES ('a'), ('a')")
    with made.engine().connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        with pytest.raises(sa.exc.IntegrityError):
            connection.execute(sa.text("CREATE UNIQUE INDEX CONCURRENTLY once ON employee (name)"))
    made.execute("CREATE TABLE _alembic_tmp_entry (id INTEGER)", "log")
    assert codes(made) == ["SF870", "SF871"]
    assert "REINDEX INDEX CONCURRENTLY public.once" in found(made)[1].hint
    made.binds = {"log": "mysql+pymysql://me:s3cret@127.0.0.1:1/log"}
    made.write_app()
    findings = found(made)
    assert [item.code for item in findings] == ["SF421", "SF871"]
    assert "me:***@127.0.0.1:1" in findings[0].message


def test_a_revision_that_was_interrupted(
    project: MakeProject, mariadb_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is left of it is listed, with the command that finishes it."""
    made = project(MODELS, url=mariadb_url)
    monkeypatch.chdir(made.root)
    run(made, "init")
    rest = "op.drop_table('nothing')\nop.create_index('i', 'employee', ['name'])"
    made.write_revision("abcd0001", upgrade=CREATE + rest)
    run(made, "upgrade", status=1)
    finding = found(made)[0]
    assert (finding.level, finding.code) == ("error", "SF520")
    assert "Revision abcd0001 was interrupted in its upgrade" in finding.message
    assert "op.create_index('i', 'employee', ['name'])" in finding.details


def test_an_old_folder_and_a_server_that_is_away(
    project: MakeProject, legacy_repository: WriteRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Said once, and the other database is looked at all the same, though env.py connects to both."""
    made = project(MODELS + LOG, binds={"log": "postgresql+psycopg://me:s3cret@127.0.0.1:1/log"})
    monkeypatch.chdir(made.root)
    legacy_repository(made, "4.1.0", "multidb")
    made.write_revision("abcd0001", extra="def upgrade_(): pass\ndef upgrade_log(): pass\n")
    made.execute("CREATE TABLE alembic_version (version_num VARCHAR(32))")
    made.execute("INSERT INTO alembic_version VALUES ('gone0001')")
    findings = found(made)
    assert [item.code for item in findings] == ["SF832", "SF421", "SF308"]
    assert "me:***@127.0.0.1:1" in findings[1].message


@pytest.mark.filterwarnings("ignore:Table.tometadata")
@pytest.mark.parametrize(
    ("kind", "version"),
    [
        pytest.param(kind, version, marks=[] if version in legacy.OFTEN else [pytest.mark.exhaustive])
        for kind in ("single", "multidb")
        for version in legacy.VERSIONS[kind]
    ],
)
def test_fix(
    kind: legacy.Kind,
    version: str,
    project: MakeProject,
    make_database: MakeDatabase,
    legacy_repository: WriteRepository,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A folder of another time is brought up to date in the middle of its life, and every command goes on working."""
    binds = {"log": make_database()} if kind == "multidb" else {}
    made = project(MODELS + (LOG if binds else ""), binds=binds)
    monkeypatch.chdir(made.root)
    folder = legacy_repository(made, version, kind)
    run(made, "migrate", "-m", "first")
    run(made, "upgrade")
    old = (folder / "env.py").read_bytes()
    assert "SF832" in codes(made)
    assert f"{'several databases' if binds else 'one database'})" in run(made, "doctor").stdout
    result = run(made, "doctor", "--fix", "--yes")
    assert "+run_env()\n" in result.stderr and result.stderr.count("Copied the old file") in (1, 2)
    assert (folder / "env.py").read_bytes() == (env_files.TEMPLATES / "flask" / "env.py").read_bytes()
    assert [path.read_bytes() for path in folder.glob("env.py.bak-*")] == [old]
    assert codes(made) == []
    assert run(made, "check").stdout == "No new upgrade operations detected.\n"
    made.write_models(MODELS + LATER + (LOG + LATER if binds else ""))
    run(made, "migrate", "-m", "second")
    run(made, "upgrade")
    for bind, table in ((None, "employee"), *((name, "entry") for name in binds)):
        assert "note" in {column["name"] for column in sa.inspect(made.engine(bind)).get_columns(table)}
    run(made, "check")
    run(made, "downgrade")
    run(made, "upgrade", "--sql")
    run(made, "downgrade", "base")
    for bind in (None, *binds):
        assert sa.inspect(made.engine(bind)).get_table_names() == sorted(VERSION_TABLES)
    run(made, "upgrade")
    assert codes(made) == []


def test_fix_for_databases_that_came_later(
    project: MakeProject,
    make_database: MakeDatabase,
    legacy_repository: WriteRepository,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A folder for one database, in an application that has two by now."""
    made = project(MODELS + LOG, binds={"log": make_database()})
    monkeypatch.chdir(made.root)
    legacy_repository(made, "4.1.0", "single")
    assert [(item.level, item.code) for item in found(made)][:3] == [
        ("warning", "SF832"),
        ("warning", "SF834"),
        ("error", "SF210"),
    ]
    run(made, "doctor", "--fix", "--yes")
    run(made, "migrate")
    run(made, "upgrade")
    assert sa.inspect(made.engine("log")).has_table("entry")


OWN = '''
def include_object(object, name, type_, reflected, compare_to):
    return name != "spatial_ref_sys"


'''


def test_fix_keeps_what_is_the_projects_own(
    project: MakeProject, legacy_repository: WriteRepository, tty: RunInTerminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a person who agrees nothing is replaced, and what would be lost is named."""
    made = project(MODELS)
    monkeypatch.chdir(made.root)
    folder = legacy_repository(made, "4.1.0", "single")
    edit("target_db = ", "url = 'postgresql://me:s3cret@db/shop'\ntarget_db = ")(made)
    assert "s3cret" not in run(made, "doctor", "--fix", status=2).stderr
    legacy_repository(made, "4.1.0", "single")
    assert "Confirm with --yes" in run(made, "doctor", "--fix", status=2).stderr
    source = (folder / "env.py").read_text("utf-8").replace("def get_metadata", OWN.lstrip() + "def get_metadata")
    source = source.replace("**conf_args", "include_object=include_object, **conf_args")
    (folder / "env.py").write_text(source, "utf-8")
    (folder / "script.py.mako").write_text("import geoalchemy2\n", "utf-8")
    for args in ((), ("--yes",)):
        result = run(made, "doctor", "--fix", *args, status=2)
        assert "include_object() in line 48" in result.stderr and "include_object= in line" in result.stderr
        assert "Error [SF211]" in result.stderr and "--- " in result.stderr
    assert (folder / "env.py").read_text("utf-8") == source and not list(folder.glob("*.bak-*"))
    command = [sys.executable, "-m", "flask", "--app", "shop", "db", "doctor", "--fix"]
    typed = [("env.py and keep a copy? [y/N]", "y\n"), ("script.py.mako and keep a copy? [y/N]", "n\n")]
    screen = tty(command, cwd=made.root, typed=typed)
    assert "include_object() in line 48" in screen.text and "import geoalchemy2 in line 1" in screen.text
    assert [path.read_text("utf-8") for path in folder.glob("*.bak-*")] == [source]
    assert env_files.origin((folder / "env.py").read_text("utf-8")) == "packaged"
    assert (folder / "script.py.mako").read_text("utf-8") == "import geoalchemy2\n"


def test_fix_without_env(shop: Project) -> None:
    """A file that is gone is written; the others stay."""
    (shop.migrations / "env.py").unlink()
    run(shop, "doctor", "--fix", "--yes")
    assert codes(shop) == [] and not list(shop.migrations.glob("*.bak-*"))


@pytest.mark.parametrize("often", [True, pytest.param(False, marks=pytest.mark.exhaustive)])
@pytest.mark.parametrize("kind", legacy.VERSIONS)
def test_every_published_file_is_known(kind: legacy.Kind, often: bool) -> None:
    """The table is what Flask-Migrate's own packages say; formatting and quotes don't matter, words do."""
    for version in legacy.versions(kind, often=often):
        files = legacy.templates(version, kind)
        source = files["env.py"].decode()
        assert env_files.origin(source) == "published", version
        assert env_files.template_fingerprint(files["script.py.mako"].decode()) in env_files.PUBLISHED_TEMPLATES
        tidy = source.replace("    # this", "# that").replace("\n\n\n", "\n\n")
        assert env_files.origin(tidy) == "published"
        assert env_files.origin(source + "\nx = 1\n") == "own"
    assert all(text.startswith("Flask-Migrate ") for text in env_files.PUBLISHED.values())


def test_our_own_files_are_known(tmp_path: Path) -> None:
    """The short env.py with arguments is still ours, the long one may be changed."""
    for name, expected in {"flask": "packaged", "flask-full": "full"}.items():
        source = (env_files.TEMPLATES / name / "env.py").read_text("utf-8")
        assert env_files.origin(source) == expected
    own = textwrap.dedent(
        """
        import flask_schemaflow
        flask_schemaflow.run_env(include_schemas=True)
        """
    )
    assert env_files.origin(own) == "packaged"
