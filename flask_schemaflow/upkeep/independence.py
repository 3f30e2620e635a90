"""Whether the order of two branches matters, shown on scratch databases by running both orders."""

from __future__ import annotations

import ast
import typing as t

from alembic.script import Script
from alembic.script import ScriptDirectory

from ..autogenerate.verify.scratch import ScratchEnvironment
from ..autogenerate.verify.snapshot import differences
from ..autogenerate.verify.snapshot import Snapshot
from ..errors import SchemaflowError
from ..errors.upkeep import NotIndependent
from ..revisions.calls import calls_of
from ..revisions.calls import is_schema_statement
from ..revisions.calls import UNSEEN
from ..revisions.conflicts import conflicts_of_heads
from ..runtime.database_status import below
from ..runtime.environment import Environment
from ..runtime.planning import function_for
from ..targets import Target
from .scratch import heads_of_databases
from .scratch import reason_of
from .scratch import REASONS
from .scratch import schema_in
from .scratch import scratch_for
from .scratch import words_of

_HINT = "Give them an order: `flask db rebase`. If you know that it doesn't matter: `flask db merge heads`."


def prove_independence(environment: Environment, heads: t.Sequence[str]) -> None:
    """Show that branches which end in ``heads`` make one schema in either order and touch nothing in common.

    :raises NotIndependent: says what speaks against it.
    """
    script = environment.script
    found = conflicts_of_heads(script, heads)
    if found:
        raise _refusal("the branches change the same thing", found)
    shared = set.intersection(*(below(script, head) for head in heads))
    for target in environment.state.targets():
        rows = [line for head in heads for line in _row_changes(script, head, shared, target.bind)]
        if rows:
            raise _refusal("the branches do more than change the schema, which schemas don't show", rows)
    heads_of_databases(environment)  # where env.py tells its options
    for target in environment.state.targets():
        try:
            _compare_orders(environment, target, list(heads), _tips(script, shared))
        except REASONS as error:
            reason = f"there is no scratch database for {target.name}: {reason_of(error)}"
            raise _refusal(reason, []) from error


def _refusal(reason: str, details: t.Sequence[str]) -> NotIndependent:
    return NotIndependent(
        f"It can't be shown that the order doesn't matter: {reason}.",
        details="\n".join(f"  {line}" for line in details),
        hint=_HINT,
    )


def _row_changes(script: ScriptDirectory, head: str, shared: set[str], bind: str | None) -> t.Iterator[str]:
    """Yield the calls of one side that may read or write rows, or that can't be judged."""
    for revision in script.walk_revisions("base", head):
        if revision.revision not in shared:
            yield from _calls_with_rows(revision, bind)


def _calls_with_rows(revision: Script, bind: str | None) -> t.Iterator[str]:
    try:
        calls = calls_of(function_for(revision.module, "upgrade", bind))
    except LookupError:
        yield f"{revision.revision}: its source can't be read"
        return
    for call in calls:
        if call.name in ("bulk_insert", UNSEEN) or (call.name == "execute" and not is_schema_statement(call.node)):
            yield f"{revision.revision} (line {call.line}): {ast.unparse(call.node)[:80]}"


def _tips(script: ScriptDirectory, shared: set[str]) -> list[str]:
    followed = {parent for name in shared for parent in below(script, name) - {name}}
    return [found.revision for found in script.walk_revisions() if found.revision in shared - followed]


def _compare_orders(environment: Environment, target: Target, heads: list[str], start: list[str]) -> None:
    results, touched = [], dict[str, set[str]]()
    for order in (heads, heads[::-1]):
        with scratch_for(environment, target) as scratch:
            results.append(_run_in(scratch, order, start, touched))
    for one in heads:
        for other in heads[heads.index(one) + 1 :]:
            both = sorted(touched[one] & touched[other])
            if both:
                raise _refusal(f"{one} and {other} touch the same thing", both)
    different = differences(results[0], results[1])
    if different:
        raise _refusal("the other order produces a different schema", different)


def _run_in(scratch: ScratchEnvironment, order: list[str], start: list[str], touched: dict[str, set[str]]) -> Snapshot:
    """Apply the branches in this order; the parts that the first one changes are noted."""
    name = ", ".join(start)
    try:
        for name in start:
            scratch.upgrade(name)
        before = schema_in(scratch)
        for name in order:
            scratch.upgrade(name)
            after = schema_in(scratch)
            changed = {part for part in before.keys() | after.keys() if before.get(part) != after.get(part)}
            touched.setdefault(name, set()).update(changed)
            before = after
    except SchemaflowError as error:
        reason = f"{name} fails on a scratch database in the order {', '.join(order)}"
        raise _refusal(reason, [words_of(error)]) from error
    return before
