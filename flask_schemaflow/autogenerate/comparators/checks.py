"""Compares CHECK constraints by what the database makes of them, and the operations that change them.

Databases rewrite the expression of a CHECK constraint, so those of the models are tried out first
(:mod:`..reflection.normalized`). Constraints that come with a type, such as those of ``Enum(create_constraint=True)``,
belong to the type. One that the database has under another name, or under none, and with the same text is there.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t

import sqlalchemy as sa
from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from alembic.util import PriorityDispatchResult

from ...alembic_private import is_created
from ...alembic_private import is_type_bound
from ...runtime.guards.sqlite.tokens import significant
from ...runtime.guards.sqlite.tokens import tokens
from .. import names
from ..operations import OwnOperation
from ..operations import render_constraint
from ..reflection.catalog import checks_in_text
from ..reflection.catalog import is_whole
from ..reflection.normalized import mirror_of
from ..reflection.renamed_inspector import renames_of
from ..sql_text import clause
from ..sql_text import escaped

Found = dict[str, t.Any]

_CAST = re.compile(
    r"""::\s*(?:"[^"]+"|\w+)(?:\.(?:"[^"]+"|\w+))?(?:\s+(?:varying|precision))?(?:\s*\(\s*\d+(?:\s*,\s*\d+)?\s*\))?"""
    r"(?:\s+with(?:out)?\s+time\s+zone)?(?:\s*\[\s*\d*\s*\])*"
)


LITERAL = re.compile(r"'((?:[^']|'')*)'|(?<![\w.])\d+(?![\w.])")
"""A text, whose value is the group, or a number."""

_OTHER_WORDS = {
    *("in", "any", "array", "text", "character", "varying", "varchar", "bpchar", "or", "cast", "as"),
    *("_utf8mb4", "utf8mb4", "null"),
}


class AddCheck(OwnOperation, ops.CreateCheckConstraintOp):
    """Alembic's ``create_check_constraint``, which only newer versions can write; stands in a ``ModifyTableOps``."""

    online_verb = "create_check_constraint"

    def __init__(self, name: t.Any, table: str, text: str, schema: str | None = None) -> None:
        ops.CreateCheckConstraintOp.__init__(self, name, table, clause(text), schema=schema)
        self.text = text

    def render(self, context: t.Any) -> str:
        text = f"{context.opts['sqlalchemy_module_prefix']}text({escaped(self.text)!r})"
        return render_constraint(context, "create_check_constraint", self, text)

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


@dataclasses.dataclass(eq=False, repr=False)
class _Comparison:
    """The checks of one table that are still without a counterpart."""

    models: dict[int, sa.CheckConstraint]
    found: list[Found]
    texts: dict[int, str] | None
    same: t.Callable[[int, str], bool]
    changed: list[tuple[int, Found]] = dataclasses.field(default_factory=list)

    def match_names(self) -> None:
        by_name = {item["name"]: item for item in self.found if item["name"]}
        cut = {names.cut(constraint_name(item) or ""): constraint_name(item) for item in self.models.values()}
        by_name = {cut.get(name) or name: item for name, item in by_name.items()}  # PostgreSQL keeps 63 bytes
        for number, constraint in list(self.models.items()):
            counterpart = by_name.get(constraint_name(constraint))
            if counterpart is None:
                continue
            if number in (self.texts or {}) and not self.same(number, counterpart["sqltext"]):
                self.changed.append((number, counterpart))
            self._settle(number, counterpart)

    def match_texts(self) -> None:
        for number in list(self.models):
            counterpart = next((item for item in self.found if self.same(number, item["sqltext"])), None)
            if counterpart is not None:
                self._settle(number, counterpart)

    def _settle(self, number: int, counterpart: Found) -> None:
        del self.models[number]
        self.found.remove(counterpart)


def constraint_name(constraint: sa.Constraint) -> str | None:
    """Return the name of a constraint, given or made by the metadata's convention."""
    return constraint.name if isinstance(constraint.name, str) else None


def bare(text: t.Any) -> str:
    """Return what a condition says, without spelling, quotes and casts.

    PostgreSQL writes casts into the text that it keeps, and others when it is given that text again.
    """
    parts = re.split(r"('(?:[^']|'')*')", _CAST.sub("", str(text)))
    return "".join(part if place % 2 else re.sub(r"[\s()\"`]+", "", part.lower()) for place, part in enumerate(parts))


_OPERATORS = frozenset(("and", "or", "not", "when", "then", "else", "case", "between", "like", "is"))


def structure(text: str) -> tuple[t.Any, ...]:
    """Return a condition without spaces, quotes of identifiers, capitals, and parentheses that group nothing."""
    stack: list[list[t.Any]] = [[]]
    for piece in significant(tokens(text)):
        if piece.text == "(":
            stack.append([])
        elif piece.text == ")" and len(stack) > 1:
            inside = stack.pop()
            before = stack[-1][-1] if stack[-1] else ""
            called = isinstance(before, str) and before[:1].isidentifier() and before not in _OPERATORS
            stack[-1].append(inside[0] if len(inside) == 1 and not called else tuple(inside))
        else:
            stack[-1].append(piece.text if piece.kind == "string" else (piece.name or piece.text).lower())
    found = tuple(stack[0])
    while len(found) == 1 and isinstance(found[0], tuple):
        found = found[0]
    return found


def same_condition(context: AutogenContext, table: sa.Table, model: sa.CheckConstraint, text: str, found: str) -> bool:
    """Return whether the database has the condition of a model.

    :param table: as the database has it.
    :param text: the model's condition as the database would report it; empty if that isn't known.
    :param found: what the database reports.
    """
    texts = [one for one in (text, str(model.sqltext)) if one]
    if bare(found) not in [bare(one) for one in texts]:
        return False
    mirror = mirror_of(context)
    if mirror.dialect.name == "sqlite":
        return structure(found) in [structure(one) for one in texts]
    # Parentheses, casts and capitals of quoted names may make a difference. PostgreSQL spells its own words in another
    # way when it is given them, and casts depend on the types that the columns have now.
    readings = {text}
    given = model
    for _ in range(2):
        try:
            read = (mirror.checks(table, [given]) or {}).get(0)
        except sa.exc.CompileError:  # a type that SQLAlchemy doesn't know
            read = None
        if read is None:
            return True
        readings.add(read)
        given = sa.CheckConstraint(clause(read))
    return _squeezed(found) in {_squeezed(reading) for reading in readings}


def _squeezed(text: str) -> str:
    return " ".join(text.split())


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
    constraints = dict(enumerate(_of_models(model, context.dialect)))
    if reflected or constraints:
        texts = mirror_of(context).checks(model, constraints.values())

        def same(number: int, text: str) -> bool:
            return same_condition(context, found, constraints[number], (texts or {}).get(number, ""), text)

        _compare(context, change, model, _Comparison(dict(constraints), reflected, texts, same))
    return PriorityDispatchResult.CONTINUE


def _reflected(context: AutogenContext, schema: str | None, table: sa.Table) -> list[Found]:
    """Return what Alembic has read of them, with the whole table."""
    parents: t.Any = {"table_name": table.name, "schema_name": schema}
    checks = [item for item in table.constraints if isinstance(item, sa.CheckConstraint)]
    found = [(constraint_name(item), written(item)) for item in checks]
    if context.connection is not None and context.connection.dialect.name == "sqlite" and schema is None:
        renames = renames_of(context.inspector)
        key = renames.key(schema, table.name)
        in_text = [
            (renames.name(key, name), renames.expression(key, text))
            for name, text in checks_in_text(context.connection, renames.stored(table)[1])
        ]
        found = in_text if len(in_text) > len(found) or not all(is_whole(text) for _, text in found) else found
    return [
        {"name": name, "sqltext": text}
        for name, text in sorted(found, key=lambda item: (item[0] or "", item[1]))
        if context.run_name_filters(name, "check_constraint", dict(parents))
    ]


def written(constraint: sa.CheckConstraint) -> str:
    """Return the text of a reflected constraint, with nothing in it taken for a parameter."""
    return str(constraint.sqltext)


def _of_models(table: sa.Table, dialect: sa.Dialect) -> list[sa.CheckConstraint]:
    """Return all of them, those of columns and of types included, in a stable order."""
    everywhere = [*table.constraints, *(item for column in table.columns for item in column.constraints)]
    checks = [item for item in everywhere if isinstance(item, sa.CheckConstraint) and is_created(item, dialect)]
    return sorted(checks, key=lambda item: (constraint_name(item) or "", str(item.sqltext)))


def _compare(context: AutogenContext, change: ops.ModifyTableOps, table: sa.Table, state: _Comparison) -> None:
    models = dict(state.models)
    texts = state.texts
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
    if texts is not None:
        typed = [str(column.name) for number in of_types & state.models.keys() for column in models[number].columns]
        gone = [item for item in state.found if item["name"] and _unwanted(context, item, table)]
        # Those that a type had before are changed with their column.
        gone = [item for item in gone if not any(lists_values(item["sqltext"], name) for name in typed)]
        change.ops += [_drop(change, item) for item in gone]


def lists_values(text: str, column: str) -> bool:
    """Return whether a CHECK does nothing but list a column's values."""
    rest = LITERAL.sub(" ", text)
    words = {word.lower() for word in re.findall(r"\w+", rest) if not word.isdigit()} - _OTHER_WORDS
    compares = re.search("[<>!]", rest)
    return words == set(re.findall(r"\w+", column.lower())) and rest != text and not compares


def _wanted(context: AutogenContext, constraint: sa.CheckConstraint, found: Found | None) -> bool:
    other = None if found is None else sa.CheckConstraint(clause(found["sqltext"]), name=found["name"])
    return context.run_object_filters(constraint, constraint.name, "check_constraint", False, other)


def _unwanted(context: AutogenContext, found: Found, table: sa.Table) -> bool:
    reflected = sa.CheckConstraint(clause(found["sqltext"]), name=found["name"])
    reflected.parent = table  # filters read `object.table`
    return context.run_object_filters(reflected, found["name"], "check_constraint", True, None)


def _add(context: AutogenContext, change: ops.ModifyTableOps, constraint: sa.CheckConstraint) -> AddCheck:
    text = mirror_of(context).check_text(constraint)
    return AddCheck(constraint_name(constraint), change.table_name, text, change.schema)


def _drop(change: ops.ModifyTableOps, found: Found) -> DropCheck:
    return DropCheck(found["name"], change.table_name, found["sqltext"], change.schema)
