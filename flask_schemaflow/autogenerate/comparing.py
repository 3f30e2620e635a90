"""Compares models and databases and says the differences in words."""

from __future__ import annotations

import typing as t

from alembic.autogenerate import RevisionContext
from alembic.operations import ops

from ..records import Difference
from ..runtime.environment import Environment
from ..runtime.passage import Options
from ..runtime.repository import require_template
from ..runtime.translation import translated
from ..runtime.translation.graph import id_taken
from .decisions import Decisions
from .operations import leaves
from .operations import table_of
from .pipeline import CHECK_PASSES
from .pipeline import hook
from .pipeline import load
from .pipeline import prepare

__all__ = ["compare", "describe", "differences", "leaves", "passes_hook", "revision_context"]


def revision_context(environment: Environment, hook: t.Any = None, **arguments: t.Any) -> RevisionContext:
    """Alembic's context of one new revision.

    :param hook: our passes over the directives; they run before the hook of env.py.
    """
    defaults: dict[str, t.Any] = {
        "message": None,
        "autogenerate": True,
        "sql": False,
        "head": "head",
        "splice": False,
        "branch_label": None,
        "version_path": None,
        "rev_id": None,
        "depends_on": None,
    }
    require_template(environment.folder)
    if arguments.get("rev_id"):
        with translated(environment):
            id_taken(environment.script, arguments["rev_id"])
    return RevisionContext(
        environment.config, environment.script, {**defaults, **arguments}, process_revision_directives=hook
    )


def passes_hook(environment: Environment, names: t.Iterable[str], decisions: Decisions) -> t.Any:
    """The passes, as the hook for :func:`revision_context`."""

    def scope() -> t.Any:
        passage = environment.config.attributes["schemaflow"]
        return passage.state.settings, passage.scope.bind

    return hook(load(names), decisions, scope)


def compare(
    environment: Environment,
    revisions: RevisionContext,
    binds: t.Sequence[str] = (),
    check: t.Callable[[t.Any], None] = lambda heads: None,
    **options: t.Any,
) -> None:
    """Run env.py and have every database compared with its models, into ``revisions``.

    :param check: gets the revisions that each database is at, before it is compared, and may refuse them.
    """

    def work(heads: t.Any, context: t.Any) -> list[t.Any]:
        check(heads)
        revisions.run_autogenerate(heads, context)
        return []

    environment.run(
        work,
        Options("compare", binds=tuple(binds), prepare=prepare, **options),
        template_args=revisions.template_args,
        revision_context=revisions,
    )


def differences(environment: Environment, binds: t.Sequence[str] = ()) -> list[Difference]:
    """What the models have and the databases haven't, and the other way round."""
    revisions = revision_context(environment, passes_hook(environment, CHECK_PASSES, Decisions()))
    compare(environment, revisions, binds)
    found: list[Difference] = []
    # A hook of env.py may have taken all of them away.
    for upgrade in (item for script in revisions.generated_revisions for item in script.upgrade_ops_list):
        database = _database(upgrade.upgrade_token)
        found += [_difference(database, operation) for operation in leaves(upgrade)]
    return found


def _database(token: str) -> str:
    return token[: -len("_upgrades")] or "default" if token.endswith("_upgrades") else "default"


def _difference(database: str, operation: t.Any) -> Difference:
    return Difference(
        database,
        describe(operation),
        type(operation).__name__,
        table_of(operation),
        getattr(operation, "column_name", "")
        or getattr(getattr(operation, "column", None), "name", "")
        or "",
    )


def describe(operation: t.Any) -> str:
    """One operation in one line."""
    if hasattr(operation, "describe"):
        return str(operation.describe())
    table = table_of(operation)
    if isinstance(operation, ops.CreateTableOp):
        return f"add table {table}"
    if isinstance(operation, ops.DropTableOp):
        return f"drop table {table}"
    if isinstance(operation, ops.RenameTableOp):
        return f"rename table {table} to {operation.new_table_name}"
    if isinstance(operation, ops.AddColumnOp):
        return f"add column {table}.{operation.column.name}"
    if isinstance(operation, ops.DropColumnOp):
        return f"drop column {table}.{operation.column_name}"
    if isinstance(operation, ops.AlterColumnOp):
        return f"change column {table}.{operation.column_name}: {_changes(operation)}"
    if isinstance(operation, ops.CreateIndexOp):
        return f"add index {operation.index_name} on {table}"
    if isinstance(operation, ops.DropIndexOp):
        return f"drop index {operation.index_name} of {table}"
    return _constraint(operation, table)


_CONSTRAINTS: dict[str, str] = {
    "CreateUniqueConstraintOp": "add unique constraint",
    "CreateForeignKeyOp": "add foreign key",
    "CreatePrimaryKeyOp": "add primary key",
    "CreateCheckConstraintOp": "add check",
    "CreateTableCommentOp": "change comment",
    "DropTableCommentOp": "drop comment",
    "unique": "drop unique constraint",
    "foreignkey": "drop foreign key",
    "primary": "drop primary key",
    "check": "drop check",
}


def _constraint(operation: t.Any, table: str) -> str:
    dropped = isinstance(operation, ops.DropConstraintOp)
    kind = type(operation).__name__
    words = _CONSTRAINTS.get(str(operation.constraint_type) if dropped else kind)
    words = words or ("drop constraint" if dropped else kind.removesuffix("Op"))
    name = getattr(operation, "constraint_name", None)
    columns = ", ".join(map(str, getattr(operation, "columns", None) or getattr(operation, "local_cols", None) or ()))
    where = f"{'of' if dropped else 'on'} {table}" + (f" ({columns})" if columns else "") if table else ""
    target = f"to {operation.referent_table}" if isinstance(operation, ops.CreateForeignKeyOp) else ""
    return " ".join(part for part in (words, name if isinstance(name, str) else "", where, target) if part)


def _changes(operation: ops.AlterColumnOp) -> str:
    parts = []
    if operation.modify_name is not None:
        parts.append(f"name to {operation.modify_name}")
    if operation.modify_type is not None:
        parts.append(f"type from {operation.existing_type!r} to {operation.modify_type!r}")
    if operation.modify_nullable is not None:
        parts.append("NULL allowed" if operation.modify_nullable else "NOT NULL")
    if operation.modify_server_default is not False:
        parts.append("server default")
    if operation.modify_comment is not False:
        parts.append("comment")
    return ", ".join(parts) or "attributes"
