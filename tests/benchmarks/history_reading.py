"""How much work reading a revision folder is, compared with plain Alembic.

Run as ``python -m tests.benchmarks.history_reading [REVISIONS ...]``. It makes histories of 100, 1000 and
5000 revisions, each also with a merge in every tenth place, and prints the CPU time of Alembic's own script
directory, of the one of this package, and of the index, in milliseconds, with how many times less the
latter two are. Interleaved, the median of five; bytecode and headers are cached. Nothing is imported
within what is measured: on top of these figures, the index saves the import of Alembic.
"""

from __future__ import annotations

import os
import pathlib
import statistics
import sys
import tempfile
import time
import typing as t

from alembic.config import Config
from alembic.script import ScriptDirectory

from flask_schemaflow.revisions.graph import RevisionIndex
from flask_schemaflow.revisions.scripts import script_directory

ROUNDS = 5
LONG_AGO = 1_000_000_000
FILE = '''"""message {number}

Revision ID: {id}
Revises: {down}
Create Date: 2024-05-06 07:08:09.123456

"""
from typing import Sequence, Union

from alembic import op
import sqlalchemy as sa


# revision identifiers, used by Alembic.
revision: str = {id!r}
down_revision: Union[str, Sequence[str], None] = {down!r}
branch_labels: Union[str, Sequence[str], None] = None
depends_on: Union[str, Sequence[str], None] = None


def upgrade() -> None:
    op.create_table(
        "table_{number}",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_table_{number}_name", "table_{number}", ["name"])


def downgrade() -> None:
    op.drop_index("ix_table_{number}_name", "table_{number}")
    op.drop_table("table_{number}")
'''

Work: t.TypeAlias = t.Callable[[], t.Any]


def revision_id(number: int) -> str:
    """Twelve hexadecimal digits in no order, as Alembic makes them."""
    return f"{(number + 1) * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFF:012x}"


def parents(number: int, merges: bool) -> str | tuple[str, str] | None:
    """Return the parents of a revision.

    The history is a chain; with merges, each block of ten is two branches of four between a start and a merge.
    """
    place = number % 10
    if number == 0:
        return None
    if merges and place == 5:
        return revision_id(number - 5)
    if merges and place == 9:
        return (revision_id(number - 5), revision_id(number - 1))
    return revision_id(number - 1)


def write_history(folder: pathlib.Path, count: int, merges: bool) -> str:
    """Write the files, with a time that caches trust; return the id of the head."""
    versions = folder / "versions"
    versions.mkdir()
    for number in range(count):
        path = versions / f"{revision_id(number)}_message.py"
        down = parents(number, merges)
        path.write_text(FILE.format(number=number, id=revision_id(number), down=down))
        os.utime(path, (LONG_AGO, LONG_AGO))
    return revision_id(count - 1)


def readers(folder: pathlib.Path, head: str) -> dict[str, tuple[Work, Work, Work]]:
    """For each question how Alembic, our directory and the index answer it."""
    config = Config()
    config.set_main_option("script_location", str(folder))
    versions = str(folder / "versions")
    plain: t.Callable[[], ScriptDirectory] = lambda: ScriptDirectory.from_config(config)  # noqa: E731
    ours: t.Callable[[], ScriptDirectory] = lambda: script_directory(config)  # noqa: E731
    index: t.Callable[[], RevisionIndex] = lambda: RevisionIndex.read(versions)  # noqa: E731
    return {
        "heads": (
            lambda: plain().get_heads(),
            lambda: ours().get_heads(),
            lambda: index().heads,
        ),
        "history": (
            lambda: [str(found) for found in plain().walk_revisions()],
            lambda: [str(found) for found in ours().walk_revisions()],
            lambda: [found.message for found in index().walk()],
        ),
        "current": (
            lambda: plain().get_all_current((head,)),
            lambda: ours().get_all_current((head,)),
            lambda: index().current((head,)),
        ),
    }


def cpu_ms(work: Work) -> float:
    """CPU time of one call in milliseconds."""
    start = time.process_time()
    work()
    return (time.process_time() - start) * 1000


def measure(count: int, merges: bool) -> t.Iterator[str]:
    """Return the lines of the table for one history."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        head = write_history(folder, count, merges)
        for question, works in readers(folder, head).items():
            for work in works:
                work()
            rounds = [[cpu_ms(work) for work in works] for _ in range(ROUNDS)]
            plain, ours, index = (statistics.median(column) for column in zip(*rounds, strict=True))
            kind = "merges" if merges else "chain"
            yield (
                f"{count:>9}  {kind:<7} {question:<8} {plain:>9.1f} {ours:>9.1f} {plain / ours:>6.1f}x"
                f" {index:>9.1f} {plain / index:>6.1f}x"
            )


def main(counts: list[int]) -> None:
    """Print the table."""
    sys.dont_write_bytecode = False
    print("revisions  history question   Alembic directory           index")
    for count in counts:
        for merges in (False, True):
            for line in measure(count, merges):
                print(line, flush=True)


if __name__ == "__main__":
    main([int(argument) for argument in sys.argv[1:]] or [100, 1000, 5000])
