"""Filters that keep the tables of other programs, and our own, out of ``migrate`` and ``check``.

Without a model such a table looks like one whose model was removed, and would be dropped. PostgreSQL tells which
tables belong to extensions and SQLite which are virtual; others are known by name. A table that the models define is
compared, unless a pattern of the setting names it. The user's ``include_name`` and ``include_object`` are asked about
the tables that remain.
"""

from __future__ import annotations

import fnmatch
import functools
import typing as t

import sqlalchemy as sa

from ...runtime.guard import Scope
from ...runtime.own_tables import is_own_table
from ...targets import current_tenant
from ..operations import Key
from ..operations import label

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

_INHERITED = """
    SELECT n.nspname, c.relname, a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace WHERE a.attinhcount > 0 AND NOT c.relispartition"""

Column = tuple[str | None, str, str]

FILTERS = "schemaflow_filters"
"""The option under which ``context.configure()`` keeps the :class:`Filter` objects of a comparison, by their names."""

Accepts = t.Callable[..., bool]


class Filter:
    """An ``include_name`` or ``include_object``: our filter, then the user's.

    :param ours: Returns false for tables that belong to other programs.
    :param theirs: The function that env.py or ``Migrate`` was given, if any.
    """

    def __init__(self, ours: Accepts, theirs: Accepts | None) -> None:
        self.ours = ours
        self.theirs = theirs

    def __call__(self, *arguments: t.Any) -> bool:
        return self.ours(*arguments) and (self.theirs is None or bool(self.theirs(*arguments)))

    def rejects_unknown(self, *arguments: t.Any) -> bool:
        """Return whether the user's function hides something that has no model, given an invented name."""
        try:
            return self.theirs is not None and not self.theirs(*arguments)
        except Exception:
            return False  # It looks the name up somewhere; it can't be one that hides what isn't known.


def leave_alone(scope: Scope) -> None:
    """Keep the tables of other programs, and our own, out of the comparison."""
    patterns = scope.settings.ignore_tables
    modelled = _tables(scope).keys()
    belongs = own_history(scope)

    @functools.cache
    def owned() -> frozenset[Key]:
        return frozenset(owned_by_database(scope.connection))

    def takes_part(name: t.Any, schema: t.Any) -> bool:
        key = (None if schema == scope.connection.dialect.default_schema_name else schema, str(name))
        if is_own_table(str(name)) or matches(key, patterns) or not belongs(key):
            return False
        return key in modelled or not (matches(key, KNOWN) or key in owned())

    @functools.cache
    def views(schema: str | None) -> frozenset[str]:
        inspector = sa.inspect(scope.connection)
        if schema is not None and not inspector.has_schema(schema):
            return frozenset()  # MySQL and MariaDB refuse to list the views of a database that is still to be created.
        read = [inspector.get_view_names]
        if scope.dialect == "postgresql":
            read.append(inspector.get_materialized_view_names)
        return frozenset(name for names in read for name in names(schema=schema))

    inherited = _inherited(scope)
    filters = {
        "include_name": Filter(functools.partial(_names, takes_part, inherited), scope.options.get("include_name")),
        "include_object": Filter(functools.partial(_objects, takes_part, views), scope.options.get("include_object")),
    }
    scope.options.update(filters)
    scope.options[FILTERS] = filters


def own_history(scope: Scope) -> t.Callable[[Key], bool]:
    """Return a function that tells which tables the history has that is written or checked.

    A tenant's has those of its schema; tables whose models name a schema are shared, and have a history of their own.
    """
    shared = {table.name for table in _models(scope) if table.schema is not None}
    target = current_tenant()
    if target is not None and target.tenant.schema is not None:
        if not target.tenant.search_path:
            return lambda key: key[0] is None
        own = set(sa.inspect(scope.connection).get_table_names(schema=target.tenant.schema))
        names = own | {table.name for table in _models(scope) if table.schema is None}
        return lambda key: key[0] is None and key[1] in names
    has_tenants = scope.state.tenants is not None or scope.settings.tenants is not None
    if target is None and has_tenants and shared and scope.dialect == "postgresql":
        tenants = {table.name for table in _models(scope) if table.schema is None} - shared
        return lambda key: key[0] is not None or key[1] not in tenants
    return lambda key: True


def _models(scope: Scope) -> t.Iterator[sa.Table]:
    for metadata in metadatas_of(scope.options):
        yield from metadata.tables.values()


def matches(table: Key, patterns: t.Iterable[str]) -> bool:
    """Return whether a pattern names a table; a pattern without a dot is about every schema."""
    return any(fnmatch.fnmatchcase(label(table) if "." in item else table[1], item) for item in patterns)


def metadatas_of(options: t.Mapping[str, t.Any]) -> list[sa.MetaData]:
    """Return the models that ``context.configure()`` was given, one MetaData or several."""
    given = options.get("target_metadata")
    return list(given) if isinstance(given, (list, tuple, set)) else [given] if given is not None else []


def _names(ours: t.Callable[..., bool], inherited: frozenset[Column], name: t.Any, kind: str, parents: t.Any) -> bool:
    if kind == "column":
        return (parents.get("schema_name"), parents.get("table_name"), name) not in inherited
    return kind != "table" or ours(name, parents.get("schema_name"))


def _objects(
    ours: t.Callable[..., bool],
    views: t.Callable[[str | None], frozenset[str]],
    item: t.Any,
    name: t.Any,
    kind: str,
    reflected: bool,
    other: t.Any,
) -> bool:
    if kind != "table":
        return True
    is_view = not reflected and other is None and name in views(item.schema)  # a model of a view creates no table
    return ours(name, item.schema) and not is_view


def _inherited(scope: Scope) -> frozenset[Column]:
    """Return the columns that tables of PostgreSQL inherit from others and that their models don't repeat."""
    tables = _tables(scope)
    inheriting = [table for table in tables.values() if table.dialect_kwargs.get("postgresql_inherits")]
    if not inheriting or scope.dialect != "postgresql":
        return frozenset()
    default = scope.connection.dialect.default_schema_name
    rows = scope.connection.execute(sa.text(_INHERITED))
    columns = [(None if schema == default else schema, table, name) for schema, table, name in rows]
    return frozenset(item for item in columns if item[:2] in tables and item[2] not in tables[item[:2]].columns)


def _tables(scope: Scope) -> dict[Key, sa.Table]:
    default = scope.connection.dialect.default_schema_name
    return {
        (None if table.schema == default else table.schema, table.name): table
        for metadata in metadatas_of(scope.options)
        for table in metadata.tables.values()
    }


def owned_by_database(connection: sa.Connection) -> t.Iterator[Key]:
    """Yield PostgreSQL's extension tables and partitions, or SQLite's virtual tables and their shadows."""
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
