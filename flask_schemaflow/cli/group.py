"""The group, its commands' class, and the options that all of them share.

Shared options may stand before and after the name of a command: ``flask db -d other upgrade`` and
``flask db upgrade -d other`` are the same.
"""

from __future__ import annotations

import importlib
import typing as t

import click
from flask.cli import with_appcontext

from ..record import Record
from .boundary import boundary
from .collecting import only_new_garbage

_META = "flask_schemaflow.shared"
Parameters: t.TypeAlias = "dict[str, t.Callable[[], t.Sequence[click.Parameter]]]"


class Shared(Record):
    """The options that the group and each command take.

    :param directory: another migrations folder than the registered one.
    :param x_arg: values for env.py.
    """

    directory: str | None = None
    x_arg: tuple[str, ...] = ()
    quiet: bool = False
    verbose: bool = False
    traceback: bool = False

    def joined(self, other: Shared) -> Shared:
        """These options with those of the command added."""
        return Shared(
            other.directory or self.directory,
            self.x_arg + other.x_arg,
            self.quiet or other.quiet,
            self.verbose or other.verbose,
            self.traceback or other.traceback,
        )

    @property
    def arguments(self) -> dict[str, t.Any]:
        """What every function that runs env.py takes."""
        return {"directory": self.directory, "x_arg": self.x_arg}


def shared_options() -> list[click.Option]:
    """A fresh set of the options that the group and each command have."""
    return [
        click.Option(["-d", "--directory"], help='Migrations folder (default is "migrations").'),
        click.Option(
            ["-x", "--x-arg"], multiple=True, help="Additional arguments consumed by custom env.py scripts."
        ),
        click.Option(["-q", "--quiet"], is_flag=True, help="Say nothing but errors."),
        click.Option(["-v", "--verbose"], is_flag=True, help="Say more; Alembic's own lines too."),
        click.Option(["--traceback"], is_flag=True, help="Show where an error arose."),
    ]


class MigrationCommand(click.Command):
    """A command with the shared options, the error boundary, and ``-1`` as an argument."""

    def __init__(self, *args: t.Any, **kwargs: t.Any) -> None:
        super().__init__(*args, **kwargs)
        own = {name for param in self.params for name in (*param.opts, *param.secondary_opts)}
        self.params += [option for option in shared_options() if not own & set(option.opts)]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """``downgrade -1`` names a revision, not an option."""
        if any(isinstance(param, click.Argument) for param in self.params) and "--" not in args:
            relative = [arg for arg in args if _is_relative(arg)]
            if relative:
                args = [arg for arg in args if arg not in relative] + ["--", *relative]
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> t.Any:
        taken = {name: ctx.params.pop(name) for name in Shared.__match_args__ if name in ctx.params}
        shared = ctx.meta.get(_META, Shared()).joined(Shared(**taken))
        ctx.params["shared"] = shared
        with boundary(shared.traceback), only_new_garbage():
            return super().invoke(ctx)


def _is_relative(arg: str) -> bool:
    return arg.startswith("-") and arg[1:].isdecimal()


class MigrationGroup(click.Group):
    """The group; what stands before the command's name is kept for the command.

    A command is made when it is run: its module is imported and its options are built, and no other's. A list of
    commands needs neither, so that ``--help`` and completion answer at once.
    """

    command_class = MigrationCommand

    def __init__(self, *args: t.Any, **kwargs: t.Any) -> None:
        self._unmade: dict[str, tuple[str, str]] = {}
        self._made: dict[str, click.Command] = {}
        super().__init__(*args, **kwargs)

    @property
    def commands(self) -> t.MutableMapping[str, click.Command]:
        """All commands; each of them is made for whoever looks in here."""
        for name in list(self._unmade):
            self._make(name)
        return self._made

    @commands.setter
    def commands(self, given: t.MutableMapping[str, click.Command]) -> None:
        self._made = dict(given)

    def add_unmade(self, name: str, module: str, help: str) -> None:
        """Add a command by its name, the module of this package that has it, and its line in the list."""
        self._unmade[name] = (module, help)

    def _make(self, name: str) -> None:
        module = importlib.import_module(f".{self._unmade.pop(name)[0]}", __package__)
        function = getattr(module, name.replace("-", "_"))
        parameters: Parameters = module.PARAMETERS
        self._made[name] = MigrationCommand(
            name, callback=with_appcontext(function), params=list(parameters[name]()), help=function.__doc__
        )

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*self._made, *self._unmade})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in self._unmade:
            self._make(cmd_name)
        return self._made.get(cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        listed = {name: click.Command(name, help=help) for name, (_, help) in self._unmade.items()}
        click.Group(self.name, commands={**listed, **self._made}).format_commands(ctx, formatter)

    def invoke(self, ctx: click.Context) -> t.Any:
        ctx.meta[_META] = Shared(**{name: ctx.params.pop(name) for name in Shared.__match_args__})
        return super().invoke(ctx)


@click.group("db", cls=MigrationGroup, params=shared_options())
def db() -> None:
    """Perform database migrations."""
