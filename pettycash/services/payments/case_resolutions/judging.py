"""Two judges may say what became of a payment, by their duties and roles (control.md §4).

Where no two of treasury and finance are left who may, the company's escalation approver is one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import permutations
from uuid import UUID

from sqlalchemy.orm import Session

from pettycash.models.access import Role, RoleAssignment
from pettycash.runtime import errors
from pettycash.services.approvals.resolution.loading import escalation_approver
from pettycash.services.foundation import decisions, duties
from pettycash.services.foundation.duties import Duty, NotSeparate
from pettycash.services.foundation.live_roles import live_assignments
from pettycash.services.foundation.uow import Uow
from pettycash.services.operations import cases

HEADS = frozenset({Role.CFO, Role.CEO})
CFO = frozenset({Role.CFO})


class JudgeMissing(errors.RuleViolation):
    """No person is left who may confirm this; the detail names who is missing."""

    code = "case.judge_missing"


class HeadRequired(errors.KeptApart):
    """One of the two people who decide must be the cfo or the ceo; the detail says which."""

    code = "case.cfo_required"


@dataclass(frozen=True, kw_only=True)
class Bench:
    """The people who may judge one payment, and the pairs of them that may do it together."""

    roles: Mapping[UUID, frozenset[Role]]
    """Everybody who may, with the roles by which they do."""
    approvers: frozenset[UUID]
    heads: frozenset[Role]
    """One of the two holds one of these; empty: any two."""
    recorder: UUID | None
    """The recorder of the evidence may propose, and never confirms."""
    stand_in: UUID | None = None
    """The company's escalation approver, where no two others may."""

    def may(self, proposer: UUID, confirmer: UUID) -> bool:
        """Whether one may propose and the other confirm."""
        both = {proposer, confirmer}
        return (
            len(both) == 2
            and both <= set(self.roles)
            and not both <= self.approvers
            and confirmer != self.recorder
            and (not self.heads or any(self._is_head(each) for each in both))
        )

    def has_two(self) -> bool:
        """Whether any two of them may."""
        return any(self.may(*pair) for pair in permutations(self.roles, 2))

    def partners(self, proposer: UUID) -> frozenset[UUID]:
        """Everybody who may confirm what this person proposes."""
        return frozenset(each for each in self.roles if self.may(proposer, each))

    def is_escalated(self, proposer: UUID) -> bool:
        """Whether nobody but the escalation approver may confirm what this person proposes."""
        return self.partners(proposer) == {self.stand_in}

    def _is_head(self, user_id: UUID) -> bool:
        # The escalation approver stands in for whoever is missing.
        return user_id == self.stand_in or bool(self.roles[user_id] & self.heads)


def bench(
    session: Session,
    *,
    requisition_id: UUID,
    heads: frozenset[Role] = frozenset(),
    recorder: UUID | None = None,
    now: datetime,
) -> Bench:
    """Everybody who may judge about the money of a requisition now."""
    known = duties.holders(session, requisition_id=requisition_id)
    out = frozenset[UUID]().union(*(known[each] for each in duties.apart_from(Duty.JUDGE)))
    held: dict[UUID, frozenset[Role]] = {}
    for each in session.execute(
        live_assignments(now).where(RoleAssignment.role.in_(cases.RESOLVERS))
    ).scalars():
        if each.user_id not in out:
            held[each.user_id] = held.get(each.user_id, frozenset()) | {each.role}
    found = Bench(roles=held, approvers=known[Duty.APPROVER], heads=heads, recorder=recorder)
    if found.has_two():
        return found
    named = escalation_approver(session)
    if named is None or named in out:
        return found
    return replace(found, roles={named: frozenset(), **held}, stand_in=named)


def check_proposer(uow: Uow, *, among: Bench, requisition_id: UUID) -> None:
    """Refuse a proposal of somebody who may not judge, or that nobody could confirm.

    Raises:
        NotSeparate: another duty of theirs excludes it.
        NotAProposer: they hold no role that judges.
        JudgeMissing: nobody could be the other one.
    """
    if not _is_member(uow, among=among, requisition_id=requisition_id):
        raise decisions.NotAProposer
    if not among.partners(uow.actor.user_id):
        raise JudgeMissing(_missing(among))


def check_confirmer(uow: Uow, *, among: Bench, requisition_id: UUID, proposer: UUID) -> None:
    """Refuse a second judge who may not be it, or not beside this proposer.

    Raises:
        NotSeparate: as `check_proposer`; or both approved it, or they recorded the
            evidence, or the proposer may not judge any more.
        NotADecider: they hold no role that judges.
        HeadRequired: neither is the cfo or ceo.
    """
    if not _is_member(uow, among=among, requisition_id=requisition_id):
        raise decisions.NotADecider
    if proposer not in among.roles:
        raise NotSeparate("The proposer may no longer decide on this case: decline the proposal.")
    if among.may(proposer, uow.actor.user_id):
        return
    if uow.actor.user_id == among.recorder:
        raise NotSeparate("You recorded the evidence: another person must confirm.")
    if {proposer, uow.actor.user_id} <= among.approvers:
        raise NotSeparate("At most one of the two people may have approved the requisition.")
    raise HeadRequired(f"One of the two people must be the {_either(among.heads)}.")


def _is_member(uow: Uow, *, among: Bench, requisition_id: UUID) -> bool:
    """Whether a person may judge; a duty of theirs that excludes it is told."""
    if uow.actor.user_id in among.roles:
        return True
    if uow.actor.has(*cases.RESOLVERS):
        duties.check(
            uow.session, user_id=uow.actor.user_id, duty=Duty.JUDGE, requisition_id=requisition_id
        )
    return False


def _missing(among: Bench) -> str:
    if among.heads and not any(held & among.heads for held in among.roles.values()):
        return (
            f"Missing: a {_either(among.heads)} who neither raised, made nor released this payment"
            " nor receives it, or a company's escalation approver who did not."
        )
    return (
        "Missing: a second person of treasury, group finance, cfo, fpa or ceo who neither raised,"
        " made nor released this payment nor receives it (of the two at most one approved it),"
        " or a company's escalation approver who did not."
    )


def _either(roles: Iterable[Role]) -> str:
    return " or ".join(sorted(each.value for each in roles))
