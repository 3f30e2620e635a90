"""What batch mode and renaming make of a SQLite table: its text, its rows, and what is said or refused."""

from __future__ import annotations

import textwrap
import typing as t

import pytest
import sqlalchemy as sa

from flask_schemaflow import upgrade
from flask_schemaflow.errors.running import ColumnInUse
from flask_schemaflow.errors.running import RebuildRefused

from .conftest import ENFORCED
from .conftest import MakeShop
from .conftest import Shop

pytestmark = pytest.mark.filterwarnings("ignore:.*tometadata")

TABLE = "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b INT, c INT)"
ROW = "INSERT INTO t VALUES (1, 'x', 2, 3)"


def run(shop: MakeShop, statements: list[str], body: str, **options: t.Any) -> Shop:
    """Make tables, then upgrade by a revision with that body, foreign keys being enforced."""
    made = shop(db_arguments=ENFORCED, **options)
    made.make(statements)
    made.project.write_revision("r1", upgrade=textwrap.dedent(body))
    made.upgrade()
    return made


def batch(*lines: str, arguments: str = "") -> str:
    """The source of a batch on table t."""
    return f'with op.batch_alter_table("t"{arguments}) as b:\n' + textwrap.indent("\n".join(lines), "    ")


def sql(shop: Shop, name: str) -> str | None:
    """The statement of a table, index, trigger or view; None when there is none."""
    found = shop.project.execute("SELECT sql FROM sqlite_master WHERE name = :name", name=name)
    return " ".join(found[0][0].split()) if found else None


# operations -> (what the table is made of besides, the lines of the batch, its text afterwards, its row)
CHANGES: dict[str, tuple[str, list[str], str, tuple[t.Any, ...]]] = {
    "a column is added": (
        TABLE,
        ['b.add_column(sa.Column("d", sa.String(5), server_default="n", nullable=False))', 'b.drop_column("c")'],
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b INT, d VARCHAR(5) DEFAULT 'n' NOT NULL)",
        (1, "x", 2, "n"),
    ),
    "columns are placed": (
        TABLE,
        [
            'b.drop_column("c")',
            'b.add_column(sa.Column("d", sa.Integer), insert_before="a")',
            'b.add_column(sa.Column("e", sa.Integer), insert_after="d")',
        ],
        "CREATE TABLE t (id INTEGER PRIMARY KEY, d INTEGER, e INTEGER, a TEXT, b INT)",
        (1, None, None, "x", 2),
    ),
    "a default and NOT NULL": (
        TABLE,
        [
            'b.alter_column("a", server_default="it\'s", nullable=False)',
            'b.alter_column("b", server_default=sa.text("abs(-1)"))',
        ],
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT DEFAULT 'it''s' NOT NULL, b INT DEFAULT (abs(-1)), c INT)",
        (1, "x", 2, 3),
    ),
    "a default and NOT NULL go": (
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT NOT NULL ON CONFLICT FAIL DEFAULT ('n') CHECK (a <> ''), b, c)",
        ['b.alter_column("a", server_default=None, nullable=True)'],
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT CHECK (a <> ''), b, c)",
        (1, "x", 2, 3),
    ),
    "constraints come": (
        TABLE,
        [
            'b.create_unique_constraint("u", ["a", "b"])',
            'b.create_check_constraint("k", sa.column("b") > 0)',
            'b.create_foreign_key("f", "t", ["c"], ["id"], ondelete="SET NULL", initially="DEFERRED", deferrable=True)',
        ],
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b INT, c INT, CONSTRAINT u UNIQUE (a, b), CONSTRAINT k CHECK "
        '(b > 0), CONSTRAINT f FOREIGN KEY("c") REFERENCES "t" ("id") ON DELETE SET NULL DEFERRABLE INITIALLY '
        "DEFERRED)",
        (1, "x", 2, None),
    ),
    "a column brings its own": (
        TABLE,
        [
            'b.drop_column("c")',
            'b.add_column(sa.Column("f", sa.Boolean(create_constraint=True, name="k"), server_default=sa.text("0")))',
            'b.add_column(sa.Column("u", sa.String(3), unique=True))',
            'b.add_column(sa.Column("g", sa.Integer, sa.Computed("b * 2", persisted=True), index=True))',
            'b.add_column(sa.Column("h", sa.DateTime, server_default=sa.text("datetime(0)"), nullable=False))',
        ],
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b INT, f BOOLEAN DEFAULT 0, u VARCHAR(3), g INTEGER GENERATED "
        "ALWAYS AS (b * 2) STORED, h DATETIME DEFAULT (datetime(0)) NOT NULL, CONSTRAINT k CHECK (f IN (0, 1)), UNIQUE "
        "(u))",
        (1, "x", 2, 0, None, 4, "-4713-11-24 12:00:00"),
    ),
    "a constraint without a name comes": (
        TABLE,
        ['b.add_column(sa.Column("d", sa.Integer, sa.ForeignKey("t.id")))'],
        'CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b INT, c INT, d INTEGER, FOREIGN KEY("d") REFERENCES "t" '
        '("id"))',
        (1, "x", 2, 3, None),
    ),
    "constraints go": (
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT CONSTRAINT u UNIQUE ON CONFLICT IGNORE NOT NULL, "
        "b INT CONSTRAINT f REFERENCES t (id) ON DELETE CASCADE, c INT, CONSTRAINT k CHECK (c > 0) UNIQUE (b, c))",
        [
            'b.drop_constraint("u", type_="unique")',
            'b.drop_constraint("f", type_="foreignkey")',
            'b.drop_constraint("k", type_="check")',
            'b.drop_constraint("uq_t_b", type_="unique")',
        ],
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT NOT NULL, b INT, c INT)",
        (1, "x", None, 3),
    ),
    "another primary key": (
        "CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, a TEXT NOT NULL, b INT, c INT)",
        ['b.create_primary_key("pk_t", ["a", "id"])'],
        "CREATE TABLE t (id INTEGER NOT NULL, a TEXT NOT NULL, b INT, c INT, CONSTRAINT pk_t PRIMARY KEY (a, id))",
        (1, "x", 2, 3),
    ),
    "a column of the primary key is dropped": (
        "CREATE TABLE t (id INT, a TEXT, b INT, c INT, CONSTRAINT pk PRIMARY KEY (id, c))",
        ['b.drop_column("c")'],
        'CREATE TABLE t (id INT, a TEXT, b INT, CONSTRAINT pk PRIMARY KEY ("id"))',
        (1, "x", 2),
    ),
    "a CHECK that belongs to a type": (
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b BOOLEAN, c INT, CHECK (b IN (0, 1, 2)), "
        "CHECK (b IN (2, c)))",
        ['b.alter_column("b", existing_type=sa.Boolean(), type_=sa.Integer())'],
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b INTEGER, c INT, CHECK (b IN (2, c)))",
        (1, "x", 2, 3),
    ),
    "an Enum with its CHECK": (
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a VARCHAR(1), b INT, c INT, CONSTRAINT e CHECK (a IN ('x', 'y')))",
        [
            "b.alter_column('a', existing_type=sa.Enum('x', 'y', name='e', create_constraint=True), "
            "type_=sa.Enum('x', 'yy', name='e', create_constraint=True))",
        ],
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a VARCHAR(2), b INT, c INT, CONSTRAINT e CHECK (a IN ('x', 'yy')))",
        (1, "x", 2, 3),
    ),
    "a rename and more": (
        TABLE,
        [
            'b.alter_column("a", new_column_name="label", nullable=False)',
            'b.drop_column("c")',
            'b.alter_column("b", new_column_name="c", type_=sa.Text())',
            'b.create_unique_constraint("u", ["label", "c"])',
        ],
        'CREATE TABLE t (id INTEGER PRIMARY KEY, "label" TEXT NOT NULL, "c" TEXT, CONSTRAINT u UNIQUE ("label", "c"))',
        (1, "x", "2"),
    ),
    "names are exchanged": (
        TABLE,
        ['b.alter_column("a", new_column_name="b")', 'b.alter_column("b", new_column_name="a")'],
        'CREATE TABLE t (id INTEGER PRIMARY KEY, "b" TEXT, "a" INT, c INT)',
        (1, "x", 2, 3),
    ),
    "a collation": (
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT COLLATE NOCASE, b INT, c INT)",
        ['b.alter_column("a", type_=sa.String(9, collation="BINARY"))'],
        'CREATE TABLE t (id INTEGER PRIMARY KEY, a VARCHAR(9) COLLATE "BINARY", b INT, c INT)',
        (1, "x", 2, 3),
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_made_in_the_tables_own_text(change: str, shop: MakeShop) -> None:
    """Only what the operations mention is different afterwards, and the row is there."""
    table, lines, expected, row = CHANGES[change]
    convention = ', naming_convention={"uq": "uq_%(table_name)s_%(column_0_name)s"}'
    made = shop()
    made.make([table, ROW.replace("2, 3", "NULL, 3") if change == "constraints go" else ROW])
    if change == "constraints come":
        made.make(["UPDATE t SET c = NULL"])
    made.project.write_revision("r1", upgrade=batch(*lines, arguments=convention if change == "constraints go" else ""))
    made.upgrade()
    assert sql(made, "t") == expected
    assert made.project.execute("SELECT * FROM t") == [row]


def test_arguments_of_the_table(shop: MakeShop) -> None:
    """What is stated for the table as a whole is taken in once; a CHECK that was restated doesn't come twice."""
    made = shop()
    made.make(["CREATE TABLE t (id INTEGER NOT NULL, a TEXT, b INT CHECK (b > 0), c INT, PRIMARY KEY (id))", ROW])
    arguments = (
        ', table_args=(sa.CheckConstraint("b > 0"), sa.UniqueConstraint("a", name="u"), '
        'sa.ForeignKeyConstraint(["c"], ["other.id"], name="f"), sa.Column("d", sa.Integer)), '
        'table_kwargs={"sqlite_autoincrement": True, "sqlite_strict": True}, partial_reordering=[("c", "b")]'
    )
    made.project.write_revision("r1", upgrade=batch('b.alter_column("a", nullable=False)', arguments=arguments))
    made.upgrade()
    assert sql(made, "t") == (
        "CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, a TEXT NOT NULL, c INT, d INTEGER, "
        "b INT CHECK (b > 0), CONSTRAINT u UNIQUE (a), "
        'CONSTRAINT f FOREIGN KEY("c") REFERENCES "other" ("id")) STRICT'
    )
    assert made.project.execute("SELECT * FROM t") == [(1, "x", 3, None, 2)]


def test_a_table_that_is_given_replaces_the_text(shop: MakeShop) -> None:
    """With ``copy_from`` the table is what the revision says; rows, triggers and indexes are kept."""
    made = shop()
    made.make([TABLE, "CREATE INDEX i ON t (a DESC)", "CREATE TRIGGER g AFTER DELETE ON t BEGIN SELECT 1; END", ROW])
    given = (
        'copy = sa.Table("t", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True), sa.Column("a", sa.Text), '
        'sa.Column("b", sa.Integer, sa.ForeignKey("other.id", name="f")), sa.Column("c", sa.Integer))\n'
    )
    made.project.write_revision("r1", upgrade=given + batch('b.drop_constraint("f")', arguments=", copy_from=copy"))
    made.upgrade()
    assert sql(made, "t") == ("CREATE TABLE t ( id INTEGER NOT NULL, a TEXT, b INTEGER, c INTEGER, PRIMARY KEY (id) )")
    assert sql(made, "i") == "CREATE INDEX i ON t (a DESC)"
    assert sql(made, "g") == "CREATE TRIGGER g AFTER DELETE ON t BEGIN SELECT 1; END"
    made.project.write_revision("r2", "r1", upgrade=given + batch('b.drop_column("a")', arguments=", copy_from=copy"))
    made.project.execute("ALTER TABLE t ADD COLUMN d INT")
    with pytest.raises(RebuildRefused) as caught:
        made.upgrade()
    assert (
        caught.value.message == "The table given as copy_from has no column d, which t has; its values would be lost."
    )


def test_indexes_come_and_go_with_a_rename(shop: MakeShop) -> None:
    """No row is copied then."""
    body = batch('b.drop_index("i")', 'b.alter_column("a", new_column_name="n")', 'b.create_index("j", ["n", "b"])')
    made = run(shop, [TABLE, "CREATE INDEX i ON t (a)", ROW], body)
    assert sql(made, "i") is None
    assert sql(made, "j") == 'CREATE INDEX j ON t ("n", b)'


def test_indexes_come_and_go_with_a_change(shop: MakeShop) -> None:
    """An index can be dropped whatever it is made of, and one that is made may name columns by their new names."""
    body = batch(
        'b.drop_index("i_expression")',
        'b.alter_column("a", new_column_name="name", nullable=False)',
        'b.create_index("i_new", ["name", "b"], unique=True)',
    )
    made = run(shop, [TABLE, "CREATE INDEX i_expression ON t (lower(a))", ROW], body)
    assert sql(made, "i_expression") is None
    assert sql(made, "i_new") == 'CREATE UNIQUE INDEX i_new ON t ("name", b)'


USES = [
    TABLE,
    "CREATE UNIQUE INDEX i ON t (b, c)",
    "CREATE INDEX i_other ON t (a) WHERE c > 1",
    "CREATE INDEX i_kept ON t (b)",
    ROW,
]


def test_what_goes_with_a_dropped_column_is_said(shop: MakeShop) -> None:
    """Indexes, also partial ones, and the table's own constraints on the column; never silently."""
    table = TABLE[:-1] + ", UNIQUE (c, a), CONSTRAINT k CHECK (c <> b), CHECK (b > 0))"
    made = run(shop, [table, *USES[1:]], batch('b.drop_column("c")'))
    assert sql(made, "t") == "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b INT, CHECK (b > 0))"
    assert [sql(made, name) for name in ("i", "i_other")] == [None, None]
    assert sql(made, "i_kept") == "CREATE INDEX i_kept ON t (b)"
    assert sorted(made.notices()) == [
        "CONSTRAINT k CHECK (c <> b) of t is dropped with its column c.",
        "Index i of t is dropped with its column c.",
        "Index i_other of t is dropped with its column c.",
        "UNIQUE (c, a) of t is dropped with its column c.",
    ]


USED_BY = {
    "view v": ("CREATE VIEW v AS SELECT c FROM t", 'op.execute("DROP VIEW v"), and create it again'),
    "trigger g": (
        "CREATE TRIGGER g AFTER UPDATE ON t BEGIN DELETE FROM t WHERE c = NEW.c; END",
        'op.execute("DROP TRIGGER g"), and create it again',
    ),
    "trigger far": (
        "CREATE TRIGGER far AFTER DELETE ON other BEGIN UPDATE t SET c = 1; END",
        'op.execute("DROP TRIGGER far"), and create it again',
    ),
    "the foreign key of table child": (
        "CREATE TABLE child (c INT REFERENCES t (c))",
        'drop its foreign key: with op.batch_alter_table("child") as other: other.drop_constraint(...)',
    ),
    "the generated column twice": (
        "ALTER TABLE t ADD COLUMN twice AS (c * 2)",
        'drop it too: batch_op.drop_column("twice")',
    ),
}


@pytest.mark.parametrize("user", USED_BY)
def test_a_column_in_use_is_not_dropped(user: str, shop: MakeShop) -> None:
    """What would be broken is named with the line that drops it, and nothing has changed."""
    statement, way = USED_BY[user]
    tables = [TABLE, "CREATE TABLE other (c INT)", statement, ROW]
    with pytest.raises(ColumnInUse) as caught:
        run(shop, tables, batch('b.drop_column("c")'))
    assert caught.value.message == f"Column c of t can't be dropped: {user} uses it."
    assert caught.value.hint.startswith(f"Before that, in the revision: {way}")
    assert "r1.py, line " in caught.value.details


def test_a_view_that_does_not_use_the_dropped_column_is_no_hindrance(shop: MakeShop) -> None:
    """Nor is one of another table with a column of that name."""
    tables = [
        TABLE,
        "CREATE TABLE other (c INT)",
        "CREATE VIEW all_of_it AS SELECT * FROM t",
        "CREATE VIEW v AS SELECT a, 'c' AS c FROM t",
        "CREATE VIEW w AS SELECT c FROM other",
        "CREATE TRIGGER g AFTER UPDATE ON t BEGIN DELETE FROM other WHERE c = NEW.b; END",
        ROW,
    ]
    made = run(shop, tables, batch('b.drop_column("c")'))
    assert made.project.execute("SELECT * FROM all_of_it") == [(1, "x", 2)]
    assert made.project.execute("SELECT * FROM v") == [("x", "c")]


RENAMED = [
    TABLE[:-1] + " CHECK (c > b), UNIQUE (c, a))",
    "CREATE TABLE child (c INT REFERENCES t (c))",
    "CREATE UNIQUE INDEX u ON t (c)",
    "CREATE INDEX i ON t (lower(c) DESC) WHERE c IS NOT NULL",
    "CREATE VIEW v AS SELECT t.c AS n FROM t",
    "CREATE TRIGGER g AFTER UPDATE OF c ON t BEGIN DELETE FROM t WHERE c = NEW.c; END",
    ROW,
    "INSERT INTO child VALUES (3)",
]


@pytest.mark.parametrize(
    "body",
    [
        'op.alter_column("t", "c", new_column_name="d")',
        batch('b.alter_column("c", new_column_name="d")'),
        batch('b.alter_column("c", new_column_name="d", nullable=False)'),
    ],
    ids=["plain", "batch", "batch with a rebuild"],
)
def test_a_renamed_column_is_renamed_everywhere(body: str, shop: MakeShop) -> None:
    """In CHECKs, keys, expression and partial indexes, views, triggers and other tables' foreign keys."""
    made = run(shop, RENAMED, body)
    null = " NOT NULL" if "nullable" in body else ""

    def text(name: str) -> str:
        return (sql(made, name) or "").replace('"', "")

    assert (
        text("t") == f"CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b INT, d INT{null} CHECK (d > b), UNIQUE (d, a))"
    )
    assert text("child") == "CREATE TABLE child (c INT REFERENCES t (d))"
    assert text("i") == "CREATE INDEX i ON t (lower(d) DESC) WHERE d IS NOT NULL"
    assert text("v") == "CREATE VIEW v AS SELECT t.d AS n FROM t"
    assert text("g") == "CREATE TRIGGER g AFTER UPDATE OF d ON t BEGIN DELETE FROM t WHERE d = NEW.d; END"
    assert made.project.execute("SELECT n FROM v JOIN child ON child.c = n") == [(3,)]


def test_a_renamed_table_is_renamed_everywhere(shop: MakeShop) -> None:
    """Also where the application switches that off, and the children are still linked."""
    old = '(lambda c, r: c.execute("PRAGMA legacy_alter_table = ON"), "connect")'
    made = shop(db_arguments=ENFORCED.replace("]}", f", {old}]}}"))
    made.make([*RENAMED, "CREATE TABLE self (id INTEGER PRIMARY KEY AUTOINCREMENT, up INT REFERENCES self)"])
    body = 'op.rename_table("t", "things")\nop.rename_table("self", "tree")'
    made.project.write_revision("r1", upgrade=body)
    made.upgrade()
    assert sql(made, "child") == 'CREATE TABLE child (c INT REFERENCES "things" (c))'
    assert sql(made, "i") == 'CREATE INDEX i ON "things" (lower(c) DESC) WHERE c IS NOT NULL'
    assert sql(made, "v") == 'CREATE VIEW v AS SELECT "things".c AS n FROM "things"'
    assert 'ON "things" BEGIN DELETE FROM "things"' in (sql(made, "g") or "")
    assert sql(made, "tree") == 'CREATE TABLE "tree" (id INTEGER PRIMARY KEY AUTOINCREMENT, up INT REFERENCES "tree")'
    assert made.project.execute("SELECT n FROM v JOIN child ON child.c = n") == [(3,)]


def test_a_broken_view_is_named(shop: MakeShop) -> None:
    """It stands in the way of renaming and dropping columns only; other changes pass it by."""
    tables = [TABLE, "CREATE VIEW broken AS SELECT x FROM nowhere", ROW]
    made = run(shop, tables, batch('b.alter_column("a", nullable=False)'))
    made.project.write_revision("r2", "r1", upgrade=batch('b.drop_column("c")'))
    with pytest.raises(RebuildRefused, match="can't tell what uses t.c: error in view broken: no such table: main.now"):
        made.upgrade()


REFUSED: dict[str, tuple[str, str, str]] = {
    "no such table": (
        'with op.batch_alter_table("tt") as b:\n    b.drop_column("c")',
        "The default database has no table tt.",
        "Its tables are: t.",
    ),
    "no such column": (
        batch('b.alter_column("d", nullable=True)'),
        "Table t has no column d.",
        "Its columns are: id, a, b, c.",
    ),
    "a column twice": (
        batch('b.drop_column("a")', 'b.add_column(sa.Column("c", sa.Integer))'),
        "Table t has a column c already.",
        'Leave the line out, or change the column: batch_op.alter_column("c", ...)',
    ),
    "no such index": (
        batch('b.drop_index("i")', 'b.drop_column("a")'),
        "Table t has no index named i.",
        "It has none.",
    ),
    "no such constraint": (
        batch('b.drop_constraint("uq", type_="unique")'),
        "Table t has no constraint named uq.",
        "None of its constraints has a name. These have no name: PRIMARY KEY of id; UNIQUE (b, c). Name them for the "
        'batch: batch_alter_table(..., naming_convention={"uq": "uq_%(table_name)s_%(column_0_name)s", '
        '"fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s"})',
    ),
    "NULL where none may be": (
        batch('b.alter_column("a", nullable=False)'),
        "Rows of t violate the new definition: NOT NULL constraint failed: t.a.",
        '2 rows of t have no a. Before that, in the revision: op.execute("UPDATE t SET a = ... WHERE a IS NULL")',
    ),
    "a new column without a value": (
        batch('b.drop_column("a")', 'b.add_column(sa.Column("d", sa.Integer, nullable=False))'),
        "Rows of t violate the new definition: NOT NULL constraint failed: t.d.",
        "Give existing rows a value: use server_default=..., or add the column with nullable=True, fill it, and add "
        "NOT NULL in a second batch_alter_table('t').",
    ),
    "values that are not unique": (
        batch('b.create_unique_constraint("u", ["c"])'),
        "Rows of t violate the new definition: UNIQUE constraint failed: t.c.",
        "Fix these rows in the revision, before the table changes.",
    ),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_what_can_not_be_done_is_said_in_one_sentence(reason: str, shop: MakeShop) -> None:
    """With the next step, and with the table as it was."""
    body, message, hint = REFUSED[reason]
    rows = "INSERT INTO t VALUES (1, NULL, 2, 3), (2, NULL, 3, 3)"
    with pytest.raises(RebuildRefused) as caught:
        run(shop, [TABLE[:-1] + ", UNIQUE (b, c))", rows], body)
    assert (caught.value.message, caught.value.hint) == (message, hint)
    assert caught.value.details.startswith("  ") and "r1.py, line " in caught.value.details


def test_a_conflict_clause_passes_over_no_row(shop: MakeShop) -> None:
    """A column with ON CONFLICT IGNORE would swallow the rows that a new definition makes equal."""
    tables = ["CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT UNIQUE ON CONFLICT IGNORE)"]
    with pytest.raises(RebuildRefused, match="UNIQUE constraint failed: t.a"):
        run(
            shop,
            [*tables, "INSERT INTO t VALUES (1, 'x'), (2, 'X')"],
            batch('b.alter_column("a", type_=sa.String(collation="NOCASE"))'),
        )


def test_an_attached_database(shop: MakeShop, tmp_path: t.Any) -> None:
    """A table of another schema is changed there, with its indexes and triggers."""
    made = shop()
    made.make([TABLE])
    inside = [
        TABLE.replace(" t ", " far.t "),
        "CREATE INDEX far.i ON t (a)",
        "CREATE TRIGGER far.g AFTER DELETE ON t BEGIN SELECT 1; END",
        "INSERT INTO far.t VALUES (1, 'x', 2, 3)",
    ]
    body = "".join(f'op.execute("{line}")\n' for line in inside)
    with made.context() as app:
        engine = app.extensions["migrate"].db.engine
        sa.event.listen(engine, "connect", lambda c, r: c.execute(f"ATTACH '{tmp_path}/far.db' AS far"))
        made.project.write_revision("r1", upgrade=body + batch('b.drop_column("c")', arguments=', schema="far"'))
        upgrade(str(made.project.migrations))
        with engine.connect() as connection:
            found = connection.exec_driver_sql("SELECT name, sql FROM far.sqlite_master ORDER BY name").all()
            assert connection.exec_driver_sql("SELECT * FROM far.t").all() == [(1, "x", 2)]
    assert found == [
        ("g", "CREATE TRIGGER g AFTER DELETE ON t BEGIN SELECT 1; END"),
        ("i", "CREATE INDEX i ON t (a)"),
        ("t", "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b INT)"),
    ]
    assert sql(made, "t") == TABLE
