"""Permissions: every operation of the API and the roles that may do it.

This table decides *function-level* access (403). Scope (404) is `visibility`, segregation of duties
lies in the services and in the database. tests/security compares the table with a golden file
and with every route.
"""

from collections.abc import Mapping

from pettycash.models.access import Role
from pettycash.services.foundation.actors import REPORT, Actor
from pettycash.services.foundation.duties import APPROVING_ROLES

R = Role

ANYONE = frozenset(R)
"""Every signed-in person with any role in the company."""

PUBLIC: frozenset[str] = frozenset(
    {
        "auth.login",
        "auth.refresh",
        "auth.use_link",
        "callbacks.receive",
        "console.asset",
        "console.sign_in",
        "health.live",
        "health.ready",
        "health.metrics",
        "docs.ui",
        "docs.openapi",
    }
)
"""Operations without a session."""

REQUESTERS = ANYONE - {R.AUDITOR, R.OPERATOR, R.ADMIN}
APPROVERS = APPROVING_ROLES
FINANCE_READERS = frozenset({R.GROUP_FINANCE_MANAGER, R.TREASURY, R.CFO, R.FPA, R.CEO, R.AUDITOR})
FUND_READERS = FINANCE_READERS | {
    R.CUSTODIAN,
    R.BRANCH_MANAGER,
    R.REGIONAL_MANAGER,
    R.DEPARTMENT_HEAD,
    R.OPERATOR,
    R.ADMIN,
}
JUDGES = frozenset({R.TREASURY, R.GROUP_FINANCE_MANAGER, R.CFO, R.FPA, R.CEO})
RELEASERS = frozenset({R.TREASURY, R.CFO, R.CUSTODIAN})
ADMINISTRATORS = frozenset({R.ADMIN})
FINANCE_OFFICERS = frozenset({R.TREASURY, R.GROUP_FINANCE_MANAGER, R.CFO})
CHANGERS = ADMINISTRATORS | FINANCE_OFFICERS


def _roles(*roles: R) -> frozenset[R]:
    return frozenset(roles)


FUND_REPORTS = (
    "cash_book",
    "fund_statement",
    "fund_status",
    "imprest_reconciliation",
    "replenishment_schedule",
)
FINANCE_REPORTS = (
    "account_statement",
    "discrepancies",
    "executions_report",
    "general_ledger",
    "payment_register",
    "payment_summary",
    "spending",
    "trial_balance",
    "variance_trend",
)
APPROVAL_REPORTS = ("approval_steps", "requisition_register", "turnaround")
RAIL_REPORTS = ("gateway_failures", "gateway_performance")

PERMISSIONS: Mapping[str, frozenset[R]] = {
    # signing in and out
    "auth.logout": ANYONE,
    "auth.me": ANYONE,
    "auth.reauthenticate": ANYONE,
    "auth.change_password": ANYONE,
    "auth.mfa_enrol": ANYONE,
    "auth.mfa_confirm": ANYONE,
    "auth.mfa_reset": _roles(R.ADMIN),
    "security_events.list": _roles(R.AUDITOR, R.ADMIN),
    "sessions.list": ANYONE,
    "sessions.revoke": ANYONE,
    "sessions.revoke_all": ANYONE,
    "api_keys.list": _roles(R.ADMIN, R.AUDITOR),
    "api_keys.get": _roles(R.ADMIN, R.AUDITOR),
    "api_keys.create": _roles(R.ADMIN),
    "api_keys.revoke": _roles(R.ADMIN),
    # organisation
    "companies.list": ANYONE,
    "companies.get": ANYONE,
    "companies.update": _roles(R.ADMIN),
    **{
        f"{unit}.{verb}": ANYONE if verb in ("list", "get") else _roles(R.ADMIN)
        for unit in ("regions", "branches", "departments", "cost_centers", "positions")
        for verb in ("list", "get", "create", "update")
    },
    "users.list": FINANCE_READERS | {R.ADMIN},
    "users.get": FINANCE_READERS | {R.ADMIN},
    "users.create": _roles(R.ADMIN),
    "users.update": _roles(R.ADMIN),
    "users.link": _roles(R.ADMIN),
    "role_assignments.list": _roles(R.ADMIN, R.AUDITOR, R.CFO),
    "role_assignments.get": _roles(R.ADMIN, R.AUDITOR, R.CFO),
    "role_assignments.propose": _roles(R.ADMIN),
    "role_assignments.end": _roles(R.ADMIN),
    "settings.get": FINANCE_READERS | {R.ADMIN, R.OPERATOR},
    "settings.update": _roles(R.ADMIN),
    "changes.list": ANYONE,
    "changes.get": ANYONE,
    "changes.offers": ANYONE,
    "changes.propose": CHANGERS,
    "changes.confirm": CHANGERS | APPROVERS | {R.OPERATOR},
    "changes.reject": CHANGERS | APPROVERS | {R.OPERATOR},
    "changes.withdraw": REQUESTERS | CHANGERS,
    **{f"people_import.{verb}": _roles(R.ADMIN) for verb in ("template", "check", "propose")},
    # workflow
    "thresholds.list": ANYONE,
    "thresholds.get": ANYONE,
    "thresholds.coverage": ANYONE,
    "thresholds.draft": _roles(R.GROUP_FINANCE_MANAGER, R.CFO),
    "thresholds.retire": _roles(R.GROUP_FINANCE_MANAGER, R.CFO),
    "approvals.list": ANYONE,
    "work.list": ANYONE,
    "notices.list": ANYONE,
    "notices.read": ANYONE,
    "notice_wishes.get": ANYONE,
    "notice_wishes.update": ANYONE,
    # requisitions
    "requisitions.list": ANYONE,
    "requisitions.get": ANYONE,
    "requisitions.trail": ANYONE,
    "requisitions.offers": ANYONE,
    "requisitions.create": REQUESTERS,
    "requisitions.update": REQUESTERS,
    "requisitions.submit": REQUESTERS,
    "requisitions.recall": REQUESTERS,
    "requisitions.cancel": REQUESTERS,
    "requisitions.adopt": APPROVERS,
    "requisitions.approve": APPROVERS,
    "requisitions.reject": APPROVERS,
    "requisitions.request_changes": APPROVERS,
    "requisitions.confirm_urgency": APPROVERS,
    "requisitions.validate": _roles(R.TREASURY),
    "requisitions.return": _roles(R.TREASURY),
    "requisitions.hold": _roles(R.TREASURY),
    "requisitions.close_short": _roles(R.TREASURY),
    "requisitions.review": _roles(R.FPA),
    "requisitions.redirect": REQUESTERS,
    "attachments.list": ANYONE,
    "attachments.get": ANYONE,
    "attachments.upload": REQUESTERS,
    # funds, stores, provider accounts
    "funds.list": FUND_READERS,
    "funds.get": FUND_READERS,
    "funds.balance": FUND_READERS,
    "funds.create": _roles(R.TREASURY),
    "funds.update": _roles(R.TREASURY),
    "funds.opening_balance": _roles(R.TREASURY, R.GROUP_FINANCE_MANAGER),
    "funds.replenish": _roles(R.TREASURY, R.CUSTODIAN, R.BRANCH_MANAGER, R.GROUP_FINANCE_MANAGER),
    "stores.list": FUND_READERS,
    "stores.list_all": FUND_READERS,
    "stores.get": FUND_READERS,
    "stores.create": _roles(R.TREASURY),
    "stores.update": _roles(R.TREASURY),
    "standing_validations.list": FUND_READERS,
    "provider_accounts.list": _roles(R.TREASURY, R.CFO, R.OPERATOR, R.AUDITOR, R.ADMIN),
    "provider_accounts.get": _roles(R.TREASURY, R.CFO, R.OPERATOR, R.AUDITOR, R.ADMIN),
    "provider_accounts.create": _roles(R.ADMIN),
    "provider_accounts.update": _roles(R.ADMIN),
    # payments
    "payments.list": ANYONE,
    "payments.get": ANYONE,
    "payments.offers": ANYONE,
    "payments.transactions": FINANCE_READERS | {R.CUSTODIAN, R.OPERATOR},
    "executions.list": FINANCE_READERS | {R.CUSTODIAN, R.OPERATOR},
    "gateway_exchanges.list": FINANCE_READERS | {R.CUSTODIAN, R.OPERATOR},
    "payments.executions": FINANCE_READERS | {R.CUSTODIAN, R.OPERATOR},
    "payments.create": _roles(R.TREASURY),
    "payments.update": _roles(R.TREASURY),
    "payments.cancel": _roles(R.TREASURY, R.CUSTODIAN),
    "payments.redirect": _roles(R.TREASURY),
    "payments.send_otp": RELEASERS,
    "payments.verify_otp": RELEASERS,
    "payments.execute": RELEASERS,
    "payments.assign_executor": _roles(R.TREASURY, R.CFO),
    "payments.unlock_release": _roles(R.TREASURY, R.CFO),
    "payments.acknowledge": REQUESTERS,
    "payments.reconcile": _roles(R.TREASURY, R.GROUP_FINANCE_MANAGER, R.CFO),
    "payments.record_variance": _roles(R.TREASURY, R.GROUP_FINANCE_MANAGER, R.CUSTODIAN),
    "payments.requery": _roles(R.OPERATOR, R.TREASURY),
    # variances and replenishments
    "variances.list": FINANCE_READERS,
    "variances.get": FINANCE_READERS,
    "variances.offers": FINANCE_READERS,
    "variances.approve": _roles(R.GROUP_FINANCE_MANAGER, R.CFO),
    "variances.reject": _roles(R.GROUP_FINANCE_MANAGER, R.CFO),
    "replenishments.list": FUND_READERS,
    "replenishments.get": FUND_READERS,
    "replenishments.offers": FUND_READERS,
    "replenishments.approve": _roles(R.GROUP_FINANCE_MANAGER, R.CFO, R.CEO),
    "replenishments.reject": _roles(R.GROUP_FINANCE_MANAGER, R.CFO),
    "replenishments.cancel": _roles(R.TREASURY, R.CUSTODIAN, R.GROUP_FINANCE_MANAGER, R.CFO),
    "replenishments.send_otp": _roles(R.TREASURY, R.CFO),
    "replenishments.verify_otp": _roles(R.TREASURY, R.CFO),
    "replenishments.unlock_release": _roles(R.TREASURY, R.CFO),
    "replenishments.fund": _roles(R.TREASURY, R.CFO),
    "replenishments.receive": _roles(R.CUSTODIAN),
    # books
    "ledger.list": FINANCE_READERS | {R.CUSTODIAN, R.BRANCH_MANAGER},
    "ledger.get": FINANCE_READERS | {R.CUSTODIAN, R.BRANCH_MANAGER},
    "ledger.by_fund": FINANCE_READERS | {R.CUSTODIAN, R.BRANCH_MANAGER},
    "journal.list": FINANCE_READERS,
    "journal.get": FINANCE_READERS,
    "categories.list": ANYONE,
    "accounts.list": FINANCE_READERS,
    "accounts.get": FINANCE_READERS,
    "accounts.create": _roles(R.GROUP_FINANCE_MANAGER, R.CFO),
    "periods.list": FINANCE_READERS,
    "periods.get": FINANCE_READERS,
    "periods.soft_close": _roles(R.GROUP_FINANCE_MANAGER, R.CFO),
    "periods.hard_close": _roles(R.CFO),
    "periods.reopen": _roles(R.CFO),
    # reports
    **{f"{report}.get": FUND_READERS for report in FUND_REPORTS},
    **{f"{report}.get": FINANCE_READERS for report in FINANCE_REPORTS},
    **{f"{report}.get": FINANCE_READERS | APPROVERS for report in APPROVAL_REPORTS},
    **{f"{report}.get": FINANCE_READERS | {R.OPERATOR} for report in RAIL_REPORTS},
    **{f"report_runs.{verb}": ANYONE for verb in ("list", "get", "create", "file")},
    # operations
    "reconciliation.list": FINANCE_READERS | {R.OPERATOR},
    "reconciliation.get": FINANCE_READERS | {R.OPERATOR},
    "reconciliation.start": _roles(R.TREASURY, R.OPERATOR),
    "cases.list": FINANCE_READERS | {R.OPERATOR},
    "cases.get": FINANCE_READERS | {R.OPERATOR},
    "cases.offers": FINANCE_READERS | {R.OPERATOR},
    "cases.assign": _roles(R.TREASURY, R.CFO, R.GROUP_FINANCE_MANAGER, R.OPERATOR),
    "cases.resolve": JUDGES,
    "case_evidence.list": FINANCE_READERS,
    "case_evidence.get": FINANCE_READERS,
    "case_evidence.upload": JUDGES,
    "pauses.list": _roles(R.OPERATOR, R.TREASURY, R.CFO, R.AUDITOR),
    "pauses.get": _roles(R.OPERATOR, R.TREASURY, R.CFO, R.AUDITOR),
    "pauses.pause": _roles(R.OPERATOR, R.TREASURY, R.CFO),
    "pauses.resume": _roles(R.OPERATOR, R.TREASURY, R.CFO),
    "jobs.get": _roles(R.OPERATOR, R.ADMIN),
    "outbox.list": _roles(R.OPERATOR, R.AUDITOR),
    "outbox.get": _roles(R.OPERATOR, R.AUDITOR),
    "outbox.retry": _roles(R.OPERATOR),
    "outbox.dead_letter": _roles(R.OPERATOR),
    "callbacks.list": _roles(R.OPERATOR, R.AUDITOR),
    "callbacks.get": _roles(R.OPERATOR, R.AUDITOR),
    "callbacks.replay": _roles(R.OPERATOR),
}

ESCALATED: frozenset[str] = frozenset(
    {
        *(f"sessions.{verb}" for verb in ("list", "revoke", "revoke_all")),
        "approvals.list",
        "work.list",
        *("notices.list", "notices.read", "notice_wishes.get", "notice_wishes.update"),
        *(
            f"{each}.offers"
            for each in ("requisitions", "payments", "cases", "changes", "replenishments")
        ),
        *(f"requisitions.{verb}" for verb in ("list", "get", "trail")),
        *(
            f"requisitions.{verb}"
            for verb in ("approve", "reject", "request_changes", "confirm_urgency")
        ),
        *(f"{each}.{verb}" for each in ("attachments", "payments") for verb in ("list", "get")),
        *(f"cases.{verb}" for verb in ("list", "get", "resolve")),
        *(f"case_evidence.{verb}" for verb in ("list", "get", "upload")),
        *(f"changes.{verb}" for verb in ("list", "get", "confirm", "reject")),
        *(f"replenishments.{verb}" for verb in ("list", "get", "approve", "reject")),
    }
)
"""Operations that the escalation approver reaches without any role, of their own matters."""


def reaches(actor: Actor, name: str) -> bool:
    """Whether a person may call an operation, on whatever it may be that they see."""
    return actor.has(*PERMISSIONS[name]) or (actor.is_escalation_approver and name in ESCALATED)


NOT_REPORTED = frozenset(
    {
        "approval_steps.get",
        "approvals.list",
        "executions_report.get",
        "report_runs.get",
        "report_runs.list",
        "turnaround.get",
        "executions.list",
        "gateway_exchanges.list",
        "notice_wishes.get",
        "notices.list",
        "security_events.list",
        "sessions.list",
        "work.list",
    }
)
"""For people alone: how others signed in, released and decided, and what rails were told."""

CLIENT_SCOPES: Mapping[str, frozenset[str]] = {
    "raise": frozenset(
        {
            "categories.list",
            "requisitions.create",
            "requisitions.update",
            "requisitions.submit",
        }
    ),
    "read": frozenset(
        f"{rows}.{verb}"
        for rows in (
            "companies",
            "regions",
            "branches",
            "departments",
            "cost_centers",
            "positions",
            "thresholds",
            "categories",
            "requisitions",
            "attachments",
            "payments",
        )
        for verb in ("list", "get", "trail")
        if f"{rows}.{verb}" in PERMISSIONS
    ),
    "upload": frozenset({"attachments.upload"}),
    REPORT: frozenset(
        name
        for name, roles in PERMISSIONS.items()
        if R.AUDITOR in roles
        and name.rpartition(".")[2] in ("list", "list_all", "get", "trail", "balance")
        and name not in NOT_REPORTED
    ),
}
"""Operations that a key of a machine client reaches; never a decision, a code or a release.

`read` shows what the same key raised, and the units and tiers that raising needs; `report` stands
alone and for itself."""
