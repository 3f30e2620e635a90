"""In which order schema and code are to be deployed, from what was measured of each revision."""

from __future__ import annotations

import typing as t

from .records import CheckedRevision
from .records import LintReport

UPGRADE = "flask db upgrade"
DEPLOY = "deploy the new code"


def deployment_order(reports: t.Iterable[LintReport]) -> tuple[tuple[str, ...], str]:
    """Return the steps of a deployment, and what they follow from.

    A revision after which the running code fails comes after the new code; one that the new code needs comes before.
    """
    revisions = [item for report in reports for item in report.revisions]
    if not revisions:
        return (), ""
    neither = [item.id for item in revisions if item.order == "neither"]
    if neither:
        why = (
            f"No order works for {', '.join(dict.fromkeys(neither))}: the code that runs now fails after it, and the "
            "new code before it. Make it several: add what is new, deploy code that uses both, remove what is old."
        )
        return (), why
    return _steps(revisions)


def _steps(revisions: t.Sequence[CheckedRevision]) -> tuple[tuple[str, ...], str]:
    after = next((number for number, item in enumerate(revisions) if item.order == "code first"), None)
    needed = [number for number, item in enumerate(revisions) if item.order == "schema first"]
    if after is None:
        first = revisions[-1].id
        if not needed:
            return (UPGRADE, DEPLOY), "Any order works."
        return (UPGRADE, DEPLOY), f"The new code needs {revisions[needed[0]].id}, and the old code works after {first}."
    breaking = revisions[after].id
    late = [number for number in needed if number > after]
    if late:
        why = (
            f"The code that runs now fails after {breaking}, and the new code needs {revisions[late[0]].id}, which "
            "comes later. Deploy twice, or put the revisions into the other order."
        )
        return (), why
    steps = (f"{UPGRADE} {revisions[after - 1].id}",) if after and needed else ()
    return (*steps, DEPLOY, UPGRADE), f"The code that runs now fails after {breaking}."
