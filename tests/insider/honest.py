"""Everybody else: they do what waits for them, truthfully, after reading it."""

from collections.abc import Callable, Mapping
from random import Random
from typing import Any
from uuid import uuid4

from pettycash.models.access import Role
from tests.factories.pictures import picture
from tests.insider.company import Person
from tests.insider.game import Answer, Game

SHOPS = ("254711000001", "254711000002", "254711000003", "254711000004")

WAITS = """
SELECT 'approves' AS what, s.subject_id::text AS id, a.user_id AS who, r.method AS more
    FROM approval_steps s JOIN step_assignees a ON a.step_id = s.id
        JOIN requisitions r ON r.id = s.subject_id WHERE s.status = 'open'
UNION ALL SELECT 'corrects', id::text, requester_id, NULL FROM requisitions
    WHERE approved_amount IS NULL AND submitted_at > kept.now() - interval '5 minutes'
UNION ALL SELECT 'validates', id::text, NULL, NULL FROM requisitions
    WHERE status = 'pending_treasury_validation' AND held_at IS NULL AND open_redirect_id IS NULL
UNION ALL SELECT 'lifts', id::text, NULL, NULL FROM requisitions WHERE held_at IS NOT NULL
    AND status = 'pending_treasury_validation'
UNION ALL SELECT 'resubmits', id::text, requester_id, NULL FROM requisitions
    WHERE status IN ('draft', 'changes_requested')
UNION ALL SELECT 'releases', id::text, NULL, method FROM payments
    WHERE (status = 'pending' OR status = 'failed' AND failure_confirmed)
        AND open_redirect_id IS NULL AND blocked_by_case_id IS NULL AND release_locked_at IS NULL
UNION ALL SELECT 'unlocks', id::text, NULL, NULL FROM payments
    WHERE release_locked_at IS NOT NULL AND status IN ('pending', 'failed')
UNION ALL SELECT 'hands_out', p.id::text, e.executor_id, p.destination FROM payments p
    JOIN payment_executions e ON e.payment_id = p.id AND e.attempt_number = (
        SELECT max(attempt_number) FROM payment_executions x WHERE x.payment_id = p.id)
    WHERE p.method = 'cash' AND p.status = 'executing'
UNION ALL SELECT 'proposes_an_end', id::text, NULL, object_id::text FROM cases
    WHERE status = 'open' AND kind IN ('in_doubt', 'contradiction') AND object_type = 'payment'
UNION ALL SELECT 'judges', id::text, proposed_by, object_id::text FROM cases
    WHERE status = 'proposed' AND object_type = 'payment'
UNION ALL SELECT 'decides', id::text, coalesce(decider_id, proposed_by), kind FROM changes
    WHERE status = 'proposed'
UNION ALL SELECT 'refills', r.id::text, NULL, r.status FROM replenishments r
    WHERE r.status IN ('pending', 'approved', 'funded')
UNION ALL SELECT 'resumes', coalesce(object_id::text, ''), NULL, scope FROM pauses
    WHERE decided_at IS NULL
ORDER BY 1, 2, 3
"""

SPENDING = (
    *(Role.TREASURY, Role.BRANCH_MANAGER, Role.GROUP_FINANCE_MANAGER, Role.CFO),
    *(Role.CUSTODIAN, Role.STAFF),
)
"""Whoever has one of these has paid something themselves now and then."""
SELDOM = {"corrects": 0.4, "proposes_an_end": 2.0, "judges": 3.0, "refills": 2.0}
"""How much rather one thing is done than another that waits, where that is not 1."""
JUDGING = (Role.TREASURY, Role.GROUP_FINANCE_MANAGER, Role.CFO, Role.FPA, Role.CEO)
HEADS = (Role.CFO, Role.CEO)
ROLE_OF_KIND: Mapping[str, tuple[Role, ...]] = {
    "fund_limits": (Role.TREASURY, Role.GROUP_FINANCE_MANAGER, Role.CFO),
    "standing_validation": (Role.CFO,),
    "custodian": (Role.TREASURY, Role.GROUP_FINANCE_MANAGER, Role.CFO),
    "opening_balance": (Role.GROUP_FINANCE_MANAGER, Role.CFO),
    "threshold": (Role.GROUP_FINANCE_MANAGER, Role.CFO),
}

ATTEMPT = """
SELECT t.number, t.originator_reference, t.state, t.first_sent_at FROM payment_attempts t
    WHERE t.payment_id = :id ORDER BY t.number DESC LIMIT 1
"""


class Honest:
    """All who are not hostile."""

    def __init__(self, game: Game) -> None:
        self.game = game
        self.people = game.organisation.people
        self.read: dict[tuple[str, str], Answer] = {}
        """Requisitions that approvers have looked at and not decided yet."""
        self.corrected: set[str] = set()
        self._do: Mapping[str, Callable[[Random, Any], None]] = {
            name: getattr(self, name)
            for name in (
                "approves", "corrects", "validates", "lifts", "resubmits", "releases", "unlocks",
                "hands_out",
                "proposes_an_end", "judges", "decides", "refills", "resumes",
            )
        }  # fmt: skip

    def act(self, dice: Random, times: int) -> None:
        """Do some of what waits, or ask for something new."""
        for _ in range(times):
            waits = [each for each in self.game.rows(WAITS) if self._is_honest(each)]
            if dice.random() < 0.06:
                self._wants_a_rule_changed(dice)
            elif waits and dice.random() < 1 - 1 / (2 + len(waits)):
                (chosen,) = dice.choices(waits, [SELDOM.get(each.what, 1.0) for each in waits])
                self._do[chosen.what](dice, chosen)
            else:
                self._asks_for_money(dice)

    def _is_honest(self, waiting: Any) -> bool:
        """Whether it waits for somebody who does it; whoever is hostile does as they please."""
        if waiting.what in ("approves", "corrects", "resubmits", "hands_out"):
            return self._name(waiting.who) is not None
        return True

    def _name(self, user_id: Any) -> str | None:
        name = self.game.organisation.name_of(user_id)
        return None if name in self.game.hostile else name

    def _one(self, dice: Random, *roles: Role, but: Any = None) -> str:
        """An honest holder of one of these roles."""
        found = [
            each
            for each in self.game.organisation.holding(*roles)
            if each not in self.game.hostile and self.people[each].user_id != but
        ]
        return dice.choice(found or [n for n in self.people if n not in self.game.hostile])

    def _did(self, what: str, answer: Answer) -> bool:
        if answer.ok:
            self.game.tally.progress[what] += 1
        return answer.ok

    # Requisitions

    def _asks_for_money(self, dice: Random) -> None:
        who = self._one(dice, Role.STAFF, Role.BRANCH_MANAGER, Role.DEPARTMENT_HEAD)
        body = self.wanted(dice, self.people[who])
        made = self.game.ask(who, "post", "/api/requisitions/", json=body, key=True)
        if made.ok:
            self.game.ask(who, "post", f"/api/requisitions/{made['id']}/submit/")

    def wanted(self, dice: Random, requester: Person) -> dict[str, Any]:
        """Something that somebody buys, at a shop or from a colleague who has paid for it."""
        limit = self.game.organisation.limit
        amount = dice.choice((700, 1_500, limit - 100, limit, limit + 100, limit * 5 + 1_000))
        method = dice.choice(("mpesa", "mpesa", "cash"))
        colleague = dice.choice(self.game.organisation.holding(dice.choice(SPENDING)))
        is_colleague = dice.random() < 0.5 and colleague != requester.name
        destination = self.people[colleague].phone if is_colleague else dice.choice(SHOPS)
        if is_colleague and method == "cash":
            destination = dice.choice((destination, self.people[colleague].email))
        text = f"{amount}.00"
        return {
            "kind": "expense", "amount": text, "currency": "KES", "purpose": f"Need {uuid4()}",
            "payee_name": colleague if is_colleague else "Corner shop",
            "method": method, "destination": destination,
            "lines": [{"description": "It", "amount": text, "category": "office"}],
        }  # fmt: skip

    def resubmits(self, _dice: Random, waiting: Any) -> None:
        who = self._name(waiting.who)
        assert who is not None
        self.game.ask(who, "post", f"/api/requisitions/{waiting.id}/submit/")

    def approves(self, dice: Random, waiting: Any) -> None:
        """Look at it, now or some steps ago; say yes mostly, and remember what was shown."""
        who = self._name(waiting.who)
        assert who is not None
        path = f"/api/requisitions/{waiting.id}/"
        shown = self.read.pop((who, waiting.id), None)
        if shown is None:
            shown = self.game.ask(who, "get", path)
            if dice.random() < 0.4:
                self.read[who, waiting.id] = shown
                return
        sight = self.game.sight(who, shown)
        if sight is None:
            return
        body = {"decision_digest": shown["decision_digest"]}
        verb = "approve"
        if dice.random() < 0.06:
            verb = dice.choice(("reject", "request_changes"))
            body["comment"] = "No."
        answer = self.game.ask(who, "post", f"{path}{verb}/", json=body)
        if answer.status == 422 and answer["code"] == "approval.urgency_unanswered":
            verb, body = "confirm_urgency", body | {"urgency": "confirmed"}
            answer = self.game.ask(who, "post", f"{path}{verb}/", json=body)
        if answer.ok and verb in ("approve", "confirm_urgency"):
            self.game.said_yes(waiting.id, sight, redirects=False)
            self._did("approvals", answer)

    def corrects(self, dice: Random, waiting: Any) -> None:
        """The shop has another number, which its approvers have yet to see."""
        who = self._name(waiting.who)
        assert who is not None
        path = f"/api/requisitions/{waiting.id}/"
        shown = self.game.ask(who, "get", path)
        if waiting.id not in self.corrected and shown.ok and shown["method"] == "mpesa":
            self.corrected.add(waiting.id)
            body = {"destination": dice.choice(SHOPS)}
            self.game.ask(who, "patch", path, json=body, etag=shown.etag)

    def validates(self, dice: Random, waiting: Any) -> None:
        who = self._one(dice, Role.TREASURY)
        path = f"/api/requisitions/{waiting.id}/"
        shown = self.game.ask(who, "get", path)
        if not shown.ok:
            return
        if dice.random() < 0.08:
            body = {"destination": dice.choice(SHOPS), "reason": "A new number."}
            self.game.ask(who, "post", f"{path}redirect/", json=body)
            return
        body = {"decision_digest": shown["decision_digest"]}
        if dice.random() < 0.2:
            rest = float(shown["amount"]) - 300
            body["parts"] = [{"amount": "300.00"}, {"amount": f"{rest:.2f}"}]
        self._did("validated", self.game.ask(who, "post", f"{path}validate/", json=body))

    def lifts(self, dice: Random, waiting: Any) -> None:
        who = self._one(dice, Role.TREASURY)
        body = {"held": False, "comment": "It goes on."}
        self.game.ask(who, "post", f"/api/requisitions/{waiting.id}/hold/", json=body)

    # Payments

    def releases(self, dice: Random, waiting: Any) -> None:
        """Ask for a code, read it, give it, release: or something else now and then."""
        path = f"/api/payments/{waiting.id}/"
        who = self._one(dice, Role.CUSTODIAN if waiting.more == "cash" else Role.TREASURY)
        if dice.random() < 0.06:
            body = {"destination": dice.choice(SHOPS), "reason": "A new number."}
            self.game.ask(self._one(dice, Role.TREASURY), "post", f"{path}redirect/", json=body)
            return
        if self._has_code(who, path, "releases") or self.game.ask(who, "get", path).ok:
            self._did("released", self.game.ask(who, "post", f"{path}execute/", key=True))

    def _has_code(self, who: str, path: str, _why: str) -> bool:
        if not self.game.ask(who, "post", f"{path}send_otp/").ok:
            return False
        self.game.work(Random(0))
        code = self.game.code_at(self.people[who].email)
        body = {"code": code}
        return code is not None and self.game.ask(who, "post", f"{path}verify_otp/", json=body).ok

    def unlocks(self, dice: Random, waiting: Any) -> None:
        who = self._one(dice, Role.TREASURY, Role.CFO)
        self.game.ask(who, "post", f"/api/payments/{waiting.id}/unlock_release/")

    def hands_out(self, _dice: Random, waiting: Any) -> None:
        """The recipient tells the custodian their code; a new one is sent where it is too late."""
        who = self._name(waiting.who)
        assert who is not None
        addresses = [str(waiting.more).lower(), f"+{waiting.more}"]
        code = self.game.code_at(*addresses)
        path = f"/api/payments/{waiting.id}/acknowledge/"
        answer = self.game.ask(who, "post", path, json={"code": code or "000000"})
        if not self._did("cash acknowledged", answer):
            self.game.ask(who, "post", path, json={})

    # Cases

    def proposes_an_end(self, dice: Random, waiting: Any) -> None:
        """Say what the rail's own ledger says, with a page of it."""
        truth = self._truth(waiting.more)
        if truth is None:
            return
        who = self._one(dice, *JUDGING)
        path = f"/api/cases/{waiting.id}/"
        kept = self._page(self._one(dice, Role.FPA, Role.GROUP_FINANCE_MANAGER), path)
        if kept is not None:
            body = {"action": "propose", "note": "The rail's page.", "evidence_id": kept, **truth}
            self._did("ends proposed", self.game.ask(who, "post", f"{path}resolve/", json=body))

    def _page(self, who: str, path: str) -> str | None:
        page = picture(seed=uuid4().int)
        kept = self.game.ask(who, "post", f"{path}evidence/", file=(page, "page.png"))
        return str(kept["id"]) if kept.ok else None

    def _truth(self, payment_id: str) -> dict[str, Any] | None:
        """As the rail's portal shows it now."""
        found = self.game.rows(ATTEMPT, id=payment_id)
        if not found:
            return None
        order = self.game.rail.orders.get(found[0].originator_reference)
        if order is None or order.movement is None:
            return {"ending": "not_paid"}
        (now,) = self.game.rows("SELECT kept.now() AS now")
        return {
            "ending": "paid",
            "provider_reference": order.movement.receipt,
            "occurred_at": now.now.isoformat(),
        }

    def judges(self, dice: Random, waiting: Any) -> None:
        """Agree to what is true, and to nothing else."""
        who = self._one(dice, *dice.choice((HEADS, JUDGING)), but=waiting.who)
        path = f"/api/cases/{waiting.id}/"
        shown = self.game.ask(who, "get", path)
        truth = self._truth(waiting.more)
        if not shown.ok or truth is None:
            return
        said = shown["proposal"] or {}
        names = ("ending", "provider_reference")
        is_true = [said.get(each) for each in names] == [truth.get(each) for each in names]
        body: dict[str, Any] = {"action": "confirm", "version": shown["version"]}
        if not is_true and said.get("ending") != "noted":
            body = {"action": "decline", "note": "The rail says something else.", **body}
            body["action"] = "decline"
        answer = self.game.ask(who, "post", f"{path}resolve/", json=body)
        if body["action"] == "confirm":
            self._did("cases judged", answer)

    # Rules, and money for the funds

    def decides(self, dice: Random, waiting: Any) -> None:
        """A redirect as the one who is asked; of the rest, what an honest person has proposed."""
        path = f"/api/changes/{waiting.id}/"
        if waiting.more == "redirect":
            self._decides_redirect(dice, path, waiting)
            return
        is_honest = self._name(waiting.who) is not None
        roles = ROLE_OF_KIND.get(waiting.more, (Role.ADMIN,))
        who = self._one(dice, *roles, but=waiting.who)
        # A key that somebody needs looks like any other, whoever asks for it.
        if is_honest or (waiting.more == "api_key" and dice.random() < 0.3):
            answer = self.game.ask(who, "post", f"{path}confirm/", json={})
            self._did(f"confirmed: {waiting.more}", answer)
        else:
            self.game.ask(who, "post", f"{path}reject/", json={"comment": "Why?"})

    def _decides_redirect(self, dice: Random, path: str, waiting: Any) -> None:
        who = self._name(waiting.who)
        if who is None:
            return
        shown = self.game.ask(who, "get", path)
        if not shown.ok:
            return
        requisition_id = shown["payload"]["requisition_id"]
        sight = self.game.sight(who, shown)
        body = {"decision_digest": shown["decision_digest"]}
        if sight is None or dice.random() < 0.2:
            self.game.ask(who, "post", f"{path}reject/", json=body | {"comment": "No."})
        elif self._did(
            "redirects approved", self.game.ask(who, "post", f"{path}confirm/", json=body)
        ):
            self.game.said_yes(requisition_id, sight, redirects=True)

    def _wants_a_rule_changed(self, dice: Random) -> None:
        what = dice.choice(("key", "setting", "limits", "role"))
        admin = self._one(dice, Role.ADMIN)
        if what == "key":
            (now,) = self.game.rows("SELECT kept.now() + interval '30 days' AS now")
            body: dict[str, Any] = {"name": f"key {uuid4()}", "scopes": ["read"]}
            body |= {"expires_at": now.now.isoformat()}
            self.game.ask(admin, "post", "/api/api-keys/", json=body)
        elif what == "role":
            body = {
                "user_id": str(self.people[self._one(dice)].user_id),
                "role": "staff", "reason": "They buy things.",
            }  # fmt: skip
            self.game.ask(admin, "post", "/api/role-assignments/", json=body)
        else:
            funds = self.game.rows("SELECT id FROM funds ORDER BY code")
            is_limit = what == "limits"
            body = {
                "kind": "fund_limits" if is_limit else "settings",
                "object_id": str(dice.choice(funds).id) if is_limit else None,
                "payload": {"cash_limit": "3000.00"}
                if is_limit
                else {"materiality": {"KES": "1.00"}},
                "reason": "It is better.",
            }
            who = self._one(dice, Role.TREASURY, Role.GROUP_FINANCE_MANAGER) if is_limit else admin
            self.game.ask(who, "post", "/api/changes/", json=body)

    def refills(self, dice: Random, waiting: Any) -> None:
        """The next step of a replenishment."""
        path = f"/api/replenishments/{waiting.id}/"
        if waiting.more == "pending":
            who = self._one(dice, Role.GROUP_FINANCE_MANAGER, Role.CFO, Role.CEO)
            self._did("refills approved", self.game.ask(who, "post", f"{path}approve/"))
        elif waiting.more == "approved":
            who = self._one(dice, Role.TREASURY)
            if self._has_code(who, path, "fund"):
                body = {"bank_reference": f"FT{uuid4().hex[:10]}"}
                self._did("refills funded", self.game.ask(who, "post", f"{path}fund/", json=body))
        else:
            self._receives(dice, path, waiting.id)

    def _receives(self, dice: Random, path: str, replenishment_id: str) -> None:
        (found,) = self.game.rows(
            "SELECT f.custodian_id, f.alternate_custodian_id AS other, r.approved_amount"
            " - coalesce(r.received_amount, 0) - r.lost_amount AS missing FROM replenishments r"
            " JOIN funds f ON f.id = r.fund_id WHERE r.id = :id",
            id=replenishment_id,
        )
        who = self._name(dice.choice((found.custodian_id, found.other)))
        if who is not None:
            body = {"amount": f"{found.missing:.2f}"}
            self._did("refills received", self.game.ask(who, "post", f"{path}receive/", json=body))

    def resumes(self, dice: Random, waiting: Any) -> None:
        who = self._one(dice, Role.OPERATOR, Role.CFO, Role.TREASURY)
        body = {"scope": waiting.more, "object_id": waiting.id or None}
        self.game.ask(who, "post", "/api/resume/", json=body)
