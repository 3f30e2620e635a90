"""An application that can't be found, loaded or migrated: the whole message of each."""

from __future__ import annotations

import sys
import textwrap
import typing as t
from pathlib import Path

import pytest
from click.testing import CliRunner
from flask import Flask
from flask.cli import FlaskGroup
from flask_sqlalchemy import SQLAlchemy

import flask_schemaflow
from flask_schemaflow import is_migrating
from flask_schemaflow import Migrate
from flask_schemaflow import SchemaflowError
from tests.support import processes
from tests.support.application import Project
from tests.support.invoking import separate_streams

from .conftest import Fails
from .conftest import files
from .messages import readable
from .messages import said


class Flasks(t.Protocol):
    """Runs ``flask ARGS`` where the application is still to be loaded; returns what is on standard error."""

    def __call__(self, *args: str, status: int = 1) -> str: ...


@pytest.fixture
def flask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> t.Iterator[Flasks]:
    """``flask`` with the group known before any application is loaded, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    known = set(sys.modules)

    def run(*args: str, status: int = 1) -> str:
        group = FlaskGroup(set_debug_flag=False)
        before = files(tmp_path)
        for name in set(sys.modules) - known:
            if (getattr(sys.modules[name], "__file__", None) or "").startswith(str(tmp_path)):
                del sys.modules[name]
        result = CliRunner(**separate_streams()).invoke(group, args, env={"FLASK_DEBUG": None, "FLASK_APP": None})
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == status, result.output
        assert result.stdout == "" and "Traceback" not in result.stderr
        assert files(tmp_path) == before
        return readable(result.stderr, tmp_path)

    yield run
    for name in set(sys.modules) - known:
        if (getattr(sys.modules[name], "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]


def write(folder: Path, name: str, source: str) -> None:
    """Write a module."""
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(textwrap.dedent(source).lstrip(), "utf-8")


APP = """
    from flask import Flask
    from flask_sqlalchemy import SQLAlchemy
    from flask_schemaflow import Migrate

    db = SQLAlchemy()


    def create_app():
        app = Flask(__name__)
        app.config.update({config})
        db.init_app(app)
        Migrate(app, db)
        return app
"""


def with_config(folder: Path, **config: t.Any) -> None:
    """Write an application with this configuration."""
    write(folder, "shop.py", APP.replace("{config}", repr(config)))


def test_no_application(flask: Flasks, tmp_path: Path) -> None:
    """Nothing was named and nothing is there; or something is there under another name."""
    assert flask("db", "upgrade", status=2) == said(
        """
        Error [SF110]: No Flask application was found in PROJECT.

        Name it: `flask --app NAME db ...`, or set FLASK_APP, or change to the project's directory.
        """
    )
    with_config(tmp_path, SQLALCHEMY_DATABASE_URI="sqlite://")
    assert flask("db", "upgrade", status=2) == said(
        """
        Error [SF110]: No Flask application was found in PROJECT.

        Name it: `flask --app shop db ...`, or set FLASK_APP, or change to the project's directory.
        """
    )
    assert flask("--app", "shpo", "db", "upgrade", status=2) == said(
        """
        Error [SF110]: There is no module 'shpo' for --app or FLASK_APP in PROJECT.

        Correct the name, or change to the project's directory. Here are: shop.
        """
    )
    assert flask("--app", "shop:make", "db", "upgrade", status=2) == said(
        """
        Error [SF110]: Failed to find attribute 'make' in 'shop'.
        """
    )


def test_an_import_that_fails(flask: Flasks, tmp_path: Path) -> None:
    """Its own file and line, not Flask's."""
    write(tmp_path, "shop/__init__.py", "from flask import Flask\nfrom . import models\n")
    write(tmp_path, "shop/models.py", "import flask_geo99.types\n")
    assert flask("--app", "shop", "db", "upgrade") == said(
        """
        Error [SF111]: The application can't be loaded: ModuleNotFoundError: No module named 'flask_geo99'
            (PROJECT/shop/models.py, line 1).

          import flask_geo99.types

        `pip install flask_geo99`, if that is the package's name; or correct the import.
        """
    )
    write(tmp_path, "shop/models.py", "from .settings import prices\n")
    write(tmp_path, "shop/settings.py", "")
    assert flask("--app", "shop", "db", "upgrade") == said(
        """
        Error [SF111]: The application can't be loaded: ImportError: cannot import name 'prices' from
            'shop.settings' (PROJECT/shop/settings.py) (PROJECT/shop/models.py, line 1).

          from .settings import prices

        Correct that line and run the command again.
        """
    )


def test_code_that_fails(flask: Flasks, tmp_path: Path) -> None:
    """A syntax error, a name, a missing key in the environment."""
    write(tmp_path, "shop.py", "from flask import Flask\n\ndef create_app(:\n")
    assert flask("--app", "shop", "db", "upgrade") == said(
        """
        Error [SF111]: The application can't be loaded: SyntaxError: invalid syntax (PROJECT/shop.py, line 3).

          def create_app(:

        Correct that line and run the command again.
        """
    )
    write(tmp_path, "shop.py", "import os\n\ndef create_app():\n    return os.environ['SHOP_SECRET_KEY']\n")
    assert flask("--app", "shop", "db", "upgrade") == said(
        """
        Error [SF111]: The application can't be loaded: KeyError: 'SHOP_SECRET_KEY' (PROJECT/shop.py, line 4).

          return os.environ['SHOP_SECRET_KEY']

        Correct that line and run the command again.
        """
    )


def test_an_application_without_the_extension(flask: Flasks, tmp_path: Path) -> None:
    """``Migrate`` was never created, or is another package's."""
    write(tmp_path, "shop.py", "from flask import Flask\napp = Flask(__name__)\n")
    assert flask("--app", "shop", "db", "upgrade") == said(
        """
        Error [SF102]: The application 'shop' has no Flask-SchemaFlow.

        Where the application is made, add:
            from flask_schemaflow import Migrate
            Migrate(app, db)
        """
    )
    app = Flask("shop")
    app.extensions["migrate"] = type("_MigrateConfig", (), {"__module__": "flask_migrate"})()
    with app.app_context(), pytest.raises(SchemaflowError) as caught:
        flask_schemaflow.heads()
    assert str(caught.value) == said(
        """
        On the application 'shop', the name `migrate` belongs to flask_migrate.
        Replace its import, and keep the rest: from flask_schemaflow import Migrate
        """
    )


def test_no_uri(flask: Flasks, tmp_path: Path) -> None:
    """Neither of Flask-SQLAlchemy's settings."""
    with_config(tmp_path)
    assert flask("--app", "shop", "db", "upgrade") == said(
        """
        Error [SF112]: The application names no database: neither SQLALCHEMY_DATABASE_URI nor SQLALCHEMY_BINDS is
            set.

        Set it before db.init_app(app):
            app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite:///app.db"
        If it comes from an environment variable, that variable is not set here.
        """
    )


@pytest.mark.parametrize(
    ("url", "module", "package"),
    [
        ("postgresql+psycopg2://shop:s3cret@db/shop", "psycopg2", "psycopg2-binary"),
        ("mysql://shop:s3cret@db/shop", "MySQLdb", "mysqlclient"),
        ("oracle+oracledb://shop:s3cret@db/shop", "oracledb", "oracledb"),
    ],
)
def test_no_driver(url: str, module: str, package: str, flask: Flasks, tmp_path: Path) -> None:
    """The package to install is named; so is an easier one, where there is one."""
    with_config(tmp_path, SQLALCHEMY_DATABASE_URI=url)
    told = flask("--app", "shop", "db", "upgrade")
    assert told.startswith("Error [SF113]: The Python package for SQLALCHEMY_DATABASE_URI is not installed:")
    assert f"needs {module}." in told.replace("\n    ", " ")
    assert f"`pip install {package}`" in told and "s3cret" not in told


def test_no_driver_of_a_bind(flask: Flasks, tmp_path: Path) -> None:
    """The whole message, for a bind."""
    with_config(tmp_path, SQLALCHEMY_BINDS={"log": "mysql://shop:s3cret@db/log"})
    assert flask("--app", "shop", "db", "upgrade") == said(
        """
        Error [SF113]: The Python package for SQLALCHEMY_BINDS['log'] is not installed: mysql://shop:***@db/log
            needs MySQLdb.

        `pip install mysqlclient`, or choose another driver in the URL: mysql+pymysql://... with `pip install
            PyMySQL`.
        """
    )


def test_a_dialect_that_is_unknown(flask: Flasks, tmp_path: Path) -> None:
    """The old name of PostgreSQL that hosts still give out; a database whose dialect is a package of its own."""
    with_config(tmp_path, SQLALCHEMY_DATABASE_URI="postgres://shop:s3cret@db/shop")
    assert flask("--app", "shop", "db", "upgrade") == said(
        """
        Error [SF114]: SQLAlchemy knows no database 'postgres', which SQLALCHEMY_DATABASE_URI names
            (postgres://shop:***@db/shop).

        Write postgresql:// instead. Where the URL is given by the host: url.replace("postgres://",
            "postgresql://", 1)
        """
    )
    with_config(tmp_path, SQLALCHEMY_DATABASE_URI="snowflake://shop:s3cret@db/shop")
    assert flask("--app", "shop", "db", "upgrade") == said(
        """
        Error [SF113]: The Python package for SQLALCHEMY_DATABASE_URI is not installed:
            snowflake://shop:***@db/shop needs snowflake-sqlalchemy.

        `pip install snowflake-sqlalchemy`
        """
    )
    with_config(tmp_path, SQLALCHEMY_DATABASE_URI="mongodb://shop:s3cret@db/shop")
    assert flask("--app", "shop", "db", "upgrade") == said(
        """
        Error [SF114]: SQLAlchemy knows no database 'mongodb', which SQLALCHEMY_DATABASE_URI names
            (mongodb://shop:***@db/shop).

        Begin it with one that SQLAlchemy has: postgresql, mysql, mariadb, sqlite, oracle, mssql; or install the
            package for 'mongodb'.
        """
    )
    with_config(tmp_path, SQLALCHEMY_DATABASE_URI="postgresql+psycopg4://shop:s3cret@db/shop")
    assert flask("--app", "shop", "db", "upgrade") == said(
        """
        Error [SF114]: SQLAlchemy knows no database 'postgresql+psycopg4', which SQLALCHEMY_DATABASE_URI names
            (postgresql+psycopg4://shop:***@db/shop).

        Leave the driver out, postgresql://..., or install the one that you mean.
        """
    )


def test_a_url_that_is_malformed(flask: Flasks, tmp_path: Path) -> None:
    """Not a URL, a port that is no number, an empty text, no text."""
    with_config(tmp_path, SQLALCHEMY_DATABASE_URI="postgresql:/shop:s3cret@db/shop")
    assert flask("--app", "shop", "db", "upgrade") == said(
        """
        Error [SF114]: The database URL in SQLALCHEMY_DATABASE_URI can't be understood: postgresql:***@db/shop.

        Write it as dialect+driver://user:password@host:port/database, for example
            postgresql+psycopg://shop:secret@localhost:5432/shop or sqlite:///shop.db.
        In a password, write @ as %40, : as %3A and / as %2F.
        """
    )
    with_config(tmp_path, SQLALCHEMY_DATABASE_URI="postgresql+psycopg://shop:s3/cret@db:port/shop")
    assert flask("--app", "shop", "db", "upgrade") == said(
        """
        Error [SF114]: The database URL in SQLALCHEMY_DATABASE_URI can't be understood:
            postgresql+psycopg:***@db:port/shop.

        Its port is no number. Write it as dialect+driver://user:password@host:port/database, for example
            postgresql+psycopg://shop:secret@localhost:5432/shop or sqlite:///shop.db.
        In a password, write @ as %40, : as %3A and / as %2F.
        """
    )
    with_config(tmp_path, SQLALCHEMY_DATABASE_URI="")
    assert flask("--app", "shop", "db", "upgrade") == said(
        """
        Error [SF114]: The database URL in SQLALCHEMY_DATABASE_URI can't be understood: it is empty.

        Write it as dialect+driver://user:password@host:port/database, for example
            postgresql+psycopg://shop:secret@localhost:5432/shop or sqlite:///shop.db.
        In a password, write @ as %40, : as %3A and / as %2F.
        """
    )
    with_config(tmp_path, SQLALCHEMY_DATABASE_URI=17)
    assert flask("--app", "shop", "db", "upgrade") == said(
        """
        Error [SF114]: The database URL in SQLALCHEMY_DATABASE_URI can't be understood: it is of type int, and no
            URL.

        Write it as dialect+driver://user:password@host:port/database, for example
            postgresql+psycopg://shop:secret@localhost:5432/shop or sqlite:///shop.db.
        In a password, write @ as %40, : as %3A and / as %2F.
        """
    )


def test_a_table_that_is_queried_at_start(flask: Flasks, tmp_path: Path) -> None:
    """The line that queries it, and how to leave it out."""
    with_config(tmp_path, SQLALCHEMY_DATABASE_URI=f"sqlite:///{tmp_path / 'shop.db'}")
    source = (tmp_path / "shop.py").read_text()
    query = "    with app.app_context():\n"
    query += "        app.names = db.session.execute(db.text('SELECT name FROM setting')).all()\n"
    (tmp_path / "shop.py").write_text(source.replace("    return app", query + "    return app"))
    assert flask("--app", "shop", "db", "upgrade") == said(
        """
        Error [SF115]: The application queries the table setting while it is loaded, and only a migration makes
            that table (PROJECT/shop.py, line 14).

          db.session.execute(db.text('SELECT name FROM setting')).all()

        Query it when it is needed, in a view or a function, or leave it out while migrations run:
            from flask_schemaflow import is_migrating
            if not is_migrating():
        """
    )
    unreachable = source.replace(str(tmp_path / "shop.db"), str(tmp_path / "nowhere" / "shop.db"))
    (tmp_path / "shop.py").write_text(unreachable.replace("    return app", query + "    return app"))
    assert flask("--app", "shop", "db", "upgrade") == said(
        """
        Error [SF426]: The folder of the SQLite file PROJECT/nowhere/shop.db doesn't exist.

          The database says: unable to open database file

        Make it and apply every migration: `flask db upgrade --create-database`. Correct the path in
            SQLALCHEMY_DATABASE_URI (four slashes begin an absolute one: sqlite:////srv/app.db).
        """
    )


def test_an_application_can_ask_whether_it_is_for_migrations(tmp_path: Path) -> None:
    """``is_migrating()`` is true while a migration command loads the application, and only then."""
    source = APP.replace("{config}", "{'SQLALCHEMY_DATABASE_URI': 'sqlite://'}")
    source = source.replace("    app = Flask", "    print(is_migrating())\n        app = Flask")
    source = source.replace("import Migrate", "import Migrate, is_migrating")
    write(tmp_path, "shop.py", source)

    def first(*args: str) -> str:
        return processes.run([sys.executable, *args], cwd=tmp_path, check=False).stdout.partition("\n")[0]

    assert first("-m", "flask", "--app", "shop", "db", "list-templates") == "True"
    assert first("-m", "flask", "-A", "shop", "routes") == "False"
    assert first("-c", "import shop; shop.create_app()") == "False"
    assert not is_migrating()


def test_migrate_without_a_database(shop: Project, fails: Fails) -> None:
    """``Migrate(app)`` and no more."""
    shop.write("shop/__init__.py", shop.read("shop/__init__.py").replace("init_app(app, db)", "init_app(app)"))
    assert fails("upgrade") == said(
        """
        Error [SF104]: Migrate was registered without a database object.

        Pass it where the extension is made: Migrate(app, db), or migrate.init_app(app, db).
        """
    )


def test_a_database_object_that_was_not_initialised(shop: Project, fails: Fails) -> None:
    """A second ``db``, which never met the application."""
    shop.write(
        "shop/__init__.py", shop.read("shop/__init__.py").replace("init_app(app, db)", "init_app(app, SQLAlchemy())")
    )
    assert fails("upgrade") == said(
        """
        Error [SF105]: The db object that was passed to Migrate was never initialised with this application (or
            is not the one that was).

        The current Flask app is not registered with this 'SQLAlchemy' instance. Did you forget to call
            'init_app', or did you create multiple 'SQLAlchemy' instances?

        Call db.init_app(app) where the application is made, before its first command.
        """
    )


def test_a_database_object_that_is_none(shop: Project, fails: Fails) -> None:
    """Something else where db should be."""
    shop.write("shop/__init__.py", shop.read("shop/__init__.py").replace("init_app(app, db)", "init_app(app, 'db')"))
    assert fails("upgrade") == said(
        """
        Error [SF106]: The db object that was passed to Migrate, of type str, has neither engine nor engines.

        Pass an object with engine and metadata, for example a Flask-SQLAlchemy db: Migrate(app, db)
        """
    )


def test_registered_twice() -> None:
    """The application is named."""
    app = Flask("shop")
    app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite://"
    db = SQLAlchemy(app)
    Migrate(app, db)
    with pytest.raises(SchemaflowError) as caught:
        Migrate(app, db)
    assert str(caught.value) == said(
        """
        A Migrate is already registered on the application 'shop'.
        Keep one of them: Migrate(app, db), or migrate = Migrate() and later migrate.init_app(app, db).
        """
    )


def test_no_application_context() -> None:
    """From Python, where no application is current."""
    with pytest.raises(SchemaflowError) as caught:
        flask_schemaflow.upgrade()
    assert str(caught.value) == said(
        """
        No application is current here, so its databases are unknown.
        Call it inside `with app.app_context():`.
        """
    )


def test_settings_that_mean_nothing(shop: Project, fails: Fails) -> None:
    """A name with a slip, a value of the wrong kind."""
    shop.write_revision("abcd0001")
    shop.write_app(config={"SCHEMAFLOW_LOCK_WIAT": 3})
    assert fails("upgrade") == said(
        """
        Error [SF108]: SCHEMAFLOW_LOCK_WIAT is not a setting of Flask-SchemaFlow.

        Did you mean SCHEMAFLOW_LOCK_WAIT?
        """
    )
    shop.write_app(config={"SCHEMAFLOW_LOCK_WAIT": "long"})
    assert fails("upgrade") == said(
        """
        Error [SF108]: SCHEMAFLOW_LOCK_WAIT must be a number of seconds, zero or more; 'long' is not.

        Correct app.config['SCHEMAFLOW_LOCK_WAIT']; the default is 600.0.
        """
    )


def test_a_bind_that_is_unknown(shop: Project, fails: Fails) -> None:
    """Those that there are are listed."""
    shop.write_revision("abcd0001")
    assert fails("upgrade", "--bind", "lgo", status=2) == said(
        """
        Error [SF107]: The application has no database named 'lgo'.

        Its databases are: default.
        """
    )


def test_a_callback_that_fails(shop: Project, fails: Fails) -> None:
    """The application's own code in a hook: the line of it."""
    shop.write_revision("abcd0001")
    hook = "\n\n@migrate.configure\ndef configure(config):\n    return config.nothing\n"
    shop.write("shop/__init__.py", shop.read("shop/__init__.py") + hook)
    assert fails("upgrade") == said(
        """
        Error [SF599]: AttributeError: 'Config' object has no attribute 'nothing' (PROJECT/shop/__init__.py, line
            26).

          return config.nothing

        Correct that line; `flask db --traceback ...` shows how it was reached.
        """
    )


def test_a_mistake_of_ours(shop: Project, fails: Fails, monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody foresaw is one sentence too, and says how to see more."""
    monkeypatch.setattr("flask_schemaflow.runtime.planning.upgrade_steps", "")
    shop.write_revision("abcd0001")
    assert fails("upgrade") == said(
        """
        Error [SF599]: Something failed that Flask-SchemaFlow did not foresee: TypeError: 'str' object is not
            callable.

        `flask db --traceback ...` shows where; please report it with that text.
        """
    )
