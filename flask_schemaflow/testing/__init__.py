"""Tests of migrations: databases that are migrated once and copied for each test, and checks of the history.

pytest has them as fixtures and tests; see the page "Testing migrations". These functions do the same for others::

    class MigrationTests(unittest.TestCase):
        def test_migrations(self):
            check_migrations(create_app())
"""

from __future__ import annotations

import typing as t

from .._lazy import resolve

if t.TYPE_CHECKING:
    from .api import at_revision as at_revision
    from .api import check_migrations as check_migrations
    from .api import find_problems as find_problems
    from .api import migrated as migrated
    from .api import rolled_back as rolled_back
    from .databases import Databases as Databases
    from .records import CheckResult as CheckResult
    from .records import Problem as Problem

_ELSEWHERE = {
    "CheckResult": "records",
    "Databases": "databases",
    "Problem": "records",
    "at_revision": "api",
    "check_migrations": "api",
    "find_problems": "api",
    "migrated": "api",
    "rolled_back": "api",
}

__all__ = list(_ELSEWHERE)


def __getattr__(name: str) -> t.Any:
    if name in _ELSEWHERE:
        return resolve(f"{__name__}.{_ELSEWHERE[name]}:{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
