"""Running commands as a person or a deployment would: real processes, their output, their exit status."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import time
import typing as t
from pathlib import Path

from . import forked

# What a developer's shell may hold and a test must not see.
_PRIVATE = (
    *("FLASK_", "SCHEMAFLOW_", "DATABASE_URL", "SQLALCHEMY_", "PG", "MYSQL_", "EDITOR", "VISUAL"),
    *("COLUMNS", "LINES"),  # a worker of xdist has them
)
_KEPT = ("SCHEMAFLOW_TEST_",)
_CERTIFICATES = "SCHEMAFLOW_TEST_CERTIFICATES"


def hide_certificates() -> None:
    """Have no process of the tests load the certificates of all authorities.

    PyMySQL does so for each connection, also to a server without TLS, and that takes 20 ms of computing.
    """
    os.environ.setdefault(_CERTIFICATES, os.environ.get("SSL_CERT_FILE", ""))
    os.environ["SSL_CERT_FILE"] = os.devnull


def with_certificates() -> dict[str, str | None]:
    """Return what the environment of a command that downloads needs besides."""
    return {"SSL_CERT_FILE": os.environ.get(_CERTIFICATES) or None}


@dataclasses.dataclass(frozen=True)
class Result:
    """What a finished process left: its exit status and what it wrote."""

    args: tuple[str, ...]
    returncode: int
    stdout: str
    stderr: str

    @property
    def output(self) -> str:
        """Both streams, standard output first."""
        return self.stdout + self.stderr

    def __str__(self) -> str:
        shown = " ".join(self.args)
        status = f"--- exit status {self.returncode} ---"
        return f"$ {shown}\n{self.stdout}\n--- stderr ---\n{self.stderr}\n{status}"


def clean_environment(**extra: str | None) -> dict[str, str]:
    """Return this process's environment without what steers Flask or a database client.

    :param extra: what to add; None removes a name.
    """
    environment = {
        name: value
        for name, value in os.environ.items()
        if name.startswith(_KEPT) or not name.startswith(_PRIVATE)
    }
    environment["PYTHONIOENCODING"] = "utf-8"
    for name, value in extra.items():
        if value is None:
            environment.pop(name, None)
        else:
            environment[name] = value
    return environment


def reset_signals() -> None:
    """Have a child hear the signals that the tests' own process ignores, as under nohup; for ``preexec_fn``."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        signal.signal(getattr(signal, name), signal.SIG_DFL)


def run(
    args: t.Sequence[str | Path],
    *,
    cwd: Path,
    env: t.Mapping[str, str | None] | None = None,
    input: str | None = None,
    check: bool = True,
    timeout: float = 120,
    merged: bool = False,
) -> Result:
    """Run a command to its end and return what it wrote; ``python -m flask`` in a fork where that makes no difference.

    :param env: added to :func:`clean_environment`.
    :param input: what it reads; None is an empty input, not a terminal.
    :param check: fail the test, showing everything that was written, unless the exit status is 0.
    :param timeout: seconds after which it is killed and the test fails.
    :param merged: write both streams to ``stdout``, in the order of writing.
    """
    command = tuple(str(arg) for arg in args)
    environment = clean_environment(**(env or {}))
    if forked.can_fork(command, cwd, env or {}, environment):
        result = Result(command, *forked.run_forked(command, cwd, environment, input or "", timeout, merged))
    else:
        result = _run_cold(command, cwd, environment, input or "", timeout, merged)
    if check and result.returncode != 0:
        raise AssertionError(f"a command that should succeed did not:\n{result}")
    return result


def _run_cold(
    command: tuple[str, ...], cwd: Path, environment: dict[str, str], input: str, timeout: float, merged: bool
) -> Result:
    done = subprocess.run(
        command,
        cwd=cwd,
        env=environment,
        input=input,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if merged else subprocess.PIPE,
        encoding="utf-8",
        errors="backslashreplace",
        timeout=timeout,
        preexec_fn=reset_signals,
    )
    return Result(command, done.returncode, done.stdout, done.stderr or "")


def start(
    args: t.Sequence[str | Path], *, cwd: Path, env: t.Mapping[str, str | None] | None = None
) -> subprocess.Popen[str]:
    """Start a command and return at once; its streams are text pipes, its input is empty.

    It is the leader of a process group of its own, so that a signal reaches its children too.
    """
    return subprocess.Popen(
        [str(arg) for arg in args],
        cwd=cwd,
        env=clean_environment(**(env or {})),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="backslashreplace",
        start_new_session=True,
        preexec_fn=reset_signals,
    )


def finish(process: subprocess.Popen[str], timeout: float = 120) -> Result:
    """Wait for a process from :func:`start` and return what it wrote."""
    stdout, stderr = process.communicate(timeout=timeout)
    return Result(tuple(t.cast("list[str]", process.args)), process.returncode, stdout, stderr)


def wait_until(condition: t.Callable[[], object], what: str = "it", timeout: float = 60) -> None:
    """Wait until *condition* returns something true; fail the test after *timeout* seconds."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not happen within {timeout} seconds")
        time.sleep(0.02)


def end(process: subprocess.Popen[str]) -> None:
    """Kill a process that still runs, and close its pipes."""
    if process.poll() is None:
        process.kill()
    if not (process.stdout and process.stdout.closed):
        process.communicate()
