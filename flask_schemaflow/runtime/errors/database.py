"""Explain a database that can't be reached or refuses: its masked URL, its setting, and what to do."""

from __future__ import annotations

import dataclasses
import pathlib
import re
import socket
import traceback
import typing as t

import sqlalchemy as sa
from flask import current_app
from flask import has_app_context
from sqlalchemy import exc

from ...errors import database as errors
from ...errors.database import DatabaseError
from ...errors.folder import NEEDS_PERMISSION
from ...redaction import is_misread
from ...redaction import safe_url
from ...redaction import scrub
from ..guards.sqlite.connection import describe_holders
from . import conceal
from . import known_masker
from .drivers import Kind
from .drivers import kind_of
from .drivers import NAMES
from .drivers import statement_that_allows
from .drivers import too_old
from .drivers import words_of_database
from .lines import advice_on_line
from .lines import own_line
from .lines import Place


@dataclasses.dataclass(frozen=True)
class Where:
    """The database that an error is about, as far as it is known.

    :param bind: the name of its bind, ``None`` for the default one.
    :param url_text: its URL, if there is no engine yet.
    """

    engine: sa.Engine | None = None
    bind: str | None = None
    url_text: str | sa.URL | None = None

    @property
    def connected_by(self) -> sa.URL | None:
        """The URL with everything in it."""
        if self.engine is not None:
            return self.engine.url
        return sa.make_url(self.url_text) if self.url_text else None

    @property
    def server(self) -> str:
        """The database's name in a sentence, ``PostgreSQL``."""
        url = self.connected_by
        if url is None:
            return "The database"
        is_mariadb = self.engine is not None and getattr(self.engine.dialect, "is_mariadb", False)
        name = "mariadb" if is_mariadb else url.get_backend_name()
        return NAMES.get(name, name)

    @property
    def url(self) -> str:
        """The masked URL."""
        return safe_url(self.connected_by) if self.connected_by is not None else "the database"

    @property
    def address(self) -> str:
        """``host:port`` as far as the URL says."""
        url = self.connected_by
        if url is None:
            return "its address"
        given = url.query.get("host") or url.query.get("unix_socket") or "the local socket"
        host = url.host or (given if isinstance(given, str) else " and ".join(given))
        if host.startswith("/"):
            return f"the socket {host}"
        return f"{host}:{url.port}" if url.port else host

    @property
    def database(self) -> str:
        """The name of the database in the URL."""
        return (self.connected_by.database if self.connected_by is not None else None) or ""

    @property
    def user(self) -> str:
        """The user in the URL."""
        return (self.connected_by.username if self.connected_by is not None else None) or ""

    @property
    def is_sqlite(self) -> bool:
        """Whether the database is a SQLite file."""
        return self.engine is not None and self.engine.dialect.name == "sqlite"

    @property
    def host(self) -> str:
        """The address without the port."""
        return self.address.rpartition(":")[0] or self.address

    @property
    def lock_holder(self) -> str:
        """The program that holds the lock, if the system can tell."""
        known = self.is_sqlite and self.database
        return describe_holders(self.database).capitalize() if known else "Another connection"

    @property
    def setting(self) -> str:
        """The setting that holds the URL."""
        config = current_app.config if has_app_context() else {}
        if "SQLALCHEMY_ENGINES" in config and "SQLALCHEMY_DATABASE_URI" not in config:
            return f"SQLALCHEMY_ENGINES[{self.bind or 'default'!r}]"
        return "SQLALCHEMY_DATABASE_URI" if self.bind is None else f"SQLALCHEMY_BINDS[{self.bind!r}]"


def database_error(error: BaseException, where: Where) -> DatabaseError:
    """Return the error that fits, with the driver's words in its details; removes passwords from ``error`` as well."""
    hide = known_masker([where.connected_by] if where.connected_by is not None else [])
    conceal(error, hide)
    explanation = _explained(error, where)
    conceal(explanation, hide)
    return explanation


_CONNECT = sa.Engine.raw_connection.__code__


def is_connecting(error: BaseException) -> bool:
    """Return true if the error arose while SQLAlchemy opened a connection or created an engine's dialect.

    Drivers raise more there than SQLAlchemy wraps: about encodings, certificates, credentials and missing packages.
    """
    if isinstance(error, (exc.SQLAlchemyError, ImportError)):
        return False
    return any(frame.f_code is _CONNECT for frame, _ in traceback.walk_tb(error.__traceback__))


def _explained(error: BaseException, where: Where) -> DatabaseError:
    words = scrub(words_of_database(error))
    old = too_old(error, where.engine)
    if old is not None:
        return old
    network = isinstance(error, (ConnectionError, socket.gaierror, TimeoutError))
    if isinstance(error, UnicodeError) or (is_connecting(error) and not network):
        return _of_driver(error, where, words)
    kind = kind_of(error)
    for rule in _RULES:
        if rule.kind == kind and rule.applies(where, words):
            return _from_rule(rule, where, words)
    line = own_line(error, _CONNECT)
    if line is not None and not network:
        return _of_application(error, where, line, words)
    if is_connecting(error) or (isinstance(error, exc.OperationalError) and error.statement is None):
        return _from_rule(_UNKNOWN, where, words)
    rejected = f"{where.server} rejected the statement"
    if isinstance(error, exc.SQLAlchemyError) and not isinstance(error, exc.DBAPIError):
        rejected = "SQLAlchemy rejected the operation"
    return DatabaseError(f"{rejected}: {words}", details=_statement(error))


def _statement(error: BaseException) -> str:
    statement = getattr(error, "statement", None)
    return f"  SQL: {scrub(' '.join(str(statement).split()))[:300]}" if statement else ""


# -- drivers that fail in their own words ---------------------------------------------------------

# The text of the error, with its type: what to do.
_DRIVERS = (
    (
        r"^UnicodeEncodeError",
        "Use an ASCII password or another driver.",
    ),
    (
        r"^UnicodeDecodeError",
        "The server answered in another encoding, mostly to a refused login. Check user, password and database in "
        "{where.setting}, or set lc_messages = 'C' on the server.",
    ),
    (r"'cryptography' package is required", "Run `pip install cryptography`, which the account's login method needs."),
    (
        r"^SSL\w*Error|certificate|[Tt][Ll][Ss]\b|^FileNotFoundError|^PermissionError",
        "Check the certificate files and the SSL options in {where.setting}.",
    ),
    (
        r"[Cc]redentials",
        "Provide the credentials that the driver asks for, in {where.setting} or in the environment of this command.",
    ),
    (
        r"unexpected keyword argument '(\w+)'|invalid (dsn|connection option)",
        "Remove the option that the driver doesn't know from the query of the URL in {where.setting}.",
    ),
)


def _of_driver(error: BaseException, where: Where, words: str) -> DatabaseError:
    """Return the error for a driver that failed before it could ask the server."""
    text = f"{type(error).__name__}: {words}"
    advice = next((advice for regex, advice in _DRIVERS if re.search(regex, text)), "")
    line = None if advice else own_line(error, _CONNECT)
    if line is not None:
        return _of_application(error, where, line, text)
    hint = (advice or _UNKNOWN.hint).format(where=where)
    driver = f"The driver {where.engine.driver}" if where.engine is not None else "The driver"
    if isinstance(error, UnicodeEncodeError):
        return errors.LoginRefused(
            f"{driver} can't encode the user or password in {where.setting} ({where.url}).", hint=hint
        )
    return errors.ConnectionFailed(f"{driver} can't connect to {where.url}: {text}", hint=hint)


def _of_application(error: BaseException, where: Where, line: Place, words: str) -> DatabaseError:
    """Return the error for a function of the project, a listener or a creator, that failed in a new connection."""
    return errors.ConnectionFailed(
        f"The application's own code fails while it connects to {where.url}: {words.rstrip('.')} ({line}).",
        details=f"  {line.code}" if line.code else "",
        hint=advice_on_line(error, line, "run the command again"),
    )


# -- what a server or a file refuses --------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class _Rule:
    """An explanation of one kind of refusal; ``where`` and ``words`` are at hand in its texts.

    The first rule that applies counts. In hints, migration.py puts the failed command in place of "run the command
    again".
    """

    kind: Kind
    error: type[DatabaseError]
    message: str
    hint: str
    applies: t.Callable[[Where, str], bool] = lambda where, words: True


_ESCAPES = "write @ as %40, : as %3A, / as %2F"
_PATH = (
    "Fix the path in {where.setting}: three slashes begin a relative path (sqlite:///app.db), four an absolute one "
    "(sqlite:////srv/app.db)."
)
_UNKNOWN = _Rule(
    "unknown",
    errors.ConnectionFailed,
    "Can't connect to {where.url}: {words}",
    "Fix the reported problem in {where.setting} or on the server.",
)
_RULES = (
    _Rule(
        "refused",
        errors.ServerUnreachable,
        "No database server answers at {where.address} ({where.url}).",
        "Start the server, or fix {address_parts} in {where.setting}.",
    ),
    _Rule(
        "login",
        errors.LoginRefused,
        "The server at {where.address} refused {login} ({where.url}).",
        f"Fix user and password in {{where.setting}}. In a password, {_ESCAPES}, or create the URL with "
        "sqlalchemy.URL.create().",
    ),
    _Rule(
        "database",
        errors.DatabaseNotFound,
        "The server at {where.address} has no database {database!r} ({where.url}).",
        "Run `flask db upgrade --create-database` to create it, or fix the name in {where.setting}.",
    ),
    _Rule(
        "connections",
        errors.TooManyConnections,
        "The server at {where.address} has no free connections ({where.url}).",
        "Close unused connections or raise the limit, then run the command again.",
    ),
    _Rule(
        "disk",
        errors.DiskFull,
        "The database is out of space ({where.url}).",
        "Free disk space or raise the quota, then run the command again.",
    ),
    _Rule(
        "lost",
        errors.ConnectionLost,
        "The connection to the database broke ({where.url}).",
        "Check the server's log, then run the command again. `flask db status` shows the current state.",
    ),
    _Rule(
        "host",
        errors.HostUnknown,
        "Part of the password is read as the host name ({where.url}).",
        f"In the password in {{where.setting}}, {_ESCAPES} and ? as %3F, or create the URL with "
        "sqlalchemy.URL.create().",
        lambda where, words: where.connected_by is not None and is_misread(where.connected_by),
    ),
    _Rule(
        "host",
        errors.HostUnknown,
        "The host name {where.host!r} can't be resolved ({where.url}).",
        "Fix the host in {where.setting}. Container names resolve only inside their network.",
    ),
    _Rule(
        "file",
        errors.DatabaseFileUnusable,
        "{path} is not a SQLite database.",
        _PATH,
        lambda where, words: "not a database" in words,
    ),
    _Rule(
        "file",
        errors.DatabaseFileUnusable,
        "{path} is a folder, not a SQLite database.",
        _PATH,
        lambda where, words: pathlib.Path(where.database).is_dir(),
    ),
    _Rule(
        "file",
        errors.DatabaseFileUnusable,
        "The folder of the SQLite file {path} doesn't exist.",
        f"Run `flask db upgrade --create-database` to create it and apply every migration. {_PATH}",
        lambda where, words: not pathlib.Path(where.database).parent.is_dir(),
    ),
    _Rule(
        "file",
        errors.DatabaseFileUnusable,
        "The SQLite file {path} can't be opened.",
        NEEDS_PERMISSION,
    ),
    _Rule(
        "readonly",
        errors.DatabaseReadOnly,
        "The database is read-only ({where.url}).",
        "Give this account write permission for the file and its folder: `chmod u+w {where.database}`.",
        lambda where, words: where.is_sqlite,
    ),
    _Rule(
        "readonly",
        errors.DatabaseReadOnly,
        "The database is read-only ({where.url}).",
        "Connect to the primary server with an account that can write.",
    ),
    _Rule(
        "locked",
        errors.DatabaseLocked,
        "{where.lock_holder} holds a lock on the database ({where.url}).",
        "End the other program (an open shell, a server, another migration) or its transaction, then run the command "
        "again.",
    ),
    _Rule(
        "permission",
        errors.PermissionRefused,
        "{account} has no permission for this: {words} ({where.url}).",
        "{grant}\nOr put the account that owns the tables in {where.setting}.",
    ),
)


def _from_rule(rule: _Rule, where: Where, words: str) -> DatabaseError:
    named = re.search(r"""database ['"]([^'"]+)['"]""", words)
    grant = statement_that_allows(words, where.user, where.database)
    fields = {
        "where": where,
        "path": pathlib.Path(where.database),
        "address_parts": "its path" if "socket" in where.address else "host and port",
        "words": words,
        "login": f"the user {where.user!r}" if where.user else "the login",
        "account": f"The account {where.user!r}" if where.user else "The account",
        "database": where.database or (named.group(1) if named else ""),
        "grant": f"As the owner, run: {grant};" if grant else "Grant it as the owner.",
    }
    message = rule.message.format(**fields)
    details = "" if words in message else f"  The database says: {words}"
    return rule.error(message, hint=rule.hint.format(**fields), details=details)
