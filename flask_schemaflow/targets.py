"""Which databases an application has: each one a :class:`Target` of engine and metadata.

The object that is passed as ``db`` may be Flask-SQLAlchemy 3, Flask-SQLAlchemy-Lite, Alchemical,
or anything with ``engine`` or ``engines`` and ``metadata`` or ``metadatas``. They differ in how
they name the default database and whether they hold the models' metadata; after this module
nobody needs to know.
"""

from __future__ import annotations

import typing as t

from .errors import SchemaflowError
from .record import Record

if t.TYPE_CHECKING:
    from sqlalchemy import Engine
    from sqlalchemy import MetaData
    from sqlalchemy.ext.asyncio import AsyncEngine

DEFAULT = "default"


class Target(Record):
    """One database to migrate.

    :param bind: the name of the bind, ``None`` for the default database.
    :param engine: a SQLAlchemy ``Engine`` or ``AsyncEngine``.
    :param metadatas: what its schema should be; empty when the application has no models for it.
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
        """What Alembic takes as ``target_metadata``: one metadata, several, or ``None``."""
        return self.metadatas[0] if len(self.metadatas) == 1 else list(self.metadatas) or None

    def __repr__(self) -> str:
        return f"Target(bind={self.bind!r})"  # an engine's URL may hold passwords


def find_targets(db: t.Any, metadata: t.Any = None) -> list[Target]:
    """All databases of ``db``, the default one first. Must run in the application's context.

    :param db: the object passed to ``Migrate``.
    :param metadata: the models' metadata where ``db`` has none: a ``MetaData``, several of
        them, or a mapping from bind to either.
    :raises DatabaseNotInitialised: when ``db.init_app(app)`` was never called.
    :raises UnusableDatabase: when no engine can be found in ``db``.
    """
    engines = _engines(db)
    metadatas = _metadatas(db, metadata)
    binds = sorted(engines, key=lambda bind: (bind is not None,))
    return [Target(bind, engines[bind], _as_tuple(metadatas.get(bind))) for bind in binds]


def choose(targets: t.Sequence[Target], names: t.Sequence[str] | None) -> list[Target]:
    """The targets that were asked for by name; all of them when no name is given.

    :raises UnknownBind: names the slip and lists the names there are.
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
            "The db object that was passed to Migrate was never initialised with this application "
            "(or is not the one that was).",
            hint="Call db.init_app(app) where the application is made, before its first command.",
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
