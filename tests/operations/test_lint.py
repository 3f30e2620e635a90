"""``flask db lint`` finds nothing in what the operations for tables in use do, and something in the plain forms."""

from __future__ import annotations

import json

from flask_schemaflow import lint

from ..conftest import FlaskDb
from ..support.application import Project

ONLINE = """
op.create_index_online("ix_room", "visits", ["room"])
op.drop_index_online("ix_number", "visits")
op.create_unique_constraint_online("one", "visits", ["number"])
op.create_foreign_key_online("fk", "visits", "doctors", ["doctor_id"], ["id"])
op.set_not_null_online("visits", "room")
op.create_primary_key_online("pk", "pairs", ["a", "b"])
op.add_column_online("visits", sa.Column("paid", sa.Integer(), nullable=False, server_default="1"))
op.expand_column("visits", "number", sa.Column("size", sa.BigInteger()), forward="number * 2", backward="size / 2")
op.create_check_constraint_online("positive", "visits", "number > 0")
"""
PLAIN = """
op.create_index("ix_room", "visits", ["room"])
op.alter_column("doctors", "name", existing_type=sa.String(20), new_column_name="full_name")
"""
MORE = """
op.create_table("pairs", sa.Column("a", sa.Integer()), sa.Column("b", sa.Integer()))
op.create_index("ix_number", "visits", ["number"])
"""
INHERENT: dict[str, set[tuple[int, str]]] = {
    "postgresql": set(),
    "mysql": set(),
    "sqlite": {(line, "blocks-reads-and-writes") for line in (1, 3, 4, 5, 6, 9)},  # its one lock is the file's
}
"""By database, the lines of ONLINE that are found, and what."""


def test_nothing_is_found(visits: Project, flask_db: FlaskDb) -> None:
    """Only what a server has no form for is found; a rename is found unless it is written as an expansion."""
    visits.write_revision("b2", "a1", MORE)
    flask_db(visits, "upgrade")
    tables = {name: {"rows": 41_000_000, "bytes": None} for name in ("visits", "pairs", "doctors")}
    path = visits.write("sizes.json", json.dumps({"version": 1, "tables": tables}))

    def errors(body: str) -> set[tuple[int, str]]:
        file = visits.write_revision("c3", "b2", body)
        first = 1 + file.read_text().split("\n").index("def upgrade():")
        with visits.app().app_context():
            (report,) = lint(sizes=str(path))
        found = [item for revision in report.revisions for item in revision.findings if item.level == "error"]
        return {(int(item.line or 0) - first, item.code) for item in found}

    kind = "sqlite" if "sqlite" in visits.url else "mysql" if "mysql" in visits.url else "postgresql"
    assert errors(ONLINE) == INHERENT[kind]
    plain = {code for _, code in errors(PLAIN)}
    assert "breaks-running-code" in plain and (kind == "mysql" or len(plain) == 2)
