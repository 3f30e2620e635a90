"""The work on one tenant: a function that any executor can run, in this process or on another machine."""

from __future__ import annotations

import functools
import os
import socket
import time
import typing as t

from flask import Flask
from flask.cli import ScriptInfo

from ..errors import SchemaflowError
from ..errors.running import DowngradeUnconfirmed
from ..records import Event
from ..targets import Tenant
from .records import Action
from .records import TenantResult

if t.TYPE_CHECKING:
    from ..records import Report

AppSource = Flask | str | t.Callable[[], Flask]
"""An application, or how another process gets it: ``module:factory`` as in ``FLASK_APP``, or an importable function."""


def migrate_tenant(app: AppSource, tenant: Tenant, action: Action | None = None) -> TenantResult:
    """Run a command for one tenant; by default an upgrade to the head.

    The function and its result can be pickled. Failures are in the result and are not raised.

    :param app: the application, or for another process ``module:factory`` or an importable function that returns it.
    """
    started = time.perf_counter()
    notices: list[str] = []

    def notify(event: Event) -> None:
        if event.kind == "notice":
            notices.append(event.text)

    try:
        result = _run(_application(app), tenant, action or Action(), notify)
    except KeyboardInterrupt as error:
        result = TenantResult(tenant.name, "interrupted", message=str(error).strip() or "A signal ended it.")
    except Exception as error:
        result = failed(tenant, error)
    hide = _masker(tenant)
    return result.changed(
        message=hide(result.message),
        details=hide(result.details),
        hint=hide(result.hint),
        notices=tuple(hide(notice) for notice in notices),
        seconds=time.perf_counter() - started,
        worker=f"{socket.gethostname()}:{os.getpid()}",
    )


def _run(app: Flask, tenant: Tenant, action: Action, notify: t.Callable[[Event], None]) -> TenantResult:
    from ..runtime.tenancy import working_on

    with app.app_context():
        try:
            if action.create:
                from .lifecycle import create_missing

                create_missing(tenant)
            with working_on(tenant, action.is_behind, action.fleet, action.keeps_connection):
                report = _COMMANDS[action.command](action, notify)
        except Exception as error:
            from ..runtime.errors.application import unforeseen

            if not isinstance(error, SchemaflowError):
                error = unforeseen(error)
            raise _missing_instead(tenant, error) or error from error
    revisions = report.revisions if report is not None else ()
    return TenantResult(tenant.name, "changed" if revisions else "unchanged", revisions)


def _upgrade(action: Action, notify: t.Callable[[Event], None]) -> Report:
    from ..commands.database import upgrade

    return upgrade(action.directory, action.revision, tag=action.tag, x_arg=action.x_arg, notify=notify)


def _downgrade(action: Action, notify: t.Callable[[Event], None]) -> Report:
    from ..commands.database import downgrade

    return downgrade(
        action.directory, action.revision, tag=action.tag, x_arg=action.x_arg, notify=notify, yes=action.yes
    )


def _stamp(action: Action, notify: t.Callable[[Event], None]) -> Report:
    from ..commands.database import stamp

    revisions = tuple(action.revision.split()) or ("head",)
    return stamp(
        action.directory, revisions, tag=action.tag, x_arg=action.x_arg, notify=notify, purge=action.purge
    )


def _check(action: Action, notify: t.Callable[[Event], None]) -> None:
    from ..commands.alembic_answers import check

    check(action.directory, x_arg=action.x_arg, notify=notify)


_COMMANDS: dict[str, t.Callable[[Action, t.Callable[[Event], None]], Report | None]] = {
    "upgrade": _upgrade,
    "downgrade": _downgrade,
    "stamp": _stamp,
    "check": _check,
}


def _missing_instead(tenant: Tenant, error: SchemaflowError) -> SchemaflowError | None:
    """Return the error for a schema that isn't there, which is the cause then of whatever failed."""
    if tenant.schema is None or isinstance(error, DowngradeUnconfirmed):
        return None
    from ..runtime.tenancy import is_missing
    from ..runtime.tenancy import missing

    return missing(tenant) if is_missing(tenant) else None


def failed(tenant: Tenant, error: Exception) -> TenantResult:
    """Return the result of a tenant for which something was raised."""
    if not isinstance(error, SchemaflowError):  # the application itself can't be loaded
        from ..runtime.errors.application import application_error
        from ..runtime.errors.application import is_loading
        from ..runtime.errors.application import unforeseen

        error = application_error(error) if is_loading(error) else unforeseen(error)
    return TenantResult(
        tenant.name, "failed", code=error.code, message=error.message, details=error.details, hint=error.hint
    )


def _masker(tenant: Tenant) -> t.Callable[[str], str]:
    from ..redaction import masker

    return masker([tenant.url] if tenant.url else [])


def _application(source: AppSource) -> Flask:
    return source if isinstance(source, Flask) else _loaded(source)


@functools.lru_cache(maxsize=4)
def _loaded(source: str | t.Callable[[], Flask]) -> Flask:
    """Load the application once a process; a worker does many tenants."""
    if isinstance(source, str):
        return ScriptInfo(app_import_path=source or None, set_debug_flag=False).load_app()
    return source()
