"""How many changes of schemas are seen, written, applied and reverted: ``python -m tests.tools.schema_changes``.

``python -m tests.tools.schema_changes [WORD ...] [--database KIND]`` runs the cases of :mod:`.schema_cases` whose
names have all the words in them, prints what is wrong with each, and figures for each database.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import dataclasses
import pathlib
import re
import tempfile
import types
import typing as t

import sqlalchemy as sa
from flask import Flask
from sqlalchemy.pool import NullPool

import flask_schemaflow
from flask_schemaflow import Migrate
from flask_schemaflow.errors import DifferencesFound

from ..support import databases
from ..support.dumps import dump_rows
from ..support.dumps import dump_schema
from ..support.servers import Kind
from ..support.servers import KINDS
from .schema_cases import Case
from .schema_cases import SUBJECTS

STAGES = ("seen", "written", "applied", "reverted")


@dataclasses.dataclass
class Outcome:
    """How far a case came on one database.

    :param stages: those of :data:`STAGES` that went well.
    :param error: what went wrong after the last of them; empty if nothing did.
    :param source: the revision file.
    """

    stages: list[str] = dataclasses.field(default_factory=list)
    error: str = ""
    source: str = ""


class Wrong(AssertionError):
    """A stage that gave something else than it should."""


def run(case: Case, kind: Kind) -> Outcome:
    """Take a fresh database through a case: there, back, and there again."""
    outcome = Outcome()
    with tempfile.TemporaryDirectory() as folder, _application(case, kind, pathlib.Path(folder)) as db:
        try:
            _run(case, db, outcome)
        except Wrong as error:
            outcome.error = str(error)
        except Exception as error:  # whatever a case makes the package or a driver raise is the answer
            outcome.error = f"{type(error).__name__}: {error}"
    return outcome


@contextlib.contextmanager
def _application(case: Case, kind: Kind, folder: pathlib.Path) -> t.Iterator[t.Any]:
    """Yield what stands in for Flask-SQLAlchemy, in the context of an application whose folder is there."""
    url = databases.create(kind, folder)
    engine = sa.create_engine(url, poolclass=NullPool)
    if kind == "sqlite":
        sa.event.listen(engine, "connect", lambda raw, record: raw.execute("PRAGMA foreign_keys = ON"))
    db = types.SimpleNamespace(engine=engine, metadata=sa.MetaData())
    app = Flask("changes")
    Migrate(app, db, directory=str(folder / "migrations"))
    try:
        with app.app_context():
            flask_schemaflow.init()
            yield db
    finally:
        engine.dispose()
        databases.drop(url)


def _models(case: Case, make: t.Callable[[sa.MetaData], t.Any]) -> sa.MetaData:
    metadata = sa.MetaData(naming_convention=case.convention)
    make(metadata)
    return metadata


def _run(case: Case, db: t.Any, outcome: Outcome) -> None:
    _execute(db, case.first)
    db.metadata = _models(case, case.before)
    flask_schemaflow.migrate(message="before", verify=False)
    flask_schemaflow.upgrade()
    _expect_nothing("before the change")
    _execute(db, case.rows)
    before, as_spelled = content(db.engine), dump_schema(db.engine)
    db.metadata = _models(case, case.after)
    differences = found()
    written = flask_schemaflow.migrate(message="after", verify=False, **case.options)
    outcome.source = "".join(pathlib.Path(path).read_text("utf-8") for path in written.paths)
    if not (differences or any(case.notice in notice for notice in written.notices if case.notice)):
        raise Wrong(f"nothing is seen; notices: {written.notices}")
    outcome.stages.append("seen")
    if case.notice and not any(case.notice in notice for notice in written.notices):
        raise Wrong(f"{case.notice!r} isn't said; notices: {written.notices}")
    if bool(written.paths) is not case.writes:
        raise Wrong("nothing is written" if case.writes else "something is written")
    outcome.stages.append("written")
    if not case.writes:
        return
    flask_schemaflow.upgrade()
    after = content(db.engine)
    _hold(case, db)
    _expect_nothing("after the upgrade")
    if after == before and dump_schema(db.engine) == as_spelled:
        raise Wrong("the upgrade changes nothing")
    outcome.stages.append("applied")
    flask_schemaflow.downgrade()
    _expect_same("downgrade", content(db.engine), before)
    flask_schemaflow.upgrade()
    _expect_same("second upgrade", content(db.engine), after)
    outcome.stages.append("reverted")


def _execute(db: t.Any, statements: t.Iterable[str]) -> None:
    with db.engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement.replace("%", "%%"), ())


def found() -> list[str]:
    """Return the differences that ``check`` finds, a line each."""
    try:
        flask_schemaflow.check()
    except DifferencesFound as error:
        return [item.description for item in error.differences]
    return []


def _expect_nothing(when: str) -> None:
    if left := found():
        raise Wrong(f"{when} `check` finds {left}")
    again = flask_schemaflow.migrate(dry_run=True)
    if again.operations:
        raise Wrong(f"{when} `migrate` finds {again.operations}")


def _hold(case: Case, db: t.Any) -> None:
    for query, expected in case.holds.items():
        with db.engine.connect() as connection:
            rows: t.Any = None
            for statement in query.split(";;"):
                result = connection.exec_driver_sql(statement.replace("%", "%%"), ())
                rows = [tuple(row) for row in result] if result.returns_rows else None
        if rows != list(expected):
            raise Wrong(f"{query} gives {rows} after the upgrade, not {list(expected)}")


def content(engine: sa.Engine) -> dict[str, t.Any]:
    """Return schema and rows of a database, in one spelling."""
    schema = {name: _plain(value) for name, value in dump_schema(engine).items()}
    return {**schema, "rows": dump_rows(engine)}


def _plain(value: t.Any) -> t.Any:
    """Leave out quotes, and the order of what stands in the text of a table: a rebuilt table has another one."""
    if isinstance(value, tuple) and "CHECK" in str(value):
        return re.sub(r"::[a-z ]+(\[\])?|[()]", "", str(value))  # PostgreSQL spells its own words in another way
    if not isinstance(value, str) or "(" not in value:
        return value
    plain = re.sub(r'["`]', "", value)
    start, end = plain.index("("), plain.rindex(")")
    parts = re.split(r",(?![^()]*\))", plain[start + 1 : end])
    return plain[:start].strip(), sorted(" ".join(part.split()) for part in parts), plain[end:]


def _expect_same(when: str, now: dict[str, t.Any], then: dict[str, t.Any]) -> None:
    different = {name: (then.get(name), now.get(name)) for name in {*now, *then} if now.get(name) != then.get(name)}
    if different:
        raise Wrong(f"after the {when} these differ from before: {different}")


def main() -> int:
    """Run the cases that the command line names and print how they went."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("words", nargs="*", help="only cases with all of these in their names")
    parser.add_argument("--database", choices=KINDS, action="append", help="only this one")
    parser.add_argument("--source", action="store_true", help="show the revision files, too")
    arguments = parser.parse_args()
    counts: dict[str, collections.Counter[str]] = {kind: collections.Counter() for kind in KINDS}
    failed = 0
    cases = [(subject, case) for subject, cases in SUBJECTS.items() for case in cases]
    for subject, case in cases:
        if not all(word in f"{subject}: {case.name}" for word in arguments.words):
            continue
        for kind in case.databases:
            if arguments.database and kind not in arguments.database:
                continue
            outcome = run(case, kind)
            counts[kind].update(["changes", *outcome.stages])
            failed += bool(outcome.error)
            print(f"{'WRONG' if outcome.error else 'right'}  {kind:10}  {subject}: {case.name}", flush=True)
            if outcome.error:
                print(f"       {outcome.error}")
            if arguments.source:
                print(outcome.source)
    for name, count in counts.items():
        print(f"{name:10}", ", ".join(f"{count[stage]} {stage}" for stage in ("changes", *STAGES)))
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
