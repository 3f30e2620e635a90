"""The ``SCHEMAFLOW_*`` settings of an application: one table, checked once, frozen.

Every setting is one field of :class:`Settings`, with its values and its meaning; the documentation's page of settings
is generated from them. Settings are read when a command needs them, not when
the extension is registered, because applications often fill ``app.config`` afterwards.
"""

from __future__ import annotations

import dataclasses
import os
import typing as t

from .errors import SchemaflowError
from .records import Record

PREFIX = "SCHEMAFLOW_"


@dataclasses.dataclass(frozen=True)
class Setting(Record):
    """One setting: how its value is read, its default, and its meaning for the reader."""

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
    word = str(value).strip().lower()
    if word not in ("1", "true", "yes", "on", "0", "false", "no", "off"):
        raise ValueError(value)
    return word in ("1", "true", "yes", "on")


def _oneof(*choices: str) -> _Values:
    def parse(value: t.Any) -> str:
        if value not in choices:
            raise ValueError(value)
        return str(value)

    return parse, "one of " + ", ".join(f'"{choice}"' for choice in choices)


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


def _source(value: t.Any) -> t.Any:
    if isinstance(value, str) and ":" not in value:
        raise ValueError(value)
    if value is not None and not callable(value):
        iter(value)
    return value


_Values = tuple[t.Callable[[t.Any], t.Any], str]
_FLAG: _Values = (_flag, "true or false")
_SECONDS: _Values = (_seconds, "a number of seconds, zero or more")
_COUNT: _Values = (_count, "a whole number, zero or more")


def _setting(default: t.Any, values: _Values, meaning: str) -> t.Any:
    return dataclasses.field(default=default, metadata={"setting": Setting(values[0], default, values[1], meaning)})


@dataclasses.dataclass(frozen=True)
class Settings(Record):
    """The settings of one application, checked. Read it as ``app.extensions["migrate"].settings``."""

    lock: str = _setting(
        "auto",
        _oneof("auto", "lease", "off"),
        "Lock that stops two processes from migrating a database at once: the database's own lock, a lease row "
        "(for Galera and proxies that break session locks), or none.",
    )
    lock_wait: float = _setting(600.0, _SECONDS, "Seconds to wait for another process's migration.")
    lock_timeout: float = _setting(
        4.0,
        _SECONDS,
        "Seconds that a statement waits for a table lock before it is cancelled and retried. 0 keeps the server's "
        "own limit.",
    )
    lock_retries: int = _setting(5, _COUNT, "Number of retries after a lock timeout. The pauses grow.")
    protected: bool = _setting(
        False,
        _FLAG,
        "Whether a downgrade that reverts several revisions, or drops rows, needs ``--yes`` (from Python: "
        "``yes=True``) in scripts, too. On a terminal the command always asks.",
    )
    record_applied: bool = _setting(
        True,
        _FLAG,
        "Record in the table ``schemaflow_revisions`` when and by whom each revision was applied, and a digest of its "
        "file. ``log`` and ``status`` show it.",
    )
    lease_seconds: float = _setting(10.0, _SECONDS, "Seconds after which an unrenewed lease row expires.")
    transaction: str = _setting(
        "run",
        _oneof("run", "revision"),
        "On SQLite, use one transaction per run or per revision.",
    )
    safe_batch: bool = _setting(True, _FLAG, "On SQLite, preserve in batch mode what Alembic's table rebuild loses.")
    journal: bool = _setting(
        True,
        _FLAG,
        "Resume interrupted revisions that the database can't roll back (MariaDB, MySQL, PostgreSQL's autocommit "
        "blocks).",
    )
    share_session: bool = _setting(True, _FLAG, "Let db.session in a revision use the migration's transaction.")
    ahead: str = _setting(
        "warn",
        _oneof("warn", "error"),
        "What upgrade and status --check do if no file has the current revision of a database, as after a rollback of "
        "a deployment: succeed with a notice, or fail.",
    )
    lint: str = _setting(
        "auto",
        _oneof("auto", "off", "warn", "stop"),
        "What ``upgrade`` does about pending revisions with findings of level error: ignore them, print them, or stop. "
        "``auto`` prints them on a terminal and asks, and ignores them elsewhere. With ``off``, ``migrate`` doesn't "
        "print the findings in the new revision, either.",
    )
    lint_after: str | None = _setting(
        None,
        (_text, "a revision id, or None"),
        "Last revision of an old history: ``lint`` ignores it and all revisions before it.",
    )
    lint_seconds: float = _setting(
        2.0, _SECONDS, "Seconds of work under a lock that ``lint`` accepts."
    )
    backfills: str = _setting(
        "refuse",
        _oneof("refuse", "run"),
        "What upgrade does before a revision that follows an unfinished backfill: refuse, or run the backfill first.",
    )
    backup: str = _setting(
        "never",
        _oneof("never", "destructive", "always"),
        "When to back up the database before upgrade and downgrade.",
    )
    backup_directory: str | None = _setting(
        None,
        (_path, "a path"),
        "Folder for backups. Default: backups/ in the instance folder. Relative paths start there.",
    )
    renames: str = _setting(
        "ask",
        _oneof("ask", "certain", "never"),
        "Treatment of possible renames: accept certain ones and ask about others, accept certain ones only, or "
        "drop and add as Alembic does.",
    )
    ignore_tables: tuple[str, ...] = _setting(
        (),
        (_names, 'a list of patterns such as "audit_*" or "gis.*"'),
        "Tables that migrate and check ignore.",
    )
    database_defaults: str = _setting(
        "note",
        _oneof("note", "error"),
        "What check does about a server default that only the database has: report it as a note, or fail. migrate "
        "leaves it if the model has a Python default, unless this is error.",
    )
    verify: str = _setting(
        "auto",
        _oneof("auto", "always", "never"),
        "When to test a new revision on a scratch copy, and lint it there. ``auto``: on SQLite, or if there is a "
        "``SCHEMAFLOW_VERIFY_DATABASE_URL``.",
    )
    verify_database_url: str | None = _setting(
        None,
        (_text, "a database URL"),
        "Empty database for these tests. By default one is created next to the application's.",
    )
    tenants: t.Any = _setting(
        None,
        (_source, 'a function, its name as "module:function", or a list of tenants'),
        "The tenants, or a function that yields them. ``Migrate(tenants=...)`` overrides it.",
    )
    tenant_template: str | None = _setting(
        None,
        (_text, "the name of a tenant"),
        "Tenant that ``create-tenant`` clones, with its rows. Without it, all revisions run.",
    )
    pending: str = _setting(
        "page",
        _oneof("page", "warn", "off"),
        "How pending migrations are reported in development: a page with a button in debug mode, a warning in the log, "
        "or not at all. ``flask run`` prints a line with the first two.",
    )
    logging: bool = _setting(True, _FLAG, "Apply the logging section of alembic.ini on the command line.")

    @classmethod
    def from_config(cls, config: t.Mapping[str, t.Any]) -> Settings:
        """Read and check every ``SCHEMAFLOW_*`` key.

        :param config: the application's configuration.
        :raises InvalidSetting: names the key, its value, and what is expected.
        """
        found = {key: value for key, value in config.items() if key.startswith(PREFIX)}
        return cls(**{_field(key): _parse(key, value) for key, value in found.items()})


SETTINGS: dict[str, Setting] = {field.name: field.metadata["setting"] for field in dataclasses.fields(Settings)}


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
        shown = f"of type {type(value).__name__}" if "URL" in key else repr(value)
        message = f"{key} must be {setting.expects}, not {shown}."
        raise _invalid(message, f"Fix app.config[{key!r}]; the default is {setting.default!r}.") from None


def _invalid(message: str, hint: str) -> SchemaflowError:
    from .errors.setup import InvalidSetting

    return InvalidSetting(message, hint=hint)
