"""An application that can't be found, loaded or migrated: the whole message of each."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from flask import Flask
from flask_sqlalchemy import SQLAlchemy

import flask_schemaflow
from flask_schemaflow import is_migrating
from flask_schemaflow import Migrate
from flask_schemaflow import SchemaflowError

from ..support import processes
from ..support.application import Project
from .conftest import APP
from .conftest import Fails
from .conftest import Flasks
from .conftest import with_config
from .conftest import write
from .messages import said


def test_no_application(flask: Flasks, tmp_path: Path) -> None:
    """Nothing was named and nothing is there; or something is there under another name."""
    assert flask("db", "upgrade", status=2) == said(
        """
        Error [SF110]: No Flask application was found in PROJECT.

        Run `flask --app NAME db ...`, set FLASK_APP, or change to the project's directory.
        """
    )
    with_config(tmp_path, SQLALCHEMY_DATABASE_URI="sqlite://")
    assert flask("db", "upgrade", status=2) == said(
        """
        Error [SF110]: No Flask application was found in PROJECT.

        Run `flask --app shop db ...`, set FLASK_APP, or change to the project's directory.
        """
    )
    assert flask("--app", "shpo", "db", "upgrade", status=2) == said(
        """
        Error [SF110]: --app or FLASK_APP names the module 'shpo', which does not exist in PROJECT.

        Fix the name, or change to the project's directory. Modules here: shop.
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

        Run `pip install flask_geo99`, if that is the package's name, or fix the import.
        """
    )
    write(tmp_path, "shop/models.py", "from .settings import prices\n")
    write(tmp_path, "shop/settings.py", "")
    assert flask("--app", "shop", "db", "upgrade") == said(
        """
        Error [SF111]: The application can't be loaded: ImportError: cannot import name 'prices' from
            'shop.settings' (PROJECT/shop/settings.py) (PROJECT/shop/models.py, line 1).

          from .settings import prices

        Fix that line and run the command again.
        """
    )


@pytest.mark.parametrize(
    ("imports", "advice"),
    [
        (
            "from shop.models.prices import Price",
            "Fix the import: shop is a part of your project, and has no module models.prices.",
        ),
        (
            "from werkzeug.contrib.fixers import ProxyFix",
            "Fix the import, or install a version of werkzeug that has the module werkzeug.contrib.",
        ),
        (
            "import prices",
            "Fix the import, or set PYTHONPATH=PROJECT/shop: PROJECT/shop/prices.py is a part of your project, but not "
            "on Python's path.",
        ),
    ],
)
def test_an_import_that_no_package_mends(flask: Flasks, tmp_path: Path, imports: str, advice: str) -> None:
    """The project has the module, or lacks it; or a package is installed, without that part."""
    write(tmp_path, "shop/__init__.py", f"from flask import Flask\n{imports}\n")
    write(tmp_path, "shop/models/__init__.py", "")
    write(tmp_path, "shop/prices.py", "")
    told = " ".join(flask("--app", "shop", "db", "upgrade").split())
    assert told.endswith(f"{imports} {advice} Then run the command again.")


def test_code_that_fails(flask: Flasks, tmp_path: Path) -> None:
    """A syntax error, a name, a missing key in the environment."""
    write(tmp_path, "shop.py", "from flask import Flask\n\ndef create_app(:\n")
    assert flask("--app", "shop", "db", "upgrade") == said(
        """
        Error [SF111]: The application can't be loaded: SyntaxError: invalid syntax (PROJECT/shop.py, line 3).

          def create_app(:

        Fix that line and run the command again.
        """
    )
    write(tmp_path, "shop.py", "import os\n\ndef create_app():\n    return os.environ['SHOP_SECRET_KEY']\n")
    assert flask("--app", "shop", "db", "upgrade") == said(
        """
        Error [SF111]: The application can't be loaded: KeyError: 'SHOP_SECRET_KEY' (PROJECT/shop.py, line 4).

          return os.environ['SHOP_SECRET_KEY']

        Set the environment variable SHOP_SECRET_KEY and run the command again.
        """
    )


def test_an_application_without_the_extension(flask: Flasks, tmp_path: Path) -> None:
    """``Migrate`` was never created, or is another package's."""
    write(tmp_path, "shop.py", "from flask import Flask\napp = Flask(__name__)\n")
    assert flask("--app", "shop", "db", "upgrade") == said(
        """
        Error [SF102]: The application 'shop' has no Flask-SchemaFlow.

        In your application factory, add:
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
        The application 'shop' already uses flask_migrate as its `migrate` extension.
        Replace its import, and keep the rest: from flask_schemaflow import Migrate
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
        Error [SF115]: The application queries the table setting at import time, before a migration creates it
            (PROJECT/shop.py, line 14).

          db.session.execute(db.text('SELECT name FROM setting')).all()

        Move the query into a view or function, or skip it during migrations:
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

        Run `flask db upgrade --create-database` to create it and apply every migration. Fix the path in
            SQLALCHEMY_DATABASE_URI: three slashes begin a relative path (sqlite:///app.db), four an absolute one
            (sqlite:////srv/app.db).
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

        Pass it to the extension: Migrate(app, db), or migrate.init_app(app, db).
        """
    )


def test_a_database_object_that_was_not_initialised(shop: Project, fails: Fails) -> None:
    """A second ``db``, which never met the application."""
    shop.write(
        "shop/__init__.py", shop.read("shop/__init__.py").replace("init_app(app, db)", "init_app(app, SQLAlchemy())")
    )
    assert fails("upgrade") == said(
        """
        Error [SF105]: The db object passed to Migrate is not initialised with this application (or is not the
            one that was).

        The current Flask app is not registered with this 'SQLAlchemy' instance. Did you forget to call
            'init_app', or did you create multiple 'SQLAlchemy' instances?

        Call db.init_app(app) in your application factory, before the first command.
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
        No application context is active.
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
        Error [SF108]: SCHEMAFLOW_LOCK_WAIT must be a number of seconds, zero or more, not 'long'.

        Fix app.config['SCHEMAFLOW_LOCK_WAIT']; the default is 600.0.
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

        Fix that line. `flask db --traceback ...` shows the call stack.
        """
    )


def test_a_mistake_of_ours(shop: Project, fails: Fails, monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody foresaw is one sentence too, and says how to see more."""
    monkeypatch.setattr("flask_schemaflow.runtime.planning.upgrade_steps", "")
    shop.write_revision("abcd0001")
    assert fails("upgrade") == said(
        """
        Error [SF599]: Unexpected error: TypeError: 'str' object is not callable.

        Run `flask db --traceback ...` and report the output as a bug.
        """
    )
