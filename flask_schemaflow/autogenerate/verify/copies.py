"""Scratch copies of a schema, without rows, and empty scratch databases, on each kind of database."""

from __future__ import annotations

import contextlib
import pathlib
import tempfile
import typing as t

import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from ...settings import Settings
from ..operations import Key
from .copies_mysql import clear_mysql
from .copies_mysql import create_mysql
from .copies_mysql import empty_mysql
from .copies_mysql import mysql_copy
from .copies_postgresql import clear_postgresql
from .copies_postgresql import create_postgresql
from .copies_postgresql import empty_postgresql
from .copies_postgresql import postgresql_copy
from .copies_postgresql import schema_or
from .copies_sqlite import attach
from .copies_sqlite import empty_sqlite
from .copies_sqlite import sqlite_copy
from .scratch import new_database
from .scratch import NotAllowed
from .scratch import tables_of
from .scratch import Unverifiable


def copy_of(
    source: sa.Engine, settings: Settings, left_out: t.Collection[Key] = ()
) -> t.ContextManager[sa.Engine]:
    """Return a context with an engine of a scratch database with the schema of ``source`` and no rows.

    :param left_out: tables that the copy may lack; those need nothing that is in it.
    :raises Unverifiable: if there is no way to make one.
    """
    return _maker(source)[0](source, settings, left_out)


def empty_beside(source: sa.Engine, settings: Settings) -> t.ContextManager[sa.Engine]:
    """Return a context with an engine of an empty scratch database of the kind of ``source``.

    :raises Unverifiable: if there is no way to make one.
    """
    return _maker(source)[1](source, settings)


def _maker(source: sa.Engine) -> tuple[t.Callable[..., t.ContextManager[sa.Engine]], ...]:
    dialect = source.dialect.name
    if dialect not in _MAKERS:
        raise Unverifiable(f"there is no way to copy a schema of {dialect}")
    return _MAKERS[dialect]


@contextlib.contextmanager
def empty_database(url: sa.URL) -> t.Iterator[sa.Engine]:
    """Yield an engine of a new, empty database on the server of ``url``, dropped afterwards.

    Where it may not be created, the database of ``url`` itself is used if it is empty, and emptied afterwards; else, on
    PostgreSQL, a new schema in it.

    :raises Unverifiable: when there is no way.
    """
    if url.get_backend_name() == "sqlite":
        with tempfile.TemporaryDirectory(prefix="schemaflow-") as folder:
            engine = sa.create_engine(f"sqlite:///{pathlib.Path(folder, 'scratch.db')}", poolclass=NullPool)
            attach(engine, folder, ())
            yield engine
            engine.dispose()
        return
    server = sa.create_engine(url, poolclass=NullPool)
    kinds = {"postgresql": (create_postgresql, clear_postgresql), "mysql": (create_mysql, clear_mysql)}
    create, empty = kinds.get(server.dialect.name, kinds["mysql"])
    with contextlib.ExitStack() as stack:
        try:
            engine = stack.enter_context(new_database(server, create))
        except NotAllowed as error:
            with server.connect() as connection:
                is_empty = not tables_of(connection)
            if is_empty:
                engine = server
                stack.callback(empty, server)
            elif server.dialect.name == "postgresql":
                engine = stack.enter_context(schema_or(error, server))
            else:
                raise
        yield engine


_MAKERS: dict[str, tuple[t.Callable[..., t.ContextManager[sa.Engine]], ...]] = {
    "sqlite": (sqlite_copy, empty_sqlite),
    "postgresql": (postgresql_copy, empty_postgresql),
    "mysql": (mysql_copy, empty_mysql),
    "mariadb": (mysql_copy, empty_mysql),
}
"""By dialect, what makes a copy and what makes an empty database."""
