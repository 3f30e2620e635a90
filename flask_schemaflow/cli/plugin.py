"""The group as ``flask`` finds it before any application is loaded, by the entry point ``flask.commands``.

``flask`` asks its plugins first and the application afterwards, so a plain group here would take the place of a ``db``
that the application or another extension has. This one loads the application, hands over to the group which is there,
and stays for the cases without another group: no application, one that can't be loaded, one without
``Migrate``. It is imported by each command of ``flask``, so it imports nothing that Flask has not.
"""

from __future__ import annotations

import importlib.metadata
import typing as t

import click
from flask import current_app
from flask import Flask
from flask.cli import ScriptInfo

from ..extension import EXTENSION
from ..extension import HELP
from ..extension import State
from ..lazy_group import LazyGroup

NAME = "db"
_TRIED = "flask_schemaflow.application"
_FAILURE = "flask_schemaflow.failure"


class PluginGroup(LazyGroup):
    """Stands for the application's group of that name, or for ours where it has none."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: t.Any
    ) -> click.Context:
        """Create the context of the application's group, or of ours."""
        found = self._found(args, parent) if parent is not None else None
        return (found or self.load()).make_context(info_name, args, parent, **extra)

    def get_short_help_str(self, limit: int = 45) -> str:
        """Return the short help of the group that will answer."""
        found = self._known()
        return found.get_short_help_str(limit) if found is not None else super().get_short_help_str(limit)

    @property
    def hidden(self) -> bool:
        """Whether lists leave it out: where the application's group has another name."""
        app = _quietly_loaded()
        return app is not None and self._known() is None and _other_name(app) is not None

    @hidden.setter
    def hidden(self, value: bool) -> None:
        """Click says what it should be at first; the application decides."""

    def _known(self) -> click.Command | None:
        app, context = _quietly_loaded(), click.get_current_context(silent=True)
        found = app.cli.get_command(context, NAME) if app is not None and context is not None else None
        return found or (_other_plugin() if app is None or EXTENSION not in app.extensions else None)

    def _found(self, args: list[str], parent: click.Context) -> click.Command | None:
        """Return the application's own group, or ``None``."""
        app = _quietly_loaded(parent)
        other = _other_plugin() if app is None or EXTENSION not in app.extensions else None
        if other is not None:
            return other
        from .ending import boundary

        with boundary("--traceback" in args):
            if app is None and not (parent.resilient_parsing or not args or "--help" in args):
                raise parent.ensure_object(ScriptInfo).data[_FAILURE]
            return None if app is None else _entered(app, parent)
        return None  # not reached: the boundary ends the process


def _entered(app: Flask, parent: click.Context) -> click.Command | None:
    """Return the application's group, with the application current as for each of its commands."""
    found = app.cli.get_command(parent, NAME)
    other = _other_name(app)
    if found is None and other is not None and not parent.resilient_parsing:
        from ..errors.setup import OtherCommandName

        raise OtherCommandName(
            f"The migration commands of the application {app.name!r} are `flask {other}`, not `flask {NAME}`.",
            hint=f"`flask {other} ...`, which Migrate(..., command={other!r}) asks for.",
        )
    if not current_app or current_app._get_current_object() is not app:  # type: ignore[attr-defined]
        parent.with_resource(app.app_context())
    return found


def _other_plugin() -> click.Command | None:
    """Return a command of another distribution that ``flask`` finds before applications too, as it finds ours."""
    found = importlib.metadata.entry_points(group="flask.commands", name=NAME)
    other = next((entry for entry in found if not entry.value.startswith(f"{__name__}:")), None)
    return None if other is None else t.cast(click.Command, other.load())


def _other_name(app: Flask) -> str | None:
    """Return the name of the application's group, if it is not ours."""
    state = app.extensions.get(EXTENSION)
    return state.command if isinstance(state, State) and state.command != NAME else None


def _quietly_loaded(context: click.Context | None = None) -> Flask | None:
    """Load the application once, for lists of commands, which report by themselves that it can't be loaded."""
    context = context or click.get_current_context(silent=True)
    if context is None:
        return None
    info = context.ensure_object(ScriptInfo)
    if _TRIED not in info.data:
        from .ending import fewer_collections

        info.data[_TRIED] = None
        try:
            with fewer_collections():
                info.data[_TRIED] = info.load_app()
        except Exception as error:
            info.data[_FAILURE] = error
    return t.cast("Flask | None", info.data[_TRIED])


db = PluginGroup(NAME, source="flask_schemaflow.cli.group:db", help=HELP)
