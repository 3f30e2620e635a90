"""Changes of schemas, with the rows that have to stand them, for :mod:`.schema_changes` and for the tests.

A list for each subject; new cases go to the end of theirs. a new list is entered in :data:`SUBJECTS`.
"""

from __future__ import annotations

import dataclasses
import typing as t

import sqlalchemy as sa
from sqlalchemy.dialects import mysql
from sqlalchemy.dialects import postgresql

from flask_schemaflow.questions import Answers

from ..support.servers import Kind
from ..support.servers import KINDS

Models = t.Callable[[sa.MetaData], t.Any]
"""Puts tables into a metadata."""


@dataclasses.dataclass(frozen=True)
class Case:
    """One change of models.

    :param name: what changes, in a few words; unlike any other.
    :param before: the models that the database is made from.
    :param rows: statements that are executed before the change.
    :param after: the models that it is migrated to.
    :param databases: where the case makes sense.
    :param holds: queries with the rows that they give after the upgrade, in a transaction that is rolled back; what
        runs before a query stands before ``;;``.
    :param notice: a text that ``migrate`` says; with ``writes`` false, the change is seen and not written.
    :param writes: whether a revision is to be written.
    :param options: for ``migrate()``, such as ``answers``.
    :param convention: the naming convention of the metadata.
    :param first: statements that run before the first revision, such as the one that creates an extension.
    """

    name: str
    before: Models
    rows: tuple[str, ...]
    after: Models
    databases: tuple[Kind, ...] = KINDS
    holds: t.Mapping[str, t.Sequence[tuple[t.Any, ...]]] = dataclasses.field(default_factory=dict)
    notice: str = ""
    writes: bool = True
    options: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    convention: t.Mapping[str, str] | None = None
    first: tuple[str, ...] = ()


def table(name: str, *items: t.Any, **options: t.Any) -> Models:
    """Return models of one table; ``items`` are made anew for each metadata, so they are given as functions."""
    return lambda metadata: sa.Table(name, metadata, *(item() if callable(item) else item for item in items), **options)


def tables(*models: Models) -> Models:
    """Return models of several tables."""
    return lambda metadata: [make(metadata) for make in models]


def column(name: str, type_: t.Any, *items: t.Callable[[], t.Any], **options: t.Any) -> t.Callable[[], t.Any]:
    """Return a function that makes a column."""
    return lambda: sa.Column(name, type_, *(item() for item in items), **options)


def key(name: str = "id", **options: t.Any) -> t.Callable[[], t.Any]:
    """Return a function that makes an integer primary key."""
    return column(name, sa.Integer, primary_key=True, **options)


POSTGRESQL: tuple[Kind, ...] = ("postgresql",)
MARIADB: tuple[Kind, ...] = ("mariadb",)
COMMENTS: tuple[Kind, ...] = ("postgresql", "mariadb")

_LINES = ("INSERT INTO line VALUES (1, 10, 'a')", "INSERT INTO line VALUES (2, 20, 'b')")
_LINE = (column("order_no", sa.Integer, nullable=False), column("note", sa.String(20)))
_TAG_COLUMNS = (column("code", sa.String(20), nullable=False), column("title", sa.String(20), nullable=False))
_TAG_ROWS = ("INSERT INTO tag VALUES ('x', 'ex')", "INSERT INTO tag VALUES ('y', 'why')")


def _pointing(*columns: str) -> Models:
    """Return a table whose foreign key points at ``tag``."""
    return table(
        "mark",
        key(),
        *(column(name, sa.String(20)) for name in columns),
        lambda: sa.ForeignKeyConstraint(columns, [f"tag.{name}" for name in columns], name="fk_mark_tag"),
    )


KEYS = [
    Case(
        "a column joins the primary key",
        table("line", key(autoincrement=False), *_LINE),
        _LINES,
        table("line", key(autoincrement=False), column("order_no", sa.Integer, primary_key=True), _LINE[1]),
        holds={
            "INSERT INTO line VALUES (1, 11, 'c');;SELECT id, order_no, note FROM line ORDER BY 1, 2": [
                (1, 10, "a"),
                (1, 11, "c"),
                (2, 20, "b"),
            ]
        },
    ),
    Case(
        "a nullable column joins the primary key",
        table("line", key(autoincrement=False), column("order_no", sa.Integer), _LINE[1]),
        _LINES,
        table("line", key(autoincrement=False), column("order_no", sa.Integer, primary_key=True), _LINE[1]),
    ),
    Case(
        "a column leaves the primary key",
        table("line", key(autoincrement=False), column("order_no", sa.Integer, primary_key=True), _LINE[1]),
        _LINES,
        table("line", key(autoincrement=False), *_LINE),
        holds={"SELECT id, order_no, note FROM line ORDER BY 1": [(1, 10, "a"), (2, 20, "b")]},
    ),
    Case(
        "a column with automatic values leaves the primary key",
        table("line", key(), *_LINE),
        _LINES,
        table(
            "line",
            column("id", sa.Integer, nullable=False),
            column("order_no", sa.Integer, primary_key=True, autoincrement=False),
            _LINE[1],
        ),
        holds={"SELECT id, order_no, note FROM line ORDER BY 1": [(1, 10, "a"), (2, 20, "b")]},
    ),
    Case(
        "the primary key moves",
        table("tag", column("code", sa.String(20), primary_key=True), _TAG_COLUMNS[1]),
        _TAG_ROWS,
        table("tag", _TAG_COLUMNS[0], column("title", sa.String(20), primary_key=True)),
        holds={"SELECT code, title FROM tag ORDER BY 1": [("x", "ex"), ("y", "why")]},
    ),
    Case(
        "a named primary key moves",
        table("tag", *_TAG_COLUMNS, lambda: sa.PrimaryKeyConstraint("code", name="tag_key")),
        _TAG_ROWS,
        table("tag", *_TAG_COLUMNS, lambda: sa.PrimaryKeyConstraint("title", name="tag_key")),
    ),
    Case(
        "the primary key moves under a foreign key",
        tables(table("tag", column("code", sa.String(20), primary_key=True), _TAG_COLUMNS[1]), _pointing("code")),
        (*_TAG_ROWS, "INSERT INTO mark VALUES (1, 'x')", "INSERT INTO mark VALUES (2, 'y')"),
        tables(
            table(
                "tag",
                _TAG_COLUMNS[0],
                column("title", sa.String(20), primary_key=True),
                lambda: sa.UniqueConstraint("code", name="tag_code"),
            ),
            _pointing("code"),
        ),
        holds={
            "SELECT * FROM mark ORDER BY 1": [(1, "x"), (2, "y")],
            "SELECT code, title FROM tag ORDER BY 1": [("x", "ex"), ("y", "why")],
        },
    ),
    Case(
        "a key column joins under a foreign key that follows",
        tables(
            table("tag", column("code", sa.String(20), primary_key=True), _TAG_COLUMNS[1]),
            table(
                "mark",
                key(),
                column("code", sa.String(20)),
                column("title", sa.String(20)),
                lambda: sa.ForeignKeyConstraint(["code"], ["tag.code"], name="fk_mark_tag"),
            ),
        ),
        (*_TAG_ROWS, "INSERT INTO mark VALUES (1, 'x', 'ex')", "INSERT INTO mark VALUES (2, 'y', 'why')"),
        tables(
            table(
                "tag", column("code", sa.String(20), primary_key=True), column("title", sa.String(20), primary_key=True)
            ),
            table(
                "mark",
                key(),
                column("code", sa.String(20)),
                column("title", sa.String(20)),
                lambda: sa.ForeignKeyConstraint(["code", "title"], ["tag.code", "tag.title"], name="fk_mark_tag"),
            ),
        ),
        holds={"SELECT * FROM mark ORDER BY 1": [(1, "x", "ex"), (2, "y", "why")]},
    ),
    Case(
        "a table without a primary key gets one",
        table("tag", *_TAG_COLUMNS),
        _TAG_ROWS,
        table("tag", column("code", sa.String(20), primary_key=True), _TAG_COLUMNS[1]),
    ),
    Case(
        "a table loses its primary key",
        table("tag", column("code", sa.String(20), primary_key=True), _TAG_COLUMNS[1]),
        _TAG_ROWS,
        table("tag", *_TAG_COLUMNS),
    ),
    Case(
        "a new column takes the key's place",
        table("tag", column("code", sa.String(20), primary_key=True), _TAG_COLUMNS[1]),
        _TAG_ROWS,
        table("tag", _TAG_COLUMNS[0], _TAG_COLUMNS[1], column("id", sa.Integer, primary_key=True)),
        options={"answers": Answers(fills={"tag.id": "sql:CASE code WHEN 'x' THEN 1 ELSE 2 END"})},
        holds={"SELECT code, title, id FROM tag ORDER BY id": [("x", "ex", 1), ("y", "why", 2)]},
    ),
    Case(
        "a key of two columns becomes one with automatic values",
        table("line", key(), column("order_no", sa.Integer, primary_key=True), _LINE[1]),
        _LINES,
        table("line", key(), *_LINE),
        holds={"INSERT INTO line (order_no) VALUES (7);;SELECT id, order_no FROM line": [(1, 10), (2, 20), (3, 7)]},
    ),
]


def _area(item: t.Callable[[], t.Any], *more: t.Any) -> Models:
    return table("field", key(), column("w", sa.Integer), column("h", sa.Integer), item, *more)


_AREA = "INSERT INTO field (id, w, h) VALUES (1, 3, 4)"
_STORED = column("area", sa.Integer, lambda: sa.Computed("w * h", persisted=True))
_PLAIN_AREA = column("area", sa.Integer)

GENERATED = [
    Case(
        "a generated column becomes a plain one",
        _area(_STORED),
        (_AREA,),
        _area(_PLAIN_AREA),
        holds={"INSERT INTO field VALUES (2, 1, 1, 99);;SELECT area FROM field ORDER BY id": [(12,), (99,)]},
    ),
    Case(
        "a generated column of text becomes a plain one with a default",
        table(
            "person",
            key(),
            column("first", sa.String(20)),
            column("upper_name", sa.String(40), lambda: sa.Computed("upper(first)", persisted=True)),
        ),
        ("INSERT INTO person (id, first) VALUES (1, 'ann')",),
        table(
            "person", key(), column("first", sa.String(20)), column("upper_name", sa.String(40), server_default="none")
        ),
        holds={
            "INSERT INTO person (id, first) VALUES (2, 'bob');;SELECT upper_name FROM person ORDER BY id": [
                ("ANN",),
                ("none",),
            ]
        },
    ),
    Case(
        "a virtual column becomes a plain one",
        _area(column("area", sa.Integer, lambda: sa.Computed("w * h", persisted=False))),
        (_AREA,),
        _area(_PLAIN_AREA),
        databases=("sqlite", "mariadb"),
        holds={"SELECT area FROM field": [(12,)]},
    ),
    Case(
        "an indexed generated column becomes a plain one",
        _area(_STORED, lambda: sa.Index("ix_field_area", "area")),
        (_AREA,),
        _area(_PLAIN_AREA, lambda: sa.Index("ix_field_area", "area")),
        holds={"SELECT area FROM field": [(12,)]},
    ),
    Case(
        "a plain column becomes a generated one",
        _area(_PLAIN_AREA),
        ("INSERT INTO field VALUES (1, 3, 4, 12)",),
        _area(_STORED),
        options={"allow_drops": True},
        holds={"SELECT area FROM field": [(12,)]},
    ),
    Case(
        "a generated column goes with the column that it is made of",
        table(
            "price",
            key(),
            column("amount", sa.Integer),
            column("b_net", sa.Integer),
            column("a_tax", sa.Integer, lambda: sa.Computed("b_net * 2", persisted=True)),
        ),
        (),
        table("price", key(), column("amount", sa.Integer)),
        options={"allow_drops": True},
    ),
    Case(
        "a generated column comes with the column that it is made of",
        table("price", key(), column("amount", sa.Integer)),
        ("INSERT INTO price VALUES (1, 2)",),
        table(
            "price",
            key(),
            column("amount", sa.Integer),
            column("a_tax", sa.Integer, lambda: sa.Computed("z_net * 2", persisted=True)),
            column("z_net", sa.Integer, server_default="3"),
        ),
    ),
    Case(
        "the type changes under a generated column",
        table(
            "price",
            key(),
            column("net", sa.Integer),
            column("tax", sa.Integer, lambda: sa.Computed("net * 2", persisted=True)),
        ),
        ("INSERT INTO price (id, net) VALUES (1, 5)",),
        table(
            "price",
            key(),
            column("net", sa.BigInteger),
            column("tax", sa.Integer, lambda: sa.Computed("net * 2", persisted=True)),
        ),
        holds={"SELECT net, tax FROM price": [(5, 10)]},
    ),
]


def _counted(*items: t.Any, start: int | None = None) -> t.Callable[[], t.Any]:
    return column("id", sa.Integer, lambda: sa.Identity(start=start), primary_key=True)


_BOXES = ("INSERT INTO box (name) VALUES ('a')", "INSERT INTO box (name) VALUES ('b')")
_NEXT = {"INSERT INTO box (name) VALUES ('c');;SELECT id, name FROM box ORDER BY id": [(1, "a"), (2, "b"), (3, "c")]}
_NAME = column("name", sa.String(20))

IDENTITY = [
    Case(
        "SERIAL becomes an identity",
        table("box", key(), _NAME),
        _BOXES,
        table("box", _counted(), _NAME),
        databases=POSTGRESQL,
        holds=_NEXT,
    ),
    Case(
        "SERIAL becomes an identity with options",
        table("box", key(), _NAME),
        _BOXES,
        table(
            "box",
            column("id", sa.Integer, lambda: sa.Identity(always=True, start=100, increment=5), primary_key=True),
            _NAME,
        ),
        databases=POSTGRESQL,
    ),
    Case(
        "an identity becomes SERIAL",
        table("box", _counted(), _NAME),
        _BOXES,
        table("box", key(), _NAME),
        databases=POSTGRESQL,
        holds=_NEXT,
    ),
    Case(
        "BIGSERIAL in a schema's table with odd names becomes an identity",
        table("Odd box", column("Box id", sa.BigInteger, primary_key=True), _NAME),
        ("INSERT INTO \"Odd box\" (name) VALUES ('a')",),
        table("Odd box", column("Box id", sa.BigInteger, lambda: sa.Identity(), primary_key=True), _NAME),
        databases=POSTGRESQL,
        holds={'INSERT INTO "Odd box" (name) VALUES (\'b\');;SELECT * FROM "Odd box"': [(1, "a"), (2, "b")]},
    ),
    Case(
        "a plain column becomes an identity",
        table("box", key(autoincrement=False), _NAME),
        ("INSERT INTO box VALUES (1, 'a')", "INSERT INTO box VALUES (2, 'b')"),
        table("box", _counted(), _NAME),
        databases=POSTGRESQL,
        holds=_NEXT,
    ),
    Case(
        "an identity becomes a plain column",
        table("box", _counted(), _NAME),
        _BOXES,
        table("box", key(autoincrement=False), _NAME),
        databases=POSTGRESQL,
    ),
]


def _city(*items: t.Any, **options: t.Any) -> Models:
    return table(
        "city",
        key(),
        column("n", sa.Integer),
        column("name", sa.String(40)),
        column("zip", sa.String(9)),
        *items,
        **options,
    )


_CITIES = ("INSERT INTO city VALUES (1, 5, 'Ulm', '89')", "INSERT INTO city VALUES (2, 6, 'Bonn', '53')")


def _index(*items: t.Any, **options: t.Any) -> t.Callable[[], t.Any]:
    return lambda: sa.Index("ix_city", *items, **options)


def _desc() -> t.Any:
    return sa.Index("ix_city", sa.text("n DESC"))


INDEXES = [
    Case(
        "an index gets a condition",
        _city(_index("n")),
        _CITIES,
        _city(lambda: sa.Index("ix_city", "n", sqlite_where=sa.text("n > 5"), postgresql_where=sa.text("n > 5"))),
        databases=("sqlite", "postgresql"),
    ),
    Case(
        "the condition of an index changes",
        _city(lambda: sa.Index("ix_city", "n", postgresql_where=sa.text("n > 5"), sqlite_where=sa.text("n > 5"))),
        _CITIES,
        _city(lambda: sa.Index("ix_city", "n", postgresql_where=sa.text("n > 6"), sqlite_where=sa.text("n > 6"))),
        databases=("sqlite", "postgresql"),
    ),
    Case(
        "the condition of a unique index changes",
        _city(
            lambda: sa.Index(
                "ix_city", "n", unique=True, postgresql_where=sa.text("n > 5"), sqlite_where=sa.text("n > 5")
            )
        ),
        _CITIES,
        _city(
            lambda: sa.Index(
                "ix_city", "n", unique=True, postgresql_where=sa.text("n > 6"), sqlite_where=sa.text("n > 6")
            )
        ),
        databases=("sqlite", "postgresql"),
    ),
    Case(
        "an index loses its condition",
        _city(
            lambda: sa.Index(
                "ix_city", "n", postgresql_where=sa.text("name <> 'a:b%'"), sqlite_where=sa.text("name <> 'a:b%'")
            )
        ),
        _CITIES,
        _city(_index("n")),
        databases=("sqlite", "postgresql"),
    ),
    Case(
        "an index covers another column",
        _city(_index("n")),
        _CITIES,
        _city(_index("n", postgresql_include=["zip"])),
        databases=POSTGRESQL,
    ),
    Case(
        "an index gets another method",
        _city(_index("n")),
        _CITIES,
        _city(_index("n", postgresql_using="hash")),
        databases=POSTGRESQL,
    ),
    Case(
        "an index gets options",
        _city(_index("n")),
        _CITIES,
        _city(_index("n", postgresql_with={"fillfactor": 50})),
        databases=POSTGRESQL,
    ),
    Case(
        "an index gets an operator class",
        _city(_index("name")),
        _CITIES,
        _city(_index("name", postgresql_ops={"name": "varchar_pattern_ops"})),
        databases=POSTGRESQL,
    ),
    Case(
        "an index treats NULLs as alike",
        _city(_index("n", unique=True)),
        _CITIES,
        _city(_index("n", unique=True, postgresql_nulls_not_distinct=True)),
        databases=POSTGRESQL,
    ),
    Case(
        "an index gets a length",
        _city(_index("name")),
        _CITIES,
        _city(_index("name", mysql_length=5, mariadb_length=5)),
        databases=MARIADB,
    ),
    Case(
        "an index becomes FULLTEXT",
        _city(_index("name")),
        _CITIES,
        _city(_index("name", mysql_prefix="FULLTEXT", mariadb_prefix="FULLTEXT")),
        databases=MARIADB,
    ),
    Case("an index is sorted the other way", _city(_index("n")), _CITIES, _city(_desc)),
    Case("an index of text that is sorted is added", _city(), _CITIES, _city(_desc)),
    Case(
        "a unique constraint covers another column",
        _city(lambda: sa.UniqueConstraint("n", name="uq_city")),
        _CITIES,
        _city(lambda: sa.UniqueConstraint("n", name="uq_city", postgresql_include=["zip"])),
        databases=POSTGRESQL,
    ),
    Case(
        "a unique constraint with INCLUDE comes",
        _city(),
        _CITIES,
        _city(lambda: sa.UniqueConstraint("n", name="uq_city", postgresql_include=["zip"])),
        databases=POSTGRESQL,
    ),
    Case(
        "a unique constraint that covers columns with INCLUDE stays",
        _city(lambda: sa.UniqueConstraint("n", name="uq_city", postgresql_include=["zip"])),
        _CITIES,
        _city(
            lambda: sa.UniqueConstraint("n", name="uq_city", postgresql_include=["zip"]), column("extra", sa.Integer)
        ),
        databases=POSTGRESQL,
    ),
]


def _room(*items: t.Any) -> Models:
    return table("room", key(), column("hours", postgresql.INT4RANGE), column("name", sa.String(9)), *items)


_ROOMS = ("INSERT INTO room VALUES (1, '[1,3)', 'a')", "INSERT INTO room VALUES (2, '[3,5)', 'b')")


def _exclude(*elements: t.Any, **options: t.Any) -> t.Callable[[], t.Any]:
    return lambda: postgresql.ExcludeConstraint(*elements, **{"name": "no_overlap", **options})


EXCLUDE = [
    Case("EXCLUDE comes", _room(), _ROOMS, _room(_exclude(("hours", "&&"))), databases=POSTGRESQL),
    Case("EXCLUDE goes", _room(_exclude(("hours", "&&"))), _ROOMS, _room(), databases=POSTGRESQL),
    Case(
        "EXCLUDE changes",
        _room(_exclude(("hours", "&&"))),
        _ROOMS,
        _room(_exclude(("hours", "&&"), where=sa.text("name <> 'x:y%'"))),
        databases=POSTGRESQL,
    ),
    Case(
        "EXCLUDE without a name comes",
        _room(),
        _ROOMS,
        _room(_exclude(("hours", "&&"), name=None)),
        databases=POSTGRESQL,
    ),
    Case(
        "beside EXCLUDE",
        _room(_exclude(("hours", "&&"), ("id", "="), using="gist", where=sa.text("id > 0"))),
        _ROOMS,
        _room(
            _exclude(("hours", "&&"), ("id", "="), using="gist", where=sa.text("id > 0")), column("extra", sa.Integer)
        ),
        databases=POSTGRESQL,
        first=("CREATE EXTENSION btree_gist",),
    ),
]

_LONG = "ein_sehr_langer_name_mit_umläuten_öäüß_und_noch_mehr_davon_zum_ende"  # 66 bytes or more

QUIET = [
    Case(
        "beside a unique constraint over the key's columns",
        _city(lambda: sa.UniqueConstraint("id", name="uq_city_id")),
        _CITIES,
        _city(lambda: sa.UniqueConstraint("id", name="uq_city_id"), column("extra", sa.Integer)),
    ),
    Case(
        "beside an unnamed unique constraint over the key's columns",
        _city(lambda: sa.UniqueConstraint("id")),
        _CITIES,
        _city(lambda: sa.UniqueConstraint("id"), column("extra", sa.Integer)),
    ),
    Case(
        "a unique constraint over the key's columns comes",
        _city(),
        _CITIES,
        _city(lambda: sa.UniqueConstraint("id", name="uq_city_id"), column("extra", sa.Integer)),
        databases=("sqlite", "mariadb"),
    ),
    Case(
        "beside a key column that allows NULL",
        table(
            "town",
            column("a", sa.Integer, primary_key=True, nullable=True, autoincrement=False),
            column("b", sa.String(9)),
        ),
        ("INSERT INTO town VALUES (1, 'x')",),
        table(
            "town",
            column("a", sa.Integer, primary_key=True, nullable=True, autoincrement=False),
            column("b", sa.String(12)),
        ),
    ),
    Case(
        "beside ON UPDATE with fsp",
        _city(
            column(
                "at",
                mysql.TIMESTAMP(fsp=6),
                nullable=False,
                server_default=sa.text("CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6)"),
            )
        ),
        (),
        _city(
            column(
                "at",
                mysql.TIMESTAMP(fsp=6),
                nullable=False,
                server_default=sa.text("CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6)"),
            ),
            column("extra", sa.Integer),
        ),
        databases=MARIADB,
    ),
    Case(
        "beside ON UPDATE of func.now",
        _city(column("at", mysql.DATETIME(fsp=3), nullable=True, server_default=sa.text("now(3) ON UPDATE now(3)"))),
        (),
        _city(
            column("at", mysql.DATETIME(fsp=3), nullable=True, server_default=sa.text("now(3) ON UPDATE now(3)")),
            column("extra", sa.Integer),
        ),
        databases=MARIADB,
    ),
    Case("beside a descending index of text", _city(_desc), _CITIES, _city(_desc, column("extra", sa.Integer))),
    Case(
        "beside tables that inherit",
        tables(_city(), table("capital", column("mayor", sa.String(20)), postgresql_inherits="city")),
        _CITIES,
        tables(
            _city(),
            table("capital", column("mayor", sa.String(20)), column("extra", sa.Integer), postgresql_inherits="city"),
        ),
        databases=POSTGRESQL,
    ),
    Case(
        "beside names that are too long in bytes",
        _city(lambda: sa.Index(_LONG[:60], "n"), lambda: sa.CheckConstraint("n > 0", name=_LONG[:58] + "ck")),
        _CITIES,
        _city(
            lambda: sa.Index(_LONG[:60], "n"),
            lambda: sa.CheckConstraint("n > 0", name=_LONG[:58] + "ck"),
            column("extra", sa.Integer),
        ),
    ),
]

_USERS = table("customer_of_the_company_with_a_long_name", key())
NAMES = [
    Case(
        "a foreign key whose name is too long by the convention",
        tables(_USERS, table("invoices_of_the_whole_company_by_years", key(), column("customer_number", sa.Integer))),
        (),
        tables(
            _USERS,
            table(
                "invoices_of_the_whole_company_by_years",
                key(),
                column(
                    "customer_number", sa.Integer, lambda: sa.ForeignKey("customer_of_the_company_with_a_long_name.id")
                ),
            ),
        ),
        convention={"fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s"},
    ),
]


def _shelf(type_: t.Any, **options: t.Any) -> Models:
    return table("shelf", key(), column("it", type_, **options))


_SHELF = ("INSERT INTO shelf VALUES (1, 7)",)
_TIMES = ("INSERT INTO shelf VALUES (1, '2024-01-31 10:11:12')",)
_WORDS = ("INSERT INTO shelf VALUES (1, 'word')",)


def _yes(name: str | None) -> t.Callable[[], t.Any]:
    return column("flag", sa.Boolean(create_constraint=name is not None, name=name), nullable=False)


DETAILS = [
    Case(
        "a comment on a key column",
        table("shelf", key(), _NAME),
        (),
        table("shelf", key(comment="the number: 5%"), _NAME),
        databases=COMMENTS,
    ),
    Case("a new comment", _shelf(sa.Integer), _SHELF, _shelf(sa.Integer, comment="it's 5%"), databases=COMMENTS),
    Case(
        "another comment",
        _shelf(sa.Integer, comment="it's 5%"),
        _SHELF,
        _shelf(sa.Integer, comment="a :number"),
        databases=COMMENTS,
    ),
    Case("no comment any more", _shelf(sa.Integer, comment="old"), _SHELF, _shelf(sa.Integer), databases=COMMENTS),
    Case(
        "a comment with another type",
        _shelf(sa.Integer),
        _SHELF,
        _shelf(sa.BigInteger, comment="it's 5%", nullable=False),
        databases=COMMENTS,
    ),
    Case(
        "UNSIGNED",
        _shelf(sa.Integer),
        _SHELF,
        _shelf(mysql.INTEGER(unsigned=True)),
        databases=MARIADB,
        holds={"SELECT it FROM shelf": [(7,)]},
    ),
    Case("no UNSIGNED", _shelf(mysql.BIGINT(unsigned=True)), _SHELF, _shelf(sa.BigInteger), databases=MARIADB),
    Case("fractions of seconds", _shelf(sa.DateTime), _TIMES, _shelf(mysql.DATETIME(fsp=3)), databases=MARIADB),
    Case(
        "no fractions of seconds",
        _shelf(mysql.TIMESTAMP(fsp=6), nullable=True),
        _TIMES,
        _shelf(sa.TIMESTAMP, nullable=True),
        databases=MARIADB,
    ),
    Case(
        "precision of times",
        _shelf(sa.DateTime),
        _TIMES,
        _shelf(postgresql.TIMESTAMP(precision=3)),
        databases=POSTGRESQL,
    ),
    Case(
        "precision of intervals",
        _shelf(sa.Interval),
        ("INSERT INTO shelf VALUES (1, '1 day')",),
        _shelf(sa.Interval(second_precision=3)),
        databases=POSTGRESQL,
    ),
    Case(
        "fields of intervals",
        _shelf(postgresql.INTERVAL(fields="YEAR TO MONTH")),
        ("INSERT INTO shelf VALUES (1, '1 year')",),
        _shelf(sa.Interval),
        databases=POSTGRESQL,
    ),
    Case(
        "intervals that are times in the database",
        _shelf(sa.Integer),
        _SHELF,
        table("shelf", key(), column("it", sa.Integer), column("lasts", sa.Interval(native=False))),
    ),
    Case(
        "values of a SET",
        _shelf(mysql.SET("a", "it's")),
        ("INSERT INTO shelf VALUES (1, 'a,it''s')",),
        _shelf(mysql.SET("a", "50%", "it's")),
        databases=MARIADB,
        holds={"SELECT it FROM shelf": [("a,it's",)]},
    ),
    Case(
        "collation of a column",
        _shelf(sa.String(20)),
        _WORDS,
        _shelf(sa.String(20, collation="C")),
        databases=POSTGRESQL,
    ),
    Case(
        "no collation of a column",
        _shelf(sa.String(20, collation="C")),
        _WORDS,
        _shelf(sa.String(20)),
        databases=POSTGRESQL,
    ),
    Case(
        "collation of a column on MariaDB",
        _shelf(sa.String(20)),
        _WORDS,
        _shelf(sa.String(20, collation="utf8mb4_bin")),
        databases=MARIADB,
    ),
    Case(
        "the engine of a table",
        _city(mysql_engine="InnoDB"),
        _CITIES,
        _city(mysql_engine="Aria"),
        databases=MARIADB,
        notice="engine = Aria",
        writes=False,
    ),
    Case(
        "the charset of a table",
        _city(mysql_charset="utf8mb4"),
        _CITIES,
        _city(mysql_charset="latin1"),
        databases=MARIADB,
        notice="charset = latin1, the database has utf8mb4",
        writes=False,
    ),
    Case(
        "WITHOUT ROWID",
        _city(),
        _CITIES,
        _city(sqlite_with_rowid=False),
        databases=("sqlite",),
        notice="with_rowid",
        writes=False,
    ),
    Case(
        "a table becomes partitioned",
        _city(),
        _CITIES,
        _city(postgresql_partition_by="RANGE (id)"),
        databases=POSTGRESQL,
        notice="partition_by = RANGE (id)",
        writes=False,
    ),
]


def _ticket(*items: t.Any) -> Models:
    return table("ticket", key(), column("name", sa.String(9)), *items)


DETAILS += [
    Case(
        "a sequence as a default",
        _ticket(),
        ("INSERT INTO ticket (name) VALUES ('a')",),
        _ticket(lambda: sa.Column("number", sa.Integer, sa.Sequence("ticket numbers", start=5))),
        databases=POSTGRESQL,
        holds={"SELECT nextval('\"ticket numbers\"')": [(5,)]},
    ),
    Case(
        "a sequence as a server default",
        _ticket(),
        ("INSERT INTO ticket (name) VALUES ('a')",),
        lambda metadata: [
            table(
                "bill",
                key(),
                lambda: sa.Column(
                    "number", sa.Integer, server_default=sa.Sequence("bill_numbers", start=7).next_value()
                ),
            )(metadata),
            _ticket()(metadata),
        ],
        databases=POSTGRESQL,
        holds={"INSERT INTO bill DEFAULT VALUES;;SELECT number FROM bill": [(7,)]},
    ),
]

QUIET += [
    Case(
        "beside a model of a view",
        table("city", key(), _NAME),
        ("CREATE VIEW names AS SELECT id, name FROM city",),
        tables(table("city", key(), _NAME, column("extra", sa.Integer)), table("names", key(), _NAME)),
    ),
]

_STOCK = (key(), *(column(name, sa.Integer) for name in ("a", "b", "c")), _NAME)


def _stock(condition: str, *more: t.Any) -> Models:
    """Return a table with a CHECK."""
    return table("stock", *_STOCK, *more, lambda: sa.CheckConstraint(condition, name="ck_stock_abc"))


_STOCK_ROWS = ("INSERT INTO stock (id, a, b, c) VALUES (1, 1, 1, 1)",)

CHECKS = [
    Case(
        "parentheses group in another way",
        _stock("a > 0 OR (b > 0 AND c > 0)"),
        _STOCK_ROWS,
        _stock("(a > 0 OR b > 0) AND c > 0"),
    ),
    Case(
        "a cast is added",
        _stock("a > 0"),
        _STOCK_ROWS,
        _stock("CAST(a AS NUMERIC) > 0"),
        databases=POSTGRESQL,
    ),
    Case(
        "the type of a cast",
        _stock("CAST(a AS NUMERIC) / 3 > 0"),
        _STOCK_ROWS,
        _stock("CAST(a AS NUMERIC(9, 2)) / 3 > 0"),
        databases=POSTGRESQL,
    ),
    Case(
        "a list of words gets a cast",
        _stock("name IN ('x', 'y')"),
        (),
        _stock("name IN (CAST('x' AS CHAR(1)), CAST('y' AS CHAR(1)))"),
        databases=POSTGRESQL,
    ),
    Case(
        "a name that differs in capitals",
        _stock("name <> 'x'", column("Name", sa.String(9))),
        (),
        _stock("\"Name\" <> 'x'", column("Name", sa.String(9))),
        databases=POSTGRESQL,
    ),
    Case(
        "a word in capitals",
        _stock("name <> 'x'"),
        (),
        _stock("name <> 'X'"),
    ),
]



def _town(name: str, *items: t.Any) -> Models:
    """Return a table with a column that gets another name."""
    return table("town", key(), column(name, sa.String(20)), column("n", sa.Integer), *items)


def _beside(name: str, *items: t.Any) -> Models:
    """Return the same table and another one, whose changes have to be seen as well."""
    return tables(_town(name), table("stop", key(), column("place", sa.String(20)), column("n", sa.Integer), *items))


_TOWNS = ("INSERT INTO town (id, label, n) VALUES (1, 'a', 2)",)
_RENAMED: dict[str, t.Any] = {"answers": Answers(renames={"town.label": "title"})}
_BOTH: tuple[Kind, ...] = ("sqlite", "postgresql")


def _where(condition: str, *columns: str) -> t.Callable[[], t.Any]:
    options: dict[str, t.Any] = {f"{kind}_where": sa.text(condition) for kind in _BOTH}
    return lambda: sa.Index("ix_it", *columns, **options)


RENAMES = [
    Case(
        "the condition of an index in another table",
        _beside("label", _where("n > 0", "place")),
        _TOWNS,
        _beside("title", _where("n > 1", "place")),
        _BOTH,
        options=_RENAMED,
    ),
    Case(
        "the length of an index in another table",
        _beside("label", lambda: sa.Index("ix_it", "place")),
        _TOWNS,
        _beside("title", lambda: sa.Index("ix_it", "place", mysql_length=5, mariadb_length=5)),
        MARIADB,
        options=_RENAMED,
    ),
    Case(
        "EXCLUDE in another table",
        _beside("label"),
        _TOWNS,
        _beside("title", lambda: postgresql.ExcludeConstraint(("n", "="), name="no_twin", using="btree")),
        POSTGRESQL,
        options=_RENAMED,
    ),
    Case(
        "the condition of an index on the renamed column",
        _town("label", _where("label <> 'y'", "label")),
        _TOWNS,
        _town("title", _where("title <> 'z'", "title")),
        _BOTH,
        options=_RENAMED,
    ),
    Case(
        "the same condition of an index on the renamed column",
        _town("label", _where("label <> 'y'", "label")),
        _TOWNS,
        _town("title", _where("title <> 'y'", "title")),
        _BOTH,
        options=_RENAMED,
    ),
    Case(
        "the order of an index on the renamed column",
        _town("label", lambda: sa.Index("ix_it", "label")),
        _TOWNS,
        _town("title", lambda: sa.Index("ix_it", sa.text("title DESC"))),
        options=_RENAMED,
    ),
    Case(
        "the collation of a column",
        table("town", key(), column("label", sa.String(20)), column("zip", sa.String(9))),
        (),
        table("town", key(), column("title", sa.String(20)), column("zip", sa.String(9, collation="C"))),
        POSTGRESQL,
        options=_RENAMED,
    ),
    Case(
        "the condition of an index in a renamed table",
        _town("label", _where("label <> 'y'", "n")),
        _TOWNS,
        lambda metadata: table(
            "city", key(), column("label", sa.String(20)), column("n", sa.Integer), _where("label <> 'z'", "n")
        )(metadata),
        _BOTH,
        options={"answers": Answers(table_renames={"town": "city"})},
    ),
]


def _mood(*values: str, **options: t.Any) -> t.Any:
    return sa.Enum(*values, name="mood", **options)


def _guest(type_: t.Any, *items: t.Any, **options: t.Any) -> Models:
    return table("guest", key(), column("mood", type_, **options), column("n", sa.Integer), *items)


def _check(text: str, name: str = "ck_it") -> t.Callable[[], t.Any]:
    return lambda: sa.CheckConstraint(text, name=name)


_GUESTS = ("INSERT INTO guest (id, mood, n) VALUES (1, 'calm', 3)",)
_LISTED: dict[str, t.Any] = {"name": "mood", "native_enum": False, "create_constraint": True}

VALUES = [
    Case(
        "a CHECK names the new value",
        _guest(_mood("calm", "wild"), _check("mood <> 'wild'")),
        _GUESTS,
        _guest(_mood("calm", "wild", "odd"), _check("mood NOT IN ('wild', 'odd')")),
    ),
    Case(
        "a CHECK names the new value and another one changes",
        _guest(_mood("calm", "wild"), _check("mood <> 'wild'"), _check("n > 0", "ck_n")),
        _GUESTS,
        _guest(_mood("calm", "wild", "odd"), _check("mood NOT IN ('wild', 'odd')"), _check("n > 1", "ck_n")),
    ),
    Case(
        "the default is the new value",
        _guest(_mood("calm", "wild"), server_default="wild"),
        _GUESTS,
        _guest(_mood("calm", "wild", "odd"), server_default="odd"),
        holds={
            "INSERT INTO guest (id) VALUES (2);;SELECT id, mood FROM guest ORDER BY id": [(1, "calm"), (2, "odd")]
        },
    ),
    Case(
        "the condition of an index names the new value",
        _guest(_mood("calm", "wild"), lambda: sa.Index("ix_it", "n", postgresql_where=sa.text("mood = 'wild'"))),
        _GUESTS,
        _guest(_mood("calm", "wild", "odd"), lambda: sa.Index("ix_it", "n", postgresql_where=sa.text("mood = 'odd'"))),
        POSTGRESQL,
    ),
    Case(
        "a CHECK is dropped beside values that are listed",
        _guest(sa.Enum("calm", "wild", **_LISTED), _check("n > 0")),
        _GUESTS,
        _guest(sa.Enum("calm", "wild", "odd", **_LISTED)),
    ),
]


VALUES += [
    Case(
        f"the value {value!r} {change}",
        _guest(_mood("calm", *before)),
        ("INSERT INTO guest (id, mood, n) VALUES (1, 'calm', 3)",),
        _guest(_mood("calm", *after), **options),
        MARIADB,
    )
    for value in (r"a\b", "two\nlines", "back\\")
    for change, before, after, options in (
        ("comes", (), (value,), {}),
        ("stays beside another one", (value,), (value, "wild"), {}),
        ("stays in a column that becomes NOT NULL", (value,), (value,), {"nullable": False}),
    )
]


VALUES += [
    Case(
        "a value is renamed that a CHECK names",
        _guest(_mood("calm", "wild"), _check("mood <> 'wild'")),
        _GUESTS,
        _guest(_mood("calm", "free"), _check("mood <> 'free'")),
        options={"answers": Answers(renames={"guest.mood.wild": "free"})},
    ),
    Case(
        "a value goes with the CHECK that names it",
        _guest(_mood("calm", "wild"), _check("mood <> 'wild'")),
        _GUESTS,
        _guest(_mood("calm")),
    ),
    Case(
        "an enum with a CHECK and a partial index becomes a text",
        _guest(
            _mood("calm", "wild"),
            _check("mood <> 'wild'"),
            lambda: sa.Index("ix_it", "n", postgresql_where=sa.text("mood = 'calm'")),
        ),
        _GUESTS,
        _guest(
            sa.String(20),
            _check("mood <> 'wild'"),
            lambda: sa.Index("ix_it", "n", postgresql_where=sa.text("mood = 'calm'")),
        ),
        holds={"SELECT mood FROM guest": [("calm",)]},
    ),
    Case(
        "a CHECK is dropped beside a Boolean whose own is created nowhere",
        _guest(sa.Boolean, _check("n > 0")),
        (),
        _guest(sa.Boolean(create_constraint=True, name="ck_mood")),
        POSTGRESQL,
    ),
]
RENAMES += [
    Case(
        "a CHECK and an index of a column that needs quotes by its new name",
        _town("label", _check("label <> 'y'"), _where("label <> 'z'", "n")),
        _TOWNS,
        _town("Order", _check("\"Order\" <> 'y'"), _where("\"Order\" <> 'z'", "n")),
        _BOTH,
        options={"answers": Answers(renames={"town.label": "Order"})},
    ),
]


def _trip(parent: t.Any, child: t.Any, *items: t.Any) -> Models:
    return tables(
        table("bus", column("id", parent, primary_key=True)),
        table("trip", key(), column("bus_id", child), *items),
    )


def _bus_key(name: str = "fk_bus", **options: t.Any) -> t.Callable[[], t.Any]:
    return lambda: sa.ForeignKeyConstraint(["bus_id"], ["bus.id"], name=name, **options)


_TRIPS = ("INSERT INTO bus VALUES (7)", "INSERT INTO trip VALUES (1, 7)")
_RIDE = table("ride", key(), column("bus_id", sa.Integer, lambda: sa.ForeignKey("bus.id")))

KEY_TYPES = [
    Case(
        "the foreign key is dropped",
        _trip(sa.Integer, sa.Integer, _bus_key()),
        _TRIPS,
        _trip(sa.BigInteger, sa.Integer),
    ),
    Case(
        "the foreign key changes",
        _trip(sa.Integer, sa.Integer, _bus_key()),
        _TRIPS,
        _trip(sa.BigInteger, sa.BigInteger, _bus_key(ondelete="CASCADE")),
    ),
    Case(
        "the foreign key comes",
        _trip(sa.Integer, sa.Integer),
        _TRIPS,
        _trip(sa.BigInteger, sa.BigInteger, _bus_key()),
    ),
    Case(
        "texts, and the foreign key changes",
        _trip(sa.String(5), sa.String(5), _bus_key()),
        ("INSERT INTO bus VALUES ('7')", "INSERT INTO trip VALUES (1, '7')"),
        _trip(sa.String(9), sa.String(9), _bus_key(ondelete="SET NULL")),
    ),
    Case(
        "a new table and a dropped one refer to the key, which counts no more",
        tables(_trip(sa.Integer, sa.Integer, _bus_key()), _RIDE),
        _TRIPS,
        tables(
            _trip(sa.String(9), sa.String(9), _bus_key()),
            table("tour", key(), column("bus_id", sa.String(9), lambda: sa.ForeignKey("bus.id"))),
        ),
        options={"answers": Answers(drops=frozenset({"ride"}))},
    ),
]

KEYS += [
    Case(
        "the model says that a key has automatic values",
        table("box", key(autoincrement=False), _NAME),
        ("INSERT INTO box VALUES (4, 'x')",),
        table("box", column("id", sa.BigInteger, primary_key=True, autoincrement=True), _NAME),
        ("postgresql", "mariadb"),
        holds={"INSERT INTO box (name) VALUES ('y');;SELECT id, name FROM box ORDER BY id": [(4, "x"), (5, "y")]},
    ),
    Case(
        "the model says that a key has no automatic values",
        table("box", key(autoincrement=True), _NAME),
        ("INSERT INTO box VALUES (4, 'x')",),
        table("box", key(autoincrement=False), _NAME),
        ("postgresql", "mariadb"),
    ),
]
DETAILS += [
    Case(
        "AUTOINCREMENT",
        table("box", key()),
        (),
        table("box", key(), sqlite_autoincrement=True),
        ("sqlite",),
        notice="autoincrement = True",
        writes=False,
    ),
]


def _sum(base: t.Any, expression: str, *items: t.Any) -> Models:
    generated = column("g", sa.Integer, lambda: sa.Computed(expression, persisted=True))
    return table("bill", key(), column("n", base), generated, *items)


_BILLS = ("INSERT INTO bill (id, n) VALUES (1, 5)",)
_PLAIN_BILL = table("bill", key(), column("n", sa.Integer))

GENERATED += [
    Case(
        f"beside {name}, the base {change}",
        _sum(sa.Integer, "n * 2", item),
        _BILLS,
        _sum(base, expression, item),
        holds={"SELECT n, g FROM bill": [(5, value)]},
    )
    for name, item in {
        "a unique constraint": lambda: sa.UniqueConstraint("g", name="uq_it"),
        "a CHECK": lambda: sa.CheckConstraint("g > 1", name="ck_it"),
    }.items()
    for change, base, expression, value in (
        ("changes its type", sa.BigInteger, "n * 2", 10),
        ("is computed otherwise", sa.Integer, "n * 3", 15),
    )
]
GENERATED += [
    Case(
        "a generated column comes with the type of its base",
        _PLAIN_BILL,
        _BILLS,
        _sum(sa.BigInteger, "n * 2"),
        holds={"SELECT n, g FROM bill": [(5, 10)]},
    ),
    Case(
        "a generated column goes with the type of its base",
        _sum(sa.Integer, "n * 2"),
        _BILLS,
        table("bill", key(), column("n", sa.BigInteger)),
        options={"answers": Answers(drops=frozenset({"bill.g"}))},
    ),
]

# All that a view has, in one text.
_VIEW = """
(SELECT concat_ws(' / ', pg_get_viewdef(oid), reloptions, relacl, obj_description(oid, 'pg_class'),
    col_description(oid, 2), (SELECT string_agg(pg_get_triggerdef(oid), ';') FROM pg_trigger WHERE tgrelid = c.oid),
    (SELECT string_agg(pg_get_expr(adbin, adrelid), ';') FROM pg_attrdef WHERE adrelid = c.oid))
FROM pg_class c WHERE relname = 'calm_guests')
"""


def _source(type_: t.Any) -> Models:
    return table("guest", key(), column("n", type_), _NAME)


VIEWS = [
    Case(
        "a type changes under views",
        _source(sa.Integer),
        (
            "INSERT INTO guest VALUES (1, 5, 'a%:x')",
            "CREATE VIEW calm_guests WITH (security_barrier) AS SELECT id, n, name FROM guest WHERE name LIKE 'a%:x' "
            "WITH LOCAL CHECK OPTION",
            "CREATE VIEW more AS SELECT n + 1 AS m FROM calm_guests",
            'CREATE MATERIALIZED VIEW "As Stored" AS SELECT n, name FROM guest WITH NO DATA',
            'CREATE UNIQUE INDEX ix_stored ON "As Stored" (n)',
            "COMMENT ON VIEW calm_guests IS '50% :of it''s'",
            "COMMENT ON COLUMN calm_guests.n IS 'n: x'",
            "ALTER VIEW calm_guests ALTER COLUMN name SET DEFAULT 'x:y%'",
            "GRANT SELECT ON calm_guests TO PUBLIC",
            "CREATE FUNCTION inserted() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$",
            "CREATE TRIGGER tr INSTEAD OF INSERT ON calm_guests FOR EACH ROW EXECUTE FUNCTION inserted()",
            f"CREATE TABLE kept AS SELECT {_VIEW} AS it",
        ),
        _source(sa.BigInteger),
        POSTGRESQL,
        holds={
            f"SELECT {_VIEW} = it FROM kept": [(True,)],
            "SELECT m FROM more": [(6,)],
            "SELECT relispopulated FROM pg_class WHERE relname = 'As Stored'": [(False,)],
            "SELECT count(*) FROM pg_indexes WHERE indexname = 'ix_stored'": [(1,)],
        },
    ),
    Case(
        "a generated column is made anew under a view",
        _sum(sa.Integer, "n * 2"),
        (*_BILLS, "CREATE VIEW sums AS SELECT g FROM bill"),
        _sum(sa.BigInteger, "n * 2"),
        holds={"SELECT g FROM sums": [(10,)]},
    ),
]

VIEWS += [
    Case(
        "a type changes under views of a table and a column that are renamed",
        _source(sa.Integer),
        (
            "INSERT INTO guest VALUES (1, 5, 'a')",
            "CREATE VIEW calm_guests AS SELECT id, n, name FROM guest WHERE n > 1",
            "CREATE MATERIALIZED VIEW more AS SELECT n + 1 AS m FROM calm_guests",
        ),
        table("visitor", key(), column("number", sa.BigInteger), _NAME),
        POSTGRESQL,
        holds={"SELECT n FROM calm_guests": [(5,)], "SELECT m FROM more": [(6,)]},
        options={"answers": Answers(table_renames={"guest": "visitor"}, renames={"visitor.n": "number"})},
    ),
]


_ONE = ("mood", "mood")
_BOTH_RENAMED = Answers(table_renames={"guest": "visitor"}, renames={"visitor.mood": "temper"})


def _bound(table_name: str, name: str, value: str, *values: str, type_name: str = "mood") -> Models:
    """Return a table with all that PostgreSQL binds to the enum type of a column."""
    return table(
        table_name,
        key(),
        column(name, sa.Enum(*values, name=type_name)),
        column("n", sa.Integer),
        column("is_it", sa.Boolean, lambda: sa.Computed(f"{name} = '{value}'", persisted=True), comment="50% :of it's"),
        _check(f"{name} <> '{value}' OR n > 0"),
        lambda: sa.Index("ix_it", "n", postgresql_where=sa.text(f"{name} = '{value}'")),
        lambda: sa.Index("ix_is_it", "is_it"),
        lambda: sa.CheckConstraint("is_it OR n > 0", name="ck_is_it"),
    )


_BOUND_ROWS = (
    "INSERT INTO guest VALUES (1, 'calm', 3)",
    "CREATE VIEW guests AS SELECT mood, is_it FROM guest WHERE mood <> 'wild'",
    "CREATE VIEW guests_too AS SELECT is_it FROM guests",
)

VALUES += [
    Case(
        f"a value {change} whose column is bound to {more}",
        _bound("guest", "mood", "calm", *before, type_name=types[0]),
        _BOUND_ROWS if "views" in more else _BOUND_ROWS[:1],
        _bound(*names, *after, type_name=types[1]),
        POSTGRESQL,
        holds={"SELECT is_it FROM guests_too": [(True,)]} if "views" in more else {},
        options={"answers": answers},
    )
    for change, more, before, names, after, types, answers in (
        (
            "goes",
            "views and the like",
            ("calm", "wild", "odd"),
            ("guest", "mood", "calm"),
            ("calm", "wild"),
            _ONE,
            Answers(),
        ),
        (
            "goes",
            "views and a type of its name, and is renamed",
            ("calm", "wild", "odd"),
            ("visitor", "temper", "calm"),
            ("calm", "wild"),
            _ONE,
            _BOTH_RENAMED,
        ),
        (
            "goes",
            "views and a type that is renamed along",
            ("calm", "wild", "odd"),
            ("visitor", "temper", "calm"),
            ("calm", "wild"),
            ("guest_mood", "visitor_temper"),
            _BOTH_RENAMED,
        ),
        (
            "comes",
            "views and the like, and is renamed",
            ("calm", "wild"),
            ("visitor", "temper", "calm"),
            ("odd", "calm", "wild"),
            _ONE,
            _BOTH_RENAMED,
        ),
        (
            "goes beside one that is renamed",
            "a generated column and the like",
            ("calm", "wild", "odd"),
            ("guest", "mood", "quiet"),
            ("quiet", "wild"),
            _ONE,
            Answers(renames={"guest.mood.calm": "quiet"}),
        ),
    )
]

UNSEEN = [
    Case(
        "the order of the columns in a primary key",
        table("tag", *_TAG_COLUMNS, lambda: sa.PrimaryKeyConstraint("code", "title")),
        _TAG_ROWS,
        table("tag", *_TAG_COLUMNS, lambda: sa.PrimaryKeyConstraint("title", "code")),
    ),
    Case(
        "automatic values of an unchanged key, if autoincrement= is neither True nor False",
        table("box", key(autoincrement=False), _NAME),
        (),
        table("box", key(), _NAME),
        databases=("postgresql", "mariadb"),
    ),
    Case(
        "the CHECK of a Boolean",
        table("box", key(), _yes(None)),
        (),
        table("box", key(), _yes("is_flag")),
        databases=("sqlite", "mariadb"),
    ),
    Case(
        "the collation of a column on SQLite",
        _shelf(sa.String(20)),
        _WORDS,
        _shelf(sa.String(20, collation="NOCASE")),
        databases=("sqlite",),
    ),
    Case(
        "a sequence that no column uses",
        _ticket(lambda: sa.Column("number", sa.Integer, sa.Sequence("numbers"))),
        (),
        _ticket(column("number", sa.Integer)),
        databases=POSTGRESQL,
    ),
    Case(
        "a sequence that only the metadata has",
        _ticket(),
        (),
        tables(_ticket(), lambda metadata: sa.Sequence("numbers", metadata=metadata)),
        databases=POSTGRESQL,
    ),
    Case(
        "the options of a sequence",
        _ticket(lambda: sa.Column("number", sa.Integer, sa.Sequence("numbers"))),
        (),
        _ticket(lambda: sa.Column("number", sa.Integer, sa.Sequence("numbers", start=9))),
        databases=POSTGRESQL,
    ),
    Case(
        "USING of an index on MariaDB",
        _city(_index("n")),
        _CITIES,
        _city(_index("n", mysql_using="hash")),
        databases=MARIADB,
    ),
    Case(
        "storage parameters of a table",
        _city(),
        _CITIES,
        _city(postgresql_with={"fillfactor": 50}),
        databases=POSTGRESQL,
    ),
]
"""Changes that nobody sees; each is named so in the documentation."""

_VALID = {
    "SELECT constraint_name FROM information_schema.check_constraints "
    "WHERE constraint_schema = database() AND check_clause LIKE 'json_valid%'": [("j",)]
}


def _page(*items: t.Any, json: t.Any = "j", **options: t.Any) -> Models:
    return table("page", key(), column(json, sa.JSON, **options), *items)


_PAGES = ("INSERT INTO page (id, j) VALUES (1, '{\"a\": 1}')",)
JSON = [
    Case(
        "a JSON column becomes NOT NULL",
        _page(),
        _PAGES,
        _page(nullable=False),
        databases=MARIADB,
        holds=_VALID,
        options={"answers": Answers(fills={"page.j": "{}"})},
    ),
    Case("a JSON column gets a comment", _page(), _PAGES, _page(comment="it's"), databases=MARIADB, holds=_VALID),
    Case(
        "a JSON column gets a default",
        _page(),
        _PAGES,
        _page(server_default="{}"),
        databases=MARIADB,
        holds=_VALID,
    ),
    Case(
        "a JSON column gets another name and becomes NOT NULL",
        _page(json="d"),
        ("INSERT INTO page (id, d) VALUES (1, '[]')",),
        _page(nullable=False),
        databases=MARIADB,
        holds=_VALID,
        options={"answers": Answers(renames={"page.d": "j"}, fills={"page.j": "{}"})},
    ),
    Case(
        "a table with JSON goes",
        tables(_page(), table("other", key())),
        (),
        table("other", key()),
        databases=MARIADB,
        options={"answers": Answers(drops=frozenset({"page"}))},
    ),
    Case(
        "a JSON column goes",
        _page(),
        (),
        table("page", key()),
        databases=MARIADB,
        options={"answers": Answers(drops=frozenset({"page.j"}))},
    ),
    Case(
        "a long text beside a JSON column stays a text",
        _page(column("story", sa.Text(4_000_000_000))),
        (),
        _page(column("story", sa.Text(4_000_000_000), comment="long")),
        databases=MARIADB,
        holds=_VALID,
    ),
]


SUBJECTS: dict[str, list[Case]] = {
    "primary keys": KEYS,
    "generated columns": GENERATED,
    "identities": IDENTITY,
    "indexes": INDEXES,
    "details": DETAILS,
    "checks": CHECKS,
    "exclude": EXCLUDE,
    "no noise": QUIET,
    "names": NAMES,
    "renames": RENAMES,
    "values of enums": VALUES,
    "types of keys": KEY_TYPES,
    "views": VIEWS,
    "JSON": JSON,
}
"""The cases by subject."""
