"""Carries out what one ``batch_alter_table`` block asks for; imported when there is one."""

from __future__ import annotations

import typing as t

import sqlalchemy as sa

from ...errors.running import RebuildRefused
from ..guards import Scope
from . import dropping
from . import leftovers
from . import values
from .catalog import Catalog
from .draft import Draft
from .naming import apply_convention
from .naming import conventions_of
from .rebuild import Rebuild
from .restating import restate
from .sql_text import same
from .table_text import TableText
from .wording import create_text


def change(batch: t.Any, scope: Scope) -> None:
    """Do what was collected, all of it or nothing."""
    catalog = Catalog(batch.operations.get_bind(), batch.schema)
    with catalog.savepoint():
        change_table(batch, catalog, scope)


def change_table(batch: t.Any, catalog: Catalog, scope: Scope) -> None:
    """Rebuild the table if anything but names changes, then rename its columns."""
    entry = leftovers.require_table(catalog, str(batch.table_name), scope)
    old = _parsed(entry.sql, entry.name)
    draft = _draft(batch, entry.name, entry.sql, scope)
    before = draft.table.text
    draft.apply(batch.batch)
    restate(draft, batch.table_args, batch.table_kwargs)
    given = batch.recreate == "always" or batch.copy_from is not None
    _require_indexes(draft, catalog)
    if given or draft.table.text != before or draft.types:
        _require_no_enforcement(catalog, entry.name)
        _rebuild(draft, old, catalog)
    else:
        change_indexes(draft, catalog)
    rename_columns(draft, catalog)
    for notice in draft.notices:
        scope.tell("notice", notice)


def change_indexes(draft: Draft, catalog: Catalog) -> None:
    """Drop and make indexes of a table that stays."""
    for name in draft.without:
        catalog.execute(f"DROP INDEX {catalog.qualified(name)}")
    for statement in draft.indexes:
        catalog.execute(statement)


def rename_columns(draft: Draft, catalog: Catalog) -> None:
    """Rename columns wherever they are named; names may be exchanged."""
    waiting = dict(draft.renames)
    for old, new in draft.renames.items():
        taken = draft.table.column(new)
        if taken is not None and not same(taken.name, old):
            catalog.rename_column(draft.name, old, f"schemaflow_{old}_")
            waiting[f"schemaflow_{old}_"] = waiting.pop(old)
    for old, new in waiting.items():
        catalog.rename_column(draft.name, old, new)


def _draft(batch: t.Any, name: str, sql: str, scope: Scope) -> Draft:
    dialect: sa.Dialect = batch.operations.impl.dialect
    metadata = scope.options.get("target_metadata")
    table = TableText(sql if batch.copy_from is None else create_text(batch.copy_from, dialect))
    if batch.copy_from is not None:
        _require_all_columns(table, TableText(sql), name)
    if batch.naming_convention:
        apply_convention(name, table, batch.naming_convention)
    conventions = conventions_of(batch.naming_convention or (), metadata)
    return Draft(name, table, dialect, conventions, batch.partial_reordering or ())


def _require_all_columns(given: TableText, found: TableText, name: str) -> None:
    missing = [column.name for column in found.columns if given.column(column.name) is None]
    if missing:
        columns = f"column{'s' * (len(missing) != 1)} {', '.join(missing)}"
        raise RebuildRefused(
            f"The table given as copy_from has no {columns}, which {name} has; its values would be lost.",
            hint=f'Add it to copy_from; to drop it, add batch_op.drop_column("{missing[0]}").',
        )


def _rebuild(draft: Draft, old: TableText, catalog: Catalog) -> None:
    dropping.settle(draft, catalog)
    conversions = values.conversions(draft, catalog)
    values.require_lossless(draft, old, catalog, conversions)
    Rebuild(draft, old, catalog, conversions).run()


def _parsed(sql: str, name: str) -> TableText:
    try:
        return TableText(sql)
    except ValueError:
        raise RebuildRefused(
            f"{name} is a virtual table, which can't be altered.", hint="Drop it and create it again."
        ) from None


def _require_indexes(draft: Draft, catalog: Catalog) -> None:
    known = [index.name for index in catalog.attached(draft.name, "index")]
    for name in draft.without:
        if not any(same(name, other) for other in known):
            raise RebuildRefused(
                f"Table {draft.name} has no index named {name}.",
                hint=f"Its indexes are: {', '.join(known)}." if known else "It has none.",
            )


def _require_no_enforcement(catalog: Catalog, name: str) -> None:
    """Dropping the old copy of a parent while foreign keys are enforced deletes or unlinks its children."""
    if not catalog.execute("PRAGMA foreign_keys").scalar():
        return
    children = catalog.children(name)
    if children:
        raise RebuildRefused(
            f"Rebuilding {name} would delete or unlink rows of {', '.join(children)}: foreign keys are enforced, and "
            "SQLite can't stop enforcing them in a transaction.",
            hint="Let the command open its own connection and transaction, move the operation out of "
            'autocommit_block(), or execute "PRAGMA foreign_keys = OFF" before the transaction begins.',
        )
