"""Schemas besides the default one: compared when the models use them, created when they aren't there.

Alembic compares either the default schema or every schema that the user may see. Here those take part that
the models use, and those that revision files name, so that a table which leaves a schema is seen. Whoever passes
``include_schemas`` decides alone.
"""

from __future__ import annotations

import functools
import pathlib
import re
import typing as t

import sqlalchemy as sa
from alembic.operations import ops
from sqlalchemy.schema import CreateSequence
from sqlalchemy.schema import DropSequence

from ...alembic_private import active_environment
from ...revisions.scripts import locations_of
from ...runtime.guard import Scope
from ...targets import current_tenant
from ..operations import Key
from ..operations import label
from ..operations import Statement
from ..operations.enums import Direction
from ..operations.enums import TypeStatements
from ..pipeline import PassContext

_NEVER_CREATED = "sqlite"
_NAMED = re.compile(r"""schema\s*=\s*(?:"([^"]+)"|'([^']+)')""")


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
    if current_tenant() is None:  # or every tenant's schema would be one of them
        used |= _in_revisions(scope)
    used &= there
    if used:
        theirs = options.get("include_name")
        options["include_schemas"] = True
        options["include_name"] = functools.partial(_included, frozenset(used), theirs)


def _included(used: frozenset[str], theirs: t.Any, name: t.Any, kind: str, parents: t.Any) -> bool:
    if kind == "schema" and name is not None and name not in used:
        return False
    return theirs is None or bool(theirs(name, kind, parents))


def _used(scope: Scope) -> set[str]:
    """Return the schemas of the models, without the default one."""
    given = scope.options.get("target_metadata")
    metadatas = given if isinstance(given, (list, tuple, set)) else [given] if given is not None else []
    schemas = {table.schema for metadata in metadatas for table in metadata.tables.values()}
    return {schema for schema in schemas if schema} - {scope.connection.dialect.default_schema_name or ""}


def _in_revisions(scope: Scope) -> set[str]:
    """Return the schemas that revision files name; reading them as text is enough."""
    env = active_environment()
    folders = locations_of(env.script).paths if env is not None else ()
    texts = (path.read_text("utf-8", "replace") for folder in folders for path in pathlib.Path(folder).rglob("*.py"))
    return {one or other for text in texts for one, other in _NAMED.findall(text)}


class SchemasPass:
    """Creates the schemas of new tables before the tables. Schemas stay when their tables are dropped."""

    name = "schemas"

    def apply(self, context: PassContext, up: ops.UpgradeOps) -> None:
        """Put ``CREATE SCHEMA IF NOT EXISTS`` in front."""
        if context.dialect == _NEVER_CREATED:
            return
        wanted = {schema for schema in map(_schema, up.ops) if schema}
        existing = {context.connection.dialect.default_schema_name, *context.inspector.get_schema_names()}
        missing = sorted(wanted - existing)
        up.ops[:0] = [_creation(context, schema) for schema in missing]


class SequencesPass:
    """Creates the sequences from which columns of the models take their values, on PostgreSQL.

    An existing sequence is left unchanged, and one that no column uses any more stays.
    """

    name = "sequences"

    def apply(self, context: PassContext, up: ops.UpgradeOps) -> None:
        """Put ``CREATE SEQUENCE`` in front."""
        if context.dialect != "postgresql" or context.renames:  # sequences follow a renamed table
            return
        wanted = {_key(context, item): item for table in context.tables.values() for item in _sequences(table)}
        for schema in {key[0] for key in wanted}:
            there = set(context.inspector.get_sequence_names(schema=schema))
            wanted = {key: item for key, item in wanted.items() if key[0] != schema or key[1] not in there}
        dialect = context.connection.dialect
        up.ops[:0] = [
            TypeStatements(
                Direction((str(CreateSequence(item).compile(dialect=dialect)),), f"add sequence {label(key)}"),
                Direction((str(DropSequence(item).compile(dialect=dialect)),), f"drop sequence {label(key)}"),
            )
            for key, item in sorted(wanted.items(), key=str)
        ]


def _sequences(table: sa.Table) -> t.Iterator[sa.Sequence]:
    for column in table.columns:
        clause = getattr(column.server_default, "arg", None)
        for item in (column.default, getattr(clause, "sequence", None)):
            if isinstance(item, sa.Sequence) and not item.optional:
                yield item


def _key(context: PassContext, sequence: sa.Sequence) -> Key:
    default = context.connection.dialect.default_schema_name
    return (None if sequence.schema == default else sequence.schema, sequence.name)


def _schema(operation: t.Any) -> str | None:
    """Return the schema that an operation puts a table into."""
    moves = isinstance(operation, Statement) and operation.schema is not None
    return operation.schema if isinstance(operation, ops.CreateTableOp) or moves else None


def _creation(context: PassContext, schema: str) -> Statement:
    quoted = context.connection.dialect.identifier_preparer.quote(schema)
    return Statement(f"CREATE SCHEMA IF NOT EXISTS {quoted}", None, (f"create schema {schema}", ""), "", None)
