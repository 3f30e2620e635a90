"""How well ``flask db lint`` does on cases with a known answer: ``python -m tests.tools.lint_accuracy [FILE]``.

Each case is a schema with rows, the sizes of the real database, and one revision. It runs on a real server, and its
findings are compared with those that were expected, each by rule and table. The cases are about what Alembic does, so
SQLite's own protection of batch mode is off. Notes aren't judged, and warnings of a rule only if the file has answers
of that rule. The last line is the result as JSON.
"""

from __future__ import annotations

import contextlib
import json
import pathlib
import re
import sys
import tempfile
import typing as t

import sqlalchemy as sa
from flask import Flask
from sqlalchemy import event

from flask_schemaflow import Migrate
from flask_schemaflow.commands.linting import lint
from flask_schemaflow.linting.records import LintReport
from tests.support import databases
from tests.support.servers import admin_engine

CASES = pathlib.Path(__file__).parents[1] / "linting" / "data" / "cases.json"
ROWS = 500

_ENV = "from flask_schemaflow import run_env\n\nrun_env()\n"
_PARENT = 'revision = "a1"\ndown_revision = None\n\n\ndef upgrade():\n    pass\n\n\ndef downgrade():\n    pass\n'


class _Database:
    """What ``Migrate`` takes in place of Flask-SQLAlchemy's object: an engine, and no models."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine
        self.metadata = sa.MetaData()


def findings_of(case: dict[str, t.Any], folder: pathlib.Path) -> LintReport:
    """Set a case up, lint its revision, and return the report."""
    with _database(case, folder) as engine:
        migrations = folder / "migrations"
        (migrations / "versions").mkdir(parents=True)
        (migrations / "env.py").write_text(_ENV, "utf-8")
        (migrations / "versions" / "a1_.py").write_text(_PARENT, "utf-8")
        (migrations / "versions" / "b2_.py").write_text(case["revision"], "utf-8")
        sizes = folder / "sizes.json"
        tables = {name: {"rows": rows} for name, rows in case["rows"].items()}
        sizes.write_text(json.dumps({"version": 1, "tables": tables}), "utf-8")
        app = Flask("case", instance_path=str(folder))
        app.config["SCHEMAFLOW_SAFE_BATCH"] = False
        Migrate(app, _Database(engine), directory=str(migrations))
        with app.app_context():
            report = lint(sizes=str(sizes), data=True)[0]
        engine.dispose()
        return report


@contextlib.contextmanager
def _database(case: dict[str, t.Any], folder: pathlib.Path) -> t.Iterator[sa.Engine]:
    kind = case["database"]
    if kind != "sqlite":
        admin_engine(kind)
    url = databases.create(kind, folder)
    if kind == "postgresql" and "timezone" in case["env"]:
        with admin_engine(kind).connect() as connection:
            name = sa.make_url(url).database
            connection.exec_driver_sql(f"ALTER DATABASE \"{name}\" SET timezone = '{case['env']['timezone']}'")
    engine = sa.create_engine(url, **_arguments(case["env"]))
    if kind == "sqlite":
        _prepare_sqlite(engine, case["env"])
    try:
        with engine.begin() as connection:
            for sql in (*case["setup"], *case["fill"]):
                sql = _with_rows(sql, kind)
                connection.exec_driver_sql(sql if kind == "sqlite" else sql.replace("%", "%%"))
            for table in sa.inspect(connection).get_table_names():  # which a database in use does by itself
                quoted = connection.dialect.identifier_preparer.quote(table)
                connection.exec_driver_sql(f"ANALYZE {'TABLE ' if kind == 'mariadb' else ''}{quoted}")
            connection.exec_driver_sql("CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)")
            connection.exec_driver_sql("INSERT INTO alembic_version VALUES ('a1')")
        yield engine
    finally:
        engine.dispose()
        databases.drop(url)


def _arguments(env: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return the arguments of an engine whose sessions have the settings of a case."""
    mode = env.get("sql_mode")
    return {} if mode is None else {"connect_args": {"init_command": f"SET SESSION sql_mode = '{mode}'"}}


def _with_rows(sql: str, kind: str) -> str:
    """Return a statement with the number of rows; SQLite has no generate_series() here."""
    sql = re.sub(r"(?<=,)N(?=\))|(?<=_)N\b", str(ROWS), sql)
    if kind == "sqlite":
        count = r"WITH RECURSIVE n(value) AS (SELECT \1 UNION ALL SELECT value + 1 FROM n WHERE value < \2)"
        numbers = f"({count} SELECT * FROM n)"
        return re.sub(r"generate_series\((\d+), ?(\d+)\)", numbers, sql)
    return sql


def _prepare_sqlite(engine: sa.Engine, env: dict[str, t.Any]) -> None:
    @event.listens_for(engine, "connect")
    def connected(raw: t.Any, record: t.Any) -> None:
        raw.execute(f"PRAGMA journal_mode = {env.get('journal_mode', 'delete')}")
        raw.execute(f"PRAGMA foreign_keys = {env.get('foreign_keys', 'on')}")


def compare(cases: t.Sequence[dict[str, t.Any]], show: t.Callable[[str], None] = print) -> dict[str, int]:
    """Lint all cases and count what is right."""
    labelled = {item["finding"] for case in cases for item in case["expected"]}
    count = {"cases": 0, "verdicts_right": 0, "findings_expected": 0, "findings_found": 0, "findings_false": 0}
    for case in cases:
        with tempfile.TemporaryDirectory() as folder:
            report = findings_of(case, pathlib.Path(folder))
        revision = report.revisions[0] if report.revisions else None
        found = {
            (item.code, item.table)
            for item in (revision.findings if revision else ())
            if item.level == "error" or (item.level == "warning" and item.code in labelled)
        }
        wanted = {(item["finding"], item["table"]) for item in case["expected"]}
        verdict = revision.verdict if revision else f"unmeasured: {report.unmeasured}"
        count["cases"] += 1
        count["verdicts_right"] += verdict == case["verdict"]
        count["findings_expected"] += len(wanted)
        count["findings_found"] += len(wanted & found)
        count["findings_false"] += len(found - wanted)
        if verdict != case["verdict"] or found != wanted:
            show(f"{case['id']}: {verdict} instead of {case['verdict']}; missed {sorted(wanted - found)}; "
                 f"false {sorted(found - wanted)}")
    return count


def main(path: str | None = None) -> None:
    """Print the result for the cases of a file."""
    cases = json.loads(pathlib.Path(path or CASES).read_text("utf-8"))["cases"]
    print(json.dumps(compare(cases)))


if __name__ == "__main__":
    main(*sys.argv[1:2])
