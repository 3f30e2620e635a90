"""Runs commands in the test's own process, with standard output and error apart."""

from __future__ import annotations

import inspect
import typing as t

from click.testing import CliRunner
from flask import Flask
from flask.testing import FlaskCliRunner


def cli_runner(app: Flask) -> FlaskCliRunner:
    """A runner whose results have ``stdout`` and ``stderr``, under every supported click."""
    return app.test_cli_runner(**separate_streams())


def separate_streams() -> dict[str, t.Any]:
    """The options with which a runner of click keeps standard output and error apart.

    Before click 8.2 the two were mixed unless asked otherwise; since then the option is gone.
    """
    return {"mix_stderr": False} if "mix_stderr" in inspect.signature(CliRunner).parameters else {}
