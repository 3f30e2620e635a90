"""Names that only the models or only the database have: what the answers of ``migrate`` can be about."""

from __future__ import annotations

import dataclasses
import functools
import typing as t

import sqlalchemy as sa

from ..extension import current_state
from ..records import Record
from ..runtime.connections import run_apart
from ..runtime.own_tables import is_own_table

Names = dict[str, list[str]]  # the columns of each table


@dataclasses.dataclass(frozen=True)
class Unmatched(Record):
    """The names of one database that have no counterpart.

    :param tables: tables of the database that the models don't have, except those that migrations keep.
    :param new_tables: tables of the models that the database doesn't have.
    :param columns: for each table that both have, the columns of the database that its model doesn't have.
    :param new_columns: for each table that both have, the columns of the model that the database doesn't have.
    """

    tables: tuple[str, ...]
    new_tables: tuple[str, ...]
    columns: t.Mapping[str, tuple[str, ...]]
    new_columns: t.Mapping[str, tuple[str, ...]]


def unmatched_names() -> list[Unmatched]:
    """Return what differs by name between the models and each database; a quick look, without env.py.

    :raises SQLAlchemyError: if a database can't be read.
    """
    found = []
    for target in current_state().targets():
        tables = [table for metadata in target.metadatas for table in metadata.tables.values()]
        schemas = {None, *(table.schema for table in tables)}
        database = run_apart(target.sync_engine, functools.partial(_read, schemas=schemas))
        found.append(_compare({table.fullname: [c.name for c in table.columns] for table in tables}, database))
    return found


def _read(connection: sa.Connection, *, schemas: t.Iterable[str | None]) -> Names:
    inspector = sa.inspect(connection)
    return {
        f"{schema}.{name}" if schema else name: [str(column["name"]) for column in columns]
        for place in schemas
        for (schema, name), columns in inspector.get_multi_columns(schema=place).items()
        if not (is_own_table(name) or name.startswith("alembic_version"))
    }


def _compare(models: Names, database: Names) -> Unmatched:
    both = sorted(models.keys() & database.keys())
    return Unmatched(
        tables=tuple(sorted(database.keys() - models.keys())),
        new_tables=tuple(sorted(models.keys() - database.keys())),
        columns={name: tuple(c for c in database[name] if c not in models[name]) for name in both},
        new_columns={name: tuple(c for c in models[name] if c not in database[name]) for name in both},
    )
