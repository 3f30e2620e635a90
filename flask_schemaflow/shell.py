"""What ``flask shell`` sees: a name ``schemaflow`` that answers questions about the databases."""

from __future__ import annotations

import importlib
import typing as t

from .extension import State
from .records import Current
from .records import Difference
from .records import Revision
from .records import Standing


class Listing(list[t.Any]):
    """A list of records that prints one a line."""

    def __repr__(self) -> str:
        return "\n".join(str(item) for item in self) or "(nothing)"


class Script(str):
    """SQL that prints as it reads."""

    def __repr__(self) -> str:
        return str(self)


class Inspector:
    """Looks at the migrations of the current application; changes nothing.

    :param state: the application's registration.
    """

    def __init__(self, state: State) -> None:
        self._state = state

    def __repr__(self) -> str:
        return "schemaflow: status() current() heads() history() pending() diff() sql('head')"

    def status(self) -> list[Standing]:
        """Where each database stands."""
        return Listing(_commands().status())

    def current(self) -> list[Current]:
        """The revisions that each database is at."""
        return Listing(_commands().current())

    def heads(self) -> list[Revision]:
        """The newest revisions of the folder."""
        return Listing(_commands().heads())

    def history(self) -> list[Revision]:
        """All revisions, newest first."""
        return Listing(_commands().history())

    def pending(self) -> list[Revision]:
        """What an upgrade would apply, in order."""
        return Listing(_commands().pending())

    def diff(self) -> list[Difference]:
        """What ``migrate`` would write operations for."""
        from .errors.revisions import DifferencesFound

        try:
            return Listing(_commands().check())
        except DifferencesFound as error:
            return Listing(error.differences)

    def sql(self, revision: str = "head") -> str:
        """The SQL of an upgrade to ``revision``, or of a range ``from:to``."""
        return Script(_commands().upgrade(revision=revision, sql=True).sql)


def _commands() -> t.Any:
    return importlib.import_module("flask_schemaflow.commands")
