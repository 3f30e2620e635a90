"""Compares indexes, unique and EXCLUDE constraints by all that the database keeps of them.

Alembic compares columns and uniqueness; here methods, conditions, INCLUDE, operator classes, options, lengths, sorting
and kinds count as well. PostgreSQL is given what looks special in a temporary table, and says it in its own words;
MariaDB keeps little enough to be compared with the statement that the model would send.
"""

from __future__ import annotations

import re
import typing as t

import sqlalchemy as sa
from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from alembic.util import PriorityDispatchResult
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlalchemy.schema import CreateIndex

from ...backfills.sql import single_percents
from ...runtime.guard import MYSQL
from .. import names
from ..operations import is_about_index
from ..operations import label
from ..operations.enums import Direction
from ..operations.enums import TypeStatements
from ..reflection.normalized import mirror_of
from ..reflection.renamed_inspector import Renames
from ..reflection.renamed_inspector import renames_of

_CONTINUE = PriorityDispatchResult.CONTINUE
_PLAIN = re.compile(r'btree \((?:\w+|"[^"]+")(?:, (?:\w+|"[^"]+"))*\)')
_PLAIN_UNIQUE = re.compile(r'UNIQUE \((?:\w+|"[^"]+")(?:, (?:\w+|"[^"]+"))*\)')

Definitions = dict[tuple[str, str], dict[str, t.Any]]
"""Definitions by name, for each schema and table."""

_POSTGRESQL_INDEXES = """
SELECT n.nspname, c.relname, i.relname, x.indisunique, pg_get_indexdef(x.indexrelid)
FROM pg_index AS x JOIN pg_class AS i ON i.oid = x.indexrelid JOIN pg_class AS c ON c.oid = x.indrelid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE NOT EXISTS (SELECT FROM pg_constraint AS k WHERE k.conindid = x.indexrelid AND k.contype IN ('p', 'u', 'x'))
AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
"""
_POSTGRESQL_CONSTRAINTS = """
SELECT n.nspname, c.relname, k.conname, k.contype::text, pg_get_constraintdef(k.oid)
FROM pg_constraint AS k JOIN pg_class AS c ON c.oid = k.conrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE k.contype IN ('u', 'x') AND k.conparentid = 0
"""
_MYSQL_INDEXES = """
SELECT table_schema, table_name, index_name, index_type, column_name, sub_part, collation
FROM information_schema.statistics WHERE table_schema = coalesce(:schema, database()) AND column_name IS NOT NULL
ORDER BY table_name, index_name, seq_in_index
"""


def compare_indexes(
    context: AutogenContext,
    change: ops.ModifyTableOps,
    schema: str | None,
    name: str,
    found: sa.Table | None,
    model: sa.Table | None,
) -> PriorityDispatchResult:
    """Replace indexes that differ in what Alembic doesn't compare, and leave alone those that only look different."""
    if found is None or model is None:
        return _CONTINUE
    if context.dialect.name == "postgresql":
        _compare_postgresql_indexes(context, change, found, model)
        _compare_postgresql_constraints(context, change, found, model)
    elif context.dialect.name in MYSQL:
        _compare_mysql_indexes(context, change, found, model)
    return _CONTINUE


def _known(
    context: AutogenContext,
    kind: str,
    read: t.Callable[[], Definitions],
    table: sa.Table,
    renamed: t.Callable[[Renames, t.Any, t.Any], t.Any],
) -> dict[str, t.Any]:
    """Return the definitions of a table, which are read once for all tables.

    :param renamed: returns a definition of the table with the new names of its columns.
    """
    memo = context.migration_context.impl.memo.setdefault("schemaflow_indexes", {})
    if kind not in memo:
        memo[kind] = read()
    renames = renames_of(context.inspector)
    schema, name = renames.stored(table)
    key = renames.key(table.schema, table.name)
    definitions = t.cast(Definitions, memo[kind]).get((schema or str(context.dialect.default_schema_name), name), {})
    return {renames.name(key, name): renamed(renames, key, definition) for name, definition in definitions.items()}


def _renamed_text(renames: Renames, table: t.Any, definition: tuple[t.Any, str]) -> tuple[t.Any, t.Any]:
    return definition[0], renames.expression(table, definition[1])


def _rows(context: AutogenContext, query: str, **values: t.Any) -> t.Iterable[t.Any]:
    assert context.connection is not None
    return context.connection.execute(sa.text(query), values)


def _compare_postgresql_indexes(
    context: AutogenContext, change: ops.ModifyTableOps, found: sa.Table, model: sa.Table
) -> None:
    def read() -> Definitions:
        made: Definitions = {}
        for schema, table, name, unique, text in _rows(context, _POSTGRESQL_INDEXES):
            made.setdefault((schema, table), {})[name] = (unique, after_using(text))
        return made

    stored = _known(context, "indexes", read, found, _renamed_text)
    for index in sorted(model.indexes, key=lambda item: str(item.name)):
        definition = stored.get(str(index.name))
        if definition is None or (_PLAIN.fullmatch(definition[1]) and _is_plain(index)):
            continue
        wanted = mirror_of(context).index(index)
        if wanted is not None:
            _settle(context, change, index, found, definition == (bool(index.unique), after_using(wanted)))


def after_using(definition: str) -> str:
    """Return the part of PostgreSQL's CREATE INDEX that says how, and nothing of names."""
    return definition.partition(" USING ")[2]


def _is_plain(index: sa.Index) -> bool:
    return not index.dialect_kwargs and all(isinstance(item, sa.Column) for item in index.expressions)


def _settle(
    context: AutogenContext, change: ops.ModifyTableOps, index: sa.Index, found: sa.Table, is_same: bool
) -> None:
    """Take away what Alembic wrote about an index that is the same, or replace one of which it wrote nothing."""
    own = [item for item in change.ops if is_about_index(item, str(index.name))]
    if is_same:
        change.ops[:] = [item for item in change.ops if item not in own]
        return
    reflected = next((item for item in found.indexes if item.name == index.name), None)
    if own or reflected is None or not _is_wanted(context, index, "index", False, reflected):
        return
    change.ops += [ops.DropIndexOp.from_index(reflected), ops.CreateIndexOp.from_index(index)]


def _is_wanted(context: AutogenContext, item: t.Any, kind: t.Any, reflected: bool, other: t.Any) -> bool:
    return context.run_object_filters(item, item.name, kind, reflected, other)


def _compare_postgresql_constraints(
    context: AutogenContext, change: ops.ModifyTableOps, found: sa.Table, model: sa.Table
) -> None:
    """Compare EXCLUDE constraints, and what unique constraints have besides their columns."""

    def read() -> Definitions:
        made: Definitions = {}
        for schema, table, name, kind, text in _rows(context, _POSTGRESQL_CONSTRAINTS):
            made.setdefault((schema, table), {})[name] = (kind, text)
        return made

    stored = _known(context, "constraints", read, found, _renamed_text)
    for constraint in sorted(_special(model, stored), key=lambda item: str(item.name)):
        wanted = mirror_of(context).constraint(constraint)
        name = str(constraint.name) if names.is_named(constraint.name) else ""
        old = stored.pop(name, None) if name else _without_name(stored, wanted)
        if wanted is None or not _is_wanted(context, constraint, "unique_constraint", False, None):
            continue
        name = name or str(names.final("excl", found.name, *(column.name for column in constraint.columns)))
        _take_out(change, name)
        if old is None or old[1] != wanted:
            change.ops.append(_constraint(context, found, name, None if old is None else old[1], wanted))
    for name, (kind, text) in sorted(stored.items()):
        is_replaced = not _PLAIN_UNIQUE.fullmatch(text) and _take_out(change, name)
        if is_replaced or (kind == "x" and _is_compared(context, found, name)):
            change.ops.append(_constraint(context, found, name, text, None))


def _is_compared(context: AutogenContext, table: sa.Table, name: str) -> bool:
    """Return whether the user's filters let a constraint without a model take part; SQLAlchemy reflects no EXCLUDE."""
    constraint = sa.UniqueConstraint(name=name)
    sa.Table(table.name, sa.MetaData(), constraint, schema=table.schema)
    parents: t.Any = {"schema_name": table.schema, "table_name": table.name}
    by_name = context.run_name_filters(name, "unique_constraint", parents)
    return by_name and _is_wanted(context, constraint, "unique_constraint", True, None)


def _take_out(change: ops.ModifyTableOps, name: str) -> bool:
    """Take away what Alembic wrote about a constraint; it can't write all of it."""
    kinds = (ops.CreateUniqueConstraintOp, ops.DropConstraintOp)
    own = [item for item in change.ops if isinstance(item, kinds) and item.constraint_name == name]
    change.ops[:] = [item for item in change.ops if item not in own]
    return bool(own)


def _special(model: sa.Table, stored: t.Mapping[str, t.Any]) -> list[t.Any]:
    """Return the constraints of a model that may be more than unique columns, there or in the database."""
    plain = {name for name, (_, text) in stored.items() if _PLAIN_UNIQUE.fullmatch(text)}
    return [
        item
        for item in model.constraints
        if isinstance(item, ExcludeConstraint)
        or isinstance(item, sa.UniqueConstraint)
        and (item.dialect_kwargs or item.deferrable is not None or str(item.name) in stored.keys() - plain)
    ]


def _without_name(stored: dict[str, t.Any], wanted: str | None) -> t.Any:
    name = next((name for name, (_, text) in stored.items() if text == wanted), None)
    return None if name is None else stored.pop(name)


def _constraint(
    context: AutogenContext, table: sa.Table, name: str, old: str | None, new: str | None
) -> TypeStatements:
    """Return the statements that replace a constraint, in PostgreSQL's words."""
    preparer = context.dialect.identifier_preparer
    alter, quoted = f"ALTER TABLE {preparer.format_table(table)}", preparer.quote(name)
    words = f"constraint {name} of {label((table.schema, table.name))}"
    drop = f"{alter} DROP CONSTRAINT IF EXISTS {quoted}"

    def direction(before: str | None, after: str | None) -> Direction:
        statements = [*([drop] if before else []), *([f"{alter} ADD CONSTRAINT {quoted} {after}"] if after else [])]
        return Direction(tuple(statements), f"{'change' if before and after else 'add' if after else 'drop'} {words}")

    return TypeStatements(direction(old, new), direction(new, old), table.name)


def _compare_mysql_indexes(
    context: AutogenContext, change: ops.ModifyTableOps, found: sa.Table, model: sa.Table
) -> None:
    source = renames_of(context.inspector).stored(found)

    def read() -> Definitions:
        made: Definitions = {}
        rows = _rows(context, _MYSQL_INDEXES, schema=source[0])
        for schema, table, name, kind, column, length, collation in rows:
            special = kind if kind in ("FULLTEXT", "SPATIAL") else ""
            parts = made.setdefault((schema, table), {}).setdefault(name, (special, []))[1]
            parts.append((column, None if special else length, collation == "D"))
        return made

    stored = _known(context, f"indexes {source[0]}", read, found, _renamed_parts)
    for index in sorted(model.indexes, key=lambda item: str(item.name)):
        definition = stored.get(str(index.name))
        if definition is not None:
            wanted = _Statement(context.dialect, index)
            if wanted.is_read and (wanted.differs_by_form or definition != wanted.meaning):
                _settle(context, change, index, found, definition == wanted.meaning)


def _renamed_parts(renames: Renames, table: t.Any, definition: t.Any) -> t.Any:
    kind, parts = definition
    return kind, [(renames.column(table, column), *rest) for column, *rest in parts]


class _Statement:
    """MariaDB's CREATE INDEX for an index of the models, taken apart.

    :ivar meaning: the kind, and name, length and direction of each column.
    :ivar is_read: whether all of it is understood.
    """

    def __init__(self, dialect: sa.Dialect, index: sa.Index) -> None:
        text = single_percents(str(CreateIndex(index).compile(dialect=dialect)), dialect)
        head, _, body = text.partition(f" ON {dialect.identifier_preparer.format_table(t.cast(t.Any, index.table))} (")
        parts = [_PART.fullmatch(part.strip()) for part in body[: body.rindex(")")].split(", ")]
        self.is_read = all(parts)
        self.differs_by_form = not all(isinstance(item, sa.Column) for item in index.expressions)
        kind = next((word for word in ("FULLTEXT", "SPATIAL") if f" {word} " in head), "")
        columns = t.cast(sa.Table, index.table).columns
        described = [_described(part, columns, dialect) for part in parts if part is not None]
        self.meaning = (kind, [(name, None if kind else length, down) for name, length, down in described])


_PART = re.compile(r"(?:`((?:[^`]|``)+)`|(\w+))(?:\((\d+)\))?(?:\s+(ASC|DESC))?", 2)  # without regard to case


def _described(part: t.Any, columns: t.Any, dialect: sa.Dialect) -> tuple[str, int | None, bool]:
    name = part[1].replace("``", "`") if part[1] else part[2]
    whole = getattr(columns[name].type, "length", None) if name in columns else None
    length = int(part[3]) if part[3] and (whole is None or int(part[3]) < whole) else None
    return name, length, (part[4] or "").upper() == "DESC" and _sorts_down(dialect)


def _sorts_down(dialect: t.Any) -> bool:
    """Return whether the server keeps that an index is sorted downwards; older ones take no notice."""
    return bool(dialect.server_version_info >= ((10, 8) if dialect.is_mariadb else (8,)))
