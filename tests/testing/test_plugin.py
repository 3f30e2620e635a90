"""The plugin in real sessions of pytest, each a process of its own in a project's folder."""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
from pathlib import Path

import pytest

from ..support import processes
from ..support.application import Project
from ..support.servers import admin_engine
from ..support.servers import Kind
from .conftest import databases_of
from .conftest import MakeShop

QUIET: dict[str, str | None] = {"PYTEST_ADDOPTS": None, "PYTEST_PLUGINS": None, "COVERAGE_PROCESS_CONFIG": None}


def run_pytest(project: Project, *args: str, check: bool = True, **env: str) -> processes.Result:
    """Run pytest in a project's folder."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *args]
    settings = {"PYTHONPATH": str(project.root), **QUIET, **env}
    return processes.run(command, cwd=project.root, env=settings, check=check)


def configure(project: Project, text: str = "") -> None:
    """Write a configuration of pytest of the project's own."""
    project.write("pytest.ini", f"[pytest]\nschemaflow_app = shop\naddopts = -p no:xdist -p no:cov\n{text}")


def test_a_session_that_does_not_use_it_pays_little(tmp_path: Path) -> None:
    """The plugin loads four small modules of the package, and neither Flask nor click nor SQLAlchemy."""
    program = """
import sys
import json, pytest, importlib.metadata
for name in ("importlib", "typing", "re"):
    __import__(name)
before = set(sys.modules)
(entry,) = importlib.metadata.entry_points(group="pytest11", name="schemaflow")
entry.load()
print(json.dumps(sorted(set(sys.modules) - before)))
"""
    done = processes.run([sys.executable, "-c", program], cwd=tmp_path, env={"COVERAGE_PROCESS_CONFIG": None})
    loaded = json.loads(done.stdout)
    assert loaded == [
        "flask_schemaflow",
        "flask_schemaflow._lazy",
        "flask_schemaflow.errors",
        "flask_schemaflow.testing",
        "flask_schemaflow.testing.plugin",
    ]


def test_the_price_in_time(tmp_path: Path) -> None:
    """A session that doesn't use it pays next to nothing for it: processor time, the best of two, each way.

    It is a few milliseconds on a machine at rest; the limit is for one that measures coverage and runs other tests.
    """
    (tmp_path / "test_nothing.py").write_text("def test_nothing(): pass\n")
    program = (
        "import time, sys, pytest; status = pytest.main(['-q', '-p', 'no:cacheprovider', *sys.argv[1:]]); "
        "print(time.process_time()); sys.exit(status)"
    )

    def seconds(*args: str) -> float:
        done = processes.run([sys.executable, "-c", program, *args], cwd=tmp_path, env=QUIET)
        return float(done.stdout.splitlines()[-1])

    without = min(seconds("-p", "no:schemaflow") for _ in range(2))
    assert min(seconds() for _ in range(2)) - without < 0.2


def test_the_checks_of_an_application(make_shop: MakeShop) -> None:
    """``--schemaflow`` adds a test for each check, and a failure shows revision, line, difference and next step."""
    shop = make_shop()
    shop.revision("a2", "a1", 'op.create_index("ix_pet_name", "pet", ["name"])', "pass")
    configure(shop.project)
    done = run_pytest(shop.project, "--schemaflow=one-head,importable,stairway", check=False)
    assert done.returncode == 1, done
    assert "1 failed, 2 passed" in done.stdout
    shown = done.stdout[done.stdout.index("_ schemaflow: stairway _") :]
    assert (
        """>   def downgrade():
E   downgrade() of revision a2 doesn't restore the schema before it.
E     index ix_pet_name of pet remains

migrations/versions/a2.py:21: revision a2
Have it undo all that upgrade() does.
"""
        in shown
    )
    assert "FAILED schemaflow::stairway - downgrade() of revision a2" in shown
    assert not (shop.project.root / "shop.db").exists()


def test_checks_in_the_configuration(make_shop: MakeShop) -> None:
    """The ini-file can name checks, for every session; ``-k`` and ``-m`` choose among them as among other tests."""
    shop = make_shop()
    configure(shop.project, "schemaflow = one-head importable base")
    done = run_pytest(shop.project, "-v", "-k", "head or importable")
    assert "schemaflow::one-head PASSED" in done.stdout and "2 passed, 1 deselected" in done.stdout


def test_an_unknown_check(make_shop: MakeShop) -> None:
    """A typo is an error of usage, before any test runs."""
    shop = make_shop()
    configure(shop.project)
    done = run_pytest(shop.project, "--schemaflow=stairways", check=False)
    assert done.returncode == 4
    assert "There is no check 'stairways'.\nDid you mean stairway?" in done.stderr


TESTS = """
import pytest
from shop import db


def count():
    return db.session.execute(db.text("SELECT count(*) FROM pet")).scalar()


def insert(name):
    db.session.execute(db.text("INSERT INTO pet (name) VALUES (:name)"), {"name": name})
    db.session.commit()


@pytest.mark.parametrize("name", ["Rex", "Tom", "Kim"])
def test_a_database_of_its_own(migrated_db, name):
    assert migrated_db is db and count() == 0
    insert(name)
    assert count() == 1


@pytest.mark.parametrize("name", ["Rex", "Tom"])
def test_a_transaction_of_its_own(migrated_session, name):
    assert migrated_session is db.session and count() == 0
    insert(name)
    insert("to be taken back")
    with db.session.begin_nested() as savepoint:
        db.session.execute(db.text("DELETE FROM pet"))
        savepoint.rollback()
    db.session.execute(db.text("DELETE FROM pet"))
    db.session.rollback()
    assert count() == 2


def test_an_app(migrated_app):
    with migrated_app.app_context():
        insert("Rex")
        assert count() == 1


def test_rows_of_a_revision(at_revision):
    history = at_revision("a1")
    history.insert("pet", {"name": "Rex"}, {"name": "Tom"})
    history.upgrade()
    assert history.rows("pet") == [{"id": 1, "name": "Rex", "age": 1}, {"id": 2, "name": "Tom", "age": 1}]
    history.downgrade("a1")
    assert [row["name"] for row in history.rows("pet")] == ["Rex", "Tom"]
"""
LISTENERS = {
    "psycopg": "from psycopg.types import TypeInfo; assert TypeInfo.fetch(connection, 'int4').name == 'int4'",
    "psycopg2": "from psycopg2 import extras; extras.register_uuid(None, connection)",
}
ADD_AGE = 'op.add_column("pet", sa.Column("age", sa.Integer, server_default="1"))'
DROP_AGE = 'with op.batch_alter_table("pet") as batch:\n    batch.drop_column("age")'


def with_tests(make_shop: MakeShop, kind: Kind) -> Project:
    """Return a project of two revisions, with tests."""
    shop = make_shop(kind)
    shop.revision("a2", "a1", ADD_AGE, DROP_AGE)
    configure(shop.project)
    shop.project.write("tests/test_pets.py", TESTS)
    return shop.project


def folders() -> set[str]:
    """Return the folders of sessions."""
    return {path.name for path in Path(tempfile.gettempdir()).glob("schemaflow-test-*")}


@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "mariadb"])
def test_the_fixtures(kind: Kind, make_shop: MakeShop) -> None:
    """Each test has the schema of the head and no rows of another; the application's own database isn't touched."""
    project = with_tests(make_shop, kind)
    done = run_pytest(project)
    assert "7 passed" in done.stdout
    assert not (project.root / "shop.db").exists()


@pytest.mark.parametrize("driver", LISTENERS)
def test_a_listener_gets_a_connection_of_the_driver(driver: str, make_shop: MakeShop) -> None:
    """As SQLAlchemy's own for psycopg2 does, it may hand it to the driver; its commit ends no test's transaction."""
    pytest.importorskip(driver)
    url = admin_engine("postgresql").url.set(drivername=f"postgresql+{driver}", database="shop_test")
    shop = make_shop(url=url.render_as_string(hide_password=False))
    shop.revision("a2", "a1", ADD_AGE, DROP_AGE)
    configure(shop.project)
    shop.project.write("tests/test_pets.py", TESTS)
    listener = f"""
import sqlalchemy as sa

@sa.event.listens_for(sa.Engine, "connect")
def register(connection, record):
    {LISTENERS[driver]}
    connection.commit()
"""
    shop.project.write("tests/conftest.py", listener)
    assert "7 passed" in run_pytest(shop.project).stdout


@pytest.mark.slow
def test_workers_of_xdist(make_shop: MakeShop) -> None:
    """Each worker has databases of its own, and the checks are spread over them."""
    project = with_tests(make_shop, "sqlite")
    configure(project)
    project.write("pytest.ini", "[pytest]\nschemaflow_app = shop\n")
    done = run_pytest(project, "-n", "2", "--schemaflow=one-head,base")
    assert "9 passed" in done.stdout


def test_a_fixture_app_is_used(make_shop: MakeShop) -> None:
    """The application is that of the user's fixture ``app``, in the conftest.py of the tests' folder."""
    shop = make_shop()
    shop.project.write("pytest.ini", "[pytest]\naddopts = -p no:xdist\n")
    shop.project.write(
        "tests/conftest.py",
        """
        import pytest
        from shop import create_app, db

        @pytest.fixture
        def app():
            app = create_app()
            with app.app_context():
                db.create_all()
            app.config["MARKED"] = True
            return app

        @pytest.fixture
        def client(app):
            return app.test_client()
        """,
    )
    shop.project.write(
        "tests/test_app.py",
        """
        def test_app(client, migrated_app):
            assert migrated_app is client.application and migrated_app.config["MARKED"]
        """,
    )
    done = run_pytest(shop.project, "--schemaflow=base")
    assert "2 passed" in done.stdout


def test_no_application(tmp_path: Path) -> None:
    """Without an application the test fails by one sentence and the next step."""
    project = Project(tmp_path / "empty")
    project.write("test_it.py", "def test_it(migrated_db): pass\n")
    done = run_pytest(project, "--schemaflow=base", check=False)
    assert "During handling" not in done.stdout and "The above exception" not in done.stdout
    assert "\nE   " not in done.stdout and "Traceback" not in done.stdout
    assert "No Flask application was found to test migrations of." in done.stdout
    assert 'schemaflow_app = "package:create_app"' in done.stdout


def test_a_database_that_may_be_real(make_shop: MakeShop, role: str) -> None:
    """A server's database without the word test in its name is refused; one that a fixture names is used, and left."""
    shop = make_shop("postgresql", url=f"postgresql+psycopg://{role}@127.0.0.1:5432/latest_shop")
    configure(shop.project)
    done = run_pytest(shop.project, "--schemaflow=base", check=False)
    assert "whose name doesn't have the word test; nothing was done." in done.stdout
    assert "export SCHEMAFLOW_TEST_DATABASE_URI=postgresql+psycopg://" in done.stdout
    assert not databases_of(role)
    fixture = f"@pytest.fixture(scope='session')\ndef schemaflow_database_uri():\n    return {uri_of(role)!r}\n"
    shop.project.write("conftest.py", f"import pytest\n\n\n{fixture}")
    shop.project.write("test_it.py", "def test_it(migrated_db):\n    assert migrated_db.session\n")
    assert "2 passed" in run_pytest(shop.project, "--schemaflow=base").stdout
    assert not databases_of(role)


def uri_of(role: str) -> str:
    """Return a URL as pytest-postgresql and testcontainers give it, without a driver."""
    return f"postgresql://{role}@127.0.0.1:5432/postgres"


SLOW = """


def test_it(migrated_db):
    open("ready", "w").close()
    time.sleep(60)
"""


@pytest.mark.parametrize("how", ["SIGINT", "SIGTERM", "SIGKILL"])
def test_a_killed_session_leaves_nothing(how: str, make_shop: MakeShop, role: str) -> None:
    """However a session ends, its databases and files are gone soon."""
    shop = make_shop("postgresql", url=f"postgresql+psycopg://{role}@127.0.0.1:5432/shop_test")
    project = shop.project
    configure(project)
    project.write("test_it.py", SLOW)
    there = folders()
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
    process = processes.start(command, cwd=project.root, env={"PYTHONPATH": str(project.root), **QUIET})
    try:
        processes.wait_until((project.root / "ready").exists, "the test")
        assert databases_of(role)
        if how == "SIGKILL":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.send_signal(getattr(signal, how))
        processes.finish(process)
    finally:
        processes.end(process)
    processes.wait_until(lambda: not databases_of(role), "the databases' end")
    assert folders() <= there


MEASURE = """
import time, pytest
from shop import db

times = []


@pytest.fixture(autouse=True)
def clock(request):
    before = time.perf_counter()
    request.getfixturevalue("migrated_db")
    times.append(time.perf_counter() - before)


@pytest.mark.parametrize("number", range(8))
def test_one(number):
    db.session.execute(db.text("INSERT INTO pet (name) VALUES ('Rex')"))
    db.session.commit()


def test_times():
    print("MEDIAN", sorted(times[1:])[len(times) // 2])
"""


@pytest.mark.parametrize(("kind", "most"), [("sqlite", 0.05), ("postgresql", 0.3)])
def test_the_second_test_is_quick(kind: Kind, most: float, make_shop: MakeShop) -> None:
    """From the second test on a migrated database costs under 50 ms on SQLite, under 300 ms on PostgreSQL.

    On PostgreSQL it is mostly a tenth of that, because the copy is there already; beside other tests it may be more.
    """
    shop = make_shop(kind)
    configure(shop.project)
    shop.project.write("test_times.py", MEASURE)
    done = run_pytest(shop.project, "-s")
    median = float(done.stdout.split("MEDIAN ")[1].split()[0])
    assert median < most * 4
