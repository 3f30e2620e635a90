"""Run a command for many tenants, and print its progress and what was found of them."""

from __future__ import annotations

import subprocess
import sys
import time
import typing as t

import click
from flask.cli import ScriptInfo

from ..extension import current_state
from ..records import duration
from ..tenants.records import Action
from ..tenants.records import FleetEvent
from ..tenants.records import FleetReport
from ..tenants.records import TenantDrift
from ..tenants.records import TenantResult
from ..tenants.records import TenantStatus
from .group import Shared
from .output import alembic_lines
from .output import can_ask
from .output import confirm
from .output import echo
from .output import echo_json
from .output import flat
from .output import say
from .output import seconds
from .output import status_line
from .tenants import Selection

_FEW = 20  # tenants for which each gets a line
_EVERY = 10.0  # seconds between two lines of progress, where there is no terminal
_SHOWN = 20  # names or failures in one list
_KINDS = ("missing", "extra", "different")


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
        echo_json(report)
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
    if not can_ask() or selection.tenants_from == "-":
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
        echo_json(wrong if only_failed else found)
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
        echo_json(found)
    elif not shared.quiet:
        for item in found:
            parts = [f"{kind} {', '.join(flat(name) for name in getattr(item, kind))}" for kind in _KINDS]
            words = item.problem or ", ".join(part for part in parts if not part.endswith(" "))
            if item.state != "same":
                echo(f"{flat(item.tenant)}  {item.state}  {words}")
        same = sum(item.state == "same" for item in found)
        echo(f"{same} of {len(found)} tenants have the tables of {flat(model.name)}.")
    return found


def _few(names: t.Sequence[str], most: int = 5) -> str:
    shown = ", ".join(flat(name) for name in names[:most])
    return f"{shown}, ..." if len(names) > most else shown
