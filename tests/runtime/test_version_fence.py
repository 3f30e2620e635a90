"""The version rows are asked for in the statement that writes them, and are the same as Alembic would write."""

from __future__ import annotations

import contextlib
import re
import typing as t

import pytest
import sqlalchemy as sa
from alembic.ddl.impl import DefaultImpl
from alembic.runtime.migration import MigrationContext
from sqlalchemy import event

import flask_schemaflow
from flask_schemaflow.runtime import private
from flask_schemaflow.runtime.version_fence import Fence
from tests.conftest import MakeDatabase
from tests.conftest import MakeProject
from tests.support.application import Project
from tests.support.servers import Kind

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


@contextlib.contextmanager
def statements() -> t.Iterator[list[str]]:
    """What is sent meanwhile by any engine."""
    seen: list[str] = []

    def sent(connection: t.Any, cursor: t.Any, statement: str, *rest: t.Any) -> None:
        seen.append(statement)

    event.listen(sa.Engine, "before_cursor_execute", sent)
    try:
        yield seen
    finally:
        event.remove(sa.Engine, "before_cursor_execute", sent)


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


@pytest.mark.parametrize("private_names", [True, False], ids=["met", "unmet"])
def test_the_rows_are_those_of_a_plain_run(
    project: MakeProject, database_url: str, monkeypatch: pytest.MonkeyPatch, private_names: bool
) -> None:
    """With branches, merges and odd ids, up and down, whether Alembic's writes can be met or not."""
    if not private_names:
        monkeypatch.setattr(private, "meet_version_writes", lambda *given: None)
    found = rows_on_the_way(made_project(project, database_url, monkeypatch))
    assert found == [
        [("aaa1",)],
        [("bbb2",)],
        [("ddd4",)],
        [("ggg7",)],
        [("eee5",)],
        [("bbb2",), ("ccc3",)],
        [],
    ]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("sqlite", "= 1"),
        ("postgresql", r"= 'aaa1'$"),
        ("mariadb", r"IS_USED_LOCK\("),
    ],
)
def test_one_statement_asks_and_writes(
    project: MakeProject, make_database: MakeDatabase, monkeypatch: pytest.MonkeyPatch, kind: Kind, expected: str
) -> None:
    """Each version is written once; what would have been a look before it stands in its condition.

    PostgreSQL has locked the rows at the beginning, and needs none.
    """
    made = made_project(project, make_database(kind), monkeypatch)
    with made.app().app_context():
        flask_schemaflow.upgrade(revision="aaa1")
        with statements() as seen:
            flask_schemaflow.upgrade(revision="ddd4")
    written = [text for text in seen if re.match("UPDATE alembic_version", text)]
    assert len(written) == 2, seen
    assert re.search(expected, written[0])


def test_where_replicas_run_the_text_the_lock_is_asked_for_apart(
    project: MakeProject, make_database: MakeDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody holds the lock on a replica, so it must not stand in a statement that is run there once more."""
    made = made_project(project, make_database("mariadb"), monkeypatch)
    monkeypatch.setattr(Fence, "_is_replayed", True)
    with made.app().app_context():
        flask_schemaflow.upgrade(revision="aaa1")
        with statements() as seen:
            flask_schemaflow.upgrade(revision="ddd4")
    written = [text for text in seen if re.match("UPDATE alembic_version", text)]
    assert len(written) == 2 and not any("LOCK" in text for text in written)


def test_what_alembic_composes_is_recognized() -> None:
    """The versions of its UPDATE are read off rightly; any other statement, and any other shape, is left to it."""
    engine = sa.create_engine("sqlite://")
    met: list[tuple[str, str]] = []
    before: list[str] = []

    def replace(old: str, new: str) -> t.Any:
        met.append((old, new))
        return connection.exec_driver_sql(f"UPDATE alembic_version SET version_num = '{new}'")

    with engine.connect() as connection:
        context = MigrationContext.configure(connection)
        table = private.version_table(context)
        assert table is not None
        table.create(connection)
        undo = private.meet_version_writes(context, replace, lambda: before.append("write"))
        assert undo is not None
        one: sa.ColumnClause[str] = sa.literal_column("'one'")
        other: sa.ColumnClause[str] = sa.literal_column("'other'")
        context.impl.execute(table.insert().values(version_num=one))
        context.impl.execute(table.update().values(version_num=other).where(table.c.version_num == one))
        assert (met, before) == ([("one", "other")], ["write"])
        context.impl.execute(table.update().values(version_num=one).where(table.c.version_num != one))
        context.impl.execute(table.update().values(version_num="x").where(table.c.version_num == one))
        assert (len(met), len(before)) == (1, 3)
        undo()
        context.impl.execute(table.update().values(version_num=other).where(table.c.version_num == "x"))
        assert (len(met), len(before)) == (1, 3)
        assert context.get_current_heads() == ("other",)
    engine.dispose()


def test_somebody_elses_way_of_sending_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """An implementation that sends statements in a way of its own is not stood in for, nor one without the names."""
    engine = sa.create_engine("sqlite://")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection)
        own = type(context.impl)
        monkeypatch.setattr(own, "_exec", lambda self, construct, *rest, **options: None, raising=False)
        assert private.meet_version_writes(context, lambda old, new: None, lambda: None) is None
        monkeypatch.undo()
        monkeypatch.delattr(DefaultImpl, "_exec")
        assert private.meet_version_writes(context, lambda old, new: None, lambda: None) is None
    engine.dispose()
