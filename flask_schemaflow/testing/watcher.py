"""The session's side of :mod:`.reaper`: tells it what has to go when this process is gone."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import subprocess
import sys
import threading
import typing as t

_REAPER = pathlib.Path(__file__).with_name("reaper.py")


class Watcher:
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
            [sys.executable, "-I", str(_REAPER)],
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
