"""Lint with a user who may not create databases: in a schema of its own, or not at all, and the right is named."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy import event
from sqlalchemy.pool import NullPool

from flask_schemaflow import Migrate

from ..conftest import MakeDatabase
from ..support.servers import admin_engine
from .application import Database
from .application import ENV
from .application import run
from .application import write_all

FIRST = (
    "op.execute('CREATE TABLE posts (id INT PRIMARY KEY, body TEXT)')\n    "
    "op.execute('CREATE TABLE notes (id INT PRIMARY KEY, post_id INT REFERENCES posts (id))')"
)


@pytest.fixture(params=["postgresql", "mariadb"])
def limited(
    request: pytest.FixtureRequest, tmp_path: Path, make_database: MakeDatabase
) -> t.Iterator[tuple[Flask, str, str]]:
    """An application whose user owns its tables and may create no database; its name, and that of the database."""
    url = sa.make_url(make_database(request.param))
    name = str(url.database)
    user = f"u{name[-12:]}"
    with admin_engine(request.param).connect().execution_options(isolation_level="AUTOCOMMIT") as admin:
        if request.param == "postgresql":
            admin.exec_driver_sql(f"CREATE ROLE {user} LOGIN")
        else:
            admin.exec_driver_sql(f"CREATE USER {user}@'%%'")
            admin.exec_driver_sql(f"GRANT ALL ON {name}.* TO {user}@'%%'")
        if request.param == "postgresql":
            with sa.create_engine(url, poolclass=NullPool).begin() as own:
                own.exec_driver_sql(f"GRANT ALL ON SCHEMA public TO {user}")
        (tmp_path / "migrations" / "versions").mkdir(parents=True)
        (tmp_path / "migrations" / "env.py").write_text(ENV, "utf-8")
        engine = sa.create_engine(url.set(username=user, password=None), poolclass=NullPool)
        app = Flask("limited", instance_path=str(tmp_path))
        Migrate(app, Database(engine), directory=str(tmp_path / "migrations"))
        write_all(tmp_path, ("a1", None, FIRST, "pass"))
        assert run(app, "upgrade").exit_code == 0
        write_all(tmp_path, ("b2", "a1", "op.create_index('ix', 'posts', ['id'])", "pass"))
        yield app, user, name
        engine.dispose()
        if request.param == "postgresql":
            with sa.create_engine(url, poolclass=NullPool).begin() as own:
                own.exec_driver_sql(f"DROP OWNED BY {user}")
            admin.exec_driver_sql(f"REVOKE ALL ON DATABASE {name} FROM {user}")
        admin.exec_driver_sql(f"DROP USER {user}")


@pytest.mark.parametrize("limited", ["postgresql", "mariadb"], indirect=True)
def test_the_missing_right_is_named(limited: tuple[Flask, str, str]) -> None:
    """With the statement that grants it, which then is enough; without it the exit status is 3."""
    app, user, name = limited
    result = run(app, "lint")
    assert result.exit_code == 3 and f"{user} has no permission to create a scratch database" in result.output
    grants = [part for part in result.output.split("`") if part.startswith("GRANT")]
    dialect = app.extensions["migrate"].db.engine.dialect.name
    if dialect == "postgresql":
        assert f'`ALTER ROLE "{user}" CREATEDB`' in result.output
        assert grants[0] == f'GRANT CREATE ON DATABASE "{name}" TO "{user}"'
        grant = grants[0]
    else:
        grant = f"GRANT ALL ON `schemaflow_verify_%`.* TO '{user}'@'%'"
        assert grant in result.output
    with admin_engine("postgresql" if dialect == "postgresql" else "mariadb").connect() as admin:
        admin.exec_driver_sql(grant.replace("%", "%%"))
        admin.commit()
    result = run(app, "lint")
    assert result.exit_code == 0 and "b2: no problem, safe" in result.output
    assert ("Measured in a schema of its own" in result.output) == (dialect == "postgresql")


@pytest.mark.parametrize("limited", ["postgresql"], indirect=True)
def test_a_schema_of_its_own_is_a_fence(limited: tuple[Flask, str, str], tmp_path: Path) -> None:
    """What the revision does is done there; a statement that could reach the application's tables is not run."""
    app, user, name = limited
    with admin_engine("postgresql").connect() as admin:
        admin.exec_driver_sql(f"GRANT CREATE ON DATABASE {name} TO {user}")
        admin.commit()
    engine = app.extensions["migrate"].db.engine
    sizes = tmp_path / "sizes.json"
    tables = {"posts": {"rows": 10**8}, "notes": {"rows": 10**8}}
    sizes.write_text(json.dumps({"version": 1, "tables": tables}), "utf-8")
    sent: list[tuple[str, str]] = []

    def spy(connection: sa.Connection, cursor: t.Any, sql: str, *rest: t.Any) -> None:
        sent.append((str(connection.dialect.default_schema_name), sql))

    write_all(tmp_path, ("b2", "a1", "op.execute('ALTER TABLE posts ALTER body TYPE varchar(5)')", "pass"))
    event.listen(sa.Engine, "before_cursor_execute", spy)
    try:
        found = json.loads(run(app, "lint", "--sizes", str(sizes), "--down", "--format", "json").stdout)
    finally:
        event.remove(sa.Engine, "before_cursor_execute", spy)
    (revision, _) = found["revisions"]
    (statement,) = revision["transactions"][0]["statements"]
    assert statement["locks"] == {"posts": "ACCESS EXCLUSIVE"} and statement["work"] == {"posts": "rewrite"}
    assert {item["code"] for item in revision["findings"]} >= {"blocks-reads-and-writes"}
    beside = [sql for schema, sql in sent if schema == "public"]
    assert {sql.split()[0].upper() for sql in beside} <= {"SELECT", "SHOW", "SET", "CREATE", "DROP"}
    made = {" ".join(sql.split()[:2]) for sql in beside if sql.split()[0] in ("CREATE", "DROP")}
    assert made == {"CREATE DATABASE", "CREATE SCHEMA", "DROP SCHEMA"}  # the first of which is refused
    assert any(sql.startswith("ALTER TABLE posts") for schema, sql in sent if schema.startswith("schemaflow_verify_"))
    for beyond in (
        "DROP TABLE public.posts", 'DROP TABLE "public"."posts"', "SET search_path TO public",
        "DO $$ BEGIN EXECUTE 'DROP TABLE ' || 'pub' || 'lic.posts'; END $$", f"DROP OWNED BY {user}",
        "CREATE SCHEMA other", "ALTER TABLE posts SET SCHEMA public",
    ):
        write_all(tmp_path, ("b2", "a1", f"op.execute({beyond!r})", "pass"))
        result = run(app, "lint")
        assert result.exit_code == 3 and "it reaches beyond the temporary schema" in result.output, beyond
    write_all(tmp_path, ("b2", "a1", "op.add_column('posts', sa.Column('role', sa.Text))", "pass"))
    assert run(app, "lint").exit_code == 0
    inspector = sa.inspect(engine)
    assert set(inspector.get_table_names()) >= {"posts", "notes"} and "role" not in str(inspector.get_columns("posts"))
    assert [item for item in inspector.get_schema_names() if item.startswith("schemaflow_")] == []
