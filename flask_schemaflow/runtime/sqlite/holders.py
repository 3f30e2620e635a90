"""Which processes hold a lock on a SQLite file: asked of Linux, because SQLite itself doesn't know.

``/proc/locks`` lists every advisory lock with its process and inode. Asking by ``fcntl`` would mean opening the
file a second time, and closing that would drop this process's own locks.
"""

from __future__ import annotations

import contextlib
import os
import pathlib

LOCKS = pathlib.Path("/proc/locks")
NOBODY = "another connection"


def describe(path: str) -> str:
    """The processes that hold a lock on the database, as words: ``process 4711 (python)``."""
    names = [f"process {pid}{_command(pid)}" for pid in holders(path) if pid != os.getpid()]
    return " and ".join(names) or NOBODY


def holders(path: str) -> list[int]:
    """The ids of the processes that hold a lock on the file or on its WAL index, this one included.

    :returns: nothing where the system doesn't tell, or for processes of another container or machine.
    """
    inodes = {inode for name in (path, f"{path}-shm") if (inode := _inode(name)) is not None}
    found: list[int] = []
    with contextlib.suppress(OSError):
        for line in LOCKS.read_text().splitlines():
            fields = line.split()
            # 1: POSIX ADVISORY WRITE 4711 08:01:1234 1073741825 1073741825; a waiter has "->" in it
            if "->" in fields or len(fields) < 8 or int(fields[5].rpartition(":")[2]) not in inodes:
                continue
            pid = int(fields[4])
            if pid > 0 and pid not in found:
                found.append(pid)
    return sorted(found)


def _inode(path: str) -> int | None:
    try:
        return os.stat(path).st_ino
    except OSError:
        return None


def _command(pid: int) -> str:
    try:
        return f" ({pathlib.Path(f'/proc/{pid}/comm').read_text().strip()})"
    except OSError:
        return ""
