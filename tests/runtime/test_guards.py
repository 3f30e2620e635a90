"""The registry of guards: its order, what each guard says of itself, and how the hooks are called."""

from __future__ import annotations

import contextlib
import typing as t

import pytest
import sqlalchemy as sa

from flask_schemaflow.runtime.guard import Guard
from flask_schemaflow.runtime.guard import Guards
from flask_schemaflow.runtime.guard import may_apply
from flask_schemaflow.runtime.guard import Scope
from flask_schemaflow.runtime.guards.registry import GUARDS
from flask_schemaflow.settings import Settings
from tests.conftest import FlaskDb
from tests.conftest import MakeDatabase
from tests.conftest import MakeProject
from tests.support.servers import Kind

MODELS = """
class Shelf(db.Model):
    id = db.Column(db.Integer, primary_key=True)
"""
PRINT_STACK = """
    import traceback
    files = [frame.filename for frame in traceback.extract_stack()]
    first = next(number for number, name in enumerate(files) if name.endswith(("flask/cli.py", "flask\\\\cli.py")))
    print("frames", len(files) - first + 1)  # and the script that calls flask
"""


def test_the_order() -> None:
    """Documented in docs/architecture.rst; each place has its reason in the docstrings."""
    assert [guard.__name__ for guard in GUARDS] == [
        "Interrupts",
        "RunTransaction",
        "CallersConnection",
        "FreshPool",
        "OwnSession",
        "SqliteTransaction",
        "SqliteBatch",
        "StrictMode",
        "MigrationLock",
        "Backfills",
        "Journal",
        "LockTimeoutGuard",
        "VersionTable",
        "AppliedRevisions",
        "BackupFirst",
        "WrittenRows",
        "SharedSession",
    ]


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.__name__)
def test_a_guard_promises_something(guard: type[Guard]) -> None:
    """The docstring opens with the promise, and the guard overrides at least one hook."""
    assert (guard.__doc__ or "").startswith("Promises that ")
    assert any(getattr(guard, hook) is not getattr(Guard, hook) for hook in hooks())
    if guard.needs_steps:
        for hook in ("before_configure", "after_configure", "close", "finished"):
            assert getattr(guard, hook) is getattr(Guard, hook), "it begins too late for this hook"


def hooks() -> list[str]:
    """The methods that a guard may override."""
    return [name for name, value in vars(Guard).items() if callable(value) and not name.startswith("_")]


def scope_of(engine: sa.Engine, **attributes: t.Any) -> Scope:
    """A scope of a run that writes."""
    nobody: t.Any = None
    scope = Scope(engine.connect(), {}, Settings(), nobody, "write")
    vars(scope).update(attributes)
    return scope


@pytest.mark.parametrize(
    ("guard", "kinds"),
    [
        ("SqliteTransaction", {"sqlite"}),
        ("SqliteBatch", {"sqlite"}),
        ("StrictMode", {"mariadb"}),
        ("Journal", {"postgresql", "mariadb"}),
        ("VersionTable", {"sqlite", "postgresql", "mariadb"}),
    ],
)
@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "mariadb"])
def test_dialects(guard: str, kinds: set[str], kind: Kind, make_database: MakeDatabase) -> None:
    """A guard has a part only in runs on its databases."""
    (cls,) = [found for found in GUARDS if found.__name__ == guard]
    engine = sa.create_engine(make_database(kind))
    scope = scope_of(engine)
    assert may_apply(cls, scope) is (kind in kinds)
    scope.connection.close()
    engine.dispose()


def test_hooks_are_called_in_order_and_closed_in_reverse() -> None:
    """``around`` is entered from the last guard to the first, so that the first is next to the code."""
    calls: list[str] = []

    class First(Guard):
        name = "first"

        def before_configure(self, scope: Scope) -> None:
            calls.append(f"configure {self.name}")

        @contextlib.contextmanager
        def around(self, scope: Scope, step: t.Any) -> t.Iterator[None]:
            calls.append(f"enter {self.name}")
            yield
            calls.append(f"leave {self.name}")

        def close(self, scope: Scope) -> None:
            calls.append(f"close {self.name}")

    class Second(First):
        name = "second"

    class Idle(First):
        skipped_when_idle = True

    engine = sa.create_engine("sqlite://")
    scope = scope_of(engine, idle=True)
    with scope.cleanup:
        guards = Guards(scope, (First, Second, Idle))
        guards.begin()
        with guards.around(object()):
            calls.append("code")
    assert calls == [
        "configure first",
        "configure second",
        "enter second",
        "enter first",
        "code",
        "leave first",
        "leave second",
        "close second",
        "close first",
    ]
    scope.connection.close()
    engine.dispose()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "mariadb"])
def test_the_code_of_a_revision_is_not_deep(
    kind: Kind, project: MakeProject, flask_db: FlaskDb, make_database: MakeDatabase
) -> None:
    """A debugger shows at most 25 frames down to ``upgrade()``, as many as with Flask-Migrate."""
    made = project(MODELS, url=make_database(kind))
    flask_db(made, "init")
    flask_db(made, "migrate", "-m", "shelves")
    (file,) = made.revision_files()
    head, line, rest = file.read_text("utf-8").partition("def upgrade() -> None:\n")
    file.write_text(head + line + PRINT_STACK + rest, "utf-8")
    result = made.run("db", "upgrade")
    (depth,) = [int(line.split()[1]) for line in result.stdout.splitlines() if line.startswith("frames ")]
    assert depth <= 25
