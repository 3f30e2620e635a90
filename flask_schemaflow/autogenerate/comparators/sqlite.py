"""What Alembic doesn't compare on SQLite: indexes with expressions, descending columns or a condition, unnamed uniques.

Alembic leaves such indexes out of every comparison with a warning, so they would never be created. SQLite keeps the
statement of each index, which is compared with the statement that the model would send.

Only SQLite has unique constraints without a name. SQLAlchemy reads them from the table's text by patterns that miss
some (``VARCHAR(50) UNIQUE``), and Alembic compares only what has a name. SQLite itself knows all of them by their
indexes.
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
from .. import names
from ..operations import is_about_index
from ..reflection.renamed_inspector import renames_of
from ..sql_text import clause

_INDEXES = "SELECT name, sql FROM {schema}.sqlite_master WHERE type = 'index' AND sql IS NOT NULL AND tbl_name = ?"
_UNIQUES = """
    SELECT t.name, l.name, i.name
    FROM {schema}.sqlite_master AS t, pragma_index_list(t.name, :schema) AS l, pragma_index_info(l.name, :schema) AS i
    WHERE t.type = 'table' AND l.origin = 'u'"""

Columns = frozenset[str]


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
        change.ops[:] = [item for item in change.ops if not is_about_index(item, key)]
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
    query = _INDEXES.format(schema=context.dialect.identifier_preparer.quote(schema or "main"))
    renames = renames_of(context.inspector)
    key = renames.key(table.schema, table.name)
    rows = context.connection.exec_driver_sql(query, (renames.stored(table)[1],)).all()
    texts = {renames.name(key, name): IndexText(sql) for name, sql in rows}
    return {name: text.renamed(lambda sql: str(renames.expression(key, sql))) for name, text in texts.items()}


def _has_columns_only(index: sa.Index | None) -> bool:
    return index is None or all(isinstance(item, sa.Column) for item in index.expressions)


def _filtered(context: AutogenContext, index: sa.Index, reflected: bool, kind: t.Any) -> list[t.Any]:
    """Return the operation, unless the application's ``include_object`` leaves the index out."""
    included = context.run_object_filters(index, t.cast(t.Any, index.name), "index", reflected, None)
    return [kind.from_index(index)] if included else []


def compare_unnamed(
    context: AutogenContext,
    change: ops.ModifyTableOps,
    schema: str | None,
    name: str,
    found: sa.Table | None,
    model: sa.Table | None,
) -> PriorityDispatchResult:
    """Drop what no model has, and don't create what is there without a name."""
    if found is None or model is None or context.dialect.name != "sqlite":
        return PriorityDispatchResult.CONTINUE
    there = _unnamed(context, found, schema)
    wanted = {_columns(item) for item in model.constraints if _is_unnamed_unique(item)}
    change.ops[:] = [item for item in change.ops if not _creates(item, there & wanted)]
    for columns in sorted(there - wanted, key=sorted):
        # A column that goes takes its constraint along.
        if columns <= {column.name for column in model.columns}:
            constraint = _constraint(found, columns)
            if context.run_object_filters(constraint, None, "unique_constraint", True, None):
                change.ops.insert(0, ops.DropConstraintOp.from_constraint(constraint))
    return PriorityDispatchResult.CONTINUE


def _unnamed(context: AutogenContext, found: sa.Table, schema: str | None) -> set[Columns]:
    """Return the columns of each constraint."""
    renames = renames_of(context.inspector)
    key = renames.key(found.schema, found.name)
    indexed = _indexed(context, schema or "main").get(renames.stored(found)[1], set())
    seen = {_columns(item) for item in found.constraints if _is_unnamed_unique(item)}
    named = {
        _columns(item)
        for item in found.constraints
        if isinstance(item, sa.UniqueConstraint) and names.is_named(item.name)
    }
    return seen | ({frozenset(renames.column(key, name) for name in columns) for columns in indexed} - named)


def _indexed(context: AutogenContext, schema: str) -> dict[str, set[Columns]]:
    """Return the columns of the indexes behind unique constraints, by table; they are read once for all tables."""
    memo = context.migration_context.impl.memo.setdefault("schemaflow_uniques", {})
    if schema not in memo:
        assert context.connection is not None
        indexes: dict[tuple[str, str], set[str]] = {}
        query = sa.text(_UNIQUES.format(schema=context.dialect.identifier_preparer.quote(schema)))
        for table, index, column in context.connection.execute(query, {"schema": schema}):
            indexes.setdefault((table, index), set()).add(column)
        memo[schema] = {}
        for (table, _), columns in indexes.items():
            memo[schema].setdefault(table, set()).add(frozenset(columns))
    return t.cast("dict[str, set[Columns]]", memo[schema])


def _is_unnamed_unique(constraint: sa.Constraint) -> bool:
    return isinstance(constraint, sa.UniqueConstraint) and not names.is_named(constraint.name)


def _columns(constraint: sa.Constraint) -> Columns:
    return frozenset(column.name for column in getattr(constraint, "columns", ()))


def _creates(change: ops.MigrateOperation, present: set[Columns]) -> bool:
    """Return whether a change creates a constraint without a name that is there."""
    if not isinstance(change, ops.CreateUniqueConstraintOp) or names.is_named(change.constraint_name):
        return False
    return frozenset(str(getattr(column, "name", column)) for column in change.columns) in present


def _constraint(table: sa.Table, columns: Columns) -> sa.UniqueConstraint:
    for item in table.constraints:
        if isinstance(item, sa.UniqueConstraint) and not names.is_named(item.name) and _columns(item) == columns:
            return item
    made = sa.UniqueConstraint(*[column.name for column in table.columns if column.name in columns])
    table.append_constraint(made)
    return made
