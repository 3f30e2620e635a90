"""What the tests about constraints share: shops with customers and orders, and schemas whatever their order."""

from __future__ import annotations

import ast
import re
import typing as t

from ..conftest import FlaskDb
from ..support.application import Project
from ..support.dumps import dump_rows
from ..support.dumps import dump_schema

Parts = dict[str, t.Any]


def schema(project: Project) -> Parts:
    """The schema; what stands in a table's text in one order or another is sorted."""
    return {name: _sorted(value) for name, value in dump_schema(project.engine()).items()}


def _sorted(value: t.Any) -> t.Any:
    if isinstance(value, tuple) and "CHECK" in str(value):
        # PostgreSQL spells casts in another way when it is told its own words.
        return re.sub(r"::[a-z ]+(\[\])?|[()]", "", str(value))
    if not isinstance(value, str):
        return value
    plain = re.sub(r'["`]', "", value)
    if "(" not in plain:
        return plain
    start, end = plain.index("("), plain.rindex(")")
    parts = re.split(r",(?![^()]*\))", plain[start + 1 : end])
    return plain[:start].strip(), sorted(" ".join(part.split()) for part in parts), plain[end:]


def rows(project: Project) -> t.Any:
    """All rows of all tables."""
    return dump_rows(project.engine())


def started(flask_db: FlaskDb, made: Project, *statements: str) -> Project:
    """Bring a project up to date and put rows into its tables."""
    for command in (["init"], ["migrate", "-m", "first"], ["upgrade"]):
        flask_db(made, *command)
    for statement in statements:
        made.execute(statement)
    return made


def source(project: Project) -> str:
    """The text of the newest revision, and after it the same with each statement on one line, as ``repr()`` has it."""
    text = project.revision_files()[-1].read_text("utf-8")
    return text + ast.unparse(ast.parse(text))


def there_and_back(flask_db: FlaskDb, made: Project, *options: str) -> str:
    """Migrate, upgrade, downgrade and upgrade; rows stay, schemas come back, a second ``migrate`` finds nothing.

    :returns: what ``migrate`` printed.
    """
    result = flask_db(made, "migrate", "--verify", *options)
    before = schema(made), rows(made)
    flask_db(made, "upgrade")
    after = schema(made)
    assert after != before[0]
    assert flask_db(made, "migrate", "--dry-run").stdout == "No changes in schema detected.\n"
    flask_db(made, "downgrade")
    assert (schema(made), rows(made)) == before
    flask_db(made, "upgrade")
    assert schema(made) == after
    return result.output
