"""Acts: a form whose fields are an operation's, and a button that runs it once for its hidden key.

What is refused comes back with the field named and what was typed; what was changed meanwhile is
shown beside it, and nothing merges by itself.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import marshmallow as ma
from flask import Response, g, make_response, render_template, request
from werkzeug.datastructures import MultiDict

from pettycash.console import errors as refusals
from pettycash.console import forms, session
from pettycash.console.columns import Column
from pettycash.console.forms import Field, Form
from pettycash.console.reading import AnyOperation, Shown, dumped, id_of, read, taking, unit
from pettycash.console.words import at
from pettycash.runtime import errors
from pettycash.services.foundation.uow import Uow
from pettycash.web import problems, transfers
from pettycash.web.door import AuthenticateAgain, SignInFirst
from pettycash.web.etags import ChangedMeanwhile, Expected, Tagged
from pettycash.web.idempotency import once

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
    shows: str = ""
    """A template that shows the answer, once, where it is no thing with a page of its own."""
    argument: str | None = None
    """The operation's name for the thing; empty where it takes none."""
    when: Callable[[Shown], bool] | None = None
    """Whether what is shown has what the act is about; beside the offers, or without any."""
    offered: bool = True
    """Whether the offers of its operation are about this act."""
    autosave: int = 0
    """Seconds after which what was typed saves itself, as a draft."""
    starts: Callable[[Uow], Mapping[str, str]] | None = None
    """Values that a new form begins with."""
    prepare: Callable[[dict[str, Any]], dict[str, Any]] | None = None
    """Adds to what was typed what follows from it."""


def form_for(uow: Uow, act: Act, shown: Shown) -> Form:
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


def hidden_fields(act: Act, shown: Shown) -> list[tuple[str, str]]:
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


def filled(path: str, key: Mapping[str, Any]) -> str:
    """A path with the values of its arguments."""
    for name, value in key.items():
        before, _, rest = path.partition("<")
        kind, _, after = rest.partition(">")
        if kind.rpartition(":")[2] == name:
            path = f"{before}{value}{after}"
    return path


@dataclass(frozen=True, kw_only=True)
class Runner:
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
            form = form_for(uow, self.act, shown)
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
            hidden=hidden_fields(self.act, shown) if hidden is None else hidden,
            here=filled(self.path, key),
            back=filled(self.path, key).rpartition(f"{self.act.verb}/")[0] or "/console/",
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
            form = form_for(uow, self.act, {})
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
        sent = transfers.taken(sent) if self.act.operation.uploads else sent
        try:
            answer = once(
                self._key(),
                self._said(typed, sent),
                lambda: self._act(key, sent),
                secret=bool(self.act.shows),
            )
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

    def _carried(self) -> dict[str, Any]:
        """What the form brought beside what was typed; a change's version goes its own way."""
        found = {name: request.form.get(f"_read.{name}", "") for name in self.act.sends}
        carried: dict[str, Any] = {
            n: value for n, value in found.items() if value and n != EXPECTED
        }
        chosen = {name: file for name, file in request.files.items() if file.filename}
        return carried | (chosen if self.act.operation.uploads else {})

    def _key(self) -> UUID:
        try:
            return UUID(request.form.get("_key", ""))
        except ValueError as error:
            raise session.ForgedForm from error

    def _said(self, typed: MultiDict[str, str], sent: Mapping[str, Any]) -> bytes:
        about = sorted((n, v) for n, v in request.form.items() if n.startswith("_read."))
        said = json.dumps([request.path, sorted(typed.items(multi=True)), about])
        return hashlib.sha256(said.encode() + sent.get("content", b"")).digest()

    def _act(self, key: Mapping[str, Any], sent: dict[str, Any]) -> Response:
        with unit() as uow:
            operation = self.act.operation
            place = self._place(uow, key)
            if EXPECTED in self.act.sends:
                expected = Expected.of(request.form.get(f"_read.{EXPECTED}", ""))
                answer = operation(uow, **place, changes=sent, expected=expected)
            else:
                answer = operation(uow, **place, **sent)
            answer = answer.answer if isinstance(answer, Tagged) else answer
            if self.act.shows:
                shown = dumped(operation, answer)
                return make_response(
                    render_template(
                        self.act.shows, title=self.act.label, section=self.section, shown=shown
                    )
                )
            to = self.act.to
            if to and operation.answers is not None:
                to = to.format(**dumped(operation, answer))
            to = to or filled(self.path, key).rpartition(f"{self.act.verb}/")[0] or "/console/"
            return session.see(f"{to}?done={self.act.verb}")

    def _place(self, uow: Uow, key: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments that say which thing it is."""
        if self.subject is None or self.act.argument == "":
            return {}
        shown = read(uow, self.subject, **key)
        place = dict(key) | ({self.argument: id_of(shown)} if "id" in shown else {})
        if self.act.argument is not None:
            place[self.act.argument] = place.pop(self.argument)
        return place

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
