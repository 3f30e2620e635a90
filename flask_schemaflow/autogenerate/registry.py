"""The passes of ``migrate`` and ``check`` in two lists, and what prepares a comparison for them."""

from __future__ import annotations

import typing as t

from ..runtime.guard import Scope
from . import comparators
from . import rendering
from .passes import schemas
from .passes.dependents import ViewsPass
from .passes.drops import DropsPass
from .passes.drops import KeptPass
from .passes.drops import NoHistoryPass
from .passes.drops import UnwrittenPass
from .passes.enums.checks import CheckedEnumsFound
from .passes.enums.checks import CheckedEnumsPass
from .passes.enums.checks import UncheckedEnumsPass
from .passes.enums.mysql import MysqlEnumsPass
from .passes.enums.postgresql import PostgresqlEnumsFound
from .passes.enums.postgresql import PostgresqlEnumsPass
from .passes.generated import ComputedPass
from .passes.identities import IdentityPass
from .passes.key_types import ConditionsPass
from .passes.key_types import KeyTypesPass
from .passes.mysql_indexes import ForeignKeyIndexesPass
from .passes.names import NamesPass
from .passes.names import UnnamedPass
from .passes.not_null import NotNullPass
from .passes.online import OnlinePass
from .passes.order import OrderingPass
from .passes.rename_answers import require_info
from .passes.renames import RenamesPass
from .passes.schemas import SchemasPass
from .passes.schemas import SequencesPass
from .passes.type_changes import TypeChangesPass
from .pipeline import Pass
from .reflection.catalog import read_at_once
from .reflection.foreign_tables import leave_alone

PASSES: tuple[type[Pass], ...] = (
    RenamesPass,
    KeptPass,
    NamesPass,
    OrderingPass,
    ComputedPass,
    IdentityPass,
    ForeignKeyIndexesPass,
    SequencesPass,
    SchemasPass,
    PostgresqlEnumsPass,
    MysqlEnumsPass,
    UncheckedEnumsPass,
    CheckedEnumsPass,
    TypeChangesPass,
    ViewsPass,
    ConditionsPass,
    KeyTypesPass,
    NotNullPass,
    UnnamedPass,
    DropsPass,
    UnwrittenPass,
    NoHistoryPass,
    OnlinePass,
)
"""What ``migrate`` runs, in this order; :mod:`.pipeline` says what the order depends on."""

CHECK_PASSES: tuple[type[Pass], ...] = (KeptPass, SequencesPass, PostgresqlEnumsFound, CheckedEnumsFound, NoHistoryPass)
"""What ``check`` runs: passes that find or take away differences, and never ask."""

PREPARATIONS: tuple[t.Callable[[Scope], None], ...] = (
    read_at_once,
    leave_alone,
    schemas.take_part,
    comparators.prepare,
    rendering.prepare,
    require_info,
)
"""What changes the options of ``context.configure()``, in place, before ``migrate`` and ``check`` compare."""


def prepare(scope: Scope) -> None:
    """Complete what env.py passes to ``context.configure()``, before a database is compared."""
    for preparation in PREPARATIONS:
        preparation(scope)
