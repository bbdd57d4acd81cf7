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

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import urlencode
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import flask
import marshmallow as ma
from flask import Response, g, make_response, render_template, request
from werkzeug.datastructures import MultiDict

from pettycash.console import errors as refusals
from pettycash.console import forms, session
from pettycash.console.forms import Field, Form
from pettycash.console.guard import guard
from pettycash.console.words import at
from pettycash.runtime import clock, errors
from pettycash.runtime.db import transaction
from pettycash.services.foundation import company_settings, permissions
from pettycash.services.foundation.uow import Uow
from pettycash.web import problems
from pettycash.web.admission import current_actor
from pettycash.web.door import BODY_MAX_BYTES, UPLOAD_MAX_BYTES, AuthenticateAgain, SignInFirst
from pettycash.web.etags import ChangedMeanwhile, Expected, Tagged
from pettycash.web.idempotency import once
from pettycash.web.operations import Operation
from pettycash.web.schemas.fields import taken

AnyOperation = Operation[..., Any]
Shown = Mapping[str, Any]
"""What the API would answer."""

EXPECTED = "expected"
"""In `Act.sends`: the version that a change is of."""

STALE = frozenset(
    {
        ChangedMeanwhile.code,
        "approval.stale_digest",
        "decision.stale",
        "settings.stale",
        "import.stale",
    }
)
"""Codes of refusals that say: it is not what you read any more."""

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


# -- what is shown


@dataclass(frozen=True, kw_only=True)
class Column:
    """One figure or word of an answer, and how it is shown."""

    name: str
    kind: str
    label: str
    to: str = ""
    """Of a link: a path with members of the item in braces."""


def column(kind: str) -> Callable[..., Column]:
    """A maker of columns of one kind."""

    def make(name: str, label: str = "", *, to: str = "") -> Column:
        return Column(name=name, kind=kind, label=label, to=to)

    return make


text, word, badge, money, when, day, age, person, flag = (
    column(kind)
    for kind in ("text", "word", "badge", "money", "when", "day", "age", "person", "flag")
)


def link(name: str, to: str, label: str = "") -> Column:
    """What leads to a page of its own."""
    return Column(name=name, kind="link", label=label, to=to)


@dataclass(frozen=True, kw_only=True)
class Table:
    """A list within a detail."""

    name: str
    title: str
    columns: Sequence[Column]
    empty: str = ""
    """Where nothing stands in it; without a word it is left out then."""


@dataclass(frozen=True, kw_only=True)
class Act:
    """A button, and the form behind it."""

    operation: AnyOperation
    verb: str
    """The end of its path."""
    label: str
    done: str
    """The sentence afterwards."""
    fields: Sequence[Field] = ()
    sends: Mapping[str, str] = field(default_factory=dict)
    """Hidden fields, by where they stand in what was read: a digest, a version."""
    tone: str = "plain"
    """primary, danger, plain"""
    inline: bool = False
    """Whether its form stands on the page of the thing: a decision in two taps."""
    says: str = ""
    """What is going to happen."""
    to: str = ""
    """Where to go then, with members of the answer in braces; else back to the thing."""
    template: str = "act.html"
    starts: Callable[[Uow], Mapping[str, str]] | None = None
    """Values that a new form begins with."""
    prepare: Callable[[dict[str, Any]], dict[str, Any]] | None = None
    """Adds to what was typed what follows from it."""


# -- reading


@contextmanager
def unit() -> Iterator[Uow]:
    """The unit of work of a page: one transaction for all that it reads."""
    with transaction() as opened:
        uow = Uow.of(opened, current_actor())
        g.now = uow.now
        g.zone = ZoneInfo(company_settings.current(opened).timezone)
        yield uow


@cache
def _schema(shape: Any) -> ma.Schema:
    made: ma.Schema = shape() if isinstance(shape, type) else shape
    return made


def taking(operation: AnyOperation) -> ma.Schema:
    """The schema of what an operation takes; of a list its query."""
    shape = operation.takes
    if shape is None:
        return _schema(ma.Schema)
    return _schema(taken(shape)) if isinstance(shape, type) else shape


def read(uow: Uow, operation: AnyOperation, **arguments: Any) -> Any:
    """What the API would answer; `_version` is the tag with which a form changes it."""
    answer = operation(uow, **arguments)
    tag = None
    if operation.etag:
        tag = answer.tag if isinstance(answer, Tagged) else _member(answer, "version")
        answer = answer.answer if isinstance(answer, Tagged) else answer
    assert operation.answers is not None
    shown = _schema(operation.answers).dump(answer)
    return shown if tag is None else shown | {"_version": tag}


def _member(answer: Any, name: str) -> Any:
    return answer[name] if isinstance(answer, Mapping) else getattr(answer, name)


def reaches(operation: AnyOperation | str) -> bool:
    """Whether the permission table lets this person call an operation at all."""
    name = operation if isinstance(operation, str) else operation.name
    return permissions.reaches(current_actor(), name)


# -- pages


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
        self, path: str, operation: AnyOperation | str, *, post: bool = False, **facts: Any
    ) -> Callable[[View], View]:
        """Put a view at a path, behind the door of an operation."""
        name = operation if isinstance(operation, str) else operation.name
        place = "form" if post else "query"

        def decorator(view: View) -> View:
            view.operation = session.entry(name, place=place, **facts)  # type: ignore[attr-defined]
            method = "POST" if post else "GET"
            endpoint = f"{method.lower()}_{path.strip('/').replace('/', '_') or 'home'}"
            endpoint = "".join(c if c.isalnum() or c == "_" else "_" for c in endpoint)
            self.add_url_rule(path, endpoint, view, methods=[method])
            return view

        return decorator

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
            ENTRANCES.append(
                Entrance(
                    section=self.section,
                    title=title,
                    path=f"/console{path}",
                    operation=operation.name,
                )
            )
        schema = taking(operation)
        by_days = {"from", "to"} <= set(schema.fields)

        def view(**place: Any) -> Response:
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
                    views=views or {},
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
                offered = _offered(uow, offers, {argument: _id(shown)}, acts)
                inline = [each for each, said in offered if each.inline and not said]
                page = render_template(
                    template,
                    title=title(shown),
                    section=self.section,
                    amount=amount,
                    shown=shown,
                    people=shown.get("people", {}),
                    facts=facts,
                    tables=tables,
                    here=_filled(place, key),
                    buttons=[(each, said) for each, said in offered if said or not each.inline],
                    inline=inline,
                    form=_form(uow, inline[0], {}) if inline else None,
                    hidden=_hidden(inline[0], shown) if inline else [],
                    done=next((e.done for e in acts if e.verb == request.args.get("done")), ""),
                    **(more(uow, shown) if more else {}),
                )
            return make_response(page)

        view.__name__ = f"detail_{operation.name.replace('.', '_')}"
        self.page(path, operation)(view)
        for each in acts:
            self._act(f"{path}{each.verb}/", each, operation, argument, title=title, facts=facts)

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
        runner = _Runner(
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

        has_file = any(isinstance(f, ma.fields.Raw) for f in taking(act.operation).fields.values())
        size = UPLOAD_MAX_BYTES if has_file else BODY_MAX_BYTES
        step_up = {"step_up": act.operation.step_up}
        self.page(path, act.operation, **step_up)(ask)
        self.page(path, act.operation, post=True, body_max_bytes=size, **step_up)(run)


def _id(shown: Shown) -> UUID:
    return UUID(str(shown["id"]))


def _refuse_unknown(asked: MultiDict[str, str], filters: Sequence[Field]) -> None:
    known = {each.name for each in filters} | {"from", "to"}
    wrong = {name: ["There is no such filter here."] for name in asked if name not in known}
    if wrong:
        raise ma.ValidationError(wrong)


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
    uow: Uow, offers: AnyOperation | None, key: Mapping[str, Any], acts: Sequence[Act]
) -> list[tuple[Act, str]]:
    """The acts that are there, each with the sentence that stands in its way.

    What a role or a state refuses is not there; of segregation and pauses people are told.
    """
    found: list[tuple[Act, str]] = []
    refused: Mapping[str, errors.PettycashError | None] = {}
    if offers is not None:
        answer = offers(uow, **key)
        refused = {each.operation: each.refusal for each in answer["items"]}
    for act in acts:
        if act.operation.name in refused:
            refusal = refused[act.operation.name]
            if refusal is None:
                found.append((act, ""))
            elif isinstance(refusal, errors.NotAllowed | errors.Unavailable):
                found.append((act, refusal.detail))
        elif reaches(act.operation):
            found.append((act, ""))
    return found


# -- acting


def _form(uow: Uow, act: Act, shown: Shown) -> Form:
    schema = taking(act.operation)
    return Form(
        schema=schema,
        fields=act.fields,
        uow=uow,
        zone=g.zone,
        clears=EXPECTED in act.sends,
        prepare=act.prepare,
        values=_start(uow, act, shown),
    )


def _start(uow: Uow, act: Act, shown: Shown) -> Mapping[str, Any]:
    if EXPECTED in act.sends:
        return forms.initial(taking(act.operation), act.fields, shown)
    return act.starts(uow) if act.starts else {}


def _hidden(act: Act, shown: Shown) -> list[tuple[str, str]]:
    """What a form carries unseen: its key, who opened it, what it is about and what was read."""
    about = [(f"_read.{name}", str(at(shown, path) or "")) for name, path in act.sends.items()]
    return [
        ("_key", str(uuid4())),
        ("_by", session.sealed(str(g.user.id))),
        ("_was", session.sealed(_comparable(act, shown))),
        *about,
    ]


def _comparable(act: Act, shown: Shown) -> Mapping[str, Any]:
    """What a conflict compares: of a change its fields, of a decision the facts it is about."""
    names = [each.name for each in act.fields] if EXPECTED in act.sends else list(FACTS)
    return {name: shown[name] for name in names if name in shown}


FACTS = ("amount", "currency", "purpose", "payee_name", "method", "destination", "status", "lines")


def _filled(path: str, key: Mapping[str, Any]) -> str:
    for name, value in key.items():
        before, _, rest = path.partition("<")
        kind, _, after = rest.partition(">")
        if kind.rpartition(":")[2] == name:
            path = f"{before}{value}{after}"
    return path


@dataclass(frozen=True, kw_only=True)
class _Runner:
    """Asks and runs one act."""

    act: Act
    subject: AnyOperation | None
    argument: str
    title: Callable[[Shown], str]
    facts: Sequence[Column]
    section: str
    path: str

    def ask(self, key: Mapping[str, Any]) -> Response:
        with unit() as uow:
            shown = self._subject(uow, key)
            form = _form(uow, self.act, shown)
            for name, value in request.args.items():
                if name in {each.name for each in self.act.fields}:
                    form.values = {**form.values, name: value}
            return self._page(form, shown, key)

    def _subject(self, uow: Uow, key: Mapping[str, Any]) -> Shown:
        return {} if self.subject is None else read(uow, self.subject, **key)

    def _page(
        self,
        form: Form,
        shown: Shown,
        key: Mapping[str, Any],
        *,
        status: int = 200,
        hidden: list[tuple[str, str]] | None = None,
        **more: Any,
    ) -> Response:
        page = render_template(
            more.pop("template", self.act.template),
            title=self.title(shown),
            section=self.section,
            act=self.act,
            shown=shown,
            people=shown.get("people", {}),
            facts=self.facts,
            form=form,
            hidden=_hidden(self.act, shown) if hidden is None else hidden,
            here=_filled(self.path, key),
            back=_filled(self.path, key).rpartition(f"{self.act.verb}/")[0] or "/console/",
            **more,
        )
        return make_response(page, status)

    def run(self, key: Mapping[str, Any]) -> Response:
        typed = MultiDict(
            (name, value)
            for name, value in request.form.items(multi=True)
            if not name.startswith("_")
        )
        with unit() as uow:
            form = _form(uow, self.act, {})
            try:
                sent = form.read(typed, self._carried())
            except ma.ValidationError as error:
                form.errors = forms.messages(error)
                if "_more" in request.form:
                    form.errors = {}
                return self._again(form, key, uow)
            if "_more" in request.form:
                return self._again(form, key, uow)
        form.errors = {}
        try:
            answer = once(self._key(), self._said(typed), lambda: self._act(key, sent))
        except (AuthenticateAgain, SignInFirst):
            raise
        except errors.PettycashError as refusal:
            answer = problems.from_error(refusal)
        except Exception as error:
            meaning = problems.from_database(error)
            if meaning is None:
                raise
            answer = problems.from_error(meaning)
        if answer.mimetype != problems.PROBLEM:
            return answer
        return self._refused(form, key, answer)

    def _again(self, form: Form, key: Mapping[str, Any], uow: Uow) -> Response:
        """The same form with what was typed: another row, or errors."""
        shown = self._subject(uow, key)
        if "_more" in request.form:
            form = forms.with_another_row(form, request.form["_more"])
            return self._page(form, shown, key, hidden=self._kept())
        return self._page(form, shown, key, status=422, hidden=self._kept())

    def _kept(self) -> list[tuple[str, str]]:
        """What the form carried, to be carried on."""
        return [
            (name, value)
            for name, value in request.form.items()
            if name.startswith("_") and name not in ("_csrf", "_more")
        ]

    def _carried(self) -> dict[str, str]:
        """What the form brought unseen; the version of a change goes its own way."""
        found = {name: request.form.get(f"_read.{name}", "") for name in self.act.sends}
        return {name: value for name, value in found.items() if value and name != EXPECTED}

    def _key(self) -> UUID:
        try:
            return UUID(request.form.get("_key", ""))
        except ValueError as error:
            raise session.ForgedForm from error

    def _said(self, typed: MultiDict[str, str]) -> bytes:
        about = sorted((n, v) for n, v in request.form.items() if n.startswith("_read."))
        said = json.dumps([request.path, sorted(typed.items(multi=True)), about])
        return hashlib.sha256(said.encode()).digest()

    def _act(self, key: Mapping[str, Any], sent: dict[str, Any]) -> Response:
        with unit() as uow:
            operation = self.act.operation
            place = dict(key)
            if self.subject is not None:
                place[self.argument] = _id(read(uow, self.subject, **key))
            if EXPECTED in self.act.sends:
                expected = Expected.of(request.form.get(f"_read.{EXPECTED}", ""))
                answer = operation(uow, **place, changes=sent, expected=expected)
            else:
                answer = operation(uow, **place, **sent)
            answer = answer.answer if isinstance(answer, Tagged) else answer
            to = self.act.to
            if to and operation.answers is not None:
                to = to.format(**_schema(operation.answers).dump(answer))
            to = to or _filled(self.path, key).rpartition(f"{self.act.verb}/")[0] or "/console/"
            return session.see(f"{to}?done={self.act.verb}")

    def _refused(self, form: Form, key: Mapping[str, Any], answer: Response) -> Response:
        told = refusals.document(answer)
        with unit() as uow:
            form.uow = uow
            form.errors = told.get("errors") or {"body": [told["detail"]]}
            try:
                shown = self._subject(uow, key)
            except errors.NotFound:
                return refusals.page(answer.status_code, told["code"], told["detail"])
            hidden = [
                (name, str(uuid4()) if name == "_key" else value) for name, value in self._kept()
            ]
            if told["code"] in STALE:
                return self._conflict(form, shown, key, told)
            return self._page(
                form, shown, key, status=answer.status_code, hidden=hidden, code=told["code"]
            )

    def _conflict(
        self, form: Form, shown: Shown, key: Mapping[str, Any], told: Mapping[str, Any]
    ) -> Response:
        """Show what was read, what stands there now, and what was typed; nothing merges."""
        was = session.unsealed(request.form.get("_was", "")) or {}
        now = _comparable(self.act, shown)
        is_change = EXPECTED in self.act.sends
        rows = [
            (name, was.get(name), now.get(name), form.values.get(name) if is_change else None)
            for name in now
            if was.get(name) != now.get(name)
            or (is_change and str(form.values.get(name, "")) != str(now.get(name) or ""))
        ]
        form.errors = {}
        return self._page(
            form, shown, key, status=412, template="conflict.html", rows=rows, told=told,
            is_change=is_change,
        )  # fmt: skip
