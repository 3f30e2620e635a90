"""Regular expressions that are compiled when they are first used."""

from __future__ import annotations

import importlib
import pkgutil
import re
import types
import typing as t

import pytest

import flask_schemaflow
from flask_schemaflow.patterns import pattern


def modules() -> t.Iterator[types.ModuleType]:
    """Every module of the package but templates, which Alembic runs."""
    for found in pkgutil.walk_packages(flask_schemaflow.__path__, "flask_schemaflow."):
        if ".templates." not in found.name:
            yield importlib.import_module(found.name)


def test_every_expression_of_the_package_can_be_compiled() -> None:
    """A mistake in one would otherwise show only where it is used."""
    late = type(pattern("x"))
    found = {f"{module.__name__}.{name}": value for module in modules() for name, value in vars(module).items()}
    patterns = {name: value for name, value in found.items() if isinstance(value, late)}
    assert len(patterns) > 20
    for name, value in patterns.items():
        assert t.cast("re.Pattern[t.Any]", value).groups >= 0, name


def test_it_is_used_as_a_compiled_one_is() -> None:
    """The flags hold, also for bytes."""
    assert pattern(r"(?P<word>[a-z]+)", re.I).fullmatch("ABC").groupdict() == {"word": "ABC"}  # type: ignore[union-attr]
    assert pattern(rb"\d+").findall(b"1 22") == [b"1", b"22"]


def test_nothing_is_compiled_before_it_is_used() -> None:
    """Which is what it is for."""
    wrong = pattern("(")
    with pytest.raises(re.error, match="unterminated subpattern"):
        wrong.match("x")
