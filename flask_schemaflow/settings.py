"""The ``SCHEMAFLOW_*`` settings of an application: one table, checked once, frozen.

Every setting is one field of :class:`Settings` and one line of :data:`SETTINGS`, which says what
it takes and what it does; the page of settings in the documentation is made from that table.
They are read when a command needs them and not when the extension is registered, because
applications often fill ``app.config`` afterwards.
"""

from __future__ import annotations

import os
import typing as t

from .errors import SchemaflowError
from .record import Record

PREFIX = "SCHEMAFLOW_"


class Setting(Record):
    """One setting: how its value is read, its default, and what it does for the reader."""

    parse: t.Callable[[t.Any], t.Any]
    default: t.Any
    expects: str
    meaning: str


def _seconds(value: t.Any) -> float:
    if isinstance(value, bool) or float(value) < 0:
        raise ValueError(value)
    return float(value)


def _count(value: t.Any) -> int:
    if isinstance(value, bool) or int(value) != float(value) or int(value) < 0:
        raise ValueError(value)
    return int(value)


def _flag(value: t.Any) -> bool:
    if isinstance(value, bool):
        return value
    words = {
        "1": True,
        "true": True,
        "yes": True,
        "on": True,
        "0": False,
        "false": False,
        "no": False,
        "off": False,
    }
    return words[str(value).strip().lower()]


def _choice(*choices: str) -> t.Callable[[t.Any], str]:
    def parse(value: t.Any) -> str:
        if value not in choices:
            raise ValueError(value)
        return str(value)

    return parse


def _names(value: t.Any) -> tuple[str, ...]:
    names = value.replace(",", " ").split() if isinstance(value, str) else list(value)
    if not all(isinstance(name, str) for name in names):
        raise ValueError(value)
    return tuple(names)


def _path(value: t.Any) -> str | None:
    return None if value is None else os.fspath(value)


def _text(value: t.Any) -> str | None:
    if value is not None and not isinstance(value, str):
        raise ValueError(value)
    return value


def _oneof(*choices: str) -> dict[str, t.Any]:
    return {"parse": _choice(*choices), "expects": "one of " + ", ".join(f'"{c}"' for c in choices)}


_FLAG: dict[str, t.Any] = {"parse": _flag, "expects": "true or false"}
_SECONDS: dict[str, t.Any] = {"parse": _seconds, "expects": "a number of seconds, zero or more"}
_COUNT: dict[str, t.Any] = {"parse": _count, "expects": "a whole number, zero or more"}

SETTINGS: dict[str, Setting] = {
    "lock": Setting(
        **_oneof("auto", "lease", "off"),
        default="auto",
        meaning="How processes that migrate one database wait for each other: the database's own lock, "
        "a lease row (for Galera and proxies that break session locks), or not at all.",
    ),
    "lock_wait": Setting(
        **_SECONDS,
        default=600.0,
        meaning="How long a process waits for another one's migration before it gives up.",
    ),
    "lock_timeout": Setting(
        **_SECONDS,
        default=4.0,
        meaning="How long one statement may queue for a table's lock before it gives way to the application. "
        "0 leaves the server's own limit.",
    ),
    "lock_retries": Setting(
        **_COUNT, default=5, meaning="How often a run that gave way is tried again, with growing pauses."
    ),
    "lease_seconds": Setting(
        **_SECONDS,
        default=10.0,
        meaning="After how long without a sign of life a lease row's holder counts as dead.",
    ),
    "transaction": Setting(
        **_oneof("run", "revision"),
        default="run",
        meaning="On SQLite, whether all pending revisions are applied in one transaction or each in its own.",
    ),
    "safe_batch": Setting(
        **_FLAG,
        default=True,
        meaning="On SQLite, whether batch mode keeps what Alembic's own rebuild of a table loses.",
    ),
    "journal": Setting(
        **_FLAG,
        default=True,
        meaning="Whether an interrupted revision is resumed where the database can't roll it back (MariaDB, MySQL, "
        "PostgreSQL's autocommit blocks).",
    ),
    "share_session": Setting(
        **_FLAG,
        default=True,
        meaning="Whether db.session, used inside a revision, joins the migration's transaction.",
    ),
    "backup": Setting(
        **_oneof("never", "destructive", "always"),
        default="never",
        meaning="When upgrade and downgrade save the database first.",
    ),
    "backup_directory": Setting(
        parse=_path,
        expects="a path",
        default=None,
        meaning="Where backups go: by default backups/ in the instance folder, where relative paths start.",
    ),
    "renames": Setting(
        **_oneof("ask", "certain", "never"),
        default="ask",
        meaning="What migrate does about possible renames: accept the certain ones and ask about the rest, accept the "
        "certain ones only, or drop and add as Alembic does.",
    ),
    "ignore_tables": Setting(
        parse=_names,
        expects='a list of patterns such as "audit_*" or "gis.*"',
        default=(),
        meaning="Tables in the database that belong to somebody else: migrate and check leave them alone.",
    ),
    "verify": Setting(
        **_oneof("auto", "always", "never"),
        default="auto",
        meaning="Whether a new revision is proved on a scratch copy of the schema before it is kept: where that costs "
        "little, always, or never.",
    ),
    "verify_database_url": Setting(
        parse=_text,
        expects="a database URL",
        default=None,
        meaning="An empty database to prove new revisions on; by default one is made beside the application's.",
    ),
    "logging": Setting(
        **_FLAG, default=True, meaning="Whether the command line applies the logging section of alembic.ini."
    ),
}


class Settings(Record):
    """The settings of one application, checked. Read it as ``app.extensions["migrate"].settings``."""

    lock: str = "auto"
    lock_wait: float = 600.0
    lock_timeout: float = 4.0
    lock_retries: int = 5
    lease_seconds: float = 10.0
    transaction: str = "run"
    safe_batch: bool = True
    journal: bool = True
    share_session: bool = True
    backup: str = "never"
    backup_directory: str | None = None
    renames: str = "ask"
    ignore_tables: tuple[str, ...] = ()
    verify: str = "auto"
    verify_database_url: str | None = None
    logging: bool = True

    @classmethod
    def from_config(cls, config: t.Mapping[str, t.Any]) -> Settings:
        """Read and check every ``SCHEMAFLOW_*`` key.

        :param config: the application's configuration.
        :raises InvalidSetting: names the key, its value, and what is expected.
        """
        found = {key: value for key, value in config.items() if key.startswith(PREFIX)}
        return cls(**{_field(key): _parse(key, value) for key, value in found.items()})


def _field(key: str) -> str:
    name = key[len(PREFIX) :].lower()
    if name not in SETTINGS or key != key.upper():
        import difflib

        keys = [PREFIX + known.upper() for known in SETTINGS]
        near = difflib.get_close_matches(key.upper(), keys, n=1)
        hint = f"Did you mean {near[0]}?" if near else "The settings are: " + ", ".join(keys) + "."
        raise _invalid(f"{key} is not a setting of Flask-SchemaFlow.", hint)
    return name


def _parse(key: str, value: t.Any) -> t.Any:
    setting = SETTINGS[_field(key)]
    try:
        return setting.parse(value)
    except (ValueError, TypeError, KeyError, OverflowError):
        shown = "its value" if "URL" in key else repr(value)
        message = f"{key} must be {setting.expects}; {shown} is not."
        raise _invalid(message, f"Correct app.config[{key!r}]; the default is {setting.default!r}.") from None


def _invalid(message: str, hint: str) -> SchemaflowError:
    from .errors.setup import InvalidSetting

    return InvalidSetting(message, hint=hint)
