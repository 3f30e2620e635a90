"""A run through env.py that finds nothing to do: what it doesn't load, and that it finds what Alembic finds."""

from __future__ import annotations

import typing as t
import warnings

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from flask_schemaflow import SchemaflowError
from flask_schemaflow.commands import running
from flask_schemaflow.runtime import guards
from flask_schemaflow.runtime import planning
from flask_schemaflow.runtime.environment import Environment

from ..conftest import MakeDatabase
from ..conftest import MakeProject
from ..conftest import WriteRepository
from ..support.application import Project
from .histories import broken_histories
from .histories import histories
from .histories import Node
from .histories import repository
from .test_light import complete
from .test_light import current
from .test_light import settle

LOADED = """
import sys
from flask.cli import main
sys.argv = ['flask', '--app', 'shop', 'db', *{line!r}.split()]
try:
    main()
finally:
    own = [name.partition('.')[2] for name in sys.modules if name.startswith('flask_schemaflow.')]
    print(*own, *(name for name in sys.modules if name in {others!r}), file=sys.stderr)
"""
OTHERS = ("mako.ext.pygmentplugin", "pygments.lexers")  # for pages that no migration shows
WRITES_CACHES = {"PYTHONDONTWRITEBYTECODE": None}
FOR_REVISIONS = ("runtime.backup", "runtime.headers", "runtime.journal", "runtime.locking", "runtime.revision_calls")
FOR_ERRORS = ("errors.", "runtime.translation.", "runtime.version_control")
FOR_REBUILDS = ("runtime.sqlite.batch", "runtime.sqlite.references", "runtime.sqlite.sql_text")
FOR_CHANGES = ("runtime.sqlite.changing", "runtime.sqlite.catalog", "runtime.sqlite.table_text", "runtime.backup.s")
HEAVY = (*OTHERS, *FOR_REVISIONS, *FOR_ERRORS, *FOR_REBUILDS, "autogenerate", "examination")


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
    """Neither journal, backups, locks, SQL's grammar, words of errors nor Pygments; nor the revision files."""
    settle(shop.migrations)
    shop.run("db", *line.split(), env=WRITES_CACHES)  # which remembers the heads
    loaded = shop.run_python(LOADED.format(line=line, others=OTHERS), env=WRITES_CACHES).stderr.splitlines()[-1].split()
    assert "runtime.environment" in loaded
    assert {name for name in loaded if name.startswith(HEAVY)} <= {"errors.revisions"}  # which `current --check` names


def test_plain_revisions_load_neither_rebuilds_nor_backups(shop: Project) -> None:
    """Revisions that make tables have no need of what changes one on SQLite, or saves a database."""
    shop.write_revision("cc", "bb", "op.create_table('c', sa.Column('id', sa.Integer))", "op.drop_table('c')")
    loaded = shop.run_python(LOADED.format(line="upgrade", others=OTHERS)).stderr.splitlines()[-1].split()
    assert "runtime.sqlite.batch" in loaded and "runtime.backup.guard" in loaded
    assert not {name for name in loaded if name.startswith(FOR_CHANGES)}


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


@settings(max_examples=60, deadline=None)
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
            mine = steps(lambda: running._upgrade_steps(lightly, revision, at))
            assert mine == steps(lambda: planning.upgrade_steps(plainly.script, revision, at))


@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "mariadb"])
@pytest.mark.parametrize("transaction", [False, True], ids=["", "in a transaction"])
def test_a_guard_that_is_not_imported_has_no_part(kind: t.Any, transaction: bool, make_database: MakeDatabase) -> None:
    """Whatever the run, each guard that is left out says of itself that it doesn't apply."""
    engine = sa.create_engine(make_database(kind))
    with engine.connect() as connection, pytest.MonkeyPatch.context() as patch:
        patch.setattr(guards, "_NEVER_IDLE", ())
        if transaction:
            connection.begin()
        for scope in scopes(connection):
            for name in guards.DEFAULT_GUARDS:
                assert guards.may_apply(name, scope) or not guards._load(name).applies(scope), name
    engine.dispose()


def scopes(connection: sa.Connection) -> t.Iterator[guards.Scope]:
    """One of each kind of run."""
    from flask_schemaflow.settings import Settings

    modes: tuple[guards.Mode, ...] = ("write", "compare", "read")
    for mode in modes:
        for foreign in (False, True):
            for idle in (False, True):
                nobody: t.Any = None
                scope = guards.Scope(connection, {}, Settings(), nobody, mode, foreign=foreign)
                scope.idle = idle
                yield scope


@pytest.mark.parametrize("name", guards._FOR_STEPS)
def test_a_guard_that_begins_with_the_steps_has_nothing_to_do_before(name: str) -> None:
    """Nor at the end of a run without steps."""
    cls = guards._load(name)
    for method in ("before_configure", "after_configure", "close", "finished"):
        assert getattr(cls, method) is getattr(guards.Guard, method)
