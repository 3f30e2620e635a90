"""Commands that write revision files: revision, migrate, merge."""

from __future__ import annotations

import typing as t

from ..autogenerate.comparing import revision_context
from ..autogenerate.decisions import Decisions
from ..autogenerate.questions import Answers
from ..errors.arguments import InvalidArgument
from ..extension import Directory
from ..extension import XArg
from ..records import Written
from ..runtime.environment import Environment
from ..runtime.passage import Options
from ..runtime.translation import translated
from .arguments import check_names
from .drafting import draft
from .drafting import redraft
from .drafting import write


def revision(
    directory: Directory | None = None,
    message: str | None = None,
    autogenerate: bool = False,
    sql: bool = False,
    head: str = "head",
    splice: bool = False,
    branch_label: str | None = None,
    version_path: str | None = None,
    rev_id: str | None = None,
    *,
    depends_on: t.Sequence[str] = (),
    x_arg: XArg = None,
    answers: Answers | None = None,
    allow_drops: bool = False,
    dry_run: bool = False,
    verify: bool | None = None,
) -> Written:
    """Write a new revision file, empty unless ``autogenerate``.

    :param directory: the migrations folder, where it isn't the registered one.
    :param message: what it does, in a line; with ``autogenerate`` one is made up where none is given.
    :param autogenerate: compare the models with the databases, as :func:`migrate` does.
    :param sql: for an env.py that runs (``revision_environment``): without a connection.
    :param head: what it follows: an id, ``head``, or ``branch@head``.
    :param splice: whether ``head`` may be no head.
    :param branch_label: a name for the branch that it begins.
    :param version_path: the folder for the file, one of the version locations.
    :param rev_id: its id; made up by default.
    :param depends_on: ids that must be applied before it.
    :param x_arg: handed to env.py.
    :param answers: with ``autogenerate``, what was renamed, dropped or filled.
    :param allow_drops: with ``autogenerate``, go on although models seem to be missing.
    :param dry_run: leave the file's text in ``source`` instead of writing it.
    :param verify: with ``autogenerate``, whether the file is proved on a scratch copy of the schema before it is kept;
        by default what ``SCHEMAFLOW_VERIFY`` says.
    :returns: the file that was written.
    :raises InvalidArgument: for an id or a label that can't be one.
    :raises VerificationFailed: when the file fails its proof.
    :raises Undecided: with ``autogenerate``, when something has to be answered first; holds the questions.
    """
    check_names(rev_id, branch_label)
    arguments: dict[str, t.Any] = {
        "message": message,
        "head": head,
        "splice": splice,
        "branch_label": branch_label,
        "version_path": version_path,
        "rev_id": rev_id,
        "depends_on": list(depends_on) or None,
    }
    if autogenerate:
        return _autogenerate(directory, x_arg, {**arguments, "sql": sql}, answers, allow_drops, dry_run, False, verify)
    environment = Environment.open(directory, x_arg)
    environment.config.attributes["binds"] = [target.bind for target in environment.state.targets()]
    revisions = revision_context(environment, autogenerate=False, sql=sql, **arguments)
    if environment.config.get_main_option("revision_environment", "") == "true":

        def work(heads: t.Any, context: t.Any) -> list[t.Any]:
            revisions.run_no_autogenerate(heads, context)
            return []

        environment.run(
            work, Options("compare", sql), template_args=revisions.template_args, revision_context=revisions
        )
    elif sql:
        raise InvalidArgument(
            "`revision --sql` needs env.py to run, which revision_environment in alembic.ini switches on.",
            hint="Leave --sql out: `flask db upgrade --sql` prints the SQL of revisions.",
        )
    return write(environment, revisions, dry_run=dry_run)


def migrate(
    directory: Directory | None = None,
    message: str | None = None,
    sql: bool = False,
    head: str = "head",
    splice: bool = False,
    branch_label: str | None = None,
    version_path: str | None = None,
    rev_id: str | None = None,
    x_arg: XArg = None,
    *,
    depends_on: t.Sequence[str] = (),
    answers: Answers | None = None,
    allow_drops: bool = False,
    dry_run: bool = False,
    update: bool = False,
    verify: bool | None = None,
) -> Written:
    """Compare the models with the databases and write a revision for what differs.

    :param update: write the newest revision anew, which no database may have yet, instead of another one.
    :returns: what was written; false when nothing differs, and then no file is written.
    :raises Undecided: when something has to be answered first; holds the questions.
    :raises EverythingDropped: when no table of a database would be left, unless ``allow_drops``.
    :raises NotUpdatable: with ``update``, when that would lose something.

    The other parameters are those of :func:`revision`.
    """
    check_names(rev_id, branch_label)
    arguments: dict[str, t.Any] = {
        "message": message,
        "sql": sql,
        "head": head,
        "splice": splice,
        "branch_label": branch_label,
        "version_path": version_path,
        "rev_id": rev_id,
        "depends_on": list(depends_on) or None,
    }
    return _autogenerate(directory, x_arg, arguments, answers, allow_drops, dry_run, update, verify)


def _autogenerate(
    directory: Directory | None,
    x_arg: XArg,
    arguments: dict[str, t.Any],
    answers: Answers | None,
    allow_drops: bool,
    dry_run: bool,
    update: bool = False,
    verify: bool | None = None,
) -> Written:
    environment = Environment.open(directory, x_arg, ["autogenerate"])
    decisions = Decisions(answers or Answers(), allow_drops, verify)
    return (redraft if update else draft)(environment, decisions, arguments, dry_run)


def merge(
    directory: Directory | None = None,
    revisions: str | t.Sequence[str] = "",
    message: str | None = None,
    branch_label: str | None = None,
    rev_id: str | None = None,
    *,
    splice: bool = False,
    x_arg: XArg = None,
) -> Written:
    """Join several branches in a new revision.

    :param directory: the migrations folder, where it isn't the registered one.
    :param revisions: the revisions to join, or ``heads``.
    :param message: by default the ids that it joins.
    :param branch_label: a name for the branch that it begins.
    :param rev_id: its id; made up by default.
    :param splice: whether ``revisions`` may be no heads.
    :param x_arg: handed to env.py.
    :returns: the file that was written.
    :raises InvalidArgument: when they are fewer than two.
    """
    check_names(rev_id, branch_label)
    environment = Environment.open(directory, x_arg)
    environment.config.attributes["binds"] = [target.bind for target in environment.state.targets()]
    given = (revisions,) if isinstance(revisions, str) else tuple(revisions)
    with translated(environment):
        found = environment.script.get_revisions(tuple(item for item in given if item) or "heads")
    ids = list(dict.fromkeys(script.revision for script in found if script is not None))
    if len(ids) < 2:
        raise InvalidArgument(
            f"There is nothing to merge: {', '.join(given) or 'heads'} names {len(ids)} revision.",
            hint="`flask db heads` lists the heads; a merge joins two or more.",
        )
    context = revision_context(
        environment,
        autogenerate=False,
        message=message or "merge " + " and ".join(ids),
        head=tuple(ids),
        splice=splice,
        branch_label=branch_label,
        rev_id=rev_id,
    )
    return write(environment, context)
