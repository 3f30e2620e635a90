"""Fresh databases for tests: made on demand, unlike any other, and dropped with whoever still uses them.

A name holds the time it was made at, so that what a killed run left behind is found and swept by age.

PostgreSQL writes 300 files for a new database and a cache at its first connection, four times the work of emptying
one: a database that can be emptied for certain gets another name and is the next test's.
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
_SERVES = 30  # tests, one after another; then its catalogs have too many dead rows
_served: dict[int, int] = {}  # how many tests had a database of PostgreSQL that this process made, by its OID
_spare: list[str] = []  # names of emptied databases


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
            if _spare:
                connection.exec_driver_sql(f'ALTER DATABASE "{_spare.pop()}" RENAME TO "{name}"')
            else:
                # template0: creating from template1 fails while anybody is connected to that.
                connection.exec_driver_sql(f'CREATE DATABASE "{name}" TEMPLATE template0')
            oid = connection.exec_driver_sql(f"SELECT oid FROM pg_database WHERE datname = '{name}'").scalar_one()
            _served[oid] = _served.get(oid, 0) + 1
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
    if parsed.get_backend_name() != "postgresql":
        _drop_mariadb(name)
    elif spare := _emptied(name):
        _spare.append(spare)
    else:
        _drop_postgresql(name)


def drop_spare() -> None:
    """Drop the databases that are kept for further tests of this process."""
    while _spare:
        _drop_postgresql(_spare.pop())


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


_OWN = "SELECT oid FROM pg_database WHERE datname = '{}' AND datdba = current_user::regrole"
_END_SESSIONS = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{}'"
_CONTENT = """
SELECT 'DROP EXTENSION ' || quote_ident(extname) || ' CASCADE' FROM pg_extension WHERE oid >= 16384
UNION ALL
SELECT 'DROP SCHEMA ' || quote_ident(nspname) || ' CASCADE' FROM pg_namespace
WHERE (oid >= 16384 OR nspname = 'public') AND nspname !~ '^pg_'
"""
_PUBLIC = (
    "CREATE SCHEMA public AUTHORIZATION pg_database_owner",
    "COMMENT ON SCHEMA public IS 'standard public schema'",
    "GRANT USAGE ON SCHEMA public TO PUBLIC",
)
_REST = """
SELECT 1 FROM pg_database d WHERE datname = current_database() AND (
    datconnlimit <> -1 OR NOT datallowconn OR datacl IS NOT NULL
    OR EXISTS (SELECT 1 FROM pg_db_role_setting WHERE setdatabase = d.oid)
    OR EXISTS (SELECT 1 FROM pg_shdescription WHERE objoid = d.oid)
)
UNION ALL SELECT 1 FROM pg_prepared_xacts WHERE database = current_database()
""" + "".join(
    f"UNION ALL SELECT 1 FROM {catalog} WHERE oid >= 16384\n"
    for catalog in (
        *("pg_am", "pg_cast", "pg_default_acl", "pg_event_trigger", "pg_foreign_data_wrapper", "pg_foreign_server"),
        *("pg_language", "pg_largeobject_metadata", "pg_proc", "pg_publication", "pg_subscription", "pg_transform"),
        *("pg_collation", "pg_conversion", "pg_operator", "pg_ts_config", "pg_ts_dict"),
    )
)
"""What isn't in a schema, or is in one of the server's own."""


def _emptied(name: str) -> str:
    """Return the new name of a PostgreSQL database that is as it was when this process made it; empty if none is."""
    admin, spare = admin_engine("postgresql"), fresh_name()
    with contextlib.suppress(sa.exc.DBAPIError), admin.connect() as connection:
        if (connection.dialect.server_version_info or ()) < (15,):  # where others have the schema public, and rights
            return ""
        oid = connection.exec_driver_sql(_OWN.format(name)).scalar()
        if _served.get(oid or 0, _SERVES) >= _SERVES:
            return ""
        connection.exec_driver_sql(_END_SESSIONS.format(name)).all()
        connection.exec_driver_sql(f'ALTER DATABASE "{name}" RENAME TO "{spare}"')
        with contextlib.suppress(sa.exc.DBAPIError):
            if _empty_by_statements(admin.url.set(database=spare)):
                return spare
        _drop_postgresql(spare)
    return ""


def _empty_by_statements(url: sa.URL) -> bool:
    """Drop what there is in a database; return whether that is all."""
    engine = sa.create_engine(url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql("SET lock_timeout = '5s'")
        for statement in (*connection.exec_driver_sql(_CONTENT).scalars(), *_PUBLIC):
            connection.exec_driver_sql(statement)
        return not connection.exec_driver_sql(_REST).first()


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
