"""Commands that only read, answered by Alembic and env.py: right for every folder, whoever wrote it.

:mod:`flask_schemaflow.commands.inspection` answers most of them without either, and otherwise calls these functions,
whose parameters and results are the same.
"""

from __future__ import annotations

import typing as t

import sqlalchemy as sa
from alembic.script import Script

from .. import errors
from ..alembic_private import is_effective_head
from ..extension import Directory
from ..extension import XArg
from ..records import Current
from ..records import Difference
from ..records import Event
from ..records import Loss
from ..records import Notify
from ..records import Revision
from ..records import silent
from ..records import Standing
from ..redaction import safe_url
from ..revisions.calls import Call
from ..revisions.calls import calls_of
from ..revisions.graph import create_date
from ..revisions.graph import message_of
from ..revisions.graph import unknown_record
from ..revisions.scripts import ids
from ..revisions.scripts import parents
from ..runtime import planning
from ..runtime.database_status import current_scripts
from ..runtime.database_status import status_of
from ..runtime.database_status import unknown_revisions
from ..runtime.environment import Environment
from ..runtime.errors import translated
from ..runtime.guard import Scope
from ..runtime.run import Options


def heads(
    directory: Directory | None = None, verbose: bool = False, resolve_dependencies: bool = False
) -> list[Revision]:
    """Return the newest revision of each branch."""
    environment = Environment.open(directory)
    script = environment.script
    with translated(environment):
        scripts = script.get_revisions("heads" if resolve_dependencies else script.get_heads())
    return [record_of(item) for item in scripts if item is not None]


def branches(directory: Directory | None = None, verbose: bool = False) -> list[Revision]:
    """Return the revisions that several others follow; their ``children`` are the branches."""
    environment = Environment.open(directory)
    with translated(environment):
        return [record_of(item) for item in environment.script.walk_revisions() if item.is_branch_point]


def show(directory: Directory | None = None, revision: str = "head") -> list[Revision]:
    """Return the revisions that ``revision`` names.

    :param directory: the migrations folder, if it isn't the registered one.
    :param revision: an id or the beginning of one, a label, ``head``, ``heads``, or ``current`` for the current
        revisions of the databases.
    :raises RevisionError: if there is no such revision, or the name is ambiguous.
    """
    environment = Environment.open(directory)
    if revision == "current":
        return [item for record in current(directory) for item in record.revisions]
    with translated(environment):
        scripts = [item for item in environment.script.get_revisions(revision) if item is not None]
    return [record_of(item) for item in scripts or [one_script(environment, revision)]]


def history(
    directory: Directory | None = None,
    rev_range: str | None = None,
    verbose: bool = False,
    indicate_current: bool = False,
    *,
    x_arg: XArg = None,
) -> list[Revision]:
    """Return the revisions, newest first."""
    environment = Environment.open(directory, x_arg)
    base, head = _bounds(rev_range)
    marked: set[str] = set()
    if indicate_current or "current" in (base, head):
        marked = {item.id for record in current(directory, x_arg=x_arg) for item in record.revisions}
    base, head = (_current_or(end, marked) for end in (base, head))
    with translated(environment):
        walked = list(environment.script.walk_revisions(base=base or "base", head=head or "heads"))
    return [record_of(item, is_current=item.revision in marked) for item in walked]


def _bounds(rev_range: str | None) -> tuple[str, str]:
    if rev_range is None:
        return "base", "heads"
    start, separator, end = rev_range.strip().partition(":")
    if not separator:
        return start, start
    return start or "base", end or "heads"


def _current_or(end: str, marked: set[str]) -> t.Any:
    """Return one end of a range; ``current`` stands for the current revisions of the databases."""
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
    """Return the current revisions of each database."""
    environment = Environment.open(directory, x_arg, light=True)
    records: list[Current] = []

    def look(scope: Scope, at: tuple[str, ...]) -> None:
        records.append(Current(scope.database, safe_url(scope.engine.url), tuple(_current_records(environment, at))))
        if check_heads and set(at) != set(_heads(environment, at)):
            raise errors.NotAtHead.of(scope.database, at)

    environment.read(look, binds)
    return records


def _current_records(environment: Environment, at: t.Any) -> t.Iterator[Revision]:
    history = environment.history_at(at)
    if history is not None:
        yield from sorted(history.head_records(is_current=True), key=lambda item: item.id)
        return
    script = environment.script_for(at)
    unknown = unknown_revisions(script, at)
    scripts = current_scripts(script, [revision for revision in at if revision not in unknown])
    records = [*(record_of(script, is_current=True) for script in scripts), *map(unknown_record, unknown)]
    yield from sorted(records, key=lambda item: item.id)


def _heads(environment: Environment, at: t.Any) -> t.Iterable[str]:
    history = environment.history_at(at)
    return environment.script.get_heads() if history is None else history.heads


def status(
    directory: Directory | None = None, *, x_arg: XArg = None, binds: t.Sequence[str] = ()
) -> list[Standing]:
    """Return the status of each database: revisions that are applied, pending, or unknown to the folder."""
    environment = Environment.open(directory, x_arg)
    records: list[Standing] = []

    def look(scope: Scope, at: tuple[str, ...]) -> None:
        records.append(status_of(environment.script_for(at), scope.bind, scope.context, at, record_of))

    environment.read(look, binds)
    return records


def check(
    directory: Directory | None = None,
    *,
    x_arg: XArg = None,
    binds: t.Sequence[str] = (),
    notify: Notify = silent,
) -> list[Difference]:
    """Compare the models with the databases, which must be at the heads.

    :param directory: the migrations folder, if it isn't the registered one.
    :param x_arg: passed to env.py.
    :param binds: the names of the databases; all by default.
    :param notify: called with a notice for what doesn't count as a difference: tables that no revision created, and
        server defaults that only the database has, unless ``SCHEMAFLOW_DATABASE_DEFAULTS`` is ``"error"``.
    :returns: an empty list.
    :raises DifferencesFound: if ``migrate`` would write operations; ``differences`` lists the differences.
    """
    from ..autogenerate.compare import differences
    from ..autogenerate.decisions import Decisions

    decisions = Decisions()
    different = differences(Environment.open(directory, x_arg), binds, decisions)
    for notice in decisions.notices:
        notify(Event("notice", notice))
    if not different:
        return different
    several = len({item.database for item in different}) > 1
    lines = [f"  {item.database}: {item}" if several else f"  {item}" for item in different]
    error = errors.DifferencesFound(
        "The models and the database differ.",
        details="\n".join(lines),
        hint="Write a revision for it: `flask db migrate`.",
    )
    error.differences = tuple(different)
    raise error


def one_script(environment: Environment, revision: str) -> Script:
    """Return the one revision that ``revision`` names.

    :raises RevisionError: if it names none.
    """
    with translated(environment):
        script = environment.script.get_revision(revision)
    if script is None:
        raise errors.RevisionUnknown(
            f"{revision!r} names no revision in {environment.folder}.", hint="`flask db history` lists them."
        )
    return script


def record_of(script: Script, **marks: t.Any) -> Revision:
    """Return the record of an Alembic ``Script``, without running its file."""
    return Revision(
        id=script.revision,
        message=message_of(script.longdoc or ""),
        down=parents(script),
        path=script.path,
        created=create_date(script.longdoc),
        labels=tuple(sorted(script.branch_labels)),
        depends_on=ids(script.dependencies),
        is_head=script.is_head,
        is_effective_head=is_effective_head(script),
        is_branch_point=script.is_branch_point,
        doc=script.longdoc,
        children=tuple(sorted(script.nextrev)),
        **marks,
    )


def losses_of_downgrade(
    directory: Directory | None, revision: str, x_arg: XArg, binds: t.Sequence[str]
) -> tuple[Loss, ...]:
    """Return what a downgrade to ``revision`` would remove from each database; change nothing.

    Tables and columns are those that the source of the revisions names; how many rows they hold is counted now.
    """
    environment = Environment.open(directory, x_arg)
    losses: list[Loss] = []

    def look(heads: t.Any, context: t.Any) -> list[t.Any]:
        steps = planning.downgrade_steps(environment.script_for([*heads, revision]), revision, heads)
        if steps:
            losses.append(_loss(steps, environment.scope.bind, context.connection))
        return []

    environment.run(look, Options("read", binds=tuple(binds)), destination_rev=revision)
    return tuple(losses)


def _loss(steps: t.Sequence[t.Any], bind: str | None, connection: sa.Connection) -> Loss:
    details: list[str] = []
    for step in steps:
        try:
            calls = calls_of(planning.function_for(step.revision.module, "downgrade", bind))
        except LookupError:
            details.append(f"revision {step.revision.revision}: its source can't be read")
            continue
        details += filter(None, (_of_call(call, connection) for call in calls))
    revisions = tuple(step.revision.revision for step in steps)
    return Loss(database=bind or "default", revisions=revisions, details=tuple(dict.fromkeys(details)))


def _of_call(call: Call, connection: sa.Connection) -> str:
    """Return a line about rows that a call takes away; empty if it takes none."""
    from ..autogenerate.reflection import row_counts

    if call.name == "drop_table":
        table, schema = call.argument(0, "table_name"), call.argument(9, "schema")
        if table is None:
            return "a table (the revision computes its name)"
        count = row_counts.rows(connection, (schema, table))
        return f"the table {table} with {count.words('row')}" if count else ""
    if call.name == "drop_column":
        table = call.table_name()
        column = call.argument(call.after_table, "column_name")
        if table is None or column is None:
            return "a column (the revision computes its name)"
        values = row_counts.values(connection, (call.argument(9, "schema"), table), [column]).get(column)
        return f"the column {table}.{column} with {values.words('value')}" if values else ""
    return ""
