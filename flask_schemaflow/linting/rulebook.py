"""The rules in words: what each is about, why it matters, and what to do instead.

The page about the rules is generated from this.
"""

from __future__ import annotations

import dataclasses

from ..records import Record


@dataclasses.dataclass(frozen=True)
class Rule(Record):
    """One rule in words.

    :param level: ``error``, ``warning`` or ``note``.
    :param title: what is found.
    :param why: what it means for those who use the application.
    :param instead: what to do about it.
    """

    level: str
    title: str
    why: str
    instead: str


_CONCURRENTLY = (
    "op.create_index_online(), op.create_foreign_key_online(), op.create_check_constraint_online(), "
    "op.set_not_null_online()"
)

RULES: dict[str, Rule] = {
    "several-heads": Rule(
        "error",
        "The history has several heads",
        "Two branches of the code each added a revision after the same one. `flask db upgrade` stops, because `head` "
        "is ambiguous.",
        "Move your revisions onto the other head with `flask db rebase`, or join them with `flask db merge heads`. "
        "Branches that each have a label of their own are left alone.",
    ),
    "blocks-reads-and-writes": Rule(
        "error",
        "A table is locked for readers and writers while the server works on its rows",
        "The lock is held until all rows are read or written, and every request that uses the table waits.",
        f"Let the server work without the lock: {_CONCURRENTLY}, or a new column that is filled in batches.",
    ),
    "blocks-writes": Rule(
        "error",
        "A table can't be written to while the server works on its rows",
        "INSERT, UPDATE and DELETE wait until all rows are read. On SQLite the whole file is locked.",
        f"Let the server work without the lock: {_CONCURRENTLY}.",
    ),
    "carries-lock": Rule(
        "error",
        "A lock of an earlier statement is still held while the server works on rows",
        "Locks are held until the commit. A brief ALTER TABLE alone is harmless. If a long statement follows in the "
        "same transaction, every other session waits for it.",
        "Put the long statement into a revision of its own, or before the one that takes the lock.",
    ),
    "locks-rows": Rule(
        "error",
        "One transaction changes many rows",
        "Other changes of these rows wait for the commit, and the old versions of the rows take space until then.",
        "Change the rows in batches, each committed by itself, after the deployment.",
    ),
    "rewrites-table": Rule(
        "warning",
        "A table is rewritten without blocking",
        "The copy needs as much disk space as the table, and replicas fall behind while it runs.",
        "Run it when there is little traffic, and check the free disk space first.",
    ),
    "fails-on-data": Rule(
        "error",
        "A statement fails",
        "It fails on the empty copy, or it would fail on rows of the real database: NULLs, duplicates, orphans, or "
        "values that are too long.",
        "Fix the rows in an earlier revision; the message has the query that finds them.",
    ),
    "fails-in-transaction": Rule(
        "error",
        "A statement can't run in this transaction",
        "CREATE INDEX CONCURRENTLY refuses every transaction, and a new value of an enum can be used only after the "
        "commit.",
        "Run it in `with op.get_context().autocommit_block():`.",
    ),
    "leaves-half": Rule(
        "warning",
        "After a failure, the changes of earlier statements stay",
        "MariaDB and MySQL commit each schema change separately, and so does an autocommit block.",
        "Write one change per revision, or put the change that may fail first.",
    ),
    "breaks-running-code": Rule(
        "error",
        "The code that runs now fails on the new schema",
        "Between the upgrade and the end of the deployment the old code still runs. A SELECT, INSERT or UPDATE of that "
        "code failed on the copy after the revision.",
        "First deploy code that doesn't use it. For another name or type, op.expand_column() keeps the old column and "
        "the new one in step until op.contract_column() drops the old one.",
    ),
    "needs-new-code-first": Rule(
        "note",
        "The new code has to be deployed before the new schema",
        "The old code can't insert its rows any more, or reads values as another type.",
        "Deploy the code first, then upgrade.",
    ),
    "loses-data": Rule(
        "error",
        "Data is lost",
        "A table, a column or rows are deleted, and downgrade() can't bring them back.",
        "Back up the data, or keep the column while it is needed. Then allow the drop with a reason.",
    ),
    "fills-silently": Rule(
        "error",
        "The server fills a new column with a value of its own",
        "MariaDB and MySQL write 0 or an empty text into existing rows of a NOT NULL column without default.",
        "Add it as nullable, fill it, and set NOT NULL afterwards; or give it a default.",
    ),
    "changes-values": Rule(
        "warning",
        "Stored values change",
        "The new type has a smaller range, or the stored values mean something else in it.",
        "Add a column of the new type, fill it, compare, and drop the old one later.",
    ),
    "depends-on-rows": Rule(
        "warning",
        "The effect of a revision depends on rows that the copy doesn't have",
        "The copy is empty, so a loop over rows runs no statement there, and no trigger runs for a row.",
        "`flask db lint --sample 100` copies rows of each table into the scratch copy.",
    ),
    "waits-for-lock": Rule(
        "note",
        "A brief lock",
        "The statement itself is quick, but its lock waits for the longest query on the table, and other queries queue "
        "behind it.",
        "Keep SCHEMAFLOW_LOCK_TIMEOUT low: the upgrade then gives up its place in the queue and tries again.",
    ),
    "unused-allow": Rule(
        "warning",
        "A comment allows something that is not found",
        "The code in the comment is unknown, nothing is found there, or the reason is missing.",
        "Remove the comment, or write `# allow CODE: reason` on the operation that needs it.",
    ),
}
"""By code, in the order of importance."""
