"""What env.py files of other versions ask for, lent to them for the time of a run.

They write into ``configure_args`` and call ``db.get_engine(bind=...)``, which Flask-SQLAlchemy 3.1 no longer
takes. For the time of a run they get a copy of the one and a wrapper with the other; afterwards the
application's state is what it was.
"""

from __future__ import annotations

import contextlib
import typing as t

from ..extension import State


class LentDatabase:
    """The application's db, with the methods that older env.py files call."""

    def __init__(self, state: State) -> None:
        self._lent_from = state.db
        self._lent_engines = {target.bind: target.engine for target in state.targets()}

    def __getattr__(self, name: str) -> t.Any:
        return getattr(self._lent_from, name)

    def get_engine(self, app: t.Any = None, bind: str | None = None, bind_key: str | None = None) -> t.Any:
        """The engine of a bind, by any of the signatures that ``get_engine`` has had."""
        named = app if isinstance(app, str) else bind or bind_key
        return self._lent_engines[named or None]


@contextlib.contextmanager
def lent(state: State) -> t.Iterator[None]:
    """Lend env.py what it may change or miss, and take it back at the end."""
    db, arguments = state.db, state.configure_args
    state.configure_args = dict(arguments)
    state.db = LentDatabase(state)
    try:
        yield
    finally:
        state.db, state.configure_args = db, arguments
