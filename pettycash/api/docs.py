"""The API's own documentation: OpenAPI at /api/openapi.json, Swagger UI at /docs/.

Everything is served from here, nothing is asked of other hosts. The files under `static/` are
vendored from the npm package named in `static/VERSIONS`; `static/SHA256SUMS` lists their digests.
"""

import base64
import hashlib
import html
import json
from functools import lru_cache
from pathlib import Path

from flask import Blueprint, Flask, Response, abort, request

from pettycash.api.openapi import Api
from pettycash.runtime import settings
from pettycash.web.admission import operation

STATIC = Path(__file__).parent / "static"

MEDIA_TYPES = {
    "docs.css": "text/css; charset=utf-8",
    "docs.js": "text/javascript; charset=utf-8",
    "swagger-ui/swagger-ui.css": "text/css; charset=utf-8",
    "swagger-ui/swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "swagger-ui/favicon-32x32.png": "image/png",
}
"""All that is served; other files beside them are not."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>pettycash API</title>
<link rel="icon" type="image/png" href="/docs/assets/swagger-ui/favicon-32x32.png">
{styles}
{scripts}
</head>
<body>
{mailbox}<div id="swagger-ui"></div>
</body>
</html>
"""


@lru_cache(maxsize=len(MEDIA_TYPES))
def integrity(name: str) -> str:
    """The subresource-integrity value of a file that we serve."""
    digest = hashlib.sha384((STATIC / name).read_bytes()).digest()
    return "sha384-" + base64.b64encode(digest).decode("ascii")


def page(mailbox_url: str) -> str:
    """The page round Swagger UI; in development it leads to the mailbox where codes arrive."""
    styles = "\n".join(
        f'<link rel="stylesheet" href="/docs/assets/{name}" integrity="{integrity(name)}">'
        for name in ("swagger-ui/swagger-ui.css", "docs.css")
    )
    scripts = "\n".join(
        f'<script src="/docs/assets/{name}" integrity="{integrity(name)}" defer></script>'
        for name in ("swagger-ui/swagger-ui-bundle.js", "docs.js")
    )
    mailbox = ""
    if mailbox_url.startswith(("http://", "https://")):
        mailbox = (
            '<p class="pettycash-mailbox">Codes arrive in the'
            f' <a href="{html.escape(mailbox_url)}">development mailbox</a>.</p>\n'
        )
    return PAGE.format(styles=styles, scripts=scripts, mailbox=mailbox)


def install(application: Flask, rest: Api) -> None:
    """Add the routes; after all blueprints are registered, since the document is made once."""
    blueprint = Blueprint("docs", __name__)
    document = json.dumps(rest.spec.to_dict(), ensure_ascii=False).encode()
    tag = hashlib.sha256(document).hexdigest()[:32]

    @blueprint.get("/api/openapi.json")
    @operation("docs.openapi")
    def openapi() -> Response:
        answer = Response(document, content_type="application/json")
        answer.headers["Cache-Control"] = "no-cache"
        answer.set_etag(tag)
        return answer.make_conditional(request)  # type: ignore[return-value] # it returns itself

    @blueprint.get("/docs/")
    @operation("docs.ui")
    def swagger_ui() -> Response:
        answer = Response(page(settings.current().mailbox_url), content_type="text/html")
        answer.headers["Content-Security-Policy"] = POLICY
        return answer

    @blueprint.get("/docs/assets/<path:name>")
    @operation("docs.ui")
    def asset(name: str) -> Response:
        if name not in MEDIA_TYPES:
            abort(404)
        answer = Response((STATIC / name).read_bytes(), content_type=MEDIA_TYPES[name])
        answer.headers["Cache-Control"] = "public, max-age=3600"
        return answer

    application.register_blueprint(blueprint)
