"""Safer code for findings: in the words of the file, and shown only if a second copy says that it is safer."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path

import pytest
from flask import Flask

from flask_schemaflow.linting.safer import proposals
from flask_schemaflow.linting.safer import suggested
from flask_schemaflow.linting.safer import with_proposals
from flask_schemaflow.linting.source import SourceFile
from tests.linting.application import run
from tests.linting.application import write_all
from tests.linting.test_siblings import complete
from tests.support.servers import admin_engine
from tests.support.servers import Kind
from tests.tools import lint_accuracy

ON_POSTGRESQL = {
    'op.create_index("ix", "visits", ["room"])': 'op.create_index_online("ix", "visits", ["room"])',
    'op.alter_column("visits", "mail", existing_type=sa.String(50), nullable=False)':
        'op.set_not_null_online("visits", "mail", existing_type=sa.String(50))',
    'op.create_foreign_key("fk", "visits", "doctors", ["doctor_id"], ["id"])':
        'op.create_foreign_key_online("fk", "visits", "doctors", ["doctor_id"], ["id"])',
    'op.create_check_constraint("ck", "visits", "fee >= 0")':
        'op.create_check_constraint_online("ck", "visits", "fee >= 0")',
    'op.create_unique_constraint("uq", "visits", ["mail"])':
        'op.create_unique_constraint_online("uq", "visits", ["mail"])',
    'op.add_column("visits", sa.Column("token", sa.Uuid, server_default=sa.text("gen_random_uuid()")))':
        'op.add_column_online("visits", sa.Column("token", sa.Uuid, server_default=sa.text("gen_random_uuid()")))',
    'op.alter_column("visits", "minutes", existing_type=sa.Integer, type_=sa.BigInteger)': "",
    'op.execute("UPDATE visits SET minutes = 0")': "",
}  # fmt: skip
ON_MARIADB = {
    'op.create_foreign_key("fk", "goods", "makers", ["maker_id"], ["id"])':
        'op.create_foreign_key_online("fk", "goods", "makers", ["maker_id"], ["id"])',
    'op.create_check_constraint("ck", "goods", "stock >= 0")':
        'op.create_check_constraint_online("ck", "goods", "stock >= 0")',
    'op.alter_column("goods", "stock", existing_type=sa.Integer, type_=sa.BigInteger)': "",  # there is no other way
}  # fmt: skip


@pytest.mark.parametrize(("kind", "operations"), [("postgresql", ON_POSTGRESQL), ("mariadb", ON_MARIADB)])
def test_safer_code_is_measured_before_it_is_shown(kind: Kind, operations: dict[str, str], tmp_path: Path) -> None:
    """Each operation alone by its own line; where nothing is safer, nothing is shown."""
    admin_engine(kind)
    (revision,) = lint_accuracy.findings_of(
        complete({"database": kind, "body": "\n".join(operations)}), tmp_path
    ).revisions
    lines = SourceFile(revision.file).text.splitlines()
    shown = {lines[item.line - 1].strip(): item.safer for item in revision.findings if item.level == "error"}
    assert shown == operations
    assert all(item.safer_measured == bool(item.safer) for item in revision.findings)
    text = suggested(revision)
    for before, after in operations.items():
        assert (after or before) in text and (not after or before not in text)


def test_lines_keep_their_numbers(tmp_path: Path) -> None:
    """While it is measured; what is printed needs no empty lines."""
    text = textwrap.dedent(
        '''
        def upgrade():
            for name in ("a", "b"):
                op.create_index(
                    f"ix_{name}",
                    "posts",
                    [name],
                    postgresql_concurrently=True,  # of no use here
                )
            batch.alter_column("b", nullable=False, type_=sa.Text)
            "after \N{EURO SIGN}"; op.add_column("posts", *columns, **options)
        '''
    )
    path = tmp_path / "b2_.py"
    path.write_text(text, "utf-8")
    found = proposals(SourceFile(str(path)), range(1, 13))
    assert [item.code for item in found] == ['op.create_index_online(f"ix_{name}", "posts", [name])']
    kept = with_proposals(text, found).splitlines()
    assert len(kept) == len(text.splitlines()) and kept[-2:] == text.splitlines()[-2:]
    assert 'op.create_index_online(f"ix_{name}", "posts", [name])\n' in with_proposals(text, found, keep_lines=False)


def test_suggest_prints_the_file(app: Flask, tmp_path: Path, postgres_url: str) -> None:
    """With the safer code in its place; the file itself stays as it is."""
    write_all(tmp_path, ("b2", "a1", "op.create_index('ix', 'posts', ['body'])", "pass"))
    before = (tmp_path / "migrations" / "versions" / "b2_.py").read_text("utf-8")
    result = run(app, "lint", "--on", postgres_url, "--suggest")
    assert result.exit_code == 1
    assert "b2_.py" in result.stdout.splitlines()[0]
    assert before.replace("create_index(", "create_index_online(").strip() in result.stdout
    assert (tmp_path / "migrations" / "versions" / "b2_.py").read_text("utf-8") == before
    report = json.loads(run(app, "lint", "--on", postgres_url, "--format", "json").stdout)
    (finding,) = [item for item in report["revisions"][0]["findings"] if item["level"] == "error"]
    assert finding["safer"] == "op.create_index_online('ix', 'posts', ['body'])" and finding["safer_measured"] is True
