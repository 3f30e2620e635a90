"""SF42x and SF43x: the database can't be reached, or refused what it was asked."""

from __future__ import annotations

import typing as t

from .database import DatabaseError

__all__ = [
    "ConnectionFailed",
    "ConnectionLost",
    "DatabaseFileUnusable",
    "DatabaseLocked",
    "DatabaseNotCreated",
    "DatabaseNotFound",
    "DatabaseReadOnly",
    "DiskFull",
    "HostUnknown",
    "LoginRefused",
    "PermissionRefused",
    "SchemaWithoutHistory",
    "ServerTooOld",
    "ServerUnreachable",
    "TooManyConnections",
]


class ConnectionFailed(DatabaseError):
    """The database could not be reached, for a reason that only it can tell.

    Cause: the message quotes the driver.
    Cure: correct what it names, or start the server.
    """

    code: t.ClassVar[str] = "SF420"


class ServerUnreachable(ConnectionFailed):
    """Nothing answers where the URL says that the server is.

    Cause: the server is not running, listens elsewhere, or a firewall stands between.
    Cure: start it, or correct host and port in the URL.
    """

    code: t.ClassVar[str] = "SF421"


class HostUnknown(ConnectionFailed):
    """The host of the URL has no address.

    Cause: a typing slip, or a name that exists only inside a container's network.
    Cure: correct the host in the URL.
    """

    code: t.ClassVar[str] = "SF422"


class LoginRefused(ConnectionFailed):
    """The server refused the user or the password.

    Cause: the password or the user of the URL is wrong, or the server's rules forbid the login from here.
    Cure: correct the URL; characters such as ``@``, ``:`` and ``/`` in a password are written as ``%40``, ``%3A``
    and ``%2F``.
    """

    code: t.ClassVar[str] = "SF423"


class DatabaseNotFound(ConnectionFailed):
    """The server has no database of that name.

    Cause: it was never created, or the URL has a typing slip.
    Cure: ``flask db upgrade --create-database``, or correct the URL.
    """

    code: t.ClassVar[str] = "SF424"


class TooManyConnections(ConnectionFailed):
    """The server accepts no more connections.

    Cause: its limit, or the account's, is used up.
    Cure: close what is not needed, or raise the limit.
    """

    code: t.ClassVar[str] = "SF425"


class DatabaseFileUnusable(ConnectionFailed):
    """The SQLite file can't be opened or is none.

    Cause: its folder doesn't exist or isn't writable, or the file is something else.
    Cure: make the folder, or correct the path in the URL.
    """

    code: t.ClassVar[str] = "SF426"


class DatabaseNotCreated(ConnectionFailed):
    """The database could not be created.

    Cause: the account may not create databases, or the kind of database has no way to do so.
    Cure: create it by hand, or use an account that may.
    """

    code: t.ClassVar[str] = "SF427"


class DatabaseReadOnly(DatabaseError):
    """The database can only be read.

    Cause: a standby server, a read-only mount, file or transaction.
    Cure: migrate where it can be written: the primary server, a writable file.
    """

    code: t.ClassVar[str] = "SF430"


class DatabaseLocked(DatabaseError):
    """Another connection holds a lock that was needed.

    Cause: a long transaction, an open shell, or another migration.
    Cure: end it, or wait for it, and run the command again.
    """

    code: t.ClassVar[str] = "SF431"


class PermissionRefused(DatabaseError):
    """The database account may not do what a migration has to.

    Cause: the account lacks a privilege, or doesn't own the table.
    Cure: grant it, or migrate with the account that owns the schema.
    """

    code: t.ClassVar[str] = "SF432"


class DiskFull(DatabaseError):
    """There is no room for what the migration writes.

    Cause: the disk or the quota is full.
    Cure: make room and run the command again.
    """

    code: t.ClassVar[str] = "SF433"


class ConnectionLost(DatabaseError):
    """The connection broke while it was used.

    Cause: the server was stopped, a proxy's time limit passed, or an administrator ended the session.
    Cure: run the command again when the server answers.
    """

    code: t.ClassVar[str] = "SF434"


class ServerTooOld(DatabaseError):
    """The server doesn't know a feature that the migration uses.

    Cause: its version is older than the one the migration was written for.
    Cure: upgrade the server, or write the step in a way that the old one understands.
    """

    code: t.ClassVar[str] = "SF435"


class SchemaWithoutHistory(DatabaseError):
    """Tables exist that no migration made.

    Cause: ``db.create_all()``, an SQL dump or another tool made them.
    Cure: ``flask db stamp`` if they are as the migrations would make them, else drop them and upgrade; then call
    ``create_all()`` no more.
    """

    code: t.ClassVar[str] = "SF436"
