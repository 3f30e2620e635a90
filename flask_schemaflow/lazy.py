"""Names that stand for modules which are imported when somebody uses them.

A web worker registers the ``db`` command group and never runs it. :class:`LazyGroup` is all
it pays for: a click group that knows only where its commands live (the pattern of click's
documentation, "Lazily Loading Subcommands").
"""

from __future__ import annotations

import importlib
import typing as t

import click


class LazyGroup(click.Group):
    """Stands in for a click group until it is looked into.

    :param name: the name of the group, ``db`` by default.
    :param source: ``package.module:attribute`` of the real group.
    :param help: what ``flask --help`` prints, known without loading anything.
    """

    def __init__(self, name: str, *, source: str, help: str) -> None:
        super().__init__(name, help=help)
        self.source = source

    def load(self) -> click.Group:
        """The real group; imports its module the first time."""
        module, _, attribute = self.source.partition(":")
        group: click.Group = getattr(importlib.import_module(module), attribute)
        return group

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: t.Any
    ) -> click.Context:
        return self.load().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> t.Any:
        return self.load().invoke(ctx)

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        return self.load().get_params(ctx)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return self.load().list_commands(ctx)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return self.load().get_command(ctx, cmd_name)
