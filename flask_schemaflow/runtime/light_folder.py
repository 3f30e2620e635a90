"""What can be said of a folder that is as ``init`` makes it, by its headers and the version tables."""

from __future__ import annotations

import contextlib
import typing as t

from ..extension import State
from ..records import Current
from ..records import Revision
from ..records import Standing
from .certainty import NotCertain
from .history import History
from .rows import as_record

if t.TYPE_CHECKING:
    from sqlalchemy import Connection

    from ..targets import Target

__all__ = ["LightFolder"]


class LightFolder:
    """A migrations folder that can be read without Alembic.

    :param state: the registration of the application that it belongs to.
    :param versions: where its revision files are.

    Every method raises :class:`NotCertain` where only Alembic can answer.
    """

    def __init__(self, state: State, versions: str) -> None:
        self.state = state
        self.history = History(versions)

    def heads(self, effective: bool = False) -> list[Revision]:
        """The newest revisions; with ``effective`` without those that another one depends on."""
        return [item for item in self.history.heads if item.is_effective_head or not effective]

    def walk(self) -> list[Revision]:
        """All revisions, newest first."""
        return self.history.walk()

    def marked(self, at: t.Container[str]) -> list[Revision]:
        """All revisions, newest first; those in ``at`` are marked as current."""
        return [item.changed(is_current=True) if item.id in at else item for item in self.walk()]

    def current(self, binds: t.Sequence[str] = ()) -> list[Current]:
        """What each database is at."""
        return [
            Current(target.name, _url(target), tuple(sorted(self._at(versions), key=lambda item: item.id)))
            for target, versions in self.versions(binds)
        ]

    def _at(self, versions: tuple[str, ...]) -> list[Revision]:
        if self.history.is_at_heads(versions):
            return self.history.current
        return [as_record(item).changed(is_current=True) for item in self.history.index.current(versions)]

    def standings(self, binds: t.Sequence[str] = ()) -> list[Standing]:
        """Where each database stands."""
        return [self._standing(target, versions) for target, versions in self.versions(binds)]

    def _standing(self, target: Target, versions: tuple[str, ...]) -> Standing:
        applied = None if self.history.is_at_heads(versions) else self.history.index.applied(versions)
        return Standing(
            database=target.name,
            url=_url(target),
            current=versions,
            pending=tuple(self._pending(versions)),
            applied=tuple(item for item in self.marked(versions) if applied is None or item.id in applied),
            heads=tuple(item.id for item in self.history.heads),
        )

    def _pending(self, versions: tuple[str, ...]) -> list[Revision]:
        if self.history.is_at_heads(versions):
            return []
        return [as_record(item) for item in self.history.index.pending(versions)]

    def pending(self, binds: t.Sequence[str] = ()) -> list[Revision]:
        """What an upgrade of the databases would apply, each revision once, in order."""
        return list(dict.fromkeys(item for _, versions in self.versions(binds) for item in self._pending(versions)))

    def is_up_to_date(self, binds: t.Sequence[str], revision: str) -> bool:
        """Whether an upgrade to ``revision`` (``head`` or ``heads``) would find nothing to do."""
        if revision == "head" and not self.history.ends_once:
            raise NotCertain("Alembic says what is wrong with several heads")
        return all(versions and not self._pending(versions) for _, versions in self.versions(binds))

    def versions(self, binds: t.Sequence[str] = ()) -> list[tuple[Target, tuple[str, ...]]]:
        """The databases that were asked about, with what their version tables hold.

        :raises UnknownBind: names the slip.
        :raises DatabaseError: when one of them can't be reached.
        """
        from ..targets import choose

        return [(target, self._at_versions(target)) for target in choose(self.state.targets(), binds)]

    def _at_versions(self, target: Target) -> tuple[str, ...]:
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


def _url(target: Target) -> str:
    from ..redaction import safe_url

    return safe_url(target.sync_engine.url)
