"""Identifiers in revision files that aren't text: Alembic fails on them without a word of the file."""

from __future__ import annotations

import ast
import pathlib
import typing as t

from ...errors.revisions import IdentifiersMissing

_TYPES: dict[str, tuple[type, ...]] = {"revision": (str,), "down_revision": (str, type(None))}


def odd_identifiers(folders: t.Iterable[str]) -> IdentifiersMissing | None:
    """The error for the first file below ``folders`` whose id, or whose parent's, is a number or the like."""
    for path in (path for folder in folders for path in sorted(pathlib.Path(folder).rglob("*.py"))):
        try:
            tree = ast.parse(path.read_bytes())
        except (OSError, ValueError, SyntaxError):
            continue
        for node in tree.body:
            found = _odd(node)
            if found is not None:
                name, value = found
                return IdentifiersMissing(
                    f"In the file {path}, line {node.lineno}, `{name}` is {value!r}; an id is text.",
                    hint=f'Write it in quotes: {name} = "{value}"',
                )
    return None


def _odd(node: ast.stmt) -> tuple[str, t.Any] | None:
    """The name and value of an assignment that Alembic can't take."""
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    value = getattr(node, "value", None)
    if not isinstance(value, ast.Constant):
        return None
    for target in targets:
        if isinstance(target, ast.Name) and target.id in _TYPES and not isinstance(value.value, _TYPES[target.id]):
            return target.id, value.value
    return None
