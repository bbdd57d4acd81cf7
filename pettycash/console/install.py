"""The console in the application: its pages, its policy of content, its refusals."""

import importlib
import pkgutil
from collections.abc import Iterable
from typing import Any

from flask import Blueprint, Flask, Response, g
from jinja2 import PackageLoader
from markupsafe import Markup

from pettycash import console
from pettycash.console import assets, pages, session, words
from pettycash.console.guard import guard
from pettycash.console.places import place
from pettycash.console.reading import reaches
from pettycash.runtime import settings
from pettycash.runtime.errors import NotFound


def install(application: Flask) -> None:
    """Serve the console under /console/."""
    words.install(application)
    application.jinja_env.trim_blocks = application.jinja_env.lstrip_blocks = True
    application.jinja_env.globals |= {
        "asset": assets.address,
        "navigation": pages.navigation,
        "form_token": session.form_token,
        "icon": icon,
        "reaches": reaches,
        "place": place,
        "signed_in": _is_signed_in,
        "personas": list,
        "idle_seconds": lambda: settings.current().session_idle_minutes * 60,
    }
    for name, entry in session.ENTRIES.items():
        view: Any = getattr(session, name)
        view.operation = entry
    for blueprint in (assets.blp, session.blp, *_domains(), _rest()):
        application.register_blueprint(blueprint)
    # Nothing else in the application renders templates.
    application.jinja_env.loader = PackageLoader("pettycash.console")


def _is_signed_in() -> bool:
    """Whether there is more to see than what an enrolment needs."""
    return g.get("actor") is not None and str(g.get("session_purpose")) == "full"


def _domains() -> Iterable[Blueprint]:
    for found in sorted(pkgutil.iter_modules(console.__path__), key=lambda each: each.name):
        module = importlib.import_module(f"{console.__name__}.{found.name}")
        for each in vars(module).values():
            if isinstance(each, pages.Pages) and each.import_name == module.__name__:
                yield each


def _rest() -> Blueprint:
    """Whatever else is asked for under /console/ is not found in the console's words."""
    blp = guard(Blueprint("console_rest", __name__, url_prefix="/console"))

    def not_found(rest: str) -> Response:
        del rest
        raise NotFound

    not_found.operation = session.entry("auth.me")  # type: ignore[attr-defined]
    blp.add_url_rule("/<path:rest>", "not_found", not_found, methods=["GET"])
    return blp


def icon(name: str) -> Markup:
    """An icon of the sprite; it says nothing that no word says."""
    return Markup('<svg class="icon" aria-hidden="true"><use href="{}#{}"></use></svg>').format(
        assets.address("vendor/icons.svg"), name
    )
