"""The operations with names that need quotes, in a schema, and after statements that failed."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from ..conftest import FlaskDb
from ..conftest import MakeProject
from ..support.application import Project
from .conftest import rows

TABLES = """
op.create_table("Doc tors", sa.Column("Id", sa.Integer(), primary_key=True) {schema})
op.bulk_insert(sa.table("Doc tors", sa.column("Id") {schema}), [dict(Id=2)])
op.create_table(
    "Order's",
    sa.Column("Id", sa.Integer(), autoincrement=False, nullable=False),
    sa.Column("group", sa.String(20), server_default="100%"),
    sa.Column("From", sa.Integer())
    {schema}
)
for table, names, values in (("Doc tors", ["Id"], (1,)), ("Order's", ["Id", "group", "From"], (1, "a:b", 1))):
    op.bulk_insert(sa.table(table, *map(sa.column, names) {schema}), [dict(zip(names, values))])
"""
ALL = """
op.create_index_online("Ix:100%", "Order's", ["group", "From"] {schema})
op.create_foreign_key_online("Fk Doc", "Order's", "Doc tors", ["From"], ["Id"], {source} {referent})
op.create_check_constraint_online("Positive:", "Order's", '{quoted} > 0' {schema})
op.create_unique_constraint_online("One 'From'", "Order's", ["From"] {schema})
op.set_not_null_online("Order's", "group", existing_type=sa.String(20) {schema})
op.create_primary_key_online("Pk:", "Order's", ["Id"] {schema})
op.add_column_online("Order's", sa.Column("Is%paid", sa.String(9), nullable=False), fill="it's:0%" {schema})
op.expand_column("Order's", "From", sa.Column("To:%", sa.Integer()) {schema})
op.execute(sa.text("UPDATE {table} SET {quoted} = 2"))
"""
BACK = """
op.undo_expand_column("Order's", sa.Column("From", sa.Integer()), "To:%" {schema})
op.execute(sa.text("UPDATE {table} SET {quoted} = 1"))
with op.batch_alter_table("Order's" {schema}) as batch:
    batch.drop_column("Is%paid")
    batch.alter_column("group", existing_type=sa.String(20), nullable=True, existing_server_default="100%")
    batch.drop_constraint("Fk Doc", type_="foreignkey")
    batch.drop_constraint("Positive:", type_="check")
    batch.drop_constraint("One 'From'", type_="unique")
    batch.drop_constraint("Pk:", type_="primary")
op.drop_index_online("Ix:100%", "Order's" {schema})
"""


@pytest.mark.parametrize("has_schema", [False, True])
def test_odd_names(project: MakeProject, flask_db: FlaskDb, database_url: str, has_schema: bool) -> None:
    """Capitals, spaces, quotes, colons and percent signs change nothing; nor does a schema."""
    url = sa.make_url(database_url)
    kind = url.get_backend_name()
    if has_schema and kind == "sqlite":
        pytest.skip("SQLite has no schemas")
    made = project(url=database_url)
    schema = (f"{url.database}_o" if kind == "mysql" else "My schema") if has_schema else None
    words = {
        "schema": f", schema={schema!r}" if schema else "",
        "source": f"source_schema={schema!r}," if schema else "",
        "referent": f"referent_schema={schema!r}" if schema else "",
        "table": quoted_table(made, schema).replace('"', '\\"'),
        "quoted": "`From`" if kind == "mysql" else '\\"From\\"',
    }
    if schema:
        made.execute(f"CREATE SCHEMA {schema}" if kind == "mysql" else f'CREATE SCHEMA "{schema}"')
    try:
        _odd_names(made, flask_db, words, schema)
    finally:
        if schema and kind == "mysql":
            made.execute(f"DROP SCHEMA {schema}")


def quoted_table(made: Project, schema: str | None) -> str:
    """The name of the table as it stands in a statement."""
    preparer = made.engine().dialect.identifier_preparer
    return preparer.format_table(sa.Table("Order's", sa.MetaData(), schema=schema))


def _odd_names(made: Project, flask_db: FlaskDb, words: dict[str, str], schema: str | None) -> None:
    flask_db(made, "init")
    for id, down, body, back in (("a1", None, TABLES, "pass"), ("b2", "a1", ALL, BACK)):
        made.write_revision(id, down, body.format(**words), back.format(**words))
    for command in ("upgrade", "downgrade", "upgrade"):
        flask_db(made, command)
    inspector = sa.inspect(made.engine())
    assert "Ix:100%" in {index["name"] for index in inspector.get_indexes("Order's", schema=schema)}
    assert [key["name"] for key in inspector.get_foreign_keys("Order's", schema=schema)] == ["Fk Doc"]
    assert [item["name"] for item in inspector.get_unique_constraints("Order's", schema=schema)] == ["One 'From'"]
    assert [item["name"] for item in inspector.get_check_constraints("Order's", schema=schema)] == ["Positive:"]
    assert inspector.get_pk_constraint("Order's", schema=schema)["constrained_columns"] == ["Id"]
    columns = {column["name"]: column for column in inspector.get_columns("Order's", schema=schema)}
    assert {name for name, column in columns.items() if column["nullable"]} == {"From", "To:%"}
    assert "100%" in str(columns["group"]["default"])
    assert columns["Is%paid"]["default"] is None
    assert rows(made, f"SELECT * FROM {quoted_table(made, schema)}") == [(1, "a:b", 2, "it's:0%", 2)]
