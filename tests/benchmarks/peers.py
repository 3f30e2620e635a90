"""Who is measured. Another peer takes a line in :data:`PEERS`."""

from __future__ import annotations

import dataclasses
import sys
import typing as t

__all__ = ["FLOOR", "Peer", "PEERS"]


@dataclasses.dataclass(frozen=True)
class Peer:
    """A tool that migrates a Flask application.

    :param register: the lines that register it, where ``app`` and ``db`` are known.
    :param folder: which peer's ``init`` makes the migrations folder; its own if empty.
    :param command: the words before a migration command.
    :param instead: what it is asked where it lacks a command.
    """

    name: str
    register: str
    folder: str = ""
    command: tuple[str, ...] = ("-m", "flask", "db")
    instead: t.Mapping[str, str] = dataclasses.field(default_factory=dict)

    def words(self, *words: str) -> list[str]:
        """Return the command line for a migration command."""
        return [sys.executable, *self.command, *(self.instead.get(word, word) for word in words)]


PEERS = {
    peer.name: peer
    for peer in (
        Peer("flask-schemaflow", "from flask_schemaflow import Migrate\nMigrate(app, db)"),
        Peer("flask-migrate", "from flask_migrate import Migrate\nMigrate(app, db)", instead={"status": "current"}),
        Peer("old env.py", "from flask_schemaflow import Migrate\nMigrate(app, db)", folder="flask-migrate"),
    )
}

FLOOR = Peer("app alone", "pass")
"""The same application without any of them: what is above it is a peer's overhead."""
