"""Asks the questions of autogenerate on a terminal, all of them before anything is written."""

from __future__ import annotations

import sys
import typing as t

import click

from ..autogenerate.questions import Answers
from ..autogenerate.questions import Question
from ..errors.autogenerate import Undecided

Result = t.TypeVar("Result")


def until_decided(run: t.Callable[[Answers], Result], answers: Answers) -> Result:
    """Call ``run`` with more and more answers, until it has no question left.

    :raises Undecided: when there is no terminal to ask on.
    """
    while True:
        try:
            return run(answers)
        except Undecided as error:
            if not (sys.stdin.isatty() and sys.stderr.isatty()):
                raise
            answers |= _ask_all(error.questions)


def _ask_all(questions: t.Iterable[Question]) -> Answers:
    answers = Answers()
    try:
        for question in questions:
            if not question.moot(answers):
                answers |= question.answered(_ask(question))
    except click.Abort:
        click.echo("\nNothing was written.", err=True)
        sys.exit(130)
    return answers


def _ask(question: Question) -> bool | str:
    if question.evidence:
        click.echo(f"  {', '.join(question.evidence)}", err=True)
    if question.wants_value:
        return str(click.prompt(question.text, default=question.default, prompt_suffix=" ", err=True))
    default = question.default if isinstance(question.default, bool) else None
    return click.confirm(question.text, default=default, prompt_suffix=" ", err=True)
