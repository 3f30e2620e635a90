"""Runs ``python -m flask`` in forks of one process that has loaded the libraries, so that none pays for loading them.

Most of what a command costs in a test is the import of Flask, SQLAlchemy, Alembic and this package. Each process of
the tests starts one server when it first needs it; the server forks for each command, which is then a process like any
other: its own id, folder, environment, streams, signals and exit status. Only what is loaded isn't as after a cold
start. Commands that may care are started by themselves: see :func:`can_fork`.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import gc
import importlib
import json
import os
import pathlib
import runpy
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import typing as t

MODULE = "flask"
LOADED = (
    "flask.cli",
    "flask_sqlalchemy",
    "sqlalchemy.dialects.mysql.pymysql",
    "sqlalchemy.dialects.postgresql.psycopg",
    "psycopg",
    "pymysql",
    "flask_schemaflow.autogenerate.registry",
    "flask_schemaflow.cli.database",
    "flask_schemaflow.cli.revisions",
    "flask_schemaflow.commands.database",
    "flask_schemaflow.commands.repository",
    "flask_schemaflow.commands.revisions",
    "flask_schemaflow.runtime.env",
    "flask_schemaflow.runtime.guards.registry",
)
# What Python reads at its start, and the C library.
_START_UP = ("PYTHON", "LANG", "LC_", "LD_", "COVERAGE")
_AS_USUAL = ("PYTHONPATH", "PYTHONIOENCODING")


# -- in the tests' process --------------------------------------------------------------------------------------------


def can_fork(
    command: t.Sequence[str], cwd: pathlib.Path, extra: t.Mapping[str, str | None], environment: t.Mapping[str, str]
) -> bool:
    """Whether a fork of the server can stand for a command: ``python -m flask`` by this Python, without specials.

    :param extra: the variables that the test asks for.
    """
    if not hasattr(os, "fork") or tuple(command[:3]) != (sys.executable, "-m", MODULE):
        return False
    if any(name.startswith(_START_UP) and name not in _AS_USUAL for name in extra):
        return False
    places = [cwd, *(pathlib.Path(path) for path in environment.get("PYTHONPATH", "").split(os.pathsep) if path)]
    usual = set(os.environ.get("PYTHONPATH", "").split(os.pathsep))
    return not any(_shadows(place) for place in places if str(place) not in usual)


def _shadows(place: pathlib.Path) -> bool:
    """Whether a folder holds a module that would be found in place of a loaded one."""
    found = {path.name.partition(".")[0] for path in place.iterdir()} if place.is_dir() else set()
    return not found.isdisjoint({*sys.modules, "sitecustomize", "usercustomize"} - {"shop", "example_app"})


def run_forked(
    command: t.Sequence[str],
    cwd: pathlib.Path,
    environment: t.Mapping[str, str],
    input: str,
    timeout: float,
    merged: bool,
) -> tuple[int, str, str]:
    """Return the exit status of a command, as ``subprocess`` has it, and what it wrote on its two streams.

    :param merged: write both of them to the first.
    """
    asked = {"arguments": list(command[3:]), "cwd": str(cwd), "environment": dict(environment)}
    with (
        tempfile.TemporaryFile() as stdin,
        tempfile.TemporaryFile() as stdout,
        tempfile.TemporaryFile() as stderr,
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection,
    ):
        stdin.write(input.encode())
        stdin.seek(0)
        connection.settimeout(timeout)
        connection.connect(_server())
        streams = (stdin, stdout, stdout if merged else stderr)
        socket.send_fds(connection, [b"!"], [stream.fileno() for stream in streams])
        connection.sendall(json.dumps(asked).encode())
        connection.shutdown(socket.SHUT_WR)
        with connection.makefile() as answers:
            pid = int(answers.readline())
            try:
                status = int(answers.readline())
            except TimeoutError:
                os.kill(pid, signal.SIGKILL)
                raise subprocess.TimeoutExpired(list(command), timeout) from None
        return status, _read(stdout), _read(stderr)


def _read(stream: t.IO[bytes]) -> str:
    stream.seek(0)
    return stream.read().decode("utf-8", "backslashreplace").replace("\r\n", "\n")


@functools.cache
def _server() -> str:
    """Start the server and return its address; it ends with this process, whose end closes its standard input."""
    from .processes import clean_environment

    # No TemporaryDirectory: a fork by multiprocessing forgets what is registered for its exit, which would remove it.
    folder = tempfile.mkdtemp(prefix="sftest")
    address = os.path.join(folder, "server")
    process = subprocess.Popen(
        [sys.executable, __file__, address],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=clean_environment(),
        start_new_session=True,
    )
    assert process.stdin is not None and process.stdout is not None
    atexit.register(_stop, process, folder, os.getpid())
    with process.stdout as said:
        if said.readline() != b"ready\n":
            raise RuntimeError("the server for commands did not start")
    return address


def _stop(process: subprocess.Popen[bytes], folder: str, owner: int) -> None:
    if os.getpid() != owner:
        return
    if process.stdin is not None:
        process.stdin.close()
    process.wait(10)
    shutil.rmtree(folder, ignore_errors=True)


# -- in the server ----------------------------------------------------------------------------------------------------


def main(address: str) -> None:
    """Serve until standard input is closed; in a fork, become the command."""
    for name in LOADED:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(address)
    listener.listen(100)
    os.write(1, b"ready\n")
    asked, streams = _serve(listener)
    _become(asked, streams)
    _end(_run())


def _serve(listener: socket.socket) -> tuple[dict[str, t.Any], list[int]]:
    """Return only in a fork: what it was asked for, and its streams."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those who wait for commands
    while True:
        ready = select.select([listener.fileno(), 0], [], [])[0]
        if 0 in ready:
            os._exit(0)  # whatever coverage has seen here, the commands have seen, too
        connection, _ = listener.accept()
        if not os.fork():
            listener.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            return _fork_for(connection)
        connection.close()


def _fork_for(connection: socket.socket) -> tuple[dict[str, t.Any], list[int]]:
    """Return in a fork what it was asked for; in this process wait for that one, and tell its id and status."""
    _, streams, _, _ = socket.recv_fds(connection, 1, 3)
    with connection.makefile() as text:
        asked = json.load(text)
    pid = os.fork()
    if not pid:
        connection.close()
        return asked, streams
    connection.sendall(b"%d\n" % pid)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    with contextlib.suppress(OSError):  # the test has given up
        connection.sendall(b"%d\n" % status)
    os._exit(0)


def _become(asked: dict[str, t.Any], streams: list[int]) -> None:
    """Be the command: its streams, folder, environment, path, and its end."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.setsid()
    os.chdir(asked["cwd"])
    served = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    os.environ.clear()
    os.environ.update(asked["environment"])
    time.tzset()
    own = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    sys.path[:] = [os.getcwd(), *own, *(path for path in sys.path[1:] if path not in served)]
    sys.stdin = open(0, encoding="utf-8", closefd=False)
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = open(2, "w", 1, encoding="utf-8", errors="backslashreplace", closefd=False)
    importlib.invalidate_caches()
    sys.path_importer_cache.clear()
    sys.argv[1:] = asked["arguments"]


def _run() -> int:
    """Run the module and return the status that Python would end with."""
    try:
        runpy.run_module(MODULE, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        print(end.code, file=sys.stderr)
    except KeyboardInterrupt:
        sys.excepthook(*sys.exc_info())
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    else:
        return 0
    return 1


def _end(status: int) -> t.NoReturn:
    """End as Python does, but for taking apart what was loaded: that would copy all the memory of the server."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(status & 0xFF)


if __name__ == "__main__":
    main(sys.argv[1])
