"""Who is measured. Another peer takes a line in :data:`PEERS`."""

from __future__ import annotations

import dataclasses

__all__ = ["FLOOR", "Peer", "PEERS"]


@dataclasses.dataclass(frozen=True)
class Peer:
    """A tool that migrates a Flask application.

    :param register: the lines that register it, where ``app`` and ``db`` are known.
    :param folder: which peer's ``init`` makes the migrations folder; its own if empty.
    :param command: the words before a migration command.
    """

    name: str
    register: str
    folder: str = ""
    command: tuple[str, ...] = ("-m", "flask", "db")


PEERS = {
    peer.name: peer
    for peer in (
        Peer("flask-schemaflow", "from flask_schemaflow import Migrate\nMigrate(app, db)"),
        Peer("flask-migrate", "from flask_migrate import Migrate\nMigrate(app, db)"),
        Peer("old env.py", "from flask_schemaflow import Migrate\nMigrate(app, db)", folder="flask-migrate"),
    )
}

FLOOR = Peer("app alone", "pass")
"""The same application without any of them: what is above it is a peer's overhead."""
