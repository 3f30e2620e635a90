"""The commands that replace a range of revisions by one, and delete the old files of such a range: squash, prune."""

from __future__ import annotations

import collections
import dataclasses
import itertools
import os
import pathlib
import re
import shutil
import tempfile
import typing as t

import sqlalchemy as sa

from ..autogenerate.formatting import formatted
from ..autogenerate.verify import refuse_missing_names
from ..errors.arguments import InvalidArgument
from ..errors.autogenerate import NamesMissing
from ..errors.upkeep import DataStepsUndecided
from ..errors.upkeep import SquashRefused
from ..extension import Directory
from ..extension import XArg
from ..records import DataStep
from ..records import Written
from ..redaction import safe_url
from ..redaction import scrub
from ..revisions.edit import read_source
from ..revisions.edit import replace_files
from ..revisions.replaced import archive_of
from ..revisions.replaced import archives
from ..revisions.replaced import FOLDER
from ..revisions.replaced import replaced_ids
from ..runtime.environment import Environment
from ..runtime.errors import translated
from ..targets import lacks_file
from ..upkeep.scratch import changed_history
from ..upkeep.scratch import heads_of_databases
from ..upkeep.scratch import reason_of
from ..upkeep.scratch import version_table_of
from ..upkeep.squash import changes_of
from ..upkeep.squash import data_steps
from ..upkeep.squash import find_ranges
from ..upkeep.squash import Range
from ..upkeep.squash import reduced_history
from ..upkeep.squash import Squash
from ..upkeep.squash import with_steps
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
    keep_files: t.Collection[str] = (),
    dry_run: bool = False,
    x_arg: XArg = None,
) -> Written:
    """Replace a range of revisions with one that creates the same schema, tested on scratch databases up and down.

    The new file has the id of the newest revision in the range, so nothing changes for a database at or past it.
    The old files move to ``squashed/`` in the migrations folder, where a database inside the range finds them.

    :param directory: the migrations folder, if it isn't the registered one.
    :param rev_range: ``from:to``, both included; all revisions by default.
    :param message: the message of the new revision.
    :param keep_data: revisions whose statements that change rows are repeated at the end of ``upgrade()``, or ``all``.
    :param drop_data: revisions whose statements that change rows are left out, or ``all``; ids take precedence.
    :param keep_files: revisions that stay unchanged; those before and after each of them are squashed separately.
    :param dry_run: return the files' text as ``source`` instead of writing them.
    :param x_arg: passed to env.py.
    :returns: the new files; the notices name the revisions whose files were moved.
    :raises SquashRefused: if one file can't replace the range.
    :raises DataStepsUndecided: if a revision changes rows and is in no list; has the ``steps``.
    :raises CopyDiffers: if the file fails on a scratch database or creates another schema; then it is not kept.
    """
    environment = Environment.open(directory, x_arg, ["autogenerate"])
    targets = environment.state.targets()
    choices = _Choices.of(environment, keep_data, drop_data, keep_files)
    ranges = find_ranges(environment, rev_range, choices.left)
    kept = choices.kept(data_steps([item for found in ranges for item in found.scripts], targets))
    drafts = [_draft(environment, found, message, kept) for found in ranges]
    _prove(environment, drafts)
    others = _other_dialects(ranges, {target.sync_engine.dialect.name for target in targets})
    if dry_run:
        notices = [_moved(environment, found, "would move to") for found in ranges] + others
        return Written(source="\n\n".join(draft.text for draft in drafts), notices=tuple(notices))
    _replace(environment, drafts)
    fresh = Environment.open(directory, x_arg).script
    written = [script for found in ranges for script in fresh.get_revisions(found.last) if script is not None]
    return Written(
        paths=tuple(draft.path for draft in drafts),
        revisions=tuple(record_of(script) for script in written),
        notices=(*(_moved(environment, found, "are in") for found in ranges), *others),
    )


def _prove(environment: Environment, drafts: t.Sequence[_Draft]) -> None:
    """Test the history with all new files in place of the old ones."""
    changes: dict[str, str | None] = {item.path: None for draft in drafts for item in draft.work.found.scripts}
    with changed_history(environment, {**changes, **{draft.path: draft.text for draft in drafts}}) as history:
        for draft in drafts:
            _refuse_missing_names(history, draft)
            draft.work.prove(history)


def _refuse_missing_names(history: Environment, draft: _Draft) -> None:
    """Refuse statements on rows that need a helper or an import of their old file."""
    try:
        refuse_missing_names([history.script.get_revision(draft.work.found.last)])
    except NamesMissing as error:
        raise SquashRefused(
            f"A repeated statement needs what only its old file has. {error.message}",
            hint="Leave its revision as it is: `--keep-file REVISION`. Or leave out what it does to rows: "
            "`--drop-data REVISION`.",
        ) from error


@dataclasses.dataclass(frozen=True)
class _Draft:
    """A new file before it is written."""

    work: Squash
    path: str
    text: str


def _draft(environment: Environment, found: Range, message: str | None, kept: t.Sequence[DataStep]) -> _Draft:
    work = Squash(environment, found)
    own = {item.revision for item in found.scripts}
    with reduced_history(environment, found) as reduced:
        revisions = work.revision_context(reduced, message)
        generated = str(revisions.generated_revisions[0].rev_id)
        with tempfile.TemporaryDirectory() as folder:
            (rendered,) = rendered_elsewhere(reduced, revisions, folder)
            name = rendered.name.replace(generated, found.last)
            text = work.text_of(read_source(rendered), generated)
    text = with_steps(text, [step for step in kept if step.revision in own])
    return _Draft(work, os.path.join(os.path.dirname(found.scripts[-1].path), name), formatted(text))


def _replace(environment: Environment, drafts: t.Sequence[_Draft]) -> None:
    """Write the new files and move the old ones; all of them or none."""
    changes: dict[str, str | None] = {}
    archives_made = [archive_of(environment.folder, draft.work.found.last) for draft in drafts]
    for draft in drafts:
        changes |= changes_of(environment, draft.work.found, draft.path, draft.text)
    try:
        for archive in archives_made:
            archive.mkdir(parents=True)
        replace_files(changes)
    except BaseException:
        for archive in archives_made:
            shutil.rmtree(archive, ignore_errors=True)
        raise
    keep_heads(environment)


def _moved(environment: Environment, found: Range, verb: str) -> str:
    archive = archive_of(environment.folder, found.last)
    return f"The old files of {len(found.scripts)} revisions {verb} {archive}, for databases that are between them."


_DIALECTS = re.compile(r"\b(postgresql|mysql|mariadb)(?![a-z])")


def _other_dialects(ranges: t.Sequence[Range], here: set[str]) -> list[str]:
    """Return a sentence on code for kinds of database that the application doesn't use here."""
    texts = "".join(read_source(item.path) for found in ranges for item in found.scripts)
    here = here | {"mysql", "mariadb"} if here & {"mysql", "mariadb"} else here
    others = sorted(set(_DIALECTS.findall(texts)) - here)
    if not others:
        return []
    return [
        f"The squashed revisions have code for {' and '.join(others)}, which a squash elsewhere "
        "can't repeat. If other databases of the application are of that kind, squash on one of them."
    ]


@dataclasses.dataclass(frozen=True)
class _Choices:
    """What is to become of the revisions that change rows.

    :param left: those that stay as they are.
    """

    keep: frozenset[str]
    drop: frozenset[str]
    left: frozenset[str]

    @classmethod
    def of(cls, environment: Environment, *given: t.Collection[str]) -> _Choices:
        """Return the choices by whole ids.

        :raises InvalidArgument: if a revision is in two lists.
        """
        with translated(environment):
            lists = [[_whole_id(environment, name) for name in names] for names in given]
        twice = [name for name, times in collections.Counter(itertools.chain(*lists)).items() if times > 1]
        if twice:
            raise InvalidArgument(
                f"There are two decisions on the row changes of {twice[0]}.", hint="Choose one of them."
            )
        return cls(*map(frozenset, lists))

    def kept(self, steps: t.Sequence[DataStep]) -> list[DataStep]:
        """Return the statements that the new file repeats.

        :raises DataStepsUndecided: if nothing was chosen for one.
        :raises SquashRefused: if one can't be repeated, because its source can't be read.
        """
        named = self.keep | self.drop
        _refuse_undecided([step for step in steps if not {"all", step.revision} & named])
        rest_is_kept = "all" in self.keep
        kept = [
            step for step in steps if step.revision in self.keep or (rest_is_kept and step.revision not in self.drop)
        ]
        for step in kept:
            if not step.source:
                raise SquashRefused(
                    f"What {step.revision} does to rows can't be repeated: {step.text}.",
                    hint=f"Leave its file as it is: --keep-file {step.revision}",
                )
        return kept


def _whole_id(environment: Environment, name: str) -> str:
    found = None if name == "all" else environment.script.get_revision(name)
    return name if found is None else found.revision


def _refuse_undecided(open_steps: t.Sequence[DataStep]) -> None:
    if open_steps:
        first = open_steps[0].revision
        several = len(open_steps) > 1
        error = DataStepsUndecided(
            f"{len(open_steps)} statement{'s' * several} in the range change{'s' * (not several)} rows, or may.",
            details="\n".join(f"  {step}" for step in open_steps),
            hint="Decide on each of these revisions, or repeat all of it with --yes:\n"
            f"  --keep-data {first}  repeats what it does to rows in the new file\n"
            f"  --drop-data {first}  leaves that out: an empty database doesn't need it\n"
            f"  --keep-file {first}  leaves the revision as it is",
        )
        error.steps = tuple(open_steps)
        raise error


def prune(
    directory: Directory | None = None,
    *,
    urls: t.Sequence[str] = (),
    dry_run: bool = False,
    x_arg: XArg = None,
) -> tuple[str, ...]:
    """Delete the old files of squashes, if no database is inside a squashed range any more.

    :param directory: the migrations folder, if it isn't the registered one.
    :param urls: databases to ask besides those of the application.
    :param dry_run: ask them, and delete nothing.
    :param x_arg: passed to env.py.
    :returns: the folders that were deleted, or would be.
    :raises SquashRefused: names a database that still needs them, or doesn't answer; nothing is deleted then.
    """
    environment = Environment.open(directory, x_arg)
    heads = heads_of_databases(environment)
    at = {f"the {bind or 'default'} database": names for bind, names in heads.items()}
    table = version_table_of(next(iter(environment.last_run.configured.values()), {}))
    at |= dict(_asked(url, *table) for url in urls)
    for squash_id, files in archives(environment.folder).items():
        inside = set(replaced_ids(environment.script, files)) - {squash_id}
        for database, names in at.items():
            if inside.intersection(names):
                raise SquashRefused(
                    f"{database[:1].upper()}{database[1:]} is at {', '.join(names)}, which {squash_id} has replaced.",
                    hint="Upgrade it first: `flask db upgrade`. Nothing was deleted.",
                )
    done = [archive_of(environment.folder, squash_id) for squash_id in archives(environment.folder)]
    for folder in () if dry_run else done:
        shutil.rmtree(folder)
    place = pathlib.Path(environment.folder, FOLDER)
    if place.is_dir() and not any(place.iterdir()):
        place.rmdir()
    return tuple(map(str, done))


def _asked(given: str, table: str, schema: str | None) -> tuple[str, tuple[str, ...]]:
    """Return the name of a database and its current revisions."""
    try:
        url = sa.make_url(given)
        engine = sa.create_engine(url, poolclass=sa.pool.NullPool)
    except (sa.exc.ArgumentError, ImportError) as error:
        raise InvalidArgument(
            f"--url takes the URL of a database: {scrub(str(error))}.",
            hint="For example: --url postgresql+psycopg://shop@db/production",
        ) from error
    name = f"the database {safe_url(url)}"
    if lacks_file(url):
        raise _no_answer(name, "the file is not there")
    versions = sa.table(table, sa.column("version_num"), schema=schema)
    try:
        with engine.connect() as connection:
            if not sa.inspect(connection).has_table(table, schema=schema):
                return name, ()
            return name, tuple(connection.execute(sa.select(versions.c.version_num)).scalars())
    except sa.exc.SQLAlchemyError as error:
        raise _no_answer(name, scrub(reason_of(error))) from error


def _no_answer(name: str, reason: str) -> SquashRefused:
    return SquashRefused(
        f"{name[:1].upper()}{name[1:]} can't be asked for its revision: {reason}.",
        hint="Start its server, or fix the URL after --url. Nothing was deleted.",
    )
