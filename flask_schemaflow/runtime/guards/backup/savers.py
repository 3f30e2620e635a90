"""Saves SQLite by its online backup and the others by their own programs: no shell, no password on a command line.

SQLite's online backup copies page by page a state that was committed; the copy is checked.

PostgreSQL: pg_dump in its own format and not plain SQL, because ``pg_restore`` can make the database anew from it
(``--clean --create``), with its encoding, owner and settings: tables that the failed migration has added are gone then,
which a script of CREATE and COPY would leave; and one table of it can be had alone.

MariaDB and MySQL: mariadb-dump or mysqldump, in one transaction, with routines, triggers and events. The script drops
the database and makes it anew for the same reason.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import pathlib
import re
import shlex
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import typing as t

import sqlalchemy as sa

from ....errors.database import BackupBehindPooler
from ....errors.database import BackupFailed
from ....errors.database import BackupToolMissing
from ....redaction import MASK
from ....redaction import scrub
from ...connections import execute_beneath
from ..sqlite.connection import Driver

NOT_RUN = "Nothing was run. Fix that and run the command again, or skip the backup: `--no-backup`."
_SHOWN = 10

_PAGES = 10_000  # at a time, so that Ctrl-C is heard in between
_MOST = 10_000
_VALUE = re.compile(r" value in |CHECK constraint failed in ")
_RESTORE = "import sqlite3, sys; source, target = map(sqlite3.connect, sys.argv[1:]); source.backup(target)"

_PACKAGES = {"pg_dump": "postgresql-client", "mariadb-dump": "mariadb-client", "mysqldump": "mariadb-client"}
_PASSWORDS = ("sslpassword", "oauth_client_secret", "scram_client_key", "scram_server_key")
# pg_dump may come with an older libpq than the driver; these are known to all that are in use.
_PARAMETERS = frozenset(
    """
    host port user dbname passfile options sslmode sslcert sslkey sslrootcert sslcrl ssl_min_protocol_version
    channel_binding requirepeer gssencmode krbsrvname gsslib
    """.split()
)
_LOCK_WAIT = "60s"
_MYSQL_END = b"-- Dump completed"
_MYSQL_OPTIONS = (
    "--single-transaction --quick --routines --triggers --events --hex-blob --no-tablespaces --add-drop-database "
    "--max-allowed-packet=1G --default-character-set=utf8mb4"
).split()
_TLS = ("ssl_ca", "ssl_capath", "ssl_cert", "ssl_key", "ssl_cipher")


class SqliteSaver:
    """Saves the main file of a connection; attached ones are databases of their own.

    Restoring goes the same way back: copying the file over the old one would leave that one's journal beside it, which
    belongs to other pages.
    """

    suffix = ".sqlite3"
    tools: tuple[str, ...] = ()

    def __init__(self, connection: sa.Connection, database: str) -> None:
        self._database = database
        self._file = Driver(connection).file

    @property
    def nothing(self) -> str:
        """Why there is nothing to save, if so."""
        return "" if self._file else "it is in memory only"

    def write(self, path: pathlib.Path, descriptor: int) -> None:
        """Copy the file and check the copy.

        :raises BackupFailed: when the copy can't be written or is damaged, which means that the original is.
        """
        try:
            with contextlib.closing(_open(self._file, "mode=rw")) as source, contextlib.closing(_blank(path)) as copy:
                source.backup(copy, pages=_PAGES, progress=_breathe, sleep=0.05)
            with contextlib.closing(_open(str(path), "mode=ro&immutable=1")) as copy:
                damage = list(itertools.islice(_damage(copy), _SHOWN))
        except sqlite3.Error as error:
            raise self._failed(str(error)) from error
        if damage:
            raise self._failed("the copy is damaged, and so is the database", "\n".join(f"  {line}" for line in damage))

    def restore(self, path: pathlib.Path) -> str:
        """Return a command for this interpreter, which is installed, unlike the program ``sqlite3``."""
        return shlex.join([sys.executable or "python", "-c", _RESTORE, str(path), self._file])

    def _failed(self, reason: str, details: str = "") -> BackupFailed:
        return BackupFailed(
            f"The {self._database} database, {os.path.basename(self._file)}, could not be saved: {reason}.",
            details=details,
            hint=NOT_RUN,
        )


class PostgresSaver:
    """Saves the database of a connection, connecting exactly as that did."""

    suffix = ".dump"
    nothing = ""
    tools = ("pg_dump",)

    def __init__(self, connection: sa.Connection, database: str) -> None:
        self._connection = connection
        self._database = database
        self._parameters, self._secrets = _libpq_parameters(connection)

    def write(self, path: pathlib.Path, descriptor: int) -> None:
        """Run pg_dump.

        :raises BackupBehindPooler: when the session belongs to a pooler.
        :raises BackupFailed: when it fails.
        """
        self._refuse_pooler()
        # The migrating transaction waits meanwhile, perhaps for longer than the server lets one idle.
        execute_beneath(self._connection, "SET LOCAL idle_in_transaction_session_timeout = 0")
        self._dump(["--format=custom"], descriptor)

    def write_schema(self, schema: str, descriptor: int) -> None:
        """Write the SQL that makes one schema with its rows.

        :raises BackupFailed: when pg_dump fails.
        """
        quoted = schema.replace('"', '""')
        self._dump(["--format=plain", "--inserts", f'--schema="{quoted}"'], descriptor)

    def _dump(self, options: list[str], descriptor: int) -> None:
        with _secret_parameters(self._secrets) as (service, env):
            command = [find_tool(self.tools, self._database), *options, "--no-password"]
            command += [f"--lock-wait-timeout={_LOCK_WAIT}", f"--dbname={_conninfo({**self._parameters, **service})}"]
            _run_tool(command, descriptor, self._database, env=env, secrets=self._secrets.values())

    def restore(self, path: pathlib.Path) -> str:
        """Return the command, which connects to another database: this one is dropped and created again."""
        elsewhere = "template1" if self._parameters.get("dbname") == "postgres" else "postgres"
        dbname = _conninfo({**self._parameters, "dbname": elsewhere})
        command = ["pg_restore", "--clean", "--if-exists", "--create", "--exit-on-error", f"--dbname={dbname}"]
        return shlex.join([*command, str(path)])

    def _refuse_pooler(self) -> None:
        """Refuse a connection through a pooler, whose session numbers are not the server's."""
        info = getattr(self._connection.connection.driver_connection, "info", None)
        reported = getattr(info, "backend_pid", None)
        if reported is None or execute_beneath(self._connection, "SELECT pg_backend_pid()")[0][0] == reported:
            return
        raise BackupBehindPooler(
            f"Can't back up the {self._database} database through a connection pooler: pg_dump changes settings of "
            "its session, and other clients would get it next.",
            hint="Run the command with a URL of the server itself, or skip the backup: `--no-backup`.",
        )


class MysqlSaver:
    """Saves the database of a connection, connecting exactly as that did."""

    suffix = ".sql"
    nothing = ""
    tools = ("mariadb-dump", "mysqldump")

    def __init__(self, connection: sa.Connection, database: str) -> None:
        self._database = database
        self._mariadb = bool(getattr(connection.dialect, "is_mariadb", False))
        self._tool = find_tool(self.tools if self._mariadb else self.tools[::-1], database)
        self._tool_is_mariadbs = _is_mariadbs(self._tool)
        self._name = str(execute_beneath(connection, "SELECT DATABASE()")[0][0])
        self._options, self._password = _mysql_options(connection)
        encrypted = execute_beneath(connection, "SHOW SESSION STATUS LIKE 'Ssl_cipher'")
        if encrypted and encrypted[0][1]:
            self._options.append("--ssl" if self._tool_is_mariadbs else "--ssl-mode=REQUIRED")
        self._included = str(connection.engine.url.query.get("read_default_file", ""))

    def write(self, path: pathlib.Path, descriptor: int) -> None:
        """Run the program, and check that it came to its end.

        :raises BackupFailed: when it fails.
        """
        with _secret_file(self._defaults()) as defaults:
            command = [self._tool, f"--defaults-file={defaults}", *self._options, *_MYSQL_OPTIONS]
            if not self._tool_is_mariadbs:
                command += ["--set-gtid-purged=OFF", *(["--column-statistics=0"] if self._mariadb else [])]
            command += ["--databases", self._name]
            _run_tool(command, descriptor, self._database, env={}, secrets=[_text(self._password)])
        with open(path, "rb") as file:
            file.seek(max(0, os.path.getsize(path) - 500))
            complete = _MYSQL_END in file.read()
        if not complete:
            raise _failure(os.path.basename(self._tool), 0, "the backup is incomplete", self._database)

    def restore(self, path: pathlib.Path) -> str:
        """Return the command of the client, which asks for the password if there is one."""
        client = "mariadb" if self._tool_is_mariadbs else "mysql"
        asks = ["--password"] if self._password else []
        return f"{shlex.join([client, *self._options, *asks])} < {shlex.quote(str(path))}"

    def _defaults(self) -> bytes:
        """Return the options file that replaces the user's own ones, whose password would win over this one."""
        escaped = self._password
        for plain, written in ((b"\\", b"\\\\"), (b'"', b'\\"'), (b"\n", b"\\n"), (b"\t", b"\\t")):
            escaped = escaped.replace(plain, written)
        included = f"!include {self._included}\n" if self._included else ""
        return included.encode() + b'[client]\npassword="' + escaped + b'"\n'


def find_tool(names: t.Sequence[str], database: str) -> str:
    """Return the path of the first of ``names`` that is installed.

    :raises BackupToolMissing: when there is none of them.
    """
    for name in names:
        path = shutil.which(name)
        if path is not None:
            return path
    raise BackupToolMissing(
        f"Can't back up the {database} database: {' or '.join(names)} is not installed.",
        hint=f"Install it (Debian and Ubuntu: apt-get install {_PACKAGES[names[0]]}) and run the command again, or "
        "skip the backup: `--no-backup`.",
    )


def _run_tool(
    command: t.Sequence[str], output: int, database: str, *, env: t.Mapping[str, str], secrets: t.Collection[str] = ()
) -> None:
    """Run a program to its end, its output into a file.

    :param output: the file's descriptor.
    :param env: added to this process's environment.
    :param secrets: what must not be in a message, even if the program prints it.
    :raises BackupFailed: in the program's own words.
    """
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.PIPE,
        env={**os.environ, "LC_ALL": "C", **env},
        encoding="utf-8",
        errors="replace",
    )
    with process:
        try:
            _, messages = process.communicate()
        except BaseException:
            process.kill()
            raise
    if process.returncode != 0:
        raise _failure(os.path.basename(command[0]), process.returncode, messages, database, secrets)


def _failure(tool: str, status: int, output: str, database: str, secrets: t.Collection[str] = ()) -> BackupFailed:
    """Return the error for a program that failed, from what it printed."""
    text = scrub(output)
    for secret in filter(None, secrets):
        text = text.replace(secret, MASK)
    lines = [line.strip() for line in text.splitlines() if line.strip()] or [f"exit status {status}"]
    return BackupFailed(
        f"{tool} could not save the {database} database: {lines[-1] if len(lines) == 1 else lines[0]}",
        details="\n".join(f"  {line}" for line in lines[:_SHOWN]) if len(lines) > 1 else "",
        hint=NOT_RUN,
    )


@contextlib.contextmanager
def _secret_file(content: bytes) -> t.Iterator[str]:
    """Return the path of a file with ``content`` that only this user can read, removed afterwards."""
    descriptor, path = tempfile.mkstemp(prefix="schemaflow-")  # which has the mode 0600
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
        yield path
    finally:
        os.unlink(path)


def _damage(copy: sqlite3.Connection) -> t.Iterator[str]:
    """Return what is damaged in a file.

    A value that its column should not hold is no damage: the copy has what the database has. SQLite 3.40 also reports
    such values where there are none, in tables WITHOUT ROWID.
    """
    for (line,) in copy.execute(f"PRAGMA integrity_check({_MOST})"):
        if line != "ok" and not _VALUE.search(line):
            yield line


def _open(path: str, options: str) -> sqlite3.Connection:
    return sqlite3.connect(f"{pathlib.Path(path).absolute().as_uri()}?{options}", uri=True, timeout=30)


def _blank(path: pathlib.Path) -> sqlite3.Connection:
    """Open an empty file for a copy, without a journal: a copy that fails is removed."""
    connection = _open(str(path), "mode=rw")
    connection.execute("PRAGMA journal_mode = OFF")
    connection.execute("PRAGMA synchronous = OFF")  # the file is synchronised as a whole in the end
    return connection


def _breathe(status: int, remaining: int, total: int) -> t.Any:
    """Do nothing; being called lets Python look for signals."""


def _libpq_parameters(connection: sa.Connection) -> tuple[dict[str, str], dict[str, str]]:
    """Return the parameters of the connection in libpq's words, and apart from them the passwords.

    The live connection's parameters hold whatever made it: a URL, a service file, a socket, a function
    of the application's own. Drivers without libpq are taken at their URL.
    """
    info: t.Any = getattr(connection.connection.driver_connection, "info", None)
    if callable(getattr(info, "get_parameters", None)):
        parameters = dict(info.get_parameters())
    elif isinstance(getattr(info, "dsn_parameters", None), dict):
        parameters = dict(info.dsn_parameters)
    else:
        return _libpq_parameters_of_url(connection)
    # Of several hosts in the URL, the one that answered.
    parameters.update(host=info.host, port=str(info.port), dbname=info.dbname, user=info.user)
    secrets = {key: parameters[key] for key in _PASSWORDS if parameters.get(key)}
    return _known(parameters), {"password": info.password or "", **secrets}


def _libpq_parameters_of_url(connection: sa.Connection) -> tuple[dict[str, str], dict[str, str]]:
    url = connection.engine.url
    query = {key: str(value) for key, value in url.query.items()}
    if "ssl" in query:  # asyncpg's word
        query["sslmode"] = query["ssl"]
    database = str(execute_beneath(connection, "SELECT current_database()")[0][0])
    own = {"host": url.host or query.get("host", ""), "port": url.port, "user": url.username, "dbname": database}
    return _known({**query, **own}), {"password": url.password or ""}


def _known(parameters: dict[str, t.Any]) -> dict[str, str]:
    return {key: str(value) for key, value in parameters.items() if key in _PARAMETERS and value not in (None, "")}


def _conninfo(parameters: t.Mapping[str, str]) -> str:
    return " ".join(f"{key}={_quoted(value)}" for key, value in parameters.items())


def _quoted(value: str) -> str:
    if value and not set(value) & set(" '\\\t\n"):
        return value
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


@contextlib.contextmanager
def _secret_parameters(secrets: t.Mapping[str, str]) -> t.Iterator[tuple[dict[str, str], dict[str, str]]]:
    """Return parameters and environment that pass the passwords: libpq reads that of a TLS key from files only."""
    env = {"PGPASSWORD": secrets["password"]} if secrets.get("password") else {}
    rest = "".join(f"{key}={value}\n" for key, value in secrets.items() if key != "password")
    if not rest:
        yield {}, env
        return
    with _secret_file(f"[schemaflow]\n{rest}".encode()) as path:
        yield {"service": "schemaflow"}, {**env, "PGSERVICEFILE": path}


def _is_mariadbs(tool: str) -> bool:
    """Return whether a program is MariaDB's: ``mysqldump`` may be either's, and they differ in options."""
    process = subprocess.run(
        [tool, "--version"], stdin=subprocess.DEVNULL, capture_output=True, errors="replace", text=True
    )
    return "mariadb" in (process.stdout + process.stderr).lower()


def _mysql_options(connection: sa.Connection) -> tuple[list[str], bytes]:
    """Return options for the command line, and the password apart, as the bytes that the driver sends.

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
