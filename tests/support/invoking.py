"""Runs commands in the test's own process, with standard output and error apart."""

from __future__ import annotations

import inspect
import typing as t

from click.testing import CliRunner
from click.testing import Result
from flask import Flask
from flask.testing import FlaskCliRunner


def cli_runner(app: Flask) -> FlaskCliRunner:
    """Return a runner whose results have ``stdout`` and ``stderr``, under every supported click."""
    return app.test_cli_runner(**separate_streams())


def separate_streams() -> dict[str, t.Any]:
    """Return the options with which a runner of click keeps standard output and error apart.

    Before click 8.2 the two were mixed unless asked otherwise; since then the option is gone.
    """
    return {"mix_stderr": False} if "mix_stderr" in inspect.signature(CliRunner).parameters else {}


def _both(result: Result) -> str:
    return result.stdout + (result.stderr if result.stderr_bytes is not None else "")


if separate_streams():  # before click 8.2 ``output`` is standard output alone where the streams are kept apart
    setattr(Result, "output", property(_both))  # noqa: B010 - for mypy it can't be assigned to
