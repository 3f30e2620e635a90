"""Regenerate the head for ``migrate --update``, as long as no database has it.

The comparison uses a history that ends before that revision, so it finds the contents of the revision and the changes
since. The id stays. A revision with code that a person wrote is refused, because that code would be lost.
"""

from __future__ import annotations

import ast
import copy
import pathlib
import re
import typing as t

from alembic.script import Script
from alembic.script import ScriptDirectory

from ..errors.autogenerate import NotUpdatable
from ..revisions.edit import difference
from ..revisions.edit import write_whole
from ..revisions.scripts import script_directory
from ..runtime.environment import Environment
from ..runtime.errors import translated

_WRITE_ANOTHER = "Remove --update to write another revision after it."


def newest(environment: Environment, head: str) -> Script:
    """Return the head to regenerate.

    :raises NotUpdatable: when there is none, or several.
    """
    script = environment.script
    with translated(environment):
        heads = script.get_heads()
        if not heads:
            raise NotUpdatable("There is no revision to update.", hint="Write the first one: `flask db migrate`.")
        if head == "head" and len(heads) > 1:
            raise NotUpdatable(
                f"Multiple heads: {', '.join(heads)}.", hint="Choose one with --head REVISION."
            )
        found = script.get_revision(head)
    if found is None or not found.is_head:
        raise NotUpdatable(f"Another revision follows {head}, so it can't be updated.", hint=_WRITE_ANOTHER)
    return found


def before(environment: Environment, revision: Script) -> Environment:
    """Return the same environment with a history that ends before ``revision``."""

    def others(found: t.Iterable[Script]) -> t.Iterator[Script]:
        return (script for script in found if script.revision != revision.revision)

    reduced = copy.copy(environment)
    vars(reduced)["script"] = script_directory(environment.config, others)
    return reduced


def refuse_elsewhere(reduced: Environment, revision: Script) -> t.Callable[[t.Any], None]:
    """Return a check of a database's heads: it must be where ``revision`` begins.

    :param reduced: the environment without ``revision``.
    """
    wanted = set(reduced.script.get_heads())

    def check(heads: t.Any) -> None:
        if revision.revision in heads:
            raise NotUpdatable(
                f"{revision.revision} is already applied, so an update would never run.",
                hint=f"Revert it first: `flask db downgrade`.\nOr {_WRITE_ANOTHER[:1].lower()}{_WRITE_ANOTHER[1:]}",
            )
        if set(heads) != wanted:
            raise NotUpdatable(
                f"A database is at {', '.join(heads) or 'no revision'}, but {revision.revision} starts from "
                f"{', '.join(sorted(wanted))}.",
                hint=f"Apply what comes before it: `flask db upgrade {' '.join(sorted(wanted))}`",
            )

    return check


def arguments_of(revision: Script, given: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return the arguments for the new text; a message that was given replaces the old one."""
    module = revision.module
    down = revision.down_revision
    return {
        **given,
        "message": given.get("message") or revision.doc or None,
        "rev_id": revision.revision,
        "head": (down if isinstance(down, str) else tuple(down)) if down else "base",
        "splice": True,
        "branch_label": getattr(module, "branch_labels", None),
        "depends_on": getattr(module, "depends_on", None),
    }


def replace(environment: Environment, revision: Script, rendered: pathlib.Path) -> tuple[Script, str]:
    """Put a new text into the place of a revision's file.

    :param rendered: the new text, in a file by the name that it would have.
    :returns: the new revision, and what changed as a unified diff.
    :raises NotUpdatable: when the old text has something that ``migrate`` didn't write.
    """
    old_path = pathlib.Path(revision.path)
    old, new = old_path.read_text("utf-8"), rendered.read_text("utf-8")
    _refuse_own_code(revision, old, new)
    kept_name = _message(old) == _message(new)
    path = old_path if kept_name else old_path.with_name(rendered.name)
    write_whole(str(path), new.encode())
    if path != old_path:
        old_path.unlink()
    fresh: ScriptDirectory = script_directory(environment.config)
    found = fresh.get_revision(revision.revision)
    assert found is not None
    return found, difference(revision.path, old, new, str(path))


def restore(revision: Script, text: str, path: str) -> None:
    """Put the old text back and take the new one away."""
    if path != revision.path:
        pathlib.Path(path).unlink(missing_ok=True)
    write_whole(revision.path, text.encode())


def _message(text: str) -> str:
    return (ast.get_docstring(ast.parse(text)) or "").partition("\n")[0]


def _refuse_own_code(revision: Script, old: str, new: str) -> None:
    """Refuse to lose code that a person wrote."""
    written = set(_statements(new))
    for dumped, node in _statements(old).items():
        if dumped not in written and not _could_be_generated(node):
            raise NotUpdatable(
                f"{pathlib.Path(revision.path).name} has code that `migrate` didn't write (line {node.lineno}), which "
                "an update would throw away.",
                hint=_WRITE_ANOTHER,
            )


def _statements(text: str) -> dict[str, ast.stmt]:
    """Return the statements of a revision file one by one, those in its functions and blocks included."""
    found: dict[str, ast.stmt] = {}
    waiting = list(ast.parse(text).body)
    while waiting:
        node = waiting.pop(0)
        body: list[ast.stmt] = []
        if isinstance(node, (ast.FunctionDef, ast.With, ast.If)) and _is_frame(node):
            body = [*node.body, *getattr(node, "orelse", [])]
            waiting = body + waiting
        else:
            found[ast.dump(node)] = node
    return found


def _is_frame(node: ast.FunctionDef | ast.With | ast.If) -> bool:
    """Return whether ``migrate`` writes statements into such a block."""
    if isinstance(node, ast.FunctionDef):
        return re.match(r"(up|down)grade(_|\Z)", node.name) is not None and not node.decorator_list
    test = node.test if isinstance(node, ast.If) else node.items[0].context_expr
    return ast.unparse(test).startswith(("op.batch_alter_table(", "op.get_context()."))


_WRITTEN_SQL = re.compile(
    r"\s*(CREATE|ALTER|DROP|RENAME|COMMENT|SET)\b|UPDATE \S+ SET \S+ = .* WHERE \S+ (IS NULL|= )", re.I | re.S
)


def _could_be_generated(node: ast.stmt) -> bool:
    """Return whether ``migrate`` writes such statements; a changed argument is shown in the difference only."""
    if isinstance(node, (ast.Import, ast.ImportFrom, ast.Pass)):
        return True
    if isinstance(node, (ast.Assign, ast.AnnAssign)):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        return all(ast.unparse(target) in _IDENTIFIERS for target in targets)
    value = node.value if isinstance(node, ast.Expr) else None
    if isinstance(value, ast.Constant):
        return True
    call = ast.unparse(value) if isinstance(value, ast.Call) else ""
    name = call.partition("(")[0]
    if name != "op.execute":
        return name.rpartition(".")[0] in ("op", "batch_op") and name.rpartition(".")[2] in _OPERATIONS
    argument = t.cast(ast.Call, value).args[0] if t.cast(ast.Call, value).args else None
    if isinstance(argument, ast.Constant):
        return _WRITTEN_SQL.match(str(argument.value)) is not None
    return call.startswith("op.execute(sa.update(")


_IDENTIFIERS = ("revision", "down_revision", "branch_labels", "depends_on")
_OPERATIONS = frozenset(
    f"{verb}_{what}"
    for verb in ("add", "alter", "create", "drop", "rename")
    for what in (
        "column", "check_constraint", "constraint", "exclude_constraint", "foreign_key", "index", "primary_key",
        "table", "table_comment", "unique_constraint",
    )
)  # fmt: skip
