"""The command that replaces a range of revisions by one."""

from __future__ import annotations

import os
import pathlib
import shutil
import tempfile
import typing as t

import sqlalchemy as sa

from ..autogenerate.verify import refuse_missing_names
from ..errors.upkeep import DataStepsUndecided
from ..errors.upkeep import SquashRefused
from ..extension import Directory
from ..extension import XArg
from ..records import DataStep
from ..records import Written
from ..redaction import safe_url
from ..revisions.edit import read_source
from ..revisions.edit import replace_files
from ..revisions.replaced import archive_of
from ..revisions.replaced import archives
from ..revisions.replaced import replaced_ids
from ..runtime.environment import Environment
from ..upkeep.data_steps import data_steps
from ..upkeep.data_steps import with_steps
from ..upkeep.scratch import heads_of_databases
from ..upkeep.scratch import version_table_of
from ..upkeep.squash import changes_of
from ..upkeep.squash import find_range
from ..upkeep.squash import reduced_history
from ..upkeep.squash import Squash
from ..upkeep.trial import changed_history
from .alembic_answers import record_of
from .revision_files import keep_heads
from .revision_files import rendered_elsewhere


def squash(
    directory: Directory | None = None,
    rev_range: str | None = None,
    message: str | None = None,
    *,
    keep_data: t.Collection[str] = (),
    drop_data: t.Collection[str] = (),
    dry_run: bool = False,
    x_arg: XArg = None,
) -> Written:
    """Replace a range of revisions by one that makes the same schema, proved on scratch databases up and down.

    The new file has the id of the newest revision in the range, so a database that is there or past it needs nothing.
    The old files move to ``squashed/`` in the migrations folder, where a database inside the range finds them.

    :param directory: the migrations folder, if it isn't the registered one.
    :param rev_range: ``from:to``, both included; all revisions by default.
    :param message: the message of the new revision.
    :param keep_data: revisions whose statements on rows are repeated at the end of ``upgrade()``, or ``all``.
    :param drop_data: revisions whose statements on rows are left out, or ``all``.
    :param dry_run: return the file's text as ``source`` instead of writing it.
    :param x_arg: passed to env.py.
    :returns: the new file; its notices name the revisions whose files were moved.
    :raises SquashRefused: if one file can't stand for the range.
    :raises DataStepsUndecided: if a revision changes rows and is in neither list; has the ``steps``.
    :raises CopyDiffers: if the file fails on a scratch database or makes another schema; nothing is kept then.
    """
    environment = Environment.open(directory, x_arg, ["autogenerate"])
    environment.config.attributes["binds"] = [target.bind for target in environment.state.targets()]
    found = find_range(environment, rev_range)
    steps = data_steps(found.scripts, environment.state.targets())
    _refuse_undecided(steps, {*keep_data, *drop_data})
    kept = [step for step in steps if {"all", step.revision} & set(keep_data)]
    work = Squash(environment, found)
    with reduced_history(environment, found) as reduced:
        revisions = work.revision_context(reduced, message)
        generated = str(revisions.generated_revisions[0].rev_id)
        with tempfile.TemporaryDirectory() as folder:
            (rendered,) = rendered_elsewhere(reduced, revisions, folder)
            name = rendered.name.replace(generated, found.last)
            text = with_steps(work.text_of(read_source(rendered), generated), kept)
    path = os.path.join(os.path.dirname(found.scripts[-1].path), name)
    with changed_history(environment, {**{item.path: None for item in found.scripts}, path: text}) as history:
        refuse_missing_names([history.script.get_revision(found.last)])
        work.prove(history)
    if dry_run:
        return Written(source=text)
    archive = archive_of(environment.folder, found.last)
    archive.mkdir(parents=True)
    try:
        replace_files(changes_of(environment, found, path, text))
    except BaseException:
        shutil.rmtree(archive, ignore_errors=True)
        raise
    keep_heads(environment)
    fresh = Environment.open(directory, x_arg).script.get_revision(found.last)
    assert fresh is not None
    notice = f"The old files of {len(found.scripts)} revisions are in {archive}, for databases that are between them."
    return Written(paths=(path,), revisions=(record_of(fresh),), notices=(notice,))


def _refuse_undecided(steps: list[DataStep], decided: set[str]) -> None:
    open_steps = [step for step in steps if not {"all", step.revision} & decided]
    if open_steps:
        first = open_steps[0].revision
        error = DataStepsUndecided(
            f"{len(open_steps)} statements in the range change rows, or may.",
            details="\n".join(f"  {step}" for step in open_steps),
            hint=f"Repeat them in the new file: --keep-data {first}. Leave them out, because an empty database doesn't "
            f"need them: --drop-data {first}. `all` stands for every revision.",
        )
        error.steps = tuple(open_steps)
        raise error


def prune(
    directory: Directory | None = None, *, urls: t.Sequence[str] = (), x_arg: XArg = None
) -> tuple[str, ...]:
    """Delete the old files of squashes, if no database is between them any more.

    :param directory: the migrations folder, if it isn't the registered one.
    :param urls: databases to ask besides those of the application.
    :param x_arg: passed to env.py.
    :returns: the folders that were deleted.
    :raises SquashRefused: names a database that still needs them; nothing is deleted then.
    """
    environment = Environment.open(directory, x_arg)
    heads = heads_of_databases(environment)
    at = {f"the {bind or 'default'} database": names for bind, names in heads.items()}
    configured = environment.config.attributes["schemaflow"].configured
    table = version_table_of(next(iter(configured.values()), {}))
    at |= {safe_url(sa.make_url(url)): _versions(url, *table) for url in urls}
    for squash_id, files in archives(environment.folder).items():
        inside = set(replaced_ids(environment.script, files)) - {squash_id}
        for database, names in at.items():
            if inside.intersection(names):
                raise SquashRefused(
                    f"{database[:1].upper()}{database[1:]} is at {', '.join(names)}, which {squash_id} has replaced.",
                    hint="Upgrade it first: `flask db upgrade`. Nothing was deleted.",
                )
    done = [archive_of(environment.folder, squash_id) for squash_id in archives(environment.folder)]
    for folder in done:
        shutil.rmtree(folder)
    place = pathlib.Path(environment.folder, "squashed")
    if place.is_dir() and not any(place.iterdir()):
        place.rmdir()
    return tuple(map(str, done))


def _versions(url: str, table: str, schema: str | None) -> tuple[str, ...]:
    engine = sa.create_engine(url, poolclass=sa.pool.NullPool)
    versions = sa.table(table, sa.column("version_num"), schema=schema)
    with engine.connect() as connection:
        if not sa.inspect(connection).has_table(table, schema=schema):
            return ()
        return tuple(connection.execute(sa.select(versions.c.version_num)).scalars())
