"""Lint agrees with what 120 operations were measured to do, with rows and other sessions beside, on each database."""

from __future__ import annotations

import contextlib
import json
import re
import typing as t
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy.pool import NullPool

from flask_schemaflow.linting.recorders import RECORDERS
from flask_schemaflow.linting.records import Finding
from flask_schemaflow.linting.rule_input import RuleInput
from flask_schemaflow.linting.rules import findings_of
from flask_schemaflow.linting.running_code import broken_statements
from flask_schemaflow.linting.sizes import Size
from flask_schemaflow.linting.sizes import Sizes
from tests.support import databases
from tests.support.servers import admin_engine
from tests.support.servers import Kind
from tests.support.servers import KINDS

DATA = json.loads(Path(__file__).with_name("data").joinpath("operations.json").read_text("utf-8"))
LONG = {"blocks-reads-and-writes", "blocks-writes", "carries-lock", "locks-rows"}
SAID_OTHERWISE = {
    # Measured with one writer on one row, which an UPDATE or DELETE of all rows did not meet in time.
    ("mariadb", "update_all"),
    ("mariadb", "delete_all"),
    # Blocks writers by what the server accepts; the measurement had no writer on that table.
    ("mariadb", "add_column_autoincrement"),
    # Breaks code that writes the old value; the measured code wrote another one.
    ("postgresql", "enum_rename_value"),
}


@pytest.fixture(scope="module", params=["sqlite", "postgresql", "mariadb"])
def kind(request: pytest.FixtureRequest) -> Kind:
    """The kind of database."""
    if request.param != "sqlite":
        admin_engine(request.param)
    return t.cast("Kind", request.param)


@pytest.mark.parametrize("every", [3, pytest.param(1, marks=pytest.mark.exhaustive)])
def test_every_operation_is_found_as_it_was_measured(kind: Kind, every: int, tmp_path: Path) -> None:
    """What blocks for a time that grows with the table is found, and nothing else is."""
    wrong = []
    begin = KINDS.index(kind) if every > 1 else 0  # so that each operation is tried on one of the databases
    with lab(kind, tmp_path) as run:
        for operation in DATA["operations"][begin::every]:
            if kind not in operation or (kind, operation["operation"]) in SAID_OTHERWISE:
                continue
            found = run(operation[kind])
            problem = disagreement(kind, operation[kind]["measured"], found)
            if problem:
                wrong.append(f"{operation['operation']}: {problem}: {[(f.code, f.table, f.lock) for f in found]}")
    assert not wrong, "\n".join(wrong)


def disagreement(kind: Kind, measured: dict[str, t.Any], found: list[Finding]) -> str:
    """Return how findings differ from what was measured; empty if they don't."""
    found = [item for item in found if item.level == "error"]
    codes = {item.code for item in found}
    blocks = bool(LONG & codes)
    if kind == "sqlite":
        fails = bool(measured["error"])
        return "" if fails == bool(codes & {"fails-on-data"}) and (fails or blocks == measured["every_row"]) else "rows"
    if measured.get("outcome") == "fails":
        return "" if codes & {"fails-on-data", "fails-in-transaction"} else "should fail"
    if blocks != measured["long_block"]:
        return f"long block was {measured['long_block']}"
    if kind == "postgresql" and ("breaks-running-code" in codes) != ("select" in measured["old_code_breaks"]):
        return f"old code breaks was {measured['old_code_breaks']}"
    if kind == "postgresql" and blocks and measured["blocks"] == "reads+writes":
        readers = any("reads" in item.blocks for item in found if item.code in LONG)
        return "" if readers else "reads were blocked, too"
    return ""


@contextlib.contextmanager
def lab(kind: Kind, folder: Path) -> t.Iterator[t.Callable[[dict[str, t.Any]], list[Finding]]]:
    """Yield a function that runs an operation on a fresh schema and returns what the rules find."""
    url = databases.create(kind, folder)
    engine = sa.create_engine(url, poolclass=NullPool)
    path = folder / "revision.py"
    sizes = Sizes({}, "test", Size(41_000_000, None))
    dirty = " ".join(DATA["schema"][kind])

    def run(case: dict[str, t.Any]) -> list[Finding]:
        nonlocal dirty
        _reset(engine, kind, dirty)
        dirty = " ".join([*case["statements"], *case.get("before", ())])
        _execute(engine, case.get("before", ()))
        path.write_text(_revision(case), "utf-8")
        namespace: dict[str, t.Any] = {}
        exec(compile(path.read_text("utf-8"), str(path), "exec"), namespace)
        recorder = RECORDERS[engine.dialect.name](engine, None, {"alembic_version"})
        recorder._wal = True  # type: ignore[attr-defined]
        broken: list[t.Any] = []
        with recorder.recording(str(path)) as observed, engine.connect() as connection:
            context = MigrationContext.configure(connection)
            with contextlib.suppress(sa.exc.DBAPIError), context.begin_transaction(), Operations.context(context):
                if "timezone" in case:
                    connection.exec_driver_sql(f"SET timezone = '{case['timezone']}'")
                namespace["upgrade"]()
        if not any(item.error for item in observed):
            changed = {change.table for item in observed for change in item.changes}
            with engine.connect() as connection:
                before = {name: shape for name, shape in recorder.shapes.before.items() if name in changed}
                broken = broken_statements(connection, before, recorder.failing)
        return findings_of(RuleInput(engine.dialect.name, observed, sizes, 2.0, broken))

    try:
        yield run
    finally:
        engine.dispose()
        databases.drop(url)


def _reset(engine: sa.Engine, kind: Kind, dirty: str) -> None:
    """Make the tables anew that a text of statements names, and remove whatever else came."""
    schema = DATA["schema"][kind]
    if kind == "postgresql":
        _execute(engine, ["DROP SCHEMA public CASCADE", "DROP SCHEMA IF EXISTS other CASCADE", "CREATE SCHEMA public"])
        _execute(engine, schema)
        return
    words = set(re.findall(r"\w+", dirty))
    own = {re.search(r"(?:create table|\bon) `?(\w+)", sql)[1] for sql in schema}  # type: ignore[index]
    with engine.connect() as connection:
        inspector = sa.inspect(connection)
        views = inspector.get_view_names()
        gone = [name for name in inspector.get_table_names() if name not in own or name in words]
        quote = connection.dialect.identifier_preparer.quote
    off = "PRAGMA foreign_keys = OFF" if kind == "sqlite" else "SET foreign_key_checks = 0"
    drops = [f"DROP VIEW {quote(name)}" for name in views] + [f"DROP TABLE {quote(name)}" for name in gone]
    made = [sql for sql in schema if words & set(re.findall(r"(?:create table|\bon) `?(\w+)", sql)[:1])]
    _execute(engine, [off, *drops, *made])


def _execute(engine: sa.Engine, statements: t.Iterable[str]) -> None:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for sql in statements:
            connection.exec_driver_sql(sql)


def _revision(case: dict[str, t.Any]) -> str:
    indent = " " * (8 if case.get("autocommit") else 4)
    lines = ["from alembic import op", "", "", "def upgrade():"]
    if case.get("autocommit"):
        lines.append("    with op.get_context().autocommit_block():")
    lines += [f"{indent}op.get_bind().exec_driver_sql({sql!r})" for sql in case["statements"]]
    return "\n".join(lines) + "\n"
