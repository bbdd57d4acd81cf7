"""Notices about cases. A severe one is alerted (`case_alerts`), whatever people wish to hear."""

from uuid import UUID

from sqlalchemy.orm import Session

from pettycash.models.access import Role
from pettycash.models.base import new_id
from pettycash.models.operations import Case
from pettycash.services.foundation import live_roles, notices
from pettycash.services.foundation.notices import NoticeKind, words

PAGE = "/console/cases/{id}/"

TOLD = (Role.TREASURY, Role.OPERATOR)


def _told(case: Case, what: str) -> str:
    kind = case.kind.value.replace("_", " ")
    return f"A case ({kind}, {case.severity.value}) {what}: {words(case.summary)}"


OPENED: NoticeKind[Case] = notices.declare(
    NoticeKind(
        name="case.opened",
        title="A case was opened",
        sentence=lambda _session, case: _told(case, "was opened"),
        path=PAGE,
        operation="cases.assign",
    )
)

ASSIGNED: NoticeKind[Case] = notices.declare(
    NoticeKind(
        name="case.assigned",
        title="A case is yours",
        sentence=lambda _session, case: _told(case, "is yours to look after"),
        path=PAGE,
        operation="cases.resolve",
    )
)


def opened(session: Session, case: Case) -> None:
    """A case that is not severe was opened: tell who looks after cases."""
    to = live_roles.holders_of(session, *TOLD, now=session.info["now"])
    notices.notice(session, OPENED, to=to, about=case)


def assigned(session: Session, case: Case, *, owner_id: UUID) -> None:
    """Somebody gave a case to a person, each time anew."""
    notices.notice(session, ASSIGNED, to=[owner_id], about=case, event=new_id())
