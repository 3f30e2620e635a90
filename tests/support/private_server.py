"""A PostgreSQL server of a test's own: with settings that a shared one can't have, and which may be stopped."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import typing as t
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from .servers import unavailable


class PrivateServer:
    """A running PostgreSQL on a free port, in a folder of its own.

    :param settings: of the server, such as ``max_connections``.
    """

    def __init__(self, **settings: t.Any) -> None:
        self._binaries = _binaries()
        self._folder = tempfile.TemporaryDirectory(prefix="private-postgres-")
        self._data = Path(self._folder.name, "data")
        self._account = "postgres" if os.geteuid() == 0 else None  # it refuses to run as root
        if self._account is not None:
            shutil.chown(self._folder.name, self._account)
        self._port = _free_port()
        self._settings = {"port": self._port, "listen_addresses": "127.0.0.1", "fsync": "off", **settings}
        self._process: subprocess.Popen[bytes] | None = None
        self._call("initdb", "-D", self._data, "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8")
        self.start()

    @property
    def url(self) -> str:
        """The URL of the database ``postgres``."""
        return f"postgresql+psycopg://postgres@127.0.0.1:{self._port}/postgres"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = [f"--{name}={value}" for name, value in self._settings.items()]
        command = [str(self._binaries / "postgres"), "-D", str(self._data), "-k", self._folder.name, *options]
        quiet = subprocess.DEVNULL
        self._process = subprocess.Popen(command, user=self._account, stdin=quiet, stdout=quiet, stderr=quiet, cwd="/")
        engine = sa.create_engine(self.url, poolclass=NullPool)
        deadline = time.monotonic() + 30
        while True:
            try:
                engine.connect().close()
            except sa.exc.OperationalError:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    raise
                time.sleep(0.05)
            else:
                return

    def crash(self) -> None:
        """Have it end at once, without the ends of sessions, as it does when its machine dies."""
        assert self._process is not None
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(timeout=20)

    def remove(self) -> None:
        """End it, and remove its files."""
        if self._process is not None and self._process.poll() is None:
            self.crash()
        self._folder.cleanup()

    def _call(self, program: str, *arguments: str | Path) -> None:
        done = subprocess.run(
            [self._binaries / program, *arguments], user=self._account, capture_output=True, text=True, cwd="/"
        )
        if done.returncode:
            raise AssertionError(f"{program} failed: {done.stderr}")


def _binaries() -> Path:
    found = shutil.which("initdb")
    if found is not None:
        return Path(found).resolve().parent
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not versions:
        unavailable("no initdb on this machine: install the server of PostgreSQL")
    return versions[-1].parent


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
