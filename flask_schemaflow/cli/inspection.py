"""The commands that only read: heads, history, branches, show, current, status, log, check.

The lines of heads, history and current are Alembic's, which people and scripts know.
"""

from __future__ import annotations

import sys
import textwrap
import typing as t

import click

from .. import commands
from ..errors.arguments import InvalidArgument
from ..errors.revisions import DifferencesFound
from ..extension import current_state
from ..tenants.records import Action
from . import completion
from .fleet import run_fleet
from .fleet import status_of_fleet
from .group import bind_option
from .group import flag
from .group import json_option
from .group import Parameters
from .group import Shared
from .output import alembic_lines
from .output import cut
from .output import echo
from .output import echo_json
from .output import flat
from .output import has_marks
from .output import headline
from .output import Progress
from .output import seconds
from .output import width
from .tenants import fleet_options
from .tenants import one_tenant
from .tenants import selected
from .tenants import selecting_options

if t.TYPE_CHECKING:
    import datetime

    from ..records import AppliedRevision
    from ..records import Revision
    from ..records import Standing


def heads(shared: Shared, resolve_dependencies: bool, as_json: bool) -> None:
    """List the heads."""
    found = commands.heads(shared.directory, resolve_dependencies=resolve_dependencies)
    if as_json:
        echo_json(found)
        return
    for item in found:
        _list(item, shared)


def branches(shared: Shared, as_json: bool) -> None:
    """List the branch points."""
    found = commands.branches(shared.directory)
    if as_json:
        echo_json(found)
        return
    for item in found:
        _list(item, shared)
        for child in item.children:
            echo(f"    {' ' * len(item.id)} -> {child}")


def show(shared: Shared, revision: str, as_json: bool) -> None:
    """Show one revision in detail.

    REVISION is an id, head or current. Default: head.
    """
    found = commands.show(shared.directory, revision)
    if as_json:
        echo_json(found)
        return
    for item in found:
        echo(long(item))


def history(shared: Shared, rev_range: str | None, indicate_current: bool, as_json: bool) -> None:
    """List all revisions, newest first.

    Use --rev-range START:END to limit the list.
    """
    found = commands.history(
        shared.directory, rev_range, indicate_current=indicate_current, x_arg=shared.x_arg
    )
    if as_json:
        echo_json(found)
        return
    lines = (
        long(item) if shared.verbose else one_line(item, parents=True, doc=True) for item in found
    )
    if found:
        echo("\n".join(lines))


def current(shared: Shared, check_heads: bool, binds: tuple[str, ...], as_json: bool) -> None:
    """Show the current revision of each database."""
    with alembic_lines(shared.changed(verbose=False)):
        found = commands.current(check_heads=check_heads, binds=binds, **shared.arguments)
    if as_json:
        echo_json(found)
        return
    for record in found:
        if shared.verbose or len(found) > 1:
            echo(f"Current revision(s) for {record.url}:")
        for item in record.revisions:
            item = item.changed(is_current=False)
            echo(long(item) if shared.verbose else one_line(item))
        if not record.revisions and not shared.quiet:
            echo(f"The {record.database} database has no current revision.", err=True)


def status(
    shared: Shared, as_json: bool, check: bool, binds: tuple[str, ...], failed: bool, **fleet: t.Any
) -> None:
    """Show applied and pending revisions of each database."""
    selection = selected(fleet, binds=binds)
    if selection is not None:
        return status_of_fleet(selection, shared, as_json, check, failed)
    if failed:
        raise InvalidArgument("--failed needs tenants.", hint="Add --all-tenants.")
    found = commands.status(binds=binds, **shared.arguments)
    if as_json:
        echo_json(found)
    elif not shared.quiet:
        for number, record in enumerate(found):
            _echo_table(record, is_first=number == 0)
    strict = check and current_state().settings.ahead == "error"
    if check and not all(record.up_to_date and not (strict and record.unknown) for record in found):
        sys.exit(1)


def log(shared: Shared, as_json: bool, limit: int | None, binds: tuple[str, ...]) -> None:
    """Show when and by whom revisions were applied.

    Newest first, with times in UTC and durations. A revision that is reverted leaves the list.
    """
    found = commands.log(limit=limit, binds=binds, **shared.arguments)
    if as_json:
        echo_json(found)
        return
    several = len({entry.database for entry in found}) > 1
    width = max((len(entry.revision) for entry in found), default=0)
    for entry in found:
        where = f"  {entry.database}" if several else ""
        mark = " (edited since)" if entry.edited else ""
        line = f"{_date(entry.applied_at)}  {entry.revision:<{width}}  {seconds(entry.seconds):>7}  "
        echo(f"{line}{flat(entry.applied_by) or '-'}{where}  {headline(entry.message)}{mark}".rstrip())
    if not found and not shared.quiet:
        echo("No database has a record of an applied revision.", err=True)


def check(shared: Shared, as_json: bool, binds: tuple[str, ...], **fleet: t.Any) -> None:
    """Fail if the models differ from the database."""
    selection = selected(fleet, binds=binds)
    if selection is not None:
        return run_fleet(Action("check"), selection, shared, yes=True, as_json=as_json)
    try:
        with alembic_lines(shared), one_tenant(None, shared.directory):
            commands.check(binds=binds, notify=Progress(shared), **shared.arguments)
    except DifferencesFound as error:
        if not as_json:
            raise
        echo_json(error.differences)
        sys.exit(1)
    echo("[]" if as_json else "No new upgrade operations detected.")


_MARKS = {"applied": ("\N{CHECK MARK}", "green"), "pending": ("\N{BULLET}", "yellow"), "unknown": ("!", "red")}


def _echo_table(record: Standing, is_first: bool) -> None:
    """Print the state of one database; on a terminal in colours, with marks, and no wider than it."""
    columns, marks = width(sys.stdout), has_marks(sys.stdout)
    if not is_first:
        echo()
    for line in table_of(record, columns - 2 * marks if columns else None).splitlines():
        word = line[2:9]
        if line.startswith("  ") and word in _MARKS:
            mark, colour = _MARKS[word]
            echo(line[9:], label=f"  {mark} {word}" if marks else f"  {word}", colour=colour, bold=False)
        else:
            echo(line)


def _list(item: Revision, shared: Shared) -> None:
    echo(long(item) if shared.verbose else one_line(item))


PARAMETERS: Parameters = {
    "heads": lambda: [flag("--resolve-dependencies", help="Treat dependencies as parents."), json_option()],
    "branches": lambda: [json_option()],
    "show": lambda: [
        click.Argument(["revision"], default="head", shell_complete=completion.revisions("head", "heads", "current")),
        json_option(),
    ],
    "history": lambda: [
        click.Option(
            ["-r", "--rev-range"],
            metavar="START:END",
            help="List only this range.",
            shell_complete=completion.revisions("base", "current", "head"),
        ),
        flag("-i", "--indicate-current", help="Mark the current revision of each database."),
        json_option(),
    ],
    "current": lambda: [
        flag("-c", "--check-heads", help="Exit with 1 unless every database is at the heads."),
        bind_option(),
        json_option(),
    ],
    "status": lambda: [
        json_option(),
        flag("--check", help="Exit with 1 unless every database is up to date."),
        flag("--failed", help="List only the tenants that are not up to date."),
        *selecting_options(),
        bind_option(),
    ],
    "log": lambda: [
        json_option(),
        click.Option(["-n", "--limit"], type=click.IntRange(min=1), help="Show at most this many entries."),
        bind_option(),
    ],
    "check": lambda: [json_option(), *fleet_options(), bind_option()],
}
"""The parameters of each command, created for the one that runs."""


def one_line(revision: Revision, *, parents: bool = False, doc: bool = False, tree: bool = True) -> str:
    """Return a revision as ``heads`` and ``history`` list it."""
    if not revision.is_known:
        return f"{revision.id} (not in this folder)"
    text = revision.id
    if parents:
        text = f"{', '.join(revision.down) or '<base>'} -> {text}"
        if revision.depends_on:
            text += f" ({', '.join(revision.depends_on)})"
    if revision.labels:
        text += f" ({', '.join(revision.labels)})"
    for mark in _marks(revision) if tree else ():
        text += f" ({mark})"
    return f"{text}, {headline(revision.message)}" if doc and revision.message else text


def _marks(revision: Revision) -> t.Sequence[str]:
    if not (revision.is_head or revision.is_branch_point or revision.is_current or len(revision.down) > 1):
        return ()  # as most of a long history
    marks = []
    if revision.is_head:
        marks.append("head" if revision.is_effective_head else "effective head")
    if revision.is_branch_point:
        marks.append("branchpoint")
    if revision.is_merge_point:
        marks.append("mergepoint")
    if revision.is_current:
        marks.append("current")
    return marks


def long(revision: Revision) -> str:
    """Return a revision with everything in its file, for ``show`` and ``--verbose``."""
    if not revision.is_known:
        return f"Rev: {one_line(revision)}\n"
    lines = [f"Rev: {one_line(revision)}", f"Parent: {', '.join(revision.down) or '<base>'}"]
    if revision.is_merge_point:
        lines[1] = f"Merges: {', '.join(revision.down)}"
    if revision.depends_on:
        lines.append(f"Also depends on: {', '.join(revision.depends_on)}")
    if revision.is_branch_point:
        lines.append(f"Branches into: {', '.join(revision.children)}")
    if revision.labels:
        lines.append(f"Branch names: {', '.join(revision.labels)}")
    lines.append(f"Path: {revision.path}")
    body = "\n".join(f"    {line}".rstrip() for line in revision.doc.splitlines())
    return "\n".join(lines) + f"\n\n{body}\n"


def table_of(record: Standing, columns: int | None = None) -> str:
    """Return the state of one database, as a table of its revisions.

    :param columns: where messages are cut.
    """
    lines = [f"{record.database}  {record.url}"]
    lines += [f"  unknown  {revision}  no file in this folder" for revision in record.unknown]
    rows = [("applied", item) for item in reversed(record.applied)] + [
        ("pending", item) for item in record.pending
    ]
    longest = max((len(item.id) for _, item in rows), default=0)
    history = {item.revision: item for item in record.history}
    for word, item in rows:
        lead = f"  {word}  {item.id:<{longest}}"
        lines.append(_row(lead, item, history.get(item.id), item.id in record.edited, columns))
    left = [f"    remaining: {line}" for line in record.left]
    drift = [f"  Changed since the last upgrade: {', '.join(record.drifted)} (flask db drift)"] * bool(record.drifted)
    backfills = [f"  backfill {item}" for item in record.backfills]
    moved = [textwrap.indent(record.moved_sentence(item), "  ") for item in record.moved]
    summary = [] if record.moved and not record.pending else [f"  {_summary(record)}"]
    return "\n".join([*lines, *summary, *moved, *left, *drift, *backfills])


def _row(lead: str, item: Revision, done: AppliedRevision | None, edited: bool, columns: int | None) -> str:
    """Return the line of one revision; the message is cut, and without room nobody is named who applied it."""
    marks = "".join(f" ({mark})" for mark in _marks(item) if mark in ("head", "current"))
    marks += " (edited since)" if edited else ""
    lead = f"{lead}  {_date(done.applied_at if done else item.created)}  "
    message = cut(headline(item.message), max(12, columns - len(lead) - len(marks)) if columns else None)
    line = f"{lead}{message}{marks}"
    by = f"  by {flat(done.applied_by)} ({seconds(done.seconds)})" if done and done.applied_by else ""
    return line if columns and len(line + by) > columns else line + by


def _summary(record: Standing) -> str:
    if record.interrupted:
        return record.interrupted
    if record.unknown:
        more = f", {len(record.pending)} pending on another branch" if record.pending else ""
        return f"Ahead of this code{more}: this folder may be older than the last upgrade."
    if record.unversioned:
        return f"No revision created its {len(record.unversioned)} tables: flask db baseline"
    if not record.pending:
        return "Up to date." if record.current else "No revisions yet: flask db migrate"
    if len(record.heads) > 1:  # `upgrade` alone wouldn't know which of them is meant
        return f"{len(record.pending)} pending on multiple heads: flask db merge heads, or flask db upgrade heads"
    return f"{len(record.pending)} pending: flask db upgrade"


def _date(moment: datetime.datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M}" if moment else " " * 16
