"""The extension object and its state on an application.

:class:`Migrate` holds options and does no work; :class:`State` is the state of one application, and it is
``app.extensions["migrate"]``, the name that every env.py since 2013 reads. Registering writes no file, opens no
connection, touches no logger and imports nothing heavy, because every web worker does it and none of them migrates.
"""

from __future__ import annotations

import os
import sys
import typing as t

from flask import current_app
from flask import Flask
from flask import has_app_context

from ._lazy import resolve
from .lazy_group import LazyGroup

if t.TYPE_CHECKING:
    from sqlalchemy import Engine

    from .records import Revision
    from .revisions.config import Config
    from .settings import Settings
    from .targets import Target
    from .targets import Tenant

    Tenants = t.Callable[[], t.Iterable[Tenant]] | t.Iterable[Tenant] | str | None
    Callback = t.Callable[[Config], Config]
    CallbackT = t.TypeVar("CallbackT", bound=Callback)

Directory = t.Union[str, "os.PathLike[str]"]
XArg = str | t.Sequence[str] | None

EXTENSION = "migrate"
HELP = "Manage database migrations."


class State:
    """The state of one application; ``app.extensions["migrate"]``.

    :param migrate: the :class:`Migrate` that was registered.
    :param db: the database object, or ``None`` until one is given.
    :param directory: the migrations folder as it was given.
    :param configure_args: arguments for Alembic's ``context.configure()``.
    :param command: the name of the command group.
    :param models: metadata given apart from ``db``.
    :param tenants: the tenants, or a function that returns them.
    :param accept: called with each connection that env.py passes to Alembic, before anything is read or written there;
        raises to refuse it. Tests set it.
    """

    def __init__(
        self,
        migrate: Migrate,
        db: t.Any,
        directory: str,
        configure_args: dict[str, t.Any],
        command: str = "db",
        models: t.Any = None,
        tenants: Tenants = None,
        accept: t.Callable[[t.Any], None] | None = None,
    ) -> None:
        self.migrate = migrate
        self.db = db
        self.directory = directory
        self.configure_args = configure_args
        self.command = command
        self.models = models
        self.tenants = tenants
        self.accept = accept

    @property
    def metadata(self) -> t.Any:
        """The metadata of the default database; read by env.py files of Flask-Migrate 0.x."""
        return getattr(self.db, "metadata", self.models)

    @property
    def settings(self) -> Settings:
        """The ``SCHEMAFLOW_*`` settings, checked.

        :raises InvalidSetting: names the setting that is wrong.
        """
        from .settings import Settings

        return Settings.from_config(current_app.config)

    def replaced_engines(self) -> dict[Engine, Engine | None]:
        """Return the application's engines that a run must not reach, because it works on a scratch database.

        The values are the engine of the scratch database, ``None`` where there is none in the place of a database.
        """
        return {}

    def targets(self) -> list[Target]:
        """Return the databases of the application, the default one first; within a tenant's block the tenant's alone.

        :raises DatabaseMissing: if ``Migrate`` was created without a db.
        """
        from .targets import current_tenant
        from .targets import find_targets

        tenant = current_tenant()
        if tenant is not None:
            return [tenant]

        if self.db is None:
            from .errors.setup import DatabaseMissing

            raise DatabaseMissing(
                "Migrate was registered without a database object.",
                hint="Pass it to the extension: Migrate(app, db), or migrate.init_app(app, db).",
            )
        return find_targets(self.db, self.models)


class Migrate:
    """The extension, which adds the ``flask db`` commands to an application.

    :param app: the application; without it call :meth:`init_app` later.
    :param db: the object that holds engines and metadata, usually a Flask-SQLAlchemy ``SQLAlchemy``.
    :param directory: the migrations folder: relative to the working directory or else to the
        application's root, absolute, or ``package:folder`` for one that ships in a package.
    :param command: the name of the command group.
    :param compare_type: whether ``migrate`` compares column types.
    :param render_as_batch: whether ``migrate`` writes batch operations, which SQLite needs.
    :param metadata: the models' metadata if ``db`` has none (Flask-SQLAlchemy-Lite): a ``MetaData``, several,
        or a mapping from bind to either.
    :param tenants: a function that yields a :class:`Tenant` for each schema or database with tables like the default
        database's, or its name as ``module:function``; ``SCHEMAFLOW_TENANTS`` by default.
    :param context_options: other arguments of Alembic's ``context.configure()``.

    One instance serves many applications; options of :meth:`init_app` apply to that application only.
    """

    def __init__(
        self,
        app: Flask | None = None,
        db: t.Any = None,
        directory: Directory = "migrations",
        command: str = "db",
        compare_type: t.Any = True,
        render_as_batch: bool = True,
        *,
        metadata: t.Any = None,
        tenants: Tenants = None,
        **context_options: t.Any,
    ) -> None:
        self.db = db
        self.directory: str = os.fspath(directory)
        self.command = command
        self.metadata = metadata
        self.tenants = tenants
        self.configure_callbacks: list[Callback] = []
        self.alembic_ctx_kwargs: dict[str, t.Any] = {
            **context_options,
            "compare_type": compare_type,
            "render_as_batch": render_as_batch,
        }
        if app is not None:
            self.init_app(app)

    def init_app(
        self,
        app: Flask,
        db: t.Any = None,
        directory: Directory | None = None,
        command: str | None = None,
        compare_type: t.Any = None,
        render_as_batch: bool | None = None,
        *,
        metadata: t.Any = None,
        tenants: Tenants = None,
        **context_options: t.Any,
    ) -> None:
        """Register on ``app``. For this application, options given here override the constructor's.

        The parameters are those of :class:`Migrate`.

        :raises AlreadyRegistered: if the application has a ``Migrate`` with a db already.
        """
        self._refuse_second(app)
        options = {**self.alembic_ctx_kwargs, **context_options}
        if compare_type is not None:
            options["compare_type"] = compare_type
        if render_as_batch is not None:
            options["render_as_batch"] = render_as_batch
        state = State(
            migrate=self,
            db=self.db if db is None else db,
            directory=self.directory if directory is None else os.fspath(directory),
            configure_args=options,
            command=command or self.command,
            models=self.metadata if metadata is None else metadata,
            tenants=self.tenants if tenants is None else tenants,
        )
        app.extensions[EXTENSION] = state
        app.cli.add_command(LazyGroup(state.command, source="flask_schemaflow.cli.group:db", help=HELP))
        app.shell_context_processor(_shell_names)
        from . import hooks  # here, so that commands of applications without Migrate don't load it

        hooks.install(app)

    def _refuse_second(self, app: Flask) -> None:
        """Refuse a second registration; ``Migrate(app)`` and then ``init_app(app, db)`` are two steps of one."""
        present = app.extensions.get(EXTENSION)
        if present is None or (getattr(present, "migrate", None) is self and present.db is None):
            return
        from .errors.setup import AlreadyRegistered

        raise AlreadyRegistered(
            f"A Migrate is already registered on the application {app.name!r}.",
            hint="Keep one of them: Migrate(app, db), or migrate = Migrate() and later migrate.init_app(app, db).",
        )

    def configure(self, callback: CallbackT) -> CallbackT:
        """Register a function that gets Alembic's ``Config`` before each command and returns it.

        :param callback: changes the ``Config`` that it gets, or returns another one.
        :returns: the function itself, so that ``configure`` can be used as a decorator.
        """
        self.configure_callbacks.append(callback)
        return callback

    def call_configure_callbacks(self, config: Config) -> Config:
        """Pass ``config`` through every registered callback, in order."""
        for callback in self.configure_callbacks:
            config = callback(config)
        return config

    def pending(self, binds: t.Sequence[str] = ()) -> list[Revision]:
        """Return the revisions that an upgrade would apply; cheap enough for a health endpoint.

        :param binds: the names of the databases; all by default.
        :returns: the revisions in order, each once; empty if nothing is pending.
        :raises DatabaseError: if a database can't be reached.
        """
        pending: t.Callable[..., list[Revision]] = resolve("flask_schemaflow.commands:pending")
        return pending(binds=binds)

    def drifted(self, binds: t.Sequence[str] = ()) -> list[str]:
        """Return the tables that were changed without a revision since the last upgrade; for a health endpoint.

        :param binds: the names of the databases; all by default.
        :returns: each table as ``database.table``; ``flask db drift`` shows the differences.
        :raises DatabaseError: if a database can't be reached.
        """
        status: t.Callable[..., t.Any] = resolve("flask_schemaflow.commands:status")
        return [f"{record.database}.{table}" for record in status(binds=binds) for table in record.drifted]

    def get_config(
        self,
        directory: Directory | None = None,
        x_arg: str | t.Sequence[str] | None = None,
        opts: t.Sequence[str] | None = None,
    ) -> Config:
        """Return Alembic's configuration of this application's migrations folder.

        :param directory: the migrations folder, if it isn't the registered one.
        :param x_arg: ``-x`` values for env.py.
        :param opts: names of options to set in ``config.cmd_opts``, where env.py reads them.
        """
        load_config: t.Callable[..., Config] = resolve("flask_schemaflow.revisions.config:load_config")
        return load_config(current_state(), directory, x_arg, opts)


def current_state(app: Flask | None = None) -> State:
    """Return the state of the current application, or of ``app``.

    :raises NoApplicationContext: if no application is current.
    :raises NotRegistered: if the application has no ``Migrate``.
    :raises AnotherExtension: if it has one of another package.
    """
    if app is None and not has_app_context():
        from .errors.setup import NoApplicationContext

        raise NoApplicationContext(
            "No application context is active.",
            hint="Call it inside `with app.app_context():`.",
        )
    found = (app or current_app).extensions.get(EXTENSION)
    if isinstance(found, State):
        return found
    from .errors.setup import AnotherExtension
    from .errors.setup import NotRegistered

    name = (app or current_app).name
    if found is not None:
        raise AnotherExtension(
            f"The application {name!r} already uses {type(found).__module__.partition('.')[0]} as its `migrate` "
            "extension.",
            hint="Replace its import, and keep the rest: from flask_schemaflow import Migrate",
        )
    raise NotRegistered(
        f"The application {name!r} has no Flask-SchemaFlow.",
        hint="In your application factory, add:\n    from flask_schemaflow import Migrate\n    Migrate(app, db)",
    )


def _shell_names() -> dict[str, t.Any]:
    return {"schemaflow": resolve("flask_schemaflow.shell:Inspector")(current_state())}


_WITH_VALUE = ("-A", "--app", "-e", "--env-file")


def is_migrating(command: str = "db") -> bool:
    """Return whether a ``flask db`` command or a migration runs, also while the command still loads the application.

    An application that reads a table at start-up can skip that if this returns true, because the migration that
    creates the table may not have run yet::

        if not is_migrating():
            load_settings_from_database()

    :param command: the name of the command group, if ``Migrate(..., command=...)`` sets another one.
    """
    running = sys.modules.get(f"{__package__}.runtime.environment")
    if running is not None and running.is_running():
        return True
    if os.path.basename(sys.argv[0]).removesuffix(".exe") == "alembic":
        return True
    return _is_flask(sys.argv[0]) and _first_argument(sys.argv[1:]) == command


def _is_flask(program: str) -> bool:
    """Return whether the program is ``flask``, or ``python -m flask``, which runs a file of that package."""
    folder, name = os.path.split(program)
    stem = name.removesuffix(".exe").removesuffix("-script.py")
    return stem == "flask" or (name == "__main__.py" and os.path.basename(folder) == "flask")


def _first_argument(arguments: list[str]) -> str:
    waiting = iter(arguments)
    for argument in waiting:
        if argument in _WITH_VALUE:
            next(waiting, None)
        elif not argument.startswith("-"):
            return argument
    return ""
