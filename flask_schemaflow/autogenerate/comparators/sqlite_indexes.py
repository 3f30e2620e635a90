"""Indexes on SQLite that Alembic doesn't compare in full: with expressions, descending columns or a condition.

Alembic leaves them out of every comparison with a warning, so they would never be created. SQLite keeps the statement
of each index, which is compared with the statement that the model would send.
"""

from __future__ import annotations

import typing as t

import sqlalchemy as sa
from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from alembic.util import PriorityDispatchResult

from ...runtime.guards.sqlite.render import index_text
from ...runtime.guards.sqlite.tokens import in_parentheses
from ...runtime.guards.sqlite.tokens import normalised
from ...runtime.guards.sqlite.tokens import significant
from ...runtime.guards.sqlite.tokens import split
from ...runtime.guards.sqlite.tokens import text_of
from ...runtime.guards.sqlite.tokens import tokens
from ..reflection.renamed_inspector import renames_of
from ..sql_text import clause

_QUERY = "SELECT name, sql FROM {schema}.sqlite_master WHERE type = 'index' AND sql IS NOT NULL AND tbl_name = ?"


class IndexText:
    """A CREATE INDEX statement, taken apart.

    :ivar parts: the columns and expressions, as they are written.
    :ivar where: the condition; empty when there is none.
    """

    def __init__(self, sql: str) -> None:
        pieces = tokens(sql)
        start = next(place for place, piece in enumerate(pieces) if piece.text == "(")
        inside = in_parentheses(pieces[start:])
        self.unique = "UNIQUE" in [piece.keyword for piece in significant(pieces[:start])]
        self.parts = [text_of(part).strip() for part in split(inside)]
        self.where = text_of(pieces[start + len(inside) + 2 :]).strip()[len("WHERE") :].strip()

    def renamed(self, rename: t.Callable[[str], str]) -> IndexText:
        """Return this index with the new names of its columns, which ``rename`` puts into SQL."""
        self.parts, self.where = [rename(part) for part in self.parts], rename(self.where)
        return self

    @property
    def is_plain(self) -> bool:
        """Whether it has nothing but columns, so that Alembic compares all of it."""
        return not self.where and all(len(significant(tokens(part))) == 1 for part in self.parts)

    @property
    def meaning(self) -> tuple[bool, list[str], str]:
        """The index in a form that can be compared."""
        return self.unique, [normalised(part).removesuffix(" asc") for part in self.parts], normalised(self.where)

    def index(self, name: str, table: sa.Table) -> sa.Index:
        """Return the index for an operation; what isn't a column is literal SQL."""
        columns = [table.columns[part] if part in table.columns else sa.literal_column(part) for part in self.parts]
        options = {"sqlite_where": clause(self.where)} if self.where else {}
        index = sa.Index(name, *columns, unique=self.unique, **t.cast(t.Any, options))
        if index.table is None:
            table.append_constraint(t.cast(t.Any, index))
        return index


def compare_sqlite_indexes(
    context: AutogenContext,
    change: ops.ModifyTableOps,
    schema: str | None,
    name: str,
    reflected: sa.Table | None,
    model: sa.Table | None,
) -> PriorityDispatchResult:
    """Create, drop and replace the indexes that Alembic leaves out."""
    if context.dialect.name != "sqlite" or context.connection is None:
        return PriorityDispatchResult.CONTINUE
    stored = _stored(context, schema, reflected)
    wanted = {str(item.name): item for item in model.indexes if item.name} if model is not None else {}
    texts = {key: IndexText(index_text(item, context.dialect)) for key, item in wanted.items()}
    drops: list[ops.MigrateOperation] = []
    creates: list[ops.MigrateOperation] = []
    for key in sorted(stored.keys() | texts.keys()):
        old, new = stored.get(key), texts.get(key)
        if all(text is None or text.is_plain for text in (old, new)) and _has_columns_only(wanted.get(key)):
            continue
        change.ops[:] = [item for item in change.ops if not _is_about(item, key)]
        if old is not None and new is not None and old.meaning == new.meaning:
            continue
        if old is not None and reflected is not None:
            drops += _filtered(context, old.index(key, reflected), True, ops.DropIndexOp)
        if new is not None:
            creates += _filtered(context, wanted[key], False, ops.CreateIndexOp)
    change.ops[:] = [*drops, *change.ops, *creates]
    return PriorityDispatchResult.CONTINUE


def _stored(context: AutogenContext, schema: str | None, table: sa.Table | None) -> dict[str, IndexText]:
    if table is None or context.connection is None:
        return {}
    query = _QUERY.format(schema=context.dialect.identifier_preparer.quote(schema or "main"))
    renames = renames_of(context.inspector)
    key = renames.key(table.schema, table.name)
    rows = context.connection.exec_driver_sql(query, (renames.stored(table)[1],)).all()
    texts = {renames.name(key, name): IndexText(sql) for name, sql in rows}
    return {name: text.renamed(lambda sql: str(renames.expression(key, sql))) for name, text in texts.items()}


def _has_columns_only(index: sa.Index | None) -> bool:
    return index is None or all(isinstance(item, sa.Column) for item in index.expressions)


def _is_about(operation: ops.MigrateOperation, name: str) -> bool:
    return isinstance(operation, (ops.CreateIndexOp, ops.DropIndexOp)) and operation.index_name == name


def _filtered(context: AutogenContext, index: sa.Index, reflected: bool, kind: t.Any) -> list[t.Any]:
    """Return the operation, unless the application's ``include_object`` leaves the index out."""
    included = context.run_object_filters(index, t.cast(t.Any, index.name), "index", reflected, None)
    return [kind.from_index(index)] if included else []
