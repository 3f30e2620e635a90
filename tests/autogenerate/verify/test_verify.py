"""A new revision is proved on a scratch copy of the schema: what fails isn't kept, what is left over is said."""

from __future__ import annotations

import time
import typing as t

import pytest
import sqlalchemy as sa

from ...conftest import FlaskDb
from ...conftest import MakeDatabase
from ...conftest import MakeProject
from ...support.application import Project
from ...support.servers import admin_engine
from ..constraint_cases import rows
from ..constraint_cases import schema
from ..constraint_cases import started

MODELS = """
class Item(db.Model):
    id = sa.Column(sa.Integer, primary_key=True)
    code = sa.Column(sa.String(20), unique=True)
    size = sa.Column(sa.Enum("small", "large", name="sizes"), server_default="small")
    parent_id = sa.Column(sa.ForeignKey("item.id"), index=True)
"""
ROWS = "INSERT INTO item (id, code) VALUES (1, 'a'), (2, 'b')"


@pytest.fixture
def made(project: MakeProject, flask_db: FlaskDb, database_url: str) -> Project:
    """A project with rows and a change of its models that isn't migrated."""
    made = started(flask_db, project(MODELS, url=database_url), ROWS)
    made.write_models(MODELS + "    name = sa.Column(sa.String(30), server_default='x', nullable=False)\n")
    return made


def scratch_databases(made: Project) -> set[str]:
    """Those on the server now, also of other tests and of what was killed long ago."""
    kind: t.Any = {"postgresql": "postgresql", "mysql": "mariadb"}.get(made.engine().dialect.name)
    if kind is None:
        return set()
    query = "SELECT datname FROM pg_database" if kind == "postgresql" else "SHOW DATABASES"
    with admin_engine(kind).connect() as connection:
        return {name for name in connection.exec_driver_sql(query).scalars() if name.startswith("schemaflow_verify_")}


def staying(made: Project, before: set[str]) -> set[str]:
    """The new scratch databases that are still there after a while; other tests have some, too, and drop them."""
    names = scratch_databases(made) - before
    deadline = time.monotonic() + 60
    while names and time.monotonic() < deadline:
        time.sleep(0.1)
        names &= scratch_databases(made)
    return names


def spoiled(made: Project, where: str) -> None:
    """Have a hook of the application put a statement into the revision that can't run."""
    hook = (
        "process_revision_directives=lambda c, r, d: "
        f"d[0].{where}_ops.ops.append(__import__('alembic').operations.ops.ExecuteSQLOp('SELECT x FROM nowhere'))"
    )
    made.write_app(migrate_arguments=hook)


def test_nothing_is_said_of_what_works(made: Project, flask_db: FlaskDb) -> None:
    """The application's database is as it was, and no scratch database stays."""
    before, scratch = (schema(made), rows(made)), scratch_databases(made)
    result = flask_db(made, "migrate", "--verify")
    assert result.stderr == ""
    assert (schema(made), rows(made)) == before
    assert not staying(made, scratch)
    flask_db(made, "upgrade")
    assert flask_db(made, "migrate").stdout == "No changes in schema detected.\n"


@pytest.mark.parametrize("where", ["upgrade", "downgrade"])
def test_what_fails_is_not_kept(made: Project, flask_db: FlaskDb, where: str) -> None:
    """The error names the function and what the database said; ``--no-verify`` writes the file all the same."""
    spoiled(made, where)
    files, scratch = made.revision_files(), scratch_databases(made)
    result = flask_db(made, "migrate", "--verify", status=1)
    assert f"Error [SF611]: {where}() of the new revision fails on a scratch copy of the schema" in result.stderr
    assert "nowhere" in result.stderr and "Use --no-verify to write the file anyway" in result.stderr
    assert made.revision_files() == files and not staying(made, scratch)
    assert "Wrote" in flask_db(made, "migrate", "--no-verify").stdout


def test_what_is_left_over_is_said(made: Project, flask_db: FlaskDb) -> None:
    """A hook that takes a change away, and one that takes the way back: the file is kept, with a word."""
    made.write_app(
        migrate_arguments="process_revision_directives=lambda c, r, d: ("
        "d[0].upgrade_ops.ops.clear() if len(d[0].upgrade_ops.ops) > 1 else d[0].downgrade_ops.ops.clear())"
    )
    result = flask_db(made, "migrate", "--verify")
    assert "downgrade() of this revision does not restore: column item.name remains." in result.stderr
    assert len(made.revision_files()) == 2


def test_on_sqlite_only_changed_tables_are_compared(project: MakeProject, flask_db: FlaskDb, sqlite_url: str) -> None:
    """The filters of the application see no other tables on the scratch copy; a difference that stays is told."""
    parcel = "\nclass Parcel(db.Model):\n    id = sa.Column(sa.Integer, primary_key=True)\n"
    made = started(flask_db, project(MODELS + parcel, url=sqlite_url), ROWS)
    looks = "include_name=lambda name, kind, parents: print('looks at', name) or True"
    statement = "__import__('alembic').operations.ops.ExecuteSQLOp('UPDATE item SET size = size')"
    useless = f"d[0].upgrade_ops.ops.__setitem__(slice(None), [{statement}]), d[0].downgrade_ops.ops.clear()"
    made.write_app(migrate_arguments=f"{looks}, process_revision_directives=lambda c, r, d: ({useless})")
    made.write_models(MODELS + "    name = sa.Column(sa.String(30))\n" + parcel)
    plain = flask_db(made, "migrate", "--no-verify").stdout
    made.revision_files()[-1].unlink()
    verified = flask_db(made, "migrate", "--verify")
    assert verified.stdout.count("looks at parcel\n") == plain.count("looks at parcel\n") > 0
    assert verified.stdout.count("looks at item\n") > plain.count("looks at item\n") > 0
    assert "leaves differences that the next `flask db migrate` would write" in verified.stderr


def test_when_it_costs_little(project: MakeProject, flask_db: FlaskDb, database_url: str) -> None:
    """By itself only on SQLite; by setting and option everywhere or nowhere."""
    made = started(flask_db, project(MODELS, url=database_url), ROWS)
    made.write_models(MODELS.replace("String(20)", "String(25)"))
    proved = 1 if database_url.startswith("sqlite") else 0
    hook = "process_revision_directives=lambda c, r, d: d[0].upgrade_ops.ops.append("
    hook += "__import__('alembic').operations.ops.ExecuteSQLOp('SELECT x FROM nowhere'))"
    for config, status in (({}, proved), ({"SCHEMAFLOW_VERIFY": "always"}, 1)):
        made.write_app(migrate_arguments=hook, config=config)
        flask_db(made, "migrate", status=status)
        for path in made.revision_files()[1:]:
            path.unlink()
    made.write_app(migrate_arguments=hook, config={"SCHEMAFLOW_VERIFY": "never"})
    flask_db(made, "migrate")


def test_a_given_database(
    project: MakeProject, flask_db: FlaskDb, database_url: str, make_database: MakeDatabase
) -> None:
    """It is used, emptied afterwards, and refused where it isn't empty."""
    kind: t.Any = "mariadb" if database_url.startswith("mysql") else database_url.partition("+")[0].partition(":")[0]
    given = make_database(kind)
    made = started(flask_db, project(MODELS, url=database_url, config={"SCHEMAFLOW_VERIFY_DATABASE_URL": given}), ROWS)
    made.write_models(MODELS.replace("String(20)", "String(25)"))
    assert flask_db(made, "migrate").stderr.count("Not verified") == 0
    engine = sa.create_engine(given, poolclass=sa.pool.NullPool)
    assert sa.inspect(engine).get_table_names() == []
    flask_db(made, "upgrade")
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE precious (id INTEGER)")
    made.write_models(MODELS)
    result = flask_db(made, "migrate", "--verify")
    assert "the database of SCHEMAFLOW_VERIFY_DATABASE_URL isn't empty: it has precious." in result.stderr
    assert sa.inspect(engine).get_table_names() == ["precious"]


def test_who_may_not_create_a_database(made: Project, flask_db: FlaskDb) -> None:
    """Nothing is proved then, which is said; the file is kept."""
    if made.engine().dialect.name == "sqlite":
        pytest.skip("SQLite has no users")
    name = made.url.rpartition("/")[2].partition("?")[0]
    if made.engine().dialect.name == "postgresql":
        made.execute(f"CREATE ROLE {name} LOGIN")
        made.execute(f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {name}")
        url = made.url.replace("postgres@", f"{name}@")
        gone = [f"DROP OWNED BY {name}", f"DROP ROLE {name}"]
    else:
        user = f"u{name[-12:]}"
        made.execute(f"CREATE USER {user}@'%'")
        made.execute(f"GRANT ALL ON {name}.* TO {user}@'%'")
        url = made.url.replace("root@", f"{user}@")
        gone = [f"DROP USER {user}@'%'"]
    try:
        limited = Project(made.root, url=url)
        limited.write_app()
        result = flask_db(limited, "migrate", "--verify")
        assert "Skipped the test on a scratch copy of default: " in result.stderr
        assert "has no permission to create a scratch database" in result.stderr and "Wrote" in result.stdout
    finally:
        limited.close()
        for statement in gone:
            made.execute(statement)


def test_postgresql_without_pg_dump(
    project: MakeProject, flask_db: FlaskDb, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What SQLAlchemy reads of the schema is created then."""
    monkeypatch.setattr("shutil.which", lambda name: None)
    made = started(flask_db, project(MODELS, url=postgres_url), ROWS)
    made.write_models(MODELS.replace("String(20)", "String(25)"))
    assert flask_db(made, "migrate", "--verify").stderr == ""


def test_an_update(project: MakeProject, flask_db: FlaskDb, sqlite_url: str) -> None:
    """The new text is what is proved; when it fails the old one is there again."""
    made = started(flask_db, project(MODELS, url=sqlite_url), ROWS)
    made.write_models(MODELS.replace("String(20)", "String(25)"))
    flask_db(made, "migrate", "-m", "longer")
    made.write_models(MODELS.replace("String(20)", "String(26)"))
    assert flask_db(made, "migrate", "--update").stderr == ""
    text = made.revision_files()[-1].read_text("utf-8")
    assert "length=26" in text
    made.write_models(MODELS.replace("String(20)", "String(27)"))
    spoiled(made, "upgrade")
    assert "[SF611]" in flask_db(made, "migrate", "--update", status=1).stderr
    assert made.revision_files()[-1].read_text("utf-8") == text


def test_many_databases(project: MakeProject, flask_db: FlaskDb, make_database: MakeDatabase) -> None:
    """Each has a proof of its own."""
    models = (
        MODELS
        + '\nclass User(db.Model):\n    __bind_key__ = "users"\n    id = sa.Column(sa.Integer, primary_key=True)\n'
    )
    made = project(models, url=make_database(), binds={"users": make_database("mariadb")})
    flask_db(made, "init", "--multidb")
    assert flask_db(made, "migrate", "--verify").stderr == ""
    flask_db(made, "upgrade")
    assert flask_db(made, "migrate").stdout == "No changes in schema detected.\n"
