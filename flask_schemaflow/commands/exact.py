"""Commands that only look, answered by Alembic and env.py: right for every folder, whoever wrote it.

:mod:`flask_schemaflow.commands.reading` answers most of them without either, and comes here when it can't.
"""

from __future__ import annotations

import typing as t

from alembic.script import Script

from .. import errors
from ..extension import Directory
from ..extension import XArg
from ..inspection import standing
from ..records import Current
from ..records import Difference
from ..records import Revision
from ..records import Standing
from ..redaction import safe_url
from ..runtime.environment import Environment
from ..runtime.passage import Options
from ..runtime.translation import translated
from .selection import one_script
from .selection import record_of


def heads(
    directory: Directory | None = None, verbose: bool = False, resolve_dependencies: bool = False
) -> list[Revision]:
    """The newest revision of each branch.

    :param verbose: kept for Flask-Migrate's users; a record holds everything anyway.
    :param resolve_dependencies: leave out heads that another revision depends on.
    """
    environment = Environment.open(directory)
    script = environment.script
    with translated(environment):
        found = script.get_revisions("heads" if resolve_dependencies else script.get_heads())
    return [record_of(revision) for revision in found if revision is not None]


def branches(directory: Directory | None = None, verbose: bool = False) -> list[Revision]:
    """The revisions that several others follow; their ``children`` are the branches."""
    environment = Environment.open(directory)
    with translated(environment):
        return [record_of(found) for found in environment.script.walk_revisions() if found.is_branch_point]


def show(directory: Directory | None = None, revision: str = "head") -> list[Revision]:
    """What ``revision`` names, with everything that its file says of itself.

    :param directory: the migrations folder, where it isn't the registered one.
    :param revision: an id or the beginning of one, a label, ``head``, ``heads``, or ``current`` for what the databases
        are at.
    :raises RevisionError: when it names nothing, or more than one thing.
    """
    environment = Environment.open(directory)
    if revision == "current":
        return [item for record in current(directory) for item in record.revisions]
    with translated(environment):
        found = environment.script.get_revisions(revision)
    return [record_of(item) for item in found if item is not None] or [
        record_of(one_script(environment, revision))
    ]


def history(
    directory: Directory | None = None,
    rev_range: str | None = None,
    verbose: bool = False,
    indicate_current: bool = False,
    *,
    x_arg: XArg = None,
) -> list[Revision]:
    """The revisions, newest first.

    :param rev_range: ``from:to``, where either may be missing, an id, or ``current``.
    :param indicate_current: mark those that a database is at; asks the databases.
    :raises RevisionError: when the range names what isn't there.
    """
    environment = Environment.open(directory, x_arg)
    base, head = _bounds(rev_range)
    marked: set[str] = set()
    if indicate_current or "current" in (base, head):
        marked = {item.id for record in current(directory, x_arg=x_arg) for item in record.revisions}
    base, head = (_current_or(end, marked, default) for end, default in ((base, "base"), (head, "heads")))
    with translated(environment):
        walked = list(environment.script.walk_revisions(base=base or "base", head=head or "heads"))
    return [record_of(found, is_current=found.revision in marked) for found in walked]


def _bounds(rev_range: str | None) -> tuple[str, str]:
    if rev_range is None:
        return "base", "heads"
    start, separator, end = rev_range.strip().partition(":")
    if not separator:
        return start, start
    return start or "base", end or "heads"


def _current_or(end: str, marked: set[str], default: str) -> t.Any:
    """``current`` stands for the ids that the databases are at."""
    if end != "current":
        return end
    return tuple(sorted(marked)) if len(marked) != 1 else next(iter(marked))


def current(
    directory: Directory | None = None,
    verbose: bool = False,
    *,
    check_heads: bool = False,
    x_arg: XArg = None,
    binds: t.Sequence[str] = (),
) -> list[Current]:
    """The revisions that each database is at.

    :param check_heads: raise unless every database is at the newest revisions.
    :raises NotAtHead: with ``check_heads``, names what is pending.
    """
    environment = Environment.open(directory, x_arg, light=True)
    found: list[Current] = []

    def look(at: t.Any, context: t.Any) -> list[t.Any]:
        passage = environment.config.attributes["schemaflow"]
        url = safe_url(context.connection.engine.url)
        found.append(Current(passage.scope.database, url, tuple(_current_records(environment, at))))
        if check_heads and set(at) != set(_heads(environment, at)):
            raise errors.NotAtHead.of(found[-1].database, at)
        return []

    environment.run(look, Options("read", binds=tuple(binds)), dont_mutate=True)
    return found


def _current_records(environment: Environment, at: t.Any) -> t.Iterator[Revision]:
    history = environment.history_at(at)
    if history is not None:
        yield from sorted(history.current, key=lambda item: item.id)
        return
    scripts: t.Iterable[Script] = environment.script.get_all_current(at)
    for script in sorted(scripts, key=lambda item: item.revision):
        yield record_of(script, is_current=True)


def _heads(environment: Environment, at: t.Any) -> t.Iterable[str]:
    history = environment.history_at(at)
    return environment.script.get_heads() if history is None else [item.id for item in history.heads]


def status(
    directory: Directory | None = None, *, x_arg: XArg = None, binds: t.Sequence[str] = ()
) -> list[Standing]:
    """Where each database stands: applied, pending, unknown to the folder.

    :returns: one record a database, the default one first.
    """
    environment = Environment.open(directory, x_arg)
    found: list[Standing] = []

    def look(at: t.Any, context: t.Any) -> list[t.Any]:
        bind = environment.config.attributes["schemaflow"].scope.bind
        found.append(standing(environment.script, bind, context, at, record_of))
        return []

    environment.run(look, Options("read", binds=tuple(binds)), dont_mutate=True)
    return found


def check(
    directory: Directory | None = None, *, x_arg: XArg = None, binds: t.Sequence[str] = ()
) -> list[Difference]:
    """Compare the models with the databases, which must be at the newest revision.

    :param directory: the migrations folder, where it isn't the registered one.
    :param x_arg: handed to env.py.
    :param binds: the names of the databases; all by default.
    :returns: an empty list.
    :raises DifferencesFound: its ``differences`` are what ``migrate`` would write operations for.
    """
    from ..autogenerate.comparing import differences

    environment = Environment.open(directory, x_arg)
    found = differences(environment, binds)
    if found:
        lines = "\n".join(
            f"  {item}" if len({d.database for d in found}) == 1 else f"  {item.database}: {item}"
            for item in found
        )
        error = errors.DifferencesFound(
            "The models and the database differ.",
            details=lines,
            hint="Write a revision for it: `flask db migrate`.",
        )
        error.differences = tuple(found)
        raise error
    return found
