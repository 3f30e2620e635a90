"""Commands that only read: heads, history, branches, current, status, log, pending.

In a plain folder they import no Alembic and run no env.py. Otherwise :mod:`flask_schemaflow.commands.alembic_answers`
answers, with the same result.
"""

from __future__ import annotations

import typing as t

from .._lazy import resolve
from ..extension import Directory
from ..extension import XArg
from ..records import Current
from ..records import LogEntry
from ..records import Revision
from ..records import Standing
from ..runtime.fast_path import LightFolder
from ..runtime.fast_path import lightly


def heads(
    directory: Directory | None = None, verbose: bool = False, resolve_dependencies: bool = False
) -> list[Revision]:
    """Return the heads, the newest revision of each branch.

    :param directory: the migrations folder, if it isn't the registered one.
    :param verbose: accepted as in Flask-Migrate, without effect.
    :param resolve_dependencies: leave out heads that another revision depends on.
    :raises RevisionError: if the revision files are not a consistent history.
    """
    found = lightly(lambda folder: folder.heads(resolve_dependencies), directory)
    return _exact().heads(directory, verbose, resolve_dependencies) if found is None else found


def branches(directory: Directory | None = None, verbose: bool = False) -> list[Revision]:
    """Return the branch points; their ``children`` are the first revisions of the branches.

    :param directory: the migrations folder, if it isn't the registered one.
    :param verbose: accepted as in Flask-Migrate, without effect.
    :raises RevisionError: if the revision files are not a consistent history.
    """
    found = lightly(lambda folder: [item for item in folder.index.walk() if item.is_branch_point], directory)
    return _exact().branches(directory) if found is None else found


def history(
    directory: Directory | None = None,
    rev_range: str | None = None,
    verbose: bool = False,
    indicate_current: bool = False,
    *,
    x_arg: XArg = None,
) -> list[Revision]:
    """Return the revisions, newest first.

    :param directory: the migrations folder, if it isn't the registered one.
    :param rev_range: ``from:to``, where either may be missing, an id, or ``current``.
    :param verbose: accepted as in Flask-Migrate, without effect.
    :param indicate_current: mark the current revisions of the databases; queries the databases.
    :param x_arg: passed to env.py.
    :raises RevisionError: if the range names a revision that doesn't exist.
    """

    def walked(folder: LightFolder) -> list[Revision]:
        at = folder.current() if indicate_current else ()
        return folder.marked({item.id for record in at for item in record.revisions})

    found = lightly(walked, directory) if rev_range in (None, ":") else None
    return _exact().history(directory, rev_range, verbose, indicate_current, x_arg=x_arg) if found is None else found


def current(
    directory: Directory | None = None,
    verbose: bool = False,
    *,
    check_heads: bool = False,
    x_arg: XArg = None,
    binds: t.Sequence[str] = (),
) -> list[Current]:
    """Return the current revisions of each database.

    :param directory: the migrations folder, if it isn't the registered one.
    :param verbose: accepted as in Flask-Migrate, without effect.
    :param check_heads: raise unless every database is at the heads.
    :param x_arg: passed to env.py.
    :param binds: the names of the databases; all by default.
    :returns: one record for each database, the default one first.
    :raises DatabaseError: if a database can't be reached.
    :raises NotAtHead: with ``check_heads``, names the pending revisions.
    """
    found = None if check_heads else lightly(lambda folder: folder.current(binds), directory)
    return _exact().current(directory, check_heads=check_heads, x_arg=x_arg, binds=binds) if found is None else found


def status(
    directory: Directory | None = None, *, x_arg: XArg = None, binds: t.Sequence[str] = ()
) -> list[Standing]:
    """Return the status of each database: revisions that are applied, pending, or unknown to the folder.

    :param directory: the migrations folder, if it isn't the registered one.
    :param x_arg: passed to env.py.
    :param binds: the names of the databases; all by default.
    :returns: one record for each database, the default one first.
    :raises DatabaseError: if a database can't be reached.
    """
    found = lightly(lambda folder: folder.standings(binds), directory)
    return _exact().status(directory, x_arg=x_arg, binds=binds) if found is None else found


def log(
    directory: Directory | None = None,
    *,
    limit: int | None = None,
    x_arg: XArg = None,
    binds: t.Sequence[str] = (),
) -> list[LogEntry]:
    """Return when and by whom each applied revision was applied, and how long it took, newest first.

    Only revisions that are applied now have an entry, and revisions that were stamped have none.

    :param directory: the migrations folder, if it isn't the registered one.
    :param limit: the number of entries; all by default.
    :param x_arg: passed to env.py.
    :param binds: the names of the databases; all by default.
    :raises DatabaseError: if a database can't be reached.
    """
    entries = []
    for record in status(directory, x_arg=x_arg, binds=binds):
        order = {revision.id: place for place, revision in enumerate(reversed(record.applied))}
        messages = {revision.id: revision.message for revision in record.applied}
        rows = sorted(record.history, key=lambda row: (row.applied_at, order.get(row.revision, len(order))))
        entries += [
            LogEntry(
                database=record.database,
                revision=row.revision,
                message=messages.get(row.revision, ""),
                applied_at=row.applied_at,
                seconds=row.seconds,
                applied_by=row.applied_by,
                edited=row.revision in record.edited,
            )
            for row in rows
        ]
    entries.sort(key=lambda entry: entry.applied_at)
    return entries[::-1][:limit]


def pending(
    directory: Directory | None = None, *, x_arg: XArg = None, binds: t.Sequence[str] = ()
) -> list[Revision]:
    """Return the revisions that an upgrade would apply, in order; cheap enough for a health endpoint.

    :param directory: the migrations folder, if it isn't the registered one.
    :param x_arg: passed to env.py.
    :param binds: the names of the databases; all by default.
    :returns: each revision once, even if several databases lack it.
    :raises DatabaseError: if a database can't be reached.
    """
    found = lightly(lambda folder: folder.pending(binds), directory)
    if found is not None:
        return found
    standings = _exact().status(directory, x_arg=x_arg, binds=binds)
    return list(dict.fromkeys(item for record in standings for item in record.pending))


def _exact() -> t.Any:
    return resolve(f"{__package__}.alembic_answers")
