"""Batch mode on SQLite keeps whatever a change doesn't mention."""

from __future__ import annotations

import re
import typing as t

import pytest
import sqlalchemy as sa

from flask_schemaflow.runtime.guards.sqlite.tokens import quoted
from flask_schemaflow.runtime.own_tables import OWN_TABLES

from .conftest import ENFORCED
from .conftest import MakeShop
from .conftest import Shop

pytestmark = pytest.mark.filterwarnings("ignore:.*tometadata")

# Changes a column that has nothing to do with what the table is made of.
UNRELATED = 'with op.batch_alter_table("t") as batch_op:\n    batch_op.alter_column("plain", nullable=False)\n'

# name -> statements; each table t has a column plain, of which NOT NULL is the only change.
FEATURES: dict[str, list[str]] = {
    "triggers": [
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, plain TEXT)",
        "CREATE TABLE log (what TEXT)",
        "CREATE TRIGGER t_ins AFTER INSERT ON t BEGIN INSERT INTO log VALUES ('in;serted ' || NEW.a); END",
        "CREATE TRIGGER t_upd BEFORE UPDATE OF a ON t FOR EACH ROW WHEN NEW.a <> OLD.a BEGIN "
        "SELECT RAISE(ABORT, 'no') WHERE NEW.a = 'forbidden'; END",
        "CREATE TRIGGER log_ins AFTER INSERT ON log BEGIN UPDATE t SET plain = 'seen' WHERE 0; END",
        "INSERT INTO t VALUES (1, 'x', 'p')",
    ],
    "views": [
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, plain TEXT)",
        "CREATE VIEW v AS SELECT a, plain FROM t WHERE a IS NOT NULL",
        "CREATE VIEW vv AS SELECT count(*) AS n FROM v JOIN t",
        "CREATE TRIGGER v_ins INSTEAD OF INSERT ON v BEGIN INSERT INTO t (a, plain) VALUES (NEW.a, NEW.plain); END",
        "INSERT INTO t VALUES (1, 'x', 'p')",
    ],
    "indexes": [
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b INT, plain TEXT)",
        "CREATE INDEX i_desc ON t (a DESC, b)",
        "CREATE INDEX i_nocase ON t (a COLLATE NOCASE)",
        "CREATE UNIQUE INDEX i_partial ON t (b) WHERE a IS NOT NULL AND a <> 'x, y'",
        "CREATE INDEX i_expression ON t (lower(a), b + 1)",
        "INSERT INTO t VALUES (1, 'x', 1, 'p'), (2, NULL, 1, 'q')",
    ],
    "checks": [
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a INT CHECK (a > 0), b INT CONSTRAINT b_small CHECK (b < 10), "
        "plain TEXT, CHECK (a < b), CONSTRAINT a_named CHECK (a <> 5))",
        "INSERT INTO t VALUES (1, 1, 2, 'p')",
    ],
    "collation": [
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT COLLATE NOCASE UNIQUE, plain TEXT)",
        "INSERT INTO t VALUES (1, 'x', 'p')",
    ],
    "autoincrement": [
        "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, plain TEXT)",
        "INSERT INTO t VALUES (1, 'p'), (99, 'q')",
        "DELETE FROM t WHERE id = 99",
    ],
    "autoincrement in a constraint of the table": [
        "CREATE TABLE t (id INTEGER, plain TEXT, CONSTRAINT pk PRIMARY KEY (id AUTOINCREMENT))",
        "INSERT INTO t VALUES (1, 'p'), (99, 'q')",
        "DELETE FROM t WHERE id = 99",
    ],
    "autoincrement, no rows": [
        "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, plain TEXT)",
        "INSERT INTO t VALUES (7, 'p')",
        "DELETE FROM t",
    ],
    "generated columns": [
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a INT, twice INT GENERATED ALWAYS AS (a * 2) STORED, "
        "thrice AS (a * 3), plain TEXT)",
        "CREATE INDEX i_twice ON t (twice)",
        "INSERT INTO t (id, a, plain) VALUES (1, 4, 'p')",
    ],
    "strict": [
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a ANY, b REAL, plain TEXT) STRICT",
        "INSERT INTO t VALUES (1, '007', 1, 'p')",
    ],
    "without rowid": [
        "CREATE TABLE t (a TEXT, b INT, plain TEXT, PRIMARY KEY (b DESC, a)) WITHOUT ROWID",
        "INSERT INTO t VALUES ('x', 1, 'p')",
    ],
    "conflict clauses": [
        "CREATE TABLE t (id INTEGER PRIMARY KEY ON CONFLICT REPLACE, a TEXT NOT NULL ON CONFLICT IGNORE, "
        "b INT UNIQUE ON CONFLICT FAIL, plain TEXT, UNIQUE (a, b) ON CONFLICT ROLLBACK)",
        "INSERT INTO t VALUES (1, 'x', 1, 'p')",
    ],
    "foreign keys": [
        "CREATE TABLE p (id INTEGER PRIMARY KEY, code TEXT UNIQUE)",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, "
        "p INT REFERENCES p ON DELETE CASCADE ON UPDATE SET NULL DEFERRABLE INITIALLY DEFERRED, "
        "c TEXT CONSTRAINT fk_c REFERENCES p (code) MATCH FULL NOT DEFERRABLE, up INT REFERENCES t (id) ON DELETE SET "
        "DEFAULT, plain TEXT, CONSTRAINT fk_two FOREIGN KEY (c) REFERENCES p (code) ON DELETE SET NULL)",
        "CREATE TABLE child (id INTEGER PRIMARY KEY, t INT REFERENCES t (id) ON DELETE CASCADE)",
        "INSERT INTO p VALUES (1, 'x')",
        "INSERT INTO t VALUES (1, 1, 'x', NULL, 'p'), (2, NULL, 'x', 1, 'q')",
        "INSERT INTO child VALUES (1, 1), (2, 2)",
    ],
    "types that nobody knows": [
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a GEOMETRY(2, 4326), b money, c, d LONG TEXT, plain TEXT)",
        "INSERT INTO t VALUES (1, x'00', 1.5, '007', 'd', 'p')",
    ],
    "defaults": [
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT DEFAULT (lower('X,)')), b DEFAULT -1.5, c DEFAULT NULL, "
        "d TIMESTAMP DEFAULT CURRENT_TIMESTAMP, e TEXT DEFAULT 'it''s', plain TEXT)",
        "INSERT INTO t (id, plain, d) VALUES (1, 'p', 'now')",
    ],
    "odd spelling": [
        'create table "t"(\n  [id] integer primary key, -- the key, (of it)\n  `a b` varchar(10) /* , */ not null,\n'
        '  "unique" int, "say ""hi""" text, plain text, unique("unique"), check("unique" > 0) -- end\n)',
        "INSERT INTO t VALUES (1, 'x', 1, 'h', 'p')",
    ],
    "rowids": [
        "CREATE TABLE t (a TEXT, plain TEXT)",
        "INSERT INTO t (rowid, a, plain) VALUES (5, 'x', 'p'), (-3, 'y', 'q'), (900, 'z', 'r')",
    ],
    "a rowid by another name": [
        "CREATE TABLE t (rowid TEXT, oid TEXT, plain TEXT)",
        "INSERT INTO t (_rowid_, rowid, oid, plain) VALUES (5, 'x', 'y', 'p')",
    ],
    "values of other types": [
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a INT, d DATETIME, n NUMERIC(4), plain TEXT)",
        "INSERT INTO t VALUES (1, 'abc', '2024-01-31', '12345678901234567890.5x', x'00ff')",
    ],
}


UNRELATED_TABLES = {"alembic_version", *OWN_TABLES}


def catalog(shop: Shop) -> list[tuple[t.Any, ...]]:
    """Everything that SQLite keeps as text, letter by letter."""
    with shop.project.connect() as connection:
        rows = connection.exec_driver_sql("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name")
        return [tuple(row) for row in rows if row[2] not in UNRELATED_TABLES]


def rows(shop: Shop) -> t.Any:
    """Every row with its rowid and the storage class of each value, and the sequences."""
    with shop.project.connect() as connection:
        kinds = {}
        for name in sa.inspect(connection).get_table_names():
            columns = [row[1] for row in connection.exec_driver_sql(f'PRAGMA table_xinfo("{name}")')]
            listed = ", ".join(f"{quoted(column)}, typeof({quoted(column)})" for column in columns)
            try:
                found = connection.exec_driver_sql(f'SELECT _rowid_, {listed} FROM "{name}"').all()
            except sa.exc.OperationalError:  # WITHOUT ROWID
                found = connection.exec_driver_sql(f'SELECT {listed} FROM "{name}"').all()
            kinds[name] = sorted(map(repr, found))
        kinds = {name: kinds[name] for name in kinds.keys() - UNRELATED_TABLES}
        if connection.exec_driver_sql("SELECT 1 FROM sqlite_master WHERE name = 'sqlite_sequence'").first():
            kinds["sequences"] = sorted(map(repr, connection.exec_driver_sql("SELECT * FROM sqlite_sequence")))
        return kinds


@pytest.mark.parametrize("feature", FEATURES)
@pytest.mark.parametrize("recreate", ["auto", "always"])
def test_what_a_change_does_not_mention_stays(feature: str, recreate: str, shop: MakeShop) -> None:
    """The catalog is the same text but for NOT NULL, rows and rowids are the same, and so are the sequences."""
    made = shop(db_arguments=ENFORCED)
    made.make(FEATURES[feature])
    before, stored = catalog(made), rows(made)
    made.project.write_revision("r1", upgrade=UNRELATED.replace('("t")', f'("t", recreate="{recreate}")'))
    made.upgrade()
    after = [
        (*row[:3], row[3] and re.sub(r"\b(plain TEXT) NOT NULL", r"\1", row[3], flags=re.I)) for row in catalog(made)
    ]
    assert after == before
    assert rows(made) == stored
    assert not made.notices()
    assert made.project.execute("PRAGMA integrity_check") == [("ok",)]
