"""Commands that write revision files: revision, migrate, merge."""

from __future__ import annotations

import typing as t

from alembic.autogenerate import RevisionContext
from alembic.script import Script

from ..autogenerate.comparing import compare
from ..autogenerate.comparing import describe
from ..autogenerate.comparing import leaves
from ..autogenerate.comparing import revision_context
from ..errors.arguments import InvalidArgument
from ..extension import Directory
from ..records import Notify
from ..records import Revision
from ..records import silent
from ..records import Written
from ..runtime.environment import Environment
from ..runtime.passage import Options
from ..runtime.translation import translated
from .running import XArg
from .selection import record_of


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
) -> Written:
    """Write a new revision file, empty unless ``autogenerate``.

    :param head: what it follows: an id, ``head``, or ``branch@head``.
    :param splice: whether ``head`` may be no head.
    :param depends_on: ids that must be applied before it.
    :returns: the file that was written.
    """
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
        return _autogenerate(directory, x_arg, sql, arguments)
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
    return _write(environment, revisions)


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
    notify: Notify = silent,
) -> Written:
    """Compare the models with the databases and write a revision for what differs.

    :returns: what was written; false when nothing differs, and then no file is written.

    The parameters are those of :func:`revision`.
    """
    arguments: dict[str, t.Any] = {
        "message": message,
        "head": head,
        "splice": splice,
        "branch_label": branch_label,
        "version_path": version_path,
        "rev_id": rev_id,
        "depends_on": list(depends_on) or None,
    }
    return _autogenerate(directory, x_arg, sql, arguments)


def _autogenerate(
    directory: Directory | None, x_arg: XArg, sql: bool, arguments: dict[str, t.Any]
) -> Written:
    if sql:
        raise InvalidArgument(
            "--sql makes no sense with autogenerate, which has to ask the database.",
            hint="Write the revision first, then print its SQL: `flask db upgrade --sql`.",
        )
    environment = Environment.open(directory, x_arg, ["autogenerate"])
    environment.config.attributes["binds"] = [target.bind for target in environment.state.targets()]
    revisions = revision_context(environment, **arguments)
    compare(environment, revisions)
    return _write(environment, revisions)


def _write(environment: Environment, revisions: RevisionContext) -> Written:
    generated = revisions.generated_revisions
    operations = tuple(
        describe(op) for script in generated for up in script.upgrade_ops_list for op in leaves(up)
    )
    if revisions.command_args["autogenerate"] and not operations:
        return Written()
    with translated(environment):
        written = [found for found in revisions.generate_scripts() if found is not None]
    return Written(
        paths=tuple(found.path for found in written),
        revisions=tuple(_record(found) for found in written),
        operations=operations,
    )


def _record(script: Script) -> Revision:
    return record_of(script)


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

    :param revisions: the revisions to join, or ``heads``.
    :param splice: whether they may be no heads.
    :raises InvalidArgument: when they are fewer than two.
    """
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
    return _write(environment, context)
