"""The tree of errors: each class has a code of its own and says what it is, why it happens and what helps."""

from __future__ import annotations

import re
import typing as t

import pytest

from flask_schemaflow import errors
from flask_schemaflow import SchemaflowError


def classes() -> list[type[SchemaflowError]]:
    """Every class of every family."""
    return [found for family in errors.FAMILIES for found in errors.errors_of(family).values()]


def test_codes_are_unique() -> None:
    """A code names one class, for ever."""
    codes = [found.code for found in classes()]
    assert sorted(codes) == sorted(set(codes))
    assert all(re.fullmatch(r"SF\d{3}", code) for code in codes)
    assert SchemaflowError.code not in codes


@pytest.mark.parametrize("found", classes(), ids=lambda found: t.cast("type", found).__name__)
def test_each_class_is_documented(found: type[SchemaflowError]) -> None:
    """The page of errors is made from the docstrings."""
    first, _, rest = (found.__doc__ or "").partition("\n")
    assert first.endswith(".") and "Cause: " in rest and "Cure: " in rest
    assert found.exit_code in (1, 2, 3)
    assert getattr(errors, found.__name__) is found


def test_an_error_as_text() -> None:
    """The sentence, what belongs to it, the next step; without empty lines where something is missing."""
    assert str(SchemaflowError("It broke.")) == "It broke."
    assert str(SchemaflowError("It broke.", hint="Mend it.", details="  here")) == "It broke.\n  here\nMend it."
