"""Models with every generic type of SQLAlchemy and the common types of each dialect, in any combination."""

from __future__ import annotations

import enum
import typing as t

import sqlalchemy as sa
from hypothesis import strategies as st
from sqlalchemy.dialects import mysql
from sqlalchemy.dialects import postgresql

from ..support.servers import Kind

Make = t.Callable[[str], t.Any]
"""Makes a type; gets a name for what needs one."""


class Color(enum.Enum):
    """Values of an enum column."""

    red = 1
    dark_green = 2


def _always(*types: t.Any) -> list[Make]:
    return [lambda name, made=made: made for made in types]  # type: ignore[misc]


_GENERIC: list[Make] = [
    *_always(
        sa.BigInteger, sa.Boolean, sa.Date, sa.DateTime, sa.DateTime(timezone=True), sa.Double, sa.Float, sa.Float(24),
        sa.Float(53), sa.Integer, sa.Interval, sa.JSON, sa.LargeBinary, sa.Numeric, sa.Numeric(10, 2), sa.SmallInteger,
        sa.String(30), sa.Text, sa.Time, sa.Time(timezone=True), sa.Unicode(20), sa.UnicodeText, sa.Uuid,
        sa.Uuid(native_uuid=False), sa.PickleType, sa.CHAR(3), sa.VARCHAR(10), sa.TIMESTAMP, sa.DECIMAL(8, 3), sa.REAL,
        sa.DOUBLE_PRECISION, sa.SMALLINT, sa.BIGINT,
    ),
    lambda name: sa.Enum("a", "b'c", name=name),
    lambda name: sa.Enum(Color, name=name),
    lambda name: sa.Enum("a", "b", name=name, native_enum=False),
    lambda name: sa.Enum("a", "b", name=name, native_enum=False, create_constraint=True),
    lambda name: sa.Boolean(create_constraint=True, name=name),
]  # fmt: skip
_OWN: dict[Kind, list[Make]] = {
    "sqlite": _always(sa.BLOB, sa.CLOB, sa.NVARCHAR(10), sa.BINARY(4), sa.LargeBinary(9), sa.Text(9), sa.UUID),
    "postgresql": _always(
        postgresql.JSONB, postgresql.ARRAY(sa.Integer), sa.ARRAY(sa.Text), postgresql.ARRAY(sa.String(5), dimensions=2),
        postgresql.INET, postgresql.CIDR, postgresql.MACADDR, postgresql.BYTEA, postgresql.BIT(3),
        postgresql.BIT(3, varying=True), postgresql.TSVECTOR, postgresql.INT4RANGE, postgresql.TSTZRANGE,
        postgresql.INTERVAL(fields="DAY TO SECOND"), postgresql.TIMESTAMP(precision=3), postgresql.MONEY,
        postgresql.TIMESTAMP(timezone=True, precision=0), postgresql.TIME(precision=2), postgresql.OID, sa.UUID,
    ),
    "mariadb": _always(
        mysql.TINYINT, mysql.TINYINT(1), mysql.MEDIUMINT, mysql.INTEGER(unsigned=True), mysql.BIGINT(unsigned=True),
        mysql.SMALLINT(5), mysql.LONGTEXT, mysql.MEDIUMTEXT, mysql.TINYTEXT, mysql.LONGBLOB, mysql.MEDIUMBLOB,
        mysql.YEAR,
        mysql.DATETIME(fsp=6), mysql.TIMESTAMP(fsp=3), mysql.TIME(fsp=2), mysql.BIT(5), mysql.SET("a", "b"),
        mysql.ENUM("a", "b"), mysql.DOUBLE(10, 3), mysql.FLOAT(7, 2), mysql.DECIMAL(10, 2, unsigned=True), mysql.JSON,
        mysql.VARCHAR(10, charset="latin1"), mysql.VARCHAR(10, collation="utf8mb4_bin"), mysql.CHAR(5), sa.NVARCHAR(10),
        sa.Text(100), sa.LargeBinary(100), sa.BINARY(4), sa.VARBINARY(8),
    ),
}  # fmt: skip
_NOW = sa.func.now()
_DEFAULTS: list[tuple[t.Any, t.Any]] = [
    (sa.Integer, "5"), (sa.Integer, sa.text("5")), (sa.Integer, "-1"), (sa.Integer, sa.text("(1 + 2)")),
    (sa.String(20), "it's"), (sa.String(20), ""), (sa.String(30), "a:b %s"), (sa.String(20), sa.text("'x'")),
    (sa.String(10), "5"), (sa.String(50), sa.func.lower("ABC")), (sa.Boolean, sa.true()), (sa.Boolean, sa.false()),
    (sa.Boolean, sa.text("false")), (sa.Boolean, "1"), (sa.DateTime, _NOW), (sa.DateTime, sa.func.current_timestamp()),
    (sa.DateTime, sa.text("CURRENT_TIMESTAMP")), (sa.DateTime(timezone=True), _NOW), (sa.Numeric(10, 2), "1.50"),
    (sa.Float, "0.5"), (sa.Float, sa.text("0")), (sa.Date, "2020-01-01"), (sa.BigInteger, "100"),
]  # fmt: skip
_OWN_DEFAULTS: dict[Kind, list[tuple[t.Any, t.Any]]] = {
    "sqlite": [(sa.Text, "t"), (sa.JSON, "{}"), (sa.String(9), sa.text("(strftime('%Y', 'now'))"))],
    "postgresql": [
        (sa.Text, "t"), (sa.JSON, "{}"), (sa.Uuid, sa.text("gen_random_uuid()")), (sa.Interval, "1 day"),
        (postgresql.JSONB, sa.text("'{}'::jsonb")), (postgresql.ARRAY(sa.Integer), "{}"),
        (sa.DateTime, sa.text("timezone('utc', now())")), (sa.Date, sa.func.current_date()),
    ],
    "mariadb": [
        (sa.TIMESTAMP, sa.text("CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP")), (sa.Text, sa.text("('x')")),
        (mysql.DATETIME(fsp=6), sa.text("CURRENT_TIMESTAMP(6)")), (sa.JSON, sa.text("('{}')")),
    ],
}  # fmt: skip


def column_makers(kind: Kind) -> list[Make]:
    """All types of a database."""
    return [*_GENERIC, *_OWN[kind]]


def defaults(kind: Kind) -> list[tuple[t.Any, t.Any]]:
    """Types with server defaults."""
    return [*_DEFAULTS, *_OWN_DEFAULTS[kind]]


def everything(kind: Kind) -> sa.MetaData:
    """All of them at once."""
    metadata = sa.MetaData()
    made = [sa.Column(f"c{n}", make(f"everything_{n}")) for n, make in enumerate(column_makers(kind))]
    sa.Table("everything", metadata, sa.Column("id", sa.Integer, primary_key=True), *made, comment="it's all 100%")
    columns = [_with_default(n, pair, bool(n % 2)) for n, pair in enumerate(defaults(kind))]
    sa.Table("defaults", metadata, sa.Column("id", sa.Integer, primary_key=True), *columns)
    _constrained(metadata, "constrained", kind, None)
    return metadata


def _with_default(
    number: int, pair: tuple[t.Any, t.Any], nullable: bool, comment: str | None = None
) -> sa.Column[t.Any]:
    default = sa.text(pair[1].text) if isinstance(pair[1], sa.TextClause) else pair[1]
    return sa.Column(f"d{number}", pair[0], server_default=default, nullable=nullable, comment=comment)


def _constrained(metadata: sa.MetaData, name: str, kind: Kind, schema: str | None) -> None:
    """Generated and identity columns, indexes and constraints with names and without."""
    place = f"{schema}." if schema else ""
    sa.Table(
        name,
        metadata,
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), sa.Identity(start=5), primary_key=True),
        sa.Column("a", sa.Integer, sa.CheckConstraint("a <> 3"), nullable=False),
        sa.Column("b", sa.String(20), unique=True),
        sa.Column("twice", sa.Integer, sa.Computed("a * 2 +  1", persisted=True), index=True),
        sa.Column("said", sa.String(40), sa.Computed("coalesce(b, 'x, y')", persisted=True)),
        sa.Column("above", sa.ForeignKey(f"{place}{name}.id", ondelete="SET NULL"), index=True),
        sa.CheckConstraint("a < 100 AND b IN ('x', 'y')", name=f"ck_{name}"),
        sa.UniqueConstraint("a", "b"),
        sa.Index(f"ix_{name}_both", "b", "a"),
        schema=schema,
    )


@st.composite
def models(draw: st.DrawFn, kind: Kind) -> sa.MetaData:
    """Some tables of some columns each; on PostgreSQL perhaps in another schema."""
    metadata = sa.MetaData()
    comments = st.sampled_from([None, "plain", 'it\'s 100% "quoted"'])
    schema = draw(st.sampled_from([None, "extra"])) if kind == "postgresql" else None
    for number in range(draw(st.integers(1, 2))):
        name = f"table{number}"
        types = draw(st.lists(st.sampled_from(column_makers(kind)), min_size=1, max_size=12))
        columns = [
            sa.Column(f"c{n}", make(f"{name}_{n}"), nullable=draw(st.booleans()), comment=draw(comments))
            for n, make in enumerate(types)
        ]
        given = draw(st.lists(st.sampled_from(defaults(kind)), max_size=8))
        columns += [_with_default(n, pair, draw(st.booleans()), draw(comments)) for n, pair in enumerate(given)]
        key = sa.Column("id", sa.Integer, primary_key=True)
        sa.Table(name, metadata, key, *columns, comment=draw(comments), schema=schema)
    if draw(st.booleans()):
        _constrained(metadata, "constrained", kind, schema)
    return metadata
