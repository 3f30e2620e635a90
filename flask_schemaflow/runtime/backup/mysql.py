"""MariaDB and MySQL: mariadb-dump or mysqldump, in one transaction, with routines, triggers and events.

The script drops the database and makes it anew, so that tables which the failed migration has added are gone.
"""

from __future__ import annotations

import os
import pathlib
import shlex
import subprocess
import typing as t

import sqlalchemy as sa

from ...errors.backup import BackupFailed
from ..beneath import execute_beneath
from .tools import failed
from .tools import find_tool
from .tools import run_tool
from .tools import secret_file

_END = b"-- Dump completed"
_WHAT = (
    "--single-transaction",
    "--quick",
    "--routines",
    "--triggers",
    "--events",
    "--hex-blob",
    "--no-tablespaces",
    "--max-allowed-packet=1G",
    "--default-character-set=utf8mb4",
    "--add-drop-database",
)
_TLS = ("ssl_ca", "ssl_capath", "ssl_cert", "ssl_key", "ssl_cipher")


class MysqlSaver:
    """Saves the database of a connection, connecting exactly as that did."""

    suffix = ".sql"
    nothing = ""

    def __init__(self, connection: sa.Connection, database: str) -> None:
        self._database = database
        self._mariadb = bool(getattr(connection.dialect, "is_mariadb", False))
        self._tool = _find(self._mariadb, database)
        self._ours = _is_mariadbs(self._tool)
        self._name = str(execute_beneath(connection, "SELECT DATABASE()")[0][0])
        self._options, self._password = _parameters(connection)
        encrypted = execute_beneath(connection, "SHOW SESSION STATUS LIKE 'Ssl_cipher'")
        if encrypted and encrypted[0][1]:
            self._options.append("--ssl" if self._ours else "--ssl-mode=REQUIRED")
        self._included = str(connection.engine.url.query.get("read_default_file", ""))

    def write(self, path: pathlib.Path, descriptor: int) -> None:
        """Run the program, and see whether it came to its end.

        :raises BackupFailed: when it fails.
        """
        with secret_file(self._defaults()) as defaults:
            command = [self._tool, f"--defaults-file={defaults}", *self._options, *_WHAT]
            if not self._ours:
                command += ["--set-gtid-purged=OFF", *(["--column-statistics=0"] if self._mariadb else [])]
            run_tool(
                [*command, "--databases", self._name],
                descriptor,
                self._database,
                env={},
                secrets=[self._password.decode("utf-8", "replace")],
            )
        if _END not in _tail(path):
            raise self._cut_off()

    def restore(self, path: pathlib.Path) -> str:
        """The password, if there is one, is asked for."""
        client = "mariadb" if self._ours else "mysql"
        asks = ["--password"] if self._password else []
        return f"{shlex.join([client, *self._options, *asks])} < {shlex.quote(str(path))}"

    def _defaults(self) -> bytes:
        """Read instead of the user's own option files, whose password would win over this one."""
        escaped = self._password
        for plain, written in ((b"\\", b"\\\\"), (b'"', b'\\"'), (b"\n", b"\\n"), (b"\t", b"\\t")):
            escaped = escaped.replace(plain, written)
        included = f"!include {self._included}\n" if self._included else ""
        return included.encode() + b'[client]\npassword="' + escaped + b'"\n'

    def _cut_off(self) -> BackupFailed:
        return failed(os.path.basename(self._tool), 0, "its output ends before its end", self._database)


def check_tool(database: str, mariadb: bool = True) -> None:
    """Whether a database could be saved here.

    :raises BackupToolMissing: when neither program is installed.
    """
    _find(mariadb, database)


def _find(mariadb: bool, database: str) -> str:
    names = ("mariadb-dump", "mysqldump")
    return find_tool(names if mariadb else names[::-1], "mariadb-client", database)


def _is_mariadbs(tool: str) -> bool:
    """``mysqldump`` may be either's; they differ in options."""
    done = subprocess.run(
        [tool, "--version"], stdin=subprocess.DEVNULL, capture_output=True, errors="replace", text=True
    )
    return "mariadb" in (done.stdout + done.stderr).lower()


def _parameters(connection: sa.Connection) -> tuple[list[str], bytes]:
    """Options for the command line, and the password apart, as the bytes that the driver sends.

    PyMySQL's connection tells how it was made, whoever made it; other drivers are taken at their URL.
    """
    url, driver = connection.engine.url, connection.connection.driver_connection
    socket = _text(getattr(driver, "unix_socket", None)) or str(url.query.get("unix_socket", ""))
    host = _text(getattr(driver, "host", None)) or url.host or ""
    port = getattr(driver, "port", None) or url.port
    user = _text(getattr(driver, "user", None)) or url.username or ""
    password = getattr(driver, "password", None)
    where = [f"--socket={socket}"] if socket else [f"--host={host}" if host else "", f"--port={port}" if port else ""]
    where += ["" if socket or not host else "--protocol=tcp", f"--user={user}" if user else ""]
    tls = [f"--{key.replace('_', '-')}={url.query[key]}" for key in _TLS if key in url.query]
    sent = password if isinstance(password, bytes) else (_text(password) or url.password or "").encode()
    return [option for option in (*where, *tls) if option], sent


def _text(value: t.Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value if isinstance(value, str) else ""


def _tail(path: pathlib.Path) -> bytes:
    with open(path, "rb") as file:
        file.seek(max(0, os.path.getsize(path) - 500))
        return file.read()
