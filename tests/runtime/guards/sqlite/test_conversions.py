"""A change of type keeps every value or is refused, naming one that it would not keep."""

from __future__ import annotations

import typing as t

import pytest
import sqlalchemy as sa

from flask_schemaflow.errors.running import RebuildRefused
from flask_schemaflow.errors.running import ValuesWouldChange

from .conftest import MakeShop
from .conftest import Shop

# (old type, new type, stored values, what is stored afterwards)
KEPT: dict[str, tuple[str, str, list[t.Any], list[t.Any]]] = {
    "text to integer": ("TEXT", "sa.Integer()", ["12", "-3", "0", 4, None], [12, -3, 0, 4, None]),
    "text to a long integer": ("TEXT", "sa.BigInteger()", ["9223372036854775807"], [9223372036854775807]),
    "float to integer": ("FLOAT", "sa.Integer()", [3.0, -4.0], [3, -4]),
    "text to boolean": ("TEXT", "sa.Boolean()", ["true", "False", "1", "0", None], [1, 0, 1, 0, None]),
    "integer to boolean": ("INTEGER", "sa.Boolean()", [0, 1], [0, 1]),
    "boolean to integer": ("BOOLEAN", "sa.Integer()", [0, 1], [0, 1]),
    "text to numeric": ("TEXT", "sa.Numeric(10, 2)", ["1.50", "12", "-0.25"], [1.5, 12, -0.25]),
    "text to float": ("TEXT", "sa.Float()", ["1.5", "2", "1e3"], [1.5, 2.0, 1000.0]),
    "integer to numeric": ("INTEGER", "sa.Numeric(10, 2)", [9223372036854775807], [9223372036854775807]),
    "integer to text": ("INTEGER", "sa.String(20)", [7, None], ["7", None]),
    "float to text": ("FLOAT", "sa.Text()", [0.1, 0.1 + 0.2, 3.0], ["0.1", "0.30000000000000004", "3.0"]),
    "numeric to text": ("NUMERIC(10, 2)", "sa.Text()", [1.5, 3], ["1.5", "3"]),
    "bytes to text": ("BLOB", "sa.Text()", ["é".encode(), b""], ["é", ""]),
    "text to bytes": ("TEXT", "sa.LargeBinary()", ["é", None], ["é".encode(), None]),
    "date to datetime": ("DATE", "sa.DateTime()", ["2024-01-31"], ["2024-01-31 00:00:00.000000"]),
    "datetime to date": ("DATETIME", "sa.Date()", ["2024-01-31 00:00:00.000000"], ["2024-01-31"]),
    "datetime to text": ("DATETIME", "sa.Text()", ["2024-01-31 12:00:00"], ["2024-01-31 12:00:00"]),
    "text to datetime": (
        "TEXT",
        "sa.DateTime()",
        ["2024-01-31 12:00:00.500000", "2024-01-31"],
        ["2024-01-31 12:00:00.500000", "2024-01-31 00:00:00.000000"],
    ),
    "text to date": ("TEXT", "sa.Date()", ["2024-01-31"], ["2024-01-31"]),
    "text to time": ("TEXT", "sa.Time()", ["12:30:00"], ["12:30:00"]),
    "text to JSON": ("TEXT", "sa.JSON()", ['{"a": [1]}', '"x"', "5", None], ['{"a": [1]}', '"x"', 5, None]),
    "text to UUID": (
        "VARCHAR(36)",
        "sa.Uuid()",
        ["0F8FAD5B-D9CB-469F-A165-70867728950E"],
        ["0f8fad5bd9cb469fa16570867728950e"],
    ),
    "UUID to text": (
        "CHAR(32)",
        "sa.String(36), existing_type=sa.Uuid()",
        ["0f8fad5bd9cb469fa16570867728950e", "odd", None],
        ["0f8fad5b-d9cb-469f-a165-70867728950e", "odd", None],
    ),
    "text to longer text": ("VARCHAR(3)", "sa.Text()", ["abc", 5], ["abc", "5"]),
    "text to an Enum": ("TEXT", 'sa.Enum("a", "b", name="e")', ["a", "b", None], ["a", "b", None]),
    "an unknown type": ("TEXT", "Money()", ["1.5", "cheap"], [1.5, "cheap"]),
}

# (old type, new type, stored values, the value that is named)
REFUSED: dict[str, tuple[str, str, list[t.Any], str]] = {
    "no number": ("TEXT", "sa.Integer()", ["1", "abc"], "'abc' (rowid 2)"),
    "leading zeros": ("TEXT", "sa.Integer()", ["007"], "'007' (rowid 1)"),
    "a fraction": ("FLOAT", "sa.Integer()", [1.0, 3.7, 4.5], "3.7 (rowid 2) and 1 more"),
    "a fraction in text": ("TEXT", "sa.Integer()", ["3.7"], "'3.7' (rowid 1)"),
    "too long for an integer": ("TEXT", "sa.Integer()", ["9223372036854775808"], "'9223372036854775808' (rowid 1)"),
    "a date as integer": ("DATETIME", "sa.Integer()", ["2024-01-31 00:00:00"], "'2024-01-31 00:00:00' (rowid 1)"),
    "neither true nor false": ("TEXT", "sa.Boolean()", ["true", "maybe"], "'maybe' (rowid 2)"),
    "more than one": ("INTEGER", "sa.Boolean()", [1, 2], "2 (rowid 2)"),
    "more digits than a float has": (
        "TEXT",
        "sa.Numeric(30, 2)",
        ["12345678901234567.89"],
        "'12345678901234567.89' (rowid 1)",
    ),
    "no numeral": ("TEXT", "sa.Numeric(30, 2)", ["1,5"], "'1,5' (rowid 1)"),
    "an integer that no float is": ("INTEGER", "sa.Float()", [9007199254740993], "9007199254740993 (rowid 1)"),
    "a time of day": ("DATETIME", "sa.Date()", ["2024-01-31 12:00:00"], "'2024-01-31 12:00:00' (rowid 1)"),
    "no date": ("TEXT", "sa.Date()", ["31.1.2024"], "'31.1.2024' (rowid 1)"),
    "seconds": ("INTEGER", "sa.DateTime()", [1700000000], "1700000000 (rowid 1)"),
    "no time": ("DATETIME", "sa.Time()", ["2024-01-31 12:00:00"], "'2024-01-31 12:00:00' (rowid 1)"),
    "no text": ("BLOB", "sa.Text()", [b"\xff"], "b'\\xff' (rowid 1)"),
    "a number as bytes": ("INTEGER", "sa.LargeBinary()", [5], "5 (rowid 1)"),
    "no JSON": ("TEXT", "sa.JSON()", ["{a}"], "'{a}' (rowid 1)"),
    "no UUID": ("TEXT", "sa.Uuid()", ["x"], "'x' (rowid 1)"),
    "not in the Enum": ("VARCHAR(1)", 'sa.Enum("a", name="e")', ["a", "b"], "'b' (rowid 2)"),
    "an unknown type": ("TEXT", "Money()", ["12345678901234567890.5"], "'12345678901234567890.5' (rowid 1)"),
}
MONEY = """
class Money(sa.types.UserDefinedType):
    def get_col_spec(self, **kw):
        return "MONEY"


"""


def change(shop: MakeShop, old: str, new: str, values: list[t.Any], options: str = "") -> Shop:
    """Store values in a column, then change its type."""
    made = shop()
    with made.project.engine().begin() as connection:
        connection.exec_driver_sql(f"CREATE TABLE t (id INTEGER PRIMARY KEY, c {old}) {options}")
        for value in values:
            connection.execute(sa.text("INSERT INTO t (c) VALUES (:value)"), {"value": value})
    body = f'with op.batch_alter_table("t") as b:\n    b.alter_column("c", type_={new})'
    made.project.write_revision("r1", upgrade=body, extra=MONEY)
    made.upgrade()
    return made


@pytest.mark.parametrize("case", KEPT)
def test_values_keep_what_they_say(case: str, shop: MakeShop) -> None:
    """In the form in which the new type stores them."""
    old, new, values, expected = KEPT[case]
    made = change(shop, old, new, values)
    found = [row[0] for row in made.project.execute("SELECT c FROM t ORDER BY id")]
    assert list(map(repr, found)) == list(map(repr, expected))


@pytest.mark.parametrize("case", REFUSED)
def test_a_value_that_would_change_is_named(case: str, shop: MakeShop) -> None:
    """And nothing is changed."""
    old, new, values, named = REFUSED[case]
    with pytest.raises(ValuesWouldChange) as caught:
        change(shop, old, new, values)
    assert caught.value.message.startswith(f"Can't convert t.c from {old} to ")
    assert caught.value.message.endswith(f": {named} would change.")


def test_the_refusal_says_what_to_write(shop: MakeShop) -> None:
    """The sentence, the place and the line to paste, word for word."""
    with pytest.raises(ValuesWouldChange) as caught:
        change(shop, "VARCHAR(9)", "sa.Integer()", ["abc"])
    assert caught.value.message == "Can't convert t.c from VARCHAR(9) to INTEGER: 'abc' (rowid 1) would change."
    assert caught.value.hint == (
        'Convert the values first, in the revision: op.execute("UPDATE t SET c = ... WHERE ...")'
    )


def test_rows_without_rowid_are_named_by_their_key(shop: MakeShop) -> None:
    """Also in a table that calls its own columns rowid."""
    made = shop()
    made.make(["CREATE TABLE t (a INT, b TEXT, c TEXT, PRIMARY KEY (a, b)) WITHOUT ROWID"])
    made.make(["INSERT INTO t VALUES (1, 'k', 'abc')"])
    body = 'with op.batch_alter_table("t") as b:\n    b.alter_column("c", type_=sa.Integer())'
    made.project.write_revision("r1", upgrade=body)
    with pytest.raises(ValuesWouldChange, match=r"'abc' \(a 1, b 'k'\) would change\."):
        made.upgrade()


def test_a_strict_table_names_the_value_too(shop: MakeShop) -> None:
    """SQLite itself would refuse it without saying which."""
    with pytest.raises(ValuesWouldChange, match=r"'abc' \(rowid 1\) would change"):
        change(shop, "TEXT", "sa.Integer()", ["abc"], "STRICT")


def test_values_that_were_odd_before_stay(shop: MakeShop) -> None:
    """A type of the same kind changes nothing, so there is nothing to refuse."""
    made = change(shop, "INTEGER", "sa.BigInteger()", ["abc", 3.7])
    assert made.project.execute("SELECT c FROM t") == [("abc",), (3.7,)]


def test_keys_that_become_equal_are_no_rows_lost(shop: MakeShop) -> None:
    """'true' and 'TRUE' are one boolean; a unique column refuses them."""
    with pytest.raises(RebuildRefused, match="UNIQUE constraint failed: t.c"):
        change(shop, "TEXT UNIQUE ON CONFLICT REPLACE", "sa.Boolean()", ["true", "TRUE"])
