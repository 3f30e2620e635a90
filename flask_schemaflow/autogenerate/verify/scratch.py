"""Scratch databases beside the application's own, and runs on them: with every guard and without env.py.

The options that env.py passed to ``context.configure()`` are kept, and passed again for the scratch database.
"""

from __future__ import annotations

import contextlib
import copy
import secrets
import typing as t

import sqlalchemy as sa
from alembic.runtime.environment import EnvironmentContext
from alembic.script import Script
from sqlalchemy import event
from sqlalchemy.pool import NullPool

from ...extension import State
from ...runtime import planning
from ...runtime.environment import Environment
from ...runtime.guard import MYSQL
from ...runtime.run import Options
from ...settings import Settings
from ...targets import Target
from ...targets import TenantTarget
from ..operations import Key
from ..reflection.foreign_tables import Filter

PREFIX = "schemaflow_verify_"
"""What the names of scratch databases begin with."""

_SYNCHRONOUS = {"asyncpg": "psycopg", "aiomysql": "pymysql", "asyncmy": "pymysql", "aiosqlite": "pysqlite"}


class Unverifiable(Exception):
    """Raised when a revision can't be verified here; the text is the reason in a few words."""


def fresh_name() -> str:
    """Return a name that no database has."""
    return PREFIX + secrets.token_hex(6)


@contextlib.contextmanager
def source_of(target: Target) -> t.Iterator[sa.Engine]:
    """Yield an engine of the application's database that doesn't need asyncio."""
    if not target.is_async:
        yield target.sync_engine
        return
    url = target.sync_engine.url
    driver = _SYNCHRONOUS.get(url.get_driver_name(), url.get_driver_name())
    try:
        engine = sa.create_engine(url.set(drivername=f"{url.get_backend_name()}+{driver}"), poolclass=NullPool)
    except ImportError:
        raise Unverifiable(f"the synchronous driver {driver} is not installed") from None
    try:
        yield engine
    finally:
        engine.dispose()


def beside(engine: sa.Engine, **changes: t.Any) -> sa.Engine:
    """Return an engine that connects as ``engine`` does, to another database.

    :param changes: what of its URL is different.
    """
    return sa.create_engine(engine.url.set(**changes), poolclass=NullPool, connect_args=_connect_arguments(engine))


def _connect_arguments(engine: sa.Engine) -> dict[str, t.Any]:
    """Return the driver's arguments besides those of the URL, such as certificates."""
    passed: dict[str, t.Any] = {}

    def note(dialect: t.Any, record: t.Any, arguments: t.Any, keywords: dict[str, t.Any]) -> None:
        passed.update(keywords)

    event.listen(engine, "do_connect", note)
    try:
        pool = engine.pool.recreate()
        pool.connect().close()
        pool.dispose()
    finally:
        event.remove(engine, "do_connect", note)
    known = set(engine.dialect.create_connect_args(engine.url)[1])
    return {name: value for name, value in passed.items() if name not in known}


def given(settings: Settings, engine: sa.Engine) -> sa.Engine | None:
    """Return the empty database of the setting ``verify_database_url``, if there is one.

    :raises Unverifiable: when it is of another kind, or not empty.
    """
    if settings.verify_database_url is None:
        return None
    url = sa.make_url(settings.verify_database_url)
    if url.get_backend_name() != engine.url.get_backend_name():
        raise Unverifiable(f"SCHEMAFLOW_VERIFY_DATABASE_URL is no {engine.url.get_backend_name()} database")
    chosen = sa.create_engine(url, poolclass=NullPool)
    with chosen.connect() as connection:
        tables = tables_of(connection)
    if tables:
        raise Unverifiable(f"the database of SCHEMAFLOW_VERIFY_DATABASE_URL isn't empty: it has {tables[0].name}")
    return chosen


def tables_of(connection: sa.Connection) -> list[sa.Table]:
    """Return all tables of a database, in every schema of the user's."""
    metadata = sa.MetaData()
    for schema in user_schemas(connection):
        metadata.reflect(connection, schema=schema, resolve_fks=False)
    return list(metadata.tables.values())


@contextlib.contextmanager
def autocommitting(engine: sa.Engine) -> t.Iterator[sa.Connection]:
    """Yield a connection whose statements are committed one by one, as those on databases and schemas have to be."""
    with engine.connect() as connection:
        yield connection.execution_options(isolation_level="AUTOCOMMIT")


Fill = t.Callable[[sa.Engine, sa.Engine], None]
"""Puts the schema of one database into another."""


@contextlib.contextmanager
def server_copy(
    source: sa.Engine,
    settings: Settings,
    create: t.Callable[[sa.Connection, str], str],
    fill: Fill,
    empty: t.Callable[[sa.Engine], None],
) -> t.Iterator[sa.Engine]:
    """Yield the database of the setting, emptied afterwards, or a new one beside ``source``, dropped afterwards.

    :param create: creates a database of this name, and returns the statement that drops it.
    """
    chosen = given(settings, source)
    if chosen is not None:
        try:
            fill(source, chosen)
            yield chosen
        finally:
            empty(chosen)
        return
    with new_database(source, create) as scratch:
        fill(source, scratch)
        yield scratch


@contextlib.contextmanager
def new_database(server: sa.Engine, create: t.Callable[[sa.Connection, str], str]) -> t.Iterator[sa.Engine]:
    """Yield an engine of a new database, dropped afterwards.

    :param create: creates a database of this name, and returns the statement that drops it.
    :raises NotAllowed: if the user may not create it.
    """
    name = fresh_name()
    with autocommitting(server) as connection:
        try:
            drop = create(connection, name)
        except sa.exc.DBAPIError as error:
            raise NotAllowed(_not_allowed(server)) from error
    try:
        yield beside(server, database=name)
    finally:
        with autocommitting(server) as connection:
            connection.exec_driver_sql(drop)


class NotAllowed(Unverifiable):
    """Raised when the user may not create a scratch database; the text has the statement that allows it."""


def _not_allowed(server: sa.Engine) -> str:
    user = server.url.username or "the user"
    if server.dialect.name == "postgresql":
        kinds, grants = "a scratch database or a schema for it", (
            f'`ALTER ROLE "{user}" CREATEDB` or `GRANT CREATE ON DATABASE "{server.url.database}" TO "{user}"`'
        )
    else:
        kinds, grants = "a scratch database", f"`GRANT ALL ON `schemaflow_verify_%`.* TO '{user}'@'%'`"
    return (
        f"{user} has no permission to create {kinds}; {grants} allows it, or name an empty database in "
        "SCHEMAFLOW_VERIFY_DATABASE_URL"
    )


def is_own_schema(connection: sa.Connection) -> bool:
    """Return whether a connection is to a scratch schema, beside the schemas of the application."""
    name = str(connection.dialect.default_schema_name or "")
    return connection.dialect.name == "postgresql" and name.startswith(PREFIX)


def user_schemas(connection: sa.Connection) -> list[str | None]:
    """Return the schemas that aren't the server's own, ``None`` for the default one, which comes first.

    On MariaDB and MySQL the others are other databases, and no part of this one. Beside a scratch schema of PostgreSQL
    they are the application's.
    """
    if connection.dialect.name in MYSQL or is_own_schema(connection):
        return [None]
    own = {connection.dialect.default_schema_name, "information_schema", "temp"}
    names = sa.inspect(connection).get_schema_names()
    return [None, *sorted(name for name in names if name not in own and not name.startswith("pg_"))]


def write_heads(connection: sa.Connection, options: t.Mapping[str, t.Any], heads: t.Iterable[str]) -> None:
    """Fill the version table, which was copied without its rows."""
    table = sa.table(
        options.get("version_table") or "alembic_version",
        sa.column("version_num"),
        schema=options.get("version_table_schema"),
    )
    for head in heads:
        connection.execute(table.insert().values(version_num=head))


def configured_options(environment: Environment, bind: str | None) -> dict[str, t.Any] | None:
    """Return the options that env.py passed to ``context.configure()``; ``None`` if it configured no such bind."""
    options = environment.last_run.configured.get(bind)
    return None if options is None else dict(options)


class ScratchState(State):
    """The application's registration with one scratch database in place of its own databases."""

    target: Target
    originals: list[Target]

    @classmethod
    def of(cls, state: State, target: Target) -> ScratchState:
        """Return the same registration with another database.

        :param target: the scratch database.
        """
        scratch_state = cls(**vars(state))
        scratch_state.target, scratch_state.originals = target, state.targets()
        scratch_state.accept = None  # it is no database of the application's
        return scratch_state

    @property
    def settings(self) -> Settings:
        # No other process uses the scratch database: nothing to wait for, to resume or to back up. Sessions always join
        # the run, so that none reaches the application's rows.
        return super().settings.changed(lock="off", journal=False, backup="never", share_session=True)

    def targets(self) -> list[Target]:
        return [self.target]

    def replaced_engines(self) -> dict[sa.Engine, sa.Engine | None]:
        scratch, found = self.target.sync_engine, dict[sa.Engine, sa.Engine | None]()
        for target in self.originals:
            found[target.sync_engine] = scratch if target.bind == self.target.bind else None
            if isinstance(target, TenantTarget):  # whose revisions use the engine of the default database
                replaced = t.cast(sa.Engine, getattr(target.replaced, "sync_engine", target.replaced))
                found[replaced] = scratch
        return found


class ScratchEnvironment(Environment):
    """The migrations folder as it is now, for a scratch database.

    :param environment: the application's own.
    :param target: the scratch database.
    :param options: what env.py passes to ``context.configure()`` for the database that it is a copy of.
    :ivar memo: what SQLAlchemy keeps in a run, if further runs are to be a part of it: the types of PostgreSQL that it
        has created with a table, which it then takes for granted.
    """

    memo: dict[str, t.Any] | None = None

    def __init__(self, environment: Environment, target: Target, options: dict[str, t.Any]) -> None:
        config = copy.copy(environment.config)
        config.attributes = dict(environment.config.attributes)  # whose run stays the one of the application
        super().__init__(ScratchState.of(environment.state, target), config)
        self._target = target
        self.options = options

    def run_env(self, env: EnvironmentContext) -> None:
        """Do for one database what env.py does."""
        with self._target.sync_engine.connect() as connection:
            env.configure(connection=connection, **self.options)
            if self.memo is not None:
                env.get_context().impl.memo = self.memo
            with env.begin_transaction():
                env.run_migrations()

    def upgrade(self, revision: str) -> None:
        """Apply the missing revisions up to ``revision``."""
        self._run_steps(planning.upgrade_steps, revision)

    def apply(self, revision: Script) -> None:
        """Apply one revision, and what is missing before it."""
        self.upgrade(revision.revision)

    def downgrade(self, revision: str) -> None:
        """Revert the revisions after ``revision``."""
        self._run_steps(planning.downgrade_steps, revision)

    def revert(self, revision: Script) -> None:
        """Revert one revision, which is a head of the scratch database."""
        self.run(lambda heads, context: planning.one_step_down(self.script, revision), Options("write"))

    def _run_steps(self, plan: t.Callable[..., t.Any], revision: str) -> None:
        self.run(
            lambda heads, context: plan(self.script, revision, heads), Options("write"), destination_rev=revision
        )

    def leave_out(self, tables: t.Collection[Key]) -> None:
        """Have the models compared without these tables."""

        def accepts_name(name: t.Any, kind: str, parents: t.Any) -> bool:
            return kind != "table" or (parents.get("schema_name"), name) not in tables

        def accepts_object(item: t.Any, name: t.Any, kind: str, *rest: t.Any) -> bool:
            return kind != "table" or (item.schema if item.schema != "main" else None, name) not in tables

        for option, accepts in (("include_name", accepts_name), ("include_object", accepts_object)):
            self.options[option] = Filter(accepts, self.options.get(option))

    @property
    def engine(self) -> sa.Engine:
        """The engine of the scratch database."""
        return self._target.sync_engine

    def connect(self) -> sa.Connection:
        """Open a connection to the scratch database."""
        return self._target.sync_engine.connect()
