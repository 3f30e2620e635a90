"""The command group with its commands, and the options that all of them share.

Shared options may come before and after the name of a command: ``flask db -d other upgrade`` and
``flask db upgrade -d other`` are the same.
"""

from __future__ import annotations

import dataclasses
import difflib
import typing as t

import click
from flask import current_app
from flask import has_app_context
from flask.cli import ScriptInfo

from .._lazy import resolve
from ..records import Record
from . import completion
from .ending import boundary
from .ending import end_quickly
from .ending import fewer_collections
from .ending import tell_of_threads

_META = "flask_schemaflow.shared"
Parameters: t.TypeAlias = "dict[str, t.Callable[[], t.Sequence[click.Parameter]]]"


@dataclasses.dataclass(frozen=True)
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
        """Return these options with those of the command added."""
        return Shared(
            other.directory or self.directory,
            self.x_arg + other.x_arg,
            self.quiet or other.quiet,
            self.verbose or other.verbose,
            self.traceback or other.traceback,
        )

    @property
    def arguments(self) -> dict[str, t.Any]:
        """Keyword arguments common to all functions that run env.py."""
        return {"directory": self.directory, "x_arg": self.x_arg}


def shared_options() -> list[click.Option]:
    """Return a fresh set of the options that the group and each command have."""
    return [
        click.Option(
            ["-d", "--directory"],
            metavar="FOLDER",
            help="Use this migrations folder instead of the one passed to Migrate().",
        ),
        click.Option(
            ["-x", "--x-arg"],
            multiple=True,
            metavar="NAME=VALUE",
            help="Pass an argument to env.py. Can be repeated.",
        ),
        flag("-q", "--quiet", help="Hide progress and informational messages."),
        flag("-v", "--verbose", help="Show more detail, including Alembic's log."),
        flag("--traceback", help="Show the Python traceback of an error."),
    ]


def flag(*names: str, help: str) -> click.Option:
    """Return an option without a value."""
    return click.Option(names, is_flag=True, help=help)


def bind_option() -> click.Option:
    """Return the option of commands that work on some of the databases."""
    return click.Option(
        ["--bind", "binds"],
        multiple=True,
        metavar="NAME",
        help="Use only this bind. Can be repeated.",
        shell_complete=completion.binds,
    )


def json_option() -> click.Option:
    """Return the option of commands that can print JSON."""
    return flag("--json", "as_json", help="Print the result as JSON.")


class MigrationCommand(click.Command):
    """A command with the shared options, the error boundary, and ``-1`` as an argument."""

    def __init__(self, *args: t.Any, **kwargs: t.Any) -> None:
        super().__init__(*args, **kwargs)
        own = {name for param in self.params for name in (*param.opts, *param.secondary_opts)}
        self.params += [option for option in shared_options() if not own & set(option.opts)]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take ``-1`` in ``downgrade -1`` as a revision, not an option."""
        if ctx.resilient_parsing:
            completion.remember(ctx, args, ctx.meta.get(_META, Shared()).directory)
        if any(isinstance(param, click.Argument) for param in self.params) and "--" not in args:
            relative = [arg for arg in args if _is_relative(arg)]
            if relative:
                args = [arg for arg in args if arg not in relative] + ["--", *relative]
        return super().parse_args(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> completion.Items:
        """Complete an option, or what follows a colon in bash."""
        found = completion.joined(ctx, incomplete)
        return super().shell_complete(ctx, incomplete) if found is None else found

    def invoke(self, ctx: click.Context) -> t.Any:
        """Run the command with the options of the group and its own, within the error boundary."""
        taken = {name: ctx.params.pop(name) for name in Shared.__match_args__ if name in ctx.params}
        shared = ctx.meta.get(_META, Shared()).joined(Shared(**taken))
        ctx.params["shared"] = shared
        try:
            with boundary(shared.traceback), fewer_collections():
                if not has_app_context():
                    ctx.with_resource(ctx.ensure_object(ScriptInfo).load_app().app_context())
                end_quickly(current_app._get_current_object())  # type: ignore[attr-defined]
                return ctx.invoke(self.callback, **ctx.params)  # type: ignore[arg-type]
        finally:
            tell_of_threads(ctx.command_path)


def _is_relative(arg: str) -> bool:
    return arg.startswith("-") and arg[1:].isdecimal()


class MigrationGroup(click.Group):
    """Command group that imports each command on first use and passes its own options on to it.

    A list of commands imports none, so ``--help`` and completion answer at once.
    """

    command_class = MigrationCommand

    def __init__(self, *args: t.Any, **kwargs: t.Any) -> None:
        self._unmade: dict[str, tuple[str, str]] = {}
        self._made: dict[str, click.Command] = {}
        super().__init__(*args, **kwargs)

    @property
    def commands(self) -> t.MutableMapping[str, click.Command]:
        """All commands, each of them created."""
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
        module = resolve(f"{__package__}.{self._unmade.pop(name)[0]}")
        function = getattr(module, name.replace("-", "_"))
        parameters: Parameters = module.PARAMETERS
        self._made[name] = MigrationCommand(
            name, callback=function, params=list(parameters[name]()), help=function.__doc__
        )

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*self._made, *self._unmade})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in self._unmade:
            self._make(cmd_name)
        return self._made.get(cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Name the command that was meant when there is none of that name."""
        name = args[0]
        if not ctx.resilient_parsing and not name.startswith("-") and self.get_command(ctx, name) is None:
            near = difflib.get_close_matches(name, self.list_commands(ctx), n=1)
            meant = _OTHER_WORDS.get(name.lower(), near[0] if near else "")
            ctx.fail(f"No such command {name!r}." + (f" Did you mean {meant!r}?" if meant else ""))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        listed = {name: click.Command(name, help=help) for name, (_, help) in self._unmade.items()}
        click.Group(self.name, commands={**listed, **self._made}).format_commands(ctx, formatter)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Keep the options before the command's name for the command."""
        rest = super().parse_args(ctx, args)
        ctx.meta[_META] = Shared(**{name: ctx.params.pop(name) for name in Shared.__match_args__})
        return rest


_OTHER_WORDS = {
    "apply": "upgrade",
    "diff": "check",
    "draw": "graph",
    "generate": "migrate",
    "list": "history",
    "makemigrations": "migrate",
    "pending": "status",
    "revert": "downgrade",
    "rollback": "downgrade",
    "schema": "erd",
    "showmigrations": "status",
    "undo": "downgrade",
    "up": "upgrade",
}
"""What people type for a command that has another name here."""


@click.group("db", cls=MigrationGroup, params=shared_options())
def db() -> None:
    """Manage database migrations."""


COMMANDS: dict[str, dict[str, str]] = {
    "repository": {
        "list-templates": "List available templates.",
        "init": "Create a migrations folder.",
        "edit": "Open a revision file in your editor.",
        "doctor": "Find problems in the setup and suggest fixes.",
    },
    "revisions": {
        "revision": "Create a revision file to edit by hand.",
        "migrate": "Autogenerate a revision from changes in the models.",
        "merge": "Merge two or more heads into one revision.",
    },
    "upkeep": {
        "baseline": "Write the first revision from an existing database.",
        "drift": "Find what was changed in a database by hand.",
        "rebase": "Move your revisions onto another head.",
        "squash": "Replace a range of revisions by one.",
    },
    "database": {
        "upgrade": "Upgrade to a later revision.",
        "downgrade": "Revert to an earlier revision.",
        "stamp": "Record a revision without running migrations.",
        "ensure-version": "Create the version table if it does not exist.",
    },
    "tenants": {
        "create-tenant": "Create the schema or database of a tenant.",
        "drop-tenant": "Drop the schema or database of a tenant and its rows.",
    },
    "backfills": {
        "backfill": "Run, pause or cancel the backfills of big tables.",
    },
    "inspection": {
        "heads": "List the heads.",
        "branches": "List the branch points.",
        "show": "Show one revision in detail.",
        "history": "List all revisions, newest first.",
        "current": "Show the current revision of each database.",
        "log": "Show when and by whom revisions were applied.",
        "status": "Show applied and pending revisions of each database.",
        "check": "Fail if the models differ from the database.",
    },
    "linting": {
        "lint": "Measure what pending revisions block, break and lose.",
        "plan": "Show locks, work, time and losses of an upgrade.",
        "sizes": "Print rows and bytes of the tables, for lint --sizes.",
    },
    "pictures": {
        "graph": "Draw the history as a graph.",
        "erd": "Draw the tables of the models, and the pending change.",
    },
}
"""The commands of each module, with the first line of their help, so that a list of them imports none."""

for _module, _commands in COMMANDS.items():
    for _name, _help in _commands.items():
        db.add_unmade(_name, _module, _help)
