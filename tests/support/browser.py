"""A real browser without a window, and Flask's development server for it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import typing as t
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from . import processes
from .application import Project
from .servers import unavailable

if t.TYPE_CHECKING:
    from playwright.sync_api import Browser

_NAMES = ("chromium", "chromium-browser", "google-chrome")


def launched() -> t.Iterator[Browser]:
    """Start Chromium and yield it; ends the test where there is none."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright isn't installed; `pip install --group tests`")
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        unavailable("no Chromium for the tests in a browser: `apt-get install chromium`")
    with api.sync_playwright() as playwright:
        # Chromium's sandbox refuses to run as root, as CI does.
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


class Answer(t.NamedTuple):
    """What a server answered."""

    status: int
    text: str
    headers: t.Mapping[str, str]


class DevelopmentServer:
    """``flask run`` of a project, with its output in a file.

    :param debug: whether in debug mode.
    :param options: further arguments of ``flask run``.
    """

    def __init__(self, project: Project, *options: str, debug: bool = True) -> None:
        self.port = _free_port()
        self.url = f"http://localhost:{self.port}"
        self._output = project.root / f"server-{self.port}.log"
        env = {**os.environ, "FLASK_DEBUG": str(int(debug)), "PYTHONPATH": str(project.root)}
        with self._output.open("w") as log:
            self._process = subprocess.Popen(
                project.command("run", "--port", str(self.port), *options),
                cwd=project.root,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        processes.wait_until(self._answers, f"the server's start: {self.output}")

    @property
    def output(self) -> str:
        """What the server has written."""
        return self._output.read_text("utf-8", "replace")

    def _answers(self) -> bool:
        assert self._process.poll() is None, self.output
        with socket.socket() as connection:
            return connection.connect_ex(("127.0.0.1", self.port)) == 0

    def send(
        self, path: str, data: str | None = None, method: str | None = None, **headers: str
    ) -> Answer:
        """Send one request, not as a browser, and return the answer, whatever its status.

        :param headers: ``accept="text/html"``; an underscore stands for a hyphen.
        """
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        body = None if data is None else data.encode()
        request = urllib.request.Request(f"{self.url}{path}", body, sent, method=method)
        try:
            with urllib.request.build_opener(_NoRedirect).open(request, timeout=60) as answer:
                return Answer(answer.status, answer.read().decode(), dict(answer.headers))
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, error.read().decode(), dict(error.headers))

    def stop(self) -> None:
        """End the server and its reloader."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: t.Any) -> None:
        """Follow no redirect."""


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def is_dark(colour: str) -> bool:
    """Return whether a colour such as ``rgb(22, 24, 27)`` is a dark one."""
    parts = colour[colour.index("(") + 1 : -1].split(",")
    return sum(float(part) for part in parts[:3]) < 3 * 128


def save(page: t.Any, name: str) -> None:
    """Save a screenshot where ``SCHEMAFLOW_TEST_SCREENSHOTS`` names a folder, for a look at it."""
    folder = os.environ.get("SCHEMAFLOW_TEST_SCREENSHOTS")
    if folder:
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)
