"""SF1xx: the application, the extension object, its settings and its databases."""

from __future__ import annotations

import typing as t

from . import SchemaflowError

__all__ = [
    "AlembicUnknown",
    "AlreadyRegistered",
    "AnotherExtension",
    "ApplicationBroken",
    "ApplicationNotFound",
    "DatabaseMissing",
    "DatabaseNotInitialised",
    "DriverMissing",
    "InvalidSetting",
    "NoApplicationContext",
    "NotRegistered",
    "OtherCommandName",
    "SetupError",
    "TableQueriedAtStart",
    "UnknownBind",
    "UnusableDatabase",
    "UriMissing",
    "UrlMalformed",
]


class SetupError(SchemaflowError, RuntimeError):
    """The application or the extension is not set up for migrations.

    Cause: see the more specific errors of this family.
    Cure: see there.
    """

    code: t.ClassVar[str] = "SF100"


class NoApplicationContext(SetupError):
    """A function was called where no application is current.

    Cause: commands need the application to know its databases and its migrations folder.
    Cure: call it inside ``with app.app_context():``.
    """

    code: t.ClassVar[str] = "SF101"


class NotRegistered(SetupError):
    """The current application has no Flask-SchemaFlow.

    Cause: ``Migrate(app, db)`` or ``migrate.init_app(app, db)`` was not called for this application.
    Cure: call it where the application is made, then run the command again.
    """

    code: t.ClassVar[str] = "SF102"


class AlreadyRegistered(SetupError):
    """The extension was registered twice on one application.

    Cause: two ``Migrate(app, db)``, or ``Migrate(app, db)`` and ``init_app(app)``, for the same application.
    Cure: keep one of them.
    """

    code: t.ClassVar[str] = "SF103"


class DatabaseMissing(SetupError):
    """``Migrate`` was made without a database object.

    Cause: ``Migrate(app)`` without ``db``.
    Cure: pass the object that holds engines and metadata: ``Migrate(app, db)``.
    """

    code: t.ClassVar[str] = "SF104"


class DatabaseNotInitialised(SetupError):
    """The database object doesn't know the application.

    Cause: ``db.init_app(app)`` was not called, or two ``db`` objects exist and the wrong one was passed.
    Cure: call ``db.init_app(app)`` before the first command runs.
    """

    code: t.ClassVar[str] = "SF105"


class UnusableDatabase(SetupError):
    """The database object has no engine or no metadata that could be read.

    Cause: the object passed to ``Migrate`` has neither ``engine`` nor ``engines``, or neither
    ``metadata`` nor ``metadatas``.
    Cure: pass such an object, or give the models' metadata: ``Migrate(app, db, metadata=Base.metadata)``.
    """

    code: t.ClassVar[str] = "SF106"


class UnknownBind(SetupError):
    """A bind was named that the application doesn't have.

    Cause: a typing slip in ``--bind``, or a missing entry in ``SQLALCHEMY_BINDS``.
    Cure: use one of the names that the message lists.
    """

    code: t.ClassVar[str] = "SF107"
    exit_code: t.ClassVar[int] = 2


class InvalidSetting(SetupError):
    """A ``SCHEMAFLOW_*`` setting is unknown or has a value that can't be used.

    Cause: a typing slip in the name, or a value of the wrong kind.
    Cure: the message names the setting, its value and what is expected.
    """

    code: t.ClassVar[str] = "SF108"


class ApplicationNotFound(SetupError):
    """No Flask application was found.

    Cause: ``--app`` or ``FLASK_APP`` is missing or wrong, or the command was typed in another directory.
    Cure: ``flask --app NAME db ...``, in the project's directory.
    """

    code: t.ClassVar[str] = "SF110"
    exit_code: t.ClassVar[int] = 2


class ApplicationBroken(SetupError):
    """The application could not be loaded.

    Cause: its code raised an error.
    Cure: correct the line that the message names.
    """

    code: t.ClassVar[str] = "SF111"


class UriMissing(SetupError):
    """The application names no database.

    Cause: neither ``SQLALCHEMY_DATABASE_URI`` nor ``SQLALCHEMY_BINDS`` is set.
    Cure: set it before ``db.init_app(app)``.
    """

    code: t.ClassVar[str] = "SF112"


class DriverMissing(SetupError):
    """The Python package that speaks to the database is not installed.

    Cause: it is installed apart from SQLAlchemy.
    Cure: install the package that the message names.
    """

    code: t.ClassVar[str] = "SF113"


class UrlMalformed(SetupError):
    """A database URL can't be understood.

    Cause: a typing slip, or a character that must be escaped.
    Cure: correct it: ``dialect+driver://user:password@host:port/database``.
    """

    code: t.ClassVar[str] = "SF114"


class TableQueriedAtStart(SetupError):
    """The application queries a table while it is loaded, and only a migration will make that table.

    Cause: code at the top of a module, or in the application's factory, uses the database.
    Cure: query it when it is needed, or skip it ``if is_migrating():``.
    """

    code: t.ClassVar[str] = "SF115"


class OtherCommandName(SetupError):
    """The migration commands of this application have another name.

    Cause: ``Migrate(..., command=...)``.
    Cure: use the name that the message gives.
    """

    code: t.ClassVar[str] = "SF116"
    exit_code: t.ClassVar[int] = 2


class AnotherExtension(SetupError):
    """Another extension is registered under the name ``migrate``.

    Cause: the application uses Flask-Migrate or something like it.
    Cure: replace its import by ``from flask_schemaflow import Migrate``.
    """

    code: t.ClassVar[str] = "SF117"


class AlembicUnknown(SetupError):
    """A release of Alembic under whose own command the migrations can't be guarded.

    Cause: the ``alembic`` command of a release that is newer than this one of Flask-SchemaFlow.
    Cure: use ``flask db``, or upgrade Flask-SchemaFlow.
    """

    code: t.ClassVar[str] = "SF118"
