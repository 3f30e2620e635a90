"""Scratch databases for the work on a history; other texts of its files are tried there before a file is changed."""

from __future__ import annotations

import contextlib
import copy
import os
import shutil
import tempfile
import typing as t

import sqlalchemy as sa

from ..autogenerate.verify import quiet_alembic
from ..autogenerate.verify.copies import copy_of
from ..autogenerate.verify.copies import empty_beside
from ..autogenerate.verify.scratch import configured_options
from ..autogenerate.verify.scratch import ScratchEnvironment
from ..autogenerate.verify.scratch import source_of
from ..autogenerate.verify.scratch import Unverifiable
from ..autogenerate.verify.snapshot import Snapshot
from ..autogenerate.verify.snapshot import snapshot
from ..errors import SchemaflowError
from ..revisions.edit import replace_files
from ..revisions.scripts import locations_of
from ..revisions.scripts import script_directory
from ..revisions.validation import validated
from ..runtime.connections import keep_transactions
from ..runtime.environment import Environment
from ..runtime.guard import Scope
from ..runtime.own_tables import is_own_table
from ..targets import Target

Heads = dict["str | None", tuple[str, ...]]
"""The current revisions of each database, by bind."""

REASONS = (Unverifiable, sa.exc.DBAPIError)
"""What is raised where no scratch database can be had."""


def reason_of(error: Exception) -> str:
    """Return why there is no scratch database, in a few words."""
    original = getattr(error, "orig", None)
    return str(original if original is not None else error).splitlines()[0]


def heads_of_databases(environment: Environment, binds: t.Sequence[str] = ()) -> Heads:
    """Run env.py, and return the current revisions of each database that it configures."""
    found: Heads = {}

    def look(scope: Scope, heads: tuple[str, ...]) -> None:
        found[scope.bind] = heads

    environment.read(look, binds)
    return found


def version_table_of(options: t.Mapping[str, t.Any]) -> tuple[str, str | None]:
    """Return the name and the schema of the version table that env.py configured."""
    return options.get("version_table") or "alembic_version", options.get("version_table_schema")


@contextlib.contextmanager
def scratch_for(environment: Environment, target: Target, *, filled: bool = False) -> t.Iterator[ScratchEnvironment]:
    """Yield the migrations folder with a scratch database in place of ``target``.

    :param environment: one that has run env.py, whose options are passed again.
    :param filled: whether it has the schema of the target; else it is empty.
    :raises Unverifiable: if there is no way to make one.
    """
    options = configured_options(environment, target.bind)
    if options is None:
        raise Unverifiable(f"env.py configures no database {target.name}")
    make = copy_of if filled else empty_beside
    with source_of(target) as source, keep_transactions([source]), quiet_alembic():
        with make(source, environment.state.settings) as engine:
            yield ScratchEnvironment(environment, target.changed(engine=engine), options)


@contextlib.contextmanager
def connected(target: Target) -> t.Iterator[sa.Connection]:
    """Yield a connection to the application's database that is only read."""
    with source_of(target) as source, keep_transactions([source]), source.connect() as connection:
        yield connection


def own_tables(connection: sa.Connection, options: t.Mapping[str, t.Any]) -> set[str]:
    """Return the names of the tables that keep versions, locks and the like."""
    version_table, schema = version_table_of(options)
    inspector = sa.inspect(connection)
    names = {*inspector.get_table_names(), *inspector.get_table_names(schema=schema)}
    return {name for name in names if is_own_table(name)} | {version_table}


def schema_of(connection: sa.Connection, options: t.Mapping[str, t.Any]) -> Snapshot:
    """Return the schema of a database, without the tables that keep versions."""
    return snapshot(connection, own_tables(connection, options))


def words_of(error: Exception) -> str:
    """Return an error on one line."""
    return error.message if isinstance(error, SchemaflowError) else str(error).splitlines()[0]


@contextlib.contextmanager
def changed_history(environment: Environment, texts: t.Mapping[str, str | None]) -> t.Iterator[Environment]:
    """Yield the environment over a copy of its revision files, in which some have another text.

    :param texts: by path; ``None`` leaves the file out.
    """
    with tempfile.TemporaryDirectory(prefix="schemaflow-") as folder:
        copies: dict[str, str] = {}
        changed: dict[str, str | None] = {}
        for number, location in enumerate(locations_of(environment.script).paths):
            place = os.path.join(folder, str(number))
            ignore = shutil.ignore_patterns("__pycache__")
            shutil.copytree(location, place, ignore=ignore) if os.path.isdir(location) else os.mkdir(place)
            copies[place] = location
            for path, text in texts.items():
                if os.path.dirname(os.path.realpath(path)).startswith(os.path.realpath(location)):
                    changed[os.path.join(place, os.path.relpath(path, location))] = text
        replace_files(changed)
        other = copy.copy(environment)
        vars(other)["script"] = script_directory(
            environment.config, lambda found: validated(found, environment.folder), list(copies)
        )
        try:
            yield other
        except SchemaflowError as error:
            _name_originals(error, copies)
            raise


def _name_originals(error: SchemaflowError, copies: t.Mapping[str, str]) -> None:
    """Have an error name the files that the reader knows."""
    for place, location in copies.items():
        for attribute in ("message", "details", "hint"):
            setattr(error, attribute, getattr(error, attribute).replace(place, location))


@contextlib.contextmanager
def scratch_with(
    environment: Environment, history: Environment, target: Target, *, filled: bool = False
) -> t.Iterator[ScratchEnvironment]:
    """Yield a scratch database in place of ``target``, for the revisions of ``history``.

    The parameters are those of :func:`.scratch.scratch_for`.
    """
    with scratch_for(environment, target, filled=filled) as scratch:
        vars(scratch)["script"] = history.script
        yield scratch


def schema_in(scratch: ScratchEnvironment) -> Snapshot:
    """Return the schema of a scratch database."""
    with scratch.connect() as connection:
        return schema_of(connection, scratch.options)
