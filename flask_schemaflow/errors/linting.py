"""SF9xx: revisions that could not be measured."""

from __future__ import annotations

from . import SchemaflowError


class LintError(SchemaflowError, code="SF900", exit_code=3):
    """``lint`` or ``plan`` has no result.

    Cause: base class of this family.
    Cure: see the specific error.
    """


class NotMeasured(LintError, code="SF901"):
    """Revisions could not be measured.

    Cause: the scratch copy can't be created, or a revision fails there before it sends a statement. The message says
    which.
    Cure: allow the user to create databases, name another server with ``--on URL``, or fix the revision.
    """


class ProblemsFound(SchemaflowError, code="SF902"):
    """``lint`` found problems in the pending revisions, so ``upgrade`` stopped. Nothing was changed.

    Cause: the setting ``SCHEMAFLOW_LINT`` is ``"stop"``, or you answered the question on the terminal with no.
    Cure: change the revision, or allow the finding with ``# allow CODE: reason``. ``flask db lint`` prints the
    findings.
    """
