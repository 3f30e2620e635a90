"""Tables in a database that belong to somebody else, and our own ones: ``migrate`` and ``check`` leave them alone.

Without a model they look like tables whose model was taken away, and would be dropped. Who they belong to is
read from the database where it knows (PostgreSQL's extensions, SQLite's virtual tables) and told by name elsewhere.
A table that the models define is theirs, unless a pattern of the setting names it.

The filters stand before those of the user: ``include_name`` and ``include_object`` only see what is left.
"""

from __future__ import annotations

import fnmatch
import functools
import typing as t

import sqlalchemy as sa

from ..runtime.guards import Scope
from ..runtime.own_tables import OWN_TABLES
from .operations import Key
from .operations import label

KNOWN: tuple[str, ...] = (
    # PostGIS and SpatiaLite, also where they were not installed as an extension
    "spatial_ref_sys*",
    "geometry_columns*",
    "geography_columns",
    "raster_columns",
    "raster_overviews",
    "spatialite_history",
    "sql_statements_log",
    "views_geometry_columns*",
    "virts_geometry_columns*",
    "data_licenses",
    "topology.*",
    "tiger.*",
    "tiger_data.*",
    # the books of other migration tools
    "alembic_version*",
    "django_migrations",
    "flyway_schema_history",
    "databasechangelog",
    "databasechangeloglock",
    "schema_migrations",
    "ar_internal_metadata",
    "goose_db_version",
    "knex_migrations*",
    "_prisma_migrations",
    "_sqlx_migrations",
    # libraries that make their tables themselves
    "celery_taskmeta",
    "celery_tasksetmeta",
    "apscheduler_jobs",
    "django_content_type",
    "django_session",
    "django_admin_log",
)
"""Tables of other tools, left alone unless the models define them; ``*`` stands for anything."""

_EXTENSIONS = """
    SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relispartition OR EXISTS (
        SELECT 1 FROM pg_depend d WHERE d.objid = c.oid AND d.classid = 'pg_class'::regclass
        AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e')"""
_VIRTUAL = "SELECT name FROM pragma_table_list WHERE type IN ('virtual', 'shadow')"

Filter = t.Callable[..., bool]


def leave_alone(scope: Scope) -> None:
    """Keep tables of others and our own ones out of the comparison."""
    patterns = scope.settings.ignore_tables
    modelled = _modelled(scope)

    @functools.cache
    def owned() -> frozenset[Key]:
        return frozenset(_owned_by_database(scope.connection))

    def ours(name: t.Any, schema: t.Any) -> bool:
        """Whether a table takes part."""
        key = (None if schema == scope.connection.dialect.default_schema_name else schema, str(name))
        if name in OWN_TABLES or matches(key, patterns):
            return False
        return key in modelled or not (matches(key, KNOWN) or key in owned())

    _compose(scope.options, "include_name", functools.partial(_names, ours))
    _compose(scope.options, "include_object", functools.partial(_objects, ours))


def matches(table: Key, patterns: t.Iterable[str]) -> bool:
    """Whether a table is named by a pattern; one without a dot is about every schema."""
    return any(fnmatch.fnmatchcase(label(table) if "." in item else table[1], item) for item in patterns)


def _names(ours: t.Callable[..., bool], name: t.Any, kind: str, parents: t.Any) -> bool:
    return kind != "table" or ours(name, parents.get("schema_name"))


def _objects(
    ours: t.Callable[..., bool], item: t.Any, name: t.Any, kind: str, reflected: bool, other: t.Any
) -> bool:
    return kind != "table" or ours(name, item.schema)


def _compose(options: dict[str, t.Any], name: str, ours: Filter) -> None:
    """Put our filter before the user's."""
    theirs = options.get(name)
    options[name] = (lambda *args: ours(*args) and theirs(*args)) if theirs is not None else ours


def _modelled(scope: Scope) -> frozenset[Key]:
    given = scope.options.get("target_metadata")
    default = scope.connection.dialect.default_schema_name
    metadatas = given if isinstance(given, (list, tuple, set)) else [given] if given is not None else []
    return frozenset(
        (None if table.schema == default else table.schema, table.name)
        for metadata in metadatas
        for table in metadata.tables.values()
    )


def _owned_by_database(connection: sa.Connection) -> t.Iterator[Key]:
    """Tables of PostgreSQL's extensions, partitions of other tables, SQLite's virtual tables and their shadows."""
    if connection.dialect.name == "postgresql":
        default = connection.dialect.default_schema_name
        for schema, name in connection.execute(sa.text(_EXTENSIONS)):
            yield (None if schema == default else schema, name)
    elif connection.dialect.name == "sqlite":
        try:
            for (name,) in connection.execute(sa.text(_VIRTUAL)):
                yield (None, name)
        except sa.exc.DBAPIError:
            # SQLite before 3.37 doesn't tell.
            return
