"""The cases of ``tests.tools.schema_changes``: seen, written, applied, reverted, with schema and rows as before."""

from __future__ import annotations

import pathlib

import pytest

from ..support.servers import Kind
from ..tools.schema_cases import Case
from ..tools.schema_cases import SUBJECTS
from ..tools.schema_cases import UNSEEN
from ..tools.schema_changes import run
from ..tools.schema_changes import STAGES

PAGE = pathlib.Path(__file__).parents[2] / "docs" / "reference" / "what-is-compared.rst"
SERVERS: tuple[Kind, ...] = ("postgresql", "mariadb")


def _left_out(number: int, case: Case, kind: Kind) -> bool:
    """Whether a case is tried on a database once a week: on one of the servers in turn, where it is for both."""
    return set(SERVERS) <= set(case.databases) and kind == SERVERS[number % 2]


ALL = [
    pytest.param(
        *(case, kind),
        id=f"{subject}: {case.name} [{kind}]",
        marks=pytest.mark.exhaustive if _left_out(number, case, kind) else (),
    )
    for subject, cases in SUBJECTS.items()
    for number, case in enumerate(cases)
    for kind in case.databases
]


@pytest.mark.slow
@pytest.mark.parametrize(("case", "kind"), ALL)
def test_change(case: Case, kind: Kind) -> None:
    """Each change goes there and back; one that isn't written is told."""
    outcome = run(case, kind)
    assert not outcome.error, f"{outcome.error}\n{outcome.source}"
    assert outcome.stages == list(STAGES[: len(STAGES) if case.writes else 2])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("case", "kind"),
    [pytest.param(case, kind, id=f"{case.name} [{kind}]") for case in UNSEEN for kind in case.databases],
)
def test_unseen(case: Case, kind: Kind) -> None:
    """A change that isn't seen is on the page; one that is seen by now has to leave it."""
    assert run(case, kind).error.startswith("nothing is seen")


def test_page() -> None:
    """The page names just the changes that aren't seen."""
    section = PAGE.read_text("utf-8").partition("Changes that are not found\n")[2].partition("\n\n\n")[0]
    listed = [line.removeprefix("* ").rstrip(";.") for line in section.splitlines() if line.startswith("* ")]
    assert listed == [case.name for case in UNSEEN]


def test_names() -> None:
    """No two cases of a subject are named alike."""
    for subject, cases in SUBJECTS.items():
        assert len({case.name for case in cases}) == len(cases), subject
