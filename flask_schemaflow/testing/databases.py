"""The databases of a test session: migrated once into templates, copied for each test, gone at the end.

Nothing is created, and nothing is read, on a server that may be somebody's real one.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import typing as t

import sqlalchemy as sa
from flask import Flask
from sqlalchemy.pool import NullPool

from ..commands.database import upgrade
from ..errors.testing import NotATestDatabase
from ..errors.testing import OtherKindOfDatabase
from ..extension import current_state
from ..redaction import safe_url
from ..targets import Target
from .confinement import redirected
from .confinement import targets_of
from .confinement import TEST_NAME
from .confinement import Urls
from .reaper import Reaper
from .storage import Storage
from .storage import storage_for

VARIABLE = "SCHEMAFLOW_TEST_DATABASE_URI"

_Key = tuple[t.Any, ...]


class Databases:
    """The databases of one session, for any number of applications.

    :param uri: a database on the server to use; by default the environment variable ``SCHEMAFLOW_TEST_DATABASE_URI``,
        and without that the applications' own servers, where the database is a test's.

    Use it as a context manager, or call :meth:`close`. It is no thread's but its creator's.
    """

    def __init__(self, uri: str | None = None) -> None:
        self.uri = uri
        self._reaper = Reaper()
        self._storages: dict[_Key, Storage] = {}
        self._templates: dict[_Key, dict[str, sa.URL]] = {}
        self._common: dict[_Key, dict[str, sa.URL]] = {}
        self._made: dict[sa.URL, Storage] = {}

    def __enter__(self) -> Databases:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def create(self, app: Flask) -> dict[str, sa.URL]:
        """Create an empty database for each of the application's.

        :returns: their URLs, by the names of the binds.
        :raises TestingError: if there is no place for them.
        """
        return {target.name: self._keep(self._storage(target), None) for target in targets_of(app)}

    def copy(self, app: Flask, revision: str = "heads") -> dict[str, sa.URL]:
        """Create databases that are migrated up to a revision; the first ones are kept as the template of the others.

        :param revision: an id, or ``heads``.
        :returns: their URLs, by the names of the binds.
        :raises TestingError: if there is no place for them.
        :raises SchemaflowError: if the migration fails.
        """
        template = self.template(app, revision)
        storages = {target.name: self._storage(target) for target in targets_of(app)}
        return {name: self._keep(storages[name], url) for name, url in template.items()}

    def template(self, app: Flask, revision: str = "heads") -> Urls:
        """Return databases that are migrated up to a revision, for copies; nothing may change them."""
        targets = targets_of(app)
        with app.app_context():
            folder = os.path.abspath(os.path.join(app.root_path, current_state().directory))
        key = (folder, revision, *((target.name, self._key(target)) for target in targets))
        if key not in self._templates:
            made = self.create(app)
            try:
                with redirected(app, made), app.app_context():
                    if revision != "base":
                        upgrade(revision=revision)
            except BaseException:
                self.drop(made)
                raise
            self._templates[key] = made
        return self._templates[key]

    def common_copy(self, app: Flask) -> Urls:
        """Return a migrated copy for all who leave it as they found it."""
        template = self.template(app)
        key = tuple(sorted(template.values(), key=str))
        if key not in self._common:
            self._common[key] = self.copy(app)
        return self._common[key]

    def drop(self, urls: Urls) -> None:
        """Drop databases, and end the connections to them."""
        for url in urls.values():
            storage = self._made.pop(url, None)
            if storage is not None:
                storage.drop(url)

    def close(self) -> None:
        """Drop all databases."""
        try:
            for url in list(self._made):
                with contextlib.suppress(Exception):  # the reaper tries once more
                    self.drop({"": url})
            for storage in self._storages.values():
                storage.close()
        finally:
            self._templates.clear()
            self._common.clear()
            self._storages.clear()
            self._reaper.close()

    def _keep(self, storage: Storage, original: sa.URL | None) -> sa.URL:
        url = storage.create() if original is None else storage.copy(original)
        self._made[url] = storage
        return url

    def _storage(self, target: Target) -> Storage:
        key = self._key(target)
        if key not in self._storages:
            self._storages[key] = storage_for(self._server(target), self._reaper)
        return self._storages[key]

    def _key(self, target: Target) -> _Key:
        url = target.sync_engine.url
        return url.drivername, url.host, url.port, url.username

    def _server(self, target: Target) -> sa.Engine:
        """Return an engine of the server to use for a database of the application.

        :raises TestingError: if there is none for tests.
        """
        engine = target.sync_engine
        if engine.dialect.name == "sqlite":  # which is a file of our own, in any case
            return engine
        given = self.uri or os.environ.get(VARIABLE)
        if given:
            return _server_like(given, target)
        if not TEST_NAME.search(engine.url.database or ""):
            raise NotATestDatabase(
                f"The {target.name} database is {safe_url(engine.url)}, whose name doesn't have the word test; "
                "nothing was done.",
                hint="Name a server for tests, or configure the application under test with another database:\n"
                f"    export {VARIABLE}={engine.url.drivername}://user:password@127.0.0.1/{_entrance(engine)}",
            )
        return engine


def _server_like(uri: str, target: Target) -> sa.Engine:
    url, own = sa.make_url(uri), target.sync_engine.url
    if _family(url) != _family(own):
        raise OtherKindOfDatabase(
            f"{VARIABLE} is a database of the kind {url.get_backend_name()}, and the {target.name} database of the "
            f"application is of the kind {own.get_backend_name()}.",
            hint="Configure the application under test with a database of the same kind.",
        )
    # The application's engine keeps its driver, so this one has the same.
    return sa.create_engine(url.set(drivername=own.drivername), poolclass=NullPool)


def _family(url: sa.URL) -> str:
    name = url.get_backend_name()
    return "mysql" if name == "mariadb" else name


def _entrance(engine: sa.Engine) -> str:
    return "postgres" if engine.dialect.name == "postgresql" else ""


@contextlib.contextmanager
def copied(databases: Databases, app: Flask, revision: str = "heads") -> t.Iterator[Urls]:
    """Have an application use a migrated copy in the block, and drop it afterwards.

    :param revision: an id, or ``heads``.
    """
    urls = databases.copy(app, revision)
    try:
        with redirected(app, urls):
            yield urls
    finally:
        databases.drop(urls)


_shared: list[Databases] = []


def shared_databases() -> Databases:
    """Return the databases of this process, which are dropped at its end."""
    if not _shared:
        _shared.append(Databases())
        atexit.register(close_shared)
    return _shared[0]


def close_shared() -> None:
    """Drop the databases of this process now."""
    while _shared:
        _shared.pop().close()
