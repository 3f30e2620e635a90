"""The constants of the detector: what each clue is worth, and from where on something is accepted or asked.

They were fitted to 172 schema changes out of the revisions of 26 public projects (121 renamed columns, 82
renamed tables, and many columns and tables that were dropped and added without being renames) with
``tests/benchmarks/rename_fit.py``: penalised maximum likelihood of the confidences, the sign of each clue
fixed beforehand, a few weights pulled to values known from larger counts, then rounded to one decimal. They
were cross-validated by project: each project judged by weights fitted to the others. The figures are in the
documentation of the detector. A weight is in units of log-odds: 0.7 doubles the odds, 2.3 multiplies them by
ten.
"""

from __future__ import annotations

import dataclasses
import typing as t

__all__ = ["COLUMNS", "DOUBTS", "MODEL", "TABLES", "Model"]

TABLES = {
    # One of some vanished and one of some appeared tables, nothing else known: seldom a rename.
    "base": -2.1,
    # Shares of columns: of the old table's that are left, and the smaller of both tables' shares.
    "kept columns": 1.8,
    "shared columns": 1.7,
    # Steps in the same measure: at least half of the columns, or all of them.
    "most columns": 0.5,
    "same columns": 1.6,
    # order_line, OrderLine and order_lines are one name; so is a table that moved to another schema.
    "same letters": 4.6,
    "moved": 4.5,
    # Table names are often replaced by quite different ones, so likeness of names counts little here.
    "similar name": 0.6,
    # Several tables of like shape whose names change by the same words (a prefix, "device" to "vnf").
    "same pattern": 1.0,
    # Foreign keys: those into the table follow a rename, those out of it stay.
    "same referrers": 1.3,
    "only one referred to": -1.3,
    "same references": 0.2,
    "other references": -0.6,
    # works is not renamed to works_history.
    "only one a copy": -2.2,
}

COLUMNS = {
    "base": -3.5,
    # When nothing else vanished or appeared in the table, there is nothing else that it could be.
    "sole pair": 0.9,
    # Types: a rename seldom changes them. A rare type in both (DECIMAL(6, 2), an ENUM) is no coincidence.
    "same type": 1.7,
    "same type, other length": 0.1,
    "rare type": 0.9,
    "kind of type": -0.3,
    "type to convert": -2.2,
    "different type": -3.1,
    # Names: likeness from 0 to 1, and three ways of being alike that mean more than letters. The last word of
    # a name says what it is (start_date), the first ones only whose; names that share just the first are a
    # trap.
    "similar name": 2.0,
    "same letters": 2.6,
    "same last word": 1.2,
    "one name holds the other": 1.0,
    # The same words exchanged elsewhere: in the table's own name, in columns beside it, in other tables.
    "table's words": 2.6,
    "same change beside it": 2.1,
    "same change elsewhere": 1.6,
    # Foreign keys, read through renamed tables. Values that pointed to one table can't point to another one.
    "same foreign key": 2.1,
    "foreign key to a possible rename": 0.2,
    "foreign key lost": -0.4,
    "foreign key to another table": -3.7,
    # A key to a table that is itself new: the values are computed, not kept.
    "refers to a new table": -1.4,
    # Details. Nullability and indexes say little, so they are held down.
    "same default": 0.7,
    "other default": -1.1,
    "both in the primary key": 1.1,
    "only one in the primary key": -0.7,
    "only one unique": -0.2,
    "both indexed": 0.5,
    "other nullability": -0.3,
}

DOUBTS = frozenset(
    {"type to convert", "different type", "foreign key to another table", "refers to a new table"}
)
"""Clues after which nothing is accepted without a question, whatever speaks for it: the database itself may
refuse the kept values, or they would mean something else."""


@dataclasses.dataclass(frozen=True)
class Model:
    """All constants together, so that cross-validation can put others in their place.

    :param tables: Weights of the clues about tables.
    :param columns: Weights of the clues about columns.
    :param accept_table: From this confidence on a table's rename needs no question.
    :param ask_table: From this confidence on it is asked about; below, it is a drop and a creation.
    :param accept_column: The same for columns; higher, because more of what vanishes there is truly gone.
    :param ask_column: Lower than for tables, because a column's look tells less.
    :param doubtful: The most that a candidate with one of the :data:`DOUBTS`, or in a table whose own rename
        was only inferred, is believed.
    :param rival: A second question about a name needs at least this share of the first one's confidence.
    """

    tables: t.Mapping[str, float]
    columns: t.Mapping[str, float]
    accept_table: float = 0.85
    ask_table: float = 0.5
    accept_column: float = 0.94
    ask_column: float = 0.3
    doubtful: float = 0.75
    rival: float = 0.75


MODEL = Model(TABLES, COLUMNS)
