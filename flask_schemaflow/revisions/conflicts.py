"""Changes that two branches of a history both make, read from the revision files without running them.

Alembic joins branches whatever they do. Two branches that both add a column, or of which one drops what the other
alters, can be merged without a word, and the upgrade fails at the second.
"""

from __future__ import annotations

import ast
import dataclasses
import itertools
import typing as t

from .calls import Call
from .calls import calls_of

if t.TYPE_CHECKING:
    from alembic.script import Script
    from alembic.script import ScriptDirectory

Name = tuple[str, ...]
"""``(kind, table)`` of a table, ``(kind, table, name)`` of something of one."""
_VERBS = {"add": "both add", "drop": "both drop or rename", "alter": "both alter"}
_ALTERATIONS = ("type_", "nullable", "server_default", "comment")

_BY_NAME = 99  # the position of an argument that is always given by its name


@dataclasses.dataclass(frozen=True)
class LineChange:
    """What one line of a revision does to one thing.

    :param verb: ``add``, ``drop`` or ``alter``.
    :param name: the thing.
    :param revision: the id of the revision.
    :param line: the line in its file.
    :param details: which of its properties are altered; empty for all.
    """

    verb: str
    name: Name
    revision: str
    line: int
    details: frozenset[str] = frozenset()

    @property
    def subject(self) -> str:
        """The thing in words: ``the column post.views``."""
        kind, table, *rest = self.name
        return f"the {kind} {table}.{rest[0]}" if kind == "column" else f"the {kind} {(rest or [table])[0]}"


def conflicts(left_revisions: t.Iterable[Script], right_revisions: t.Iterable[Script]) -> list[str]:
    """Return a sentence for each thing that two branches change and that only one of them can.

    Calls behind a condition, and those whose names are computed, are left out.

    :param left_revisions: the revisions that only the one branch has, oldest first.
    :param right_revisions: those of the other.
    """
    left_revisions, right_revisions = list(left_revisions), list(right_revisions)
    found: list[str] = []
    for function in sorted({name for script in left_revisions for name in _functions(script)}):
        found += _compared(_net(left_revisions, function), _net(right_revisions, function))
    return found


def conflicts_of_heads(script: ScriptDirectory, heads: t.Sequence[str]) -> list[str]:
    """Return the conflicts of each pair of branches that end in ``heads``."""
    lines = [list(script.walk_revisions("base", head)) for head in heads]
    found: list[str] = []
    for left, right in itertools.combinations(lines, 2):
        shared = {item.revision for item in left} & {item.revision for item in right}
        sides = [[item for item in reversed(line) if item.revision not in shared] for line in (left, right)]
        found += conflicts(*sides)
    return list(dict.fromkeys(found))


def _compared(left_changes: list[LineChange], right_changes: list[LineChange]) -> list[str]:
    """Return a sentence for each conflict; what happens to a table stands for all that is in it."""
    told: dict[Name, str] = {}
    for left, right in itertools.product(left_changes, right_changes):
        sentence = _sentence(left, right) if ("table", left.name[1]) not in told else ""
        if sentence:
            told.setdefault(min(left.name, right.name, key=len), sentence)
    return list(told.values())


def _sentence(left: LineChange, right: LineChange) -> str:
    """Return what is wrong with two changes; nothing where both can be made."""
    at = f"{left.revision} (line {left.line}) and {right.revision} (line {right.line})"
    if left.name == right.name and left.verb == right.verb:
        alike = not left.details or left.details & right.details
        return f"{at} {_VERBS[left.verb]} {left.subject}." if alike else ""
    for gone, other in ((left, right), (right, left)):
        is_part = gone.name == other.name or (gone.name[0] == "table" and gone.name[1] == other.name[1])
        if gone.verb == "drop" and is_part:
            verb = "changes" if gone.name != other.name else f"{other.verb}s"
            return (
                f"{gone.revision} (line {gone.line}) drops or renames {gone.subject}, which {other.revision} "
                f"(line {other.line}) {verb}."
            )
    return ""


def _functions(script: Script) -> list[str]:
    """Return the names of ``upgrade()`` and, in a folder for several databases, of the function of each."""
    return [name for name in vars(script.module) if name == "upgrade" or name.startswith("upgrade_")]


def _net(revisions: t.Iterable[Script], function: str) -> list[LineChange]:
    """Return the changes of a branch, without those of what the branch adds and drops again."""
    kept: list[LineChange] = []
    for change in itertools.chain.from_iterable(_changes(script, function) for script in revisions):
        own = next((old for old in kept if old.verb == "add" and old.name == change.name), None)
        added = {old.name for old in kept if old.verb == "add"}
        if change.verb == "drop" and own is not None:
            kept = [old for old in kept if old.name[: len(own.name)] != own.name and old.name[1:2] != own.name[1:]]
        elif change.name in added or (change.name[0] != "table" and ("table", change.name[1]) in added):
            continue  # the branch's own affair
        else:
            kept.append(change)
    return kept


def _changes(script: Script, function: str) -> t.Iterator[LineChange]:
    try:
        calls = calls_of(getattr(script.module, function, None))
    except (LookupError, OSError):
        return
    for call in calls:
        for verb, name, details in _read(call) if call.certain else ():
            if all(isinstance(part, str) for part in name):
                yield LineChange(verb, t.cast("Name", name), script.revision, call.line, details)


def _read(call: Call) -> t.Iterator[tuple[str, tuple[t.Any, ...], frozenset[str]]]:
    """Yield what a call adds, drops and alters; a name that is computed is ``None``."""
    verb, _, kind = call.name.partition("_")
    nothing: frozenset[str] = frozenset()
    if call.name in ("create_table", "drop_table"):
        yield "add" if verb == "create" else "drop", ("table", _table(call, 0, "table_name")), nothing
    elif call.name == "rename_table":
        yield "drop", ("table", _table(call, 0, "old_table_name")), nothing
        yield "add", ("table", _table(call, 1, "new_table_name")), nothing
    elif call.name == "add_column":
        yield "add", ("column", _table(call, 0, "table_name"), _text(call, call.after_table, "column")), nothing
    elif call.name in ("drop_column", "alter_column"):
        name = ("column", _table(call, 0, "table_name"), _text(call, call.after_table, "column_name"))
        details = frozenset(option for option in _ALTERATIONS if call.has(option))
        if verb == "drop" or details:
            yield verb, name, details
        if call.has("new_column_name"):
            yield "drop", name, nothing
            yield "add", (*name[:2], call.argument(_BY_NAME, "new_column_name")), nothing
    elif kind == "index":
        name = ("index", _table(call, 1, "table_name"), _text(call, 0, "index_name"))
        yield "add" if verb == "create" else "drop", name, nothing
    elif call.name == "drop_constraint":
        yield "drop", ("constraint", _table(call, 1, "table_name"), _text(call, 0, "constraint_name")), nothing
    elif call.name in ("create_foreign_key", "create_unique_constraint", "create_check_constraint"):
        table = _table(call, 1, "source_table" if kind == "foreign_key" else "table_name")
        yield "add", ("constraint", table, _text(call, 0, "constraint_name")), nothing


def _table(call: Call, position: int, keyword: str) -> t.Any:
    """Return the table of a call, with its schema."""
    if call.batch:
        return call.table
    name, schema = call.argument(position, keyword), call.argument(_BY_NAME, "schema")
    return f"{schema}.{name}" if isinstance(schema, str) and isinstance(name, str) else name


def _text(call: Call, position: int, keyword: str) -> t.Any:
    """Return a name that is given as it is, in ``op.f()``, or as the first argument of ``sa.Column()``."""
    node = call.node_of(position, keyword)
    if isinstance(node, ast.Call) and node.args:
        node = node.args[0]
    return node.value if isinstance(node, ast.Constant) else None
