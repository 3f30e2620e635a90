"""Answers to questions that need neither Alembic nor env.py.

Importing Alembic and running env.py costs more than most answers: a readiness check would pay a quarter of
a second for one row. With the packaged env.py, a plain alembic.ini and no callbacks, what env.py would do is
known, so the version table can be read directly and the revision files by their headers. Wherever that is
not certain, :func:`light_folder` or an answer gives ``None`` and the caller takes the long way.
"""

from __future__ import annotations

import pathlib
import re
import typing as t

from ..extension import State
from ..records import Revision
from ..targets import choose
from ..targets import Target
from .index import NotCertain
from .index import Revision as Found
from .index import RevisionIndex
from .ini import read_ini
from .location import locate

if t.TYPE_CHECKING:
    from sqlalchemy import Connection

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
# What may be passed to Migrate without a change to how the version table is found.
_VERSION_OPTIONS = ("version_table", "version_table_schema")


class LightFolder:
    """A migrations folder that can be read without Alembic.

    :param folder: its absolute path.
    :param index: its revisions.
    """

    def __init__(self, state: State, folder: pathlib.Path, index: RevisionIndex) -> None:
        self.state = state
        self.folder = folder
        self.index = index

    def heads(self, resolve_dependencies: bool) -> list[Revision] | None:
        """What the command of this name answers, or ``None`` where only Alembic can."""
        names = self.index.effective_heads if resolve_dependencies else self.index.heads
        return _sure(lambda: [as_record(self.index.get(name)) for name in names])

    def walk(self) -> list[Revision] | None:
        """All revisions, newest first."""
        return _sure(lambda: [as_record(found) for found in self.index.walk()])

    def versions(self, target: Target) -> tuple[str, ...] | None:
        """The ids in a database's version table; ``None`` where it can't be read just like that."""
        if target.is_async:
            return None
        from sqlalchemy import exc

        try:
            with target.sync_engine.connect() as connection:
                return self._read(connection)
        except exc.SQLAlchemyError:
            return None

    def _read(self, connection: Connection) -> tuple[str, ...] | None:
        """One query; a table of our own tells that a migration broke off, which is not for a light answer."""
        import sqlalchemy as sa

        table, schema = (self.state.configure_args.get(name) for name in _VERSION_OPTIONS)
        versions = sa.table(table or "alembic_version", sa.column("version_num"), schema=schema)
        if _interrupted(connection):
            return None
        return tuple(row[0] for row in connection.execute(sa.select(versions.c.version_num)))


def light_folder(state: State, directory: t.Any) -> LightFolder | None:
    """The folder of ``state`` if everything about it is plain, else ``None``.

    :param directory: another folder than the registered one.
    """
    if state.migrate.configure_callbacks:
        return None
    folder = locate(state.directory if directory is None else directory)
    if not _is_plain(folder):
        return None
    try:
        index = RevisionIndex.read(_locations(folder))
    except (NotCertain, OSError):
        return None
    return LightFolder(state, folder, index)


def databases(state: State, binds: t.Sequence[str]) -> list[Target]:
    """The databases that a command was asked about."""
    return choose(state.targets(), binds)


def as_record(found: Found, **marks: t.Any) -> Revision:
    """A revision of the index as a record that commands return."""
    return Revision(
        id=found.id,
        message=found.message,
        down=found.down,
        path=found.path,
        created=found.create_date,
        labels=found.labels,
        depends_on=found.depends_on,
        is_head=found.is_head,
        is_effective_head=found.is_effective_head,
        is_branch_point=found.is_branch_point,
        doc=found.doc,
        children=tuple(sorted(found.children)),
        **marks,
    )


def _is_plain(folder: pathlib.Path) -> bool:
    try:
        env = (folder / "env.py").read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return False
    if not _PACKAGED.fullmatch(env) or not (folder / "script.py.mako").is_file():
        return False
    parser = read_ini(folder / "alembic.ini", {"here": folder.as_posix()})
    return parser.has_section("alembic") and set(parser.options("alembic")) <= _HARMLESS


def _locations(folder: pathlib.Path) -> t.Any:
    from .index import Locations

    return Locations((str(folder / "versions"),))


def _interrupted(connection: Connection) -> bool:
    """Whether the journal of a migration that broke off is there; SQLite rolls everything back and has none."""
    if connection.dialect.name == "sqlite":
        return False
    import sqlalchemy as sa

    return sa.inspect(connection).has_table("schemaflow_journal")


Answer = t.TypeVar("Answer")


def _sure(answer: t.Callable[[], Answer]) -> Answer | None:
    try:
        return answer()
    except NotCertain:
        return None
