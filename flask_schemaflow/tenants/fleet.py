"""A command for many tenants: those with nothing to do are found by a query, an executor gets the rest, none is lost.

A tenant that fails stops no other. A worker that dies costs no tenant: those that it may have had are tried again, one
at a time, so that the one that kills its worker is found. An upgrade that is run again finds what is done already.
"""

from __future__ import annotations

import collections
import concurrent.futures
import contextlib
import multiprocessing
import signal
import threading
import time
import typing as t
import uuid

from ..errors.arguments import InvalidArgument
from ..errors.running import WorkerLost
from ..runtime.tenancy import missing
from ..runtime.tenant_engines import close_spare_connections
from ..targets import Tenant
from . import executors
from .listing import find_tenants
from .records import Action
from .records import FleetEvent
from .records import FleetReport
from .records import NotifyFleet
from .records import silent
from .records import TenantResult
from .versions import read_versions_of
from .work import AppSource
from .work import failed
from .work import migrate_tenant

RENEWED_AFTER = 500
"""Tenants that a worker process serves before it is replaced, so that nothing that it keeps can add up."""

_AHEAD = 2  # tenants given to a cluster for each job, so that no worker waits for the next
_PAUSE = 0.5  # seconds between two looks at the signals

GoOn = t.Callable[[FleetReport], bool]


def migrate_tenants(
    action: Action | None = None,
    names: t.Sequence[str] | None = None,
    *,
    app: AppSource | None = None,
    executor: str | concurrent.futures.Executor = executors.PROCESSES,
    jobs: int = 1,
    order: str = "given",
    canary: int = 0,
    go_on: GoOn | None = None,
    stop_after: int = 0,
    notify: NotifyFleet = silent,
) -> FleetReport:
    """Run a command for many tenants; by default upgrade all of them.

    :param names: the tenants; all by default.
    :param app: where other processes find the application: ``module:factory`` or an importable function. Needed for
        ``jobs`` above 1 and for clusters.
    :param executor: ``processes``, ``threads``, ``dask:ADDRESS``, ``module:function``, or an executor.
    :param jobs: how many tenants are worked on at the same time.
    :param order: ``given``, ``name``, ``smallest`` or ``largest`` first.
    :param canary: how many tenants go first; the others follow if none of them failed.
    :param go_on: called with the results of the canaries; returns whether to continue.
    :param stop_after: begin no further tenant after this many failures; 0 for no limit.
    :param notify: called with each event.
    :returns: a result for each tenant, including failures, which are not raised.
    :raises UnknownTenant: if no tenant has one of the names.
    """
    ends_with_fleet = executor in (executors.PROCESSES, executors.THREADS)  # no connection of a worker outlives it
    action = (action or Action()).changed(fleet=uuid.uuid4().hex, keeps_connection=ends_with_fleet)
    _check_arguments(app, executor, jobs, canary, stop_after)
    inline = executor == executors.PROCESSES and jobs == 1
    fleet = Fleet(action, find_tenants(names, order), _source(app, executor, inline), notify, stop_after, inline)
    fleet.skip_those_at_head()
    with fleet.heeding_signals(), contextlib.ExitStack() as stack:
        stack.callback(close_spare_connections)
        first = min(canary, len(fleet.waiting))
        if first:
            fleet.work_on(first, executor, jobs)
            fleet.decide_about_the_rest(go_on)
        fleet.work_on(len(fleet.waiting), executor, jobs)
    return fleet.report()


def _check_arguments(app: object, executor: object, jobs: int, canary: int, stop_after: int) -> None:
    for name, value, least in (("jobs", jobs, 1), ("canary", canary, 0), ("stop-after", stop_after, 0)):
        if value < least:
            raise InvalidArgument(f"--{name} can't be {value}.", hint=f"Give {least} or more.")
    leaves = executor != executors.THREADS and (executor != executors.PROCESSES or jobs > 1)
    if leaves and app is None and not isinstance(executor, concurrent.futures.ThreadPoolExecutor):
        raise InvalidArgument(
            "Other processes need to know how to make the application.",
            hint='Pass app="module:factory", as FLASK_APP has it, or use executor="threads".',
        )


def _source(app: AppSource | None, executor: object, inline: bool) -> AppSource:
    """Return the application itself where the work stays in this process."""
    from flask import current_app

    if app is not None and not inline and executor != executors.THREADS:
        return app
    return t.cast(AppSource, current_app._get_current_object())  # type: ignore[attr-defined]


class Fleet:
    """One command for many tenants, on its way.

    :param source: how a worker gets the application.
    :param is_inline: whether this process does the work itself.
    :ivar waiting: the tenants that nobody works on yet.
    """

    def __init__(
        self,
        action: Action,
        tenants: t.Sequence[Tenant],
        source: AppSource,
        notify: NotifyFleet = silent,
        stop_after: int = 0,
        is_inline: bool = False,
    ) -> None:
        self.waiting = collections.deque(tenants)
        self._action, self._source, self._notify = action, source, notify
        self._stop_after, self._is_inline = stop_after, is_inline
        self._total = len(tenants)
        self._results: list[TenantResult] = []
        self._behind: set[str] = set()  # whose versions were read, and lack something
        self._retried: set[str] = set()  # whose worker was lost
        self._failures = self._worked = 0
        self._stopped = ""
        self._interrupted = False
        self._signals = 0
        self._begun = self._started = time.perf_counter()

    def skip_those_at_head(self) -> None:
        """Take the tenants that have nothing pending out, by one query a database."""
        heads = _heads(self._action)
        if not heads or len(self.waiting) < 2:
            return
        together = [tenant for tenant in self.waiting if tenant.schema is not None or _is_of_mysql(tenant)]
        versions = read_versions_of(together) if together else {}
        tenants, self.waiting = self.waiting, collections.deque()
        for tenant in tenants:
            found = versions.get(tenant.name)
            if found is not None and found.missing and not self._action.create:
                self._end(failed(tenant, missing(tenant)), worked=False)
            elif found is not None and frozenset(found.revisions or ()) == heads and not found.interrupted:
                self._end(TenantResult(tenant.name, "unchanged"), worked=False)
            else:
                self.waiting.append(tenant)
                if found is not None:
                    self._behind.add(tenant.name)
        self._started = time.perf_counter()

    def work_on(self, number: int, executor: str | concurrent.futures.Executor, jobs: int) -> None:
        """Give the next tenants to an executor, and wait for them."""
        batch = collections.deque(self.waiting.popleft() for _ in range(number))
        suspects: collections.deque[Tenant] = collections.deque()
        alone: set[str] = set()  # whose worker died while there was no other
        local = executor == executors.PROCESSES and jobs > 1
        while (batch or suspects) and not self._stopped:
            with executors.opened(executor, jobs) as crew:
                if suspects:
                    for tenant in self._run(crew, suspects, 1, len(suspects)):
                        if tenant.name in alone:
                            self._end(_killing(tenant))
                        else:  # somebody may have killed it: once is no proof
                            alone.add(tenant.name)
                            suspects.appendleft(tenant)
                else:
                    limit = RENEWED_AFTER * jobs if local else len(batch)
                    suspects = self._run(crew, batch, _window(crew, jobs), limit)
        self.waiting.extendleft(reversed([*suspects, *batch]))

    def _run(
        self, crew: concurrent.futures.Executor, batch: collections.deque[Tenant], window: int, limit: int
    ) -> collections.deque[Tenant]:
        """Work until the batch or the limit is reached; return the tenants of workers that died."""
        pending: dict[concurrent.futures.Future[TenantResult], Tenant] = {}
        lost: collections.deque[Tenant] = collections.deque()
        begun = 0
        while pending or (batch and begun < limit and not lost and not self._stopped):
            while batch and begun < limit and len(pending) < window and not lost and not self._stopped:
                tenant = batch.popleft()
                begun += 1
                try:
                    action = self._action.changed(is_behind=tenant.name in self._behind)
                    pending[crew.submit(migrate_tenant, self._source, tenant, action)] = tenant
                except concurrent.futures.BrokenExecutor:
                    lost.append(tenant)
                    break
                if isinstance(crew, executors.InlineExecutor):
                    break
            for future in self._ended(pending):
                tenant = pending.pop(future)
                if not self._take(tenant, future):
                    lost.append(tenant)
        self._retried.update(tenant.name for tenant in lost)
        return lost

    def _ended(
        self, pending: t.Mapping[concurrent.futures.Future[TenantResult], Tenant]
    ) -> list[concurrent.futures.Future[TenantResult]]:
        """Wait for the first of the tenants at work."""
        done: t.Collection[concurrent.futures.Future[TenantResult]] = ()
        while pending and not done:
            done, _ = concurrent.futures.wait(pending, _PAUSE, return_when=concurrent.futures.FIRST_COMPLETED)
        return sorted(done, key=list(pending).index)

    def _take(self, tenant: Tenant, future: concurrent.futures.Future[TenantResult]) -> bool:
        """Take the result of a tenant; false if its worker died."""
        error = None if future.cancelled() else future.exception()
        if future.cancelled():
            self._end(TenantResult(tenant.name, "left out"))
        elif error is None:
            result = future.result()
            if result.outcome == "unchanged" and tenant.name in self._retried & self._behind:
                result = result.changed(outcome="changed")  # by a worker that was lost before it could say so
            self._end(result)
            if result.outcome == "interrupted" and not self._interrupted:
                self._stop("It was interrupted.", interrupted=True)
        elif isinstance(error, KeyboardInterrupt):
            self._end(TenantResult(tenant.name, "interrupted", message="A signal ended it."))
            self._stop("It was interrupted.", interrupted=True)
        elif _is_lost(error):
            if self._interrupted:
                text = "Its worker was ended before it reported a result."
                self._end(TenantResult(tenant.name, "interrupted", message=text))
                return True
            return False
        else:
            text, hint = f"The executor lost it: {type(error).__name__}: {error}", "Run the command again."
            self._end(TenantResult(tenant.name, "failed", code=WorkerLost.code, message=text, hint=hint))
        return True

    def _end(self, result: TenantResult, worked: bool = True) -> None:
        self._results.append(result)
        self._worked += worked
        self._failures += result.outcome == "failed"
        self._tell("result", result=result)
        if self._stop_after and self._failures >= self._stop_after and not self._stopped:
            count = "a failure" if self._failures == 1 else f"{self._failures} failures"
            self._stop(f"It stopped after {count}, as --stop-after says.")

    def _tell(self, kind: t.Literal["result", "notice"], **values: t.Any) -> None:
        self._notify(
            FleetEvent(
                kind,
                done=len(self._results),
                total=self._total,
                failures=self._failures,
                seconds=time.perf_counter() - self._started,
                worked=self._worked,
                **values,
            )
        )

    def decide_about_the_rest(self, go_on: GoOn | None) -> None:
        """Stop after canaries that failed, or if the caller says so."""
        if self._stopped:
            return
        canaries = FleetReport(tuple(self._results))
        if not canaries.succeeded:
            self._stop("A canary failed, so no other tenant was begun.")
        elif self.waiting and go_on is not None and not go_on(canaries):
            self._stop("It stopped after the canaries.")

    def _stop(self, why: str, interrupted: bool = False) -> None:
        self._stopped = self._stopped or why
        self._interrupted = self._interrupted or interrupted

    def report(self) -> FleetReport:
        """Return the results, with those of tenants that were never begun."""
        rest = [TenantResult(tenant.name, "left out") for tenant in self.waiting]
        seconds = time.perf_counter() - self._begun
        return FleetReport((*self._results, *rest), self._stopped, self._interrupted, seconds)

    # -- signals --------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def heeding_signals(self) -> t.Iterator[None]:
        """Begin no further tenant after Ctrl-C or SIGTERM, and let those at work come to their end.

        Where this process does the work itself, the run of a tenant hears the signal, and takes its statement back.
        """
        self._children = {child.pid for child in multiprocessing.active_children()}
        before: dict[int, t.Any] = {}
        if threading.current_thread() is threading.main_thread() and not self._is_inline:
            usual: dict[int, t.Any] = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
            for number, handler in usual.items():
                if signal.getsignal(number) is handler:
                    before[number] = signal.signal(number, self._heard)
        try:
            yield
        except KeyboardInterrupt:
            self._stop("It was interrupted.", interrupted=True)
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _heard(self, number: int, frame: object) -> None:
        self._signals += 1
        self._stop("It was interrupted.", interrupted=True)
        if self._signals == 1:
            self._tell("notice", text="Interrupted: tenants at work come to their end. Once more to end them, too.")
        else:
            executors.end_workers(self._children)


def _window(crew: concurrent.futures.Executor, jobs: int) -> int:
    """Return how many tenants to give away at once: one beside those at work, more where the way to a worker is long.

    Those that an executor has are not taken back when a fleet stops.
    """
    is_near = isinstance(crew, (concurrent.futures.ProcessPoolExecutor, concurrent.futures.ThreadPoolExecutor))
    return jobs + 1 if is_near else jobs * _AHEAD


def _killing(tenant: Tenant) -> TenantResult:
    """Return the result of a tenant whose worker died beside others, and twice more when it was alone."""
    return TenantResult(
        tenant.name,
        "failed",
        code=WorkerLost.code,
        message="The worker process ended in the middle of it, twice.",
        hint="It may have run out of memory, or a library crashed: run it alone, "
        f"`flask db upgrade --tenant {tenant.name}`. The next run continues from the current revision.",
    )


def _is_lost(error: BaseException) -> bool:
    """Return whether an executor says that the process of a call died."""
    return isinstance(error, concurrent.futures.BrokenExecutor) or type(error).__name__ == "KilledWorker"


def _is_of_mysql(tenant: Tenant) -> bool:
    return tenant.url is not None and tenant.url.startswith(("mysql", "mariadb"))


def _heads(action: Action) -> frozenset[str]:
    """Return the heads if an upgrade goes there; none if that needs more than a look at the revision files."""
    if not action.goes_to_heads:
        return frozenset()
    from .versions import folder_heads

    heads = folder_heads(action.directory)
    return heads if action.revision == "heads" or len(heads) == 1 else frozenset()
