"""The questions about renames, in words and with the options that answer them.

Yes is the harmless answer to all of them: a rename that was none can be undone with every value in place, a
drop can't.
"""

from __future__ import annotations

import typing as t

from .questions import Answers
from .questions import Question
from .renames import Candidate


def table_question(candidate: Candidate, database: str) -> Question:
    """``Was table department renamed to departments?``"""
    old, new = candidate.old, candidate.new
    return Question(
        kind="rename_table",
        text=f"Was table {old} renamed to {new}?",
        subject=old,
        evidence=candidate.evidence,
        default=True,
        yes=Answers(table_renames={old: new}),
        no=Answers(denied_tables=frozenset({(old, new)})),
        options=(
            (f"--rename-table {old}:{new}", "yes, its rows stay"),
            (f"--drop {old}", "no, its rows go"),
        ),
        database=database,
    )


def column_question(candidate: Candidate, old_names: t.Mapping[str, str], database: str) -> Question:
    """``Was employees.address renamed to employees.location?``

    :param old_names: what renamed tables were called.
    """
    table = candidate.table or ""
    before = f"{old_names.get(table, table)}.{candidate.old}"
    return Question(
        kind="rename_column",
        text=f"Was {before} renamed to {table}.{candidate.new}?",
        subject=before,
        evidence=candidate.evidence,
        default=True,
        yes=Answers(renames={before: candidate.new}),
        no=Answers(denied=frozenset({(before, candidate.new)})),
        options=(
            (f"--rename {before}:{candidate.new}", "yes, its values stay"),
            (f"--drop {before}", "no, its values go"),
        ),
        database=database,
    )
