"""The command group with all of its commands."""

from __future__ import annotations

from .group import db

__all__ = ["COMMANDS", "db"]

COMMANDS: dict[str, dict[str, str]] = {
    "repository": {
        "list-templates": "List available templates.",
        "init": "Create a new migration repository.",
        "edit": "Edit a revision file.",
    },
    "writing": {
        "revision": "Create a new revision file.",
        "migrate": "Autogenerate a new revision file (Alias for 'revision --autogenerate').",
        "merge": "Merge two revisions together, creating a new revision file.",
    },
    "running": {
        "upgrade": "Upgrade to a later version.",
        "downgrade": "Revert to a previous version.",
        "stamp": "'stamp' the revision table with the given revision; don't run any migrations.",
        "ensure-version": "Create the version table if it is not there.",
    },
    "reading": {
        "heads": "Show current available heads in the script directory.",
        "branches": "Show current branch points.",
        "show": "Show the revision denoted by the given symbol.",
        "history": "List changeset scripts in chronological order.",
        "current": "Display the current revision for each database.",
        "status": "Show where each database stands: applied, pending, unknown to the folder.",
        "check": "Check if there are any new operations to migrate.",
    },
    "examining": {
        "doctor": "Look at application, folder and databases, and say what to do.",
    },
}
"""The commands of each module, with the first line of their help, so that a list of them imports none."""

for _module, _commands in COMMANDS.items():
    for _name, _help in _commands.items():
        db.add_unmade(_name, _module, _help)
