"""The name ``schemaflow`` in ``flask shell``."""

from __future__ import annotations

from .conftest import MakeProject

EMPLOYEE = "class Employee(db.Model):\n    id = sa.Column(sa.Integer, primary_key=True)\n"


def test_the_shell_answers_questions(project: MakeProject) -> None:
    """status, current, heads, history, pending, diff and sql answer and print well."""
    made = project(EMPLOYEE)
    made.run("db", "init")
    made.write_revision("aa", None, "op.create_table('a', sa.Column('id', sa.Integer))", "op.drop_table('a')", "one")
    made.run("db", "upgrade", "aa")
    made.write_revision("bb", "aa", message="two")
    made.run("db", "stamp", "bb")
    calls = ("heads()", "history()", "pending()", "diff()", "current()", "status()", "sql('base:aa')")
    shown = made.run("shell", input="".join(f"schemaflow.{call}\n" for call in calls)).stdout
    assert ">>> bb two\n>>> bb two\naa one\n>>> (nothing)\n" in shown
    assert "add table employee" in shown
    assert "default: bb two" in shown
    assert "default: at bb, nothing pending" in shown
    assert "CREATE TABLE a" in shown
