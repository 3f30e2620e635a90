"""Kinds of statements, and entries that survive a process."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import typing as t
import uuid
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_schemaflow.runtime.guards.journal import entries
from flask_schemaflow.runtime.guards.journal.entries import ANY
from flask_schemaflow.runtime.guards.journal.entries import Entry
from flask_schemaflow.runtime.guards.journal.mysql import targets
from flask_schemaflow.runtime.guards.journal.recorder import Log
from flask_schemaflow.runtime.guards.journal.replay import Past
from flask_schemaflow.runtime.guards.journal.replay import SentStatement
from flask_schemaflow.runtime.guards.journal.statements import classify
from flask_schemaflow.runtime.guards.journal.statements import Kind
from flask_schemaflow.runtime.guards.journal.status import lines_from
from flask_schemaflow.runtime.guards.journal.table import Point


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        ("SELECT 1", Kind.READ),
        ("-- note\n/* more */ (SELECT id FROM a)", Kind.READ),
        ("WITH x AS (SELECT 1) SELECT * FROM x", Kind.READ),
        ("WITH x AS (DELETE FROM a RETURNING id) SELECT * FROM x", Kind.DATA),
        ("SELECT setval('seq', 7)", Kind.DATA),
        ("SELECT version()", Kind.READ),
        ("SELECT 'INSERT INTO x' FROM a", Kind.READ),
        ("INSERT INTO a VALUES (1)", Kind.DATA),
        ("INSERT INTO a VALUES (1); INSERT INTO a VALUES (2)", Kind.CALL),
        ("INSERT INTO a VALUES ('; b')", Kind.DATA),
        ("ALTER TABLE a ADD COLUMN b INTEGER", Kind.SCHEMA),
        ("CREATE TEMPORARY TABLE t (id INTEGER)", Kind.SESSION),
        ("SET LOCAL lock_timeout = 1", Kind.SESSION),
        ("SAVEPOINT a", Kind.SESSION),
        ("ROLLBACK TO SAVEPOINT a", Kind.SESSION),
        ("START TRANSACTION", Kind.BEGIN),
        ("COMMIT", Kind.COMMIT),
        ("CALL p()", Kind.CALL),
        ("LOCK TABLES a WRITE", Kind.LOCK),
    ],
)
def test_a_statement_is_known_by_its_words(statement: str, kind: Kind) -> None:
    """What is not known counts as a change of the schema, the careful answer."""
    assert classify(statement, set()) is kind


def test_what_is_done_to_a_temporary_table_dies_with_the_session() -> None:
    """So it is done again in a new one."""
    temporary: set[str] = set()
    assert classify("CREATE TEMPORARY TABLE t (id INTEGER)", temporary) is Kind.SESSION
    assert classify("INSERT INTO t VALUES (1)", temporary) is Kind.SESSION
    assert classify("INSERT INTO other SELECT * FROM t", temporary) is Kind.DATA


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("CREATE TABLE IF NOT EXISTS `a b`.`c` (id INTEGER)", [("TABLE", "`a b`.`c`")]),
        ("ALTER ONLINE TABLE a DROP COLUMN b", [("TABLE", "a")]),
        ("CREATE UNIQUE INDEX i ON a (b)", [("TABLE", "a")]),
        ("DROP TABLE a, b", [("TABLE", "a"), ("TABLE", "b")]),
        ("RENAME TABLE a TO x, b TO a, x TO b", [("TABLE", "a"), ("TABLE", "x"), ("TABLE", "b")]),
        ("CREATE OR REPLACE VIEW v AS SELECT 1", [("VIEW", "v")]),
        ("CREATE DEFINER = me TRIGGER t BEFORE INSERT ON a FOR EACH ROW SET @x = 1", [("TRIGGER", "t")]),
        ("ALTER TABLE a EXCHANGE PARTITION p WITH TABLE b", []),
        ("CALL p()", []),
    ],
)
def test_what_a_statement_changes_on_mariadb(statement: str, found: list[tuple[str, str]]) -> None:
    """Where that can't be told, a person is asked."""
    assert targets(statement) == found


VALUES: t.Any = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(),
    st.binary(),
    st.decimals(allow_nan=False, allow_infinity=False),
    st.datetimes(),
    st.dates(),
    st.timedeltas(),
    st.uuids(),
    st.lists(st.integers()),
)


@given(rows=st.lists(st.tuples(VALUES, VALUES)), rowcount=st.integers(-1, 9))
def test_a_result_survives_the_process(rows: list[tuple[t.Any, t.Any]], rowcount: int) -> None:
    """As it was, types and all."""
    entry = Entry("d", False, rowcount, columns=(("a", 3), ("b", None)), rows=tuple(rows))
    assert entries.loads(entries.dumps([entry])) == [entry]


def test_what_can_not_be_written_is_left_out() -> None:
    """Such a read is read again."""
    log = Log()
    log.add(Entry("d", False, 1, columns=(("a", None),), rows=((object(),),)))
    assert log.entries == (Entry("d", False, 1, columns=(("a", None),)),)
    assert not log.entries[0].is_kept


def test_repeats_are_counted() -> None:
    """Also where the server's keys go up."""
    log = Log()
    entry = SentStatement("INSERT INTO a VALUES (1)", None, True).entry
    for key in range(5, 1005):
        log.add(dataclasses.replace(entry, rowcount=1, lastrowid=key))
    assert len(log.entries) == 1
    point = Point("r", "upgrade", 0, "intent", "ALTER TABLE a ADD b INTEGER", log=log.entries)
    past = Past([], point, "")
    call = SentStatement("INSERT INTO a VALUES (1)", None, True)
    keys = []
    while (found := past.take(call)) is not None:
        keys.append(found.lastrowid)
    assert keys == list(range(5, 1005))
    assert past.is_over


def test_too_many_statements_become_one_entry_for_any(monkeypatch: pytest.MonkeyPatch) -> None:
    """A journal has a bound; what stands for any is left out until the point of commitment."""
    monkeypatch.setattr(entries, "CHARACTERS", 1000)
    log = Log()
    for number in range(100):
        log.add(Entry(f"d{number}", True, 1, text="INSERT"))
    assert len(log.entries) < 12
    assert log.entries[-1].digest == ANY
    point = Point("r", "upgrade", 0, "intent", "ALTER TABLE a ADD b INTEGER", log=log.entries, source="s")
    past = Past([], point, "s")
    assert past.take(SentStatement("INSERT INTO a VALUES (1)", None, True)) is not None
    assert past.take_point(SentStatement("ALTER TABLE a ADD b INTEGER", None, True)) is None
    assert past.is_over


def test_a_literal_may_differ_while_the_file_is_the_same() -> None:
    """A date in the statement is no edit."""
    statement = "INSERT INTO log VALUES ('{}', {})"
    done = SentStatement(statement.format("2024-01-01", 1), None, True).entry
    point = Point("r", "upgrade", 0, "done", "DROP TABLE a", log=(done,), source="s")
    again = SentStatement(statement.format("2025-02-02", 2), None, True)
    assert Past([point], None, "s").take(again) == done


def test_values_by_chance_are_no_edit_and_others_are() -> None:
    """Keys, times and passwords differ each time; a number in the file does not."""

    def values(*parameters: t.Any) -> str:
        return SentStatement("INSERT INTO a VALUES (%s, %s)", parameters, True).entry.values

    now = datetime.datetime.now(datetime.timezone.utc)
    assert values(uuid.uuid4(), now) == values(uuid.uuid4(), now + datetime.timedelta(1))
    assert values(uuid.uuid4().hex, 1) == values(uuid.uuid4().hex, 1)
    assert values("a", 1) != values("a", 2)
    assert values("a", decimal.Decimal("1.0")) != values("b", decimal.Decimal("1.0"))


def test_what_is_left_of_a_file(tmp_path: Path) -> None:
    """From the statement around the line on."""
    path = tmp_path / "r.py"
    path.write_text("x = 1\n\n\ndef upgrade():\n    a()\n    for x in y:\n        b()\n    c(\n        1,\n    )\n")
    assert lines_from(str(path), 7) == ["line 6: for x in y: b()", "line 8: c( 1, )"]
    assert lines_from(str(path), 1) == []
    path.write_text(
        "def upgrade():\n"
        "    op.add_column('a', sa.Column('b'))\n"
        "    op.create_table('c', sa.Column('d', index=True))\n"
        "    op.execute('e')\n"
    )
    second, third = "line 3: op.create_table('c', sa.Column('d', index=True))", "line 4: op.execute('e')"
    assert lines_from(str(path), 2, is_done=True) == [second, third]
    assert lines_from(str(path), 3, is_done=True) == [second, third]  # its index may be missing
    assert lines_from(str(path), 4, is_done=True) == []
    assert lines_from(str(path), 4) == [third]
    assert lines_from(str(tmp_path / "missing.py"), 1) == []
