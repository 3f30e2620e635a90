"""Fresh databases for tests: made on demand, unlike any other, and dropped with whoever still uses them.

A name holds the time it was made at, so that what a killed run left behind is found and swept by age.
"""

from __future__ import annotations

import contextlib
import secrets
import time
import typing as t
from pathlib import Path

import sqlalchemy as sa

from .servers import admin_engine
from .servers import Kind

PREFIX = "sftest"
_SWEEP_AFTER = 3 * 3600  # seconds; longer than any run of the suite


def fresh_name() -> str:
    """Return a database name that no other test, process or run uses."""
    return f"{PREFIX}_{int(time.time())}_{secrets.token_hex(5)}"


def create(kind: Kind, folder: Path) -> str:
    """Make an empty database and return its URL; SQLite's is a file in *folder* that does not exist yet."""
    name = fresh_name()
    if kind == "sqlite":
        return f"sqlite:///{folder / name}.db"
    _create(kind, name)
    return admin_engine(kind).url.set(database=name).render_as_string(hide_password=False)


def _create(kind: Kind, name: str) -> None:
    with admin_engine(kind).connect() as connection:
        if kind == "postgresql":
            # template0: creating from template1 fails while anybody is connected to that.
            connection.exec_driver_sql(f'CREATE DATABASE "{name}" TEMPLATE template0')
        else:
            connection.exec_driver_sql(f"CREATE DATABASE `{name}` CHARACTER SET utf8mb4")


def empty(url: str) -> None:
    """Drop the database of *url* and make it anew, empty."""
    parsed = sa.make_url(url)
    if parsed.get_backend_name() == "sqlite":
        Path(str(parsed.database)).unlink(missing_ok=True)
        return
    drop(url)
    _create("postgresql" if parsed.get_backend_name() == "postgresql" else "mariadb", str(parsed.database))


def drop(url: str) -> None:
    """Drop the database of *url*, ending the sessions that are still in it; a missing one is fine."""
    parsed = sa.make_url(url)
    name = t.cast("str", parsed.database)
    if parsed.get_backend_name() == "sqlite":
        return  # a file in a folder that pytest removes
    if parsed.get_backend_name() == "postgresql":
        _drop_postgresql(name)
    else:
        _drop_mariadb(name)


def sweep(kind: Kind) -> list[str]:
    """Drop the databases that killed runs left behind hours ago; return the names found."""
    if kind == "sqlite":
        return []
    drop_one = _drop_postgresql if kind == "postgresql" else _drop_mariadb
    names = [name for name in _existing(kind) if _is_old(name)]
    for name in names:
        with contextlib.suppress(sa.exc.DBAPIError):  # another process sweeps too
            drop_one(name)
    return names


def _existing(kind: Kind) -> list[str]:
    query = "SELECT datname FROM pg_database" if kind == "postgresql" else "SHOW DATABASES"
    with admin_engine(kind).connect() as connection:
        return list(connection.exec_driver_sql(query).scalars())


def _is_old(name: str) -> bool:
    prefix, _, rest = name.partition("_")
    made = rest.partition("_")[0]
    return prefix == PREFIX and made.isdigit() and time.time() - int(made) > _SWEEP_AFTER


def _drop_postgresql(name: str) -> None:
    with admin_engine("postgresql").connect() as connection:
        connection.exec_driver_sql(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def _drop_mariadb(name: str) -> None:
    with admin_engine("mariadb").connect() as connection:
        connection.exec_driver_sql("SET SESSION lock_wait_timeout = 10")
        sessions = sa.text("SELECT id FROM information_schema.processlist WHERE db = :name")
        for session in connection.execute(sessions, {"name": name}).scalars().all():
            with contextlib.suppress(sa.exc.DBAPIError):  # it ended by itself meanwhile
                connection.exec_driver_sql(f"KILL {int(session)}")
        connection.exec_driver_sql(f"DROP DATABASE IF EXISTS `{name}`")
