"""Identifiers in revision files that aren't text: Alembic fails on them without a word of the file."""

from __future__ import annotations

import ast
import pathlib
import re
import typing as t

from ...errors import SchemaflowError
from ...errors.revisions import IdentifiersMissing
from ...errors.revisions import RevisionFileBroken

_NAMES = ("revision", "down_revision", "branch_labels", "depends_on")


def odd_identifiers(folders: t.Iterable[str]) -> IdentifiersMissing | None:
    """The error for the first file in or among ``folders`` whose id, or whose parent's, is a number or the like."""
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
                    f"In the file {path}, line {node.lineno}, `{name}` is {value!r}; {_wanted(name)}.",
                    hint=f"Write {'it' if _is_one(value) else 'an id'} in quotes: {name} = "
                    + (f'"{value}"' if _is_one(value) else '"ID"'),
                )
    return None


def something_missing(error: BaseException, folders: t.Iterable[str]) -> SchemaflowError | None:
    """The error for a file with an id and without what it follows, or without the function that was to run."""
    found = re.search(r"module '(\w+)_py' has no attribute '(down_revision|(?:up|down)grade\w*)'", str(error))
    if found is None:
        return None
    module, name = found.groups()
    path = next((path for path in _files(folders) if re.sub(r"\W", "_", path.stem) == module), module)
    if name == "down_revision":
        return IdentifiersMissing(
            f"The file {path} doesn't say which revision it follows: it has no variable `down_revision`.",
            hint='Write it below `revision`: down_revision = "ID", or `None` for the first revision of all.',
        )
    return RevisionFileBroken(
        f"The revision file {path} has no function `{name}()`.",
        hint="Write it, or get the file back from version control; where there is nothing to do, its body is `pass`.",
    )


def _files(folders: t.Iterable[str]) -> t.Iterator[pathlib.Path]:
    for folder in map(pathlib.Path, folders):
        yield from [folder] if folder.is_file() else sorted(folder.rglob("*.py"))


def _wanted(name: str) -> str:
    return "an id is text" if name in ("revision", "down_revision") else "it is text, several of them, or None"


def _is_one(value: t.Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _odd(node: ast.stmt) -> tuple[str, t.Any] | None:
    """The name and value of an assignment that Alembic can't take."""
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    names = [target.id for target in targets if isinstance(target, ast.Name) and target.id in _NAMES]
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
