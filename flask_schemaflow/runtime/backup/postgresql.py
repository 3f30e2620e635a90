"""PostgreSQL: pg_dump in its own format, compressed, with everything that belongs to the database.

That format and not plain SQL because ``pg_restore`` can make the database anew from it (``--clean --create``), with its
encoding, owner and settings: tables that the failed migration has added are gone then, which a script of CREATE and
COPY would leave; and one table of it can be had alone.
"""

from __future__ import annotations

import contextlib
import pathlib
import shlex
import typing as t

import sqlalchemy as sa

from ...errors.backup import BackupBehindPooler
from ..beneath import execute_beneath
from .tools import find_tool
from .tools import run_tool
from .tools import secret_file

_PASSWORDS = ("sslpassword", "oauth_client_secret", "scram_client_key", "scram_server_key")
# pg_dump may come with an older libpq than the driver; these are known to all that are in use.
_KNOWN = frozenset(
    """
    host port user dbname passfile options sslmode sslcert sslkey sslrootcert sslcrl ssl_min_protocol_version
    channel_binding requirepeer gssencmode krbsrvname gsslib
    """.split()
)
_LOCK_WAIT = "60s"


class PostgresSaver:
    """Saves the database of a connection, connecting exactly as that did."""

    suffix = ".dump"
    nothing = ""

    def __init__(self, connection: sa.Connection, database: str) -> None:
        self._connection = connection
        self._database = database
        self._parameters, self._secrets = _parameters(connection)
        check_tool(database)

    def write(self, path: pathlib.Path, descriptor: int) -> None:
        """Run pg_dump.

        :raises BackupBehindPooler: when the session belongs to a pooler.
        :raises BackupFailed: when it fails.
        """
        self._refuse_pooler()
        # The migrating transaction waits meanwhile, perhaps for longer than the server lets one idle.
        execute_beneath(self._connection, "SET LOCAL idle_in_transaction_session_timeout = 0")
        with _service(self._secrets) as (service, env):
            conninfo = _conninfo({**self._parameters, **service})
            command = [find_tool(("pg_dump",), "postgresql-client", self._database), "--format=custom", "--no-password"]
            command += [f"--lock-wait-timeout={_LOCK_WAIT}", f"--dbname={conninfo}"]
            run_tool(command, descriptor, self._database, env=env, secrets=self._secrets.values())

    def restore(self, path: pathlib.Path) -> str:
        """From another database of the server, because this one is dropped and made anew."""
        elsewhere = "template1" if self._parameters.get("dbname") == "postgres" else "postgres"
        dbname = _conninfo({**self._parameters, "dbname": elsewhere})
        command = ["pg_restore", "--clean", "--if-exists", "--create", "--exit-on-error", f"--dbname={dbname}"]
        return shlex.join([*command, str(path)])

    def _refuse_pooler(self) -> None:
        """A pooler gives its clients session numbers of its own."""
        info = getattr(self._connection.connection.driver_connection, "info", None)
        told = getattr(info, "backend_pid", None)
        if told is None or execute_beneath(self._connection, "SELECT pg_backend_pid()")[0][0] == told:
            return
        raise BackupBehindPooler(
            f"The {self._database} database can't be saved through a connection pooler: pg_dump changes settings of "
            "its session, which others would get next.",
            hint="Run the command with a URL that leads to the server itself, or go without: `--no-backup`.",
        )


def check_tool(database: str) -> None:
    """Whether a database could be saved here.

    :raises BackupToolMissing: when pg_dump is not installed.
    """
    find_tool(("pg_dump",), "postgresql-client", database)


def _parameters(connection: sa.Connection) -> tuple[dict[str, str], dict[str, str]]:
    """How the driver is connected, in libpq's words, and apart from that the passwords.

    What libpq says of the live connection holds whatever made it: a URL, a service file, a socket, a function
    of the application's own. Drivers without libpq are taken at their URL.
    """
    info: t.Any = getattr(connection.connection.driver_connection, "info", None)
    if callable(getattr(info, "get_parameters", None)):
        found = dict(info.get_parameters())
    elif isinstance(getattr(info, "dsn_parameters", None), dict):
        found = dict(info.dsn_parameters)
    else:
        return _parameters_of_url(connection)
    # Of several hosts in the URL, the one that answered.
    found.update(host=info.host, port=str(info.port), dbname=info.dbname, user=info.user)
    secrets = {key: found[key] for key in _PASSWORDS if found.get(key)}
    return _given(found), {"password": info.password or "", **secrets}


def _parameters_of_url(connection: sa.Connection) -> tuple[dict[str, str], dict[str, str]]:
    url = connection.engine.url
    query = {key: str(value) for key, value in url.query.items()}
    if "ssl" in query:  # asyncpg's word
        query["sslmode"] = query["ssl"]
    host = url.host or query.get("host", "")
    database = str(execute_beneath(connection, "SELECT current_database()")[0][0])
    found = {**query, "host": host, "port": str(url.port or ""), "user": url.username or "", "dbname": database}
    return _given(found), {"password": url.password or ""}


def _given(parameters: dict[str, t.Any]) -> dict[str, str]:
    return {key: str(value) for key, value in parameters.items() if key in _KNOWN and value not in (None, "")}


def _conninfo(parameters: t.Mapping[str, str]) -> str:
    return " ".join(f"{key}={_quoted(value)}" for key, value in parameters.items())


def _quoted(value: str) -> str:
    if value and not set(value) & set(" '\\\t\n"):
        return value
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


@contextlib.contextmanager
def _service(secrets: t.Mapping[str, str]) -> t.Iterator[tuple[dict[str, str], dict[str, str]]]:
    """Parameters and environment by which passwords go: for that of a TLS key libpq reads no variable but a file."""
    env = {"PGPASSWORD": secrets["password"]} if secrets.get("password") else {}
    rest = "".join(f"{key}={value}\n" for key, value in secrets.items() if key != "password")
    if not rest:
        yield {}, env
        return
    with secret_file(f"[schemaflow]\n{rest}".encode()) as path:
        yield {"service": "schemaflow"}, {**env, "PGSERVICEFILE": path}
