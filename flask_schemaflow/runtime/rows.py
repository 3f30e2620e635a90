"""Revisions of the index as records that commands return, and as rows of plain values that can be remembered."""

from __future__ import annotations

import datetime
import os
import typing as t

from ..records import Revision

if t.TYPE_CHECKING:
    from .index import Revision as Found

__all__ = ["as_record", "as_row", "of_row"]

Row: t.TypeAlias = "tuple[t.Any, ...]"

_NAMES = Revision.__match_args__
_PATH = _NAMES.index("path")
_CREATED = _NAMES.index("created")


def as_record(found: Found) -> Revision:
    """A revision of the index as a record; no database is known to be at it."""
    return Revision(
        id=found.id,
        message=found.message,
        down=found.down,
        path=found.path,
        created=found.create_date,
        labels=found.labels,
        depends_on=found.depends_on,
        is_head=found.is_head,
        is_effective_head=found.is_effective_head,
        is_branch_point=found.is_branch_point,
        doc=found.doc,
        children=tuple(sorted(found.children)),
    )


def as_row(found: Found) -> Row:
    """The values of the record in their order; the file without its folder, the date in ISO format."""
    record = as_record(found)
    created = record.created and record.created.isoformat()
    values = record.changed(path=os.path.basename(record.path), created=created)
    return tuple(getattr(values, name) for name in _NAMES)


def of_row(row: Row, root: str) -> Revision:
    """The record that a row was made of, where the folder is now.

    :param root: the real path of the folder.
    """
    values = dict(zip(_NAMES, row, strict=False))
    values["path"] = root + os.sep + row[_PATH]
    if row[_CREATED]:
        values["created"] = datetime.datetime.fromisoformat(row[_CREATED])
    record = Revision.__new__(Revision)
    object.__setattr__(record, "__dict__", values)  # a thousand of them are made at a time
    return record
