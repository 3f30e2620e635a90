"""The name ``schemaflow`` in ``flask shell``, which answers questions about the databases."""

from __future__ import annotations

import typing as t

from ._lazy import resolve
from .extension import State
from .records import Current
from .records import Difference
from .records import Revision
from .records import Standing


class Listing(list[t.Any]):
    """A list of records that prints each on its own line."""

    def __repr__(self) -> str:
        return "\n".join(str(item) for item in self) or "(nothing)"


class Script(str):
    """SQL that prints as it reads."""

    def __repr__(self) -> str:
        return str(self)


class Inspector:
    """Shows the migrations of the current application, without changing anything.

    :param state: the application's registration.
    """

    def __init__(self, state: State) -> None:
        self._state = state

    def __repr__(self) -> str:
        return "schemaflow: status() current() heads() history() pending() diff() sql('head')"

    def status(self) -> list[Standing]:
        """Return the status of each database."""
        return Listing(_commands().status())

    def current(self) -> list[Current]:
        """Return the current revisions of each database."""
        return Listing(_commands().current())

    def heads(self) -> list[Revision]:
        """Return the heads."""
        return Listing(_commands().heads())

    def history(self) -> list[Revision]:
        """Return all revisions, newest first."""
        return Listing(_commands().history())

    def pending(self) -> list[Revision]:
        """Return the revisions that an upgrade would apply, in order."""
        return Listing(_commands().pending())

    def diff(self) -> list[Difference]:
        """Return the differences that ``migrate`` would write operations for."""
        from .errors.revisions import DifferencesFound

        try:
            return Listing(_commands().check())
        except DifferencesFound as error:
            return Listing(error.differences)

    def sql(self, revision: str = "head") -> str:
        """Return the SQL of an upgrade to ``revision``, or of a range ``from:to``."""
        return Script(_commands().upgrade(revision=revision, sql=True).sql)


def _commands() -> t.Any:
    return resolve("flask_schemaflow.commands")
