"""Options of alembic.ini whose values Alembic can't use; it fails on the value and names neither option nor file."""

from __future__ import annotations

import traceback
import typing as t

from ...errors.folder import ConfigurationBroken
from .places import words_of

if t.TYPE_CHECKING:
    from . import Failure


def unusable_option(error: BaseException, failure: Failure) -> ConfigurationBroken | None:
    """The error that fits if Alembic failed while it read its options."""
    frames = traceback.extract_tb(error.__traceback__)
    if failure.environment is None or not any(frame.name in _READERS for frame in frames):
        return None
    config = failure.environment.config
    names = config.file_config.options(config.config_ini_section)
    options = {name: config.get_main_option(name) or "" for name in names}
    named = [name for name, value in options.items() if value and repr(value) in str(error)]
    named += [name for name in ("file_template", "output_encoding") if name in options and _is_about(name, error)]
    what = f"The option {named[0]} = {options[named[0]]}" if named else "An option"
    return ConfigurationBroken(
        f"{what} in {failure.folder / 'alembic.ini'} can't be used: {words_of(error)}.",
        hint="Correct it, or take it out: Alembic's documentation says what it takes.",
    )


# What reads options in Alembic: when the folder is opened, and when a new file is named and written.
_READERS = ("from_config", "_rev_path", "template_to_file")


def _is_about(name: str, error: BaseException) -> bool:
    readers = {frame.name for frame in traceback.extract_tb(error.__traceback__)}
    return {"file_template": "_rev_path", "output_encoding": "template_to_file"}[name] in readers
