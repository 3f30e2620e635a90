"""The extension object and what it leaves on an application.

:class:`Migrate` holds options and does no work; :class:`State` is what one application has, and
it is ``app.extensions["migrate"]``, the name that every env.py since 2013 reads. Registering
writes no file, opens no connection, touches no logger and imports nothing heavy, because every
web worker does it and none of them migrates.
"""

from __future__ import annotations

import importlib
import os
import typing as t

from flask import current_app
from flask import Flask
from flask import has_app_context

from .lazy import LazyGroup

if t.TYPE_CHECKING:
    from .records import Revision
    from .runtime.config import Config
    from .settings import Settings
    from .targets import Target

    Callback = t.Callable[[Config], Config]
    CallbackT = t.TypeVar("CallbackT", bound=Callback)

Directory = t.Union[str, "os.PathLike[str]"]
XArg = str | t.Sequence[str] | None

EXTENSION = "migrate"
HELP = "Perform database migrations."


class State:
    """What Flask-SchemaFlow knows about one application; ``app.extensions["migrate"]``.

    :param migrate: the :class:`Migrate` that was registered.
    :param db: the database object, or ``None`` until one is given.
    :param directory: the migrations folder as it was given.
    :param configure_args: what goes to Alembic's ``context.configure()``.
    :param command: the name of the command group.
    :param models: metadata given apart from ``db``.
    """

    def __init__(
        self,
        migrate: Migrate,
        db: t.Any,
        directory: str,
        configure_args: dict[str, t.Any],
        command: str = "db",
        models: t.Any = None,
    ) -> None:
        self.migrate = migrate
        self.db = db
        self.directory = directory
        self.configure_args = configure_args
        self.command = command
        self.models = models

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

    def targets(self) -> list[Target]:
        """The databases of the application, the default one first.

        :raises DatabaseMissing: when ``Migrate`` was made without a db.
        """
        from .targets import find_targets

        if self.db is None:
            from .errors.setup import DatabaseMissing

            raise DatabaseMissing(
                "Migrate was registered without a database object.",
                hint="Pass it where the extension is made: Migrate(app, db), or migrate.init_app(app, db).",
            )
        return find_targets(self.db, self.models)


class Migrate:
    """Adds the ``flask db`` commands to an application.

    :param app: the application; without it call :meth:`init_app` later.
    :param db: the object that holds engines and metadata, usually a Flask-SQLAlchemy ``SQLAlchemy``.
    :param directory: the migrations folder: relative to the working directory or else to the
        application's root, absolute, or ``package:folder`` for one that ships in a package.
    :param command: the name of the command group.
    :param compare_type: whether ``migrate`` compares column types.
    :param render_as_batch: whether ``migrate`` writes batch operations, which SQLite needs.
    :param metadata: the models' metadata where ``db`` has none (Flask-SQLAlchemy-Lite): a ``MetaData``, several,
        or a mapping from bind to either.
    :param context_options: anything else that Alembic's ``context.configure()`` takes.

    One instance serves many applications; options given to :meth:`init_app` are that application's alone.
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
        **context_options: t.Any,
    ) -> None:
        self.db = db
        self.directory = os.fspath(directory)
        self.command = command
        self.metadata = metadata
        self.configure_callbacks: list[Callback] = []
        self.alembic_ctx_kwargs = {
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
        **context_options: t.Any,
    ) -> None:
        """Register on ``app``; what is given here wins over the constructor, for this application only.

        Nothing else is done: no file is read, no connection opened, no logger touched. The parameters are those
        of :class:`Migrate`.

        :raises AlreadyRegistered: when the application has a ``Migrate`` with a db already.
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
        )
        app.extensions[EXTENSION] = state
        app.cli.add_command(LazyGroup(state.command, source="flask_schemaflow.cli:db", help=HELP))
        app.shell_context_processor(_shell_names)

    def _refuse_second(self, app: Flask) -> None:
        """``Migrate(app)`` followed by ``init_app(app, db)`` is one registration in two steps, not two."""
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

        :param callback: may change the ``Config`` that it is given, or return another one.
        :returns: the function itself, so that this is a decorator, too.
        """
        self.configure_callbacks.append(callback)
        return callback

    def call_configure_callbacks(self, config: Config) -> Config:
        """Pass ``config`` through every registered callback, in order."""
        for callback in self.configure_callbacks:
            config = callback(config)
        return config

    def pending(self, binds: t.Sequence[str] = ()) -> list[Revision]:
        """What an upgrade of the current application's databases would apply; cheap enough for a health endpoint.

        :param binds: the names of the databases; all by default.
        :returns: the revisions in order, each once; empty when nothing is pending.
        :raises DatabaseError: when a database can't be reached.
        """
        found: list[Revision] = importlib.import_module("flask_schemaflow.commands").pending(binds=binds)
        return found

    def get_config(
        self,
        directory: Directory | None = None,
        x_arg: str | t.Sequence[str] | None = None,
        opts: t.Sequence[str] | None = None,
    ) -> Config:
        """Alembic's configuration of this application's migrations folder.

        :param directory: another folder than the registered one.
        :param x_arg: ``-x`` values for env.py.
        :param opts: names of options that env.py finds set in ``config.cmd_opts``.
        """
        from .runtime.config import load_config

        return load_config(current_state(), directory, x_arg, opts)


def current_state(app: Flask | None = None) -> State:
    """What the current application (or ``app``) has registered.

    :raises NoApplicationContext: when no application is current.
    :raises NotRegistered: when the application has no ``Migrate``.
    :raises AnotherExtension: when it has one of another package.
    """
    if app is None and not has_app_context():
        from .errors.setup import NoApplicationContext

        raise NoApplicationContext(
            "No application is current here, so its databases are unknown.",
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
            f"On the application {name!r}, the name `migrate` belongs to {type(found).__module__.partition('.')[0]}.",
            hint="Replace its import, and keep the rest: from flask_schemaflow import Migrate",
        )
    raise NotRegistered(
        f"The application {name!r} has no Flask-SchemaFlow.",
        hint="Where the application is made, add:\n    from flask_schemaflow import Migrate\n    Migrate(app, db)",
    )


def _shell_names() -> dict[str, t.Any]:
    from .shell import Inspector

    return {"schemaflow": Inspector(current_state())}
