"""SQL is taken apart and put together again without a letter lost."""

from __future__ import annotations

import hypothesis
import pytest
from hypothesis import strategies

from flask_schemaflow.runtime.guards.sqlite.table_sql import TableText
from flask_schemaflow.runtime.guards.sqlite.tokens import normalised
from flask_schemaflow.runtime.guards.sqlite.tokens import text_of
from flask_schemaflow.runtime.guards.sqlite.tokens import tokens

PIECES = ["(", ")", ",", " ", "\n", "'", '"', "`", "[", "]", "--", "/*", "*/", "a", "CHECK", "é", "1.5", "$"]


@hypothesis.given(strategies.lists(strategies.sampled_from(PIECES)).map("".join))
def test_tokens_are_the_text(sql: str) -> None:
    """Whatever the text is, also one that is no SQL."""
    assert text_of(tokens(sql)) == sql


CLAUSES = [
    " CONSTRAINT n NOT NULL ON CONFLICT FAIL",
    " NULL",
    " DEFAULT NULL",
    " DEFAULT (max(1, 2))",
    " DEFAULT -1.5",
    " COLLATE NOCASE",
    " CHECK (a <> 'x, NOT NULL')",
    " UNIQUE ON CONFLICT IGNORE",
    " REFERENCES p (a, b) ON DELETE SET NULL ON UPDATE SET DEFAULT NOT DEFERRABLE INITIALLY DEFERRED",
    " CONSTRAINT [a key] PRIMARY KEY DESC",
    " GENERATED ALWAYS AS (b || ',') STORED",
    " AS (b)",
    " /* NOT NULL */ UNIQUE",
]


@hypothesis.given(strategies.lists(strategies.sampled_from(CLAUSES), max_size=6))
def test_clauses_are_told_apart(clauses: list[str]) -> None:
    """Each in its own piece, whatever comes before and after it."""
    table = TableText(f"CREATE TABLE t (a VARCHAR(1, 2){''.join(clauses)}, b)")
    assert [clause.text for clause in table.columns[0].clauses] == clauses
    assert [column.name for column in table.columns] == ["a", "b"]
    assert table.columns[0].type == "VARCHAR(1, 2)"


def test_commas_between_constraints_may_be_missing() -> None:
    """SQLite doesn't ask for them; the new text has them."""
    table = TableText("CREATE TABLE t (a, UNIQUE (a) CONSTRAINT k CHECK (a > 0) FOREIGN KEY (a) REFERENCES p)")
    assert [(item.kind, item.name, item.columns) for item in table.constraints] == [
        ("UNIQUE", "", ["a"]),
        ("CHECK", "k", []),
        ("FOREIGN", "", ["a"]),
    ]
    assert normalised(table.text) == normalised(
        "CREATE TABLE t (a, UNIQUE (a), CONSTRAINT k CHECK (a > 0), FOREIGN KEY (a) REFERENCES p)"
    )


@pytest.mark.parametrize(
    ("sql", "alias"),
    [
        ("CREATE TABLE t (id INTEGER PRIMARY KEY)", "id"),
        ("CREATE TABLE t (id integer NOT NULL, PRIMARY KEY (id))", "id"),
        ("CREATE TABLE t (id INT PRIMARY KEY)", ""),
        ("CREATE TABLE t (id INTEGER PRIMARY KEY DESC)", ""),
        ("CREATE TABLE t (id INTEGER, b, PRIMARY KEY (id, b))", ""),
        ("CREATE TABLE t (id INTEGER PRIMARY KEY) WITHOUT ROWID", ""),
    ],
)
def test_the_column_that_is_the_rowid(sql: str, alias: str) -> None:
    """Only an INTEGER PRIMARY KEY is."""
    assert TableText(sql).rowid_alias == alias


def test_a_virtual_table_has_no_columns_to_change() -> None:
    """Its text is for its module."""
    with pytest.raises(ValueError, match="VIRTUAL"):
        TableText("CREATE VIRTUAL TABLE t USING fts5(a, b)")
