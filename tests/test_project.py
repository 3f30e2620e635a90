"""The files around the package agree with it and with each other."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import typing as t
from pathlib import Path

import pytest

import flask_schemaflow

ROOT = Path(__file__).parents[1]
README = """\
Title
=====

.. code-block:: console

    $ wrong

Run the tests
-------------

Words.

.. code-block:: console
    :caption: one command

    $ python3 -m venv .venv \\
        && .venv/bin/pytest
    ... 3 passed

Next
----

.. code-block:: console

    $ wrong too
    $ and two of them
"""


def _find_command(text: str, section: str) -> str:
    spec = importlib.util.spec_from_file_location("readme_command", ROOT / ".ci" / "readme_command.py")
    assert spec and spec.loader
    module: t.Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return str(module.find_command(text, section))


def test_the_installed_version_is_the_packages_own() -> None:
    """The version that pip knows and ``__version__`` are one."""
    try:
        installed = importlib.metadata.version("Flask-SchemaFlow")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("the package is used from its source folder without being installed")
    assert installed == flask_schemaflow.__version__


def test_the_readme_command_is_found_in_its_section() -> None:
    """CI runs what a reader copies: without the prompt, joined, and from the right section."""
    assert _find_command(README, "Run the tests") == "python3 -m venv .venv && .venv/bin/pytest"


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ("Absent", "no section 'Absent'"),
        ("Next", "the section 'Next' has 2 commands instead of one"),
    ],
)
def test_a_readme_without_the_command_is_an_error(section: str, message: str) -> None:
    """A README that CI can't read stops it; nothing else is run in its place."""
    with pytest.raises(LookupError) as caught:
        _find_command(README, section)
    assert str(caught.value) == message
