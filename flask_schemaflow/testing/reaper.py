"""Removes what a test session leaves behind when it is killed; runs as a process of its own.

A killed process can't tidy up, so this one waits for its end: it reads from a pipe that closes with the session,
however that ends. Each line adds or takes back one folder or database. What is left at the end of the pipe is removed.
Nothing is imported before that, so that a session which ends well pays for the start of an interpreter only.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import sys
import time
import typing as t

_PATIENCE = 5  # seconds


def main() -> None:
    """Read the pipe to its end, then remove what is left."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)  # they are meant for the session
    left: dict[str, t.Any] = {}
    for line in sys.stdin:
        entry = json.loads(line)
        if entry["what"] == "path":
            sys.path[:] = entry["value"]
        elif entry["what"] == "remove":
            left[entry["name"]] = entry["value"]
        else:
            left.pop(entry["name"], None)
    _remove_all(left.values())
    databases = [value for value in left.values() if "url" in value]
    if databases:  # a server may still be creating one, which isn't there yet
        time.sleep(_PATIENCE)
        _remove_all(databases)


def _remove_all(left: t.Iterable[dict[str, t.Any]]) -> None:
    for value in left:
        with contextlib.suppress(Exception):  # the others are to go all the same
            _remove(value)


def _remove(value: dict[str, t.Any]) -> None:
    if "folder" in value:
        shutil.rmtree(value["folder"], ignore_errors=True)
        return
    import sqlalchemy as sa

    from flask_schemaflow.runtime.create_database import visit

    engine = sa.create_engine(value["url"], connect_args=value["arguments"], poolclass=sa.pool.NullPool)
    visit(engine, lambda connection: connection.exec_driver_sql(value["statement"]))


if __name__ == "__main__":
    main()
