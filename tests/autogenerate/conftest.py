"""``flask db`` in the test's own process, and the way there and back that every migration has to stand."""

from __future__ import annotations

import re
import typing as t

import pytest
from click.testing import Result

from ..conftest import FlaskDb
from ..support.application import Project
from ..support.dumps import dump_rows
from ..support.dumps import dump_schema


class ThereAndBack(t.Protocol):
    """``there_and_back(project)``: see the fixture of that name."""

    def __call__(self, project: Project, bind: str | None = None) -> None: ...


def output(result: Result) -> str:
    """Both streams; what the oldest click calls ``output`` is one of them."""
    return result.stdout + result.stderr


def content(project: Project, bind: str | None = None) -> tuple[t.Any, t.Any]:
    """Schema and rows of a database; SQLite quotes a name once it was a renamed one."""
    schema = {
        name: re.sub(r'"(\w+)"', r"\1", value) if isinstance(value, str) else value
        for name, value in dump_schema(project.engine(bind)).items()
    }
    return schema, dump_rows(project.engine(bind))


@pytest.fixture
def there_and_back(flask_db: FlaskDb) -> ThereAndBack:
    """Upgrade, downgrade and upgrade again.

    Nothing is left to migrate, and each time schema and rows are the same as when the database was there before.
    """

    def run(project: Project, bind: str | None = None) -> None:
        before = content(project, bind)
        flask_db(project, "upgrade")
        after = content(project, bind)
        assert after != before
        left = flask_db(project, "migrate", "--dry-run").stdout
        assert left == "No changes in schema detected.\n"
        flask_db(project, "downgrade")
        assert content(project, bind) == before
        flask_db(project, "upgrade")
        assert content(project, bind) == after

    return run
