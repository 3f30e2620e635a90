"""SF53x: the database could not be saved before a run, so the run did not start."""

from __future__ import annotations

import typing as t

from .running import RunError

__all__ = [
    "BackupBehindPooler",
    "BackupError",
    "BackupFailed",
    "BackupFolderUnusable",
    "BackupToolMissing",
    "BackupUnsupported",
]


class BackupError(RunError):
    """The database could not be saved before a run, so the run did not start.

    Cause: see the more specific errors of this family.
    Cure: see there; or run without a backup: ``--no-backup``.
    """

    code: t.ClassVar[str] = "SF530"


class BackupToolMissing(BackupError):
    """The program that saves databases of this kind is not installed.

    Cause: PostgreSQL is saved by ``pg_dump``, MariaDB by ``mariadb-dump``, MySQL by ``mysqldump``; they come with the
    clients of these databases, which an application's image often lacks.
    Cure: install the client's package.
    """

    code: t.ClassVar[str] = "SF531"


class BackupFolderUnusable(BackupError):
    """The folder for backups can't be made or written.

    Cause: its rights, a read-only file system, or a file of that name.
    Cure: correct that, or name another folder: ``SCHEMAFLOW_BACKUP_DIRECTORY``.
    """

    code: t.ClassVar[str] = "SF532"


class BackupFailed(BackupError):
    """Saving the database failed, and nothing was kept of what was written until then.

    Cause: the message quotes the program: a full disk, a refused password, a client older than the server.
    Cure: correct what it names and run the command again.
    """

    code: t.ClassVar[str] = "SF533"


class BackupBehindPooler(BackupError):
    """A connection pooler stands between this machine and the PostgreSQL server, so it can't be saved from here.

    Cause: ``pg_dump`` changes settings of its session (``search_path``), and PgBouncer in transaction mode would leave
    them to the application's own connections.
    Cure: run migrations over an address that leads to the server itself.
    """

    code: t.ClassVar[str] = "SF534"


class BackupUnsupported(BackupError):
    """Databases of this kind can't be saved by Flask-SchemaFlow.

    Cause: it knows SQLite, PostgreSQL, MariaDB and MySQL.
    Cure: save it with the database's own tools, then run with ``--no-backup``.
    """

    code: t.ClassVar[str] = "SF535"
