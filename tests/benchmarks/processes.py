"""Measures whole processes, as the operating system accounts for them."""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import typing as t

__all__ = ["have_callgrind", "Measured", "run"]

_INSTRUCTIONS = re.compile(r"Collected\s*:\s*(\d+)|refs:\s*([\d,]+)")


@dataclasses.dataclass
class Measured:
    """What the runs of one command cost.

    :ivar cpu: seconds of user and system time of each run.
    :ivar wall: seconds on the clock of each run.
    :ivar memory: the most memory of any run, in MB.
    :ivar instructions: executed instructions, in millions; ``None`` without callgrind.
    """

    cpu: list[float] = dataclasses.field(default_factory=list)
    wall: list[float] = dataclasses.field(default_factory=list)
    memory: float = 0.0
    instructions: float | None = None

    def median(self, figure: str) -> float:
        """Return the median of ``cpu`` or ``wall``; ``instructions`` and ``memory`` as they are."""
        found = getattr(self, figure)
        return statistics.median(found) if isinstance(found, list) else float(found)

    def spread(self, figure: str) -> tuple[float, float]:
        """Return the least and the most."""
        found = getattr(self, figure)
        return (min(found), max(found)) if isinstance(found, list) else (found, found)


def run(command: t.Sequence[str], cwd: pathlib.Path, into: Measured, statuses: t.Collection[int] = (0,)) -> None:
    """Run a command once and add what it cost.

    :param statuses: the exit statuses of a command that did its work.
    :raises RuntimeError: when it fails, with what it printed.
    """
    output = cwd / "output.log"
    asked = {"command": list(command), "cwd": str(cwd), "env": _environment(), "output": str(output)}
    launcher = _launcher()
    assert launcher.stdin is not None and launcher.stdout is not None
    launcher.stdin.write(json.dumps(asked) + "\n")
    launcher.stdin.flush()
    cost = json.loads(launcher.stdout.readline())
    if cost["status"] not in statuses:
        raise RuntimeError(f"{' '.join(command)} failed in {cwd}:\n{output.read_text(errors='replace')}")
    into.wall.append(cost["wall"])
    into.cpu.append(cost["cpu"])
    into.memory = max(into.memory, cost["memory"])


@functools.cache
def _launcher() -> subprocess.Popen[str]:
    command = [sys.executable, "-I", "-S", str(pathlib.Path(__file__).with_name("launcher.py"))]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def have_callgrind() -> bool:
    """Whether instructions can be counted here."""
    return shutil.which("valgrind") is not None


def count_instructions(command: t.Sequence[str], cwd: pathlib.Path, into: Measured) -> None:
    """Run a command under callgrind, which counts the same on a busy machine as on an idle one."""
    tool = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", *command]
    done = subprocess.run(tool, cwd=cwd, env=_environment(), capture_output=True, text=True, check=True)
    found = _INSTRUCTIONS.search(done.stderr)
    if found is not None:
        into.instructions = int((found[1] or found[2]).replace(",", "")) / 1e6


def _environment() -> dict[str, str]:
    """Byte code is cached, and hashing is the same in each run."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("FLASK_", "COVERAGE_"))}
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    return {**kept, "FLASK_APP": "shop", "PYTHONHASHSEED": "0"}
