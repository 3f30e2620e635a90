"""Primary keys, generated columns, types of keys and names that differ by case, changed by a batch under rows."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from flask_schemaflow import downgrade
from flask_schemaflow.errors.running import BrokenReferences
from flask_schemaflow.errors.running import ValuesWouldChange

from ....support.dumps import dump_rows
from .conftest import ENFORCED
from .conftest import MakeShop
from .conftest import Shop

PIER = [
    "CREATE TABLE pier (code INT NOT NULL, side TEXT NOT NULL, note TEXT, CONSTRAINT pk_pier PRIMARY KEY (code))",
    "INSERT INTO pier VALUES (1, 'n', 'first'), (2, 's', NULL)",
    "CREATE TABLE boat (id INTEGER PRIMARY KEY, pier INT REFERENCES pier (code) ON DELETE CASCADE)",
    "INSERT INTO boat VALUES (1, 1), (2, 2), (3, 1)",
]
COUNTED = [
    "CREATE TABLE pier (id INTEGER PRIMARY KEY AUTOINCREMENT, side TEXT NOT NULL)",
    "INSERT INTO pier VALUES (1, 'n'), (9, 's')",
    "DELETE FROM pier WHERE id = 9",
    "CREATE TABLE boat (id INTEGER PRIMARY KEY, pier INT REFERENCES pier (id) ON DELETE CASCADE)",
    "INSERT INTO boat VALUES (1, 1)",
]


def batch(body: str, table: str = "pier", options: str = "") -> str:
    """A block of batch mode."""
    lines = "".join(f"    b.{line}\n" for line in body.strip().splitlines())
    return f'with op.batch_alter_table("{table}"{options}) as b:\n{lines}'


def there(made: Shop, tables: list[str], up: str, down: str = "pass") -> dict[str, str]:
    """Make the tables and run the upgrade; no row changes. Returns the tables' definitions."""
    made.make(tables)
    made.project.write_revision("r1", None, upgrade=up, downgrade=down)
    before = dump_rows(made.project.engine())
    made.upgrade()
    assert _rows(made) == before
    return definitions(made)


def back(made: Shop) -> dict[str, str]:
    """Run the downgrade; no row changes."""
    before = _rows(made)
    with made.context():
        downgrade(str(made.project.migrations), revision="base")
    assert _rows(made) == before
    return definitions(made)


def _rows(made: Shop) -> object:
    rows = dump_rows(made.project.engine())
    rows.pop("alembic_version", None)
    return rows


def definitions(made: Shop) -> dict[str, str]:
    """The statement of each table, on one line."""
    found = made.project.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
    return {name: " ".join(sql.split()) for name, sql in found}


def columns_of_key(made: Shop, table: str) -> list[str]:
    """The columns of the primary key."""
    with made.project.engine().connect() as connection:
        return sa.inspect(connection).get_pk_constraint(table)["constrained_columns"]


@pytest.mark.parametrize("name", ['"pk_pier"', "None"])
def test_a_key_grows_and_shrinks(shop: MakeShop, name: str) -> None:
    """A foreign key that points at the old key is served by a unique constraint."""
    made = shop(db_arguments=ENFORCED)
    up = batch(
        f"""drop_constraint({name}, type_="primary")
create_unique_constraint("uq_pier_code", ["code"])
create_primary_key("pk_pier", ["code", "side"])"""
    )
    down = batch(
        """drop_constraint("pk_pier", type_="primary")
create_primary_key("pk_pier", ["code"])
drop_constraint("uq_pier_code", type_="unique")"""
    )
    there(made, PIER, up, down)
    assert columns_of_key(made, "pier") == ["code", "side"]
    back(made)
    assert columns_of_key(made, "pier") == ["code"]


def test_a_key_that_children_need_is_kept(shop: MakeShop) -> None:
    """Without a unique constraint the foreign key would point at nothing; the migration is rolled back."""
    made = shop(db_arguments=ENFORCED)
    made.make(PIER)
    made.project.write_revision("r1", None, upgrade=batch('create_primary_key("pk_pier", ["side"])'))
    before = definitions(made)
    with pytest.raises(BrokenReferences):
        made.upgrade()
    assert definitions(made)["pier"] == before["pier"]


def test_a_key_without_a_name_goes_by_any(shop: MakeShop) -> None:
    """SQLite names no key; its column stays NOT NULL, as everywhere else."""
    made = shop()
    found = there(made, COUNTED[:3], batch('drop_constraint("pier_pkey", type_="primary")'))
    assert found["pier"] == "CREATE TABLE pier (id INTEGER NOT NULL, side TEXT NOT NULL)"


def test_autoincrement_is_kept(shop: MakeShop) -> None:
    """The same key under another name goes on counting where it was."""
    made = shop(db_arguments=ENFORCED)
    up = batch('drop_constraint(None, type_="primary")\ncreate_primary_key("pk_pier", ["id"])')
    found = there(made, COUNTED, up)
    assert "id INTEGER NOT NULL CONSTRAINT pk_pier PRIMARY KEY AUTOINCREMENT" in found["pier"]
    made.make(["INSERT INTO pier (side) VALUES ('w')"])
    assert made.project.execute("SELECT max(id) FROM pier") == [(10,)]


@pytest.mark.parametrize("type_", ["BigInteger", "SmallInteger"])
@pytest.mark.parametrize("counted", [True, False])
def test_an_integer_key_stays_one(shop: MakeShop, type_: str, counted: bool) -> None:
    """SQLite gives values to an INTEGER key only; that it stays one is said, and rows get their ids."""
    made = shop()
    tables = COUNTED[:3] if counted else ["CREATE TABLE pier (id INTEGER PRIMARY KEY, side TEXT NOT NULL)"]
    up = batch(f'alter_column("id", type_=sa.{type_}(), existing_type=sa.Integer())')
    there(made, tables, up)
    assert [text for text in made.notices() if text.startswith("pier.id stays INTEGER")]
    made.make(["INSERT INTO pier (side) VALUES ('w')"])
    assert made.project.execute("SELECT max(id) FROM pier") == [(10 if counted else 1,)]


def test_without_rowid_and_strict_survive_a_new_key(shop: MakeShop) -> None:
    """What stands behind the parenthesis stays."""
    made = shop()
    tables = [
        "CREATE TABLE pier (code TEXT NOT NULL, side INT NOT NULL, PRIMARY KEY (code)) STRICT, WITHOUT ROWID",
        "INSERT INTO pier VALUES ('a', 1), ('b', 2)",
    ]
    up = batch('drop_constraint("pk", type_="primary")\ncreate_primary_key("pk", ["side", "code"])')
    down = batch('drop_constraint("pk", type_="primary")\ncreate_primary_key("pk", ["code"])')
    assert there(made, tables, up, down)["pier"].endswith("PRIMARY KEY (side, code)) STRICT, WITHOUT ROWID")
    assert back(made)["pier"].endswith("PRIMARY KEY (code)) STRICT, WITHOUT ROWID")


GENERATED = [
    "CREATE TABLE pier (id INTEGER PRIMARY KEY, n INT, twice INT GENERATED ALWAYS AS (n * 2) STORED, "
    "label TEXT AS ('p' || n), next INT AS (twice + 1))",
    "CREATE INDEX ix_twice ON pier (twice)",
    "INSERT INTO pier (n) VALUES (1), (5), (NULL)",
]


def test_a_generated_column_becomes_plain_and_generated_again(shop: MakeShop) -> None:
    """Its values are kept, stored or virtual; another generated column goes on reading it."""
    made = shop()
    up = batch(
        """alter_column("twice", server_default=None, existing_type=sa.Integer())
alter_column("label", server_default="it's", existing_type=sa.Text())"""
    )
    down = batch(
        """alter_column("twice", server_default=sa.Computed("n * 2", persisted=True))
alter_column("label", server_default=sa.Computed("'p' || n"))"""
    )
    found = there(made, GENERATED, up, down)
    assert "twice INT, label TEXT DEFAULT 'it''s', next INT AS (twice + 1)" in found["pier"]
    found = back(made)
    assert "twice INT GENERATED ALWAYS AS (n * 2) STORED, label TEXT GENERATED ALWAYS AS ('p' || n)" in found["pier"]
    assert "ix_twice" in found


def test_a_plain_column_with_other_values_is_not_made_generated(shop: MakeShop) -> None:
    """They would be gone."""
    made = shop()
    made.make(["CREATE TABLE pier (n INT, twice INT)", "INSERT INTO pier VALUES (1, 2), (2, 5), (3, NULL)"])
    made.project.write_revision("r1", upgrade=batch('alter_column("twice", server_default=sa.Computed("n * 2"))'))
    with pytest.raises(ValuesWouldChange, match=r"pier.twice a generated column would change its value in 2 rows"):
        made.upgrade()
    assert made.project.execute("SELECT twice FROM pier") == [(2,), (5,), (None,)]


def test_a_table_is_renamed_by_case(shop: MakeShop) -> None:
    """Its indexes, views and children follow."""
    made = shop(db_arguments=ENFORCED)
    tables = [
        "CREATE TABLE Pier (id INTEGER PRIMARY KEY, side TEXT)",
        "CREATE INDEX ix_side ON Pier (lower(side) DESC)",
        "CREATE TABLE boat (id INTEGER PRIMARY KEY, pier INT REFERENCES Pier (id) ON DELETE CASCADE)",
        "CREATE VIEW sides AS SELECT side FROM Pier",
        "INSERT INTO Pier VALUES (1, 'n')",
        "INSERT INTO boat VALUES (1, 1)",
    ]
    made.make(tables)
    made.project.write_revision(
        "r1", None, upgrade='op.rename_table("Pier", "PIER")', downgrade='op.rename_table("PIER", "Pier")'
    )
    made.upgrade()
    found = definitions(made)
    assert 'REFERENCES "PIER" (id)' in found["boat"] and 'ON "PIER"' in found["ix_side"] and "PIER" in found
    assert made.project.execute('SELECT * FROM "PIER"') == [(1, "n")] and made.project.execute("SELECT * FROM boat")
    with made.context():
        downgrade(str(made.project.migrations), revision="base")
    found = definitions(made)
    assert 'REFERENCES "Pier" (id)' in found["boat"] and 'FROM "Pier"' in found["sides"] and "Pier" in found


COMMENTED = [
    """CREATE TABLE pier ( -- the head
 id INTEGER PRIMARY KEY, -- the id
 a INT DEFAULT 1 NOT NULL -- an 'apostrophe
 , b TEXT /* the (b */ DEFAULT 'it''s' /* beside */ NOT NULL, -- end, b
 c TEXT -- c
   CHECK (c <> '--') /* check */, -- last
 d TEXT DEFAULT (1 -- inner
   + 2) COLLATE NOCASE, /* , */ CONSTRAINT uq UNIQUE (a) -- after
 , CHECK (a > 0) -- the end
) -- tail""",
    "INSERT INTO pier (id, a, b, c) VALUES (1, 1, 'q', 'r'), (2, 2, 'it''s', 'z')",
]


@pytest.mark.parametrize(
    "body",
    [
        'alter_column("a", server_default="5", nullable=True)',
        'alter_column("b", nullable=True)\nalter_column("b", type_=sa.String(9))',
        'alter_column("c", nullable=False)\nadd_column(sa.Column("z", sa.Text))\ndrop_column("z")',
        'alter_column("d", server_default=None)\ndrop_constraint("uq", type_="unique")',
        'alter_column("b", server_default="don\'t")\ncreate_unique_constraint("uq2", ["c"])',
        'alter_column("a", type_=sa.BigInteger())\ncreate_check_constraint("ck", "a < 9")',
    ],
)
def test_comments_beside_a_changed_clause(shop: MakeShop, body: str) -> None:
    """They stay or go with the clause, and never swallow what is written behind them."""
    made = shop()
    there(made, COMMENTED, batch(body), batch('alter_column("b", server_default="it\'s", nullable=False)'))
    back(made)
    made.make(["INSERT INTO pier (id, a, c) VALUES (3, 3, 'w')"])
    assert made.project.execute("SELECT b FROM pier WHERE id = 3") == [("it's",)]
