"""What ``upgrade`` says about findings of lint before it begins, as the setting ``SCHEMAFLOW_LINT`` asks for."""

from __future__ import annotations

import sys
import typing as t

from .. import commands
from ..errors import SchemaflowError
from ..errors.linting import ProblemsFound
from ..extension import current_state
from .group import Shared
from .output import confirm
from .output import echo

if t.TYPE_CHECKING:
    from ..linting.records import LintReport


def stop_at_findings(shared: Shared, revision: str, binds: tuple[str, ...], yes: bool) -> None:
    """Show the findings of level error in what an upgrade would run, and ask or stop.

    What can't be measured stops nothing, unless the setting is ``stop``.

    :param yes: the answer was given with the command.
    :raises ProblemsFound: if the setting or the answer is to stop.
    """
    mode = current_state().settings.lint
    on_terminal = sys.stdin.isatty() and sys.stderr.isatty()
    if mode == "off" or (mode == "auto" and not on_terminal):
        return
    reports = _reports(shared, revision, binds, strict=mode == "stop")
    found = [report for report in reports if report.has("error")]
    unmeasured = [report.unmeasured for report in reports if report.unmeasured]
    if mode == "stop" and (found or unmeasured):
        _show(found)
        what = f"they can't be measured: {unmeasured[0]}" if unmeasured else "`flask db lint` finds problems in them"
        raise ProblemsFound(
            f"The pending revisions were not applied, because {what}.",
            hint="Change them, or allow a finding with `# allow CODE: reason`; SCHEMAFLOW_LINT says whether to stop.",
        )
    if found:
        _show(found)
        if on_terminal and not yes and not confirm("Upgrade anyway?", default=False):
            raise ProblemsFound("The pending revisions were not applied.", hint="`flask db lint` shows the findings.")


def _reports(shared: Shared, revision: str, binds: tuple[str, ...], strict: bool) -> tuple[LintReport, ...]:
    try:
        if not commands.pending(shared.directory, x_arg=shared.x_arg, binds=binds):
            return ()
        return commands.plan(target=revision, binds=binds, **shared.arguments).reports
    except SchemaflowError:
        if strict:
            raise
        return ()  # the upgrade itself says what is wrong


def _show(found: list[LintReport]) -> None:
    from .lint_formats import as_text

    if found:
        echo(as_text(found), err=True)
