"""On MariaDB a version waits for the next revision's first schema change, and for nothing else."""

from __future__ import annotations

import pytest

from flask_schemaflow.errors import SchemaflowError
from flask_schemaflow.records import Event
from tests.conftest import MakeDatabase
from tests.support.application import Project
from tests.support.servers import Kind

from .conftest import MakeShop
from .conftest import Shop

MAKE = 'op.create_table("{0}", sa.Column("id", sa.Integer, primary_key=True), sa.Column("n", sa.Integer))'
COMMITS = """
row = op.get_bind().exec_driver_sql("SHOW SESSION STATUS LIKE 'Com_commit'").first()
with open("commits", "w") as file:
    file.write(row[1])
"""


@pytest.fixture
def two(shop: MakeShop, mariadb_url: str) -> Shop:
    """A repository whose first revision makes a table; the second one is the test's."""
    made = shop(mariadb_url)
    made.write("r1", MAKE.format("first"))
    return made


def version(project: Project) -> list[tuple[str]]:
    """What another connection sees."""
    return project.execute("SELECT version_num FROM alembic_version")


def test_nothing_is_committed_between_revisions(
    shop: MakeShop, mariadb_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A schema change commits what is before it, so ten revisions need hardly a COMMIT."""
    made = shop(mariadb_url)
    monkeypatch.chdir(made.project.root)
    for number in range(10):
        made.write(f"r{number}", MAKE.format(f"t{number}"), f"r{number - 1}" if number else None)
    made.write("r10", COMMITS, "r9")
    made.upgrade()
    assert int((made.project.root / "commits").read_text()) <= 2
    assert version(made.project) == [("r10",)]


@pytest.mark.parametrize(
    ("body", "is_announced"),
    [
        ("raise RuntimeError('no')", False),
        ("op.execute('ALTER nonsense')", False),
        ('op.create_table("first", sa.Column("id", sa.Integer))', True),
        ('op.execute("UPDATE missing SET n = 1")', False),
        ('op.execute("INSERT INTO first (id) VALUES (1)")\nraise RuntimeError("no")', False),
        ('op.execute("DROP TABLE missing")', True),
        ('op.execute("SET @x = 1")\nraise RuntimeError("no")', False),
    ],
)
@pytest.mark.parametrize("options", ["{}", "{'pool_reset_on_return': None}"])
def test_a_revision_that_fails_leaves_the_one_before_it_whole(
    two: Shop, body: str, is_announced: bool, options: str
) -> None:
    """Its version is written; of the other one there is at most the row of a statement that the server refused."""
    source = two.project.read("shop/__init__.py")
    line = f"    app.config['SQLALCHEMY_ENGINE_OPTIONS'] = {options}\n    db.init_app(app)"
    two.project.write_app(source.replace("    db.init_app(app)", line))
    two.write("r2", body, "r1")
    with pytest.raises((SchemaflowError, RuntimeError)):
        two.upgrade()
    assert version(two.project) == [("r1",)]
    assert two.tables() - {"schemaflow_journal"} == {"alembic_version", "first"}
    assert two.rows("first") == []
    assert ("after 0 statements" in two.status().interrupted) == is_announced
    two.write("r2", MAKE.format("second"), "r1")
    two.upgrade()
    assert version(two.project) == [("r2",)]
    assert two.tables() == {"alembic_version", "first", "second"}
    two.run("downgrade", "base")


def test_a_refusal_that_the_code_expects_commits_too(two: Shop) -> None:
    """What comes after the refused statement is in a transaction of its own."""
    two.write(
        "r2",
        """
        try:
            op.execute("ALTER TABLE first ADD COLUMN n INTEGER")
        except sa.exc.OperationalError:
            op.execute("INSERT INTO first (id, n) VALUES (1, 1)")
        raise RuntimeError("no")
        """,
        "r1",
    )
    with pytest.raises((SchemaflowError, RuntimeError)):
        two.upgrade()
    assert version(two.project) == [("r1",)]
    assert two.rows("first") == []


def test_a_connection_that_is_lost_meanwhile(two: Shop) -> None:
    """The version goes with it, and the journal knows; the error is that of the statement which found out."""
    two.write("r2", 'op.execute("INSERT INTO first (id) VALUES (1)")', "r1")
    find = "SELECT min(id) FROM information_schema.processlist WHERE db = database() AND id <> connection_id()"

    def cut(event: Event) -> None:
        if event.kind == "begin" and event.number == 2:
            [(session,)] = two.project.execute(find)
            two.project.execute(f"KILL {session}")

    with pytest.raises(SchemaflowError, match="The connection to the database broke"):
        two.run("upgrade", notify=cut)
    assert version(two.project) == []
    assert two.status().interrupted.startswith("Revision r1 was interrupted in its upgrade after 1 statement")
    two.upgrade()
    assert version(two.project) == [("r2",)]
    assert two.rows("first") == [{"id": 1, "n": None}]


def test_the_next_revision_sees_what_waits_elsewhere_only(two: Shop) -> None:
    """On the run's connection the version is the new one; on another one it is, as soon as a statement has run."""
    two.write(
        "r2",
        """
        import sqlalchemy
        bind = op.get_bind()
        ask = sa.text("SELECT version_num FROM alembic_version")
        assert bind.execute(ask).scalar() == "r1"
        with sqlalchemy.create_engine(bind.engine.url, poolclass=sqlalchemy.pool.NullPool).connect() as other:
            assert other.execute(ask).scalar() == "r1"
        """,
        "r1",
    )
    two.upgrade()
    assert version(two.project) == [("r2",)]


@pytest.mark.parametrize("repository", ["ours", "single 4.1.0"])
def test_a_transaction_of_env_py_is_left_to_it(shop: MakeShop, mariadb_url: str, repository: str) -> None:
    """What env.py has begun before it configures Alembic, env.py commits."""
    made = shop(mariadb_url, repository)
    if repository != "ours":
        env = made.project.migrations / "env.py"
        text = env.read_text()
        assert "with connectable.connect() as connection:" in text
        env.write_text(text.replace("connectable.connect() as", "connectable.begin() as"))
    for number in range(3):
        made.write(f"r{number}", MAKE.format(f"t{number}"), f"r{number - 1}" if number else None)
    made.upgrade()
    assert version(made.project) == [("r2",)]
    assert made.tables() == {"alembic_version", "t0", "t1", "t2"}


TWICE = """
from alembic import context
from flask import current_app

for table in ("one", "two"):
    with current_app.extensions["migrate"].db.engine.connect() as connection:
        context.configure(connection=connection, version_table=table)
        with context.begin_transaction():
            context.run_migrations()
"""


@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "mariadb"])
def test_an_env_py_that_uses_one_engine_twice(shop: MakeShop, make_database: MakeDatabase, kind: Kind) -> None:
    """Each of its version tables is written, and the engine is as before."""
    made = shop(make_database(kind), "single 4.1.0")
    (made.project.migrations / "env.py").write_text(TWICE)
    for number in range(3):
        body = f"op.execute('CREATE TABLE IF NOT EXISTS t{number} (id INTEGER)')"
        made.write(f"r{number}", body, f"r{number - 1}" if number else None)
    made.upgrade()
    for table in ("one", "two"):
        assert made.project.execute(f"SELECT version_num FROM {table}") == [("r2",)]
    assert made.tables() == {"one", "two", "t0", "t1", "t2"}


INDEXED = MAKE.format("item") + '\nop.create_index("ix_a", "item", ["n"])\nop.create_index("it\'s %", "item", ["id"])\n'


def test_an_index_of_a_new_table_has_no_row(shop: MakeShop, mariadb_url: str) -> None:
    """The table's row is all that is there while the revision goes on."""
    made = shop(mariadb_url)
    count = 'print(op.get_bind().exec_driver_sql("SELECT statement FROM schemaflow_journal").scalars().all())'
    made.write("r1", f"{INDEXED}\nfound = {count[6:-1]}\nassert len(found) == 1, found")
    made.upgrade()
    assert version(made.project) == [("r1",)]


@pytest.mark.parametrize(
    ("new", "named"),
    [
        (MAKE.format("item") + '\nop.create_index("ix_a", "item", ["n"])', "CREATE INDEX"),
        (INDEXED.replace("ix_a", "ix_b"), "CREATE INDEX ix_a ON item (n)"),
        (INDEXED.replace('"item", ["n"]', '"item", ["id", "n"]'), "CREATE INDEX ix_a ON item (n)"),
    ],
)
@pytest.mark.parametrize(
    "fails",
    ["raise RuntimeError('no')", "op.execute('nonsense')", "op.add_column('item', sa.Column('n', sa.Integer))"],
)
def test_an_index_of_a_new_table_can_not_be_edited_away(
    shop: MakeShop, mariadb_url: str, fails: str, new: str, named: str
) -> None:
    """It took effect when the revision failed, so the corrected file is held to it."""
    made = shop(mariadb_url)
    made.write("r1", INDEXED + fails)
    with pytest.raises((SchemaflowError, RuntimeError)):
        made.upgrade()
    made.write("r1", new)
    with pytest.raises(SchemaflowError) as caught:
        made.upgrade()
    assert named in caught.value.message and "had taken effect" in caught.value.message
    made.write("r1", INDEXED + "op.drop_column('item', 'n')")
    made.upgrade()
    assert made.tables() == {"alembic_version", "item"}
