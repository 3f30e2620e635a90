"""Applications with a short history whose steps show how often they ran."""

from __future__ import annotations

import typing as t

import pytest

import flask_schemaflow

from ....conftest import MakeProject
from ....support.application import Project

MakeHistory = t.Callable[..., Project]

COUNTER = """
op.create_table("counter", sa.Column("id", sa.Integer, primary_key=True), sa.Column("n", sa.Integer))
op.execute("INSERT INTO counter (id, n) VALUES (1, 0)")
"""
COUNT = 'op.execute("UPDATE counter SET n = n + 1")'


@pytest.fixture
def history(project: MakeProject, monkeypatch: pytest.MonkeyPatch) -> MakeHistory:
    """A function that makes an application with three revisions: a table, a data step, an index.

    ``counter.n`` is how often the data step ran. The test goes on in the application's folder.
    """

    def make(url: str, **options: t.Any) -> Project:
        made = project(url=url, **options)
        monkeypatch.chdir(made.root)
        with made.app().app_context():
            flask_schemaflow.init()
        made.write_revision("aaa1", None, COUNTER, 'op.drop_table("counter")')
        made.write_revision("aaa2", "aaa1", COUNT, 'op.execute("UPDATE counter SET n = n - 1")')
        made.write_revision(
            "aaa3", "aaa2", 'op.create_index("ix_n", "counter", ["n"])', 'op.drop_index("ix_n", "counter")'
        )
        return made

    return make
