"""The pass that turns drops and additions into renames, or into questions where it can't know.

What is certain, answered or marked in the models is renamed; then the comparison runs again and sees a
database in which the renames were done (:mod:`.renamed_inspector`), so that every other change of the same
tables and columns is found as if nothing had been renamed.
"""

from __future__ import annotations

import dataclasses
import typing as t

from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops

from . import settling
from .followers import mark_recreated
from .live_shapes import Changed
from .live_shapes import changed
from .live_shapes import database_shapes
from .live_shapes import model_shapes
from .live_shapes import normal
from .object_names import name_changes
from .operations import Key
from .operations import label
from .pipeline import PassContext
from .rename_operations import rename_operations
from .rename_questions import column_question
from .rename_questions import table_question
from .renamed_inspector import Renames
from .renames import detect
from .renames import Detection
from .renames import Schema
from .renames import Settled
from .renames import TableShape
from .settling import Ground

_MOVES_BETWEEN_SCHEMAS = ("postgresql", "mysql", "mariadb")


class RenamesPass:
    """Finds what was renamed, asks about what may have been, and writes renames."""

    name = "renames"

    def apply(self, context: PassContext, up: ops.UpgradeOps) -> None:
        """Replace the drops and additions of ``up`` that are renames, or ask."""
        default = context.connection.dialect.default_schema_name
        found = normal(changed(up), default)
        asked = context.settings.renames != "never"
        decided = settling.has_decisions(context.answers, context.tables, found)
        if not (decided or (asked and found.could_be_renames)):
            return
        ground = _ground(context, found)
        settled, detection = _decide(context, ground)
        if context.settings.renames == "ask" and (detection.ask_tables or detection.ask_columns):
            context.questions.extend(table_question(item, context.database) for item in detection.ask_tables)
            old_names = {**_swapped(settled.tables), **{item.new: item.old for item in detection.tables}}
            context.questions.extend(
                column_question(item, old_names, context.database) for item in detection.ask_columns
            )
            return
        renames = _renames(ground, settled, detection, default)
        if renames:
            _rewrite(context, up, renames)


def _swapped(tables: t.Mapping[str, str]) -> dict[str, str]:
    return {new: old for old, new in tables.items()}


def _ground(context: PassContext, found: Changed) -> Ground:
    before, after = database_shapes(context, found), model_shapes(context, found)
    compared = before.keys() & after.keys()
    trimmed_before = {
        key: _only(shape, set(after[key].by_name) | found.lost[key]) if key in compared else shape
        for key, shape in before.items()
    }
    trimmed_after = {
        key: _only(shape, set(before[key].by_name) | found.won[key]) if key in compared else shape
        for key, shape in after.items()
    }
    movable = context.dialect in _MOVES_BETWEEN_SCHEMAS
    ground = Ground(trimmed_before, trimmed_after, context.tables, context.decisions, movable)
    _tell_names(ground)
    return ground


def _only(shape: TableShape, names: set[str]) -> TableShape:
    """A table without the columns that a filter keeps out of the comparison."""
    return dataclasses.replace(shape, columns=tuple(item for item in shape.columns if item.name in names))


def _tell_names(ground: Ground) -> None:
    for key, shape in {**ground.after, **ground.before}.items():
        ground.decisions.know([label(key), *(f"{label(key)}.{column.name}" for column in shape.columns)])


def _decide(context: PassContext, ground: Ground) -> tuple[Settled, Detection]:
    tables = settling.settled_tables(ground)
    settled = settling.settle(ground, tables)
    if context.settings.renames == "never":
        return settled, Detection()
    before, after = _named(ground.before), _named(ground.after)
    settled = _within_schemas(ground, settled)
    # Columns may be answered by the names of tables that only the detector finds.
    keys_before, keys_after = _keys(ground.before), _keys(ground.after)
    first = detect(before, after, settled=settled)
    detected = {keys_before[item.old]: keys_after[item.new] for item in first.tables}
    if detected:
        settled = _within_schemas(ground, settling.settle(ground, tables, detected))
        return settled, detect(before, after, settled=settled)
    return settled, first


def _named(shapes: t.Mapping[Key, TableShape]) -> Schema:
    return {label(key): shape for key, shape in shapes.items()}


def _keys(shapes: t.Iterable[Key]) -> dict[str, Key]:
    return {label(key): key for key in shapes}


def _within_schemas(ground: Ground, settled: Settled) -> Settled:
    """Deny what this database can't do: most can't move a table to another schema."""
    if ground.moves_between_schemas:
        return settled
    impossible = {
        (label(old), label(new))
        for old in ground.before
        for new in ground.after
        if old[0] != new[0] and old not in ground.after and new not in ground.before
    }
    return dataclasses.replace(settled, not_tables=settled.not_tables | impossible)


def _renames(ground: Ground, settled: Settled, detection: Detection, default: str | None) -> Renames:
    before, after = _keys(ground.before), _keys(ground.after)
    tables = {before[old]: after[new] for old, new in settled.tables.items()}
    tables.update({before[item.old]: after[item.new] for item in detection.tables})
    columns: dict[Key, dict[str, str]] = {}
    for (table, old), new in settled.columns.items():
        columns.setdefault(after[table], {})[old] = new
    for item in detection.columns:
        columns.setdefault(after[item.table or ""], {})[item.old] = item.new
    return Renames(tables, columns, default_schema=default)


def _rewrite(context: PassContext, up: ops.UpgradeOps, renames: Renames) -> None:
    changes = name_changes(context, renames)
    names: dict[Key, dict[str, str]] = {}
    for change in changes:
        if change.kind in ("index", "constraint"):
            names.setdefault(change.table, {})[change.old] = change.new
    types = {(change.table[0], change.old): change.new for change in changes if change.kind == "type"}
    context.renames = renames = renames.changed(names=names, types=types)
    rest = ops.UpgradeOps([])
    again = AutogenContext(context.migration)
    again.inspector = context.inspector_after
    again.comparators.dispatch("autogenerate", qualifier=again.dialect.name)(again, rest)
    mark_recreated(rest)
    up.ops[:] = [*rename_operations(context, renames, changes), *rest.ops]
