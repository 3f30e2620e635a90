"""Which sequences belong to SERIAL columns, by one query instead of one for each column.

Alembic leaves out the default of a SERIAL column, for it belongs to the type; to know one, it asks for the owner of
each sequence that a default names (1000 tables, 1000 queries). Here all owners are read when the first one is wanted,
and the default is gone before Alembic looks.
"""

from __future__ import annotations

import typing as t

import sqlalchemy as sa
from sqlalchemy import event

from ...patterns import pattern
from ...runtime.guards import Scope

_NEXTVAL = pattern(r"nextval\('(.+?)'::regclass\)")
# A regclass is written here as it is in a default, by the search path of the session.
_OWNERS = """
SELECT c.oid::regclass::text AS sequence, min(a.attname::text) AS owner
FROM pg_class AS c
JOIN pg_depend AS d ON d.objid = c.oid AND d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
JOIN pg_attribute AS a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
WHERE c.relkind = 'S'
GROUP BY c.oid
HAVING count(*) = 1
"""


def know_serials(scope: Scope) -> None:
    """Take the defaults of SERIAL columns away until the comparison is done."""
    owners: dict[str, str] = {}

    def leave_out(inspector: sa.Inspector, table: sa.Table, column: dict[str, t.Any]) -> None:
        named = _NEXTVAL.match(column.get("default") or "")
        if named is None or inspector.bind is not scope.connection:
            return
        if not isinstance(column["type"], (sa.INTEGER, sa.BIGINT)):
            return
        if not owners:
            owners.update(_read_owners(scope.connection))
        if owners.get(named.group(1).replace("''", "'")) == column["name"]:
            del column["default"]

    event.listen(sa.Table, "column_reflect", leave_out)
    scope.defer(lambda: event.remove(sa.Table, "column_reflect", leave_out))


def _read_owners(connection: sa.Connection) -> dict[str, str]:
    return {row.sequence: row.owner for row in connection.execute(sa.text(_OWNERS))}
