"""Answers to questions that need neither Alembic nor env.py.

Importing Alembic and running env.py costs more than most answers: a readiness check would pay a quarter of
a second for one row. With the packaged env.py, a plain alembic.ini and no callbacks, what env.py would do is
known, so the version table can be read directly and the revision files by their headers. Wherever that is
not certain the answer is ``None``, and the caller takes the long way.
"""

from __future__ import annotations

import contextlib
import pathlib
import re
import typing as t

from ..extension import current_state
from ..extension import Directory
from ..extension import State
from ..records import Current
from ..records import Revision
from ..records import Standing
from .index import Locations
from .index import NotCertain
from .index import Revision as Found
from .index import RevisionIndex
from .location import governing_pyproject
from .location import locate

if t.TYPE_CHECKING:
    from sqlalchemy import Connection

    from ..targets import Target

_TEMPLATE = pathlib.Path(__file__).parent.parent / "templates" / "flask"
_PACKAGED = r"""\s*(?:\"{3}[^"\\]*\"{3})?\s*from\s+flask_schemaflow\s+import\s+run_env\s+run_env\(\)\s*"""
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


class LightFolder:
    """A migrations folder that can be read without Alembic.

    :param state: the registration of the application that it belongs to.
    :param index: its revisions.

    Every method raises :class:`NotCertain` where only Alembic can answer.
    """

    def __init__(self, state: State, index: RevisionIndex) -> None:
        self.state = state
        self.index = index

    def heads(self, effective: bool = False) -> list[Revision]:
        """The newest revisions; with ``effective`` without those that another one depends on."""
        names = self.index.effective_heads if effective else self.index.heads
        return [as_record(self.index.get(name)) for name in names]

    def walk(self, at: t.Container[str] = ()) -> list[Revision]:
        """All revisions, newest first; those in ``at`` are marked as current."""
        return [as_record(found, found.id in at) for found in self.index.walk()]

    def current(self, binds: t.Sequence[str] = ()) -> list[Current]:
        """What each database is at."""
        return [
            Current(target.name, _url(target), tuple(sorted(self._at(versions), key=lambda item: item.id)))
            for target, versions in self.versions(binds)
        ]

    def _at(self, versions: tuple[str, ...]) -> t.Iterator[Revision]:
        for found in self.index.current(versions):
            yield as_record(found, True)

    def standings(self, binds: t.Sequence[str] = ()) -> list[Standing]:
        """Where each database stands."""
        return [self._standing(target, versions) for target, versions in self.versions(binds)]

    def _standing(self, target: Target, versions: tuple[str, ...]) -> Standing:
        applied = self.index.applied(versions)
        return Standing(
            database=target.name,
            url=_url(target),
            current=versions,
            pending=tuple(as_record(found) for found in self.index.pending(versions)),
            applied=tuple(
                as_record(found, found.id in versions) for found in self.index.walk() if found.id in applied
            ),
            heads=self.index.heads,
        )

    def pending(self, binds: t.Sequence[str] = ()) -> list[Revision]:
        """What an upgrade of the databases would apply, each revision once, in order."""
        found = [item for _, versions in self.versions(binds) for item in self.index.pending(versions)]
        return [as_record(item) for item in dict.fromkeys(found)]

    def is_up_to_date(self, binds: t.Sequence[str], revision: str) -> bool:
        """Whether an upgrade to ``revision`` (``head`` or ``heads``) would find nothing to do."""
        if revision == "head" and len(self.index.heads) != 1:
            raise NotCertain("Alembic says what is wrong with several heads")
        return all(versions and not self.index.pending(versions) for _, versions in self.versions(binds))

    def versions(self, binds: t.Sequence[str] = ()) -> list[tuple[Target, tuple[str, ...]]]:
        """The databases that were asked about, with what their version tables hold.

        :raises UnknownBind: names the slip.
        :raises DatabaseError: when one of them can't be reached.
        """
        from ..targets import choose

        return [(target, self._versions(target)) for target in choose(self.state.targets(), binds)]

    def _versions(self, target: Target) -> tuple[str, ...]:
        from .version_rows import read_versions

        if target.is_async:
            raise NotCertain("only env.py knows how to run an asyncio engine")
        options = self.state.configure_args
        table, schema = options.get("version_table") or "alembic_version", options.get("version_table_schema")
        with _connected(target) as connection:
            found = read_versions(connection, table, schema)
        if found is None:
            raise NotCertain("the version table alone doesn't tell")
        return found


Answer = t.TypeVar("Answer")


def lightly(question: t.Callable[[LightFolder], Answer], directory: Directory | None = None) -> Answer | None:
    """The answer to ``question`` about the current application's folder, or ``None`` where only Alembic can tell.

    :param directory: another folder than the registered one.
    :raises SchemaflowError: for what is wrong with the application or its settings.
    """
    state = current_state()
    try:
        folder = _light_folder(state, directory)
        return None if folder is None else question(folder)
    except (NotCertain, OSError, UnicodeDecodeError):
        return None


@contextlib.contextmanager
def _connected(target: Target) -> t.Iterator[Connection]:
    """A connection; where there is none the error says so at once, for a second attempt could take as long again."""
    from sqlalchemy import exc

    try:
        with target.sync_engine.connect() as connection:
            yield connection
    except exc.DBAPIError as error:
        from .translation.connecting import database_error
        from .translation.connecting import Where

        raise database_error(error, Where(target.sync_engine, target.bind)) from error
    except (exc.SQLAlchemyError, UnicodeEncodeError) as error:
        raise NotCertain("the long way says what is wrong") from error


def _light_folder(state: State, directory: Directory | None) -> LightFolder | None:
    """The folder of ``state`` if everything about it is plain, else ``None``."""
    if state.migrate.configure_callbacks:
        return None
    folder = locate(state.directory if directory is None else directory)
    if not _is_plain(folder) or governing_pyproject(folder) is not None:
        return None
    return LightFolder(state, RevisionIndex.read(Locations((str(folder / "versions"),))))


def _is_plain(folder: pathlib.Path) -> bool:
    """Whether env.py and alembic.ini say nothing but where the revisions are."""
    if not (folder / "script.py.mako").is_file():
        return False
    env = folder / "env.py"
    if not _is_as_made(env, "env.py") and not re.fullmatch(_PACKAGED, env.read_text("utf-8"), re.ASCII):
        return False
    return _is_as_made(folder / "alembic.ini", "alembic.ini.mako") or _is_harmless(folder / "alembic.ini")


def _is_as_made(path: pathlib.Path, template: str) -> bool:
    """Whether a file is what ``init`` wrote; comparing is less work than understanding."""
    return path.read_bytes() == (_TEMPLATE / template).read_bytes()


def _is_harmless(ini: pathlib.Path) -> bool:
    from .ini import read_ini

    parser = read_ini(ini, {"here": ini.parent.as_posix()})
    return parser.has_section("alembic") and set(parser.options("alembic")) <= _HARMLESS


def _url(target: Target) -> str:
    from ..redaction import safe_url

    return safe_url(target.sync_engine.url)


def as_record(found: Found, is_current: bool = False) -> Revision:
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
        is_current=is_current,
        doc=found.doc,
        children=tuple(sorted(found.children)),
    )
