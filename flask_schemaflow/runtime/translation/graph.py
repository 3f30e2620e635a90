"""Alembic's errors about revisions, in the reader's terms.

Alembic tells most of them apart by their text alone. Where a text isn't known, it is passed on as it is.
"""

from __future__ import annotations

import re
import typing as t

from alembic.script import revision as alembic_errors
from alembic.util.exc import CommandError

from ...errors import arguments
from ...errors import folder
from ...errors import revisions as errors
from ...errors import SchemaflowError
from ...errors.running import NotOffline
from ...errors.setup import UnusableDatabase
from . import heads
from . import loading
from .cycles import cycle_error
from .stamped import stamped_revision_missing
from .steps import several_paths
from .steps import too_far

if t.TYPE_CHECKING:
    from alembic.script import ScriptDirectory

    from . import Failure


def graph_error(error: Exception, failure: Failure) -> SchemaflowError:
    """The error that fits a ``CommandError`` or ``RevisionError`` of Alembic."""
    failure.note_direction(error)
    cause = error.__cause__ if isinstance(error, CommandError) and error.__cause__ is not None else error
    if isinstance(cause, alembic_errors.MultipleHeads):
        return heads.several_heads(failure.script, cause.heads)
    if isinstance(cause, alembic_errors.CycleDetected):
        return cycle_error(failure)
    if isinstance(cause, alembic_errors.RangeNotAncestorError):
        return _not_on_the_way(str(error), failure)
    if isinstance(cause, alembic_errors.ResolutionError):
        return _unresolved(cause, failure)
    for pattern, make in _TEXTS:
        found = re.search(pattern, str(error), re.DOTALL)
        if found is not None:
            return make(found, failure)
    return errors.RevisionError(
        str(error).rstrip(".") + ".", hint="`flask db doctor` looks for what is wrong; `flask db history` lists all."
    )


def _unresolved(error: alembic_errors.ResolutionError, failure: Failure) -> SchemaflowError:
    name = str(error.argument)
    stamped = [database for database, at in failure.heads.items() if name in at]
    if stamped:
        return stamped_revision_missing(name, stamped[0], failure)
    several = re.search(r"Multiple revisions start with", str(error))
    if several:
        return _ambiguous(name, failure)
    wrong = re.search(r"Revision (\S+) is not a member of branch '(.+)'", str(error))
    if wrong:
        return errors.RevisionUnknown(
            f"The revision {wrong.group(1)} is not on the branch {wrong.group(2)!r}.",
            hint=f"Leave the branch out, or name a revision of it: `flask db history -r :{wrong.group(2)}@head`.",
        )
    return unknown(name, failure)


def unknown(name: str, failure: Failure) -> SchemaflowError:
    """No revision bears ``name``; suggests those that resemble it."""
    near = heads.near(failure.script, name)
    more = "; at least four characters of an id are needed" if 0 < len(name) < 4 else ""
    suggestions = "\n".join(heads.line_of(revision) for revision in near)
    return errors.RevisionUnknown(
        f"No revision or branch is called {name!r} in {failure.folder}{more}.",
        details=f"Near it are:\n{suggestions}" if near else "",
        hint="`flask db history` lists all revisions.",
    )


def _ambiguous(name: str, failure: Failure) -> SchemaflowError:
    found = [item for item in failure.script.walk_revisions() if item.revision.startswith(name)]
    return errors.RevisionAmbiguous(
        f"{len(found)} revisions begin with {name!r}.",
        details="\n".join(heads.line_of(revision) for revision in found),
        hint="Give more characters of the one that is meant.",
    )


def _not_on_the_way(text: str, failure: Failure) -> SchemaflowError:
    at = ", ".join(sorted({name for found in failure.heads.values() for name in found})) or "no revision"
    wanted = failure.destination or "what was asked for"
    if "upgrade" in text:
        return errors.NotOnTheWay(
            f"An upgrade can't lead to {wanted}: the database, at {at}, is past it already or on another branch.",
            hint=f"To go back: `flask db downgrade {wanted}`. `flask db status` shows where the database stands.",
        )
    if "downgrade" in text:
        return errors.NotOnTheWay(
            f"A downgrade can't lead to {wanted}: the database, at {at}, has not reached it or is on another branch.",
            hint=f"To go on: `flask db upgrade {wanted}`. `flask db status` shows where the database stands.",
        )
    return errors.NotOnTheWay(
        "The range does not lead from an older revision to a newer one of the same branch.",
        hint="Write the older one first, FROM:TO; `flask db history` shows the order.",
    )


Make = t.Callable[["re.Match[str]", "Failure"], SchemaflowError]


def _not_up_to_date(found: re.Match[str], failure: Failure) -> SchemaflowError:
    if len(failure.script.get_heads()) > 1:
        return heads.several_heads(failure.script)
    database, at = next(reversed(failure.heads.items()), ("default", ()))
    return heads.behind(failure.script, database, at)


def _label_twice(found: re.Match[str], failure: Failure) -> SchemaflowError:
    label, one, other = found.groups()
    return errors.LabelTwice(
        f"The branch label {label!r} stands in two revisions, {one} and {other}.",
        hint="Remove it from `branch_labels` in one of their files.",
    )


def _illegal_id(found: re.Match[str], failure: Failure) -> SchemaflowError:
    return errors.IdentifierUnusable(
        f"The revision id {found.group(2)!r} has characters that don't belong in an id: {found.group(1)}.",
        hint="Use letters, digits and underscores, in the file's `revision` and wherever it is named.",
    )


def _not_a_head(found: re.Match[str], failure: Failure) -> SchemaflowError:
    return errors.RevisionRefused(
        f"Another revision follows {found.group(1)} already.",
        hint="Leave --head out to follow the newest revision, or add --splice to begin a branch at this one.",
    )


def _no_such_place(found: re.Match[str], failure: Failure) -> SchemaflowError:
    known = [str(path) for path in failure.script.version_locations or ()] or [f"{failure.folder}/versions"]
    return arguments.InvalidVersionPath(
        f"{found.group(1)} is none of the version locations of {failure.folder}.",
        hint="They are: " + ", ".join(known) + ". Add others to version_locations in alembic.ini.",
    )


def _which_place(found: re.Match[str], failure: Failure) -> SchemaflowError:
    known = ", ".join(str(path) for path in failure.script.version_locations or ())
    return arguments.InvalidVersionPath(
        f"{failure.folder} has several version locations, and the new revision could go into each.",
        hint=f"Choose one with --version-path: {known}.",
    )


def _no_identifiers(found: re.Match[str], failure: Failure) -> SchemaflowError:
    return loading.missing_identifiers(found.group(1), failure.folder)


def _template(found: re.Match[str], failure: Failure) -> SchemaflowError:
    return loading.broken_template(found.string, failure.folder)


def _old_template(found: re.Match[str], failure: Failure) -> SchemaflowError:
    return folder.TemplateBroken(
        f"The template {failure.folder / 'script.py.mako'} is too old for branch labels: it doesn't write them.",
        hint="Add this line to it, below `down_revision`:\n    branch_labels = ${repr(branch_labels)}",
    )


def _timezone(found: re.Match[str], failure: Failure) -> SchemaflowError:
    return folder.ConfigurationBroken(
        f"The time zone {found.group(1)!r} in {failure.folder / 'alembic.ini'} is unknown.",
        hint="Write it as in `timezone = Europe/Berlin`; on Windows, `pip install tzdata`.",
    )


def _no_metadata(found: re.Match[str], failure: Failure) -> SchemaflowError:
    return UnusableDatabase(
        "The models are unknown: env.py passed no metadata to compare the database with.",
        hint="Pass them where the extension is made: Migrate(app, db, metadata=Base.metadata)",
    )


def _plugins(found: re.Match[str], failure: Failure) -> SchemaflowError:
    return folder.ConfigurationBroken(
        f"The Alembic plugin {found.group(1)} is not installed.",
        hint="Install it, or take it out of autogenerate_plugins.",
    )


def id_taken(script: ScriptDirectory, rev_id: str) -> None:
    """Refuse an id for a new revision that another one has.

    :raises InvalidRevisionId: names the file that has it.
    """
    found = next((item for item in script.walk_revisions() if item.revision == rev_id), None)
    if found is not None:
        raise arguments.InvalidRevisionId(
            f"The revision id {rev_id} is taken, by {found.path}.",
            hint="Leave --rev-id out to get a new one, or choose another.",
        )


def _taken(found: re.Match[str], failure: Failure) -> SchemaflowError:
    return errors.RevisionRefused("One head was named twice.", hint="Name each revision once.")


def _not_offline(found: re.Match[str], failure: Failure) -> SchemaflowError:
    return NotOffline(
        f"The revisions can't be printed as SQL: SQLite changes the table {found.group(1)!r} by copying it as it is at "
        "that moment, so --sql would have to look at the database.",
        hint="Run the command without --sql, on a copy of the database file.",
    )


_TEXTS: tuple[tuple[str, Make], ...] = (
    (r"Target database is not up to date", _not_up_to_date),
    (r"didn't produce \d+ migrations|Walked too far", too_far),
    (r"Branch name '(.+)' in revision (\S+) already used by revision (\S+)", _label_twice),
    (r"Character\(s\) '(.+)' not allowed in revision identifier '(.*)'", _illegal_id),
    (r"Revision (\S+) is not a head revision", _not_a_head),
    (r"Path (.+) is not represented in current version locations", _no_such_place),
    (r"Multiple version locations present", _which_place),
    (r"Could not determine revision id from filename (.+?)\. Be sure", _no_identifiers),
    (r"Template rendering failed", _template),
    (r"does not have them; have you upgraded your script.py.mako", _old_template),
    (r"Can't locate timezone: (.+)", _timezone),
    (r"does not provide a MetaData object", _no_metadata),
    (r"Did not locate plugins: (.+)", _plugins),
    (r"Duplicate head revisions", _taken),
    (r"Ambiguous (walk|upgrade)", several_paths),
    (r"cannot proceed in --sql mode; .* reflect the table \"(.+?)\"", _not_offline),
)
