"""The mailbox over HTTP: a page, /messages.json[?to=address], /healthz."""

import html
import json
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from pettycash.lab.mailbox.store import Mailbox, Message
from pettycash.stack.ports import LOOPBACK

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem }
article { border: 1px solid #ccc; border-radius: 6px; margin: 1rem 0; padding: .5rem 1rem }
h2 { font-size: 1.1rem; margin: .3rem 0 } p { color: #555; margin: .2rem 0 }
pre { white-space: pre-wrap; overflow-wrap: anywhere }
"""

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; form-action 'self';"
    " frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}

OWN_NAMES = {LOOPBACK, "localhost", "[::1]"}
"""Host names it answers to: a page elsewhere that points its own name here gets nothing."""


def render(messages: list[Message], to: str) -> str:
    """The page. Nothing in a message is trusted."""
    shown = "".join(
        f"<article><h2>{html.escape(message.subject) or '(no subject)'}</h2>"
        f"<p>to {html.escape(', '.join(message.to))} · from {html.escape(message.sender)}"
        f" · <time>{html.escape(message.received_at)}</time></p>"
        f"<pre>{html.escape(message.text)}</pre></article>"
        for message in messages
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta http-equiv="refresh" content="5"><title>pettycash mailbox</title>'
        '<link rel="stylesheet" href="/style.css"></head><body><h1>Development mailbox</h1>'
        "<p>What pettycash sends by e-mail arrives here, one-time codes included."
        ' The same as JSON: <a href="/messages.json">/messages.json</a></p>'
        '<form><label>to <input name="to" type="email" value="'
        f'{html.escape(to, quote=True)}"></label> <button>show</button></form>'
        f"{shown or '<p>Nothing has arrived yet.</p>'}</body></html>"
    )


class MailboxServer(ThreadingHTTPServer):
    """Serves one mailbox."""

    daemon_threads = True

    def __init__(self, port: int, mailbox: Mailbox) -> None:
        super().__init__((LOOPBACK, port), _Handler)
        self.mailbox = mailbox


class _Handler(BaseHTTPRequestHandler):
    server: MailboxServer
    server_version = "pettycash-mailbox"
    sys_version = ""
    timeout = 10

    def do_GET(self) -> None:
        if self.headers.get("Host", "").rsplit(":", 1)[0] not in OWN_NAMES:
            self._answer(HTTPStatus.MISDIRECTED_REQUEST, "text/plain", "not here\n")
            return
        parts = urlsplit(self.path)
        to = parse_qs(parts.query).get("to", [""])[0]
        mailbox = self.server.mailbox
        if parts.path == "/":
            page = render(mailbox.messages(to, limit=50), to)
            self._answer(HTTPStatus.OK, "text/html", page)
        elif parts.path == "/messages.json":
            content = [message.as_dict() for message in mailbox.messages(to)]
            self._answer(HTTPStatus.OK, "application/json", json.dumps(content, indent=2))
        elif parts.path == "/style.css":
            self._answer(HTTPStatus.OK, "text/css", STYLE)
        elif parts.path == "/healthz":
            self._answer(HTTPStatus.OK, "text/plain", "ok\n")
        else:
            self._answer(HTTPStatus.NOT_FOUND, "text/plain", "there is no such page\n")

    def _answer(self, status: HTTPStatus, kind: str, text: str) -> None:
        body = text.encode("utf-8", errors="replace")
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        for name, value in HEADERS.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code: Any = "-", size: Any = "-") -> None:
        """Nothing: readiness probes and the page's own refresh would fill the log."""
