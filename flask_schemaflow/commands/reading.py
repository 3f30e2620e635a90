"""Commands that only look: heads, history, branches, current, status, pending.

With a folder that holds nothing out of the ordinary they import no Alembic and run no env.py; otherwise
:mod:`flask_schemaflow.commands.exact` answers, and the answer is the same.
"""

from __future__ import annotations

import typing as t

from ..extension import Directory
from ..extension import XArg
from ..importing import load
from ..records import Current
from ..records import Revision
from ..records import Standing
from ..runtime.light import lightly
from ..runtime.light_folder import LightFolder


def heads(
    directory: Directory | None = None, verbose: bool = False, resolve_dependencies: bool = False
) -> list[Revision]:
    """The newest revision of each branch.

    :param directory: the migrations folder, where it isn't the registered one.
    :param verbose: kept for Flask-Migrate's users; a record holds everything anyway.
    :param resolve_dependencies: leave out heads that another revision depends on.
    :raises RevisionError: when the revision files don't fit together.
    """
    found = lightly(lambda folder: folder.heads(resolve_dependencies), directory)
    return _exact().heads(directory, verbose, resolve_dependencies) if found is None else found


def branches(directory: Directory | None = None, verbose: bool = False) -> list[Revision]:
    """The revisions that several others follow; their ``children`` are the branches.

    :param directory: the migrations folder, where it isn't the registered one.
    :param verbose: kept for Flask-Migrate's users.
    :raises RevisionError: when the revision files don't fit together.
    """
    found = lightly(lambda folder: [item for item in folder.walk() if item.is_branch_point], directory)
    return _exact().branches(directory) if found is None else found


def history(
    directory: Directory | None = None,
    rev_range: str | None = None,
    verbose: bool = False,
    indicate_current: bool = False,
    *,
    x_arg: XArg = None,
) -> list[Revision]:
    """The revisions, newest first.

    :param directory: the migrations folder, where it isn't the registered one.
    :param rev_range: ``from:to``, where either may be missing, an id, or ``current``.
    :param verbose: kept for Flask-Migrate's users.
    :param indicate_current: mark those that a database is at; asks the databases.
    :param x_arg: handed to env.py.
    :raises RevisionError: when the range names what isn't there.
    """

    def walked(folder: LightFolder) -> list[Revision]:
        at = folder.current() if indicate_current else ()
        return folder.marked({item.id for record in at for item in record.revisions})

    found = lightly(walked, directory) if rev_range in (None, ":") else None
    if found is not None:
        return found
    exactly: list[Revision] = _exact().history(directory, rev_range, verbose, indicate_current, x_arg=x_arg)
    return exactly


def current(
    directory: Directory | None = None,
    verbose: bool = False,
    *,
    check_heads: bool = False,
    x_arg: XArg = None,
    binds: t.Sequence[str] = (),
) -> list[Current]:
    """The revisions that each database is at.

    :param directory: the migrations folder, where it isn't the registered one.
    :param verbose: kept for Flask-Migrate's users.
    :param check_heads: raise unless every database is at the newest revisions.
    :param x_arg: handed to env.py.
    :param binds: the names of the databases; all by default.
    :returns: one record a database, the default one first.
    :raises DatabaseError: when a database can't be reached.
    :raises NotAtHead: with ``check_heads``, names what is pending.
    """
    found = None if check_heads else lightly(lambda folder: folder.current(binds), directory)
    return _exact().current(directory, check_heads=check_heads, x_arg=x_arg, binds=binds) if found is None else found


def status(
    directory: Directory | None = None, *, x_arg: XArg = None, binds: t.Sequence[str] = ()
) -> list[Standing]:
    """Where each database stands: applied, pending, unknown to the folder.

    :param directory: the migrations folder, where it isn't the registered one.
    :param x_arg: handed to env.py.
    :param binds: the names of the databases; all by default.
    :returns: one record a database, the default one first.
    :raises DatabaseError: when a database can't be reached.
    """
    found = lightly(lambda folder: folder.standings(binds), directory)
    return _exact().status(directory, x_arg=x_arg, binds=binds) if found is None else found


def pending(
    directory: Directory | None = None, *, x_arg: XArg = None, binds: t.Sequence[str] = ()
) -> list[Revision]:
    """What an upgrade would apply, in order; cheap enough for a health endpoint.

    With a plain folder it costs one query a database and a ``stat`` a revision file.

    :param directory: the migrations folder, where it isn't the registered one.
    :param x_arg: handed to env.py.
    :param binds: the names of the databases; all by default.
    :returns: each revision once, also when several databases lack it.
    :raises DatabaseError: when a database can't be reached.
    """
    found = lightly(lambda folder: folder.pending(binds), directory)
    if found is not None:
        return found
    standings = _exact().status(directory, x_arg=x_arg, binds=binds)
    return list(dict.fromkeys(item for record in standings for item in record.pending))


def _exact() -> t.Any:
    return load(".exact", __package__)
