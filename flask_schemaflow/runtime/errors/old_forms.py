"""Advice on code in revisions that an older SQLAlchemy took, and on operations that SQLite has in batch mode only.

Old histories have such lines: they ran years ago, and fail when a new database gets the whole history.
"""

from __future__ import annotations

import re

from sqlalchemy import exc

_TEXT = "write `op.get_bind().execute(sa.text(...))`"
_TABLES = "write `sa.inspect(op.get_bind()).get_table_names()`"
# Words of SQLAlchemy 2 and Alembic, and what takes the place of the line.
_FORMS = (
    (
        r"^Not an executable object|should be explicitly declared as text\(",
        f"SQLAlchemy 2 executes no strings: {_TEXT}.",
    ),
    (r"'Engine' object has no attribute '(execute|scalar)'", f"SQLAlchemy 2 executes on connections: {_TEXT}."),
    (
        r"'(Select|CompoundSelect|Insert|Update|Delete|TextClause)' object has no attribute '(execute|scalar)'",
        "SQLAlchemy 2 executes on connections: write `op.get_bind().execute(statement)`.",
    ),
    (
        r"^Column expression, FROM clause, or other columns clause element expected, got \[",
        "`sa.select()` takes no list in SQLAlchemy 2: write `sa.select(a, b)`.",
    ),
    (
        r"MetaData\.__init__\(\) got an unexpected keyword argument 'bind'",
        "SQLAlchemy 2's MetaData has no bind: write `sa.MetaData()`, and in its tables `autoload_with=op.get_bind()`.",
    ),
    (r"<dialectname>_<argument>, got 'autoload'", "Write `autoload_with=op.get_bind()` instead of `autoload=True`."),
    (
        r"'(Engine|Connection)' object has no attribute '(table_names|has_table)'",
        f"SQLAlchemy 2 has an inspector: {_TABLES}.",
    ),
    (
        r"Connection\.(execute|scalar)\(\) got an unexpected keyword argument",
        "SQLAlchemy 2 takes values as a dictionary: write `execute(statement, {...})`.",
    ),
    (
        r"^tuple indices must be integers or slices, not str",
        "A row of SQLAlchemy 2 is a tuple: write `row.name`, or call `.mappings()` on the result.",
    ),
    (
        r"^No support for ALTER of constraints in SQLite",
        "SQLite changes constraints by rebuilding the table: call the operation of `batch_op` in "
        "`with op.batch_alter_table(...) as batch_op:`.",
    ),
)


def advice_on_old_form(error: BaseException) -> str | None:
    """Return what to write in place of a line, or ``None`` if no such form is known to raise this error."""
    if isinstance(error, exc.DBAPIError):
        return None
    words = str(error)
    return next((advice for pattern, advice in _FORMS if re.search(pattern, words)), None)
