"""Live pages: parts that ask by themselves whether something has changed (console.md §4).

Polling, since two workers with eight threads each could not hold a stream per tab open. A part asks
with the version that it shows and is answered 204 where nothing is new. A tick keeps no session
alive; `console.js` decides when to ask.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import Response, make_response, render_template, request
from markupsafe import Markup

from pettycash.console.pages import ENTRANCES, Entrance, Pages
from pettycash.console.reading import AnyOperation, reaches, unit
from pettycash.services.foundation.uow import Uow
from pettycash.web.admission import current_actor, reads_are_logged


@dataclass(frozen=True, kw_only=True)
class Part:
    """A part of a live page; it stands there for whom its operation reaches."""

    name: str
    title: str
    operation: AnyOperation
    reads: Callable[[Uow], Mapping[str, Any]]
    template: str


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A part as it stands: what it says, and the version of that."""

    part: Part
    html: Markup
    version: str


def live(
    blp: Pages, path: str, door: AnyOperation, *, title: str, parts: Sequence[Part], template: str
) -> None:
    """A page of parts, each of which asks for itself."""
    here = f"/console{path}"
    ENTRANCES.append(Entrance(section=blp.section, title=title, path=here, operation=door.name))

    def view() -> Response:
        with unit() as uow:
            page = render_template(
                template,
                title=title,
                section=blp.section,
                here=here,
                parts=[_shown(uow, each) for each in parts if reaches(each.operation)],
                # What an auditor reads is logged, so no page of theirs asks by itself.
                asks=not reads_are_logged(current_actor()),
            )
        return make_response(page)

    blp.page(path, door)(view)
    for each in parts:
        blp.page(f"{path}{each.name}/", each.operation, is_tick=True)(_ticking(each))


def _ticking(part: Part) -> Callable[..., Response]:
    def tick() -> Response:
        with unit() as uow:
            shown = _shown(uow, part)
        if request.args.get("seen") == shown.version:
            return make_response("", 204)
        response = make_response(shown.html)
        response.headers["X-Version"] = shown.version
        return response

    tick.__name__ = f"tick_{part.name}"
    return tick


def _shown(uow: Uow, part: Part) -> Shown:
    facts = part.reads(uow)
    said = json.dumps(facts, sort_keys=True, default=str)
    return Shown(
        part=part,
        html=Markup(render_template(part.template, **facts)),  # noqa: S704, a template escapes
        version=hashlib.sha256(said.encode()).hexdigest()[:16],
    )
