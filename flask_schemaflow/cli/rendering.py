"""Records as text: pure functions, so that each line can be tested without a terminal.

The lines of heads, history and current are Alembic's, which people and scripts know.
"""

from __future__ import annotations

import json
import typing as t

if t.TYPE_CHECKING:
    import datetime

    from ..records import Revision
    from ..records import Standing


def one_line(revision: Revision, *, parents: bool = False, doc: bool = False, tree: bool = True) -> str:
    """A revision as ``heads`` and ``history`` list it."""
    text = revision.id
    if parents:
        text = f"{', '.join(revision.down) or '<base>'} -> {text}"
        if revision.depends_on:
            text += f" ({', '.join(revision.depends_on)})"
    if revision.labels:
        text += f" ({', '.join(revision.labels)})"
    for mark in _marks(revision) if tree else ():
        text += f" ({mark})"
    return f"{text}, {flat(revision.message)}" if doc else text


def _marks(revision: Revision) -> t.Sequence[str]:
    if not (revision.is_head or revision.is_branch_point or revision.is_current or len(revision.down) > 1):
        return ()  # as most of a long history
    marks = []
    if revision.is_head:
        marks.append("head" if revision.is_effective_head else "effective head")
    if revision.is_branch_point:
        marks.append("branchpoint")
    if revision.is_merge_point:
        marks.append("mergepoint")
    if revision.is_current:
        marks.append("current")
    return marks


def long(revision: Revision) -> str:
    """A revision with everything that its file says, for ``show`` and ``--verbose``."""
    lines = [f"Rev: {one_line(revision)}", f"Parent: {', '.join(revision.down) or '<base>'}"]
    if revision.is_merge_point:
        lines[1] = f"Merges: {', '.join(revision.down)}"
    if revision.depends_on:
        lines.append(f"Also depends on: {', '.join(revision.depends_on)}")
    if revision.is_branch_point:
        lines.append(f"Branches into: {', '.join(revision.children)}")
    if revision.labels:
        lines.append(f"Branch names: {', '.join(revision.labels)}")
    lines.append(f"Path: {revision.path}")
    body = "\n".join(f"    {line}".rstrip() for line in revision.doc.splitlines())
    return "\n".join(lines) + f"\n\n{body}\n"


def flat(text: str) -> str:
    """A message on one line, without what a terminal would take for a command."""
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else " " for sign in text)


def seconds(value: float) -> str:
    """A duration in the unit that reads best."""
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.1f} s"


def standing(record: Standing) -> str:
    """Where one database stands, as a table of its revisions."""
    lines = [f"{record.database}  {record.url}"]
    lines += [f"  unknown  {revision}  no file in this folder has it" for revision in record.unknown]
    rows = [("applied", item) for item in reversed(record.applied)] + [
        ("pending", item) for item in record.pending
    ]
    width = max((len(item.id) for _, item in rows), default=0)
    for word, item in rows:
        marks = "".join(f" ({mark})" for mark in _marks(item) if mark in ("head", "current"))
        lines.append(f"  {word}  {item.id:<{width}}  {_date(item.created)}  {flat(item.message)}{marks}")
    left = [f"    left: {line}" for line in record.left]
    return "\n".join([*lines, f"  {_summary(record)}", *left])


def _summary(record: Standing) -> str:
    if record.interrupted:
        return record.interrupted
    if record.unknown:
        return "This database has revisions that no file here has."
    if not record.pending:
        return "Up to date." if record.current else "There are no revisions yet: flask db migrate"
    if len(record.heads) > 1:  # `upgrade` alone wouldn't know which of them is meant
        return f"{len(record.pending)} pending: flask db upgrade heads, or join the branches: flask db merge heads"
    return f"{len(record.pending)} pending: flask db upgrade"


def _date(moment: datetime.datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M}" if moment else " " * 16


def as_json(records: t.Any) -> str:
    """Records for a machine."""
    return json.dumps([item.as_dict() for item in records], default=str, indent=2)
