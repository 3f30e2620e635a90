"""Write the page about the rules of lint, ``docs/reference/lint-rules.rst``: ``python -m tests.tools.lint_rules``.

The words are those of the rulebook, the examples those of ``tests/linting/data/rules.json``, and what other databases
do is what was measured for ``operations.json``. With ``--measure`` each example runs on a real server first, and what
it showed there is written into ``rules.json``.
"""

from __future__ import annotations

import json
import pathlib
import re
import sys
import tempfile
import textwrap
import typing as t

from flask_schemaflow.linting.records import CheckedRevision
from flask_schemaflow.linting.rulebook import RULES

from . import lint_accuracy

_FOLDER = pathlib.Path(__file__).parents[1] / "linting" / "data"
EXAMPLES = _FOLDER / "rules.json"
OPERATIONS = _FOLDER / "operations.json"
PAGE = pathlib.Path(__file__).parents[2] / "docs" / "reference" / "lint-rules.rst"

_NAMES = {"postgresql": "PostgreSQL", "mariadb": "MariaDB", "sqlite": "SQLite"}
_WORK = {
    "none": "none", "scan": "reads every row", "index_build": "builds an index", "write_all": "changes rows",
    "rewrite": "rewrites the table", "write_some": "changes rows", "mass_dml": "changes rows",
}  # fmt: skip
_WIDTH = 120
_INTRODUCTION = """Rules of lint
=============

.. Written by `python -m tests.tools.lint_rules`.

This page lists the rules of :doc:`flask db lint </howto/lint>`. Each has an example of a revision that breaks it and
one that doesn't. Both show the measured effects of their statements: the locks on existing tables, and the work on
rows. In the examples ``visits`` has 41 million rows, ``goods`` 9 million. "On each database" shows what the same
operation did on a table with rows, while other sessions read and wrote.
"""
_END = "Next: :doc:`/howto/lint` for the command, :doc:`/explanation/lint` for how it measures.\n"


def case_of(example: dict[str, t.Any], body: str) -> dict[str, t.Any]:
    """Return an example as a case of lint_accuracy."""
    from ..linting.test_siblings import complete

    return complete({"database": example["database"], "body": body, "fill": example.get("fill", ())})


def measured(example: dict[str, t.Any], body: str) -> CheckedRevision:
    """Run an example on its server and return what lint says."""
    with tempfile.TemporaryDirectory() as folder:
        report = lint_accuracy.findings_of(case_of(example, body), pathlib.Path(folder))
    assert not report.unmeasured, report.unmeasured
    return report.revisions[0]


def shown(revision: CheckedRevision) -> list[list[str]]:
    """Return what a page shows of each statement: its text, its locks and its work."""
    rows = []
    for transaction in revision.transactions:
        for statement in transaction.statements:
            locks = ", ".join(f"{table}: {lock}" for table, lock in statement.locks)
            work = ", ".join(f"{_WORK[work]} ({table})" for table, work in statement.work if work != "none")
            rows.append([statement.sql, locks or "none", work or "none"])
    return rows


def measure_all() -> None:
    """Run all examples and keep what they show."""
    document = json.loads(EXAMPLES.read_text("utf-8"))
    for example in document["rules"].values():
        example["measured"] = {name: shown(measured(example, example[name])) for name in ("found", "instead")}
    EXAMPLES.write_text(json.dumps(document, indent=1) + "\n", "utf-8")


def page() -> str:
    """Return the text of the page."""
    examples = json.loads(EXAMPLES.read_text("utf-8"))["rules"]
    operations = {item["operation"]: item for item in json.loads(OPERATIONS.read_text("utf-8"))["operations"]}
    parts = [_INTRODUCTION]
    for code in RULES:
        parts.append(_section(code, examples.get(code), operations))
    return "\n".join([*parts, _END])


def _section(code: str, example: dict[str, t.Any] | None, operations: dict[str, t.Any]) -> str:
    """Return the section of a rule; one that isn't about statements has no example."""
    rule = RULES[code]
    title = [f".. _lint-{code}:", "", code, "-" * len(code), ""]
    what = [_wrapped(f"*{rule.level}*: {_literal(rule.title)}. {_literal(rule.why)}"), ""]
    instead = [_wrapped(f"Instead: {_literal(rule.instead)}"), ""]
    if example is None:
        return "\n".join([*title, *what, *instead])
    database = _NAMES[example["database"]]
    lines = [
        *title, *what, f"Found ({database}):", "", *_example(example, "found"),
        *instead, f"Not found ({database}):", "", *_example(example, "instead"),
    ]  # fmt: skip
    if "after" in example:
        lines += [_wrapped(example["after"]), ""]
    if "operation" in example:
        lines += ["On each database:", "", *_on_each(operations[example["operation"]])]
    return "\n".join(lines)


def _literal(text: str) -> str:
    """Return a text of the terminal as reStructuredText, with code between two backticks."""
    return re.sub(r"`([^`]+)`|\b(op\.\w+\(\)|SCHEMAFLOW_\w+)", lambda match: f"``{match[1] or match[2]}``", text)


def _wrapped(text: str) -> str:
    return "\n".join(textwrap.wrap(text, _WIDTH, break_long_words=False, break_on_hyphens=False))


def _example(example: dict[str, t.Any], name: str) -> list[str]:
    code = textwrap.indent(example[name], "    ").splitlines()
    table = _table(("Statement", "Locks", "Work"), example["measured"][name], (60, 20, 20))
    return [".. code-block:: python", "", *code, "", *table]


def _on_each(operation: dict[str, t.Any]) -> list[str]:
    rows = []
    for database, name in _NAMES.items():
        if database in operation:
            statements = operation[database]["statements"]
            more = f" (and {len(statements) - 1} more)" if len(statements) > 1 else ""
            rows.append([f"{name}: ", statements[0], more, *_words(database, operation[database]["measured"])])
    cells = [[f"{where}``{_short(sql)}``{more}", blocked, how] for where, sql, more, blocked, how in rows]
    return _table(("Statement", "Waits as long as it works", "How"), cells, (60, 20, 20), literal=False)


def _words(database: str, found: dict[str, t.Any]) -> tuple[str, str]:
    """Return who waits as long as an operation works, and how the server does it."""
    if database == "sqlite":
        how = "rebuilds the table" if found["rebuild"] else "visits every row" if found["every_row"] else "quick"
        return ("everybody who writes", how) if found["every_row"] else ("nobody", how)
    if database == "mariadb":
        how = f"{'/'.join(map(str, found['algorithm'])) or 'no ALTER'}, LOCK={'/'.join(map(str, found['lock'])) or '-'}"
        return "everybody who writes" if found["long_block"] else "nobody", how
    if found["outcome"] == "fails":
        return "nobody", "fails"
    who = {"reads+writes": "everybody", "writes": "everybody who writes"}.get(found["blocks"], found["blocks"])
    locks = ", ".join(f"{table}: {lock}" for table, lock in found["locks"].items())
    return (who if found["long_block"] else "nobody"), locks or "none"


def _short(sql: str) -> str:
    return sql if len(sql) <= 100 else sql[:97] + "..."


def _table(
    head: t.Sequence[str], rows: t.Iterable[t.Sequence[str]], widths: t.Sequence[int], literal: bool = True
) -> list[str]:
    lines = [".. list-table::", "   :header-rows: 1", f"   :widths: {' '.join(map(str, widths))}", ""]
    for number, row in enumerate([head, *rows]):
        first = f"``{_short(row[0])}``" if literal and number else row[0]
        lines += [f"   * - {first}", *(f"     - {cell}" for cell in row[1:])]
    return [*lines, ""]


def main() -> None:
    """Write the page."""
    if "--measure" in sys.argv[1:]:
        measure_all()
    PAGE.write_text(page(), "utf-8")


if __name__ == "__main__":
    main()
