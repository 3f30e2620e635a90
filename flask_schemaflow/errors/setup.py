"""SF1xx: the application, the extension object, its settings and its databases."""

from __future__ import annotations

from . import SchemaflowError


class SetupError(SchemaflowError, RuntimeError, code="SF100"):
    """The application or the extension is not set up for migrations.

    Cause: base class of this family.
    Cure: see the specific error.
    """


class NoApplicationContext(SetupError, code="SF101"):
    """A function was called outside an application context.

    Cause: commands read the databases and the migrations folder from the application.
    Cure: call it inside ``with app.app_context():``.
    """


class NotRegistered(SetupError, code="SF102"):
    """Flask-SchemaFlow is not registered on the current application.

    Cause: ``Migrate(app, db)`` or ``migrate.init_app(app, db)`` was not called for this application.
    Cure: call it in your application factory.
    """


class AlreadyRegistered(SetupError, code="SF103"):
    """The extension was registered twice on one application.

    Cause: two ``Migrate(app, db)``, or ``Migrate(app, db)`` and ``init_app(app)``, for the same application.
    Cure: keep one of them.
    """


class DatabaseMissing(SetupError, code="SF104"):
    """``Migrate`` was created without a database object.

    Cause: ``Migrate(app)`` without ``db``.
    Cure: pass the object that holds engines and metadata: ``Migrate(app, db)``.
    """


class DatabaseNotInitialised(SetupError, code="SF105"):
    """The database object is not initialised with the application.

    Cause: ``db.init_app(app)`` was not called, or two ``db`` objects exist and the wrong one was passed.
    Cure: call ``db.init_app(app)`` before the first command runs.
    """


class UnusableDatabase(SetupError, code="SF106"):
    """The database object has no usable engine or metadata.

    Cause: the object passed to ``Migrate`` has neither ``engine`` nor ``engines``, or neither ``metadata`` nor
    ``metadatas``.
    Cure: pass such an object, or give the models' metadata: ``Migrate(app, db, metadata=Base.metadata)``.
    """


class UnknownBind(SetupError, code="SF107", exit_code=2):
    """The application has no bind with this name.

    Cause: a typo in ``--bind``, or a missing entry in ``SQLALCHEMY_BINDS``.
    Cure: use one of the names that the message lists.
    """


class InvalidSetting(SetupError, code="SF108"):
    """A ``SCHEMAFLOW_*`` setting is unknown or invalid.

    Cause: a typo in the name, or a value of the wrong kind.
    Cure: the message names the setting, its value and what is expected.
    """


class ApplicationNotFound(SetupError, code="SF110", exit_code=2):
    """No Flask application was found.

    Cause: ``--app`` or ``FLASK_APP`` is missing or wrong, or you are in another directory.
    Cure: run ``flask --app NAME db ...`` in the project's directory.
    """


class ApplicationBroken(SetupError, code="SF111"):
    """The application could not be loaded.

    Cause: its code raised an error.
    Cure: fix the line that the message names.
    """


class UriMissing(SetupError, code="SF112"):
    """No database is configured.

    Cause: neither ``SQLALCHEMY_DATABASE_URI`` nor ``SQLALCHEMY_BINDS`` is set.
    Cure: set it before ``db.init_app(app)``.
    """


class DriverMissing(SetupError, code="SF113"):
    """The database driver is not installed.

    Cause: SQLAlchemy doesn't install drivers.
    Cure: install the package that the message names.
    """


class UrlMalformed(SetupError, code="SF114"):
    """A database URL is malformed.

    Cause: a typo, or an unescaped special character.
    Cure: fix it: ``dialect+driver://user:password@host:port/database``.
    """


class TableQueriedAtStart(SetupError, code="SF115"):
    """The application queries a table at import time, before a migration has created it.

    Cause: code at the top of a module, or in the application factory, needs a table, column or enum value that does not
    exist yet.
    Cure: move the query into a view or function, or run it only ``if not is_migrating():``.
    """


class OtherCommandName(SetupError, code="SF116", exit_code=2):
    """The migration commands of this application have another name.

    Cause: ``Migrate(..., command=...)`` gives them that name.
    Cure: use the name that the message gives.
    """


class AnotherExtension(SetupError, code="SF117"):
    """Another extension is registered under the name ``migrate``.

    Cause: the application uses Flask-Migrate or a similar extension.
    Cure: replace its import with ``from flask_schemaflow import Migrate``.
    """


class AlembicUnknown(SetupError, code="SF118"):
    """Flask-SchemaFlow does not support the ``alembic`` command of this Alembic release.

    Cause: the release is newer than this one of Flask-SchemaFlow.
    Cure: use ``flask db``, or upgrade Flask-SchemaFlow.
    """


class InvalidTenant(SetupError, code="SF119"):
    """A tenant of the application is invalid.

    Cause: it has no name, it has neither a schema nor a URL, its name is taken, or its database has no schemas.
    Cure: fix what the function given to ``Migrate(tenants=...)`` yields.
    """


class TenantsMissing(SetupError, code="SF120"):
    """The application has no tenants.

    Cause: neither ``Migrate(tenants=...)`` nor ``SCHEMAFLOW_TENANTS`` is set, or the function yields none.
    Cure: pass a function that yields a ``Tenant`` for each of them.
    """


class UnknownTenant(SetupError, code="SF121", exit_code=2):
    """The application has no tenant of that name.

    Cause: a typo, or a tenant that was removed.
    Cure: use a name that ``flask db status --all-tenants`` lists.
    """


class TenantBypassed(SetupError, code="SF122"):
    """env.py connects to another database than the tenant's.

    Cause: it creates an engine of its own, from a URL that is not the tenant's.
    Cure: replace env.py with ``flask db doctor --fix``, or connect with ``migrate.db.engine`` in it.
    """


class UpgradeWithoutTenants(SetupError, code="SF123", exit_code=2):
    """A plain upgrade would create the tables of tenants in the default schema.

    Cause: ``flask db upgrade`` without ``--tenant`` or ``--all-tenants``, while each tenant is a schema of the default
    database.
    Cure: ``flask db upgrade --all-tenants``; ``flask db upgrade --bind default`` if the tables belong there, too.
    """
