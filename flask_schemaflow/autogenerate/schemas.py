"""Schemas besides the default one: compared when the models use them, created when they aren't there.

Alembic compares either the default schema or every schema that the user may see. Here those take part that
the models use, and those that revision files name, so that a table which leaves a schema is seen. Whoever passes
``include_schemas`` decides alone.
"""

from __future__ import annotations

import functools
import pathlib
import typing as t

import sqlalchemy as sa
from alembic.operations import ops

from ..patterns import pattern
from ..runtime.guards import Scope
from ..runtime.private import active_environment
from ..runtime.scripts import locations_of
from .operations import Statement
from .pipeline import PassContext

_NEVER_CREATED = "sqlite"
_NAMED = pattern(r"""schema\s*=\s*(?:"([^"]+)"|'([^']+)')""")


def take_part(scope: Scope) -> None:
    """Have the schemas of the models and of the revision files take part in a comparison."""
    options = scope.options
    if "include_schemas" in options:
        return
    used = _used(scope)
    if not used and scope.dialect == "sqlite":
        return
    there = set(sa.inspect(scope.connection).get_schema_names()) - {scope.connection.dialect.default_schema_name}
    if not used and not there:
        return
    used = (used | _in_revisions(scope)) & there
    if used:
        theirs = options.get("include_name")
        options["include_schemas"] = True
        options["include_name"] = functools.partial(_included, frozenset(used), theirs)


def _included(used: frozenset[str], theirs: t.Any, name: t.Any, kind: str, parents: t.Any) -> bool:
    if kind == "schema" and name is not None and name not in used:
        return False
    return theirs is None or bool(theirs(name, kind, parents))


def _used(scope: Scope) -> set[str]:
    """The schemas of the models, without the default one."""
    given = scope.options.get("target_metadata")
    metadatas = given if isinstance(given, (list, tuple, set)) else [given] if given is not None else []
    schemas = {table.schema for metadata in metadatas for table in metadata.tables.values()}
    return {schema for schema in schemas if schema} - {scope.connection.dialect.default_schema_name or ""}


def _in_revisions(scope: Scope) -> set[str]:
    """The schemas that revision files name; reading them as text is enough."""
    env = active_environment()
    folders = locations_of(env.script).paths if env is not None else ()
    texts = (path.read_text("utf-8", "replace") for folder in folders for path in pathlib.Path(folder).rglob("*.py"))
    return {one or other for text in texts for one, other in _NAMED.findall(text)}


class SchemasPass:
    """Creates the schemas of new tables before the tables; they stay when the tables go."""

    name = "schemas"

    def apply(self, context: PassContext, up: ops.UpgradeOps) -> None:
        """Put ``CREATE SCHEMA IF NOT EXISTS`` in front."""
        if context.dialect == _NEVER_CREATED:
            return
        wanted = {schema for schema in map(_schema, up.ops) if schema}
        missing = sorted(wanted - {context.connection.dialect.default_schema_name} - _existing(context))
        up.ops[:0] = [_creation(context, schema) for schema in missing]


def _schema(operation: t.Any) -> str | None:
    """The schema that an operation puts a table into."""
    moves = isinstance(operation, Statement) and operation.schema is not None
    return operation.schema if isinstance(operation, ops.CreateTableOp) or moves else None


def _existing(context: PassContext) -> set[str]:
    return set(context.inspector.get_schema_names())


def _creation(context: PassContext, schema: str) -> Statement:
    quoted = context.connection.dialect.identifier_preparer.quote(schema)
    return Statement(f"CREATE SCHEMA IF NOT EXISTS {quoted}", None, (f"create schema {schema}", ""), "", None)
