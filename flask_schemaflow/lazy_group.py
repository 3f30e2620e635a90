"""The command group that an application registers; it stands for the real one until that is used."""

from __future__ import annotations

import typing as t

import click

from ._lazy import resolve


class LazyGroup(click.Group):
    """A click group that imports the real one on first use (click's documentation: "Lazily Loading Subcommands").

    :param name: the name of the group, ``db`` by default.
    :param source: ``package.module:attribute`` of the real group.
    :param help: what ``flask --help`` prints, known without loading anything.
    """

    def __init__(self, name: str, *, source: str, help: str) -> None:
        super().__init__(name, help=help)
        self.source = source

    def load(self) -> click.Group:
        """Return the real group; its module is imported the first time."""
        group: click.Group = resolve(self.source)
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
