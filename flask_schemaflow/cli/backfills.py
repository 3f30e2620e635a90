"""The command ``backfill``: run, status, pause, resume, cancel."""

from __future__ import annotations

import signal
import sys
import typing as t

import click

from ..commands import backfills as commands
from ..targets import DEFAULT
from .group import bind_option
from .group import flag
from .group import json_option
from .group import Parameters
from .group import Shared
from .output import alembic_lines
from .output import echo
from .output import echo_json
from .output import say
from .output import status_line

if t.TYPE_CHECKING:
    from ..backfills.table import BackfillStatus

ACTIONS = ("run", "status", "pause", "resume", "cancel")


def backfill(
    shared: Shared,
    action: str,
    name: str | None,
    binds: tuple[str, ...],
    as_json: bool,
    max_lag: float | None,
    max_active: int | None,
    sleep: float,
    restart: bool,
) -> None:
    """Run, pause or cancel the backfills of big tables.

    run continues with the rows that have no value yet. status lists the backfills. pause, resume and cancel control
    one that another process runs. NAME is a backfill or its revision. Default: all.
    """
    if action == "run":
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
        with alembic_lines(shared):
            found = commands.run_backfills(
                name=name,
                binds=binds,
                max_lag=max_lag,
                max_active=max_active,
                sleep=sleep,
                restart=restart,
                tell=Rows(shared.quiet or as_json),
                **shared.arguments,
            )
        nothing = "No backfill is left to run."
    elif action == "status":
        found = commands.list_backfills(binds=binds, **shared.arguments)
        found = [item for item in found if name in (None, item.name, item.revision, f"{item.revision}.{item.name}")]
        nothing = "No applied revision has a backfill."
    else:
        steer = t.cast("commands.Action", action)
        found = commands.steer_backfills(steer, name, binds=binds, **shared.arguments)
        nothing = f"There is no backfill to {action}."
    if as_json:
        echo_json([{**item.as_dict(), "rate": round(item.rate, 1), "left": item.left} for item in found])
    elif not shared.quiet:
        echo("\n".join(_line(item) for item in found) or nothing)


def _line(item: BackfillStatus) -> str:
    where = "" if item.database == DEFAULT else f" on {item.database}"
    return str(item).replace(":", f"{where}:", 1)


class Rows:
    """Print how far a backfill is: on a terminal in one line, elsewhere only why it waits."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._said = ""

    def __call__(self, status: BackfillStatus) -> None:
        """Print one status."""
        if self._quiet:
            return
        text = _line(status)
        if not status_line.update(text) and status.message and status.message != self._said:
            say(text, err=True)
        self._said = status.message


PARAMETERS: Parameters = {
    "backfill": lambda: [
        click.Argument(["action"], type=click.Choice(ACTIONS)),
        click.Argument(["name"], required=False),
        bind_option(),
        json_option(),
        click.Option(
            ["--max-lag"],
            type=float,
            metavar="SECONDS",
            help="Wait while a PostgreSQL replica is further behind.",
        ),
        click.Option(["--max-active"], type=int, metavar="N", help="Wait while more than N other sessions are active."),
        click.Option(
            ["--sleep"],
            type=float,
            default=0.0,
            metavar="SECONDS",
            help="Pause between two batches. [default: 0]",
        ),
        flag("--restart", help="Start NAME again from the first row."),
    ],
}
"""The parameters of the command."""
