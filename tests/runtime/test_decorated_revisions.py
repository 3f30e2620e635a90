"""Functions of revisions behind decorators, with and without ``functools.wraps``."""

from __future__ import annotations

import functools
import types
import typing as t

import pytest

from flask_schemaflow.runtime.planning import migration_for

from ..conftest import MakeProject
from ..errors.conftest import failing
from ..errors.conftest import invoke

Function = t.Callable[..., None]
calls: list[t.Any] = []


def bare(function: Function) -> Function:
    def wrapper(*args: t.Any, **kwargs: t.Any) -> None:
        function(*args, **kwargs)

    return wrapper


def wrapped(function: Function) -> Function:
    return functools.wraps(function)(bare(function))


def plain() -> None:
    calls.append("plain")


def of_engine(engine_name: str) -> None:
    calls.append(engine_name)


def with_default(engine_name: str = "own") -> None:
    calls.append(engine_name)


def by_keyword(*, engine_name: str) -> None:
    calls.append(engine_name)


@pytest.mark.parametrize("decorate", [lambda f: f, bare, wrapped, lambda f: bare(bare(f))])
@pytest.mark.parametrize(
    ("function", "given", "expected"),
    [
        (plain, {}, "plain"),
        (of_engine, {}, ""),
        (of_engine, {"engine_name": "users"}, "users"),
        (with_default, {}, "own"),
        (with_default, {"engine_name": "users"}, "users"),
        (by_keyword, {}, ""),
    ],
)
def test_arguments(
    decorate: t.Callable[[Function], Function], function: Function, given: dict[str, t.Any], expected: str
) -> None:
    """What env.py gave is passed on; a name is added only where one is needed."""
    module = types.ModuleType("revision")
    module.upgrade = decorate(function)  # type: ignore[attr-defined]
    calls.clear()
    migration_for(module, "upgrade", None)(**given)
    assert calls == [expected]


def test_a_decorated_plain_function_has_no_part_in_other_databases() -> None:
    """As without the decorator."""
    module = types.ModuleType("revision")
    module.upgrade = bare(plain)  # type: ignore[attr-defined]
    calls.clear()
    migration_for(module, "upgrade", "users")()
    assert calls == []
    module.upgrade = bare(of_engine)  # type: ignore[attr-defined]
    migration_for(module, "upgrade", "users")()
    assert calls == ["users"]


def test_an_error_in_a_decorator_is_the_revisions(project: MakeProject, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though it arose in a file of the application."""
    shop = project("class Pen(db.Model):\n    id = sa.Column(sa.Integer, primary_key=True)\n")
    monkeypatch.chdir(shop.root)
    monkeypatch.syspath_prepend(str(shop.root))
    invoke(shop, "init")
    (shop.root / "penhelpers.py").write_text(
        "def strict(function):\n    def run(*args, **kwargs):\n        raise LookupError('no ink')\n    return run\n"
    )
    (shop.root / "migrations" / "versions" / "ink1.py").write_text(
        "from penhelpers import strict\nrevision = 'ink1'\ndown_revision = None\n"
        "@strict\ndef upgrade():\n    pass\n\ndef downgrade():\n    pass\n"
    )
    told = failing(shop)("upgrade")
    assert told.startswith("Error [SF502]: Revision ink1 failed (PROJECT/penhelpers.py, line 3): LookupError: no ink")
