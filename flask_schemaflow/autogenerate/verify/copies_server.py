"""Scratch databases on the server of an application, or the one that the setting names."""

from __future__ import annotations

import contextlib
import typing as t

import sqlalchemy as sa

from ...settings import Settings
from .scratch import autocommitting
from .scratch import beside
from .scratch import fresh_name
from .scratch import given
from .scratch import Unverifiable

Fill = t.Callable[[sa.Engine, sa.Engine], None]
"""Puts the schema of one database into another."""


@contextlib.contextmanager
def server_copy(
    source: sa.Engine,
    settings: Settings,
    create: t.Callable[[sa.Connection, str], str],
    fill: Fill,
    empty: t.Callable[[sa.Engine], None],
) -> t.Iterator[sa.Engine]:
    """Yield the database of the setting, emptied afterwards, or a new one beside ``source``, dropped afterwards.

    :param create: creates a database of this name, and returns the statement that drops it.
    """
    chosen = given(settings, source)
    if chosen is not None:
        try:
            fill(source, chosen)
            yield chosen
        finally:
            empty(chosen)
        return
    with new_database(source, create) as scratch:
        fill(source, scratch)
        yield scratch


@contextlib.contextmanager
def new_database(server: sa.Engine, create: t.Callable[[sa.Connection, str], str]) -> t.Iterator[sa.Engine]:
    """Yield an engine of a new database, dropped afterwards.

    :param create: creates a database of this name, and returns the statement that drops it.
    :raises NotAllowed: if the user may not create it.
    """
    name = fresh_name()
    with autocommitting(server) as connection:
        try:
            drop = create(connection, name)
        except sa.exc.DBAPIError as error:
            raise NotAllowed(_not_allowed(server)) from error
    try:
        yield beside(server, database=name)
    finally:
        with autocommitting(server) as connection:
            connection.exec_driver_sql(drop)


class NotAllowed(Unverifiable):
    """Raised when the user may not create a scratch database; the text has the statement that allows it."""


def _not_allowed(server: sa.Engine) -> str:
    user = server.url.username or "the user"
    if server.dialect.name == "postgresql":
        kinds, grants = "a scratch database or a schema for it", (
            f'`ALTER ROLE "{user}" CREATEDB` or `GRANT CREATE ON DATABASE "{server.url.database}" TO "{user}"`'
        )
    else:
        kinds, grants = "a scratch database", f"`GRANT ALL ON `schemaflow_verify_%`.* TO '{user}'@'%'`"
    return (
        f"{user} has no permission to create {kinds}; {grants} allows it, or name an empty database in "
        "SCHEMAFLOW_VERIFY_DATABASE_URL"
    )
