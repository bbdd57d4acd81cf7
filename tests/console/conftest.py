"""Pages by test client, and in a real browser where there is one.

visitor    `visitor("staff")`: the console as a persona sees it, forms filled in as a person would
console    the same application over real HTTP
browser    `browser("staff")`: a page of Chromium, signed in; what a page must not do fails the test
"""

import shutil
import threading
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Playwright, sync_playwright
from werkzeug.serving import make_server

from tests.api.client import ApiClient
from tests.api.conftest import api, common, common_database
from tests.console.browsing import OPTIONS, Browsing
from tests.console.visiting import Visiting

__all__ = ["api", "common", "common_database"]


@pytest.fixture
def visitor(api: ApiClient) -> Visiting:
    """Personas at the console, without a browser."""
    return Visiting(api)


@pytest.fixture
def console(api: ApiClient) -> Iterator[str]:
    """The address of the application on a port of its own."""
    server = make_server("127.0.0.1", 0, api.application, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    """The driver of browsers."""
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="session")
def chromium(playwright: Playwright) -> Iterator[Browser]:
    """Chromium from PATH; CONTRIBUTING.md says how to have one."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("no Chromium on PATH: CONTRIBUTING.md, Pages")
    browser = playwright.chromium.launch(executable_path=path, args=OPTIONS)
    yield browser
    browser.close()


@pytest.fixture
def browser(chromium: Browser, console: str, api: ApiClient) -> Iterator[Browsing]:
    """Personas in a browser."""
    made = Browsing(chromium, console, api)
    yield made
    made.close()
