"""Pending migrations in words: a line when the development server starts, and beside an error."""

from __future__ import annotations

import re
import typing as t

import click
from flask import Flask
from sqlalchemy import exc

from ..errors.setup import InvalidSetting
from .pending import Pending
from .pending import summary

_STATES = ("42P01", "42703", "3F000", "42704")
"""PostgreSQL: no such table, column, schema, type."""
_NUMBERS = (1146, 1054)
"""MySQL and MariaDB: no such table, column."""
_WORDS = re.compile(r"no such (table|column)|has no column named", re.IGNORECASE)


def announce(app: Flask) -> None:
    """Print one line if migrations are pending."""
    pending = Pending(app)
    try:
        standings = () if pending.mode == "off" else pending.standings()
    except InvalidSetting as error:
        click.secho(f" * {error}", fg="yellow", err=True)
        return
    if standings:
        click.secho(f" * Pending migrations: {summary(standings)}. Run `{command(app)}`.", fg="yellow", err=True)


def command(app: Flask) -> str:
    """Return the command that applies what is pending."""
    return f"flask {app.extensions['migrate'].command} upgrade"


def explain(pending: Pending, error: BaseException) -> None:
    """Add to an error about a missing table or column that migrations are pending, if they are."""
    database_error = _missing_object(error)
    if database_error is None or pending.mode == "off":
        return
    standings = pending.standings()
    if standings:
        database_error.add_detail(
            f"Migrations are pending ({summary(standings)}), which may add it: {command(pending.app)}"
        )


def _missing_object(error: BaseException) -> exc.DBAPIError | None:
    """Return the error of the database about a missing object, from ``error`` and its causes."""
    seen: t.Any = error
    passed: set[int] = set()
    while seen is not None and id(seen) not in passed:
        passed.add(id(seen))
        if isinstance(seen, exc.DBAPIError) and _is_missing(seen.orig):
            return seen
        seen = seen.__cause__ or seen.__context__
    return None


def _is_missing(original: t.Any) -> bool:
    state = getattr(original, "sqlstate", None) or getattr(original, "pgcode", None)
    number = original.args[0] if getattr(original, "args", ()) else None
    return state in _STATES or number in _NUMBERS or (state is None and _WORDS.search(str(original)) is not None)
