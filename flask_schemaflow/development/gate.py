"""The answer to a request in debug mode while migrations are pending: a page, JSON, or none.

The page's button upgrades all databases, and its script asks what that will do. Both are for the developer at this
machine alone: a POST with the token of this process, from a browser on the same machine and origin, that came through
no proxy.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import ipaddress
import pathlib
import secrets
import typing as t

import jinja2
from flask import Flask
from werkzeug.utils import redirect
from werkzeug.wrappers import Request
from werkzeug.wrappers import Response

from ..errors import SchemaflowError
from ..records import Standing
from .pending import command
from .pending import fingerprint
from .pending import Pending
from .pending import phrases
from .pending import summary

if t.TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

UPGRADE = "/_schemaflow/upgrade"
CONTINUE = "/_schemaflow/continue"
EFFECTS = "/_schemaflow/effects"
_COOKIE = "schemaflow_continue"
_FORWARDING = ("X-Forwarded-For", "X-Forwarded-Host", "X-Real-Ip", "Forwarded", "Via")


class Gate:
    """Decides which requests of one application meet the page.

    :param app: the application.
    """

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.pending = Pending(app)
        self._token = secrets.token_urlsafe(32)
        self._warned = ""

    def answer_to(self, environ: WSGIEnvironment) -> Response | None:
        """Return the response instead of the application's; ``None`` if the request continues."""
        mode = self.pending.mode
        if mode == "off":
            return None
        request = Request(environ)
        if mode == "page" and request.path in (UPGRADE, CONTINUE, EFFECTS) and request.method == "POST":
            return self._post(request)
        if self._passes(request):
            return None
        standings = self.pending.standings()
        if mode == "warn":
            self._warn(standings)
        if not standings or mode == "warn" or self._is_continued(request, standings):
            return None
        if not _wants_html(request):
            return _json(self.app, standings)
        return self._page(request, standings)

    def _passes(self, request: Request) -> bool:
        """Return whether a request needs no database: a static file, or a browser's question about CORS."""
        static = self.app.static_url_path
        return request.method == "OPTIONS" or (
            self.app.has_static_folder and static is not None and request.path.startswith(f"{static.rstrip('/')}/")
        )

    def _warn(self, standings: tuple[Standing, ...]) -> None:
        now = fingerprint(standings)
        if now and now != self._warned:
            self.app.logger.warning("Pending migrations: %s. Run `%s`.", summary(standings), command(self.app))
        self._warned = now

    def _is_continued(self, request: Request, standings: tuple[Standing, ...]) -> bool:
        return hmac.compare_digest(request.cookies.get(_COOKIE, ""), digest(fingerprint(standings)))

    # -- the buttons -----------------------------------------------------------------------------

    def _post(self, request: Request) -> Response:
        if not _is_local(request):
            return plain("This button works on the machine of the development server only.", 403)
        if not _same_origin(request):
            return plain("This button works on its own page only.", 403)
        target = _path(request.form.get("next", ""))
        standings = self.pending.standings()
        is_known = hmac.compare_digest(request.form.get("token", "").encode(), self._token.encode())
        if request.path == EFFECTS:
            return _as_json(self.app, self.pending.effects() if is_known else {}, 200)
        if not is_known:
            notice = "The development server has restarted since this page was loaded. Nothing was changed."
            return self._page(request, standings, target=target, notice=notice, status=403)
        if request.path == CONTINUE:
            response = redirect(request.script_root + target, 303)
            response.set_cookie(_COOKIE, digest(fingerprint(standings)), httponly=True, samesite="Lax")
            return response
        return self._upgrade(request, target)

    def _upgrade(self, request: Request, target: str) -> Response:
        notices: list[str] = []
        try:
            report = self.pending.upgrade(lambda event: notices.append(event.text) if event.text else None)
        except SchemaflowError as error:
            return self._page(request, self.pending.standings(), target=target, error=error, status=500)
        for step in report.steps:
            self.app.logger.info("Applied %s %s on %s", step.revision, step.message, step.database)
        left = self.pending.standings()
        if left:
            return self._page(request, left, target=target, notice="\n".join(notices), status=500)
        return redirect(request.script_root + target, 303)

    def _page(
        self,
        request: Request,
        standings: tuple[Standing, ...],
        *,
        target: str = "",
        notice: str = "",
        error: SchemaflowError | None = None,
        status: int = 503,
    ) -> Response:
        """Return the page; a request that was no GET can't be repeated by a link.

        :param target: where to go after the upgrade; where the request wanted to go by default.
        """
        sends = not target and request.method not in ("GET", "HEAD")
        if not target:
            target = _path(_referring_path(request) if sends else request.full_path.rstrip("?"))
        return render(
            status,
            databases=[_database(record) for record in standings],
            command=command(self.app),
            has_button=_is_local(request),
            several_heads=max((record.heads for record in standings), key=len, default=()),
            root=request.script_root,
            upgrade=UPGRADE,
            proceed=CONTINUE,
            effects=EFFECTS,
            token=self._token,
            target=target,
            method=request.method if sends else "",
            notice=notice,
            error=error,
        )


def _database(standing: Standing) -> dict[str, t.Any]:
    revisions = [{"revision": item, "phrases": phrases(standing, item.path)} for item in standing.pending]
    return {"standing": standing, "revisions": revisions}


def _json(app: Flask, standings: tuple[Standing, ...]) -> Response:
    """Return what a client of an API can read: the same databases, and revisions, as ``status --json`` has."""
    value = {
        "error": "pending_migrations",
        "message": f"Migrations are pending: {summary(standings)}.",
        "command": command(app),
        "databases": [
            {"database": record.database, "pending": [item.as_dict() for item in record.pending]}
            for record in standings
        ],
    }
    return _as_json(app, value, 503)


def _as_json(app: Flask, value: t.Any, status: int) -> Response:
    response = Response(app.json.dumps(value, default=str), status, mimetype="application/json")
    response.headers["Cache-Control"] = "no-store"
    return response


def _wants_html(request: Request) -> bool:
    """Return whether a person looks at the answer: browsers name HTML when they load a page, programs don't."""
    accepted = request.accept_mimetypes
    named = any(value == "text/html" for value, _ in accepted)
    return named and accepted["text/html"] >= accepted["application/json"] and not request.is_json


def _is_local(request: Request) -> bool:
    """Return whether browser and server are on one machine, by an address that no other site can have.

    A name that is not this machine's could be another site's that resolves to it.
    """
    try:
        here = ipaddress.ip_address(request.remote_addr or "").is_loopback
    except ValueError:
        return False
    name = request.host.rpartition(":")[0] if not request.host.endswith("]") else request.host
    name = (name or request.host).strip("[]").lower()
    known = name == "localhost" or name.endswith(".localhost") or _is_loopback(name)
    return here and known and not any(header in request.headers for header in _FORWARDING)


def _is_loopback(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _same_origin(request: Request) -> bool:
    origin = request.headers.get("Origin")
    site = request.headers.get("Sec-Fetch-Site", "same-origin")
    return site == "same-origin" and origin in (None, request.host_url.rstrip("/"))


def _path(target: str) -> str:
    """Return a path on this server, whatever ``target`` is."""
    safe = target.startswith("/") and not target.startswith(("//", "/\\")) and target.isprintable()
    return target if safe else "/"


def _referring_path(request: Request) -> str:
    origin = request.host_url.rstrip("/") + request.script_root
    referrer = request.referrer or ""
    return referrer[len(origin) :] if referrer.startswith(f"{origin}/") else "/"


@functools.cache
def _template() -> jinja2.Template:
    loader = jinja2.FileSystemLoader(pathlib.Path(__file__).parent)
    environment = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.get_template("page.html")


def render(status: int, **values: t.Any) -> Response:
    """Return the page with this HTTP status.

    :param values: what the template ``page.html`` shows.
    """
    nonce = secrets.token_urlsafe(16)
    response = Response(_template().render(nonce=nonce, **values), status, mimetype="text/html")
    response.headers["Cache-Control"] = "no-store"
    response.headers["Content-Security-Policy"] = (
        f"default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; connect-src 'self'; "
        "base-uri 'none'; frame-ancestors 'self'"
    )
    return response


def plain(text: str, status: int) -> Response:
    """Return one sentence."""
    return Response(f"{text}\n", status, mimetype="text/plain")


def digest(text: str) -> str:
    """Return a short name for a text, fit for a cookie."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]
