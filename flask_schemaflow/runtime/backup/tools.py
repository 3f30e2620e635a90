"""Running a database's own program: no shell, no question asked, no password on its command line."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
import typing as t

from ...errors.backup import BackupFailed
from ...errors.backup import BackupToolMissing
from ...redaction import MASK
from ...redaction import scrub

_SHOWN = 10
_NOT_RUN = "Nothing was run. Correct that and run the command again, or go without: `--no-backup`."


def find_tool(names: t.Sequence[str], package: str, database: str) -> str:
    """The path of the first of ``names`` that is installed.

    :param package: what has to be installed otherwise.
    :raises BackupToolMissing: when there is none of them.
    """
    for name in names:
        found = shutil.which(name)
        if found is not None:
            return found
    raise BackupToolMissing(
        f"The {database} database can't be saved because {' or '.join(names)} is not installed here.",
        hint=f"Install it (Debian and Ubuntu: apt-get install {package}) and run the command again, or go without: "
        "`--no-backup`.",
    )


def run_tool(
    command: t.Sequence[str], output: int, database: str, *, env: t.Mapping[str, str], secrets: t.Collection[str] = ()
) -> None:
    """Run a program to its end, its output into a file.

    :param output: the file's descriptor.
    :param env: added to this process's environment.
    :param secrets: what must not be in a message, even if the program says it.
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
            _, said = process.communicate()
        except BaseException:
            process.kill()
            raise
    if process.returncode != 0:
        raise failed(os.path.basename(command[0]), process.returncode, said, database, secrets)


def failed(tool: str, status: int, said: str, database: str, secrets: t.Collection[str] = ()) -> BackupFailed:
    """The error for a program that gave up."""
    text = scrub(said)
    for secret in filter(None, secrets):
        text = text.replace(secret, MASK)
    lines = [line.strip() for line in text.splitlines() if line.strip()] or [f"exit status {status}"]
    return BackupFailed(
        f"{tool} could not save the {database} database: {lines[-1] if len(lines) == 1 else lines[0]}",
        details="\n".join(f"  {line}" for line in lines[:_SHOWN]) if len(lines) > 1 else "",
        hint=_NOT_RUN,
    )


@contextlib.contextmanager
def secret_file(content: bytes) -> t.Iterator[str]:
    """The path of a file with ``content`` that only this user can read, removed afterwards."""
    descriptor, path = tempfile.mkstemp(prefix="schemaflow-")  # which has the mode 0600
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
        yield path
    finally:
        os.unlink(path)
