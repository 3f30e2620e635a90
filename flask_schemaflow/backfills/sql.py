"""Names as they stand in the text of a statement, and the mark of queries that only look."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    import sqlalchemy as sa

ASKS = "schemaflow_asks"
"""An execution option of a query of ours that only looks, at the rows or the catalog entries of one table."""

REPEATED = "schemaflow_repeated"
"""In ``info`` of a connection while a statement runs of which an operation clears away what a failure leaves."""

KEPT = "schemaflow_kept"
"""In ``info`` of a connection while a column is dropped whose values are in another column as well."""


def single_percents(text: str, dialect: sa.Dialect) -> str:
    """Return SQL without the doubled percent signs of drivers that take parameters as ``%s``.

    SQLAlchemy doubles them in what it compiles and quotes, and once more when the text is executed.
    """
    # Not every dialect whose parameters are written with percent signs doubles them.
    return text.replace("%%", "%") if "%%" in dialect.identifier_preparer.quote("%") else text
