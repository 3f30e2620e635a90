"""Points an application at the tests' databases, and refuses every connection that reaches another one.

An engine connects where its URL says, unless the application says otherwise: by a ``creator``, by a ``do_connect``
listener, by ``connect_args``, by an engine that env.py makes for itself. Then the tests' database is not the one that
would be migrated or emptied. So what a connection really reaches is asked before anything is done there.
"""

from __future__ import annotations

import contextlib
import os
import re
import typing as t
import weakref

import sqlalchemy as sa
from flask import Flask
from flask import has_app_context
from sqlalchemy import event

from ..alembic_private import session_connections
from ..errors.testing import OtherDatabaseReached
from ..extension import current_state
from ..redaction import safe_url
from ..runtime.connections import async_engine
from ..runtime.connections import run_below
from ..runtime.connections import run_coroutine
from ..runtime.guard import MYSQL
from ..runtime.guards.app_sessions import sessions_of
from ..runtime.guards.joined_engine import JoinedDriver
from ..targets import DEFAULT
from ..targets import Target

TEST_NAME = re.compile(r"(?<![a-z])test(?:s|ing)?(?![a-z])", re.I)
"""Found in the names of databases that are a test's."""

_DATABASE = {
    "sqlite": "SELECT file FROM pragma_database_list WHERE name = 'main'",
    "postgresql": "SELECT current_database()",
    "mysql": "SELECT DATABASE()",
    "mariadb": "SELECT DATABASE()",
}
_ATTACHED = (
    "SELECT group_concat(file, '\n') FROM pragma_database_list WHERE name NOT IN ('main', 'temp') AND file <> ''"
)
_CHECKED = "schemaflow_checked"  # in the info of a pooled connection

_NOTHING = "Nothing was done there."
_OWN_CONNECTIONS = (
    "Configure the application under test without what connects by itself: a `creator`, a `do_connect` listener that "
    "returns a connection, or a database in `connect_args`."
)


def confine_engine(engine: sa.Engine, name: str) -> t.Callable[[], None]:
    """Have every connection of an engine's present pool refused that reaches another database than its URL's.

    Pools that are made from this one are confined, too.

    :param name: the name of the database, for the message.
    :returns: a function that ends this for the engine; the pool is thrown away.
    """

    def connected(driver: t.Any, record: t.Any) -> None:
        _check_driver(driver, name, engine.url)

    def checked_out(driver: t.Any, record: t.Any, proxy: t.Any) -> None:
        if record.info.get(_CHECKED) is not driver:  # once, after the listeners of the application
            _check_driver(driver, name, engine.url)
            record.info[_CHECKED] = driver

    def executing(connection: t.Any, cursor: t.Any, statement: str, *rest: t.Any) -> None:
        _check_statement(statement, engine.url)

    event.listen(engine.pool, "connect", connected, insert=True)
    event.listen(engine.pool, "checkout", checked_out)
    if engine.dialect.name not in MYSQL:
        return lambda: None
    event.listen(engine, "before_cursor_execute", executing)
    return lambda: event.remove(engine, "before_cursor_execute", executing)


def _check_driver(driver: t.Any, name: str, url: sa.URL) -> None:
    """Raise if a new connection of the driver isn't at the URL's database; its pool closes it then.

    :raises OtherDatabaseReached: names the one that it is at.
    """
    if isinstance(driver, JoinedDriver):  # shares one that was looked at
        return
    kind = url.get_backend_name()
    reached = str(run_below(driver, _DATABASE[kind]) or "")
    attached = run_below(driver, _ATTACHED) if kind == "sqlite" else None
    driver.rollback()
    problem = None
    if not _is_at(url, reached):
        problem = OtherDatabaseReached(
            f"A connection of the {name} database reaches {reached or 'a database in memory'}, which isn't the one "
            f"that was made for the tests. {_NOTHING}",
            hint=_OWN_CONNECTIONS,
        )
    elif outside := [path for path in (attached or "").splitlines() if not _is_beside(url, path)]:
        problem = OtherDatabaseReached(
            f"A connection of the {name} database attaches {outside[0]}, which isn't a file of the tests. {_NOTHING}",
            hint="Attach a file with the word test in its name, or one in memory, in the application under test.",
        )
    if problem is not None:
        raise problem


def _is_at(url: sa.URL, reached: str) -> bool:
    expected = str(url.database or "")
    if url.get_backend_name() == "sqlite":
        return bool(reached) and os.path.realpath(reached) == os.path.realpath(expected)
    return reached == expected


def _is_beside(url: sa.URL, path: str) -> bool:
    folder = os.path.dirname(os.path.realpath(str(url.database)))
    return os.path.dirname(os.path.realpath(path)) == folder or bool(TEST_NAME.search(os.path.basename(path)))


_ANOTHER = re.compile(
    r"(?:\b(?:TABLE|VIEW)(?:\s+IF\s+(?:NOT\s+)?EXISTS)?|\bINTO|\b(?<!KEY )UPDATE|\bDELETE\s+FROM|\bTRUNCATE"
    r"|\bREFERENCES|\bINDEX\s+\S+\s+ON|\bTO)\s+(?:`((?:[^`]|``)+)`|([\w$]+))\s*\.\s*[\w`]"
    r"|(?:\b(?:CREATE|DROP|ALTER)\s+(?:DATABASE|SCHEMA)(?:\s+IF\s+(?:NOT\s+)?EXISTS)?|^\s*USE)\s+"
    r"(?:`((?:[^`]|``)+)`|([\w$]+))",
    re.I,
)
_LITERAL = re.compile(r"'(?:[^'\\]|\\.|'')*'")


def _check_statement(statement: str, url: sa.URL) -> None:
    """Refuse a statement that changes another database of a MariaDB or MySQL server: a schema is a database there.

    :raises OtherDatabaseReached: names the other one.
    """
    for match in _ANOTHER.finditer(_LITERAL.sub("''", statement)):
        named = next(name for name in match.groups() if name)
        known = (str(url.database).lower(), "new", "old")  # the last two are a trigger's
        if named.lower() not in known and not TEST_NAME.search(named):
            raise OtherDatabaseReached(
                f"A statement changes the database {named}, which isn't the one that was made for the tests; on "
                f"MariaDB and MySQL a schema is a database. {_NOTHING}",
                hint="Name a schema with the word test in its name in the application under test, or none.",
            )


@contextlib.contextmanager
def runs_confined(app: Flask, urls: t.Iterable[sa.URL]) -> t.Iterator[None]:
    """Have migrations refuse connections to other databases than these in the block, whatever engine they are of."""
    own = list(urls)

    def accept(connection: sa.Connection) -> None:
        kind, driver = connection.dialect.name, connection.connection
        reached = str(run_below(driver, _DATABASE[kind]) or "") if kind in _DATABASE else ""
        if kind != "sqlite" and not connection.in_transaction():
            driver.rollback()  # the question has begun a transaction
        if not any(_is_at(url, reached) for url in own):
            raise OtherDatabaseReached(
                f"env.py connects to {reached or safe_url(connection.engine.url)}, which isn't the database that was "
                f"made for the tests. {_NOTHING}",
                hint="Have env.py use the application's engines: `flask db doctor --fix` replaces it by one that does.",
            )

    state = current_state(app)
    before, state.accept = state.accept, accept
    try:
        yield
    finally:
        state.accept = before


def refuse_open_sessions(app: Flask, targets: t.Iterable[Target]) -> None:
    """Refuse a session that holds a connection to the application's own database; the test would go on there.

    :raises OtherDatabaseReached: names the session.
    """
    engines = {target.sync_engine for target in targets}
    with contextlib.nullcontext() if has_app_context() else app.app_context():
        sessions = sessions_of(current_state(app).db)
        existing = sessions.existing() if sessions is not None else []
    for call, session in existing:
        for connection in session_connections(session) or ():
            if connection.engine in engines:
                raise OtherDatabaseReached(
                    f"{call} has an open transaction on {safe_url(connection.engine.url)}, where it began before the "
                    f"database of the test was made. {_NOTHING}",
                    hint="End it where it began, in your fixture or conftest.py: call db.session.remove() there.",
                )


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
