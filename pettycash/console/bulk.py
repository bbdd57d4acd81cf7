"""Acts on several ticked rows: a check page says of each what would happen, then each goes alone.

Every row has its own transaction and its own key, made of the form's key and its id: what is sent
twice is done once, and what one row refuses stops no other.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4, uuid5

from flask import Response, g, make_response, render_template, request

from pettycash.console import errors as refusals
from pettycash.console import session
from pettycash.console.acts import Act
from pettycash.console.columns import Column
from pettycash.console.pages import ROWS_TICKED_MAX, Pages, offered, refusals_of
from pettycash.console.reading import AnyOperation, Shown, id_of, read, unit
from pettycash.runtime import errors
from pettycash.services.foundation.uow import Uow
from pettycash.web import problems
from pettycash.web.door import AuthenticateAgain, SignInFirst
from pettycash.web.idempotency import once


@dataclass(frozen=True, kw_only=True)
class Row:
    """A ticked row, and what stands in its way or became of it."""

    shown: Shown
    said: str


def bulk(
    blp: Pages,
    path: str,
    subject: AnyOperation,
    *,
    argument: str,
    acts: Sequence[Act],
    offers: AnyOperation,
    columns: Sequence[Column],
) -> None:
    """Pages that do acts without fields to many: one path for each, behind its operation's door."""
    for act in acts:
        made = _Bulk(
            act=act,
            subject=subject,
            argument=argument,
            offers=offers,
            columns=columns,
            section=blp.section,
            path=f"/console{path}",
        )
        made.serve(blp, f"{path}bulk/{act.verb}/")


@dataclass(frozen=True, kw_only=True)
class _Bulk:
    act: Act
    subject: AnyOperation
    argument: str
    offers: AnyOperation
    columns: Sequence[Column]
    section: str
    path: str

    def serve(self, blp: Pages, path: str) -> None:
        """Put both pages at their path."""

        def ask() -> Response:
            return self.ask()

        def run() -> Response:
            return self.run()

        blp.page(path, self.act.operation)(ask)
        blp.page(path, self.act.operation, post=True)(run)

    def ask(self) -> Response:
        """Say of each ticked row what would happen."""
        with unit() as uow:
            rows = [self._row(uow, each) for each in _ids(request.args.getlist("id"))]
        ready = [each.shown for each in rows if not each.said]
        sums: dict[str, Decimal] = {}
        for shown in ready:
            before = sums.get(shown["currency"], Decimal(0))
            sums[shown["currency"]] = before + Decimal(shown["amount"])
        return self._page(rows, ids=[shown["id"] for shown in ready], sums=sums, key=uuid4())

    def run(self) -> Response:
        """Do it to each row, and say what became of it."""
        try:
            key = UUID(request.form.get("_key", ""))
        except ValueError as error:
            raise session.ForgedForm from error
        told = {each: self._one(key, each) for each in _ids(request.form.getlist("id"))}
        with unit() as uow:
            rows = [
                Row(shown=read(uow, self.subject, **{self.argument: each}), said=said)
                for each, said in told.items()
            ]
        return self._page(rows, is_done=True)

    def _row(self, uow: Uow, subject_id: UUID) -> Row:
        key = {self.argument: subject_id}
        shown = read(uow, self.subject, **key)
        refused = refusals_of(uow, self.offers, {self.argument: id_of(shown)})
        if offered(refused, [self.act]) == [(self.act, "")]:
            return Row(shown=shown, said="")
        refusal = refused.get(self.act.operation.name)
        return Row(shown=shown, said=refusal.detail if refusal else "It is not possible now.")

    def _one(self, key: UUID, subject_id: UUID) -> str:
        """The sentence of a refusal; none where it is done."""

        def act() -> Response:
            with unit() as uow:
                self.act.operation(uow, **{self.argument: subject_id})
            return make_response("", 204)

        said = hashlib.sha256(f"{request.path}:{subject_id}".encode()).digest()
        try:
            answer = once(uuid5(key, str(subject_id)), said, act)
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
            return ""
        return str(refusals.document(answer)["detail"])

    def _page(self, rows: Sequence[Row], **more: Any) -> Response:
        people: Mapping[str, str] = {}
        for each in rows:
            people = {**people, **each.shown.get("people", {})}
        page = render_template(
            "bulk.html",
            title=self.act.label,
            section=self.section,
            act=self.act,
            rows=rows,
            columns=self.columns,
            people=people,
            here=f"{self.path}bulk/{self.act.verb}/",
            back=self.path,
            by=session.sealed(str(g.user.id)),
            **more,
        )
        return make_response(page)


def _ids(texts: Sequence[str]) -> list[UUID]:
    """The ticked rows, each once.

    Raises:
        RuleViolation: no ids, or too many.
    """
    try:
        found = list(dict.fromkeys(UUID(each) for each in texts))
    except ValueError as error:
        raise errors.RuleViolation("These are no rows of the list.") from error
    if not 0 < len(found) <= ROWS_TICKED_MAX:
        raise errors.RuleViolation(f"Tick between 1 and {ROWS_TICKED_MAX} rows first.")
    return found
