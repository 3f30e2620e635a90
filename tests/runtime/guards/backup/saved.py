"""A project with something to lose, and what was saved of it."""

from __future__ import annotations

import contextlib
import os
import typing as t
from pathlib import Path

import flask_schemaflow
from flask_schemaflow.records import Report
from flask_schemaflow.runtime.own_tables import OWN_TABLES

from ....support.application import Project
from ....support.dumps import dump_rows
from ....support.dumps import dump_schema


@contextlib.contextmanager
def running(project: Project) -> t.Iterator[None]:
    """The application's context; its connections are closed afterwards."""
    app = project.app()
    with app.app_context():
        yield
        for engine in app.extensions["migrate"].db.engines.values():
            engine.dispose()


def upgrade(project: Project, revision: str = "head", **options: t.Any) -> Report:
    """Upgrade in this process."""
    with running(project):
        return flask_schemaflow.upgrade(revision=revision, **options)


def folder(project: Project) -> Path:
    """The default folder for backups."""
    return project.root / "instance" / "backups"


def files(project: Project) -> list[str]:
    """What is in it."""
    return sorted(os.listdir(folder(project))) if folder(project).exists() else []


def everything(project: Project) -> tuple[t.Any, t.Any]:
    """The schema and the rows of the default database, the version table too."""
    engine = project.engine()
    return dump_schema(engine, ignore=OWN_TABLES), dump_rows(engine, ignore=OWN_TABLES)
