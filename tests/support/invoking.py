"""Runs commands in the test's own process, with standard output and error apart."""

from __future__ import annotations

import inspect
import typing as t

from click.testing import CliRunner
from flask import Flask
from flask.testing import FlaskCliRunner


def cli_runner(app: Flask) -> FlaskCliRunner:
    """A runner whose results have ``stdout`` and ``stderr``, under every supported click.

    Before click 8.2 the two were mixed unless asked otherwise; since then the option is gone.
    """
    apart: dict[str, t.Any] = {}
    if "mix_stderr" in inspect.signature(CliRunner).parameters:
        apart["mix_stderr"] = False
    return app.test_cli_runner(**apart)
