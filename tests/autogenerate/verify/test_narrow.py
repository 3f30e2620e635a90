"""A copy lacks the tables that a revision can't concern, unless that is in doubt."""

from __future__ import annotations

import types
import typing as t
from pathlib import Path

import pytest
import sqlalchemy as sa

from flask_schemaflow.autogenerate import verify
from flask_schemaflow.autogenerate.verify import copies
from flask_schemaflow.autogenerate.verify import narrow
from flask_schemaflow.autogenerate.verify.narrow import Excerpt
from flask_schemaflow.autogenerate.verify.narrow import excerpt
from flask_schemaflow.autogenerate.verify.outlines import Outline

from ...conftest import FlaskDb
from ...conftest import MakeDatabase
from ...conftest import MakeProject
from ...support.application import Project
from ..constraint_cases import started

PLAIN_SETTINGS: t.Any = types.SimpleNamespace(verify_database_url=None)
PLAIN = [
    "CREATE TABLE grandparent (id INTEGER PRIMARY KEY)",
    "CREATE TABLE parent (id INTEGER PRIMARY KEY, up INTEGER REFERENCES grandparent (id))",
    "CREATE TABLE item (id INTEGER PRIMARY KEY, up INTEGER REFERENCES parent (id), note VARCHAR(20))",
    "CREATE TABLE child (id INTEGER PRIMARY KEY, up INTEGER REFERENCES item (id) ON DELETE CASCADE)",
    "CREATE TABLE grandchild (id INTEGER PRIMARY KEY, up INTEGER REFERENCES child (id) ON DELETE CASCADE)",
    "CREATE TABLE aside (id INTEGER PRIMARY KEY, up INTEGER REFERENCES grandchild (id))",
    *[f"CREATE TABLE other{number} (id INTEGER PRIMARY KEY)" for number in range(12)],
]
POSTGRESQL = [
    "CREATE TYPE color AS ENUM ('red', 'green')",
    "CREATE TABLE paint (id INTEGER PRIMARY KEY, color color)",
    "CREATE TABLE log (id INTEGER, day DATE) PARTITION BY RANGE (day)",
    "CREATE TABLE log_2020 PARTITION OF log FOR VALUES FROM ('2020-01-01') TO ('2021-01-01')",
    "CREATE VIEW noted AS SELECT other0.id FROM other0 JOIN other1 ON other0.id = other1.id",
    "CREATE SEQUENCE counter",
    "CREATE TABLE counted (id INTEGER DEFAULT nextval('counter'))",
    "CREATE INDEX ix_far ON other5 (id)",
    "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN new; END $$",
    "CREATE TRIGGER tr BEFORE INSERT ON other9 FOR EACH ROW EXECUTE FUNCTION f()",
]


@pytest.fixture(autouse=True)
def small_schemas_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out tables of schemas of any size."""
    monkeypatch.setattr(narrow, "FEWEST", 0)


@pytest.fixture(params=["postgresql", "mariadb", "sqlite"])
def database_url(request: pytest.FixtureRequest, make_database: MakeDatabase) -> str:
    """An empty database of each kind."""
    return make_database(request.param)


def part(engine: sa.Engine, folder: Path, text: str) -> Excerpt | None:
    """Return what a revision with this text concerns."""
    path = folder / "revision.py"
    path.write_text(text, "utf-8")
    return excerpt(engine, [t.cast("t.Any", types.SimpleNamespace(path=str(path)))], (), {"alembic_version"})


def needed(engine: sa.Engine, folder: Path, text: str) -> set[str]:
    """Return the names of the tables that a copy for a revision with this text has."""
    found = part(engine, folder, text)
    return {"everything"} if found is None else {name for _, name in found.needed}


def filled(url: str, statements: t.Iterable[str]) -> sa.Engine:
    """Return an engine of a database with these objects."""
    engine = sa.create_engine(url, poolclass=sa.pool.NullPool)
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
    return engine


def test_what_foreign_keys_connect(database_url: str, tmp_path: Path) -> None:
    """A copy has both sides of a key, and all whose rows go with those of a table, however far away."""
    engine = filled(database_url, PLAIN)
    family = {"parent", "item", "child", "grandchild", "aside"}
    assert needed(engine, tmp_path, 'op.add_column("item")') == family
    assert needed(engine, tmp_path, 'op.drop_table("other3")') == {"other3"}
    found = part(engine, tmp_path, 'op.drop_index("ITEM")')
    assert found is not None
    with copies.copy_of(engine, PLAIN_SETTINGS, found.left_out) as copy:
        inspector = sa.inspect(copy)
        assert set(inspector.get_table_names()) == family
        (key,) = inspector.get_foreign_keys("item")
        assert key["referred_table"] == "parent"


def test_what_belongs_together_on_postgresql(postgres_url: str, tmp_path: Path) -> None:
    """Partitions, the tables of a view, those with a type or a sequence; and nothing is left out where triggers run."""
    engine = filled(postgres_url, [*PLAIN, *POSTGRESQL])
    assert needed(engine, tmp_path, "ALTER TYPE color") == {"paint"}
    assert needed(engine, tmp_path, "log_2020") == {"log", "log_2020"}
    assert needed(engine, tmp_path, "other0") == {"other0", "other1", "noted"}
    assert needed(engine, tmp_path, "counter") == {"counted"}
    assert needed(engine, tmp_path, "ix_far") == {"other5"}
    assert needed(engine, tmp_path, "other9") == {"everything"}
    found = part(engine, tmp_path, "other0")
    assert found is not None and found.outline.has_code
    with copies.copy_of(engine, PLAIN_SETTINGS, found.left_out) as copy:
        inspector = sa.inspect(copy)
        assert set(inspector.get_table_names()) == {"other0", "other1"} and inspector.get_view_names() == ["noted"]
        assert [item["name"] for item in t.cast("t.Any", inspector).get_enums()] == ["color"]


@pytest.mark.parametrize(
    "further",
    [
        "CREATE VIEW seen AS SELECT id FROM other1",
        "CREATE TRIGGER tr AFTER INSERT ON other1 BEGIN DELETE FROM other2; END",
        "CREATE VIRTUAL TABLE searched USING fts5(body)",
    ],
)
def test_what_may_concern_any_table_on_sqlite(further: str, tmp_path: Path) -> None:
    """Every change of a table there has SQLite look at all views and triggers, so none is left out."""
    engine = filled(f"sqlite:///{tmp_path / 'app.db'}", [*PLAIN, further])
    assert needed(engine, tmp_path, 'op.drop_table("other3")') == {"everything"}


@pytest.mark.parametrize(
    ("statement", "is_certain"),
    [
        ("ALTER TABLE item ADD COLUMN code VARCHAR(20)", True),
        ("CREATE UNIQUE INDEX ix_item_note ON item (note)", True),
        ("ALTER TABLE item ADD FOREIGN KEY (up) REFERENCES item (id) ON DELETE CASCADE", True),
        ("COMMENT ON COLUMN item.note IS 'a note'", True),
        ("UPDATE item SET note = ''", True),
        ("CREATE TABLE item (id INTEGER, up INTEGER REFERENCES child (id))", True),
        ('PRAGMA main.table_xinfo("item")', True),
        ("PRAGMA foreign_key_check", False),
        ("SELECT name FROM sqlite_master", False),
        ("CREATE TABLE item (id INTEGER, up INTEGER REFERENCES other3 (id))", False),
        ("ALTER TABLE item RENAME TO other3", False),
        ("UPDATE item SET note = '' WHERE id IN (SELECT id FROM other3)", False),
        ("ALTER TABLE child ADD COLUMN note TEXT", False),
        ("DROP TABLE item CASCADE", False),
        ("DROP TABLE item; DROP TABLE thing", False),
        ("SELECT count(*) FROM pg_class", False),
        ("DO $$ BEGIN PERFORM 1; END $$", False),
        ("CREATE VIEW v AS SELECT 1", False),
        ("TRUNCATE item", False),
        ("DROP SCHEMA elsewhere", False),
        ("VACUUM", False),
    ],
)
def test_which_statements_are_in_doubt(
    statement: str, is_certain: bool, tmp_path_factory: pytest.TempPathFactory, outline: Excerpt
) -> None:
    """Those that name other tables, more than tables, or what can't be known beforehand."""
    assert outline._is_doubtful(statement) is not is_certain


@pytest.fixture(scope="module")
def outline() -> Excerpt:
    """A revision that concerns the table item alone, of a schema that was read before."""
    names = ("item", "child", *(f"other{number}" for number in range(12)))
    keys: frozenset[t.Any] = frozenset((None, name) for name in names)
    item: frozenset[t.Any] = frozenset({(None, "item")})
    schema = Outline(keys, {name: {(None, name)} for name in names}, {}, {})
    return Excerpt(schema, item, item | {(None, "child")}, frozenset())


MODELS = """
class Item(db.Model):
    id = sa.Column(sa.Integer, primary_key=True)
    code = sa.Column(sa.String(20))
""" + "".join(f"\nclass Other{n}(db.Model):\n    id = sa.Column(sa.Integer, primary_key=True)\n" for n in range(12))
HOOK = "process_revision_directives=lambda c, r, d: {}"
ADDED = "d[0].upgrade_ops.ops.append(__import__('alembic').operations.ops.ExecuteSQLOp({!r}))"


@pytest.fixture
def made(project: MakeProject, flask_db: FlaskDb, database_url: str) -> Project:
    """A project whose models have changed in two tables of thirteen."""
    made = started(flask_db, project(MODELS, url=database_url), "INSERT INTO item (id) VALUES (1)")
    changed = MODELS.replace("String(20)", "String(25)")
    made.write_models(changed + "    name = sa.Column(sa.String(20))\n")
    return made


@pytest.fixture
def copied(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many tables each copy lacks."""
    numbers: list[int] = []
    original = copies.copy_of

    def counting(source: t.Any, settings: t.Any, left_out: t.Any = ()) -> t.Any:
        numbers.append(len(left_out))
        return original(source, settings, left_out)

    monkeypatch.setattr(verify, "copy_of", counting)
    return numbers


def test_a_doubt_or_a_failure_is_followed_by_a_whole_copy(
    made: Project, flask_db: FlaskDb, copied: list[int], database_url: str
) -> None:
    """What is reported is what the whole copy shows."""
    assert flask_db(made, "migrate", "--verify").stderr == "" and copied and copied[0] > 5 and len(copied) == 1
    made.revision_files()[-1].unlink()
    catalog = "sqlite_master" if database_url.startswith("sqlite") else "information_schema.tables"
    for added, status in ((f"SELECT count(*) FROM {catalog}", 0), ("DROP TABLE nowhere", 1)):
        copied.clear()
        made.write_app(migrate_arguments=HOOK.format(ADDED.format(added)))
        result = flask_db(made, "migrate", "--verify", status=status)
        assert ("nowhere" in result.stderr) is bool(status)
        for path in made.revision_files()[1:]:
            path.unlink()
        assert copied[0] > 5 and copied[1:] == [0]


def test_a_difference_that_a_hook_takes_out_of_the_file_is_told(
    made: Project, flask_db: FlaskDb, copied: list[int]
) -> None:
    """Its table is compared although nothing names it."""
    useless = ADDED.format("UPDATE other4 SET id = id")
    emptied = f"(once.pop(), d[0].upgrade_ops.ops.clear(), d[0].downgrade_ops.ops.clear(), {useless})"
    made.write_app(
        migrate_arguments=f"process_revision_directives=(lambda once: lambda c, r, d: once and {emptied})([1])"
    )
    result = flask_db(made, "migrate", "--verify")
    assert len(copied) == 1 and copied[0] > 5
    assert "leaves differences" in result.stderr and "item" in result.stderr and "other11.name" in result.stderr
