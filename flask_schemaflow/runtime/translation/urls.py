"""Database URLs that are missing or malformed, and the packages that a database is spoken to with."""

from __future__ import annotations

import difflib
import re
import traceback
import typing as t

import sqlalchemy as sa
from sqlalchemy import exc

from ...errors import setup as errors
from ...redaction import configured_urls
from ...redaction import safe_url

# What to install for what the driver's module is called; the rest have the same name.
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
# What else people call them; difflib finds the slips.
_MEANT = {"postgres": "postgresql", "pgsql": "postgresql", "sqlite3": "sqlite", "sqlserver": "mssql"}


def url_error(error: BaseException, config: t.Mapping[str, t.Any]) -> errors.SetupError | None:
    """The error that fits if it is about a database URL.

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
        "The application names no database: neither SQLALCHEMY_DATABASE_URI nor SQLALCHEMY_BINDS is set.",
        hint="Set it before db.init_app(app):\n"
        '    app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite:///app.db"\n'
        "If it comes from an environment variable, that variable is not set here.",
    )


def _driver_missing(error: ModuleNotFoundError, config: t.Mapping[str, t.Any]) -> errors.SetupError:
    module = (error.name or "the driver").partition(".")[0]
    setting, url = _url_with(config, lambda found: _needs(found, module))
    package = _PACKAGES.get(module, module)
    return errors.DriverMissing(
        f"The Python package for {setting} is not installed: {url} needs {module}.",
        hint=f"`pip install {package}`{_other_driver(url, module)}",
    )


def _other_driver(url: str, module: str) -> str:
    """A driver that is chosen in the URL where the default one is hard to install."""
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
    hint = f"Begin it with one that SQLAlchemy has: {', '.join(_KNOWN)}; or install the package for {dialect!r}."
    if dialect in _KNOWN:
        hint = f"Leave the driver out, {dialect}://..., or install the one that you mean."
    elif near:
        hint = f"Write {near}:// instead. Where the URL is given by the host: "
        hint += f'url.replace("{dialect}://", "{near}://", 1)'
    return errors.UrlMalformed(f"SQLAlchemy knows no database {name!r}, which {setting} names ({url}).", hint=hint)


def _malformed(error: BaseException, config: t.Mapping[str, t.Any]) -> errors.SetupError:
    setting, url = _url_with(config, lambda text: not _parses(text), _masked)
    why = "Its port is no number. " if "invalid literal for int" in str(error) else ""
    return errors.UrlMalformed(
        f"The database URL in {setting} can't be understood: {url}.",
        hint=f"{why}Write it as dialect+driver://user:password@host:port/database, for example "
        "postgresql+psycopg://shop:secret@localhost:5432/shop or sqlite:///shop.db.\n"
        "In a password, write @ as %40, : as %3A and / as %2F.",
    )


def _masked(text: str) -> str:
    """What is no URL may have a password anywhere before its last ``@``."""
    before, at, after = text.rpartition("@")
    dialect = re.match(r"[\w+.]*", before)
    return safe_url(f"{dialect.group() if dialect else ''}:***@{after}" if at else text)


def _url_with(
    config: t.Mapping[str, t.Any], wanted: t.Callable[[str], bool], mask: t.Callable[[str], str] = safe_url
) -> tuple[str, str]:
    """The setting and the masked text of the first URL that is the wanted one."""
    for setting, value in configured_urls(config):
        text = value.render_as_string(hide_password=False) if isinstance(value, sa.URL) else value
        if not isinstance(text, str):
            return setting, f"it is of type {type(value).__name__}, and no URL"
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
        sa.make_url(text)
    except (exc.ArgumentError, ValueError):
        return False
    return True


def _runs(error: BaseException, *functions: str) -> bool:
    return any(frame.f_code.co_name in functions for frame, _ in traceback.walk_tb(error.__traceback__))
