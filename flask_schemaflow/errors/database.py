"""SF4xx: the database is unreachable, locked or in an unexpected state; SF53x: its backup failed."""

from __future__ import annotations

from . import SchemaflowError
from .running import RunError


class DatabaseError(SchemaflowError, code="SF400"):
    """The database is unreachable, locked or in an unexpected state.

    Cause: base class of this family.
    Cure: see the specific error.
    """


class LockTimeout(DatabaseError, code="SF411"):
    """Another process is still migrating the database.

    Cause: a migration takes longer than ``SCHEMAFLOW_LOCK_WAIT``, or hangs.
    Cure: wait for the named process, or end it, and run the command again.
    """


class LockLost(DatabaseError, code="SF412"):
    """The migration lock was lost during the run.

    Cause: the lock's connection was cut (a restart of the server, ``pg_terminate_backend``, a proxy's time limit), or
    the process was suspended for longer than ``SCHEMAFLOW_LEASE_SECONDS``.
    Cure: run the command again; it waits for the other process and applies the remaining revisions.
    """


class LockUnavailable(DatabaseError, code="SF413"):
    """The migration lock needs a second connection, and the server refused it.

    Cause: the server or the account allows no more connections.
    Cure: allow the account one more connection, or set ``SCHEMAFLOW_LOCK`` to ``"off"`` if only one process at a time
    migrates.
    """


class TableLocked(DatabaseError, code="SF414"):
    """A statement could not lock its table, even after retries.

    Cause: another session uses the table: a long transaction, a forgotten shell, a backup. The statement gives up after
    ``SCHEMAFLOW_LOCK_TIMEOUT`` seconds each time, so that the application's queries don't queue behind it.
    Cure: wait for the named session to end its transaction, or end it, and run the command again.

    ``reason`` describes the last attempt in one sentence; ``again`` is true if everything was rolled back, so that
    a new run can begin.
    """

    reason: str = ""
    again: bool = False


class SessionInUse(DatabaseError, code="SF415"):
    """A migration was started while the caller's own session was in a transaction on the same database.

    Cause: ``db.session`` was used in this application context and neither committed nor rolled back; the migration
    would wait for it forever.
    Cure: call ``db.session.commit()`` or ``db.session.rollback()`` before ``upgrade()``.
    """


class BackupError(RunError, code="SF530"):
    """The backup failed, so the migration did not start.

    Cause: base class of this family.
    Cure: see the specific error; or run without a backup: ``--no-backup``.
    """


class BackupToolMissing(BackupError, code="SF531"):
    """The backup tool of this database is not installed.

    Cause: ``pg_dump`` backs up PostgreSQL, ``mariadb-dump`` MariaDB and ``mysqldump`` MySQL. They are part of the
    databases' client packages, which an application's image often lacks.
    Cure: install the client package.
    """


class BackupFolderUnusable(BackupError, code="SF532"):
    """The folder for backups can't be created or written.

    Cause: missing permissions, a read-only file system, or a file of that name.
    Cure: fix that, or set another folder in ``SCHEMAFLOW_BACKUP_DIRECTORY``.
    """


class BackupFailed(BackupError, code="SF533"):
    """The backup failed and the partial file was deleted.

    Cause: the message quotes the program: a full disk, a refused password, a client older than the server.
    Cure: fix what it names and run the command again.
    """


class BackupBehindPooler(BackupError, code="SF534"):
    """A backup through a PostgreSQL connection pooler is not possible.

    Cause: ``pg_dump`` changes settings of its session (``search_path``), and PgBouncer in transaction mode would pass
    them on to the application's connections.
    Cure: connect directly to the server.
    """


class BackupUnsupported(BackupError, code="SF535"):
    """Databases of this kind can't be backed up by Flask-SchemaFlow.

    Cause: only SQLite, PostgreSQL, MariaDB and MySQL are supported.
    Cure: back it up with the database's own tools, then run with ``--no-backup``.
    """


class ConnectionFailed(DatabaseError, code="SF420"):
    """The database can't be reached.

    Cause: the message quotes the driver.
    Cure: fix what it names, or start the server.
    """


class ServerUnreachable(ConnectionFailed, code="SF421"):
    """No server answers at the address in the URL.

    Cause: the server is not running, listens elsewhere, or a firewall blocks it.
    Cure: start it, or fix host and port in the URL.
    """


class HostUnknown(ConnectionFailed, code="SF422"):
    """The host name in the URL can't be resolved.

    Cause: a typo, or a name that exists only inside a container's network.
    Cure: fix the host in the URL.
    """


class LoginRefused(ConnectionFailed, code="SF423"):
    """The server refused the user or the password.

    Cause: the password or the user of the URL is wrong, or the server's rules forbid the login from here.
    Cure: fix the URL; characters such as ``@``, ``:`` and ``/`` in a password are written as ``%40``, ``%3A`` and
    ``%2F``.
    """


class DatabaseNotFound(ConnectionFailed, code="SF424"):
    """The server has no database of that name.

    Cause: it was never created, or the URL has a typo.
    Cure: run ``flask db upgrade --create-database``, or fix the URL.
    """


class TooManyConnections(ConnectionFailed, code="SF425"):
    """The server has too many connections.

    Cause: the limit of the server or the account is reached.
    Cure: close unused connections, or raise the limit.
    """


class DatabaseFileUnusable(ConnectionFailed, code="SF426"):
    """The file can't be opened or is not a SQLite database.

    Cause: its folder doesn't exist or isn't writable, or the file is something else.
    Cure: create the folder, or fix the path in the URL.
    """


class DatabaseNotCreated(ConnectionFailed, code="SF427"):
    """The database could not be created.

    Cause: the account has no permission to create databases, or this kind of database has no command for it.
    Cure: create it by hand, or use an account that can.
    """


class DatabaseReadOnly(DatabaseError, code="SF430"):
    """The database is read-only.

    Cause: a standby server, a read-only mount, file or transaction.
    Cure: migrate a writable database: the primary server, a writable file.
    """


class DatabaseLocked(DatabaseError, code="SF431"):
    """Another connection has locked the database.

    Cause: a long transaction, an open shell, or another migration.
    Cure: end it, or wait for it, and run the command again.
    """


class PermissionRefused(DatabaseError, code="SF432"):
    """The database account lacks a permission that the migration needs.

    Cause: the account has too few privileges, or doesn't own the table.
    Cure: grant it, or migrate with the account that owns the schema.
    """


class DiskFull(DatabaseError, code="SF433"):
    """The database is out of disk space.

    Cause: the disk or the quota is full.
    Cure: free some space and run the command again.
    """


class ConnectionLost(DatabaseError, code="SF434"):
    """The connection broke while it was used.

    Cause: the server was stopped, a proxy's time limit passed, or an administrator ended the session.
    Cure: run the command again when the server answers.
    """


class ServerTooOld(DatabaseError, code="SF435"):
    """The server is too old for a feature of the migration.

    Cause: its version is older than the one the migration was written for.
    Cure: upgrade the server, or write the step without that feature.
    """


class SchemaWithoutHistory(DatabaseError, code="SF436"):
    """Tables exist that no migration created.

    Cause: ``db.create_all()``, an SQL dump or another tool created them.
    Cure: run ``flask db stamp`` with the revision that the message names; otherwise drop the tables and upgrade. Then
    remove ``create_all()``.
    """


class TenantMissing(DatabaseError, code="SF437"):
    """The schema or the database of a tenant doesn't exist.

    Cause: it was never created, or it was dropped while the application still lists the tenant.
    Cure: run ``flask db create-tenant NAME``, or remove it from the application's tenants.
    """


class TenantExists(DatabaseError, code="SF438"):
    """The schema or the database of the new tenant exists already.

    Cause: it was created before, or two tenants have the same schema or URL.
    Cure: run ``flask db upgrade --tenant NAME`` to upgrade it.
    """


class TenantNotCloned(DatabaseError, code="SF439"):
    """The template of a new tenant can't be cloned.

    Cause: it isn't at the head, or it is of another kind or in another database than the new tenant.
    Cure: upgrade the template, or create the tenant without one.
    """
