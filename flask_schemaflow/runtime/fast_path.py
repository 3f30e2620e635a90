"""Answers without Alembic and env.py, and a precheck of the version table before anything is locked.

Importing Alembic and running env.py costs more than most answers: a readiness check would pay a quarter of a second
for one row. With the packaged env.py, a plain alembic.ini and no callbacks it is known what env.py would do, so the
version table is read directly and the revision files by their headers. If that isn't certain, the answer is ``None``
and the caller asks Alembic.

The precheck serves runs through env.py that find nothing to do, as most upgrades do: it costs one round trip, and
such a run needs no guards. If a run has steps after all, it is started over without the precheck.
"""

from __future__ import annotations

import contextlib
import functools
import os
import pathlib
import re
import typing as t

import sqlalchemy as sa

from ..extension import current_state
from ..extension import Directory
from ..extension import State
from ..records import Current
from ..records import Revision
from ..records import Standing
from ..revisions.graph import NotCertain
from ..revisions.graph import RevisionIndex
from ..revisions.graph import unknown_record
from ..revisions.location import governing_pyproject
from ..revisions.location import locate
from ..revisions.location import read_ini
from ..targets import current_tenant
from .own_tables import modelled_tables
from .own_tables import read_versions

if t.TYPE_CHECKING:
    from sqlalchemy import Connection

    from ..targets import Target
    from .guard import Scope

_TEMPLATE = pathlib.Path(__file__).parent.parent / "templates" / "flask"
_PACKAGED = re.compile(
    r"""\s*(?:\"{3}[^"\\]*\"{3})?\s*from\s+flask_schemaflow\s+import\s+run_env\s+run_env\(\)\s*""", re.ASCII
)
# Options of alembic.ini that say nothing about which revisions there are, nor where they are applied.
_HARMLESS = {
    "file_template",
    "here",
    "output_encoding",
    "path_separator",
    "revision_environment",
    "script_location",
    "timezone",
    "truncate_slug_length",
}


Answer = t.TypeVar("Answer")


def lightly(question: t.Callable[[LightFolder], Answer], directory: Directory | None = None) -> Answer | None:
    """Return the answer to ``question`` about the current application's folder, or ``None`` if only Alembic can tell.

    :param directory: another folder than the registered one.
    :raises SchemaflowError: for what is wrong with the application or its settings.
    """
    state = current_state()
    try:
        folder = _light_folder(state, directory)
        return None if folder is None else question(folder)
    except (NotCertain, OSError, UnicodeDecodeError):
        return None


def _light_folder(state: State, directory: Directory | None) -> LightFolder | None:
    """Return the folder of ``state`` if everything about it is plain, else ``None``."""
    if state.migrate.configure_callbacks:
        return None
    folder = locate(state.directory if directory is None else directory)
    if not _is_plain(folder) or governing_pyproject(folder) is not None:
        return None
    return LightFolder(state, str(folder / "versions"))


def _is_plain(folder: pathlib.Path) -> bool:
    """Return whether env.py and alembic.ini say only where the revisions are."""
    if not (folder / "script.py.mako").is_file():
        return False
    if not _is_as_made(folder / "env.py", "env.py") and not _only_runs(folder / "env.py"):
        return False
    return _is_as_made(folder / "alembic.ini", "alembic.ini.mako") or _is_harmless(folder / "alembic.ini")


def _is_as_made(path: pathlib.Path, template: str) -> bool:
    """Return whether a file is as ``init`` wrote it, which is quicker to see than to parse it."""
    return path.read_bytes() == (_TEMPLATE / template).read_bytes()


def _only_runs(env: pathlib.Path) -> bool:
    """Return whether an env.py that was edited still does nothing but call ``run_env()``."""
    return _PACKAGED.fullmatch(env.read_text("utf-8")) is not None


def _is_harmless(ini: pathlib.Path) -> bool:
    parser = read_ini(ini, {"here": ini.parent.as_posix()})
    return parser.has_section("alembic") and set(parser.options("alembic")) <= _HARMLESS


_DIALECTS = ("postgresql", "mysql", "mariadb")


def finds_nothing_to_do(scope: Scope, pending: t.Callable[[t.Any], bool]) -> bool:
    """Return whether the version table says that the run has no steps.

    A connection that is in a transaction isn't looked through, because the look would fix what that transaction sees.

    :param pending: whether there are steps from these heads.
    :returns: false also where it can't be told.
    """
    if scope.dialect not in _DIALECTS or scope.connection.in_transaction():
        return False
    try:
        with _outside_transactions(scope.connection):
            heads = _heads(scope)
    except Exception:  # no version table yet, no right to read it: the run itself will say
        heads = ()
    if heads:
        with contextlib.suppress(Exception):
            if not pending(heads):
                return True
    with contextlib.suppress(Exception):
        scope.connection.connection.rollback()  # what MariaDB saw here is not to be seen again behind the lock
    return False


def _heads(scope: Scope) -> tuple[str, ...]:
    table = sa.Table(scope.version_table, sa.MetaData(), schema=scope.version_table_schema)
    cursor = scope.connection.connection.cursor()
    try:
        cursor.execute(f"SELECT version_num FROM {scope.connection.dialect.identifier_preparer.format_table(table)}")
        return tuple(row[0] for row in cursor.fetchall())
    finally:
        cursor.close()


@contextlib.contextmanager
def _outside_transactions(connection: sa.Connection) -> t.Iterator[None]:
    """Save PostgreSQL's drivers the ``BEGIN`` and ``ROLLBACK`` around one query."""
    driver: t.Any = connection.connection.dbapi_connection
    if connection.dialect.name != "postgresql" or getattr(driver, "autocommit", True):
        yield
        return
    driver.autocommit = True
    try:
        yield
    finally:
        driver.autocommit = False


class LightFolder:
    """A migrations folder that can be read without Alembic.

    :param state: the registration of the application that it belongs to.
    :param versions: where its revision files are.

    Every method raises :class:`NotCertain` where only Alembic can answer.
    """

    def __init__(self, state: State, versions: str) -> None:
        self.state = state
        self._versions = versions

    @functools.cached_property
    def index(self) -> RevisionIndex:
        """The graph of the revisions."""
        return RevisionIndex.read(self._versions)

    def heads(self, effective: bool = False) -> list[Revision]:
        """Return the newest revisions; with ``effective`` without those that another one depends on."""
        return [item for item in self.index.head_records() if item.is_effective_head or not effective]

    def marked(self, at: t.Container[str]) -> list[Revision]:
        """Return all revisions, newest first; those in ``at`` are marked as current."""
        return [item.changed(is_current=True) if item.id in at else item for item in self.index.walk()]

    def current(self, binds: t.Sequence[str] = ()) -> list[Current]:
        """Return the current revisions of each database."""
        return [
            Current(target.name, _url(target), tuple(sorted(self._at(versions), key=lambda item: item.id)))
            for target, versions in self.versions(binds)
        ]

    def _at(self, versions: tuple[str, ...]) -> list[Revision]:
        if self.index.is_at_heads(versions):
            return self.index.head_records(is_current=True)
        unknown = self.index.unknown(versions)
        records = self.index.current(set(versions).difference(unknown))
        return [*(record.changed(is_current=True) for record in records), *map(unknown_record, unknown)]

    def standings(self, binds: t.Sequence[str] = ()) -> list[Standing]:
        """Return the status of each database."""
        return [self._standing(target, versions) for target, versions in self.versions(binds)]

    def _standing(self, target: Target, versions: tuple[str, ...]) -> Standing:
        from .applied_table import with_history

        unknown = self.index.unknown(versions)
        applied = self.index.applied(set(versions).difference(unknown))
        standing = Standing(
            database=target.name,
            url=_url(target),
            current=versions,
            pending=tuple(self._pending(versions)),
            applied=tuple(item for item in self.marked(versions) if item.id in applied),
            unknown=unknown,
            heads=self.index.heads,
        )
        with _connected(target) as connection:
            if not standing.heads and not versions:
                return standing.changed(unversioned=modelled_tables(connection, target.metadatas))
            return with_history(standing, connection, *self._version_table())

    def _version_table(self) -> tuple[str, str | None]:
        options, tenant = self.state.configure_args, current_tenant()
        schema = tenant.tenant.schema if tenant is not None else None
        return options.get("version_table") or "alembic_version", schema or options.get("version_table_schema")

    def _pending(self, versions: tuple[str, ...]) -> list[Revision]:
        return [] if self.index.is_at_heads(versions) else self.index.pending(versions)

    def pending(self, binds: t.Sequence[str] = ()) -> list[Revision]:
        """Return what an upgrade of the databases would apply, each revision once, in order."""
        return list(dict.fromkeys(item for _, versions in self.versions(binds) for item in self._pending(versions)))

    def is_up_to_date(self, binds: t.Sequence[str], revision: str) -> bool:
        """Return whether an upgrade to ``revision`` (``head`` or ``heads``) would find nothing to do."""
        from .connections import pool_left_empty

        if revision == "head" and len(self.index.heads) != 1:
            raise NotCertain("Alembic says what is wrong with several heads")
        with contextlib.ExitStack() as stack:
            for target in self.state.targets():
                stack.enter_context(pool_left_empty(target))
            return all(
                versions and not self.index.unknown(versions) and not self._pending(versions)
                for _, versions in self.versions(binds)
            )

    def versions(self, binds: t.Sequence[str] = ()) -> list[tuple[Target, tuple[str, ...]]]:
        """Return the databases that were asked about, with what their version tables hold.

        :raises UnknownBind: names the slip.
        :raises DatabaseError: when one of them can't be reached.
        """
        from ..targets import choose

        return [(target, self._at_versions(target)) for target in choose(self.state.targets(), binds)]

    def _at_versions(self, target: Target) -> tuple[str, ...]:
        if target.is_async:
            raise NotCertain("only env.py knows how to run an asyncio engine")
        with _connected(target) as connection:
            versions = read_versions(connection, *self._version_table())
        if versions is None:
            raise NotCertain("the version table alone doesn't tell")
        if self.index.unknown(versions) and os.path.isdir(os.path.join(os.path.dirname(self._versions), "squashed")):
            raise NotCertain("the database may be inside of a squash")
        return versions


@contextlib.contextmanager
def _connected(target: Target) -> t.Iterator[Connection]:
    """Open a connection; fail at once if there is none, because a second attempt could take as long again."""
    from sqlalchemy import exc

    from .connections import keep_transactions

    try:
        with keep_transactions([target.sync_engine]), target.sync_engine.connect() as connection:
            yield connection
    except exc.DBAPIError as error:
        from .errors.database import database_error
        from .errors.database import Where

        raise database_error(error, Where(target.sync_engine, target.bind)) from error
    except Exception as error:
        from .errors.database import is_connecting

        if isinstance(error, (exc.SQLAlchemyError, UnicodeError)) or is_connecting(error):
            raise NotCertain("the long way says what is wrong") from error
        raise


def _url(target: Target) -> str:
    from ..redaction import safe_url

    return safe_url(target.sync_engine.url)
