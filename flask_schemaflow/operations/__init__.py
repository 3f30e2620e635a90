"""Operations for tables that are in use: the form of a change that makes other sessions wait the least.

They are ordinary calls in a revision file, such as ``op.create_index_online(...)``. Importing this package registers
them with Alembic; ``flask db`` and the packaged env.py do so by themselves, and under the plain ``alembic`` command a
revision that uses them says ``import flask_schemaflow.operations``.

Each uses the best form that the server has. On PostgreSQL that means statements outside of a transaction, so what
stands before such an operation in a revision is committed when it begins.
"""

from __future__ import annotations

from .columns import AddColumnOnlineOp
from .columns import SetNotNullOnlineOp
from .constraints import CreateCheckConstraintOnlineOp
from .constraints import CreateForeignKeyOnlineOp
from .contract import ContractColumnOp
from .contract import UndoContractColumnOp
from .expand import ExpandColumnOp
from .expand import UndoExpandColumnOp
from .indexes import CreateIndexOnlineOp
from .indexes import DropIndexOnlineOp
from .keys import CreatePrimaryKeyOnlineOp
from .keys import CreateUniqueConstraintOnlineOp

__all__ = [
    "AddColumnOnlineOp",
    "ContractColumnOp",
    "CreateCheckConstraintOnlineOp",
    "CreateForeignKeyOnlineOp",
    "CreateIndexOnlineOp",
    "CreatePrimaryKeyOnlineOp",
    "CreateUniqueConstraintOnlineOp",
    "DropIndexOnlineOp",
    "ExpandColumnOp",
    "SetNotNullOnlineOp",
    "UndoContractColumnOp",
    "UndoExpandColumnOp",
]
