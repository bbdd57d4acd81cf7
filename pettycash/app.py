"""The composition root of the API: `create_app()`."""

import importlib
import pkgutil
import re
import uuid
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any

from flask import Flask, Response
from werkzeug.middleware.proxy_fix import ProxyFix

from pettycash import api, composition
from pettycash.api import docs, metrics, openapi
from pettycash.api.blueprints import Blueprint, KeyConverter
from pettycash.console import install as console
from pettycash.runtime import config, db, process
from pettycash.runtime.settings import Settings
from pettycash.web import admission, door, etags, limits, problems

API_DESCRIPTION = """\
Petty cash, from a requisition to a reconciled payment.

Amounts are strings such as `"1500.00"`. Instants are UTC; `from` and `to` are days in the company's
time zone. Errors are `application/problem+json`; branch on their `code` (docs/errors.md). Lists
give `items` and `next_cursor`. A trailing slash is optional. All conventions: docs/api.md.
"""

SECURITY_HEADERS = {
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""On every answer (security.md row 12); a view that needs another policy sets its own first."""

ABOUT = "pettycash.about"
"""Under this key of a request's WSGI environment stands what its line of the access log adds."""

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")

WsgiApp = Callable[[dict[str, Any], Any], Iterable[bytes]]


def create_app(settings: Settings | None = None) -> Flask:
    """Compose the process and build its API; reads the environment where no settings are given."""
    settings = settings or config.read()
    composition.compose(settings)
    application = Flask("pettycash", static_folder=None, template_folder=None)
    application.config.update(
        API_TITLE="pettycash",
        API_VERSION="v1",
        OPENAPI_VERSION="3.1.0",
        API_SPEC_OPTIONS={
            "info": {"description": API_DESCRIPTION},
            "servers": [{"url": "/"}],
            "components": {
                "securitySchemes": {
                    "token": {
                        "type": "http",
                        "scheme": "bearer",
                        "description": "The access token of a session, or an API key.",
                    }
                }
            },
            "security": [{"token": []}],
        },
        MAX_CONTENT_LENGTH=door.BODY_MAX_BYTES,
        MAX_FORM_MEMORY_SIZE=door.BODY_MAX_BYTES,
        MAX_FORM_PARTS=50,
        JSON_SORT_KEYS=False,
        PROPAGATE_EXCEPTIONS=False,
    )
    application.json.sort_keys = False  # type: ignore[attr-defined] # of Flask's default provider
    # A slash at the end is a matter of taste, and a redirect would lose a POST's body.
    application.url_map.strict_slashes = False
    application.url_map.merge_slashes = False
    problems.register(application)
    application.before_request(admission.admit)
    limits.install(application, settings)
    metrics.install(application)
    application.url_map.converters["key"] = KeyConverter
    rest = openapi.Api(application)
    rest.register_converter(KeyConverter, KeyConverter.schema)
    for blueprint in blueprints(api):
        rest.register_blueprint(blueprint)
    docs.install(application, rest)
    console.install(application)
    _check_routes(application)
    application.after_request(etags.apply)
    application.after_request(_secure)
    if settings.trusted_proxies:
        count = settings.trusted_proxies
        application.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            application.wsgi_app, x_for=count, x_proto=count, x_host=count
        )
    application.wsgi_app = _within_scope(application.wsgi_app)  # type: ignore[assignment, method-assign]
    return application


def blueprints(package: ModuleType) -> Iterable[Blueprint]:
    """The blueprints of every module in the API room, packages included, by the module's name."""
    for found in sorted(
        pkgutil.walk_packages(package.__path__, f"{package.__name__}."), key=lambda each: each.name
    ):
        for each in vars(importlib.import_module(found.name)).values():
            if isinstance(each, Blueprint) and each.import_name == found.name:
                yield each


def _check_routes(application: Flask) -> None:
    """No route without a row in the permission table: a forgotten decorator stops the start."""
    for rule in application.url_map.iter_rules():
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            if admission.operation_of(application, rule.endpoint, method) is None:
                raise RuntimeError(f"{method} {rule.rule} stands under no @operation")


def _within_scope(inner: WsgiApp) -> WsgiApp:
    """Begin every request with a scope of its own: threads are used again, scopes never."""

    def wsgi_app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        given = environ.get("HTTP_X_REQUEST_ID", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        with db.scope(company_id=None, actor_id=None, request_id=request_id, source="api"):
            try:
                return inner(environ, start_response)
            finally:
                environ[ABOUT] = process.context() | environ.get(problems.ABOUT, {})

    return wsgi_app


def _secure(response: Response) -> Response:
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers["X-Request-Id"] = db.current_scope().request_id
    return response
