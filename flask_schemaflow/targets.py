"""The databases of an application: each one a :class:`Target` of engine and metadata.

The ``db`` object may be Flask-SQLAlchemy 3, Flask-SQLAlchemy-Lite, Alchemical, or anything with ``engine`` or
``engines`` and ``metadata`` or ``metadatas``. They differ in how they name the default database and whether they hold
the models' metadata; no other module needs to know.
"""

from __future__ import annotations

import contextlib
import contextvars
import dataclasses
import os
import typing as t

from .errors import SchemaflowError
from .records import Record

if t.TYPE_CHECKING:
    from sqlalchemy import Engine
    from sqlalchemy import MetaData
    from sqlalchemy import URL
    from sqlalchemy.ext.asyncio import AsyncEngine

DEFAULT = "default"


@dataclasses.dataclass(frozen=True)
class Target(Record):
    """One database to migrate.

    :param bind: the name of the bind, ``None`` for the default database.
    :param engine: a SQLAlchemy ``Engine`` or ``AsyncEngine``.
    :param metadatas: the models' metadata; empty if the application has no models for it.
    """

    bind: str | None
    engine: Engine | AsyncEngine
    metadatas: tuple[MetaData, ...]

    @property
    def name(self) -> str:
        """``default``, or the name of the bind."""
        return DEFAULT if self.bind is None else self.bind

    @property
    def sync_engine(self) -> Engine:
        """The engine without its asyncio wrapper."""
        return t.cast("Engine", getattr(self.engine, "sync_engine", self.engine))

    @property
    def is_async(self) -> bool:
        """Whether the engine is an asyncio engine."""
        return bool(self.engine.dialect.is_async)

    @property
    def metadata(self) -> t.Any:
        """The value for Alembic's ``target_metadata``: one metadata, several, or ``None``."""
        return self.metadatas[0] if len(self.metadatas) == 1 else list(self.metadatas) or None

    def __repr__(self) -> str:
        return f"Target(bind={self.bind!r})"  # an engine's URL may hold passwords


@dataclasses.dataclass(frozen=True)
class Tenant(Record):
    """A part of the application's data with tables of its own: a schema, a database, or a schema of another database.

    :param name: the name that commands take and reports show.
    :param schema: its schema, on PostgreSQL.
    :param url: the URL of its database; by default the application's default database.
    :param search_path: other schemas in which PostgreSQL looks for names, such as the schema of extensions.
        Revisions can change tables in these schemas, too.
    :param size: its size in any unit, for ``--order``.
    :raises InvalidTenant: if it has no name, or neither a schema nor a URL.
    """

    name: str
    schema: str | None = None
    url: str | None = dataclasses.field(default=None, repr=False)  # which may hold a password
    search_path: tuple[str, ...] = ()
    size: float = 0.0

    def __post_init__(self) -> None:
        render = getattr(self.url, "render_as_string", None)  # of SQLAlchemy's URL
        if render is not None:
            object.__setattr__(self, "url", render(hide_password=False))
        if isinstance(self.search_path, str):
            object.__setattr__(self, "search_path", (self.search_path,))
        object.__setattr__(self, "search_path", tuple(self.search_path))
        if not (isinstance(self.name, str) and self.name.strip()):
            raise _invalid_tenant(f"A tenant needs a name, not {self.name!r}.")
        if not (self.schema or self.url):
            raise _invalid_tenant(f"The tenant {self.name!r} has neither a schema nor a URL.")

    @property
    def place(self) -> str:
        """Its schema and database, without a password."""
        from .redaction import safe_url

        parts = [f"schema {self.schema}"] if self.schema else []
        return " of ".join([*parts, *([safe_url(self.url)] if self.url else [])])


def _invalid_tenant(message: str) -> SchemaflowError:
    from .errors.setup import InvalidTenant

    return InvalidTenant(message, hint='Write Tenant("acme", schema="acme") or Tenant("acme", url="postgresql://...").')


@dataclasses.dataclass(frozen=True, repr=False)
class TenantTarget(Target):
    """A tenant as the database to migrate.

    :param tenant: the tenant.
    :param replaced: the engine of the application's default database, in whose place the tenant's stands.
    :param is_behind: whether its versions were read a moment ago and lack something, so that nobody need ask again.
    :param fleet: the command for many tenants of which this is a part, which reads the revision files once a process.
    """

    tenant: Tenant
    replaced: Engine | AsyncEngine
    is_behind: bool = False
    fleet: str = ""

    @property
    def name(self) -> str:
        return self.tenant.name


_current: contextvars.ContextVar[TenantTarget | None] = contextvars.ContextVar("schemaflow_tenant", default=None)


def current_tenant() -> TenantTarget | None:
    """Return the tenant that this thread or task works on, ``None`` if it works on the application's own databases."""
    return _current.get()


@contextlib.contextmanager
def instead_of_databases(target: TenantTarget) -> t.Iterator[None]:
    """Have commands in the block work on a tenant instead of the application's databases."""
    token = _current.set(target)
    try:
        yield
    finally:
        _current.reset(token)


def find_targets(db: t.Any, metadata: t.Any = None) -> list[Target]:
    """Return all databases of ``db``, the default one first; call it in the application's context.

    :param db: the object passed to ``Migrate``.
    :param metadata: the models' metadata where ``db`` has none: a ``MetaData``, several of
        them, or a mapping from bind to either.
    :raises DatabaseNotInitialised: if ``db.init_app(app)`` was never called.
    :raises UnusableDatabase: if ``db`` has no engine.
    """
    engines = _engines(db)
    metadatas = _metadatas(db, metadata)
    binds = sorted(engines, key=lambda bind: (bind is not None,))
    return [Target(bind, engines[bind], _as_tuple(metadatas.get(bind))) for bind in binds]


def choose(targets: t.Sequence[Target], names: t.Sequence[str] | None) -> list[Target]:
    """Return the targets with these names; all of them when no name is given.

    :raises UnknownBind: names the typo and lists the existing names.
    """
    if not names:
        return list(targets)
    known = {target.name: target for target in targets}
    for name in names:
        if name not in known:
            from .errors.setup import UnknownBind

            raise UnknownBind(
                f"The application has no database named {name!r}.",
                hint="Its databases are: " + ", ".join(known) + ".",
            )
    return [target for target in targets if target.name in names]


def _engines(db: t.Any) -> dict[str | None, t.Any]:
    if isinstance(db, type):
        from .errors.setup import UnusableDatabase

        raise UnusableDatabase(
            f"Migrate was given the class {db.__name__} instead of an object of it.",
            hint=f"Create one, db = {db.__name__}(), and pass that: Migrate(app, db)",
        )
    try:
        found = _mapping(db, "engines") or {}
        found.update(_mapping(db, "async_engines") or {})
        if not found:
            found = _single_engines(db)
    except SchemaflowError:
        raise
    except RuntimeError as error:
        from .errors.setup import DatabaseNotInitialised

        raise DatabaseNotInitialised(
            "The db object passed to Migrate is not initialised with this application (or is not the one that was).",
            hint="Call db.init_app(app) in your application factory, before the first command.",
            details=str(error).strip().splitlines()[0],
        ) from error
    return {_bind(key): engine for key, engine in found.items()}


def _single_engines(db: t.Any) -> dict[str | None, t.Any]:
    if callable(getattr(db, "get_engine", None)) and callable(getattr(db, "bind_names", None)):
        return {None: db.get_engine(), **{name: db.get_engine(name) for name in db.bind_names()}}
    engine = getattr(db, "engine", None)
    if engine is None:
        from .errors.setup import UnusableDatabase

        raise UnusableDatabase(
            f"The db object that was passed to Migrate, of type {type(db).__name__}, has neither engine nor engines.",
            hint="Pass an object with engine and metadata, for example a Flask-SQLAlchemy db: Migrate(app, db)",
        )
    return {None: engine}


def _metadatas(db: t.Any, given: t.Any) -> dict[str | None, t.Any]:
    if given is not None:
        return _by_bind(given)
    found = _mapping(db, "metadatas")
    if found is None:
        found = {None: getattr(db, "metadata", None)}
    return {_bind(key): value for key, value in found.items()}


def _by_bind(given: t.Any) -> dict[str | None, t.Any]:
    if isinstance(given, t.Mapping):
        return {_bind(key): value for key, value in given.items()}
    return {None: given}


def _mapping(db: t.Any, name: str) -> dict[t.Any, t.Any] | None:
    value = getattr(db, name, None)
    return dict(value) if isinstance(value, t.Mapping) else None


def _bind(key: t.Any) -> str | None:
    """Flask-SQLAlchemy names the default database ``None``, -Lite ``"default"``, Alchemical ``""``."""
    return None if key in (None, "", DEFAULT) else str(key)


def _as_tuple(metadata: t.Any) -> tuple[t.Any, ...]:
    if metadata is None:
        return ()
    return tuple(metadata) if isinstance(metadata, (list, tuple, set)) else (metadata,)


def lacks_file(url: URL) -> bool:
    """Return whether a URL is that of a SQLite file that isn't there, which connecting would create."""
    path = url.database if url.get_backend_name() == "sqlite" else None
    return bool(path) and not str(path).startswith((":memory:", "file:")) and not os.path.exists(str(path))
