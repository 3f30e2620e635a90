"""The commands and options for tenants: create-tenant, drop-tenant, and other commands with ``--all-tenants``."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import subprocess
import sys
import time
import typing as t

import click
from flask.cli import ScriptInfo

from ..errors.arguments import InvalidArgument
from ..errors.folder import ConfirmationMissing
from ..errors.setup import UpgradeWithoutTenants
from ..extension import current_state
from ..records import duration
from ..records import Record
from ..tenants.records import Action
from ..tenants.records import FleetEvent
from ..tenants.records import FleetReport
from ..tenants.records import TenantDrift
from ..tenants.records import TenantResult
from ..tenants.records import TenantStatus
from .group import flag
from .group import Parameters
from .group import Shared
from .output import alembic_lines
from .output import confirm
from .output import echo
from .output import echo_json
from .output import flat
from .output import Progress
from .output import prompt
from .output import say
from .output import seconds
from .output import status_line

_FEW = 20  # tenants for which each gets a line
_EVERY = 10.0  # seconds between two lines of progress, where there is no terminal
_SHOWN = 20  # names or failures in one list


@dataclasses.dataclass(frozen=True)
class Selection(Record):
    """The options of a command that say for which tenants it runs, and how."""

    tenants: tuple[str, ...] = ()
    all_tenants: bool = False
    tenants_from: str | None = None
    order: str = "given"
    jobs: int = 1
    executor: str = "processes"
    canary: int = 0
    canary_check: str | None = None
    stop_after: int = 0

    def __bool__(self) -> bool:
        return bool(self.tenants or self.all_tenants or self.tenants_from is not None)

    @property
    def names(self) -> tuple[str, ...] | None:
        """The names that were given; ``None`` for all tenants.

        :raises InvalidArgument: if the options contradict each other, or the file can't be read.
        """
        ways = [bool(self.tenants), self.all_tenants, self.tenants_from is not None]
        if sum(ways) > 1:
            raise InvalidArgument(
                "--tenant, --all-tenants and --tenants-from exclude each other.", hint="Give one of them."
            )
        if self.tenants_from is None:
            return None if self.all_tenants else self.tenants
        try:
            with click.open_file(self.tenants_from, encoding="utf-8") as file:
                return tuple(dict.fromkeys(line.strip() for line in file if line.strip() and line[0] != "#"))
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it isn't UTF-8"
            raise InvalidArgument(
                f"{self.tenants_from} can't be read: {reason}.", hint="Give a file with one name a line, or -."
            ) from error


def selected(options: dict[str, t.Any]) -> Selection:
    """Return the options of tenants among those of a command, which keeps the others.

    :raises InvalidArgument: for options that mean nothing without tenants.
    """
    names = {field.name: field.default for field in dataclasses.fields(Selection)}
    found = Selection(**{name: options.pop(name) for name in list(options) if name in names})
    changed = [name for name, default in names.items() if getattr(found, name) != default]
    if changed and not found:
        name = changed[0].replace("_", "-")
        hint = "Add --all-tenants, --tenant NAME or --tenants-from FILE."
        raise InvalidArgument(f"--{name} needs tenants.", hint=hint)
    return found


def selecting_options() -> list[click.Parameter]:
    """Return the options that choose tenants."""
    from ..tenants.listing import ORDERS

    return [
        click.Option(
            ["--tenant", "tenants"],
            multiple=True,
            metavar="NAME",
            help="Work on this tenant. Can be repeated.",
        ),
        flag("--all-tenants", "--all", help="Work on all tenants."),
        click.Option(
            ["--tenants-from"],
            metavar="FILE",
            help="Work on the tenants in this file, one name per line. - reads standard input.",
        ),
        click.Option(["--order"], type=click.Choice(ORDERS), default="given", help="Order of the tenants."),
    ]


def is_for_tenants(directory: str | None) -> bool:
    """Return whether the application has tenants, and the folder is their history."""
    state = current_state()
    is_other = directory is not None and os.path.abspath(directory) != os.path.abspath(state.directory)
    return not is_other and (state.tenants is not None or state.settings.tenants is not None)


def refuse_in_place_of_tenants(binds: t.Sequence[str]) -> None:
    """Refuse to create the tables of tenants in the default schema of the database that has their schemas.

    A database that has a history there already is left to it, and so is one that ``binds`` names.

    :raises UpgradeWithoutTenants: names the command for the tenants, and that for the database.
    """
    from ..commands.inspection import current
    from ..tenants.listing import reference_tenant

    if binds:
        return
    try:
        first = reference_tenant()
        known = bool(current()[0].revisions)
    except Exception:  # the run itself says what is wrong; a table of tenants may be what it creates
        return
    if first is None or first.schema is None or first.url is not None or known:
        return
    raise UpgradeWithoutTenants(
        "The tenants of this application are schemas, and without them this would create their tables in the default "
        "schema.",
        hint="Upgrade them: `flask db upgrade --all-tenants`. Shared tables have a folder of their own: "
        "`flask db -d FOLDER upgrade`. If you want the tables in the default schema, too: "
        "`flask db upgrade --bind default`",
    )


def fleet_options() -> list[click.Parameter]:
    """Return the options of a command that changes tenants."""
    executor = "Work in processes, threads, at dask:ADDRESS, or by the executor that module:function returns."
    return [
        *selecting_options(),
        click.Option(
            ["--jobs"],
            type=click.IntRange(1),
            default=1,
            help="Work on this many tenants at once. [default: 1]",
        ),
        click.Option(["--executor"], default="processes", help=executor),
        click.Option(["--canary"], type=click.IntRange(0), default=0, help="Begin with this many tenants, then ask."),
        click.Option(
            ["--canary-check"],
            metavar="COMMAND",
            help="Run this command after the canaries and continue if it succeeds, without asking.",
        ),
        click.Option(["--stop-after"], type=click.IntRange(0), default=0, help="Stop after this many failures."),
    ]


def run_fleet(
    action: Action, selection: Selection, shared: Shared, *, yes: bool = False, as_json: bool = False
) -> None:
    """Run a command for the selected tenants, print what happens, and exit with 1 if one of them failed."""
    from ..tenants.fleet import migrate_tenants

    action = action.changed(directory=shared.directory, x_arg=shared.x_arg)
    with alembic_lines(shared):
        report = migrate_tenants(
            action,
            selection.names,
            app=_app_source(),
            executor=selection.executor,
            jobs=selection.jobs,
            order=selection.order,
            canary=selection.canary,
            go_on=lambda canaries: _goes_on(canaries, selection, yes),
            stop_after=selection.stop_after,
            notify=FleetProgress(shared, as_json),
        )
    if as_json:
        echo_json(report.as_dict())
    elif not (shared.quiet and report.succeeded):
        _echo_report(report, action)
    if report.interrupted:
        sys.exit(130)
    if not report.succeeded or report.stopped:
        sys.exit(1)


def _app_source() -> t.Any:
    """Return how another process gets the application that this command has loaded."""
    info = click.get_current_context().ensure_object(ScriptInfo)
    return info.create_app if info.create_app is not None else info.app_import_path or ""


def _goes_on(canaries: FleetReport, selection: Selection, yes: bool) -> bool:
    """Return whether to continue after the canaries: by the check, by the answer to a question, or by --yes."""
    status_line.clear()
    if selection.canary_check is not None:
        return subprocess.run(selection.canary_check, shell=True).returncode == 0
    if yes:
        return True
    names = ", ".join(flat(result.tenant) for result in canaries.results[-selection.canary :])
    if not (sys.stdin.isatty() and sys.stderr.isatty()) or selection.tenants_from == "-":
        say(f"The canaries are done: {names}. Look at them, then run the command without --canary.", err=True)
        return False
    return confirm(f"The canaries are done: {names}. Continue with the others?", default=False)


class FleetProgress:
    """Print what happens to tenants: a line for each of a few, for many each failure and how far it is."""

    def __init__(self, shared: Shared, as_json: bool) -> None:
        self._shown = not (shared.quiet or as_json)
        self._last = time.monotonic()

    def __call__(self, event: FleetEvent) -> None:
        """Print one event."""
        if event.result is None:
            say(event.text, err=True)
        elif self._shown:
            self._result(event, event.result)

    def _result(self, event: FleetEvent, result: TenantResult) -> None:
        for notice in result.notices:
            say(f"{flat(result.tenant)}: {notice}", err=True)
        if not result.succeeded:
            say(f"{flat(result.tenant)}: {result.outcome}. {result.message}", err=True)
        elif event.total <= _FEW and result.outcome == "changed":
            say(f"{flat(result.tenant)}: {', '.join(result.revisions)} ({seconds(result.seconds)})", err=True)
        if event.total > _FEW:
            self._far(event)

    def _far(self, event: FleetEvent) -> None:
        now = time.monotonic()
        if now - self._last < 0.1:
            return
        failures = f", {event.failures} failed" if event.failures else ""
        text = f"{event.done} of {event.total}{failures}, {event.rate:.1f}/s, {duration(event.left)} left"
        if status_line.update(text):
            self._last = now
        elif now - self._last >= _EVERY:
            say(text, err=True)
            self._last = now


def _echo_report(report: FleetReport, action: Action) -> None:
    failed = report.of("failed", "interrupted")
    same: dict[tuple[str, str], list[TenantResult]] = {}
    for result in failed:
        same.setdefault((result.code, result.message), []).append(result)
    for (code, message), results in list(same.items())[:_SHOWN]:
        echo(f"{results[0].outcome}: {_some([result.tenant for result in results])}")
        echo(f"  {f'[{code}]: ' if code else ''}{message}")
        for text in (results[0].details, results[0].hint):
            if text:
                echo("\n".join(f"  {line}" for line in text.rstrip().splitlines()))
    if len(same) > _SHOWN:
        echo(f"and {len(same) - _SHOWN} more causes: --json has them all.")
    if report.stopped:
        echo(report.stopped)
    echo(f"{report}, in {duration(report.seconds)}.")
    if not report.succeeded and action.command == "upgrade":
        echo("Run the command again for the rest. Finished tenants are skipped.")


def _some(names: t.Sequence[str]) -> str:
    shown = ", ".join(flat(name) for name in names[:_SHOWN])
    return f"{shown} and {len(names) - _SHOWN} more" if len(names) > _SHOWN else shown


def status_of_fleet(selection: Selection, shared: Shared, as_json: bool, check: bool, only_failed: bool) -> None:
    """Print at which revision how many tenants are."""
    from ..tenants.listing import find_tenants
    from ..tenants.versions import folder_heads
    from ..tenants.versions import status_of_tenants

    tenants = find_tenants(selection.names, selection.order)
    found = status_of_tenants(tenants, shared.directory)
    wrong = [status for status in found if status.state != "up to date"]
    if as_json:
        echo_json([status.as_dict() for status in (wrong if only_failed else found)])
    elif only_failed:
        for status in wrong:
            at = ", ".join(status.current) or "no revision"
            echo(f"{flat(status.tenant)}  {status.state}  {status.problem or at}")
    elif not shared.quiet:
        echo(table_of_tenants(found, folder_heads(shared.directory)))
    lenient = current_state().settings.ahead != "error"
    if check and any(not (lenient and status.state == "ahead") for status in wrong):
        sys.exit(1)


def table_of_tenants(found: t.Sequence[TenantStatus], heads: t.Collection[str]) -> str:
    """Return a table of revisions, with the number of tenants that are at each."""
    groups: dict[str, list[str]] = {}
    for status in sorted(found, key=lambda status: (status.state != "up to date", status.state)):
        label = ", ".join(sorted(status.current)) or "no revision"
        if status.state in ("missing", "unreachable"):
            label = status.state
        elif status.state == "up to date" and heads:
            label += " (head)" if len(heads) == 1 else " (heads)"
        elif status.state in ("ahead", "interrupted"):
            label += f" ({status.state})"
        groups.setdefault(label, []).append(status.tenant)
    width = max((len(label) for label in groups), default=0)
    count = max((len(str(len(names))) for names in groups.values()), default=0)
    lines = [f"{label:<{width}}  {len(names):>{count}}  {_few(names)}".rstrip() for label, names in groups.items()]
    done = sum(status.state == "up to date" for status in found)
    many = f"{len(found)} tenant{'' if len(found) == 1 else 's'}"
    return "\n".join([*lines, f"{many}, {done} up to date."])


def drift_of_fleet(selection: Selection, reference: str | None, shared: Shared, as_json: bool) -> list[TenantDrift]:
    """Print which tenants differ from the reference, and in which tables; return what was found of each."""
    from ..tenants.drift import drift_of_tenants
    from ..tenants.listing import find_tenants
    from ..tenants.listing import reference_tenant

    tenants = find_tenants(selection.names, selection.order)
    model = reference_tenant(reference)
    assert model is not None  # or there were no tenants to find
    found = drift_of_tenants(tenants, model)
    if as_json:
        echo_json([item.as_dict() for item in found])
    elif not shared.quiet:
        for item in found:
            parts = [f"{kind} {', '.join(flat(name) for name in getattr(item, kind))}" for kind in _KINDS]
            words = item.problem or ", ".join(part for part in parts if not part.endswith(" "))
            if item.state != "same":
                echo(f"{flat(item.tenant)}  {item.state}  {words}")
        same = sum(item.state == "same" for item in found)
        echo(f"{same} of {len(found)} tenants have the tables of {flat(model.name)}.")
    return found


_KINDS = ("missing", "extra", "different")


def _few(names: t.Sequence[str], most: int = 5) -> str:
    shown = ", ".join(flat(name) for name in names[:most])
    return f"{shown}, ..." if len(names) > most else shown


def create_tenant(shared: Shared, name: str, template: str | None) -> None:
    """Create the schema or database of a tenant.

    NAME is one of the application's tenants. Clones the template tenant; without one, runs all migrations.
    """
    from ..tenants.lifecycle import create_tenant as create

    with alembic_lines(shared):
        result = create(name, template=template, directory=shared.directory, notify=Progress(shared))
    if not shared.quiet:
        echo(f"Created the tenant {flat(result.tenant)}.")


def drop_tenant(shared: Shared, name: str, yes: bool) -> None:
    """Drop the schema or database of a tenant and its rows.

    NAME is one of the application's tenants.
    """
    from ..tenants.lifecycle import drop_tenant as drop
    from ..tenants.listing import find_tenants

    tenant = find_tenants([name])[0]
    if not yes:
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise ConfirmationMissing(
                f"The tenant {name!r} ({tenant.place}) would be dropped with all its rows.",
                hint=f"Confirm it: `flask db drop-tenant {name} --yes`",
            )
        answer = prompt(f"All rows of {tenant.place} will be lost. Type the tenant's name to drop it:")
        if answer != name:
            raise click.Abort
    dropped = drop(tenant)
    if not shared.quiet:
        echo(f"Dropped the tenant {flat(name)}." if dropped else f"The tenant {flat(name)} has nothing to drop.")


@contextlib.contextmanager
def one_tenant(name: str | None, directory: str | None = None) -> t.Iterator[None]:
    """Compare the models with a tenant in the block: the named one, else the first; with none if there are none.

    :param directory: another folder than the registered one is the history of something else.
    """
    if name is None and not is_for_tenants(directory):
        yield
        return
    from ..tenants.listing import reference_tenant

    tenant = reference_tenant(name)
    if tenant is None:
        yield
        return
    from ..runtime.tenancy import working_on

    with working_on(tenant):
        yield


PARAMETERS: Parameters = {
    "create-tenant": lambda: [
        click.Option(["--template"], help="Clone this tenant, with its rows. [default: SCHEMAFLOW_TENANT_TEMPLATE]"),
        click.Argument(["name"]),
    ],
    "drop-tenant": lambda: [
        flag("-y", "--yes", help="Don't ask for confirmation."),
        click.Argument(["name"]),
    ],
}
"""The parameters of each command, created for the one that runs."""
