"""A database that can't be reached or refuses: which one, by its masked URL and setting, and what to do."""

from __future__ import annotations

import dataclasses
import pathlib
import re
import traceback
import typing as t

import sqlalchemy as sa
from flask import current_app
from flask import has_app_context
from sqlalchemy.engine.default import DefaultDialect

from ...errors import connection as errors
from ...errors.database import DatabaseError
from ...redaction import is_misread
from ...redaction import safe_url
from ...redaction import scrub
from ..sqlite.holders import describe
from .drivers import Kind
from .drivers import kind_of
from .drivers import words_of_database
from .features import too_old
from .grants import statement_that_allows
from .secrecy import conceal
from .secrecy import known_masker


@dataclasses.dataclass(frozen=True)
class Where:
    """The database that an error is about, as far as it is known.

    :param bind: the name of its bind, ``None`` for the default one.
    :param url_text: its URL where there is no engine yet.
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
    def setting(self) -> str:
        """The setting that holds the URL."""
        config = current_app.config if has_app_context() else {}
        if "SQLALCHEMY_ENGINES" in config and "SQLALCHEMY_DATABASE_URI" not in config:
            return f"SQLALCHEMY_ENGINES[{self.bind or 'default'!r}]"
        return "SQLALCHEMY_DATABASE_URI" if self.bind is None else f"SQLALCHEMY_BINDS[{self.bind!r}]"


def database_error(error: BaseException, where: Where) -> DatabaseError:
    """The error that fits, with the driver's words among its details; passwords are taken out of ``error`` as well."""
    hide = known_masker([where.connected_by] if where.connected_by is not None else [])
    conceal(error, hide)
    made = _made(error, where)
    conceal(made, hide)
    return made


def _made(error: BaseException, where: Where) -> DatabaseError:
    if isinstance(error, UnicodeEncodeError):
        return _unsendable(where)
    words = scrub(words_of_database(error))
    old = too_old(error, where.engine)
    if old is not None:
        return old
    make = _MAKERS.get(kind_of(error))
    if make is not None:
        made = make(where, words)
        made.details = "" if words in made.message else f"  The database says: {words}"
        return made
    if _while_connecting(error):
        return errors.ConnectionFailed(
            f"No connection to {where.url} could be made: {words}",
            hint=f"Correct what the driver names, in {where.setting} or on the server.",
        )
    return DatabaseError(f"The database refused: {words}", details=_statement(error))


def is_connecting(error: BaseException) -> bool:
    """Whether it arose in the driver while SQLAlchemy had it connect."""
    code = DefaultDialect.connect.__code__
    return any(frame.f_code is code for frame, _ in traceback.walk_tb(error.__traceback__))


def _unsendable(where: Where) -> DatabaseError:
    """The error for a user or a password with letters that the driver can't send."""
    driver = f"The driver {where.engine.driver}" if where.engine is not None else "The driver"
    return errors.LoginRefused(
        f"{driver} can't send user and password as they stand in {where.setting} ({where.url}).",
        hint="Give the account a password of ASCII characters, or name another driver in the URL.",
    )


def _while_connecting(error: BaseException) -> bool:
    return isinstance(error, sa.exc.OperationalError) and error.statement is None


def _statement(error: BaseException) -> str:
    statement = getattr(error, "statement", None)
    return f"  SQL: {scrub(' '.join(str(statement).split()))[:300]}" if statement else ""


def _refused(where: Where, words: str) -> DatabaseError:
    return errors.ServerUnreachable(
        f"No database server answers at {where.address} ({where.url}).",
        hint=f"Start the server, or correct {'its path' if 'socket' in where.address else 'host and port'} in "
        f"{where.setting}.",
    )


def _host(where: Where, words: str) -> DatabaseError:
    host = where.address.rpartition(":")[0] or where.address
    if where.connected_by is not None and is_misread(where.connected_by):
        return errors.HostUnknown(
            f"A piece of the password is taken for the host ({where.url}).",
            hint=f"In the password in {where.setting}, write @ as %40, : as %3A, / as %2F and ? as %3F, "
            "or make the URL with sqlalchemy.URL.create().",
        )
    return errors.HostUnknown(
        f"The host {host!r} has no address ({where.url}).",
        hint=f"Correct the host in {where.setting}; a container's name is known only inside its network.",
    )


def _login(where: Where, words: str) -> DatabaseError:
    user = f"the user {where.user!r}" if where.user else "the login"
    return errors.LoginRefused(
        f"The server at {where.address} refused {user} ({where.url}).",
        hint=f"Correct user and password in {where.setting}. In a password, write @ as %40, : as %3A, / as %2F, "
        "or make the URL with sqlalchemy.URL.create().",
    )


def _database(where: Where, words: str) -> DatabaseError:
    found = re.search(r"""(?:database ['"]([^'"]+)['"])""", words)
    name = where.database or (found.group(1) if found else "")
    return errors.DatabaseNotFound(
        f"The server at {where.address} has no database {name!r} ({where.url}).",
        hint="Create it and apply every migration: `flask db upgrade --create-database`. "
        f"Or correct the name in {where.setting}.",
    )


def _connections(where: Where, words: str) -> DatabaseError:
    return errors.TooManyConnections(
        f"The server at {where.address} accepts no more connections ({where.url}).",
        hint="Close what isn't needed, or raise the limit of the server or of the account; then run the command again.",
    )


def _file(where: Where, words: str) -> DatabaseError:
    path = pathlib.Path(where.database)
    hint = f"Correct the path in {where.setting} (four slashes begin an absolute one: sqlite:////srv/app.db)."
    if "not a database" in words:
        return errors.DatabaseFileUnusable(f"The file {path} is no SQLite database.", hint=hint)
    if path.is_dir():
        return errors.DatabaseFileUnusable(f"{path} is a folder, and no SQLite database.", hint=hint)
    if not path.parent.is_dir():
        return errors.DatabaseFileUnusable(
            f"The folder of the SQLite file {path} doesn't exist.",
            hint=f"Make it and apply every migration: `flask db upgrade --create-database`. {hint}",
        )
    return errors.DatabaseFileUnusable(
        f"The SQLite file {path} can't be opened.",
        hint="Let this account read and write the file and its folder, or run the command as their owner.",
    )


def _readonly(where: Where, words: str) -> DatabaseError:
    hint = "Migrate the primary server, with an account and a transaction that may write."
    if where.engine is not None and where.engine.dialect.name == "sqlite":
        hint = f"Let this account write the file and its folder: `chmod u+w {where.database}`."
    return errors.DatabaseReadOnly(f"The database can only be read ({where.url}).", hint=hint)


def _locked(where: Where, words: str) -> DatabaseError:
    holder = "Another connection"
    if where.engine is not None and where.engine.dialect.name == "sqlite" and where.database:
        holder = describe(where.database).capitalize()
    return errors.DatabaseLocked(
        f"{holder} holds a lock on the database ({where.url}).",
        hint="End the other program (an open shell, a server, another migration) or its transaction, "
        "then run the command again.",
    )


def _permission(where: Where, words: str) -> DatabaseError:
    user = f"The account {where.user!r}" if where.user else "The account"
    grant = statement_that_allows(words, where.user, where.database)
    return errors.PermissionRefused(
        f"{user} lacks a privilege that this needs: {words} ({where.url}).",
        hint=f"{f'Let the owner run: {grant}' if grant else 'Grant it'}; or migrate with the account that owns the "
        f"tables: {where.setting} may come from an environment variable.",
    )


def _disk(where: Where, words: str) -> DatabaseError:
    return errors.DiskFull(
        f"The database has no room left ({where.url}).",
        hint="Make room on the database's disk, or raise its quota, then run the command again.",
    )


def _lost(where: Where, words: str) -> DatabaseError:
    return errors.ConnectionLost(
        f"The connection to the database broke ({where.url}).",
        hint="Look into the server's log for the reason, then run the command again; `flask db status` shows where the "
        "database stands now.",
    )


_MAKERS: dict[Kind, t.Callable[[Where, str], DatabaseError]] = {
    "refused": _refused,
    "host": _host,
    "login": _login,
    "database": _database,
    "connections": _connections,
    "file": _file,
    "readonly": _readonly,
    "locked": _locked,
    "permission": _permission,
    "disk": _disk,
    "lost": _lost,
}
