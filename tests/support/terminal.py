"""A person at a terminal: runs a command under a pseudo terminal, waits for a text, types an answer."""

from __future__ import annotations

import codecs
import dataclasses
import os
import pty
import re
import select
import subprocess
import termios
import time
import typing as t
from pathlib import Path

from .processes import clean_environment
from .processes import reset_signals

_ESCAPES = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)|[()][A-Z0-9]|[=>])")
_ATTACH = 'exec "$@" <"$0" >"$0" 2>&1'  # opening the terminal after setsid makes it the controlling one


@dataclasses.dataclass(frozen=True)
class Screen:
    """What was on the terminal when the command ended."""

    raw: str
    returncode: int

    @property
    def text(self) -> str:
        r"""The output without colours and cursor movements, line ends as ``\n``."""
        return _ESCAPES.sub("", self.raw).replace("\r\n", "\n")


def run_in_terminal(
    args: t.Sequence[str | Path],
    *,
    cwd: Path,
    typed: t.Sequence[tuple[str, str]] = (),
    env: t.Mapping[str, str | None] | None = None,
    size: tuple[int, int] = (40, 120),
    timeout: float = 60,
) -> Screen:
    r"""Run a command with a terminal as its input and output.

    :param typed: pairs ``(wait for this text, then type this)``, in order; ``"\x03"`` is Ctrl-C,
        ``"\x04"`` Ctrl-D, a line ends with ``"\n"``.
    :param size: rows and columns.
    :param timeout: seconds after which the command is killed and the test fails, showing the screen.
    """
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, size) if hasattr(termios, "tcsetwinsize") else _set_size(theirs, size)
    environment = clean_environment(**{"TERM": "xterm", **(env or {})})
    command = ["sh", "-c", _ATTACH, os.ttyname(theirs), *map(str, args)]
    process = subprocess.Popen(
        command, cwd=cwd, env=environment, start_new_session=True, preexec_fn=reset_signals
    )
    os.close(theirs)
    try:
        raw = _converse(process, ours, list(typed), time.monotonic() + timeout)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        os.close(ours)
    return Screen(raw, process.returncode)


def _set_size(terminal: int, size: tuple[int, int]) -> None:
    """Do what ``termios.tcsetwinsize`` does, which Python 3.10 lacks."""
    import fcntl
    import struct

    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))


_REACTION = 0.5
"""Seconds that a person takes at least to press a key."""


def _converse(
    process: subprocess.Popen[bytes], terminal: int, typed: list[tuple[str, str]], deadline: float
) -> str:
    screen, seen, decode = "", 0, codecs.getincrementaldecoder("utf-8")("replace").decode
    while True:
        if time.monotonic() > deadline:
            raise AssertionError(f"still waiting for {typed[:1] or 'the end'}; the screen shows:\n{screen}")
        while typed and (at := screen.find(typed[0][0], seen)) >= 0:
            seen = at + len(typed[0][0])
            key = typed.pop(0)[1]
            if key == "\x03":  # Python hears no Ctrl-C between writing a prompt and waiting for the answer
                time.sleep(_REACTION)
            os.write(terminal, key.encode())
        chunk = _read(terminal)
        if chunk:
            screen += decode(chunk)
        elif process.poll() is not None:
            break
    if typed:
        raise AssertionError(
            f"the command ended before it showed {typed[0][0]!r}; the screen shows:\n{screen}"
        )
    return screen


def _read(terminal: int) -> bytes:
    """Return what arrived; nothing after a moment without news, or when nobody has the terminal open."""
    if not select.select([terminal], [], [], 0.05)[0]:
        return b""
    try:
        return os.read(terminal, 65536)
    except OSError:  # Linux's way to say that the other side is closed
        time.sleep(0.01)  # the process itself ends a moment later
        return b""
