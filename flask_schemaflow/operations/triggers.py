"""Triggers that keep two columns of a table in step, while code that knows one of them and code that knows both run.

What a statement gives to the new column wins, because only new code names it: the old one is computed from it, unless
it fits already, as in a backfill. What it gives to the old column alone is from old code, or from the
session that fills an old column which comes back. For old code the new one is computed, and the time is noted in
``schemaflow_writes``, by each session at most every ten seconds, in a row of its own, so that no session waits for
another. Where the old column has a default, an INSERT that names neither column looks like old code, so only an UPDATE
is noted.
"""

from __future__ import annotations

import dataclasses
import hashlib
import typing as t

import sqlalchemy as sa
from alembic.operations import Operations

from ..backfills.table import WRITES_TABLE
from ..backfills.table import writes_table
from .server import ask
from .server import is_offline
from .server import kind_of
from .server import quote
from .server import quote_table
from .server import run

FILLS = "schemaflow.fills"
"""A variable of a session that fills the old column itself, so that the triggers leave it alone; it is 1 then."""

_LONGEST = 40


@dataclasses.dataclass(frozen=True)
class Pair:
    """Two columns that are kept in step.

    :param old: the column that old code knows.
    :param new: the column that new code knows.
    :param forward: SQL that computes the new one of the old one.
    :param backward: SQL that computes the old one of the new one.
    """

    table: str
    schema: str | None
    old: str
    new: str
    forward: str = ""
    backward: str = ""

    @property
    def name(self) -> str:
        """The name of the triggers, the same whichever of the columns is called the new one."""
        columns = sorted((self.old, self.new))
        digest = hashlib.sha1("\0".join([self.table, *columns]).encode(), usedforsecurity=False).hexdigest()[:10]
        shown = "_".join([self.table, *columns]).encode()[:_LONGEST].decode(errors="ignore")
        return f"sf_{shown}_{digest}"


def create_triggers(operations: Operations, pair: Pair, is_noted: bool, key: t.Sequence[str] = ()) -> None:
    """Create the triggers of a pair; those of an interrupted run are replaced.

    :param is_noted: whether an INSERT of the old column alone tells that old code wrote it.
    :param key: the columns of the primary key, for SQLite.
    """
    drop_triggers(operations, pair)
    operations.execute(sa.schema.CreateTable(writes_table(), if_not_exists=True))
    _CREATE[kind_of(operations)](operations, pair, is_noted, key)


_TRIGGERS = {
    "postgresql": "SELECT 1 FROM pg_trigger WHERE tgrelid = to_regclass(:table) AND tgname LIKE :name",
    "mysql": "SELECT 1 FROM information_schema.triggers WHERE trigger_schema = COALESCE(:schema, DATABASE()) "
    "AND trigger_name LIKE :name",
    "sqlite": "SELECT 1 FROM sqlite_master WHERE type = 'trigger' AND name LIKE :name",
}


def has_triggers(operations: Operations, pair: Pair) -> bool:
    """Return whether there are triggers of a pair."""
    query = _TRIGGERS[kind_of(operations)]
    values = {
        "name": f"{pair.name}%",
        "schema": pair.schema,
        "table": quote_table(operations, pair.table, pair.schema),
    }
    return bool(ask(operations, query, **{name: value for name, value in values.items() if f":{name}" in query}))


def drop_triggers(operations: Operations, pair: Pair) -> None:
    """Drop the triggers of a pair, if they are there."""
    kind = kind_of(operations)
    if kind == "postgresql":
        name, table = quote(operations, pair.name), quote_table(operations, pair.table, pair.schema)
        run(operations, f"DROP TRIGGER IF EXISTS {name} ON {table}")
        for function in (pair.name, f"{pair.name}_n"):
            run(operations, f"DROP FUNCTION IF EXISTS {quote_table(operations, function, pair.schema)}()")
        return
    for event in ("i", "u"):
        run(operations, f"DROP TRIGGER IF EXISTS {quote_table(operations, f'{pair.name}_{event}', pair.schema)}")


def _of_row(operations: Operations, column: str, expression: str) -> str:
    """Return an expression over a column as one over the row that a trigger has."""
    name = quote(operations, column)
    return f"(SELECT {expression} FROM (SELECT NEW.{name} AS {name}) AS given)"


def _create_on_postgresql(operations: Operations, pair: Pair, is_noted: bool, key: t.Sequence[str]) -> None:
    table = quote_table(operations, pair.table, pair.schema)
    old, new = quote(operations, pair.old), quote(operations, pair.new)
    function = quote_table(operations, pair.name, pair.schema)
    note = _create_note(operations, pair)
    noted = "TRUE" if is_noted else "TG_OP = 'UPDATE'"
    run(
        operations,
        f"""CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS $schemaflow$
DECLARE
    fitting record := NEW;
    is_new boolean := NEW.{new} IS NOT NULL;
    is_old boolean := NEW.{old} IS NOT NULL;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        is_new := CAST(NEW.{new} AS text) IS DISTINCT FROM CAST(OLD.{new} AS text);
        is_old := CAST(NEW.{old} AS text) IS DISTINCT FROM CAST(OLD.{old} AS text);
    END IF;
    IF current_setting('{FILLS}', TRUE) = '1' THEN
        RETURN NEW;
    END IF;
    IF is_new THEN
        fitting.{new} := {_of_row(operations, pair.old, pair.forward)};
        IF CAST(NEW.{new} AS text) IS DISTINCT FROM CAST(fitting.{new} AS text) THEN
            NEW.{old} := {_of_row(operations, pair.new, pair.backward)};
        END IF;
    ELSIF is_old THEN
        NEW.{new} := {_of_row(operations, pair.old, pair.forward)};
        IF {noted} AND COALESCE(NULLIF(current_setting('schemaflow.{_variable(pair)}', TRUE), ''), '0')::numeric
            < extract(epoch FROM clock_timestamp()) - 10
        THEN
            PERFORM set_config('schemaflow.{_variable(pair)}', extract(epoch FROM clock_timestamp())::text, FALSE);
            PERFORM {note}();
        END IF;
    END IF;
    RETURN NEW;
END $schemaflow$""",
    )
    trigger = quote(operations, pair.name)
    run(
        operations,
        f"CREATE TRIGGER {trigger} BEFORE INSERT OR UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION {function}()",
    )


def _create_note(operations: Operations, pair: Pair) -> str:
    """Create the function that notes a write with the rights of its owner, and return its name."""
    schema, name = pair.schema or _schema(operations), pair.name.replace("'", "''")
    function = quote_table(operations, f"{pair.name}_n", schema)
    path = "FROM CURRENT" if is_offline(operations) else "= pg_catalog"
    run(
        operations,
        f"""CREATE OR REPLACE FUNCTION {function}() RETURNS void LANGUAGE sql SECURITY DEFINER
SET search_path {path} AS $schemaflow$
INSERT INTO {_writes(operations)} (name, seconds) VALUES ('{name}', extract(epoch FROM clock_timestamp()));
$schemaflow$""",
    )
    return function


def _variable(pair: Pair) -> str:
    return "w" + hashlib.sha1(pair.name.encode(), usedforsecurity=False).hexdigest()[:16]


def _schema(operations: Operations) -> str | None:
    """Return where names without a schema are created; a trigger has to find them by any search path."""
    asked = {"postgresql": "SELECT current_schema()", "mysql": "SELECT DATABASE()"}[kind_of(operations)]
    return None if is_offline(operations) else t.cast("str | None", operations.get_bind().scalar(sa.text(asked)))


def _writes(operations: Operations) -> str:
    return quote_table(operations, WRITES_TABLE, _schema(operations))


def _create_on_mysql(operations: Operations, pair: Pair, is_noted: bool, key: t.Sequence[str]) -> None:
    table = quote_table(operations, pair.table, pair.schema)
    old, new = quote(operations, pair.old), quote(operations, pair.new)
    forward, backward = _of_row(operations, pair.old, pair.forward), _of_row(operations, pair.new, pair.backward)
    variable, name = f"@schemaflow_{_variable(pair)}", pair.name.replace("'", "''")
    note = f"""
        IF {variable} IS NULL OR {variable} < UNIX_TIMESTAMP() - 10 THEN
            SET {variable} = UNIX_TIMESTAMP();
            INSERT INTO {_writes(operations)} (name, seconds) VALUES ('{name}', UNIX_TIMESTAMP());
        END IF;"""
    for event, words, is_new, is_old, noted in (
        ("i", "INSERT", f"NEW.{new} IS NOT NULL", f"NEW.{old} IS NOT NULL", is_noted),
        (
            "u",
            "UPDATE",
            f"NOT (NEW.{new} <=> OLD.{new})",
            f"NOT (NEW.{old} <=> OLD.{old})",
            True,
        ),
    ):
        statement = f"""CREATE TRIGGER {quote_table(operations, f"{pair.name}_{event}", pair.schema)}
BEFORE {words} ON {table} FOR EACH ROW
BEGIN
    IF @{FILLS.replace(".", "_")} = 1 THEN
        SET NEW.{old} = NEW.{old};
    ELSEIF {is_new} THEN
        IF NOT (NEW.{new} <=> {forward}) THEN
            SET NEW.{old} = {backward};
        END IF;
    ELSEIF {is_old} THEN
        SET NEW.{new} = {forward};{note if noted else ""}
    END IF;
END"""
        if is_offline(operations):
            operations.get_context().impl.static_output(f"DELIMITER //\n\n{statement} //\n\nDELIMITER ;\n")
        else:
            run(operations, statement)


def _create_on_sqlite(operations: Operations, pair: Pair, is_noted: bool, key: t.Sequence[str]) -> None:
    table = quote_table(operations, pair.table, pair.schema)
    old, new = quote(operations, pair.old), quote(operations, pair.new)
    inner = quote_table(operations, pair.table, None)  # a trigger's own statements name no schema
    forward, backward = _of_row(operations, pair.old, pair.forward), _of_row(operations, pair.new, pair.backward)
    row = " AND ".join(f"{name} = NEW.{name}" for name in (quote(operations, part) for part in key or ("rowid",)))
    name = pair.name.replace("'", "''")
    now = "CAST(strftime('%s', 'now') AS INTEGER)"
    note = f"""
    INSERT INTO {WRITES_TABLE} (name, seconds) SELECT '{name}', {now} WHERE {{from_old}}
        AND NOT EXISTS (SELECT 1 FROM {WRITES_TABLE} w WHERE w.name = '{name}' AND w.seconds > {now} - 10);"""
    for event, words, from_new, from_old, noted in (
        ("i", "INSERT", f"NEW.{new} IS NOT NULL", f"NEW.{new} IS NULL AND NEW.{old} IS NOT NULL", is_noted),
        (
            "u",
            f"UPDATE OF {old}, {new}",
            f"NEW.{new} IS NOT OLD.{new}",
            # What the triggers themselves have written into the old column fits the new one.
            f"NEW.{new} IS OLD.{new} AND NEW.{old} IS NOT OLD.{old} "
            f"AND (NEW.{new} IS NULL OR NEW.{old} IS NOT {backward})",
            True,
        ),
    ):
        run(
            operations,
            f"""CREATE TRIGGER {quote_table(operations, f"{pair.name}_{event}", pair.schema)}
AFTER {words} ON {table} FOR EACH ROW
BEGIN{note.format(from_old=from_old) if noted else ""}
    UPDATE {inner} SET {new} = {forward} WHERE {row} AND {from_old};
    UPDATE {inner} SET {old} = {backward} WHERE {row} AND {from_new} AND NEW.{new} IS NOT {forward};
END""",
        )


_CREATE: dict[str, t.Callable[[Operations, Pair, bool, t.Sequence[str]], None]] = {
    "postgresql": _create_on_postgresql,
    "mysql": _create_on_mysql,
    "sqlite": _create_on_sqlite,
}
