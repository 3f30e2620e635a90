"""How stored values get from one type to another without loss, and how to tell which of them can't.

SQLite stores what it is given and converts by a column's affinity, which keeps what it can't convert. A CAST never
refuses: it makes 0 of 'abc', 3 of 3.7 and 2024 of a date. So nothing is cast unless that is lossless, and every value
that the new type could not give back is found first.
"""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import json
import math
import re
import typing as t

import sqlalchemy as sa
from sqlalchemy import types

from ....errors.running import ValuesWouldChange
from .alter import AlterPlan
from .catalog import SqliteCatalog
from .render import type_text
from .table_sql import free_rowid
from .table_sql import TableText
from .tokens import in_parentheses
from .tokens import quoted
from .tokens import same
from .tokens import string
from .tokens import text_of

Family = t.Literal[
    "integer", "boolean", "numeric", "float", "text", "datetime", "date", "time", "binary", "json", "uuid", "other"
]
Judge = t.Callable[[t.Any], bool]

_FAMILIES: tuple[tuple[type[types.TypeEngine[t.Any]], Family], ...] = (
    (types.Boolean, "boolean"),
    (types.Integer, "integer"),
    (types.Float, "float"),
    (types.Numeric, "numeric"),
    (types.DateTime, "datetime"),
    (types.Date, "date"),
    (types.Time, "time"),
    (types.LargeBinary, "binary"),
    (types.JSON, "json"),
    (types.Uuid, "uuid"),
    (types.String, "text"),
)
_INTEGER = re.compile(r"-?(?:0|[1-9]\d*)\Z")
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?\Z")
# Integers that a float can hold, each of them.
_NOT_A_FLOAT = "{c} NOT BETWEEN -9007199254740992 AND 9007199254740992"
_LONGEST = 80
_DASHED = (
    f"CASE WHEN {{c}} GLOB '{'[0-9a-f]' * 32}' THEN substr({{c}}, 1, 8) || '-' || substr({{c}}, 9, 4) || '-' || "
    "substr({c}, 13, 4) || '-' || substr({c}, 17, 4) || '-' || substr({c}, 21) ELSE {c} END"
)
_DAY = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]"


@dataclasses.dataclass(frozen=True)
class Conversion:
    """One way of converting a column's values.

    :param expression: SQL for the new value, ``{c}`` being the old one.
    :param suspects: an SQL condition on the old value; values without it are certain to survive.
    :param survives: whether the new type gives back what a suspect says.
    """

    suspects: str
    survives: Judge
    expression: str = "{c}"


def conversions(plan: AlterPlan, catalog: SqliteCatalog) -> dict[str, Conversion]:
    """Return how the values of each column with a new type are converted; not those that stay as they are."""
    if not plan.types:
        return {}
    schema = None if catalog.schema == "main" else catalog.schema
    reflected = sa.inspect(catalog.connection).get_columns(plan.name, schema=schema)
    before = {column["name"]: column["type"] for column in reflected}
    for name, given in plan.existing.items():
        if given is not None and family_of(plain_type(given, plan.dialect)) == "uuid":
            before[name] = given  # reads like any CHAR(32)
    rules = {name: conversion(before[name], new, plan.dialect) for name, new in plan.types.items() if name in before}
    return {name: rule for name, rule in rules.items() if rule is not None}


def require_lossless(plan: AlterPlan, old: TableText, catalog: SqliteCatalog, rules: dict[str, Conversion]) -> None:
    """Look at every value that might not survive.

    :raises ValuesWouldChange: names the table, the column, the row, and what stands there.
    """
    for name, rule in rules.items():
        column = old.column(name)
        if column is None or column.is_generated or any(same(name, dropped) for dropped in plan.dropped):
            continue
        lost = _lost(plan.name, old, catalog, name, rule)
        first = next(lost, None)
        if first is not None:
            count = 1 + sum(1 for _ in lost)
            raise _refusal(plan, column.name, column.type, first, count)


def require_computed_values(plan: AlterPlan, catalog: SqliteCatalog) -> None:
    """Compare the values of columns that are to be generated with what their expressions give.

    :raises ValuesWouldChange: names the table, the column, and how many rows differ.
    """
    for name in plan.generated:
        column = plan.table.column(name)
        clause = column.find("GENERATED") if column is not None else None
        if clause is None:
            continue
        expression = text_of(in_parentheses(clause.pieces))
        count = catalog.count(plan.name, f"{quoted(name)} IS NOT ({expression})")
        if count:
            raise ValuesWouldChange(
                f"Making {plan.name}.{name} a generated column would change its value in {count} "
                f"row{'s' * (count != 1)}.",
                hint=f'Before that, in the revision: op.execute("UPDATE {plan.name} SET {name} = {expression}")',
            )


def _lost(
    table: str, old: TableText, catalog: SqliteCatalog, column: str, rule: Conversion
) -> t.Iterator[tuple[str, t.Any]]:
    """Return the rows with a value that would not survive: how to find each, and the value."""
    keys = free_rowid(old) if old.has_rowid else old.primary_key
    listed = ", ".join(quoted(key) for key in keys) or "NULL"
    suspects = rule.suspects.format(c=f"(+{quoted(column)})")
    rows = catalog.ask(
        f"SELECT {quoted(column)}, {listed} FROM {catalog.qualified(table)} "
        f"WHERE {quoted(column)} IS NOT NULL AND ({suspects})"
    )
    key: list[t.Any]
    for value, *key in rows:
        if not rule.survives(value):
            named = [f"{name} {part!r}" for name, part in zip(keys, key, strict=False)]
            yield ", ".join(named) or "one row", value


def _refusal(plan: AlterPlan, column: str, before: str, first: tuple[str, t.Any], count: int) -> ValuesWouldChange:
    row, value = first
    after = type_text(plan.types[column], plan.dialect)
    shown = repr(value) if len(repr(value)) <= _LONGEST else repr(value)[: _LONGEST - 1] + "…"
    others = "" if count == 1 else f" and {count - 1} more"
    return ValuesWouldChange(
        f"Can't convert {plan.name}.{column} from {before or 'no type'} to {after}: {shown} ({row}){others} "
        "would change.",
        hint="Convert the values first, in the revision: "
        f'op.execute("UPDATE {plan.name} SET {column} = ... WHERE ...")',
    )


def conversion(old: t.Any, new: t.Any, dialect: sa.Dialect) -> Conversion | None:
    """Return how a column's values get from ``old`` to ``new``; ``None`` when every value stays what it is."""
    before, after = plain_type(old, dialect), plain_type(new, dialect)
    if isinstance(after, types.Enum):
        return _to_enum(after)
    if family_of(before) == "uuid" and family_of(after) == "text" and (getattr(after, "length", None) or 36) >= 36:
        return Conversion("0", _never, _DASHED)
    affinities = [affinity(str(type_.compile(dialect=dialect))) for type_ in (before, after)]
    if family_of(before) == family_of(after) and affinities[0] == affinities[1]:
        return None
    return _CONVERSIONS.get(family_of(after)) or _by_affinity(affinities[1])


def plain_type(type_: t.Any, dialect: sa.Dialect) -> types.TypeEngine[t.Any]:
    """Return the type that SQLite gets: of a variant SQLite's own, of a decorator what it decorates."""
    plain = sa.types.to_instance(type_).dialect_impl(dialect)
    while isinstance(plain, types.TypeDecorator):
        plain = plain.load_dialect_impl(dialect).dialect_impl(dialect)
    return t.cast("types.TypeEngine[t.Any]", plain)


def family_of(type_: types.TypeEngine[t.Any]) -> Family:
    """Return the kind of a type, as far as storing it in SQLite goes."""
    return next((family for known, family in _FAMILIES if isinstance(type_, known)), "other")


def affinity(declared: str) -> str:
    """Return the affinity that SQLite gives to a declared type, by the rules of its documentation."""
    text = declared.upper()
    if "INT" in text:
        return "INTEGER"
    if any(word in text for word in ("CHAR", "CLOB", "TEXT")):
        return "TEXT"
    if "BLOB" in text or not text:
        return "BLOB"
    return "REAL" if any(word in text for word in ("REAL", "FLOA", "DOUB")) else "NUMERIC"


def _never(value: t.Any) -> bool:
    return False


def _number(value: t.Any, exact_integers: bool = True) -> bool:
    """Return whether text is written as a number and survives as one, in at most 64 bits."""
    if not isinstance(value, str):
        return isinstance(value, (int, float))
    if not _NUMBER.match(value):
        return False
    if exact_integers and _INTEGER.match(value) and -(2**63) <= int(value) < 2**63:
        return True
    return math.isfinite(float(value)) and decimal.Decimal(value) == decimal.Decimal(repr(float(value)))


def _real(value: t.Any) -> bool:
    return int(float(value)) == value if isinstance(value, int) else _number(value, exact_integers=False)


def _characters(value: t.Any) -> bool:
    if isinstance(value, bytes):
        try:
            return "\0" not in value.decode()
        except UnicodeDecodeError:
            return False
    return not isinstance(value, float) or math.isfinite(value)


def _parses(parse: t.Callable[[str], t.Any]) -> Judge:
    def judge(value: t.Any) -> bool:
        try:
            return isinstance(value, str) and parse(value) is not None
        except ValueError:
            return False

    return judge


def _day(value: str) -> datetime.date | None:
    """Return the date of a text that says no time but midnight."""
    moment = datetime.datetime.fromisoformat(value)
    return moment.date() if moment.time() == datetime.time() and moment.tzinfo is None else None


def _json(value: t.Any) -> bool:
    if not isinstance(value, str):
        return isinstance(value, (int, float))
    try:
        content = json.loads(value)
    except ValueError:
        return False
    # The column's affinity makes a number of text that reads as one.
    return _number(value) if isinstance(content, (int, float)) and not isinstance(content, bool) else True


def _uuid(value: t.Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[0-9a-f]{32}", value.replace("-", "").lower()) is not None


def _to_enum(enum: types.Enum) -> Conversion:
    names = [str(name) for name in enum.enums]
    listed = ", ".join(string(name) for name in names) or "NULL"
    return Conversion(f"CAST({{c}} AS TEXT) NOT IN ({listed}) OR typeof({{c}}) = 'blob'", _never)


def _by_affinity(name: str) -> Conversion | None:
    """Return the conversion to a type of the application's own: a change by its affinity must not lose anything."""
    if name in ("TEXT", "BLOB"):
        return _CONVERSIONS["text"] if name == "TEXT" else None
    converted = f"CAST({{c}} AS {'REAL' if name == 'REAL' else 'NUMERIC'})"
    looks_like_number = f"typeof({{c}}) = 'text' AND trim({{c}}) GLOB '*[0-9]*' AND CAST({converted} AS TEXT) <> {{c}}"

    def judge(value: t.Any) -> bool:
        try:
            float(value)
        except ValueError:
            return True
        return _number(value, exact_integers=name != "REAL")

    return Conversion(looks_like_number, judge)


_CONVERSIONS: dict[str, Conversion] = {
    "integer": Conversion(
        "(typeof({c}) = 'text' AND CAST(CAST({c} AS INTEGER) AS TEXT) <> {c}) OR typeof({c}) = 'blob' "
        f"OR (typeof({{c}}) = 'real' AND (CAST({{c}} AS INTEGER) <> {{c}} OR {_NOT_A_FLOAT}))",
        _never,
    ),
    "boolean": Conversion(
        "CASE typeof({c}) WHEN 'text' THEN lower({c}) NOT IN ('true', 'false', '0', '1') "
        "WHEN 'null' THEN 0 ELSE {c} NOT IN (0, 1) END",
        _never,
        "CASE WHEN typeof({c}) = 'text' AND lower({c}) IN ('true', 'false') THEN lower({c}) = 'true' ELSE {c} END",
    ),
    "numeric": Conversion(
        "(typeof({c}) = 'text' AND CAST(CAST({c} AS NUMERIC) AS TEXT) <> {c}) OR typeof({c}) = 'blob'", _number
    ),
    "float": Conversion(f"typeof({{c}}) IN ('text', 'blob') OR (typeof({{c}}) = 'integer' AND {_NOT_A_FLOAT})", _real),
    "text": Conversion(
        "typeof({c}) IN ('blob', 'real')",
        _characters,
        # SQLite writes 15 digits, and a float may need 17.
        "CASE typeof({c}) WHEN 'blob' THEN CAST({c} AS TEXT) WHEN 'real' THEN "
        "CASE WHEN CAST(CAST({c} AS TEXT) AS REAL) = {c} THEN CAST({c} AS TEXT) ELSE printf('%!.17g', {c}) END "
        "ELSE {c} END",
    ),
    "datetime": Conversion(
        "{c} IS NOT NULL",
        _parses(datetime.datetime.fromisoformat),
        f"CASE WHEN {{c}} GLOB '{_DAY}' THEN {{c}} || ' 00:00:00.000000' ELSE {{c}} END",
    ),
    "date": Conversion("{c} IS NOT NULL", _parses(_day), "substr({c}, 1, 10)"),
    "time": Conversion("{c} IS NOT NULL", _parses(datetime.time.fromisoformat)),
    "binary": Conversion(
        "typeof({c}) IN ('integer', 'real')",
        _never,
        "CASE typeof({c}) WHEN 'text' THEN CAST({c} AS BLOB) ELSE {c} END",
    ),
    "json": Conversion("typeof({c}) <> 'null'", _json),
    "uuid": Conversion("typeof({c}) <> 'null'", _uuid, "lower(replace({c}, '-', ''))"),
}
