"""The databases: whether they can be reached, where they stand, and what others have left in them."""

from __future__ import annotations

import asyncio
import os
import types
import typing as t

import sqlalchemy as sa
from alembic.runtime.migration import MigrationContext
from alembic.script import Script
from sqlalchemy import exc

from ..inspection import standing
from ..records import Finding
from ..records import Revision
from ..records import Standing
from ..redaction import safe_url
from ..runtime.passage import Options
from ..runtime.translation.connecting import database_error
from ..runtime.translation.connecting import Where
from ..runtime.translation.stamped import stamped_revision_missing
from ..targets import Target
from .findings import as_finding
from .subject import Subject

if t.TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

_MOST = 20
Result = t.TypeVar("Result")


def visit(target: Target, look: t.Callable[[sa.Connection], Result]) -> Result:
    """Call ``look`` with a connection, which is closed again.

    :raises DatabaseError: when there is none, or the database refuses something.
    """
    try:
        if target.is_async:
            return asyncio.run(_visit_async(t.cast("AsyncEngine", target.engine), look))
        with target.sync_engine.connect() as connection:
            return look(connection)
    except exc.DBAPIError as error:
        raise database_error(error, Where(target.sync_engine, target.bind)) from error


async def _visit_async(engine: AsyncEngine, look: t.Callable[[sa.Connection], Result]) -> Result:
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(look)
    finally:
        await engine.dispose()


def reachable(subject: Subject) -> t.Iterator[Finding]:
    """Whether each database answers, and as what."""
    for target in subject.targets:
        engine = target.sync_engine
        path = engine.url.database if engine.dialect.name == "sqlite" else None
        if path and not path.startswith(":memory:") and "mode=memory" not in path and not _exists(path):
            yield Finding(
                "warning",
                "SF860",
                f"The SQLite file {path} of the {target.name} database is not there.",
                hint="`flask db upgrade` makes it. If it should be there, correct the path in "
                f"{Where(engine, target.bind).setting}.",
            )
            continue
        try:
            version = visit(target, lambda connection: connection.dialect.server_version_info)
        except Exception as error:
            yield as_finding(error)
            continue
        subject.reached.append(target)
        number = ".".join(map(str, version or ()))
        yield Finding(
            "note",
            "SF861",
            f"The {target.name} database answers: {engine.dialect.name} {number} through {engine.dialect.driver}, "
            f"{safe_url(engine.url)}.",
        )


def _exists(path: str) -> bool:
    return os.path.exists(path.removeprefix("file:").partition("?")[0])


def standings(subject: Subject) -> t.Iterator[Finding]:
    """Where each database stands, as env.py sees it; where env.py fails, as its version table says."""
    seen: dict[str, Standing] = {}
    if subject.env is None:
        return
    script = subject.environment.script  # raises what the check of the history has said already

    def note(at: t.Any, context: t.Any) -> list[t.Any]:
        bind = subject.config.attributes["schemaflow"].scope.bind
        record = standing(script, bind, context, at, _described)
        seen[record.database] = record
        return []

    try:
        if subject.reached:
            binds = tuple(target.name for target in subject.reached)
            subject.environment.run(note, Options("read", binds=binds), dont_mutate=True)
    except Exception as error:
        yield as_finding(error)
    for target in subject.reached:
        if target.name not in seen:
            seen[target.name] = visit(target, lambda connection, target=target: _direct(subject, target, connection))  # type: ignore[misc]
        yield from _told(seen[target.name], subject)


def _direct(subject: Subject, target: Target, connection: sa.Connection) -> Standing:
    context = version_context(subject, connection)
    return standing(subject.environment.script, target.bind, context, context.get_current_heads(), _described)


def version_context(subject: Subject, connection: sa.Connection) -> MigrationContext:
    """Alembic's view of the version table, by what was given to Migrate."""
    given = subject.state.configure_args
    names = ("version_table", "version_table_schema", "version_table_pk")
    return MigrationContext.configure(connection, opts={name: given[name] for name in names if name in given})


def _described(script: Script, **marks: t.Any) -> Revision:
    return Revision(script.revision, script.doc or "", path=script.path)


def _told(found: Standing, subject: Subject) -> t.Iterator[Finding]:
    for revision in found.unknown:
        where: t.Any = types.SimpleNamespace(folder=subject.folder)
        yield as_finding(stamped_revision_missing(revision, found.database, where))
    if found.interrupted:
        yield Finding(
            "error",
            "SF520",
            f"In the {found.database} database: {found.interrupted}",
            hint="Run it again; what took effect is not repeated.",
            details="\n".join(f"  {line}" for line in found.left),
        )
    at = ", ".join(found.current) or "no revision"
    if found.unknown or found.database in subject.made_elsewhere:
        return  # whose next step is another one than an upgrade
    if found.pending:
        number = f"{len(found.pending)} migration{'s are' if len(found.pending) != 1 else ' is'}"
        shown = [f"  {item}" for item in found.pending[:_MOST]]
        more = len(found.pending) - _MOST
        yield Finding(
            "warning",
            "SF310",
            f"The {found.database} database is at {at}: {number} not applied yet.",
            details="\n".join(shown + ([f"  ... and {more} more"] if more > 0 else [])),
            hint=f"`flask db upgrade{' heads' * (len(found.heads) > 1)}` applies what is pending.",
        )
    elif found.up_to_date:
        yield Finding("note", "SF862", f"The {found.database} database is at {at}; nothing is pending.")
