"""Lists, details and acts: a domain declares its pages, this renders and runs them.

    blp = Pages("requisitions", __name__, section="Requests")

    REQUISITIONS = blp.list(
        "/requisitions/",
        requisitions.list_all,
        title="Requisitions",
        columns=(link("number", PATH), money("amount"), badge("status")),
    )
    blp.detail("/requisitions/<key:requisition_id>/", requisitions.get, acts=(RECALL, CANCEL), …)

A page shows what its operation answers, by the schema of the API; an act is a form whose fields are
the operation's, and a button that runs it once for its hidden key. Nothing here asks for a role or
a state: the permission table and the offers say what is there.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import flask
import marshmallow as ma
from flask import Response, g, make_response, render_template, request
from werkzeug.datastructures import MultiDict

from pettycash.console import forms, session
from pettycash.console.acts import Act, Runner, filled, form_for, hidden_fields
from pettycash.console.columns import Column, Table
from pettycash.console.forms import Field, Form
from pettycash.console.guard import guard
from pettycash.console.reading import AnyOperation, Shown, id_of, reaches, read, taking, unit
from pettycash.runtime import clock, errors
from pettycash.services.foundation.uow import Uow
from pettycash.web import transfers
from pettycash.web.door import BODY_MAX_BYTES, MULTIPART_OVERHEAD_BYTES, UPLOAD_MAX_BYTES

LAST_DAYS = 90
"""A list begins so many days back, unless somebody takes that away."""

SECTIONS = (
    "Requests",
    "Approvals",
    "Payments",
    "Funds",
    "Books",
    "Reconciliation",
    "Reports",
    "Operations",
    "Administration",
)


@dataclass(frozen=True, kw_only=True)
class Entrance:
    """A page in the navigation."""

    section: str
    title: str
    path: str
    operation: str


ENTRANCES: list[Entrance] = []


def navigation() -> list[tuple[str, list[Entrance]]]:
    """The sections that this person's roles reach, each with its pages."""
    found = []
    for section in SECTIONS:
        pages = [e for e in ENTRANCES if e.section == section and reaches(e.operation)]
        if pages:
            found.append((section, pages))
    return found


View = Callable[..., Response]


class Pages(flask.Blueprint):
    """The pages of one domain."""

    def __init__(self, name: str, import_name: str, *, section: str) -> None:
        super().__init__(f"console_{name}", import_name, url_prefix="/console")
        guard(self)
        self.section = section

    def page(
        self,
        path: str,
        operation: AnyOperation | str,
        *,
        post: bool = False,
        subject: AnyOperation | None = None,
        **facts: Any,
    ) -> Callable[[View], View]:
        """Put a view at a path, behind the door of an operation.

        `subject` is the operation that reads the thing which the path names.
        """
        name = operation if isinstance(operation, str) else operation.name
        place = "form" if post else "query"

        def decorator(view: View) -> View:
            view.operation = session.entry(name, place=place, **facts)  # type: ignore[attr-defined]
            view.subject = subject.name if subject else None  # type: ignore[attr-defined]
            method = "POST" if post else "GET"
            endpoint = f"{method.lower()}_{path.strip('/').replace('/', '_') or 'home'}"
            endpoint = "".join(c if c.isalnum() or c == "_" else "_" for c in endpoint)
            self.add_url_rule(path, endpoint, view, methods=[method])
            return view

        return decorator

    def enter(self, path: str, operation: AnyOperation, *, title: str) -> None:
        """Put a page into the navigation of whoever reaches its operation."""
        ENTRANCES.append(
            Entrance(
                section=self.section, title=title, path=f"/console{path}", operation=operation.name
            )
        )

    def list(
        self,
        path: str,
        operation: AnyOperation,
        *,
        title: str,
        columns: Sequence[Column],
        empty: str,
        filters: Sequence[Field] = (),
        views: Mapping[str, Mapping[str, Any]] | None = None,
        new: str = "",
        new_operation: AnyOperation | None = None,
        within: Callable[..., Mapping[str, Any]] | None = None,
        in_navigation: bool = True,
        template: str = "list.html",
    ) -> None:
        """A list: filters in its address, fifty rows, built-in views, an empty state."""
        if in_navigation:
            self.enter(path, operation, title=title)
        schema = taking(operation)
        by_days = {"from", "to"} <= set(schema.fields)

        named = {_slug(name): query for name, query in (views or {}).items()}

        def view(**place: Any) -> Response:
            if request.args.get("view") in named:  # as links in mails say it
                return session.see(f"{request.path}?{urlencode(named[request.args['view']])}")
            with unit() as uow:
                asked = MultiDict(
                    (name, value)
                    for name, value in request.args.items(multi=True)
                    if value != "" and name not in ("cursor", "done")
                )
                if by_days and not {"from", "q"} & set(request.args):
                    today = clock.business_date(g.now, str(g.zone))
                    asked["from"] = (today - clock.ONE_DAY * LAST_DAYS).isoformat()
                form = Form(schema=schema, fields=filters, uow=uow, zone=g.zone)
                status = 200
                try:
                    arguments = form.read(asked)
                    _refuse_unknown(asked, filters)
                except ma.ValidationError as error:
                    form.errors = forms.messages(error)
                    arguments, status = schema.load({}), 422
                arguments.pop("format", None)
                arguments["cursor"] = request.args.get("cursor") or None
                shown = read(uow, operation, **arguments, **(within(**place) if within else {}))
                page = render_template(
                    template,
                    title=title,
                    section=self.section,
                    columns=columns,
                    items=shown["items"],
                    people=shown.get("people", {}),
                    form=form,
                    asked=asked,
                    chips=_chips(form, asked),
                    views=_views(views or {}),
                    empty=empty,
                    new=new if new and (new_operation is None or reaches(new_operation)) else "",
                    following=_following(shown.get("next_cursor")),
                    is_first="cursor" not in request.args,
                )
            return make_response(page, status)

        view.__name__ = f"list_{operation.name.replace('.', '_')}"
        self.page(path, operation)(view)

    def detail(
        self,
        path: str,
        operation: AnyOperation,
        *,
        title: Callable[[Shown], str],
        facts: Sequence[Column] = (),
        tables: Sequence[Table] = (),
        acts: Sequence[Act] = (),
        made_by: Act | None = None,
        offers: AnyOperation | None = None,
        more: Callable[[Uow, Shown], Mapping[str, Any]] | None = None,
        amount: str = "amount",
        template: str = "detail.html",
    ) -> None:
        """A thing: its facts, what belongs to it, what one may do with it, its story."""
        argument = path.rpartition("<")[2].partition(">")[0].rpartition(":")[2]
        place = f"/console{path}"

        def view(**key: Any) -> Response:
            with unit() as uow:
                shown = read(uow, operation, **key)
                offered = _offered(uow, offers, argument, shown, acts)
                inline = [each for each, said in offered if each.inline and not said]
                told = more(uow, shown) if more else {}
                shown = told.get("shown", shown)
                page = render_template(
                    template,
                    title=title(shown),
                    section=self.section,
                    amount=amount,
                    shown=shown,
                    people=shown.get("people", {}),
                    facts=facts,
                    tables=tables,
                    here=filled(place, key),
                    buttons=[each for each, said in offered if not said and not each.inline],
                    refused=_by_sentence(offered),
                    inline=inline,
                    form=form_for(uow, inline[0], {}) if inline else None,
                    hidden=hidden_fields(inline[0], shown) if inline else [],
                    done=_done([*acts, *([made_by] if made_by else [])]),
                    **{name: value for name, value in told.items() if name != "shown"},
                )
            return make_response(page)

        view.__name__ = f"detail_{operation.name.replace('.', '_')}"
        self.page(path, operation, subject=operation)(view)
        for each in acts:
            self._act(f"{path}{each.verb}/", each, operation, argument, title=title, facts=facts)

    def file(self, path: str, operation: AnyOperation) -> None:
        """A file to be saved; a picture is shown where no script of it can run."""

        def view(**key: Any) -> Response:
            with unit() as uow:
                found, content = operation(uow, **key)
            response = transfers.sent(found, content)
            if found.content_type.startswith("image/"):
                response.headers["Content-Disposition"] = "inline"
            response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
            return response

        view.__name__ = f"file_{operation.name.replace('.', '_')}"
        self.page(path, operation, subject=operation)(view)

    def form(self, path: str, act: Act, *, title: str) -> None:
        """A form that makes something new."""
        self._act(path, act, None, "", title=lambda _shown: title, facts=())

    def _act(
        self,
        path: str,
        act: Act,
        subject: AnyOperation | None,
        argument: str,
        *,
        title: Callable[[Shown], str],
        facts: Sequence[Column],
    ) -> None:
        runner = Runner(
            act=act,
            subject=subject,
            argument=argument,
            title=title,
            facts=facts,
            section=self.section,
            path=f"/console{path}",
        )

        def ask(**key: Any) -> Response:
            return runner.ask(key)

        def run(**key: Any) -> Response:
            return runner.run(key)

        size = UPLOAD_MAX_BYTES + MULTIPART_OVERHEAD_BYTES
        size = size if act.operation.uploads else BODY_MAX_BYTES
        proven = act.operation.step_up
        self.page(path, act.operation, subject=subject, step_up=proven)(ask)
        self.page(
            path, act.operation, post=True, subject=subject, body_max_bytes=size, step_up=proven
        )(run)


def _slug(name: str) -> str:
    """The name of a view in an address: To release, `to_release`."""
    return name.lower().replace(" ", "_")


def _by_sentence(offered: Sequence[tuple[Act, str]]) -> Mapping[str, Sequence[str]]:
    """The sentences that stand in the way of acts, each once for all that it keeps from."""
    found: dict[str, list[str]] = {}
    for act, said in offered:
        if said:
            found.setdefault(said, []).append(act.label)
    return found


def _done(acts: Sequence[Act]) -> str:
    """What has just been done, as the address says."""
    return next((each.done for each in acts if each.verb == request.args.get("done")), "")


def _refuse_unknown(asked: MultiDict[str, str], filters: Sequence[Field]) -> None:
    known = {each.name for each in filters} | {"from", "to"}
    wrong = {name: ["There is no such filter here."] for name in asked if name not in known}
    if wrong:
        raise ma.ValidationError(wrong)


ME = object()
"""In a view: whoever looks."""


def _views(views: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Mapping[str, Any]]:
    return {
        name: {of: g.user.id if value is ME else value for of, value in query.items()}
        for name, query in views.items()
    }


def _chips(form: Form, asked: MultiDict[str, str]) -> Sequence[tuple[str, str, str]]:
    """What is filtered by: label, value, and the address without it."""
    labels = {each.name: each for each in form.inputs()}
    chips = []
    for name, values in asked.lists():
        rest = [(n, v) for n, v in asked.items(multi=True) if n != name]
        rest += [("from", "")] if name == "from" else []
        made = labels.get(name)
        words = dict(made.choices) if made else {}
        said = ", ".join(words.get(value, value) for value in values)
        chips.append((made.label if made else name, said, f"{request.path}?{urlencode(rest)}"))
    return chips


def _following(cursor: str | None) -> str:
    if not cursor:
        return ""
    rest = [(name, value) for name, value in request.args.items(multi=True) if name != "cursor"]
    return f"{request.path}?{urlencode([*rest, ('cursor', cursor)])}"


def _offered(
    uow: Uow, offers: AnyOperation | None, argument: str, shown: Shown, acts: Sequence[Act]
) -> list[tuple[Act, str]]:
    """The acts that are there, each with the sentence that stands in its way.

    What a role or a state refuses is not there; of segregation and pauses people are told.
    """
    found: list[tuple[Act, str]] = []
    refused: Mapping[str, errors.PettycashError | None] = {}
    if offers is not None:
        answer = offers(uow, **{argument: id_of(shown)})
        refused = {each.operation: each.refusal for each in answer["items"]}
    for act in acts:
        if act.when is not None and not act.when(shown):
            continue
        if act.offered and act.operation.name in refused:
            refusal = refused[act.operation.name]
            if refusal is None:
                found.append((act, ""))
            elif isinstance(refusal, errors.KeptApart | errors.Unavailable):
                found.append((act, refusal.detail))
        elif reaches(act.operation):
            found.append((act, ""))
    return found
