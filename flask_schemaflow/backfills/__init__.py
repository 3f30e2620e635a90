"""Backfills: functions in revision files that give the rows of a big table values, batch by batch.

A backfill runs after its revision was applied, in short transactions of its own, while the application works. The place
where it is stands in the database, in a row that each batch writes in its own transaction, so that it can be killed at
any moment and continues with the first row that has no value yet.

``decorator``  how a revision declares one
``batches``    the ranges of a table by its key, and what a function can do with the rows of one
``table``      the row in the database
``runner``     one worker, and when it waits
"""

from __future__ import annotations

from .decorator import backfill as backfill

__all__ = ["backfill"]
