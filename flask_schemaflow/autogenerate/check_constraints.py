"""Compares CHECK constraints by what the database makes of them, and the operations that change them.

Databases rewrite the expression of a CHECK constraint, so those of the models are tried out first
(:mod:`.mirror`). Constraints that come with a type, such as those of ``Enum(create_constraint=True)``, belong to the
type. One that the database has under another name, or under none, and with the same text is there.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t

import sqlalchemy as sa
from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from alembic.util import PriorityDispatchResult
from sqlalchemy.sql.elements import conv

from ..patterns import pattern
from ..runtime.private import is_type_bound
from .catalog.sqlite import checks_in_text
from .catalog.sqlite import is_whole
from .mirror import mirror_of
from .operations import OwnOperation

Found = dict[str, t.Any]

_CAST = pattern(
    r"""::\s*(?:"[^"]+"|\w+)(?:\.(?:"[^"]+"|\w+))?(?:\s+(?:varying|precision))?(?:\s*\(\s*\d+(?:\s*,\s*\d+)?\s*\))?"""
    r"(?:\s+with(?:out)?\s+time\s+zone)?(?:\s*\[\s*\d*\s*\])*"
)


class AddCheck(OwnOperation, ops.CreateCheckConstraintOp):
    """Alembic's ``create_check_constraint``, which only newer versions can write; stands in a ``ModifyTableOps``."""

    def __init__(self, name: t.Any, table: str, text: str, schema: str | None = None) -> None:
        ops.CreateCheckConstraintOp.__init__(self, name, table, sa.text(_escaped(text)), schema=schema)
        self.text = text

    def render(self, context: t.Any) -> str:
        text = f"{context.opts['sqlalchemy_module_prefix']}text({_escaped(self.text)!r})"
        batch = context.opts.get("render_as_batch")
        prefix = "batch_op." if batch else context.opts["alembic_module_prefix"]
        name = repr(self.constraint_name)
        if isinstance(self.constraint_name, conv):
            name = f"{prefix}f({str(self.constraint_name)!r})"
        if batch:
            return f"{prefix}create_check_constraint({name}, {text})"
        schema = f", schema={self.schema!r}" if self.schema else ""
        return f"{prefix}create_check_constraint({name}, {str(self.table_name)!r}, {text}{schema})"

    def describe(self) -> str:
        return f"add check {self.constraint_name} on {self.table_name}"

    def reverse(self) -> DropCheck:
        return DropCheck(self.constraint_name, str(self.table_name), self.text, self.schema)


class DropCheck(ops.DropConstraintOp):
    """``drop_constraint`` of a CHECK constraint, which knows the text that it takes away."""

    def __init__(self, name: t.Any, table: str, text: str, schema: str | None = None) -> None:
        super().__init__(name, table, "check", schema=schema)
        self.text = text

    def describe(self) -> str:
        """One line for a person."""
        return f"drop check {self.constraint_name} of {self.table_name}"

    def reverse(self) -> t.Any:
        return AddCheck(self.constraint_name, self.table_name, self.text, self.schema)

    def to_constraint(self) -> sa.CheckConstraint:
        return self.reverse().to_constraint()  # type: ignore[no-any-return]


def _escaped(text: str) -> str:
    """A colon before a word would be read as a parameter."""
    return re.sub(r"(?<![:\w\\]):(?=\w)", r"\:", text)


@dataclasses.dataclass(eq=False, repr=False)
class _Comparison:
    """The checks of one table that are still without a counterpart."""

    models: dict[int, sa.CheckConstraint]
    found: list[Found]
    texts: dict[int, str]
    changed: list[tuple[int, Found]] = dataclasses.field(default_factory=list)

    def match_names(self) -> None:
        by_name = {item["name"]: item for item in self.found if item["name"]}
        for number, constraint in list(self.models.items()):
            counterpart = by_name.get(constraint_name(constraint))
            if counterpart is None:
                continue
            self._settle(number, counterpart)
            if number in self.texts and bare(counterpart["sqltext"]) != bare(self.texts[number]):
                self.changed.append((number, counterpart))

    def match_texts(self) -> None:
        for number in list(self.models):
            texts = {bare(self.models[number].sqltext), bare(self.texts.get(number, ""))}
            counterpart = next((item for item in self.found if bare(item["sqltext"]) in texts), None)
            if counterpart is not None:
                self._settle(number, counterpart)

    def _settle(self, number: int, counterpart: Found) -> None:
        del self.models[number]
        self.found.remove(counterpart)


def constraint_name(constraint: sa.Constraint) -> str | None:
    """The name of a constraint, given or made by the metadata's convention."""
    return constraint.name if isinstance(constraint.name, str) else None


def bare(text: t.Any) -> str:
    """What a condition says, without spelling, quotes and casts.

    PostgreSQL writes casts into the text that it keeps, and others when it is given that text again.
    """
    parts = re.split(r"('(?:[^']|'')*')", _CAST.sub("", str(text)))
    return "".join(part if place % 2 else re.sub(r"[\s()\"`]+", "", part.lower()) for place, part in enumerate(parts))


def compare_checks(
    context: AutogenContext,
    change: ops.ModifyTableOps,
    schema: str | None,
    name: str,
    found: sa.Table | None,
    model: sa.Table | None,
) -> PriorityDispatchResult:
    """Put what differs between the CHECK constraints of a table and of its model into ``change``."""
    if found is None or model is None:
        return PriorityDispatchResult.CONTINUE
    reflected = _reflected(context, schema, found)
    constraints = dict(enumerate(_of_models(model)))
    if reflected or constraints:
        _compare(context, change, model, _Comparison(constraints, reflected, {}))
    return PriorityDispatchResult.CONTINUE


def _reflected(context: AutogenContext, schema: str | None, table: sa.Table) -> list[Found]:
    """What Alembic has read of them, with the whole table."""
    parents: t.Any = {"table_name": table.name, "schema_name": schema}
    checks = [item for item in table.constraints if isinstance(item, sa.CheckConstraint)]
    found = [(constraint_name(item), written(item)) for item in checks]
    if context.connection is not None and context.connection.dialect.name == "sqlite" and schema is None:
        found = found if all(is_whole(text) for _, text in found) else checks_in_text(context.connection, table.name)
    return [
        {"name": name, "sqltext": text}
        for name, text in sorted(found, key=lambda item: (item[0] or "", item[1]))
        if context.run_name_filters(name, "check_constraint", dict(parents))
    ]


def written(constraint: sa.CheckConstraint) -> str:
    """The text of a reflected constraint, with nothing in it taken for a parameter."""
    return str(getattr(constraint.sqltext, "text", constraint.sqltext))


def _of_models(table: sa.Table) -> list[sa.CheckConstraint]:
    """All of them, those of columns and of types included, in a stable order."""
    everywhere = [*table.constraints, *(item for column in table.columns for item in column.constraints)]
    checks = [item for item in everywhere if isinstance(item, sa.CheckConstraint)]
    return sorted(checks, key=lambda item: (constraint_name(item) or "", str(item.sqltext)))


def _compare(context: AutogenContext, change: ops.ModifyTableOps, table: sa.Table, state: _Comparison) -> None:
    models = dict(state.models)
    texts = mirror_of(context).checks(table, models.values())
    state.texts = texts or {}
    state.match_names()
    state.match_texts()
    of_types = {number for number in models if is_type_bound(models[number])}
    for number, counterpart in state.changed:
        if number not in of_types and _wanted(context, models[number], counterpart):
            change.ops += [_drop(change, counterpart), _add(context, change, models[number])]
    for number, constraint in state.models.items():
        certain = texts is not None or not state.found
        if number not in of_types and certain and _wanted(context, constraint, None):
            change.ops.append(_add(context, change, constraint))
    # A check that a type had before may be among those that are left.
    if texts is not None and not of_types & state.models.keys():
        change.ops += [_drop(change, item) for item in state.found if item["name"] and _unwanted(context, item, table)]


def _wanted(context: AutogenContext, constraint: sa.CheckConstraint, found: Found | None) -> bool:
    other = None if found is None else sa.CheckConstraint(found["sqltext"], name=found["name"])
    return context.run_object_filters(constraint, constraint.name, "check_constraint", False, other)


def _unwanted(context: AutogenContext, found: Found, table: sa.Table) -> bool:
    reflected = sa.CheckConstraint(sa.text(_escaped(found["sqltext"])), name=found["name"])
    reflected.parent = table  # filters read `object.table`
    return context.run_object_filters(reflected, found["name"], "check_constraint", True, None)


def _add(context: AutogenContext, change: ops.ModifyTableOps, constraint: sa.CheckConstraint) -> AddCheck:
    text = mirror_of(context).check_text(constraint)
    return AddCheck(constraint_name(constraint), change.table_name, text, change.schema)


def _drop(change: ops.ModifyTableOps, found: Found) -> DropCheck:
    return DropCheck(found["name"], change.table_name, found["sqltext"], change.schema)
