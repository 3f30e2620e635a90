"""Completion in shells: revisions, binds, and the names that ``migrate`` can be told about.

Click asks while a command line is typed, so an application that can't be loaded, or a database that doesn't answer,
completes nothing and says nothing.
"""

from __future__ import annotations

import typing as t

import click
from click.shell_completion import CompletionItem
from flask.cli import ScriptInfo

from .output import headline

Items: t.TypeAlias = "list[CompletionItem[str]]"  # click 8.1 has no such parameter at run time
Complete = t.Callable[[click.Context, click.Parameter, str], Items]
_WORDS = "flask_schemaflow.words"
_FOLDER = "flask_schemaflow.folder"


def revisions(*names: str, label_suffix: str = "") -> Complete:
    """Return what completes a revision, or a range ``START:END`` of them.

    :param names: other words that stand for revisions, such as ``head``; they come first.
    :param label_suffix: what follows a branch label.
    """

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
        start = incomplete[: incomplete.rfind(":") + 1]
        found = dict.fromkeys(names, "")
        for revision in _answer(ctx, lambda: _history(ctx)):
            found[revision.id] = headline(revision.message)
            found.update((f"{label}{label_suffix}", "branch") for label in revision.labels)
        # Older releases of click can't tell zsh a help text for a value with a colon.
        items = (CompletionItem(start + name, help=None if start else text) for name, text in found.items())
        return _beginning(incomplete, items)

    return complete


def binds(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """Complete the name of a database."""
    from ..extension import current_state

    names = _answer(ctx, lambda: [target.name for target in current_state().targets()])
    return _beginning(incomplete, map(CompletionItem, names))


def column_renames(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """Complete ``TABLE.OLD:NEW`` from columns that only the database has, and those that only the model has."""
    return _named(
        ctx,
        incomplete,
        lambda found: [
            f"{table}.{old}:{new}"
            for table, columns in found.columns.items()
            for old in columns
            for new in found.new_columns[table]
        ],
    )


def table_renames(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """Complete ``OLD:NEW`` from tables that only the database has, and those that only the models have."""
    return _named(ctx, incomplete, lambda found: [f"{old}:{new}" for old in found.tables for new in found.new_tables])


def removed(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """Complete the tables and columns that only the database has."""
    return _named(
        ctx,
        incomplete,
        lambda found: (
            [f"{table}.{name}" for table, names in found.columns.items() for name in names] + list(found.tables)
        ),
    )


def _named(ctx: click.Context, incomplete: str, names: t.Callable[[t.Any], list[str]]) -> Items:
    from .._lazy import resolve

    found = _answer(ctx, resolve("flask_schemaflow.commands.revisions:unmatched_names"))
    return _beginning(incomplete, (CompletionItem(name) for record in found for name in names(record)))


def _history(ctx: click.Context) -> list[t.Any]:
    from .. import commands

    return commands.history(_directory(ctx))


def _directory(ctx: click.Context) -> str | None:
    """Return the folder of ``-d``, before or after the name of the command."""
    return ctx.params.get("directory") or ctx.meta.get(_FOLDER)


def _beginning(incomplete: str, items: t.Iterable[CompletionItem[str]]) -> Items:
    return list({item.value: item for item in items if item.value.startswith(incomplete)}.values())


def _answer(ctx: click.Context, ask: t.Callable[[], list[t.Any]]) -> list[t.Any]:
    """Return an answer that needs the application; nothing if there is none, or it fails."""
    try:
        with ctx.ensure_object(ScriptInfo).load_app().app_context():
            return ask()
    except (Exception, SystemExit):  # whatever it is, the command itself will say it
        return []


def remember(ctx: click.Context, args: t.Sequence[str], directory: str | None) -> None:
    """Keep what completion needs of a command line that is typed.

    :param args: the words after the name of the command.
    :param directory: the folder that was given before it.
    """
    ctx.meta[_WORDS], ctx.meta[_FOLDER] = list(args), directory


def joined(ctx: click.Context, incomplete: str) -> Items | None:
    """Complete a word that bash has split, as it does at ``:`` and ``=``; ``None`` if it has not.

    Bash puts in place of the last piece what it gets, so the pieces before it are left out.
    """
    words = [*ctx.meta.get(_WORDS, ()), incomplete]
    if words[-1] == ":":
        words.append("")
    pieces = words[-3:]
    if len(pieces) < 3 or pieces[1] != ":":
        return None
    start = pieces[0] + ":"
    before = words[-4] if len(words) > 3 else ""
    if before == "=" and len(words) > 4:  # --rename=TABLE.OLD:NEW
        before = words[-5]
    params = ctx.command.get_params(ctx)
    option = next((param for param in params if before in param.opts), None)
    argument = next((param for param in params if isinstance(param, click.Argument)), None)
    meant = option or argument
    if meant is None:
        return []
    found = meant.shell_complete(ctx, start + pieces[2])
    for item in found:
        item.value = item.value.removeprefix(start)
    return found
