"""The application: its settings, and the models that migrations are written for."""

from __future__ import annotations

import typing as t

from flask import current_app

from ..records import Finding
from .subject import Subject


def settings(subject: Subject) -> t.Iterator[Finding]:
    """The registration and the ``SCHEMAFLOW_*`` settings.

    :raises InvalidSetting: when one of them is unknown or means nothing.
    """
    assert subject.state.settings is not None
    names = ", ".join(target.name for target in subject.targets)
    number = len(subject.targets)
    yield Finding(
        "note",
        "SF802",
        f"The application {current_app.name!r} has {number} database{'s' * (number != 1)}: {names}.",
    )


def models(subject: Subject) -> t.Iterator[Finding]:
    """Models that nobody imported look like tables that are to be dropped."""
    if subject.targets and not any(m.tables for target in subject.targets for m in target.metadatas):
        yield Finding(
            "warning",
            "SF803",
            "The application has no models: the metadata of every database is empty.",
            hint="Import the modules with the models where the application is made, before its first command. Where "
            "the models have a metadata of their own: Migrate(app, db, metadata=Base.metadata).",
        )
