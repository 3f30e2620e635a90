"""SF6xx: autogenerate stopped before it wrote anything."""

from __future__ import annotations

import typing as t

from . import SchemaflowError

if t.TYPE_CHECKING:
    from ..autogenerate.questions import Question

__all__ = [
    "AutogenerateError",
    "EverythingDropped",
    "InvalidAnswer",
    "ModelsNotImported",
    "NotUpdatable",
    "Undecided",
    "UnusedAnswer",
    "NamesMissing",
    "VerificationFailed",
]


class AutogenerateError(SchemaflowError):
    """Autogenerate stopped before it wrote anything.

    Cause: see the more specific errors of this family.
    Cure: see there.
    """

    code: t.ClassVar[str] = "SF600"


class Undecided(AutogenerateError):
    """Questions are open that only a person can answer, so nothing was written.

    Cause: the models and the database differ in a way that can mean two things, of which one loses data.
    Cure: run ``flask db migrate`` on a terminal and answer, add the options that the message lists, or pass
    ``answers=`` from Python, where ``questions`` holds what is open.
    """

    code: t.ClassVar[str] = "SF601"
    exit_code: t.ClassVar[int] = 2
    questions: tuple[Question, ...] = ()

    @classmethod
    def about(cls, questions: t.Sequence[Question]) -> Undecided:
        """The error for these questions."""
        many = f"{len(questions)} questions have" if len(questions) > 1 else "One question has"
        error = cls(
            f"{many} to be answered first; nothing was written.",
            details="\n".join(str(question) for question in questions),
            hint="Add one of the options for each question, or run `flask db migrate` on a terminal to be asked.",
        )
        error.questions = tuple(questions)
        return error


class InvalidAnswer(AutogenerateError):
    """An answer given to ``migrate`` can't be read.

    Cause: a slip in ``--rename``, ``--rename-table``, ``--drop`` or ``--fill``.
    Cure: write it as the message shows.
    """

    code: t.ClassVar[str] = "SF602"
    exit_code: t.ClassVar[int] = 2


class UnusedAnswer(AutogenerateError):
    """An answer fits nothing that differs between the models and the database.

    Cause: a slip in a name, or the change it is about was migrated already.
    Cure: correct the name or leave the option out.
    """

    code: t.ClassVar[str] = "SF603"
    exit_code: t.ClassVar[int] = 2


class EverythingDropped(AutogenerateError):
    """The models of existing tables are missing, so that their tables would be dropped.

    Cause: most often no model was imported before ``flask db migrate`` ran.
    Cure: import the modules with the models where the application is made; the message names those that look
    like models and were not imported. ``--allow-drops`` drops the tables all the same.
    """

    code: t.ClassVar[str] = "SF604"


class ModelsNotImported(AutogenerateError):
    """Tables would be dropped whose models are there and were not imported.

    Cause: the module with the models is not imported by anything that ``flask db migrate`` loads.
    Cure: import it where the application is made; ``--allow-drops``, or ``--drop`` with the table's name, drops the
    table all the same.
    """

    code: t.ClassVar[str] = "SF605"


class NotUpdatable(AutogenerateError):
    """The newest revision can't be written anew by ``migrate --update``.

    Cause: it is applied already, another one follows it, or it has code that ``migrate`` didn't write.
    Cure: take it back from the databases that have it, or leave ``--update`` out and write another revision.
    """

    code: t.ClassVar[str] = "SF606"


class NamesMissing(AutogenerateError):
    """A new revision uses names that nothing in it defines, so it was not kept.

    Cause: a type or a default was written out, by ``render_item`` or ``repr()``, without the import that it needs.
    Cure: add the import where it is written out, or to ``script.py.mako``.
    """

    code: t.ClassVar[str] = "SF610"


class VerificationFailed(AutogenerateError):
    """A new revision fails on a scratch copy of the schema, so it was not kept.

    Cause: the database refuses what the models ask for, or a hook of the application changed the revision so that it
    can't run.
    Cure: correct the models, or write the file with ``flask db migrate --no-verify`` and correct it by hand.
    """

    code: t.ClassVar[str] = "SF611"
