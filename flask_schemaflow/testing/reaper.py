"""Remove what a test session leaves behind when it is killed.

A killed process can't tidy up, so another one, which runs this file, waits for its end: it reads from a pipe that
closes with the session, however that ends. Each line adds or takes back one folder or database; the session writes them
by a :class:`Reaper`. What is left at the end of the pipe is removed. Neither the package nor SQLAlchemy is imported
before that, so that a session which ends well pays for the start of an interpreter only.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
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


class Reaper:
    """Names folders and databases that are removed even if this process is killed."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._owner = os.getpid()
        self._lock = threading.Lock()

    def folder(self, path: str) -> None:
        """Have a folder removed."""
        self._tell("remove", path, {"folder": path})

    def database(self, name: str, url: str, arguments: t.Mapping[str, t.Any], statement: str) -> None:
        """Have a database dropped.

        :param url: where to connect for that, with its password.
        :param arguments: the driver's further arguments; those that aren't plain values are left out.
        :param statement: drops it.
        """
        plain = {key: value for key, value in arguments.items() if isinstance(value, (str, int, float, bool))}
        self._tell("remove", name, {"url": url, "arguments": plain, "statement": statement})

    def forget(self, name: str) -> None:
        """Take back what has been removed meanwhile."""
        if self._process is not None:
            self._tell("forget", name)

    def close(self) -> None:
        """Let the process end; it removes what is left."""
        process, self._process = self._process, None
        if process is None or os.getpid() != self._owner:  # a fork has the pipe, and isn't the session
            return
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            process.communicate(timeout=10)

    def _tell(self, what: str, name: str, value: t.Any = None) -> None:
        with self._lock, contextlib.suppress(OSError):  # whoever ended it ended the help, not the test
            if self._process is None:
                self._process = self._start()
            pipe = self._process.stdin
            assert pipe is not None
            print(json.dumps({"what": what, "name": name, "value": value}), file=pipe, flush=True)

    def _start(self) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-I", __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
            start_new_session=True,  # Ctrl-C and a kill of the whole group are for the session alone
        )
        assert process.stdin is not None
        paths = [path or os.getcwd() for path in sys.path]
        print(json.dumps({"what": "path", "name": "", "value": paths}), file=process.stdin, flush=True)
        return process


if __name__ == "__main__":
    main()
