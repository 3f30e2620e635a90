"""The version rows are those that Alembic would write, and one statement checks them."""

from __future__ import annotations

import typing as t

import psycopg
import pymysql
import pytest

import flask_schemaflow
from flask_schemaflow.errors import TableLocked

from ...conftest import MakeProject
from ...support.application import Project

TABLE = 'op.create_table("t_{name}", sa.Column("id", sa.Integer, primary_key=True))'
HISTORY: tuple[tuple[str, t.Any], ...] = (
    ("aaa1", None),
    ("bbb2", "aaa1"),
    ("ccc3", "aaa1"),
    ("ddd4", ("bbb2", "ccc3")),
    ("eee5", "ddd4"),
    ("fff.6", "eee5"),
    ("ggg7", "fff.6"),
)
TARGETS = ("aaa1", "bbb2", "ddd4", "ggg7")


def made_project(project: MakeProject, url: str, monkeypatch: pytest.MonkeyPatch) -> Project:
    """One with branches, a merge and an id that isn't a plain word."""
    made = project(url=url)
    monkeypatch.chdir(made.root)
    with made.app().app_context():
        flask_schemaflow.init()
    for name, down in HISTORY:
        made.write_revision(name, down, TABLE.format(name=name[0]))
    return made


def rows_on_the_way(made: Project) -> list[list[tuple[t.Any, ...]]]:
    """The version rows after each step up the history and down again."""
    found = []
    with made.app().app_context():
        for target in TARGETS:
            flask_schemaflow.upgrade(revision=target)
            found.append(sorted(made.execute("SELECT version_num FROM alembic_version")))
        for target in ("eee5", "bbb2", "base"):
            flask_schemaflow.downgrade(revision=target)
            found.append(sorted(made.execute("SELECT version_num FROM alembic_version")))
    return found


def test_the_rows_are_those_of_a_plain_run(
    project: MakeProject, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With branches, merges and odd ids, up and down."""
    assert rows_on_the_way(made_project(project, database_url, monkeypatch)) == [
        [("aaa1",)],
        [("bbb2",)],
        [("ddd4",)],
        [("ggg7",)],
        [("eee5",)],
        [("bbb2",), ("ccc3",)],
        [],
    ]


@pytest.mark.parametrize(("arguments", "more"), [("", 0), ("transaction_per_migration=True", 2)])
def test_a_revision_costs_postgresql_few_statements_more(
    project: MakeProject, postgres_url: str, monkeypatch: pytest.MonkeyPatch, arguments: str, more: int
) -> None:
    """In a transaction of its own two: one reads and locks the versions and limits the waits for locks, one records it.

    All that the driver sends counts. In one transaction for the whole run both are sent once.
    """
    made = project(url=postgres_url, migrate_arguments=arguments)
    monkeypatch.chdir(made.root)
    sent: list[str] = []
    execute = psycopg.Cursor.execute

    def counted(cursor: t.Any, query: t.Any, *rest: t.Any, **options: t.Any) -> t.Any:
        sent.append(str(query))
        return execute(cursor, query, *rest, **options)

    with made.app().app_context():
        flask_schemaflow.init()
        for number in range(12):
            made.write_revision(f"r{number}", f"r{number - 1}" if number else None, TABLE.format(name=number))
        flask_schemaflow.upgrade(revision="r0")
        monkeypatch.setattr(psycopg.Cursor, "execute", counted)
        counts = []
        for revision in ("r1", "r11"):
            sent.clear()
            flask_schemaflow.upgrade(revision=revision)
            counts.append(len(sent))
    assert counts[1] - counts[0] <= 9 * (2 + more) + 2, sent  # the lock itself is asked for once a second


def test_a_revision_costs_mariadb_few_statements_more(
    project: MakeProject, mariadb_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside the change and the version five: two of the journal around the change, one that reads and locks the
    versions and asks for the lock, one that empties the journal, and the record."""
    made = project(url=mariadb_url)
    monkeypatch.chdir(made.root)
    sent: list[str] = []
    query = pymysql.connections.Connection.query

    def counted(connection: t.Any, sql: t.Any, *rest: t.Any) -> t.Any:
        sent.append(str(sql))
        return query(connection, sql, *rest)

    with made.app().app_context():
        flask_schemaflow.init()
        for number in range(12):
            made.write_revision(f"r{number}", f"r{number - 1}" if number else None, TABLE.format(name=number))
        flask_schemaflow.upgrade(revision="r0")
        monkeypatch.setattr(pymysql.connections.Connection, "query", counted)
        counts = []
        for revision in ("r1", "r11"):
            sent.clear()
            flask_schemaflow.upgrade(revision=revision)
            counts.append(len(sent))
    assert counts[1] - counts[0] <= 9 * 8 + 4, sent


@pytest.mark.parametrize("table", ["alembic_version", "100% of versions"])
def test_a_lock_that_others_hold_on_the_version_rows_is_waited_for_as_briefly_as_any(
    project: MakeProject, postgres_url: str, monkeypatch: pytest.MonkeyPatch, table: str
) -> None:
    """The statement that reads them limits its own wait, too, whatever the table is called."""
    made = project(
        url=postgres_url,
        migrate_arguments=f"version_table={table!r}",
        config={"SCHEMAFLOW_LOCK_TIMEOUT": 0.5, "SCHEMAFLOW_LOCK_RETRIES": 0},
    )
    monkeypatch.chdir(made.root)
    with made.app().app_context():
        flask_schemaflow.init()
        for name, down in HISTORY[:2]:
            made.write_revision(name, down, TABLE.format(name=name[0]))
        flask_schemaflow.upgrade(revision="aaa1")
        with made.engine().connect() as other:
            other.exec_driver_sql(f'UPDATE "{table.replace("%", "%%")}" SET version_num = version_num')
            with pytest.raises(TableLocked):
                flask_schemaflow.upgrade()
        flask_schemaflow.upgrade()
    assert made.execute(f'SELECT version_num FROM "{table}"') == [("bbb2",)]
