"""Two branches that change the same thing: what is named at ``merge`` and by the doctor, and what is not."""

from __future__ import annotations

import pytest

from ..conftest import FlaskDb
from ..conftest import MakeProject
from ..support.application import Project

BASE = """
op.create_table("crate", sa.Column("id", sa.Integer, primary_key=True), sa.Column("weight", sa.Integer),
                sa.Column("label", sa.String(20)))
op.create_table("ship", sa.Column("id", sa.Integer, primary_key=True))
"""
CONFLICTS = {
    "both add a column": (
        "op.add_column('crate', sa.Column('draught', sa.Integer))",
        "with op.batch_alter_table('crate', schema=None) as batch_op:\n"
        "    batch_op.add_column(sa.Column('draught', sa.Float, nullable=True))",
        "aaa1 (line 18) and bbb1 (line 19) both add the column crate.draught.",
    ),
    "both create a table": (
        "op.create_table('port', sa.Column('id', sa.Integer), sa.Column('name', sa.Text))",
        "op.create_table(\n    table_name='port')\nop.add_column('port', sa.Column('name', sa.Text))",
        "aaa1 (line 18) and bbb1 (line 18) both add the table port.",
    ),
    "both create an index": (
        "op.create_index(op.f('ix_crate_label'), 'crate', ['label'], unique=False)",
        "with op.batch_alter_table('crate') as b:\n    b.create_index('ix_crate_label', ['label'])",
        "aaa1 (line 18) and bbb1 (line 19) both add the index ix_crate_label.",
    ),
    "one drops what the other alters": (
        "op.alter_column('crate', 'weight', existing_type=sa.Integer(), type_=sa.BigInteger())",
        "op.drop_column('crate', 'weight')",
        "bbb1 (line 18) drops or renames the column crate.weight, which aaa1 (line 18) alters.",
    ),
    "one renames the table of the other": (
        "op.rename_table('crate', 'box')",
        "op.create_unique_constraint('uq_label', 'crate', ['label'])\nop.drop_column('crate', 'weight')",
        "aaa1 (line 18) drops or renames the table crate, which bbb1 (line 18) changes.",
    ),
    "both rename a column": (
        "op.alter_column('crate', 'label', new_column_name='title')",
        "op.alter_column('crate', 'label', new_column_name='caption', existing_type=sa.String(20))",
        "aaa1 (line 18) and bbb1 (line 18) both drop or rename the column crate.label.",
    ),
    "both alter one property": (
        "op.alter_column('crate', 'label', nullable=False, existing_type=sa.String(20))",
        "op.alter_column('crate', 'label', nullable=True, existing_type=sa.String(20))",
        "aaa1 (line 18) and bbb1 (line 18) both alter the column crate.label.",
    ),
}
APART = {
    "other tables": (
        "op.add_column('crate', sa.Column('draught', sa.Integer))",
        "op.add_column('ship', sa.Column('draught', sa.Integer))",
    ),
    "other schemas": (
        "op.create_table('port', sa.Column('id', sa.Integer), schema='east')",
        "op.create_table('port', sa.Column('id', sa.Integer), schema='west')",
    ),
    "other properties": (
        "op.alter_column('crate', 'label', nullable=False, existing_type=sa.String(20))",
        "op.alter_column('crate', 'label', existing_nullable=True, type_=sa.String(40))",
    ),
    "a table for the time being": (
        "op.create_table('tmp', sa.Column('id', sa.Integer))\nop.drop_table('tmp')",
        "op.create_table('tmp', sa.Column('id', sa.Integer))\nop.drop_table('tmp')",
    ),
    "a look before": (
        "if 'draught' not in [c['name'] for c in sa.inspect(op.get_bind()).get_columns('crate')]:\n"
        "    op.add_column('crate', sa.Column('draught', sa.Integer))",
        "op.add_column('crate', sa.Column('draught', sa.Integer))",
    ),
    "its own column": (
        "op.add_column('crate', sa.Column('bay', sa.Integer))\nop.drop_column('crate', 'bay')",
        "op.add_column('crate', sa.Column('bay', sa.Integer))",
    ),
}


@pytest.fixture
def forked(project: MakeProject) -> Project:
    """A project with one revision, and a folder for two that follow it."""
    made = project()
    made.run("db", "init")
    made.write_revision("start", None, BASE)
    return made


def fork(project: Project, left: str, right: str) -> None:
    """Write the two branches."""
    project.write_revision("aaa1", "start", left)
    project.write_revision("bbb1", "start", right)


@pytest.mark.parametrize(("left", "right", "sentence"), CONFLICTS.values(), ids=CONFLICTS.keys())
def test_the_same_thing_twice(forked: Project, flask_db: FlaskDb, left: str, right: str, sentence: str) -> None:
    """It is named once, by the doctor before and after the merge, and by the merge, which is written all the same."""
    fork(forked, left, right)
    before = flask_db(forked, "doctor", status=1).output
    merged = flask_db(forked, "merge", "heads")
    told = f"The branches change the same thing: {sentence}"
    assert [line for line in merged.stderr.splitlines() if "same thing" in line] == [told]
    assert "Wrote " in merged.stdout
    after = flask_db(forked, "doctor").output
    for found in (before, after):
        assert " ".join(found.split()).count(f"[SF851] Two branches change the same thing: {sentence}") == 1


@pytest.mark.parametrize(("left", "right"), APART.values(), ids=APART.keys())
def test_what_can_be_joined(forked: Project, flask_db: FlaskDb, left: str, right: str) -> None:
    """Nothing is said of branches that can be applied one after the other."""
    fork(forked, left, right)
    assert "SF851" not in flask_db(forked, "doctor", status=1).output
    assert "same thing" not in flask_db(forked, "merge", "heads").output


def test_what_both_have_is_no_conflict(forked: Project, flask_db: FlaskDb) -> None:
    """Only what follows the fork counts, over several revisions; three branches are compared by twos."""
    fork(forked, "op.add_column('ship', sa.Column('flag', sa.Text))", "pass")
    forked.write_revision("bbb2", "bbb1", "op.create_table('crew', sa.Column('id', sa.Integer))")
    forked.write_revision("ccc1", "bbb1", "op.add_column('ship', sa.Column('flag', sa.Text))")
    merged = flask_db(forked, "merge", "heads").stderr.splitlines()
    told = [line for line in merged if "same thing" in line]
    assert len(told) == 1 and "both add the column ship.flag" in told[0]


def test_each_database_has_a_schema_of_its_own(project: MakeProject, flask_db: FlaskDb) -> None:
    """In a folder for several databases the same name in two of them is two things."""
    made = project(binds={"log": "sqlite:///log.db"})
    made.run("db", "init")
    text = "op.create_table('entry', sa.Column('id', sa.Integer))"
    for name, function in (("aaa1", "upgrade"), ("bbb1", "upgrade_log"), ("ccc1", "upgrade_log")):
        path = made.write_revision(name, None, text)
        path.write_text(path.read_text().replace("def upgrade(", f"def {function}(", 1))
    told = [line for line in flask_db(made, "merge", "heads").stderr.splitlines() if "same thing" in line]
    assert len(told) == 1 and "bbb1" in told[0] and "ccc1" in told[0]
