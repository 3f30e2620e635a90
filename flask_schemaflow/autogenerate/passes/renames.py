"""The pass that turns drops and additions into renames, or into questions where it can't know.

What is certain, answered or marked in the models is renamed. Then the comparison runs again on a database that looks
as if the renames were done (:mod:`..reflection.renamed_inspector`), so that it finds the other changes of the same
tables and columns.
"""

from __future__ import annotations

import dataclasses
import typing as t

from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops

from ..decisions import column_questions
from ..decisions import table_questions
from ..names import name_changes
from ..operations import Key
from ..operations import label
from ..operations.renames import mark_recreated
from ..operations.renames import rename_operations
from ..pipeline import PassContext
from ..reflection.renamed_inspector import Renames
from ..renames import detect
from ..renames import Detection
from ..renames import Settled
from ..renames import similarity
from ..renames import TableShape
from . import rename_answers
from .rename_answers import RenameDecisions
from .rename_shapes import Changed
from .rename_shapes import changed
from .rename_shapes import database_shapes
from .rename_shapes import model_shapes

_MOVES_BETWEEN_SCHEMAS = ("postgresql", "mysql", "mariadb")


class RenamesPass:
    """Detects renames, asks about possible ones, and writes them."""

    name = "renames"
    all_depends = True

    def apply(self, context: PassContext, up: ops.UpgradeOps) -> None:
        """Replace the drops and additions of ``up`` that are renames, or ask."""
        changes = changed(context, up)
        detects = context.settings.renames != "never" and changes.could_be_renames
        if not (detects or rename_answers.has_decisions(context.answers, context.tables, changes)):
            return
        known = _read(context, changes)
        settled, detection = _decide(context, known, changes)
        if context.settings.renames == "ask" and (detection.ask_tables or detection.ask_columns):
            _ask(context, changes, settled, detection)
            return
        renames = _renames(context, known, settled, detection)
        if renames:
            _warn_of_opposites(context, known, renames)
            _rewrite(context, up, renames)


def _ask(context: PassContext, changes: Changed, settled: Settled, detection: Detection) -> None:
    left_alone = {label(key) for key in _not_dropped(context, changes)}
    context.questions.extend(table_questions(detection.ask_tables, left_alone, context.database))
    old_names = {new: old for old, new in settled.tables.items()} | {item.new: item.old for item in detection.tables}
    hidden = {f"{label(key)}.{name}" for key, names in changes.hidden_columns.items() for name in names}
    context.questions.extend(column_questions(detection.ask_columns, old_names, hidden, context.database))


def _not_dropped(context: PassContext, changes: Changed) -> set[Key]:
    """Return the tables without a model that no revision will drop, whatever becomes of a new model."""
    return changes.hidden | {key for key in changes.dropped if key[1] not in context.created_tables}


def _read(context: PassContext, changes: Changed) -> RenameDecisions:
    before, after = database_shapes(context, changes), model_shapes(context, changes)
    compared = before.keys() & after.keys()
    trimmed_before = {
        key: _only(shape, set(after[key].by_name) | changes.lost[key] | changes.hidden_columns.get(key, set()))
        if key in compared
        else shape
        for key, shape in before.items()
    }
    trimmed_after = {
        key: _only(shape, set(before[key].by_name) | changes.won[key]) if key in compared else shape
        for key, shape in after.items()
    }
    movable = context.dialect in _MOVES_BETWEEN_SCHEMAS
    known = RenameDecisions(trimmed_before, trimmed_after, context.tables, context.decisions, movable)
    for key, shape in {**known.after, **known.before}.items():
        context.decisions.know([label(key), *(f"{label(key)}.{column.name}" for column in shape.columns)])
    return known


def _only(shape: TableShape, names: set[str]) -> TableShape:
    """Return a table without the columns that a filter excludes."""
    return dataclasses.replace(shape, columns=tuple(item for item in shape.columns if item.name in names))


def _decide(context: PassContext, known: RenameDecisions, changes: Changed) -> tuple[Settled, Detection]:
    tables = rename_answers.decided_tables(known)
    settled = rename_answers.read_decisions(known, tables)
    if context.settings.renames == "never":
        return settled, Detection()
    before, after = ({label(key): table for key, table in shapes.items()} for shapes in (known.before, known.after))
    settled = _within_schemas(known, settled)
    detection = detect(before, after, settled=settled)
    keys_before, keys_after = _keys(known.before), _keys(known.after)
    detected = {keys_before[item.old]: keys_after[item.new] for item in detection.tables}
    # Columns may be answered by the names of tables that only the detector finds.
    if detected:
        settled = _within_schemas(known, rename_answers.read_decisions(known, tables, detected))
        detection = detect(before, after, settled=settled)
    return settled, _never_unasked(context, changes, detection)


def _never_unasked(context: PassContext, changes: Changed, detection: Detection) -> Detection:
    """Turn certain renames of what may belong to another program into questions."""
    foreign = {label(key) for key in _not_dropped(context, changes)} if detection.tables else set()
    tables = tuple(item for item in detection.tables if item.old in foreign)
    undecided = {item.new for item in tables}
    hidden = {(label(key), name) for key, names in changes.hidden_columns.items() for name in names}
    columns = tuple(item for item in detection.columns if (item.table, item.old) in hidden)
    return Detection(
        tuple(item for item in detection.tables if item not in tables),
        tuple(item for item in detection.columns if item not in columns and item.table not in undecided),
        (*tables, *detection.ask_tables),
        tuple(item for item in (*columns, *detection.ask_columns) if item.table not in undecided),
    )


def _keys(shapes: t.Iterable[Key]) -> dict[str, Key]:
    return {label(key): key for key in shapes}


def _within_schemas(known: RenameDecisions, settled: Settled) -> Settled:
    """Deny what this database can't do: most can't move a table to another schema."""
    if known.moves_between_schemas:
        return settled
    impossible = {
        (label(old), label(new))
        for old in known.before
        for new in known.after
        if old[0] != new[0] and old not in known.after and new not in known.before
    }
    return dataclasses.replace(settled, not_tables=settled.not_tables | impossible)


def _renames(context: PassContext, known: RenameDecisions, settled: Settled, detection: Detection) -> Renames:
    before, after = _keys(known.before), _keys(known.after)
    tables = {before[old]: after[new] for old, new in settled.tables.items()}
    tables.update({before[item.old]: after[item.new] for item in detection.tables})
    columns: dict[Key, dict[str, str]] = {}
    for (table, old), new in settled.columns.items():
        columns.setdefault(after[table], {})[old] = new
    for item in detection.columns:
        columns.setdefault(after[item.table or ""], {})[item.old] = item.new
    return Renames(tables, columns, default_schema=context.connection.dialect.default_schema_name)


def _warn_of_opposites(context: PassContext, known: RenameDecisions, renames: Renames) -> None:
    """Say of booleans whose names mean the opposite that a rename leaves their values as they are."""
    for table, columns in renames.columns.items():
        before = known.before[renames.old(table) or table].by_name
        for old, new in columns.items():
            if similarity.is_boolean(before[old].type) and similarity.are_opposites(old, new):
                context.tell(
                    f"{label(table)}.{old} is renamed to {new}, and its values stay as they are: what was true is "
                    "true. Add an UPDATE to the revision if the new name means the opposite."
                )


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
    context.renaming = rename_operations(context, renames, changes)
    up.ops[:] = [*context.renaming, *rest.ops]
