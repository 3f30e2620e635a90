"""What is known without Alembic is what Alembic finds, and others who compare are asked as ever."""

from __future__ import annotations

import itertools
import typing as t

import pytest
import sqlalchemy as sa
from alembic.autogenerate import comparators
from alembic.autogenerate import produce_migrations
from alembic.autogenerate.api import AutogenContext
from alembic.ddl.sqlite import SQLiteImpl
from alembic.runtime.migration import MigrationContext
from alembic.runtime.plugins import Plugin
from alembic.util import DispatchPriority
from alembic.util import PriorityDispatchResult
from sqlalchemy.dialects import mysql
from sqlalchemy.dialects import postgresql

from flask_schemaflow.autogenerate.comparators import CHECKS
from flask_schemaflow.autogenerate.comparators import COLUMNS
from flask_schemaflow.autogenerate.comparators import is_type_different
from flask_schemaflow.autogenerate.comparators import only_alembic_compares

TYPES: tuple[t.Any, ...] = (
    sa.Integer(),
    sa.BigInteger(),
    sa.Numeric(10, 2),
    sa.Numeric(10),
    sa.Float(),
    sa.Float(53),
    sa.Boolean(),
    sa.String(20),
    sa.String(30),
    sa.String(20, collation="C"),
    sa.Unicode(20),
    sa.Text(),
    sa.CHAR(20),
    sa.DateTime(),
    sa.DateTime(timezone=True),
    sa.TIMESTAMP(),
    sa.LargeBinary(),
    sa.JSON(),
    sa.Uuid(),
    sa.Enum("a", "b", name="letter"),
    sa.Enum("b", "a", name="letter"),
    sa.Enum("a", "bb", name="letter", native_enum=False),
)
OF_DIALECTS: dict[str, tuple[t.Any, ...]] = {
    "sqlite": (),
    "postgresql": (postgresql.JSONB(), sa.ARRAY(sa.Integer), sa.ARRAY(sa.Text, dimensions=2), postgresql.INET()),
    "mysql": (mysql.ENUM("a", "b"), mysql.ENUM("b", "a"), mysql.TINYINT(1), mysql.INTEGER(unsigned=True)),
    "mariadb": (mysql.ENUM("a", "b"), mysql.VARCHAR(20, charset="utf8mb4"), mysql.SET("a", "b"), mysql.DOUBLE()),
}


@pytest.mark.parametrize("dialect", OF_DIALECTS)
def test_types_differ_where_alembic_says_so(dialect: str) -> None:
    """Each with each other."""
    migration = MigrationContext.configure(dialect_name=dialect)
    context = AutogenContext(migration)
    for one, other in itertools.product((*TYPES, *OF_DIALECTS[dialect]), repeat=2):
        found, model = sa.Column("x", one), sa.Column("x", other)
        expected = bool(migration.impl.compare_type(found, model))
        assert is_type_different(context, found, model) == expected, (one, other)


def test_an_implementation_of_somebody_else_is_asked() -> None:
    """It may find a difference between types that are written in the same way."""

    class Impl(SQLiteImpl):
        def compare_type(self, inspector_column: t.Any, metadata_column: t.Any) -> bool:
            return True

    context = AutogenContext(MigrationContext.configure(dialect_name="sqlite"))
    column: sa.Column[t.Any] = sa.Column("x", sa.Integer)
    assert not is_type_different(context, column, column)
    context.migration_context.impl.__class__ = Impl
    assert is_type_different(context, column, column)


@pytest.fixture
def asked() -> t.Iterator[list[str]]:
    """What a plugin of somebody else was asked about; it says that every type differs."""
    names: list[str] = []

    def compare(context: t.Any, op: t.Any, schema: t.Any, table: str, name: str, *rest: t.Any) -> t.Any:
        names.append(name)
        op.modify_type = sa.Text()
        return PriorityDispatchResult.STOP

    plugin = Plugin("tests.certainty")
    plugin.add_autogenerate_comparator(compare, "column", "types", priority=DispatchPriority.LAST)
    yield names
    plugin.remove()


def compared(*plugins: str) -> tuple[AutogenContext, int]:
    """A comparison in which nothing differs for Alembic, and how many tables have changes."""
    models = sa.MetaData()
    sa.Table("a", models, sa.Column("x", sa.Integer), sa.Column("y", sa.String(20)))
    engine = sa.create_engine("sqlite://", poolclass=sa.NullPool)  # closes its connection
    with engine.connect() as connection:
        models.create_all(connection)
        opts = {"compare_type": True, "autogenerate_plugins": [*plugins, COLUMNS, CHECKS], "target_metadata": models}
        migration = MigrationContext.configure(connection, opts=opts)
        up = produce_migrations(migration, models).upgrade_ops
        assert up is not None
        return AutogenContext(migration), len(up.ops)


def test_other_plugins_are_asked(asked: list[str]) -> None:
    """Where they take part, after us and in the place of Alembic."""
    context, changes = compared("alembic.autogenerate.*")
    assert (asked, changes) == ([], 0)
    assert only_alembic_compares(context, "types")
    context, changes = compared("tests.certainty", "alembic.autogenerate.*")
    assert (asked, changes) == (["x", "y"], 1)
    assert not only_alembic_compares(context, "types")


def test_comparators_of_every_comparison_are_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The way before there were plugins."""
    monkeypatch.setattr(comparators, "_registry", comparators._registry.copy())
    names: list[str] = []

    @comparators.dispatch_for("column", subgroup="types", qualifier="sqlite")
    def compare(context: t.Any, op: t.Any, schema: t.Any, table: str, name: str, *rest: t.Any) -> t.Any:
        names.append(name)
        return PriorityDispatchResult.CONTINUE

    context, changes = compared("alembic.autogenerate.*")
    assert (names, changes) == (["x", "y"], 0)
    assert not only_alembic_compares(context, "types")
