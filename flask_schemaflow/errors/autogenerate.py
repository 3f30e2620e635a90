"""SF6xx: autogenerate stopped, and nothing was written."""

from __future__ import annotations

import re
import typing as t

from . import SchemaflowError

if t.TYPE_CHECKING:
    from ..questions import Question


class AutogenerateError(SchemaflowError, code="SF600"):
    """Autogenerate stopped. Nothing was written.

    Cause: base class of this family.
    Cure: see the specific error.
    """


class Undecided(AutogenerateError, code="SF601", exit_code=2):
    """Autogenerate needs your answer. Nothing was written.

    Cause: a difference is ambiguous, and one reading loses data.
    Cure: run ``flask db migrate`` on a terminal and answer, add the options that the message lists, or pass
    ``answers=`` from Python, where the error's ``questions`` lists them.
    """

    questions: tuple[Question, ...] = ()

    @classmethod
    def about(cls, questions: t.Sequence[Question]) -> Undecided:
        """Return the error for these questions."""
        many = f"{len(questions)} questions" if len(questions) > 1 else "one question"
        error = cls(
            f"`migrate` needs an answer to {many}. Nothing was written.",
            details="\n".join(str(question) for question in questions),
        )
        error.questions = tuple(questions)
        error.suggest("flask db migrate")
        return error

    def suggest(self, command: str) -> None:
        """End the hint with a complete command line that answers all questions.

        :param command: the command that was given, with its options.
        """
        options: list[str] = []
        for question in self.questions:
            options.append(question.suggestion(options))
        added = " ".join(options)
        placeholders = [word for word in ("VALUE", "EXPRESSION") if re.search(rf"[=:]{word}\b", added)]
        values = f" and replace {' and '.join(placeholders)}" if placeholders else ""
        each = "" if len(self.questions) == 1 else " for each question"
        self.hint: str = (
            f"To be asked, run `{command}` in a terminal.\n"
            f"Or add one of the options{each}{values}, for example: `{command} {added}`"
        )


class InvalidAnswer(AutogenerateError, code="SF602", exit_code=2):
    """An answer to ``migrate`` has the wrong format.

    Cause: a typo in ``--rename``, ``--rename-table``, ``--drop`` or ``--fill``.
    Cure: use the form in the message.
    """


class UnusedAnswer(AutogenerateError, code="SF603", exit_code=2):
    """An answer matches no difference between models and database.

    Cause: a typo in a name, or the change was migrated already.
    Cure: fix the name or remove the option.
    """


class EverythingDropped(AutogenerateError, code="SF604"):
    """``migrate`` would drop every table because none of them has an imported model.

    Cause: most often no model is imported before ``flask db migrate`` runs.
    Cure: import the modules with the models in your application factory; the message names those that look like
    models. ``--allow-drops`` drops the tables anyway.
    """


class ModelsNotImported(AutogenerateError, code="SF605"):
    """``migrate`` would drop tables whose models were not imported.

    Cause: the module with the models is not imported by anything that ``flask db migrate`` loads.
    Cure: import it in your application factory; ``--allow-drops``, or ``--drop`` with the table's name, drops the
    table anyway.
    """


class NotUpdatable(AutogenerateError, code="SF606"):
    """``migrate --update`` can't regenerate the head.

    Cause: it is applied already, another one follows it, or it has code that ``migrate`` didn't write.
    Cure: revert it on the databases that have it, or leave ``--update`` out and write another revision.
    """


class NamesMissing(AutogenerateError, code="SF610"):
    """The new revision uses undefined names. Nothing was written.

    Cause: ``render_item`` or ``repr()`` rendered a type or a default without the import that it needs.
    Cure: add the import where it is rendered, or to ``script.py.mako``.
    """


class VerificationFailed(AutogenerateError, code="SF611"):
    """The new revision fails on a scratch copy of the schema. Nothing was written.

    Cause: the database refuses what the models ask for, or a hook of the application changed the revision so that it
    can't run.
    Cure: fix the models, or write the file with ``flask db migrate --no-verify`` and fix it by hand.
    """
