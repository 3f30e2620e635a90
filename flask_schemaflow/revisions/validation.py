"""Checks of a whole history: identifiers that are text and safe, no duplicate revision id, no missing parent.

Alembic warns of a duplicate id only, fails on a missing parent with a ``KeyError``, fails on an id that isn't text
without naming the file, and writes an id with quotes into its SQL as it is.
"""

from __future__ import annotations

import ast
import pathlib
import re
import typing as t

from .. import errors
from ..errors import SchemaflowError
from ..errors.revisions import IdentifiersMissing
from ..errors.revisions import RevisionFileBroken
from .edit import assigned_names
from .graph import is_unsafe
from .graph import UNSAFE
from .scripts import ids
from .scripts import parents
from .static_parser import NAMES

if t.TYPE_CHECKING:
    from alembic.script import Script


_TAKEN = ("head", "heads", "base")


def validated(revisions: t.Iterable[Script], folder: pathlib.Path) -> list[Script]:
    """Return the revisions of a history if they fit together.

    :param folder: the migrations folder, for the search in version control.
    :raises RevisionError: names the file that is wrong.
    """
    checked = list(revisions)
    _refuse_odd(checked)
    _refuse_twins(checked)
    _refuse_orphans(checked, folder)
    return checked


def _refuse_odd(revisions: list[Script]) -> None:
    """Refuse identifiers that aren't text, that commands understand as something else, or that are unsafe in SQL."""
    for revision in revisions:
        if not _is_text(revision):
            raise odd_identifiers([revision.path]) or errors.IdentifiersMissing(
                f"The identifiers in {revision.path} must be strings.", hint="Write them in quotes."
            )
        if revision.revision in _TAKEN:
            raise errors.IdentifiersMissing(
                f"The revision in {revision.path} has the reserved id {revision.revision!r}.",
                hint="Give it another id, there and in the `down_revision` of those that follow it.",
            )
        if is_unsafe(revision.revision):
            raise _unsafe(revision)


def _unsafe(revision: Script) -> errors.IdentifierUnusable:
    sign = next(sign for sign in revision.revision if sign in UNSAFE or not sign.isprintable())
    line = _line_of_id(pathlib.Path(revision.path))
    where = f"{revision.path}, line {line}," if line else revision.path
    return errors.IdentifierUnusable(
        f"The revision id {revision.revision!r} in {where} has {sign!r} in it, which has a meaning in SQL.",
        hint="Use letters, digits and underscores, there and in the `down_revision` of those that follow it.",
    )


def _line_of_id(path: pathlib.Path) -> int | None:
    """Return the line that assigns ``revision``; ``None`` where it can't be told."""
    try:
        body = ast.parse(path.read_bytes()).body
    except (OSError, ValueError, SyntaxError, RecursionError):
        return None
    return next((node.lineno for node in reversed(body) if "revision" in assigned_names(node)), None)


def _is_text(revision: Script) -> bool:
    named = (revision.revision, *ids(revision.down_revision), *revision.branch_labels, *ids(revision.dependencies))
    return all([isinstance(value, str) for value in named])


def _refuse_twins(revisions: list[Script]) -> None:
    first: dict[str, Script] = {}
    for revision in revisions:
        other = first.setdefault(revision.revision, revision)
        if other is not revision:
            raise errors.RevisionTwice(
                f"Duplicate revision id {revision.revision}: two files have it.",
                details=f"  {other.path}\n  {revision.path}",
                hint="Delete one of them, or give it a new id and `down_revision`.",
            )


def _refuse_orphans(revisions: list[Script], folder: pathlib.Path) -> None:
    known = {revision.revision for revision in revisions}
    labels = {label for revision in revisions for label in revision.branch_labels}
    for revision in revisions:
        for parent in parents(revision):
            if parent not in known:
                raise _missing(revision, parent, "follows", folder)
        for wanted in ids(revision.dependencies):
            if wanted not in known and wanted not in labels:
                raise _missing(revision, wanted, "depends on", folder)


def _missing(revision: Script, parent: str, verb: str, folder: pathlib.Path) -> errors.ParentMissing:
    from .git import find_revision

    commit = find_revision(folder, parent)
    hint = "Restore the file from version control, or name an existing revision in that line."
    details = ""
    if commit is not None:
        source = f"{commit.id}^" if commit.deleted else commit.id
        details = f"  {commit.path}: {commit.date} {commit.author}, commit {commit.id}, {commit.subject}"
        hint = f"Restore the file: `git checkout {source} -- ':/{commit.path}'`."
    return errors.ParentMissing(
        f"The revision {revision.revision} ({revision.path}) {verb} {parent}, which does not exist.",
        details=details,
        hint=hint,
    )


def odd_identifiers(folders: t.Iterable[str]) -> IdentifiersMissing | None:
    """Return the error for the first file in or among ``folders`` with an identifier that isn't text."""
    for path in _files(folders):
        try:
            tree = ast.parse(path.read_bytes())
        except (OSError, ValueError, SyntaxError, RecursionError):
            continue
        for node in tree.body:
            found = _odd(node)
            if found is not None:
                name, value = found
                return IdentifiersMissing(
                    f"{path}, line {node.lineno}: `{name}` is {value!r}, but must be {_wanted(name)}.",
                    hint=f"Write {'it' if _is_one(value) else 'an id'} in quotes: {name} = "
                    + (f'"{value}"' if _is_one(value) else '"ID"'),
                )
    return None


def something_missing(error: BaseException, folders: t.Iterable[str]) -> SchemaflowError | None:
    """Return the error for a file with an id but no ``down_revision``, or without the function to run."""
    found = re.search(r"module '(\w+)_py' has no attribute '(down_revision|(?:up|down)grade\w*)'", str(error))
    if found is None:
        return None
    module, name = found.groups()
    path = next((path for path in _files(folders) if re.sub(r"\W", "_", path.stem) == module), module)
    if name == "down_revision":
        return IdentifiersMissing(
            f"{path} has no `down_revision`.",
            hint='Add it below `revision`: down_revision = "ID", or `None` for the first revision.',
        )
    return RevisionFileBroken(
        f"The revision file {path} has no function `{name}()`.",
        hint="Add it, with `pass` if there is nothing to do, or restore the file from version control.",
    )


def _files(folders: t.Iterable[str]) -> t.Iterator[pathlib.Path]:
    for folder in map(pathlib.Path, folders):
        yield from [folder] if folder.is_file() else sorted(folder.rglob("*.py"))


def _wanted(name: str) -> str:
    return "a string" if name == "revision" else "a string, several of them, or None"


def _is_one(value: t.Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _odd(node: ast.stmt) -> tuple[str, t.Any] | None:
    """Return the name and value of an assignment that Alembic can't take."""
    names = [name for name in assigned_names(node) if name in NAMES]
    if not names or getattr(node, "value", None) is None:
        return None
    try:
        value = ast.literal_eval(t.cast("ast.Assign", node).value)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None
    return next(((name, value) for name in names if not _fits(name, value)), None)


def _fits(name: str, value: t.Any) -> bool:
    if isinstance(value, str):
        return bool(value)
    if name == "revision":
        return False
    return value is None or (isinstance(value, (tuple, list, set)) and all(isinstance(item, str) for item in value))
