"""Translate Alembic's errors about revisions into the reader's terms.

Alembic tells most of them apart by their text alone. A text that isn't known is passed on unchanged.
"""

from __future__ import annotations

import re
import typing as t

from alembic.script import revision as alembic_errors
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError

from ...errors import arguments
from ...errors import folder
from ...errors import revisions as errors
from ...errors import SchemaflowError
from ...errors.running import NotOffline
from ...errors.setup import UnusableDatabase
from ...revisions.headers import Header
from ...revisions.headers import read_headers
from ...revisions.scripts import locations_of
from . import heads
from . import loading

if t.TYPE_CHECKING:
    from . import Failure


def graph_error(error: Exception, failure: Failure) -> SchemaflowError:
    """Return the error for a ``CommandError`` or ``RevisionError`` of Alembic."""
    failure.note_direction(error)
    cause = error.__cause__ if isinstance(error, CommandError) and error.__cause__ is not None else error
    if isinstance(cause, alembic_errors.MultipleHeads):
        return heads.several_heads(failure.script, cause.heads, error)
    if isinstance(cause, alembic_errors.CycleDetected):
        return cycle_error(failure)
    if isinstance(cause, alembic_errors.RangeNotAncestorError):
        return _not_on_the_way(str(error), failure)
    if isinstance(cause, alembic_errors.ResolutionError):
        return _unresolved(cause, failure)
    for pattern, rule in _TEXTS:
        found = re.search(pattern, str(error), re.DOTALL)
        if found is not None:
            return _from_rule(rule, found, failure) if isinstance(rule, tuple) else rule(found, failure)
    return errors.RevisionError(
        str(error).rstrip(".") + ".",
        hint="Run `flask db doctor` to find the problem, or `flask db history` to list all revisions.",
    )


def _from_rule(rule: _Rule, found: re.Match[str], failure: Failure) -> SchemaflowError:
    make, message, hint = rule
    # Not from `failure.script`: to open a history that is broken raises this error again.
    fields = {"folder": failure.folder, "locations": ", ".join(failure.version_folders)}
    return make(message.format(*found.groups(), **fields), hint=hint.format(*found.groups(), **fields))


# -- revisions that can't be found or reached -----------------------------------------------------


def _unresolved(error: alembic_errors.ResolutionError, failure: Failure) -> SchemaflowError:
    name = str(error.argument)
    stamped = [database for database, at in failure.heads.items() if name in at]
    if stamped:
        return heads.stamped_revision_missing(name, stamped[0], failure)
    if "Multiple revisions start with" in str(error):
        return _ambiguous(name, failure)
    wrong = re.search(r"Revision (\S+) is not a member of branch '(.+)'", str(error))
    if wrong:
        return errors.RevisionUnknown(
            f"The revision {wrong.group(1)} is not on the branch {wrong.group(2)!r}.",
            hint=f"Remove the branch, or use one of its revisions: `flask db history -r :{wrong.group(2)}@head`.",
        )
    return unknown(name, failure)


def unknown(name: str, failure: Failure) -> SchemaflowError:
    """Return the error for a name that no revision has, with the ones that resemble it."""
    near = heads.near(failure.script, name)
    more = ". An id prefix needs at least four characters" if 0 < len(name) < 4 else ""
    suggestions = "\n".join(heads.line_of(revision) for revision in near)
    return errors.RevisionUnknown(
        f"{failure.folder} has no revision or branch {name!r}{more}.",
        details=f"Similar revisions:\n{suggestions}" if near else "",
        hint="`flask db history` lists all revisions.",
    )


def _ambiguous(name: str, failure: Failure) -> SchemaflowError:
    found = [item for item in failure.script.walk_revisions() if item.revision.startswith(name)]
    return errors.RevisionAmbiguous(
        f"{len(found)} revisions begin with {name!r}.",
        details="\n".join(heads.line_of(revision) for revision in found),
        hint="Type more characters of the id.",
    )


def _not_on_the_way(text: str, failure: Failure) -> SchemaflowError:
    at = ", ".join(sorted({name for found in failure.heads.values() for name in found})) or "no revision"
    wanted = failure.destination or "that revision"
    ways = {"upgrade": ("later", "To revert", "downgrade"), "downgrade": ("earlier", "To continue", "upgrade")}
    for command, (order, instead, other) in ways.items():
        if command in text:
            return errors.NotOnTheWay(
                f"Can't {command} to {wanted}: the database is at {at}, which is {order} or on another branch.",
                hint=f"{instead}, run `flask db {other} {wanted}`. `flask db status` shows the current state.",
            )
    return errors.NotOnTheWay(
        "The range must go from an older revision to a newer one of the same branch.",
        hint="Write the older one first, FROM:TO; `flask db history` shows the order.",
    )


# -- cycles ---------------------------------------------------------------------------------------


def cycle_error(failure: Failure) -> errors.RevisionCycle:
    """Return the error for a cycle, with its revisions in order and their files.

    Alembic names no files, and every revision above the cycle as well.
    """
    headers = _headers(failure)
    ring = _ring({name: _parents(header, headers) for name, header in headers.items()})
    if len(ring) == 1:
        text, where = f"The revision {ring[0]} is its own parent, a cycle.", "that file"
    else:
        way = " -> ".join([*ring, *ring[:1]]) or "some of this folder"
        text, where = f"The revisions form a cycle: {way}.", "one of these files"
    return errors.RevisionCycle(
        text,
        details="\n".join(_lines(headers[name]) for name in ring),
        hint=f"Fix `down_revision` or `depends_on` in {where} and run the command again.",
    )


def _headers(failure: Failure) -> dict[str, Header]:
    """Return the headers by id, read once more because Alembic can't build a map of such a history."""
    assert failure.repository is not None
    locations = locations_of(ScriptDirectory.from_config(failure.repository.config))
    return {header.revision: header for header in read_headers(locations).headers if header.static}


def _parents(header: Header, known: dict[str, Header]) -> list[str]:
    labels = {label: other.revision for other in known.values() for label in other.labels}
    named = (*header.down, *(labels.get(name, name) for name in header.depends_on))
    return [name for name in named if name in known]


def _ring(parents: dict[str, list[str]]) -> list[str]:
    """Return one cycle, each member before its parent; empty if there is none."""
    while ends := {name for name, above in parents.items() if not above}:
        parents = {
            name: [parent for parent in above if parent not in ends]
            for name, above in parents.items()
            if name not in ends
        }
    if not parents:
        return []
    walked = [min(parents)]
    while (following := parents[walked[-1]][0]) not in walked:
        walked.append(following)
    ring = walked[walked.index(following) :]
    start = ring.index(max(ring))
    return ring[start:] + ring[:start]


def _lines(header: Header) -> str:
    values = header.values()
    shown = [f"{name} = {values[name]!r}" for name in ("down_revision", "depends_on") if values.get(name)]
    return f"  {header.path}\n    {', '.join(shown)}"


# -- texts of Alembic -----------------------------------------------------------------------------

_Rule = tuple[type[SchemaflowError], str, str]
_Make = t.Callable[["re.Match[str]", "Failure"], SchemaflowError]


def _not_up_to_date(found: re.Match[str], failure: Failure) -> SchemaflowError:
    if len(failure.script.get_heads()) > 1:
        return heads.several_heads(failure.script)
    database, at = next(reversed(failure.heads.items()), ("default", ()))
    return heads.behind(failure.script, database, at)


def _label_twice(found: re.Match[str], failure: Failure) -> SchemaflowError:
    label, *names = found.groups()
    first, second = sorted(names)  # Alembic reads the files in any order
    return errors.LabelTwice(
        f"The revisions {first} and {second} both have the branch label {label!r}.",
        hint="Remove it from `branch_labels` in one of their files.",
    )


def id_taken(script: ScriptDirectory, rev_id: str) -> None:
    """Refuse an id for a new revision that another one has.

    :raises InvalidRevisionId: names the file that has it.
    """
    owner = next((item for item in script.walk_revisions() if item.revision == rev_id), None)
    if owner is not None:
        raise arguments.InvalidRevisionId(
            f"The revision id {rev_id} is a duplicate: {owner.path} has it.",
            hint="Remove --rev-id to get a new one, or choose another.",
        )


# A pattern; then the error, its message and its hint, with the pattern's groups, or a function that makes them.
_TEXTS: tuple[tuple[str, _Rule | _Make], ...] = (
    (r"Target database is not up to date", _not_up_to_date),
    (r"didn't produce \d+ migrations|Walked too far", heads.too_far),
    (r"Branch name '(.+)' in revision (\S+) already used by revision (\S+)", _label_twice),
    (
        r"Character\(s\) '(.+)' not allowed in revision identifier '(.*)'",
        (
            errors.IdentifierUnusable,
            "The revision id {1!r} contains invalid characters: {0}.",
            "Use letters, digits and underscores, in the file's `revision` and wherever it is named.",
        ),
    ),
    (
        r"Revision (\S+) is not a head revision",
        (
            errors.RevisionRefused,
            "Another revision follows {0} already, so it is not a head.",
            "Remove --head to follow the head, or add --splice to start a branch at this revision.",
        ),
    ),
    (
        r"Path (.+) is not represented in current version locations",
        (
            arguments.InvalidVersionPath,
            "{0} is not a version location of {folder}.",
            "They are: {locations}. Add others to version_locations in alembic.ini.",
        ),
    ),
    (
        r"Multiple version locations present",
        (
            arguments.InvalidVersionPath,
            "{folder} has several version locations.",
            "Choose one with --version-path: {locations}.",
        ),
    ),
    (
        r"Could not determine revision id from filename (.+?)\. Be sure",
        lambda found, failure: loading.missing_identifiers(found.group(1), failure.folder),
    ),
    (r"Template rendering failed", lambda found, failure: loading.broken_template(found.string, failure.folder)),
    (
        r"does not have them; have you upgraded your script.py.mako",
        (
            folder.TemplateBroken,
            "The template {folder}/script.py.mako is too old for branch labels: it doesn't write them.",
            "Add this line to it, below `down_revision`:\n    branch_labels = ${{repr(branch_labels)}}",
        ),
    ),
    (
        r"Can't locate timezone: (.+)",
        (
            folder.ConfigurationBroken,
            "The time zone {0!r} in {folder}/alembic.ini is unknown.",
            "Write it as in `timezone = Europe/Berlin`; on Windows, `pip install tzdata`.",
        ),
    ),
    (
        r"does not provide a MetaData object",
        (
            UnusableDatabase,
            "env.py passed no target_metadata, so there are no models to compare.",
            "Pass the metadata to the extension: Migrate(app, db, metadata=Base.metadata)",
        ),
    ),
    (
        r"Did not locate plugins: (.+)",
        (
            folder.ConfigurationBroken,
            "The Alembic plugin {0} is not installed.",
            "Install it, or remove it from autogenerate_plugins.",
        ),
    ),
    (
        r"Duplicate head revisions",
        (errors.RevisionRefused, "One head was named twice.", "Name each revision once."),
    ),
    (r"Ambiguous (walk|upgrade)", heads.several_paths),
    (
        r"cannot proceed in --sql mode; .* reflect the table \"(.+?)\"",
        (
            NotOffline,
            "Batch mode on SQLite copies the table {0!r} from the live database, so it can't be printed as SQL.",
            "Run the command without --sql, on a copy of the database file.",
        ),
    ),
)
