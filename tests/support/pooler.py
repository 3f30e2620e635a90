"""A real PgBouncer in transaction pooling, in front of the PostgreSQL server that the tests use.

Behind it a session is not a session: two statements of one client may run on two server connections, and
two clients may share one. Locks and settings that live in a session break there, which is what is tested.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from sqlalchemy.engine import make_url
from sqlalchemy.engine import URL

from .servers import admin_engine
from .servers import unavailable

_CONFIG = """\
[databases]
* = host={host} port={port} user={user}{password}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {own_port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 40
max_client_conn = 200
ignore_startup_parameters = extra_float_digits
logfile = {log}
"""


class Pooler:
    """A running PgBouncer on a free port; ``url(database_url)`` leads to a database through it."""

    def __init__(self) -> None:
        binary = _binary()
        server = admin_engine("postgresql").url
        self.port = _free_port()
        # Not below pytest's folder, which only its owner may enter: PgBouncer drops root's rights.
        self._folder = tempfile.TemporaryDirectory(prefix="pgbouncer-")
        folder = Path(self._folder.name)
        folder.chmod(0o777)
        self._log = folder / "pgbouncer.log"
        config = folder / "pgbouncer.ini"
        config.write_text(_config(server, self.port, self._log))
        config.chmod(0o644)
        user = ["-u", _account(server)] if os.geteuid() == 0 else []  # it refuses to run as root
        self._process = subprocess.Popen(
            [binary, "-q", *user, str(config)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._wait()

    def url(self, database_url: str) -> str:
        """Return *database_url* with this PgBouncer's address in place of the server's."""
        own = make_url(database_url).set(host="127.0.0.1", port=self.port, query={})
        return own.render_as_string(hide_password=False)

    def stop(self) -> None:
        """End the process and remove its files."""
        self._process.terminate()
        self._process.wait(timeout=10)
        self._folder.cleanup()

    def _wait(self) -> None:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        self._process.kill()
        self._process.wait()
        said = self._log.read_text() if self._log.exists() else "it wrote no log"
        self._folder.cleanup()
        unavailable(f"pgbouncer did not start: {said}")


def _binary() -> str:
    found = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin:/usr/local/sbin")
    if found is None:
        unavailable("no pgbouncer on this machine: install it with the system's package manager")
    return found


def _account(server: URL) -> str:
    """Return the account that may enter the folder of the server's socket, if it has one."""
    folder = server.query.get("host")
    return Path(folder).owner() if isinstance(folder, str) else "nobody"


def _config(server: URL, port: int, log: Path) -> str:
    return _CONFIG.format(
        host=server.host or server.query.get("host") or "127.0.0.1",
        port=server.port or 5432,
        user=server.username or "postgres",
        password=f" password={server.password}" if server.password else "",
        own_port=port,
        log=log,
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
