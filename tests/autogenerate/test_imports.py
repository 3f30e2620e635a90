"""What a revision file names is imported by it, whoever made the type."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys

import pytest

from ..conftest import FlaskDb
from ..conftest import MakeProject
from .constraint_cases import source

TYPES = """
import enum

import sqlalchemy as sa


class Color(enum.Enum):
    red = 1
    green = 2


class Coded(sa.TypeDecorator):
    impl = sa.String
    cache_ok = True

    def __init__(self, length=10, kind=Color.red):
        super().__init__(length)
        self.length = length
        self.kind = kind


class Number(sa.TypeDecorator):
    impl = sa.Integer
    cache_ok = True


class Choice(sa.TypeDecorator):
    impl = sa.String(7)
    cache_ok = True

    def __init__(self, choices):
        super().__init__()
        self.choices = choices


class Sealed(sa.TypeDecorator):
    impl = sa.String(40)
    cache_ok = True

    def __init__(self, key):
        super().__init__()
        self.key = key


def local():
    class Hidden(sa.TypeDecorator):
        impl = sa.String(9)
        cache_ok = True

    return Hidden()
"""
MODELS = """
from shop import types

class Item(db.Model):
    id = sa.Column(sa.Integer, primary_key=True)
    code = sa.Column(types.Coded(12, types.Color.green), server_default="x")
    number = sa.Column(types.Number)
    choice = sa.Column(types.Choice(types.Color))
    sealed = sa.Column(types.Sealed("do not print me"))
    hidden = sa.Column(types.local())
    either = sa.Column(types.Number().with_variant(sa.BigInteger, "postgresql"))
    other = sa.Column(sa.Text().with_variant(types.Coded(5), "mysql"))
"""


def test_own_types(project: MakeProject, flask_db: FlaskDb, database_url: str) -> None:
    """Own types come with their modules and enum classes; what can't be spelled, or shouldn't, as a plain type."""
    made = project(MODELS, url=database_url)
    made.write("shop/types.py", TYPES)
    flask_db(made, "init")
    flask_db(made, "migrate", "-m", "first")
    text = source(made)
    assert "import shop.types\n" in text
    assert "sa.Column('code', shop.types.Coded(length=12" in text
    assert "shop.types.Choice(choices=shop.types.Color)" in text
    assert "sa.Column('sealed', sa.String(length=40)" in text and "do not print me" not in text
    assert "sa.Column('hidden', sa.String(length=9)" in text
    assert "shop.types.Number().with_variant(sa.BigInteger(), 'postgresql')" in text
    assert "sa.Text().with_variant(shop.types.Coded(" in text
    flask_db(made, "upgrade")
    assert flask_db(made, "migrate").stdout == "No changes in schema detected.\n"


def test_third_party_types(project: MakeProject, postgres_url: str) -> None:
    """SQLAlchemy-Utils, GeoAlchemy2 and pgvector; the file compiles and runs as far as the database has the types."""
    for package in ("sqlalchemy_utils", "geoalchemy2", "pgvector"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    models = """
    import enum
    import geoalchemy2, pgvector.sqlalchemy, sqlalchemy_utils as su
    class Size(enum.Enum):
        small = 1
    class Place(db.Model):
        id = sa.Column(sa.Integer, primary_key=True)
        email = sa.Column(su.EmailType)
        size = sa.Column(su.ChoiceType(Size, impl=sa.Integer()))
        link = sa.Column(su.URLType)
        key = sa.Column(su.UUIDType(binary=False))
    """
    extra = """
        at = sa.Column(geoalchemy2.Geometry("POINT", srid=4326))
        vector = sa.Column(pgvector.sqlalchemy.Vector(3))
    """
    # In processes of their own, because GeoAlchemy2 changes how generated columns are written for MariaDB.
    made = project(models, url=postgres_url)
    made.run("db", "init")
    made.run("db", "migrate", "--verify")
    text = source(made)
    assert "sqlalchemy_utils.types.choice.ChoiceType(choices=shop.models.Size, impl=sa.Integer())" in text
    made.run("db", "upgrade")
    assert made.run("db", "migrate").stdout == "No changes in schema detected.\n"
    made.write_models(models.rstrip() + extra)
    printed = ast.unparse(ast.parse(made.run("db", "migrate", "--dry-run").stdout))
    assert "import geoalchemy2.types\n" in printed and "import pgvector.sqlalchemy.vector\n" in printed
    # GeoAlchemy2 would make the index with the column, and the file makes it as well.
    assert "spatial_index=False" in printed and "create_index('idx_place_at'" in printed
    names = subprocess.run([sys.executable, "-"], input=printed, text=True, capture_output=True, check=False)
    assert names.returncode == 0, names.stderr


def test_render_item_comes_first(project: MakeProject, flask_db: FlaskDb, sqlite_url: str) -> None:
    """What the application writes itself is not touched, and ``user_module_prefix`` leaves imports to it."""
    hook = (
        "render_item=lambda kind, item, context: kind == 'type' and type(item).__name__ == 'Coded' and 'sa.String(12)'"
    )
    made = project(MODELS, url=sqlite_url, migrate_arguments=hook)
    made.write("shop/types.py", TYPES)
    flask_db(made, "init")
    printed = ast.unparse(ast.parse(flask_db(made, "migrate", "--dry-run").stdout))
    assert "sa.Column('code', sa.String(12)" in printed and "shop.types.Number()" in printed
    made.write_app(migrate_arguments="user_module_prefix='types.'")
    printed = ast.unparse(ast.parse(flask_db(made, "migrate", "--dry-run").stdout))
    assert "types.Coded(" in printed and "import shop.types" not in printed


def test_names_that_nothing_defines(project: MakeProject, flask_db: FlaskDb, sqlite_url: str) -> None:
    """A file that would fail when it runs is refused, with the line and what to do."""
    hook = "render_item=lambda kind, item, context: kind == 'type' and 'nowhere.Type()'"
    made = project(MODELS, url=sqlite_url, migrate_arguments=hook)
    made.write("shop/types.py", TYPES)
    flask_db(made, "init")
    result = flask_db(made, "migrate", status=1)
    assert "The new revision uses the undefined name nowhere in line " in result.stderr
    assert 'autogen_context.imports.add("import nowhere")' in result.stderr
    assert made.revision_files() == []


VARIANTS = """
from sqlalchemy.dialects import mysql, postgresql

class Form(db.Model):
    id = sa.Column(sa.Integer, primary_key=True)
    answers = sa.Column(sa.JSON().with_variant(postgresql.JSONB(), "postgresql"))
    plain = sa.Column(postgresql.JSONB().with_variant(sa.JSON(), "sqlite", "mysql", "mariadb"))
    tags = sa.Column(sa.Text().with_variant(postgresql.ARRAY(sa.String(9)), "postgresql"))
    story = sa.Column(sa.Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb"))
"""


def test_types_of_other_dialects(project: MakeProject, flask_db: FlaskDb, database_url: str) -> None:
    """A variant for another database is written with the modules of the types inside of it."""
    made = project(VARIANTS, url=database_url)
    flask_db(made, "init")
    flask_db(made, "migrate")
    text = source(made)
    assert "sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), 'postgresql')" in text
    flask_db(made, "upgrade")
    made.execute("""INSERT INTO form (id, answers) VALUES (1, '{"a": 1}')""")
    assert flask_db(made, "migrate").stdout == "No changes in schema detected.\n"
    flask_db(made, "downgrade")


def test_template_without_imports(project: MakeProject, flask_db: FlaskDb, sqlite_url: str) -> None:
    """A template of somebody else need not import what operations are written with."""
    made = project(VARIANTS, url=sqlite_url)
    flask_db(made, "init")
    template = made.read("migrations/script.py.mako")
    assert template.count("import sqlalchemy as sa\n") == template.count("from alembic import op\n") == 1
    made.write(
        "migrations/script.py.mako",
        template.replace("import sqlalchemy as sa\n", "").replace("from alembic import op\n", ""),
    )
    flask_db(made, "migrate")
    [path] = made.migrations.glob("versions/*.py")
    text = path.read_text("utf-8")
    assert text.count("import sqlalchemy as sa\n") == text.count("from alembic import op\n") == 1
    flask_db(made, "upgrade")
