"""Edit the identifiers of a revision file by its tokens: nothing else in the file changes, not even white space.

Files are replaced in one step each, and all of them are restored if one can't be.
"""

from __future__ import annotations

import ast
import contextlib
import difflib
import io
import os
import pathlib
import re
import tokenize
import typing as t

from ..errors.revisions import RevisionFileBroken
from ..records import Moved

_DOUBLE_QUOTES = re.compile(r'^revision\b[^=\n]*= *"', re.M)
_PARENT = re.compile(r"^down_revision\b[^=\n]*=[ \t]*(?P<value>\([^)]*\)|\[[^]]*\]|[^#\n]+)", re.M)
_REVISES = re.compile(r"(Revises:[ \t]*)[^\r\n]*?(?=[ \t]*(?:\r?\n|\"\"\"|'''))")


def read_source(path: str | os.PathLike[str]) -> str:
    """Return the text of a file with its line ends as they are."""
    raw = pathlib.Path(path).read_bytes()
    encoding, _ = tokenize.detect_encoding(io.BytesIO(raw).readline)
    return raw.decode(encoding)


def with_parents(text: str, parents: t.Sequence[str], path: str = "<revision>") -> str:
    """Return a revision's text with other parents, in ``down_revision`` and in the docstring's line ``Revises:``.

    :param path: the file, for the error.
    :raises RevisionFileBroken: if ``down_revision`` isn't assigned plainly at the top of the file.
    """
    value = repr(parents[0]) if len(parents) == 1 else repr(tuple(parents)) if parents else "None"
    if _DOUBLE_QUOTES.search(text):
        value = value.replace("'", '"')
    edited = with_value(text, "down_revision", value, path)
    return _with_docstring(edited, ", ".join(parents))


def with_value(text: str, name: str, value: str, path: str = "<revision>") -> str:
    """Return a text in which a variable at the top of the file has another value.

    :param value: the value as Python source.
    :raises RevisionFileBroken: if it isn't assigned plainly.
    """
    nodes = [node for node in ast.parse(text).body if name in assigned_names(node)]
    if len(nodes) != 1 or getattr(nodes[0], "value", None) is None:
        raise RevisionFileBroken(
            f"{path} doesn't assign {name} once at its top, so it can't be edited.",
            hint=f"Write it as a plain line: {name} = {value}",
        )
    return _replaced(text, t.cast(t.Any, nodes[0]).value, value)


def assigns(text: str, name: str) -> bool:
    """Return whether a variable is assigned at the top of the file."""
    return any(name in assigned_names(node) for node in ast.parse(text).body)


def assigned_names(node: ast.stmt) -> list[str]:
    """Return the names that a statement assigns."""
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _with_docstring(text: str, parents: str) -> str:
    body = ast.parse(text).body
    first = body[0] if body else None
    if not isinstance(first, ast.Expr) or not isinstance(getattr(first.value, "value", None), str):
        return text
    start, end = _span(text, first.value)
    old = text[start:end]
    new = _REVISES.sub(lambda found: found[1].rstrip() + f" {parents}", old, count=1)
    return text[:start] + new + text[end:]


def _replaced(text: str, node: ast.expr, value: str) -> str:
    start, end = _span(text, node)
    return text[:start] + value + text[end:]


def _span(text: str, node: ast.expr) -> tuple[int, int]:
    """Return where a node begins and ends; ast counts bytes of UTF-8 within a line."""
    lines = text.splitlines(keepends=True) if "\x0c" not in text else re.split(r"(?<=\n)", text)

    def position(line: int, column: int) -> int:
        before = sum(map(len, lines[: line - 1]))
        return before + len(lines[line - 1].encode()[:column].decode())

    return (
        position(node.lineno, node.col_offset),
        position(t.cast(int, node.end_lineno), t.cast(int, node.end_col_offset)),
    )


def difference(path: str, old: str, new: str, new_path: str = "") -> str:
    """Return what changes in a file, as a unified diff.

    :param new_path: where the file is afterwards, if it is renamed as well.
    """
    names = os.path.basename(path), os.path.basename(new_path or path)
    lines = difflib.unified_diff(old.splitlines(), new.splitlines(), *names, lineterm="")
    return "\n".join(lines) + "\n"


def replace_files(texts: t.Mapping[str, str | None]) -> None:
    """Give files new texts, all of them or none.

    :param texts: by path; ``None`` removes the file.
    :raises OSError: if one can't be written; the others are as they were.
    """
    before = {path: pathlib.Path(path).read_bytes() if os.path.exists(path) else None for path in texts}
    done: list[str] = []
    try:
        for path, text in texts.items():
            done.append(path)
            write_whole(path, None if text is None else text.encode(_encoding(before[path])))
    except BaseException:
        for path in done:
            with contextlib.suppress(OSError):
                write_whole(path, before[path])
        raise


def _encoding(raw: bytes | None) -> str:
    return "utf-8" if raw is None else tokenize.detect_encoding(io.BytesIO(raw).readline)[0]


def write_whole(path: str, content: bytes | None) -> None:
    """Replace a file in one step, so that a full disk leaves the old one; None removes it.

    What Python compiled of it goes, too: bytecode counts as fresh when the size and the second of the source agree.
    """
    if content is None:
        pathlib.Path(path).unlink(missing_ok=True)
        return
    temporary = f"{path}.{os.getpid()}.new"
    try:
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if os.path.exists(path):
            os.chmod(temporary, os.stat(path).st_mode & 0o7777)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    for stale in pathlib.Path(path).parent.glob(f"__pycache__/{pathlib.Path(path).stem}.*.pyc"):
        with contextlib.suppress(OSError):
            stale.unlink()


def moved(
    revision: str, text: str, is_original: t.Callable[[str], bool], names: t.Iterable[str], recorded: t.Collection[str]
) -> Moved | None:
    """Return where a revision was before, if its file differs by its parent alone from the one that was applied.

    :param text: of its file.
    :param is_original: whether a text is that of the file that was applied.
    :param names: revisions that may have been its parent.
    :param recorded: the revisions that the database has a record of.
    """
    found = _PARENT.search(text)
    if found is None:
        return None
    start, end = found.span("value")
    for name in (*names, None):
        if is_original(f"{text[:start]}{name!r}{text[end:]}"):
            missing = tuple(item for item in _names(found["value"]) if item not in recorded)
            return Moved(revision, name or "base", missing)
    return None


def _names(value: str) -> tuple[str, ...]:
    try:
        read = ast.literal_eval(value.strip())
    except (ValueError, SyntaxError):
        return ()
    return (read,) if isinstance(read, str) else tuple(map(str, read or ()))
