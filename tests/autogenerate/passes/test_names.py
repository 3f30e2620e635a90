"""Constraints get names, operations an order, and changes are found where Alembic looks away; rows stay."""

from __future__ import annotations

import pytest

from flask_schemaflow.autogenerate import names

from ...conftest import FlaskDb
from ...conftest import MakeDatabase
from ...conftest import MakeProject
from ...support.servers import Kind
from ..constraint_cases import rows
from ..constraint_cases import schema
from ..constraint_cases import source
from ..constraint_cases import started
from ..constraint_cases import there_and_back

SHOP = """
class Customer(db.Model):
    id = sa.Column(sa.Integer, primary_key=True)
    email = sa.Column(sa.String(50), unique=True)
    age = sa.Column(sa.Integer, sa.CheckConstraint("age > 0"))
    plan = sa.Column(sa.String(20))
    __table_args__ = (sa.UniqueConstraint("plan", "age"),)

class Order(db.Model):
    __tablename__ = "orders"
    id = sa.Column(sa.Integer, primary_key=True)
    customer_id = sa.Column(sa.ForeignKey("customer.id", ondelete="CASCADE"))
    total = sa.Column(sa.Integer)
"""
ROWS = (
    "INSERT INTO customer (id, email, age, plan) VALUES (1, 'ada@x', 36, 'a'), (2, 'bob@x', 20, 'b')",
    "INSERT INTO orders (id, customer_id, total) VALUES (1, 1, 5), (2, 1, 7)",
)


def test_every_constraint_has_a_name(project: MakeProject, flask_db: FlaskDb, database_url: str) -> None:
    """The same names on every database, so that the same file can drop them on every database."""
    made = started(flask_db, project(SHOP, url=database_url), *ROWS)
    text = source(made)
    for name in ("pk_customer", "uq_customer_email", "uq_customer_plan_age", "fk_orders_customer_id_customer"):
        assert f"name=op.f('{name}')" in text
    assert "sa.CheckConstraint('age > 0', name=op.f('ck_customer_age_" in text
    made.write_models(
        SHOP.replace(', sa.CheckConstraint("age > 0")', "")
        .replace("50), unique=True", "50)")
        .replace('sa.ForeignKey("customer.id", ondelete="CASCADE")', "sa.Integer")
        .replace('    __table_args__ = (sa.UniqueConstraint("plan", "age"),)\n', "")
    )
    there_and_back(flask_db, made)
    made.write_models(SHOP.replace("total = sa.Column(sa.Integer)", "total = sa.Column(sa.Integer, unique=True)"))
    there_and_back(flask_db, made)
    assert "batch_op.create_unique_constraint(batch_op.f('uq_orders_total'), ['total'])" in source(made)


def test_convention_of_the_metadata(project: MakeProject, flask_db: FlaskDb, sqlite_url: str) -> None:
    """Where the application has a convention, ours names only what that leaves out, and stays as it is."""
    convention = "metadata=__import__('sqlalchemy').MetaData(naming_convention={'uq': 'unique_%(column_0_name)s', "
    convention += "'ck': 'check_%(constraint_name)s'})"
    models = SHOP.replace('sa.CheckConstraint("age > 0")', 'sa.CheckConstraint("age > 0", name="adult")')
    made = started(flask_db, project(models, url=sqlite_url, db_arguments=convention))
    text = source(made)
    for name in ("unique_email", "check_adult", "fk_orders_customer_id_customer"):
        assert f"name=op.f('{name}')" in text
    assert flask_db(made, "migrate").stdout == "No changes in schema detected.\n"


def test_long_names() -> None:
    """They fit everywhere, are never the same for two constraints, and always for one."""
    columns = [f"a_rather_long_column_number_{number}" for number in range(9)]
    one, other = names.unique_name("table", columns), names.unique_name("table", columns[:-1])
    assert len(one) == len(other) == names.LIMIT and one != other
    assert one == names.unique_name("table", columns)
    assert one.startswith("uq_table_a_rather_long_column_number_0_")
    assert names.check_name("t", "a >  0", ["a", "b"]) == names.check_name("t", "(a > 0)", ["a", "b"])


def test_constraints_without_a_name(project: MakeProject, flask_db: FlaskDb, sqlite_url: str) -> None:
    """What an older tool left on SQLite without a name can be dropped, changed and got back."""
    made = project(SHOP, url=sqlite_url)
    flask_db(made, "init")
    with made.app().app_context():
        made.execute(
            "CREATE TABLE customer (id INTEGER NOT NULL PRIMARY KEY, email VARCHAR(50) UNIQUE, "
            "age INTEGER, plan VARCHAR(20), CHECK (age > 0), UNIQUE (plan, age))"
        )
        made.execute(
            "CREATE TABLE orders (id INTEGER NOT NULL, customer_id INTEGER, total INTEGER, "
            "PRIMARY KEY (id), FOREIGN KEY(customer_id) REFERENCES customer (id) ON DELETE CASCADE)"
        )
    for statement in ROWS:
        made.execute(statement)
    assert flask_db(made, "migrate").stdout == "No changes in schema detected.\n"
    made.write_models(
        SHOP.replace("50), unique=True", "50)").replace(
            'sa.ForeignKey("customer.id", ondelete="CASCADE")', "sa.Integer"
        )
    )
    flask_db(made, "migrate")
    assert "naming_convention={'fk': 'fk_%(table_name)s_" in source(made)
    before = rows(made)
    flask_db(made, "upgrade")
    assert rows(made) == before
    assert "UNIQUE" not in str(schema(made)["table customer"]).replace("UNIQUE(plan,age", "")
    assert "REFERENCES" not in str(schema(made)["table orders"])
    assert flask_db(made, "migrate").stdout == "No changes in schema detected.\n"
    flask_db(made, "downgrade")
    assert "uq_customer_email UNIQUE(email" in str(schema(made)["table customer"])
    assert "ON DELETE CASCADE" in str(schema(made)["table orders"])
    assert rows(made) == before


CIRCLE = """
class Team(db.Model):
    id = sa.Column(sa.Integer, primary_key=True)
    captain_id = sa.Column(sa.ForeignKey("player.id", name="fk_captain", use_alter=True), index=True)
    above_id = sa.Column(sa.ForeignKey("team.id"))

class Player(db.Model):
    id = sa.Column(sa.Integer, primary_key=True)
    team_id = sa.Column(sa.ForeignKey("team.id"), index=True)
    rival_id = sa.Column(sa.ForeignKey("referee.id"))

class Referee(db.Model):
    id = sa.Column(sa.Integer, primary_key=True)
    player_id = sa.Column(sa.ForeignKey("player.id"))
"""


def test_circles(project: MakeProject, flask_db: FlaskDb, database_url: str) -> None:
    """Tables that refer to each other and to themselves are created and dropped, with all of their foreign keys."""
    made = started(flask_db, project(CIRCLE, url=database_url))
    inspected = str(schema(made))
    for name in ("fk_captain", "fk_team_above_id_team", "fk_player_team_id_team", "fk_referee_player_id_player"):
        assert name in inspected
    made.execute("INSERT INTO team (id, above_id) VALUES (1, 1)")
    assert flask_db(made, "migrate").stdout == "No changes in schema detected.\n"
    full = schema(made)
    made.write_models("class Other(db.Model):\n    id = sa.Column(sa.Integer, primary_key=True)\n")
    flask_db(made, "migrate", "--allow-drops", "--verify")
    flask_db(made, "upgrade")
    assert not any("player" in name for name in schema(made))
    flask_db(made, "downgrade")
    assert schema(made) == full
    flask_db(made, "downgrade", "base")
    assert schema(made) == {}


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind", ["mariadb", *(pytest.param(kind, marks=pytest.mark.exhaustive) for kind in ("sqlite", "postgresql"))]
)
def test_foreign_keys_and_indexes(
    project: MakeProject, flask_db: FlaskDb, make_database: MakeDatabase, kind: Kind
) -> None:
    """MariaDB lets no index go that a foreign key needs, and makes one where there is none; others don't mind."""
    made = started(flask_db, project(SHOP, url=make_database(kind)), *ROWS)
    key = 'customer_id = sa.Column(sa.ForeignKey("customer.id", ondelete="CASCADE")'
    for changed in (
        SHOP.replace(key, key + ", index=True"),
        SHOP.replace(key, "customer_id = sa.Column(sa.Integer"),
        SHOP.replace(key, 'customer_id = sa.Column(sa.ForeignKey("customer.id"), index=True'),
        SHOP.replace(key, 'customer_id = sa.Column(sa.ForeignKey("customer.id")'),
        SHOP.replace(f"    {key})\n", ""),
        SHOP.replace(key, key + ', index=True)\n    second_id = sa.Column(sa.ForeignKey("customer.email")').replace(
            "second_id = sa.Column(", "second_id = sa.Column(sa.String(50), "
        ),
    ):
        made.write_models(changed)
        result = flask_db(made, "migrate", "--verify", "--allow-drops")
        assert "Not verified" not in result.output and "differ" not in result.output, result.output
        before = schema(made)
        flask_db(made, "upgrade")
        assert flask_db(made, "migrate", "--dry-run").stdout == "No changes in schema detected.\n"
        flask_db(made, "downgrade")
        assert schema(made) == before
        flask_db(made, "upgrade")
    assert [row[0] for row in made.execute("SELECT total FROM orders ORDER BY id")] == [5, 7]


def test_checks(project: MakeProject, flask_db: FlaskDb, database_url: str) -> None:
    """Added, changed and dropped by what they mean to the database; those of types are left to the types."""
    models = SHOP.replace(
        "total = sa.Column(sa.Integer)",
        "total = sa.Column(sa.Integer)\n    kind = sa.Column("
        "sa.Enum('a', 'b', name='kinds', native_enum=False, create_constraint=True))",
    )
    made = started(flask_db, project(models, url=database_url), *ROWS)
    assert flask_db(made, "migrate").stdout == "No changes in schema detected.\n"
    last = '__table_args__ = (sa.UniqueConstraint("plan", "age"),'
    made.write_models(
        models.replace(last, last + " sa.CheckConstraint(\"plan IN ('a', 'b') AND age<99\", name=\"plans\")")
    )
    assert "add check plans" in there_and_back(flask_db, made)
    made.write_models(
        models.replace(last, last + " sa.CheckConstraint(\"plan IN ('a','b') and age < 99\", name=\"plans\")")
    )
    if made.engine().dialect.name != "sqlite":  # SQLite keeps the words as they were written
        assert flask_db(made, "migrate").stdout == "No changes in schema detected.\n"
    made.write_models(models.replace(last, last + ' sa.CheckConstraint("plan <> \'x:y\' AND age < 90", name="plans")'))
    there_and_back(flask_db, made)
    made.write_models(models.replace("age > 0", "age > 1"))
    assert "drop check plans" in there_and_back(flask_db, made)


COMPUTED = """
class Item(db.Model):
    id = sa.Column(sa.Integer, primary_key=True)
    price = sa.Column(sa.Integer, server_default="1")
    gross = sa.Column(sa.Integer, sa.Computed("price * 2", persisted=True), index=True)
    made = sa.Column(sa.DateTime, server_default=sa.func.now())
"""


def test_generated_columns(project: MakeProject, flask_db: FlaskDb, database_url: str) -> None:
    """One with another expression is made anew with its index; one that becomes plain keeps its values."""
    made = started(flask_db, project(COMPUTED, url=database_url), "INSERT INTO item (id, price) VALUES (1, 10)")
    made.write_models(COMPUTED.replace("price * 2", "price * 3"))
    printed = there_and_back(flask_db, made)
    assert "Drops" not in printed
    assert made.execute("SELECT price, gross FROM item") == [(10, 30)]
    made.write_models(COMPUTED.replace(', sa.Computed("price * 2", persisted=True)', ""))
    there_and_back(flask_db, made)
    assert made.execute("SELECT price, gross FROM item") == [(10, 30)]


def test_server_defaults(project: MakeProject, flask_db: FlaskDb, database_url: str) -> None:
    """They are compared without being told to, and ``compare_server_default=False`` still says no."""
    made = started(flask_db, project(COMPUTED, url=database_url), "INSERT INTO item (id, price) VALUES (1, 10)")
    made.write_models(
        COMPUTED.replace('server_default="1"', 'server_default="2"').replace("func.now()", "text('NULL')")
    )
    made.write_models(COMPUTED.replace('server_default="1"', 'server_default="2"'))
    assert "change column item.price: server default" in there_and_back(flask_db, made)
    made.write_models(COMPUTED.replace(', server_default="1"', "").replace(", server_default=sa.func.now()", ""))
    there_and_back(flask_db, made)
    made.write_app(migrate_arguments="compare_server_default=False")
    made.write_models(COMPUTED)
    assert flask_db(made, "migrate").stdout == "No changes in schema detected.\n"


def test_identity(project: MakeProject, flask_db: FlaskDb, postgres_url: str) -> None:
    """Options of an identity column are compared where the database has them."""
    models = COMPUTED.replace("primary_key=True", "sa.Identity(start=5), primary_key=True").replace(
        "sa.Integer, sa.Identity(start=5)", "sa.BigInteger, sa.Identity(start=5)"
    )
    made = started(flask_db, project(models, url=postgres_url), "INSERT INTO item (price) VALUES (1)")
    assert flask_db(made, "migrate").stdout == "No changes in schema detected.\n"
    made.write_models(models.replace("start=5", "start=5, increment=10, always=True"))
    assert "change column item.id: server default" in there_and_back(flask_db, made)
