"""When a database is saved, and where."""

from __future__ import annotations

import os
import re
import typing as t

import pytest

import flask_schemaflow
from flask_schemaflow.records import Event

from ....conftest import MakeDatabase
from ....conftest import MakeProject
from ....support.application import Project
from .saved import files
from .saved import running
from .saved import upgrade


@pytest.mark.parametrize(
    ("setting", "option", "saved"),
    [
        ("never", None, False),
        ("never", True, True),
        ("always", None, True),
        ("always", False, False),
        ("destructive", None, True),
        ("destructive", False, False),
    ],
)
def test_the_option_wins_over_the_setting(
    shop: t.Callable[..., Project], sqlite_url: str, setting: str, option: bool | None, saved: bool
) -> None:
    """--backup and --no-backup decide; without them SCHEMAFLOW_BACKUP does."""
    made = shop(sqlite_url)
    made.write_app(config={"SCHEMAFLOW_BACKUP": setting})
    assert bool(upgrade(made, backup=option).backups) is saved
    assert bool(files(made)) is saved


DESTRUCTIVE = {
    'op.drop_table("child")': "drops the table child",
    'op.drop_column("new", "extra")': "drops the column new.extra",
    'with op.batch_alter_table("new") as batch:\n    batch.drop_column("extra")': "drops the column new.extra",
    'with op.batch_alter_table("new") as batch:\n    batch.alter_column("extra", type_=sa.Text())': (
        "changes the type of a column"
    ),
    'op.execute("DELETE FROM child")': "executes SQL that may change rows",
    'op.execute(sa.text("UPDATE child SET id = 2"))': "executes SQL that may change rows",
    "for name in ('child',):\n    op.execute(f'DELETE FROM {name}')": "executes SQL that may change rows",
    'op.get_bind().execute(sa.text("SELECT 1"))': "has operations that can't be analysed",
}
HARMLESS = """
with op.batch_alter_table("parent", schema=None) as batch:
    batch.add_column(sa.Column("age", sa.Integer(), nullable=True))
    batch.create_index(batch.f("ix_age"), ["age"])
    batch.alter_column("name", existing_type=sa.String(40), nullable=True)
op.create_table("third", sa.Column("id", sa.Integer, primary_key=True))
op.rename_table("third", "fourth")
op.execute("INSERT INTO fourth (id) VALUES (1)")
op.execute(sa.text("INSERT INTO fourth (id) VALUES (2)"))
"""


@pytest.mark.parametrize("body", [*DESTRUCTIVE, HARMLESS])
def test_destructive_only(shop: t.Callable[..., Project], body: str) -> None:
    """A backup is made when a pending revision may destroy something, and says what; doubt counts as yes."""
    made = shop(config={"SCHEMAFLOW_BACKUP": "destructive"})
    made.write_revision(
        "aaa2", "aaa1", "op.create_table('new', sa.Column('id', sa.Integer), sa.Column('extra', sa.String(9)))"
    )
    made.write_revision("aaa3", "aaa2", body)
    told: list[Event] = []
    report = upgrade(made, notify=told.append)
    reasons = [event.text for event in told if event.text.startswith("Saving")]
    if body == HARMLESS:
        assert (report.backups, reasons) == ((), [])
    else:
        assert re.fullmatch(
            rf"Saving the default database to \S+, because revision aaa3 {DESTRUCTIVE[body]} \(line \d+\) …", reasons[0]
        )


def test_a_downgrade_is_judged_by_what_it_does(shop: t.Callable[..., Project]) -> None:
    """Most downgrades drop what the upgrade made; with nothing to run nothing is saved, nor for a stamp."""
    made = shop(config={"SCHEMAFLOW_BACKUP": "destructive"})
    upgrade(made, backup=False)
    assert upgrade(made).backups == ()
    with running(made):
        report = flask_schemaflow.downgrade()
        assert [backup.revisions for backup in report.backups] == [("aaa2",)]
        assert flask_schemaflow.stamp(revision="base").backups == ()
    made.write_app(config={"SCHEMAFLOW_BACKUP": "always"})
    with running(made):
        assert flask_schemaflow.stamp(revision="aaa1").backups == ()
    assert len(files(made)) == 1


def test_each_bind_is_saved_by_its_own_name(
    project: MakeProject, make_database: MakeDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only databases with something to run are saved, into the folder that was set, never over an older backup."""
    made = project(
        binds={"eu-west": make_database("sqlite"), "idle": make_database("sqlite")},
        config={"SCHEMAFLOW_BACKUP_DIRECTORY": "saved/here"},
    )
    monkeypatch.chdir(made.root)
    with made.app().app_context():
        flask_schemaflow.init()
    made.write_revision("aaa1")
    with made.app().app_context():
        flask_schemaflow.upgrade(binds=["idle"])
        report = flask_schemaflow.upgrade(backup=True)
        assert [backup.database for backup in report.backups] == ["default", "eu-west"]
        for _ in range(2):
            flask_schemaflow.stamp(revision="base", binds=["eu-west"])
            report = flask_schemaflow.upgrade(backup=True, binds=["eu-west"])
    names = sorted(os.listdir(made.root / "instance" / "saved" / "here"))
    assert len(names) == 4
    assert [name.rpartition("-")[0][:-17] for name in names if name.startswith("default")] == ["default"]


def test_a_database_in_memory_is_not_saved(project: MakeProject, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is nothing to come back to; that is said, and the run goes on."""
    made = project(url="sqlite://")
    monkeypatch.chdir(made.root)
    told: list[Event] = []
    with made.app().app_context():
        flask_schemaflow.init()
        made.write_revision("aaa1")
        assert flask_schemaflow.upgrade(backup=True, notify=told.append).backups == ()
    assert [event.text for event in told if event.kind == "notice"] == [
        "The default database was not saved: it is in memory only."
    ]


def test_a_callers_connection_is_not_saved(shop: t.Callable[..., Project], postgres_url: str) -> None:
    """pg_dump would wait for the caller's own locks; the run says so and goes on as the caller wants."""
    made = shop(postgres_url)
    told: list[Event] = []
    app = made.app()
    with app.app_context(), made.engine().begin() as connection:

        def use(config: flask_schemaflow.Config) -> flask_schemaflow.Config:
            config.attributes["connection"] = connection
            return config

        app.extensions["migrate"].migrate.configure(use)
        assert flask_schemaflow.upgrade(backup=True, notify=told.append).backups == ()
    assert "No backup of the default database: you passed the connection." in [event.text for event in told]
