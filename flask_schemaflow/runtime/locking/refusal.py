"""A lock that was refused: which refusals there are, and the sentences about them."""

from __future__ import annotations

import dataclasses
import os
import typing as t

from ...errors.database import TableLocked
from ..guards import Scope
from ..translation.places import place_below
from .blockers import Blocker
from .blockers import one_line
from .timeouts import limit
from .transactions import Transactions

Kind = t.Literal["timeout", "deadlock"]

_SQLSTATES: dict[str, Kind] = {"55P03": "timeout", "40P01": "deadlock"}
_NUMBERS: dict[int, Kind] = {1205: "timeout", 1213: "deadlock"}
_STATEMENT = 100


@dataclasses.dataclass(frozen=True)
class Refusal:
    """A statement that did not get its lock.

    :param error: the driver's error.
    :param attempts: how often it was tried.
    :param alone: whether the statement was tried again by itself, rather than with the whole run.
    """

    error: BaseException
    statement: str
    blockers: tuple[Blocker, ...]
    attempts: int
    alone: bool

    def caused(self, error: BaseException | None) -> bool:
        """Whether ``error`` came from this refusal, whatever was made of it on the way."""
        seen: set[int] = set()
        while error is not None and id(error) not in seen:
            if error is self.error or getattr(error, "orig", None) is self.error:
                return True
            seen.add(id(error))
            error = error.__cause__ or error.__context__
        return False


def kind_of_refusal(error: BaseException) -> Kind | None:
    """What a driver's error says about locks."""
    state = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
    number = getattr(error, "errno", None) or next(iter(getattr(error, "args", ())), None)
    found = _SQLSTATES.get(str(state))
    if found is None and isinstance(number, int):
        found = _NUMBERS.get(number)
    return found


def is_refusal(error: BaseException) -> bool:
    """Whether a driver's error means that a lock was not to be had."""
    return kind_of_refusal(error) is not None


def reason(refusal: Refusal, scope: Scope) -> str:
    """One sentence on one attempt."""
    what = f"`{one_line(refusal.statement, _STATEMENT)}`"
    if kind_of_refusal(refusal.error) == "deadlock":
        return f"{what} and another session waited for each other, and the database ended it."
    seconds = limit(scope.dialect, scope.settings.lock_timeout)
    within = f" within {seconds:g} s" if seconds else ""
    return f"{what} got no lock{within}{_blocked(refusal.blockers)}."


def waiting(statement: str, blockers: t.Sequence[Blocker], seconds: float) -> str:
    """One sentence on a statement that goes on waiting."""
    return f"`{one_line(statement, _STATEMENT)}` has been waiting for {seconds:.0f} s{_blocked(blockers)}."


def explain(refusal: Refusal, scope: Scope, transactions: Transactions, error: BaseException) -> TableLocked:
    """The error that ends a run, or has it begun anew."""
    sentence = reason(refusal, scope)
    who = f"Revision {transactions.revision}" if transactions.revision else "The migration"
    times = "1 attempt" if refusal.attempts == 1 else f"{refusal.attempts} attempts"
    made = TableLocked(
        f"{who} gave up after {times}: {sentence}",
        details="\n".join(f"  {line}" for line in _details(refusal, transactions, error)),
        hint=_hint(refusal.blockers),
    )
    made.reason = sentence
    made.again = not refusal.alone and (scope.settings.journal or not transactions.half)
    return made


def _blocked(blockers: t.Sequence[Blocker]) -> str:
    if not blockers:
        return ""
    return f", {'' if blockers[0].certain else 'probably '}blocked by {blockers[0]}"


def _details(refusal: Refusal, transactions: Transactions, error: BaseException) -> list[str]:
    lines = [f"Also in the way: {blocker}" for blocker in refusal.blockers[1:]]
    step = transactions.step
    path = getattr(getattr(step, "revision", None), "path", None)
    place = place_below(error, [os.path.dirname(path)]) if path else None
    if place is not None:
        lines += [f"Place: {place}"] + ([f"Operation: {place.code}"] if place.code else [])
    if transactions.kept:
        lines.append(f"Done before and kept: {', '.join(transactions.kept)}")
    if transactions.half:
        lines.append(f"Half done: {transactions.revision or 'the last revision'}")
    elif not transactions.kept:
        lines.append("Nothing was changed.")
    return lines


def _hint(blockers: t.Sequence[Blocker]) -> str:
    again = "run the command again; SCHEMAFLOW_LOCK_TIMEOUT and SCHEMAFLOW_LOCK_RETRIES say how long it tries."
    if not blockers:
        return f"End the transactions that use the table, then {again}"
    first = blockers[0]
    if first.own:
        return f"Commit or roll back what this process has open (db.session?) before it migrates, then {again}"
    end = f", or end the session: {first.remedy}" if first.remedy else ""
    return f"Wait for that transaction{end} Then {again}" if end else f"Wait for that transaction, then {again}"
