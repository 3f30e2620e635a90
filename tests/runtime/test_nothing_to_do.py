"""A run through env.py that finds nothing to do: what it doesn't load, and that it finds what Alembic finds."""

from __future__ import annotations

import typing as t
import warnings

import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from flask_schemaflow import SchemaflowError
from flask_schemaflow.commands import database
from flask_schemaflow.runtime import planning
from flask_schemaflow.runtime.environment import Environment

from ..conftest import MakeProject
from ..conftest import WriteRepository
from ..revisions.histories import broken_histories
from ..revisions.histories import histories
from ..revisions.histories import Node
from ..revisions.histories import repository
from ..support.application import Project
from ..support.examples import examples
from .test_fast_path import complete
from .test_fast_path import current

LOADED = """
import sys
from flask.cli import main
sys.argv = ['flask', '--app', 'shop', 'db', *{line!r}.split()]
try:
    main()
finally:
    own = [name.partition('.')[2] for name in sys.modules if name.startswith('flask_schemaflow.')]
    print(*own, file=sys.stderr)
"""
WRITES_CACHES = {"PYTHONDONTWRITEBYTECODE": None}
HEAVY = ("autogenerate", "diagnostics", "revisions.validation", "runtime.guards.backup.")


@pytest.fixture
def shop(project: MakeProject, legacy_repository: WriteRepository) -> Project:
    """A project with an env.py of Flask-Migrate and two revisions, both applied."""
    made = project()
    legacy_repository(made, "4.1.0")
    made.write_revision("aa", None, "op.create_table('a', sa.Column('id', sa.Integer))", "op.drop_table('a')")
    made.write_revision("bb", "aa")
    made.run("db", "upgrade")
    return made


@pytest.mark.parametrize("line", ["upgrade", "upgrade heads", "current"])
def test_what_only_revisions_and_errors_need_is_not_loaded(shop: Project, line: str) -> None:
    """Neither autogenerate, the doctor, the checks that headers stand for, nor what saves a database."""
    shop.run("db", *line.split(), env=WRITES_CACHES)  # which caches the headers
    loaded = shop.run_python(LOADED.format(line=line), env=WRITES_CACHES).stderr.splitlines()[-1].split()
    assert "runtime.environment" in loaded
    assert not {name for name in loaded if name.startswith(HEAVY)}


def test_plain_revisions_load_no_backups(shop: Project) -> None:
    """Revisions that make tables have no need of what saves a database."""
    shop.write_revision("cc", "bb", "op.create_table('c', sa.Column('id', sa.Integer))", "op.drop_table('c')")
    loaded = shop.run_python(LOADED.format(line="upgrade")).stderr.splitlines()[-1].split()
    assert "runtime.run" in loaded
    assert not {name for name in loaded if name.startswith("runtime.guards.backup.")}


def steps(plan: t.Callable[[], t.Iterable[t.Any]]) -> tuple[t.Any, list[str]]:
    """The ids that a plan names, or the class of its error, and what was warned of."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        try:
            found: t.Any = [step.revision.revision for step in plan()]
        except SchemaflowError as error:
            found = type(error)
        except Exception as error:
            found = type(error)
    return found, [str(warning.message) for warning in seen]


@settings(max_examples=examples(60), deadline=None)
@given(st.one_of(histories(), broken_histories()), st.sampled_from(["head", "heads", "+1"]), st.data())
def test_nothing_is_pending_where_alembic_says_so(nodes: list[Node], revision: str, data: st.DataObject) -> None:
    """Whatever the history: the same steps, the same error, the same warnings as when Alembic reads everything."""
    names = sorted({node.id for node in nodes}) or ["elsewhere"]
    followed = {parent for node in nodes for parent in (*node.down, *node.depends_on)}
    tips = tuple(name for name in names if name not in followed)
    at = tuple(data.draw(st.one_of(st.just(tips), st.lists(st.sampled_from(names), max_size=2, unique=True))))
    with repository(nodes) as folder:
        complete(folder)
        with current(folder, f"sqlite:///{folder}/shop.db"):
            lightly, plainly = Environment.open(light=True), Environment.open()
            mine = steps(lambda: database._upgrade_steps(lightly, revision, at))
            assert mine == steps(lambda: planning.upgrade_steps(plainly.script, revision, at))
