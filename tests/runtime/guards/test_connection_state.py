"""On MariaDB a value that doesn't fit stops the migration, whatever mode the server or the driver has set."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from ...conftest import MakeProject

TABLE = """
op.create_table("event", sa.Column("value", sa.String(20)), sa.Column("note", sa.String(20)))
op.execute("INSERT INTO event VALUES ('abc', NULL)")
"""


def lax(url: str) -> str:
    """The URL of the same database for an application whose driver sets no mode at all."""
    changed = sa.make_url(url).update_query_dict({"init_command": "SET SESSION sql_mode = ''"})
    return changed.render_as_string(hide_password=False)


@pytest.mark.parametrize(
    "change",
    [
        'op.alter_column("event", "value", existing_type=sa.String(20), type_=sa.Integer())',
        'op.alter_column("event", "value", existing_type=sa.String(20), type_=sa.String(2))',
        'op.alter_column("event", "note", existing_type=sa.String(20), nullable=False)',
    ],
)
def test_nothing_is_made_to_fit(project: MakeProject, mariadb_url: str, change: str) -> None:
    """Neither a conversion, nor a shorter type, nor NOT NULL changes a value."""
    made = project(url=lax(mariadb_url))
    made.run("db", "init")
    made.write_revision("a1", upgrade=TABLE)
    made.run("db", "upgrade")
    made.write_revision("a2", "a1", upgrade=change)
    assert made.run("db", "upgrade", check=False).returncode == 1
    assert made.execute("SELECT * FROM event") == [("abc", None)]


def test_mode_comes_back(project: MakeProject, mariadb_url: str) -> None:
    """The application's connections are as lax as before."""
    made = project(url=lax(mariadb_url))
    made.run("db", "init")
    made.write_revision("a1", upgrade="op.execute('CREATE TABLE event AS SELECT @@sql_mode AS mode')")
    printed = made.run_python(
        """
        from flask_schemaflow import upgrade
        from shop import create_app, db

        with create_app().app_context():
            upgrade()
            with db.engine.connect() as connection:
                print(repr(connection.exec_driver_sql("SELECT @@SESSION.sql_mode").scalar()))
        """
    )
    assert printed.stdout == "''\n"
    assert "STRICT_ALL_TABLES" in str(made.execute("SELECT mode FROM event")[0][0])
