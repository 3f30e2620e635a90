"""Comparisons of models and databases, under the env.py of the folder, for ``migrate`` and ``check``."""

from __future__ import annotations

import typing as t

from alembic.autogenerate import RevisionContext
from alembic.operations import ops
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import configure_mappers

from ..errors.folder import TemplateOfOneDatabase
from ..records import Difference
from ..revisions.config import require_template
from ..runtime.environment import Environment
from ..runtime.errors import translated
from ..runtime.errors.revisions import id_taken
from ..runtime.guard import Scope
from ..runtime.run import Options
from .decisions import Decisions
from .describe import describe
from .operations import leaves
from .operations import table_of
from .passes.drops import DatabaseDefaultsPass
from .pipeline import passes_hook
from .registry import CHECK_PASSES
from .registry import prepare


def revision_context(environment: Environment, hook: t.Any = None, **arguments: t.Any) -> RevisionContext:
    """Return Alembic's context of one new revision.

    :param hook: our passes over the directives; they run before the hook of env.py.
    """
    optional = ("message", "branch_label", "version_path", "rev_id", "depends_on")
    defaults = {**dict.fromkeys(optional), "autogenerate": True, "sql": False, "head": "head", "splice": False}
    environment.config.attributes["binds"] = [target.bind for target in environment.state.targets()]  # for the template
    require_template(environment.folder)
    if arguments.get("rev_id"):
        with translated(environment):
            id_taken(environment.script, arguments["rev_id"])
    return RevisionContext(
        environment.config, environment.script, {**defaults, **arguments}, process_revision_directives=hook
    )


def compare(
    environment: Environment,
    revisions: RevisionContext,
    binds: t.Sequence[str] = (),
    check: t.Callable[[t.Any], None] = lambda heads: None,
    prepared: t.Callable[[Scope], None] = prepare,
    **options: t.Any,
) -> None:
    """Run env.py and have every database compared with its models, into ``revisions``.

    :param check: gets the revisions that each database is at, before it is compared, and may refuse them.
    :param prepared: gets each database before Alembic is configured for it.
    """

    def work(heads: t.Any, context: t.Any) -> list[t.Any]:
        check(heads)
        revisions.run_autogenerate(heads, context)
        return []

    mapper_mistake()
    environment.run(
        work,
        Options("compare", binds=tuple(binds), prepare=prepared, **options),
        template_args=revisions.template_args,
        revision_context=revisions,
    )


def mapper_mistake() -> str:
    """Configure the mappers, because extensions such as SQLAlchemy-Continuum add their tables then.

    :returns: A sentence on a mistake in them, which doesn't change what can be compared; else nothing.
    """
    try:
        configure_mappers()
    except SQLAlchemyError as error:
        return f"The mappers can't be configured, so tables that an extension adds may be missing: {error}"
    return ""


def differences(
    environment: Environment, binds: t.Sequence[str] = (), decisions: Decisions | None = None
) -> list[Difference]:
    """Return what differs between the models and the databases.

    :param decisions: its ``notices`` get what was left out.
    """
    hook = passes_hook(environment, (*CHECK_PASSES, DatabaseDefaultsPass), decisions or Decisions())
    revisions = revision_context(environment, hook)
    compare(environment, revisions, binds)
    differing: list[Difference] = []
    # A hook of env.py may have taken all of them away.
    for upgrade in (item for script in revisions.generated_revisions for item in script.upgrade_ops_list):
        database = _database(upgrade.upgrade_token)
        differing += [_difference(database, operation) for operation in leaves(upgrade)]
    return differing


def _database(token: str) -> str:
    return token[: -len("_upgrades")] or "default" if token.endswith("_upgrades") else "default"


def _difference(database: str, operation: t.Any) -> Difference:
    return Difference(
        database,
        describe(operation),
        type(operation).__name__,
        table_of(operation),
        getattr(operation, "column_name", "") or getattr(getattr(operation, "column", None), "name", "") or "",
    )


_FIX = "Run `flask db doctor --fix` to update the folder. It keeps a copy."


def not_compared(environment: Environment) -> list[str]:
    """Return a sentence for each database that has models and that env.py left out, and for mappers with a mistake."""
    run = environment.last_run
    mistake = mapper_mistake()
    return [mistake] * bool(mistake) + [
        f"The models of the database {target.name!r} were not compared: {environment.folder / 'env.py'} runs other "
        f"databases only. {_FIX}"
        for target in run.targets
        if target.bind not in run.configured and any(metadata.tables for metadata in target.metadatas)
    ]


def refuse_unwritten(environment: Environment, upgrades: t.Iterable[ops.UpgradeOps]) -> None:
    """Refuse to write half of the operations if script.py.mako has no place for those of a bind.

    :raises TemplateOfOneDatabase: names the bind.
    """
    template = environment.folder / "script.py.mako"
    for upgrade in upgrades:
        bind = upgrade.upgrade_token.removesuffix("upgrades").rstrip("_")
        if bind and upgrade.ops and "_upgrades" not in template.read_text("utf-8", errors="replace"):
            raise TemplateOfOneDatabase(
                f"{template} supports one database and can't hold operations for {bind!r}. Nothing was written.",
                hint=_FIX,
            )
