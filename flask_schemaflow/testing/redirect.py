"""Points an application at other databases for the time of a test, whatever object holds its engines.

An application is made with its configuration, and its engines with it. So the engines stay, and connect elsewhere:
``do_connect`` is asked before each connection, also by asyncio drivers. Their ``url`` and the configuration say the new
place, too, because env.py files of old make engines of their own from these.
"""

from __future__ import annotations

import contextlib
import typing as t
import weakref

import sqlalchemy as sa
from flask import Flask
from sqlalchemy import event

from ..extension import current_state
from ..runtime.connections import async_engine
from ..runtime.connections import run_coroutine
from ..runtime.guard import MYSQL
from ..targets import DEFAULT
from ..targets import Target
from .confinement import confine_engine
from .confinement import refuse_open_sessions
from .confinement import runs_confined

Urls = t.Mapping[str, sa.URL]
"""Where each database of an application is, by the names of its binds; ``default`` is the default one."""

ResultT = t.TypeVar("ResultT")

# Nobody else migrates a test's database, and it need not be repaired, saved or protected.
_SETTINGS: dict[str, t.Any] = {
    "SCHEMAFLOW_LOCK": "off",
    "SCHEMAFLOW_JOURNAL": False,
    "SCHEMAFLOW_BACKUP": "never",
    "SCHEMAFLOW_PROTECTED": False,
}
_URIS = ("SQLALCHEMY_DATABASE_URI",)
_BINDS = ("SQLALCHEMY_BINDS", "SQLALCHEMY_ENGINES", "SQLALCHEMY_ASYNC_ENGINES")


def targets_of(app: Flask) -> list[Target]:
    """Return the databases of an application.

    :raises SetupError: if it has no ``Migrate``, or that has no database.
    """
    with app.app_context():
        return current_state(app).targets()


@contextlib.contextmanager
def redirected(app: Flask, urls: Urls, settings: t.Mapping[str, t.Any] | None = None) -> t.Iterator[None]:
    """Have the application use other databases in the block.

    Connections that are open are left alone, and are back in their pools afterwards: a database in memory has nothing
    but them.

    :param settings: other values for the application's configuration.
    :raises OtherDatabaseReached: if a session of the application is in a transaction elsewhere; in the block, whenever
        a connection or a migration reaches another database.
    """
    with contextlib.ExitStack() as stack:
        targets = targets_of(app)
        refuse_open_sessions(app, (target for target in targets if not is_redirected(target.sync_engine)))
        stack.enter_context(_configured(app, urls, settings or {}))
        stack.enter_context(runs_confined(app, urls.values()))
        for target in targets:
            if target.name in urls:
                stack.enter_context(engine_redirected(target.sync_engine, urls[target.name], name=target.name))
        yield


@contextlib.contextmanager
def engine_redirected(
    engine: sa.Engine,
    url: sa.URL,
    connect: t.Callable[[t.Callable[[], t.Any]], t.Any] | None = None,
    name: str = DEFAULT,
) -> t.Iterator[None]:
    """Have an engine connect to another database of the same kind in the block.

    :param connect: gets a function that connects, and returns the driver's connection; by default a new one.
    :param name: the name of the database, for messages.
    """
    before_url, before_pool, dialect = engine.url, engine.pool, engine.dialect
    known = dialect.create_connect_args(before_url)[1]
    arguments, named = dialect.create_connect_args(url)
    order = _redirections.setdefault(dialect, [])

    def connected(dialect: t.Any, record: t.Any, cargs: t.Any, cparams: dict[str, t.Any]) -> t.Any:
        if order[-1] is not connected:  # the one inside decides, and the outer ones are asked first
            return None
        # The arguments are the pool's own, so they stay as they are.
        extra = {name: value for name, value in cparams.items() if name not in known}

        def open_one() -> t.Any:
            return dialect.connect(*arguments, **{**extra, **named})

        return open_one() if connect is None else connect(open_one)

    engine.dispose(close=False)  # a new pool; the old one keeps its connections
    engine.url = url
    order.append(connected)
    event.listen(engine, "do_connect", connected)
    _know_schema(dialect, url)
    # A connection that is shared has been looked at.
    release = confine_engine(engine, name) if connect is None else (lambda: None)
    try:
        yield
    finally:
        release()
        event.remove(engine, "do_connect", connected)
        order.remove(connected)
        close_pool(engine)
        _know_schema(dialect, before_url)
        engine.url = before_url
        engine.pool = before_pool


def _know_schema(dialect: sa.Dialect, url: sa.URL) -> None:
    """Tell the dialect the database's name, by which it looks for tables on MariaDB and MySQL; it asks only once."""
    if dialect.name in MYSQL:
        dialect.default_schema_name = url.database


_redirections: weakref.WeakKeyDictionary[sa.Dialect, list[t.Any]] = weakref.WeakKeyDictionary()


def is_redirected(engine: sa.Engine) -> bool:
    """Return whether the engine connects to a test's database now."""
    return bool(_redirections.get(engine.dialect))


def close_pool(engine: sa.Engine) -> None:
    """Close the idle connections of an engine, also where asyncio opened them, in whatever loop."""
    if engine.dialect.is_async:
        run_coroutine(_close_async(engine))
    else:
        engine.dispose()


async def _close_async(engine: sa.Engine) -> None:
    await async_engine(engine).dispose()


@contextlib.contextmanager
def _configured(app: Flask, urls: Urls, settings: t.Mapping[str, t.Any]) -> t.Iterator[None]:
    before = dict(app.config)
    changed = {**_SETTINGS, **settings}
    texts = {name: url.render_as_string(hide_password=False) for name, url in urls.items()}
    if "default" in texts:
        changed.update({key: texts["default"] for key in _URIS if app.config.get(key)})
    for key in _BINDS:
        if isinstance(app.config.get(key), t.Mapping):
            changed[key] = {name: _same_form(value, texts.get(name)) for name, value in app.config[key].items()}
    app.config.update(changed)
    try:
        yield
    finally:
        for key in changed:
            app.config.pop(key, None)
            if key in before:
                app.config[key] = before[key]


def _same_form(value: t.Any, text: str | None) -> t.Any:
    """Return a bind's configuration with another URL: some are a URL, some a mapping with more options."""
    if text is None:
        return value
    return {**value, "url": text} if isinstance(value, t.Mapping) else text
