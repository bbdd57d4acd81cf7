"""The console by Flask's test client: forms are read from the page and sent as a browser would."""

from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Any

from werkzeug.test import TestResponse

from pettycash.web.admission import COOKIE
from tests.api.client import ADDRESS, ApiClient

SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}


class Forms(HTMLParser):
    """The POST forms of a page: action, fields and buttons."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.forms: list[dict[str, Any]] = []
        self._text: str | None = None
        self._select: str | None = None
        self._open = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a form, and what stands in it."""
        of = dict(attrs)
        if tag == "form":
            self._open = of.get("method") == "post"
            if self._open:
                self.forms.append({"action": of.get("action"), "fields": {}, "buttons": []})
        if not self._open:
            return
        form = self.forms[-1]
        name = of.get("name")
        if tag == "input" and name:
            is_box = of.get("type") == "checkbox"
            if not is_box or "checked" in of:
                form["fields"][name] = of.get("value") or ""
        elif tag == "textarea" and name:
            self._text = name
            form["fields"][name] = ""
        elif tag == "select" and name:
            self._select = name
            form["fields"][name] = ""
        elif tag == "option" and self._select and "selected" in of:
            form["fields"][self._select] = of.get("value") or ""
        elif tag == "button":
            form["buttons"].append(of)

    def handle_data(self, data: str) -> None:
        """What stands in a long text."""
        if self._text:
            self.forms[-1]["fields"][self._text] += data

    def handle_endtag(self, tag: str) -> None:
        """Leave what was open."""
        if tag == "form":
            self._open = False
        elif tag == "textarea":
            self._text = None
        elif tag == "select":
            self._select = None


class Visitor:
    """One persona at the console."""

    def __init__(self, api: ApiClient, token: str | None) -> None:
        self.client = api.client()
        if token:
            self.client.set_cookie(COOKIE, token, secure=True)

    def get(self, path: str, **headers: str) -> TestResponse:
        """Open a page."""
        return self.client.get(
            path,
            headers=SAME_ORIGIN | headers,
            base_url="https://localhost",
            environ_base={"REMOTE_ADDR": ADDRESS},
        )

    def post(self, path: str, fields: Mapping[str, Any], **headers: str) -> TestResponse:
        """Send a form as it is."""
        return self.client.post(
            path,
            data=fields,
            headers=SAME_ORIGIN | headers,
            base_url="https://localhost",
            environ_base={"REMOTE_ADDR": ADDRESS},
        )

    def form(self, path: str, action: str | None = None) -> dict[str, Any]:
        """The form of a page: the first, or the one that leads to `action`."""
        page = self.get(path)
        assert page.status_code == 200, page.text
        return form_of(page, action or path)

    def fill(self, path: str, action: str | None = None, **typed: str) -> TestResponse:
        """Fill in the form of a page and send it; `__` in a name is a dot."""
        form = self.form(path, action)
        fields = {name.replace("__", "."): value for name, value in typed.items()}
        return self.post(action or form["action"], form["fields"] | fields)


def form_of(page: TestResponse, action: str) -> dict[str, Any]:
    """The form of a page that leads somewhere, by itself or by one of its buttons."""
    for form in Forms(page.text).forms:
        if form["action"] == action or any(b.get("formaction") == action for b in form["buttons"]):
            return form
    raise AssertionError(f"no form leads to {action}:\n{page.text}")


class Visiting:
    """`visitor("staff")` is signed in; `visitor(None)` is nobody."""

    def __init__(self, api: ApiClient) -> None:
        self.api = api

    def __call__(self, username: str | None, **options: Any) -> Visitor:
        """A persona with a session of its own."""
        if username is None:
            return Visitor(self.api, None)
        return Visitor(self.api, self.api.sign_in(username, **options).token)
