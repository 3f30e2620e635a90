"""The commands create-tenant and drop-tenant, and the options with which other commands choose tenants."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import typing as t

import click

from ..errors.arguments import InvalidArgument
from ..errors.folder import ConfirmationMissing
from ..errors.setup import UpgradeWithoutTenants
from ..extension import current_state
from ..records import Record
from .group import flag
from .group import Parameters
from .group import Shared
from .output import alembic_lines
from .output import can_ask
from .output import echo
from .output import flat
from .output import Progress
from .output import prompt


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


def selected(
    options: dict[str, t.Any], *, sql: bool = False, binds: t.Sequence[str] = (), backup: bool | None = None
) -> Selection | None:
    """Return the tenants that were chosen, ``None`` if the command is for the application's own databases.

    :param options: those of the command, which keeps what is not about tenants.
    :raises InvalidArgument: for options that mean nothing without tenants, or with them.
    """
    names = {field.name: field.default for field in dataclasses.fields(Selection)}
    found = Selection(**{name: options.pop(name) for name in list(options) if name in names})
    changed = [name for name, default in names.items() if getattr(found, name) != default]
    if changed and not found:
        name = changed[0].replace("_", "-")
        hint = "Add --all-tenants, --tenant NAME or --tenants-from FILE."
        raise InvalidArgument(f"--{name} needs tenants.", hint=hint)
    for name, given in (("--sql", sql), ("--bind", bool(binds)), ("--backup", bool(backup))):
        if found and given:
            raise InvalidArgument(
                f"{name} can't be used with tenants.",
                hint="The SQL is the same for every tenant: leave the tenants out."
                if name == "--sql"
                else "Leave it out.",
            )
    return found or None


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
        if not can_ask():
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
