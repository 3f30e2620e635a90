"""Records about tenants: the result for one, the result for all, and the status of one."""

from __future__ import annotations

import collections
import dataclasses
import typing as t

from ..records import Record
from ..targets import Tenant

Command = t.Literal["upgrade", "downgrade", "stamp", "check"]
Outcome = t.Literal["changed", "unchanged", "failed", "interrupted", "left out"]


@dataclasses.dataclass(frozen=True)
class Action(Record):
    """What to do with each tenant: a command with its arguments.

    :param directory: the migrations folder, if it isn't the registered one.
    :param revision: an id, ``head``, ``+1``, ``-1``; ignored by ``check``.
    :param yes: confirms that a downgrade drops rows or reverts several revisions.
    :param purge: empty the version table first; for ``stamp``.
    :param create: create the schema or the database if it doesn't exist; for ``upgrade``.
    :param is_behind: whether a revision was pending when the versions were last read; saves reading them again.
    :param fleet: an identifier that the tenants of one command share: each process reads the revision files once for
        it. Empty if they are to be read for each tenant.
    :param keeps_connection: whether the process goes on with the connection for the next tenant's schema.
    """

    command: Command = "upgrade"
    revision: str = "head"
    directory: str | None = None
    x_arg: tuple[str, ...] = ()
    tag: str | None = None
    yes: bool | None = None
    purge: bool = False
    create: bool = False
    is_behind: bool = False
    fleet: str = ""
    keeps_connection: bool = False

    @property
    def goes_to_heads(self) -> bool:
        """Whether a tenant at the heads needs nothing."""
        return self.command == "upgrade" and self.revision in ("head", "heads")


@dataclasses.dataclass(frozen=True)
class TenantResult(Record):
    """The result of a command for one tenant.

    :param outcome: ``changed``, ``unchanged``, ``failed``, ``interrupted`` by a signal, or ``left out`` because the
        fleet stopped before.
    :param revisions: the ids that were applied, reverted or stamped.
    :param code: of the error, ``SFnnn``.
    :param message: of the error, without a password.
    :param notices: sentences for the reader.
    :param seconds: wall time.
    :param worker: the process that did the work, ``host:pid``.
    """

    tenant: str
    outcome: Outcome
    revisions: tuple[str, ...] = ()
    code: str = ""
    message: str = ""
    details: str = ""
    hint: str = ""
    notices: tuple[str, ...] = ()
    seconds: float = 0.0
    worker: str = ""

    @property
    def succeeded(self) -> bool:
        """Whether the command reached its aim for the tenant."""
        return self.outcome in ("changed", "unchanged")


@dataclasses.dataclass(frozen=True)
class FleetReport(Record):
    """The result of a command for many tenants.

    :param results: one for each tenant, in the order in which they finished.
    :param stopped: a sentence that says why the command stopped early; or empty.
    :param interrupted: whether a signal was the reason.
    :param seconds: wall time.
    """

    results: tuple[TenantResult, ...] = ()
    stopped: str = ""
    interrupted: bool = False
    seconds: float = 0.0

    def of(self, *outcomes: Outcome) -> list[TenantResult]:
        """Return the results with these outcomes."""
        return [result for result in self.results if result.outcome in outcomes]

    @property
    def succeeded(self) -> bool:
        """Whether the command reached its aim for every tenant."""
        return all(result.succeeded for result in self.results)

    @property
    def counts(self) -> dict[str, int]:
        """How many tenants have each outcome."""
        return dict(collections.Counter(result.outcome for result in self.results))

    def __str__(self) -> str:
        words = [f"{number} {outcome}" for outcome, number in self.counts.items()]
        return f"{len(self.results)} tenant{'' if len(self.results) == 1 else 's'}: {', '.join(words) or 'none'}"

    def __repr__(self) -> str:
        return f"FleetReport({self})"


@dataclasses.dataclass(frozen=True)
class FleetEvent(Record):
    """Something that happens during a command for many tenants; ``notify`` is called with it.

    :param kind: ``result`` of a tenant, or a ``notice``.
    :param done: how many tenants are finished.
    :param total: how many there are.
    :param failures: how many of them failed.
    :param seconds: wall time since the fleet began.
    :param worked: how many were given to the executor and came back, which the rate is about.
    """

    kind: t.Literal["result", "notice"]
    text: str = ""
    result: TenantResult | None = None
    done: int = 0
    total: int = 0
    failures: int = 0
    seconds: float = 0.0
    worked: int = 0

    @property
    def rate(self) -> float:
        """Tenants a second."""
        return self.worked / self.seconds if self.seconds else 0.0

    @property
    def left(self) -> float:
        """Estimated seconds until the end, from the rate so far; 0 if unknown."""
        return (self.total - self.done) / self.rate if self.rate else 0.0


NotifyFleet = t.Callable[[FleetEvent], None]


def silent(event: FleetEvent) -> None:
    """Ignore an event."""


@dataclasses.dataclass(frozen=True)
class TenantStatus(Record):
    """The revisions of one tenant.

    :param place: its schema or database, without a password.
    :param current: the ids in its version table.
    :param state: ``up to date``, ``behind``, ``ahead`` of the code, ``interrupted`` in the middle of a revision,
        ``missing`` if its schema or database doesn't exist, or ``unreachable``.
    :param problem: what the database said, if it is unreachable.
    """

    tenant: str
    place: str
    current: tuple[str, ...] = ()
    state: t.Literal["up to date", "behind", "ahead", "interrupted", "missing", "unreachable"] = "up to date"
    problem: str = ""


@dataclasses.dataclass(frozen=True)
class TenantDrift(Record):
    """How the tables of one tenant differ from those of the reference tenant.

    :param state: ``same``, ``differs``, or ``not compared``.
    :param missing: tables that only the reference has.
    :param extra: tables that only this tenant has.
    :param different: tables that both have, with other columns, indexes or constraints.
    :param problem: why it wasn't compared.
    """

    tenant: str
    state: t.Literal["same", "differs", "not compared"]
    missing: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    different: tuple[str, ...] = ()
    problem: str = ""


@dataclasses.dataclass(frozen=True)
class Versions(Record):
    """What the version table of one tenant holds.

    :param revisions: the ids; ``None`` if they could not be read.
    :param interrupted: whether a migration broke off in the middle.
    :param missing: whether there is no such schema or database.
    :param problem: what the database said, if it can't be read.
    """

    tenant: Tenant
    revisions: tuple[str, ...] | None = None
    interrupted: bool = False
    missing: bool = False
    problem: str = ""
