"""Explain an application that can't be found or loaded: its name, the line or the database URL that is wrong."""

from __future__ import annotations

import difflib
import pathlib
import re
import traceback
import typing as t

import sqlalchemy as sa
from flask import Flask
from flask.cli import NoAppException
from flask.cli import ScriptInfo
from sqlalchemy import exc

from ...errors import SchemaflowError
from ...errors import setup as errors
from ...errors.running import Unforeseen
from ...redaction import configured_urls
from ...redaction import safe_url
from .database import database_error
from .database import is_connecting
from .database import Where
from .drivers import kind_of
from .drivers import words_of_database
from .lines import advice_on_line
from .lines import arose_in
from .lines import own_line
from .lines import Place
from .lines import words_of
from .loading import ENTRANCES

_MOST = 3
_TRACEBACK = "`flask db --traceback ...` shows the call stack."


def is_loading(error: BaseException) -> bool:
    """Return true if the error arose while ``flask`` loaded the application."""
    code = ScriptInfo.load_app.__code__
    return any(frame.f_code is code for frame, _ in traceback.walk_tb(error.__traceback__))


def application_error(error: Exception) -> SchemaflowError:
    """Return the error for an application that could not be loaded.

    :param error: what ``ScriptInfo.load_app()`` raised.
    """
    if isinstance(error, SchemaflowError):
        return error
    if isinstance(error, NoAppException):
        inner = error.__context__
        if isinstance(inner, ImportError) and error.format_message().startswith("While importing"):
            return _broken(inner)
        return _not_found(error)
    return _broken(error)


def unforeseen(error: Exception) -> SchemaflowError:
    """Return the error for what was not foreseen, in the project's own code or in ours."""
    if isinstance(error, exc.DBAPIError) or is_connecting(error):
        return database_error(error, Where())
    line = own_line(error)
    if line is not None and not line.code.startswith(ENTRANCES):
        advice = "Fix that line." if arose_in(error, line.path) else "Check that line and the code that it calls."
        return Unforeseen(
            f"{words_of(error).rstrip('.')} ({line}).",
            details=f"  {line.code}" if line.code else "",
            hint=f"{advice} {_TRACEBACK}",
        )
    return Unforeseen(
        f"Unexpected error: {words_of(error).rstrip('.')}.",
        hint="Run `flask db --traceback ...` and report the output as a bug.",
    )


def _not_found(error: NoAppException) -> SchemaflowError:
    text = error.format_message()
    if text.startswith("Could not locate"):
        return errors.ApplicationNotFound(
            f"No Flask application was found in {pathlib.Path.cwd()}.",
            hint=f"Run `flask --app {(_candidates() or ['NAME'])[0]} db ...`, set FLASK_APP, or change to the "
            "project's directory.",
        )
    missing = re.match(r"Could not import '(.+)'\.", text)
    if missing:
        near = [name for name in _candidates() if name != missing.group(1)]
        here = f" Modules here: {', '.join(near)}." if near else ""
        return errors.ApplicationNotFound(
            f"--app or FLASK_APP names the module {missing.group(1)!r}, which does not exist in {pathlib.Path.cwd()}.",
            hint=f"Fix the name, or change to the project's directory.{here}",
        )
    message, _, advice = text.partition(". ")
    return errors.ApplicationNotFound(message.rstrip(".") + ".", hint=advice)


def _candidates() -> list[str]:
    """Return modules in the working directory that create an application, for ``--app``."""
    here = pathlib.Path.cwd()
    names = []
    for path in sorted([*here.glob("*.py"), *here.glob("*/__init__.py")]):
        try:
            if "Flask(" in path.read_text("utf-8", "replace"):
                names.append(path.parent.name if path.name == "__init__.py" else path.stem)
        except OSError:
            continue
    return names[:_MOST]


def _broken(error: BaseException) -> SchemaflowError:
    app = application_in(error)
    config = app.config if app is not None else {}
    line = own_line(error)
    about_url = url_error(error, config)
    if about_url is not None:
        return about_url
    about_schema = _queried(error, line)
    if about_schema is not None:
        return about_schema
    if isinstance(error, exc.DBAPIError) or is_connecting(error):
        return database_error(error, Where(url_text=config.get("SQLALCHEMY_DATABASE_URI")))
    return errors.ApplicationBroken(
        f"The application can't be loaded: {words_of(error).rstrip('.')}{f' ({line})' if line else ''}.",
        details=f"  {line.code}" if line and line.code else "",
        hint=advice_on_line(error, line or Place("", 0), "run the command again"),
    )


# What the schema lacks until a migration has run, in the words of SQLite, PostgreSQL, MariaDB and MySQL.
_LACKING = (
    ("column", r"no such column: (?P<name>[\w.]+)|has no column named (?P<n2>\w+)|Unknown column '(?P<n3>[^']+)'"),
    ("column", r"""column "?(?P<name>[\w.]+)"? (?:of relation \S+ )?does not exist"""),
    ("enum value", r"""invalid input value for enum [\w."]+: "(?P<name>[^"]*)\""""),
    ("enum value", r"'(?P<name>[^']*)' is not among the defined enum values"),
    ("value", r"Data truncated for column '(?P<name>[^']+)'|CHECK constraint failed: (?P<n2>\w+)"),
    ("value", r"CONSTRAINT `(?P<name>[^`]+)` failed"),
    ("table", r"""(?:no such table: |relation "|Table ')(?P<name>[\w.]+)"""),
)
_BEFORE = {
    "table": "The application queries the table {name} at import time, before a migration creates it",
    "column": "The application queries the column {name} at import time, before a migration adds it",
    "enum value": "The application uses the enum value {name!r} at import time, before a migration adds it",
    "value": "The application stores a value at import time that {name} doesn't allow yet",
}


def _queried(error: BaseException, line: Place | None) -> SchemaflowError | None:
    """Return the error for a query at start-up that needs a migration first; ``None`` for another failure."""
    if not isinstance(error, (exc.DBAPIError, LookupError)):
        return None
    words = words_of_database(error)
    found = next(((kind, match) for kind, text in _LACKING if (match := re.search(text, words))), None)
    if found is None and not (isinstance(error, exc.DBAPIError) and kind_of(error) == "missing"):
        return None
    kind = found[0] if found is not None else "table"
    name = next(filter(None, found[1].groups()), "") if found is not None else "that it needs"
    shown = name.rpartition(".")[2] if kind == "table" else name
    return errors.TableQueriedAtStart(
        f"{_BEFORE[kind].format(name=shown)}{f' ({line})' if line else ''}.",
        details=f"  {line.code}" if line and line.code else "",
        hint="Move the query into a view or function, or skip it during migrations:\n"
        "    from flask_schemaflow import is_migrating\n"
        "    if not is_migrating():",
    )


def application_in(error: BaseException) -> Flask | None:
    """Return the half-made application, if a function that was running had one."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        for value in frame.f_locals.values():
            if isinstance(value, Flask):
                return value
    return None


# -- database URLs and drivers --------------------------------------------------------------------

# The package of each driver's module, if it has another name.
_PACKAGES = {
    "MySQLdb": "mysqlclient",
    "cx_Oracle": "cx_Oracle",
    "mariadb": "mariadb",
    "psycopg": '"psycopg[binary]"',
    "psycopg2": "psycopg2-binary",
    "pymysql": "PyMySQL",
    "sqlcipher3": "sqlcipher3",
}
_DIALECTS = {
    "bigquery": "sqlalchemy-bigquery",
    "clickhouse": "clickhouse-sqlalchemy",
    "cockroachdb": "sqlalchemy-cockroachdb",
    "databricks": "databricks-sqlalchemy",
    "duckdb": "duckdb-engine",
    "redshift": "sqlalchemy-redshift",
    "snowflake": "snowflake-sqlalchemy",
    "trino": "trino",
}
_KNOWN = ("postgresql", "mysql", "mariadb", "sqlite", "oracle", "mssql")
# Other names that people use; difflib finds typos.
_MEANT = {"postgres": "postgresql", "pgsql": "postgresql", "sqlite3": "sqlite", "sqlserver": "mssql"}


def url_error(error: BaseException, config: t.Mapping[str, t.Any]) -> errors.SetupError | None:
    """Return the error for a database URL that is wrong; ``None`` if the error is about something else.

    :param config: the application's, as far as it is known.
    """
    if isinstance(error, RuntimeError) and "must be set" in str(error) and "SQLALCHEMY" in str(error):
        return _uri_missing()
    if isinstance(error, exc.NoSuchModuleError):
        return _unknown_dialect(error, config)
    if isinstance(error, ModuleNotFoundError) and _runs(error, "import_dbapi"):
        return _driver_missing(error, config)
    if isinstance(error, (exc.ArgumentError, ValueError)) and _runs(error, "make_url", "_parse_url", "create_engine"):
        return _malformed(error, config)
    return None


def _uri_missing() -> errors.SetupError:
    return errors.UriMissing(
        "No database is configured: set SQLALCHEMY_DATABASE_URI or SQLALCHEMY_BINDS.",
        hint="Set it before db.init_app(app):\n"
        '    app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite:///app.db"\n'
        "If you read it from an environment variable, check that the variable is set.",
    )


def _driver_missing(error: ModuleNotFoundError, config: t.Mapping[str, t.Any]) -> errors.SetupError:
    module = (error.name or "the driver").partition(".")[0]
    setting, url = _url_with(config, lambda text: _needs(text, module))
    package = _PACKAGES.get(module, module)
    return errors.DriverMissing(
        f"The Python package for {setting} is not installed: {url} needs {module}.",
        hint=f"`pip install {package}`{_other_driver(url, module)}",
    )


def _other_driver(url: str, module: str) -> str:
    """Return the advice to use another driver in place of one that is hard to install."""
    if module == "MySQLdb":
        return ", or choose another driver in the URL: mysql+pymysql://... with `pip install PyMySQL`."
    if module == "psycopg2":
        return ', or choose another driver in the URL: postgresql+psycopg://... with `pip install "psycopg[binary]"`.'
    return ""


def _unknown_dialect(error: exc.NoSuchModuleError, config: t.Mapping[str, t.Any]) -> errors.SetupError:
    found = re.search(r"sqlalchemy\.dialects:([\w.+]+)", str(error))
    name = found.group(1).replace(".", "+") if found else ""
    dialect = name.partition("+")[0]
    setting, url = _url_with(config, lambda text: text.startswith(f"{name}:"))
    if dialect in _DIALECTS:
        package = _DIALECTS[dialect]
        return errors.DriverMissing(
            f"The Python package for {setting} is not installed: {url} needs {package}.",
            hint=f"`pip install {package}`",
        )
    near = _MEANT.get(dialect) or next(iter(difflib.get_close_matches(dialect, _KNOWN, n=1)), "")
    hint = f"Use a dialect that SQLAlchemy has ({', '.join(_KNOWN)}), or install the package for {dialect!r}."
    if dialect in _KNOWN:
        hint = f"Remove the driver, {dialect}://..., or install the one that you mean."
    elif near:
        hint = f"Write {near}:// instead. If your host provides the URL: "
        hint += f'url.replace("{dialect}://", "{near}://", 1)'
    return errors.UrlMalformed(f"SQLAlchemy has no dialect {name!r}, which {setting} uses ({url}).", hint=hint)


def _malformed(error: BaseException, config: t.Mapping[str, t.Any]) -> errors.SetupError:
    setting, url = _url_with(config, lambda text: not _parses(text), _masked)
    why = "The port is not a number. " if "invalid literal for int" in str(error) else ""
    message = f"The database URL in {setting} is malformed: {url}."
    if url.startswith("sqlite:"):
        path = url.partition(":")[2].strip("/") or "app.db"
        return errors.UrlMalformed(
            message,
            hint=f"Write three slashes before a relative path, sqlite:///{path}, and four before an absolute one, "
            f"sqlite:////{path}.",
        )
    return errors.UrlMalformed(
        message,
        hint=f"{why}Write it as dialect+driver://user:password@host:port/database, for example "
        "postgresql+psycopg://shop:secret@localhost:5432/shop or sqlite:///shop.db.\n"
        "In a password, write @ as %40, : as %3A and / as %2F.",
    )


def _masked(text: str) -> str:
    """Return a malformed URL without all that is before its last ``@``, where a password may be."""
    before, at, after = text.rpartition("@")
    dialect = re.match(r"[\w+.]*", before)
    return safe_url(f"{dialect.group() if dialect else ''}:***@{after}" if at else text)


def _url_with(
    config: t.Mapping[str, t.Any], wanted: t.Callable[[str], bool], mask: t.Callable[[str], str] = safe_url
) -> tuple[str, str]:
    """Return the setting and the masked text of the first URL that is wanted."""
    for setting, value in configured_urls(config):
        text = value.render_as_string(hide_password=False) if isinstance(value, sa.URL) else value
        if not isinstance(text, str):
            return setting, f"it is of type {type(value).__name__}, not a URL"
        if wanted(text):
            return setting, mask(text) or "it is empty"
    return "the application's configuration", "a URL"


def _needs(text: str, module: str) -> bool:
    try:
        url = sa.make_url(text)
        url.get_dialect().import_dbapi()
    except ModuleNotFoundError as error:
        return (error.name or "").partition(".")[0] == module
    except Exception:
        return False
    return False


def _parses(text: str) -> bool:
    try:
        url = sa.make_url(text)
    except (exc.ArgumentError, ValueError):
        return False
    return not (url.get_backend_name() == "sqlite" and (url.host or url.username or url.port))


def _runs(error: BaseException, *functions: str) -> bool:
    return any(frame.f_code.co_name in functions for frame, _ in traceback.walk_tb(error.__traceback__))
