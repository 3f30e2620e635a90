"""The pass that tells of tables which no revision created, where there is no revision at all."""

from __future__ import annotations

from alembic.operations import ops

from ...runtime.own_tables import without_history
from ...targets import current_tenant
from ..operations import label
from ..pipeline import PassContext


class NoHistoryPass:
    """Reports that the tables of the models exist although the folder has no revision."""

    name = "no_history"

    def apply(self, context: PassContext, up: ops.UpgradeOps) -> None:
        """Tell it, once a database."""
        environment = context.migration.environment_context
        if environment is None or environment.script.get_heads():
            return
        tenant = current_tenant()
        shared = tenant is not None and tenant.tenant.schema is not None  # tables whose models name a schema are
        tables = [key for key in context.tables if key[0] is None or not shared]
        there = [label(key) for key in tables if context.inspector.has_table(key[1], schema=key[0])]
        if there:
            context.tell(without_history(context.database, there))
