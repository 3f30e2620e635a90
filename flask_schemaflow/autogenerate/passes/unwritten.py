"""The pass that tells what was seen and isn't written."""

from __future__ import annotations

from alembic.operations import ops

from ..comparators.details import UNWRITTEN
from ..pipeline import PassContext


class UnwrittenPass:
    """Reports the differences that comparators noted."""

    name = "unwritten"

    def apply(self, context: PassContext, up: ops.UpgradeOps) -> None:
        """Tell them, once each."""
        for sentence in dict.fromkeys(context.migration.impl.memo.pop(UNWRITTEN, [])):
            context.tell(sentence)
