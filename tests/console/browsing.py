"""The console in Chromium; a page that breaks a rule of the house fails the test.

After each test: no script error, no report against the content policy, no request to another host.
"""

import os
from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page

from pettycash.web.admission import COOKIE
from tests.api.client import ApiClient

OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

PHONE = {"width": 390, "height": 844}
DESK = {"width": 1280, "height": 900}
NARROW = {"width": 320, "height": 700}


class Browsing:
    """`browser("staff")` is a page of somebody who is signed in."""

    def __init__(self, browser: Browser, address: str, api: ApiClient) -> None:
        self.browser = browser
        self.address = address
        self.api = api
        self.wrong: list[str] = []
        self._contexts: list[BrowserContext] = []

    def __call__(
        self, username: str | None, *, size: dict[str, int] = DESK, scripts: bool = True
    ) -> Page:
        """A page in a context of its own."""
        context = self.browser.new_context(
            base_url=self.address, viewport=size, java_script_enabled=scripts, locale="en-GB"
        )
        context.set_default_timeout(10_000)
        self._contexts.append(context)
        if username is not None:
            token = self.api.sign_in(username).token
            # Chromium takes 127.0.0.1 for safe; the driver wants the word.
            address = self.address.replace("http:", "https:")
            context.add_cookies(
                [
                    {
                        "name": COOKIE,
                        "value": token or "",
                        "url": address,
                        "secure": True,
                        "httpOnly": True,
                        "sameSite": "Strict",
                    }
                ]
            )
        page = context.new_page()
        page.on("pageerror", lambda error: self.wrong.append(f"script: {error}"))
        page.on("console", self._heard)
        page.on("request", self._asked)
        return page

    def _heard(self, message: Any) -> None:
        # A refusal's status is told as an error too; a policy's report names the policy.
        if message.type == "error" and "status of 4" not in message.text:
            self.wrong.append(f"console: {message.text}")

    def _asked(self, request: Any) -> None:
        if not request.url.startswith((self.address, "data:")):
            self.wrong.append(f"foreign request: {request.url}")

    def close(self) -> None:
        """End all pages; say what went wrong on them."""
        for each in self._contexts:
            each.close()
        assert self.wrong == []


def look(page: Page, name: str, *, within: dict[str, int] | None = None) -> None:
    """Axe finds nothing on the page, and nothing of it stands beyond its side."""
    found = Axe().run(page, options={"resultTypes": ["violations"]})
    told = [
        f"{each['id']}: {each['help']} ({node['target']})"
        for each in found.response["violations"]
        for node in each["nodes"][:3]
    ]
    assert told == [], f"{name}: {told}"
    if within is not None:
        page.set_viewport_size(within)  # type: ignore[arg-type]
    wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    assert wide <= 0, f"{name} is {wide} px too wide"


def shot(page: Page, name: str) -> None:
    """A picture of the page into the folder SHOTS, where there is one."""
    if "SHOTS" in os.environ:
        page.screenshot(path=str(Path(os.environ["SHOTS"]) / f"{name}.png"), full_page=True)
