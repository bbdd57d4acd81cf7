"""Routes of payments, and of cases about money."""

from pettycash.api.blueprints import Blueprint
from pettycash.api.routes import serve
from pettycash.web.operations.payments import (
    case_resolutions,
    facts,
    payments,
    provider_accounts,
    redirects,
    releases,
)

CASE_RESOLUTIONS = Blueprint(
    "case_resolutions", __name__, url_prefix="/api/cases", description="How cases end."
)
serve(CASE_RESOLUTIONS, "/<uuid:case_id>/resolve/", post=case_resolutions.resolve)

FACTS = Blueprint(
    "payment_facts",
    __name__,
    url_prefix="/api/payments",
    description="Releases, exchanges and evidence of a payment.",
)
serve(FACTS, "/executions/", get=facts.list_executions)
serve(FACTS, "/gateway-exchanges/", get=facts.list_gateway_exchanges)
serve(FACTS, "/<uuid:payment_id>/executions/", get=facts.executions)
serve(FACTS, "/<uuid:payment_id>/transactions/", get=facts.transactions)
serve(FACTS, "/<uuid:payment_id>/requery/", post=facts.requery)
serve(FACTS, "/<uuid:payment_id>/reconcile/", post=facts.reconcile)

PAYMENTS = Blueprint(
    "payments",
    __name__,
    url_prefix="/api/payments",
    description="Movements of money, from their making to their proof.",
)
serve(PAYMENTS, "/", get=payments.list_all, post=payments.create, location="/api/payments/{id}/")
serve(PAYMENTS, "/<key:payment_id>/", get=payments.get, patch=payments.update)
serve(PAYMENTS, "/<uuid:payment_id>/cancel/", post=payments.cancel)

PROVIDER_ACCOUNTS = Blueprint(
    "provider_accounts",
    __name__,
    url_prefix="/api/provider-accounts",
    description="A company's accounts with rails.",
)
serve(
    PROVIDER_ACCOUNTS,
    "/",
    get=provider_accounts.list_all,
    post=provider_accounts.create,
    location="/api/provider-accounts/{id}/",
)
serve(
    PROVIDER_ACCOUNTS,
    "/<uuid:account_id>/",
    get=provider_accounts.get,
    patch=provider_accounts.update,
)

REDIRECTS = Blueprint(
    "redirects",
    __name__,
    url_prefix="/api",
    description="Another destination or method after approval: proposed here, decided by the last"
    " approver under /api/changes/. Until then nothing of it proceeds.",
)
serve(
    REDIRECTS,
    "/payments/<uuid:payment_id>/redirect/",
    post=redirects.redirect_payment,
    location="/api/changes/{id}/",
)
serve(
    REDIRECTS,
    "/requisitions/<uuid:requisition_id>/redirect/",
    post=redirects.redirect_requisition,
    location="/api/changes/{id}/",
)

RELEASES = Blueprint(
    "releases",
    __name__,
    url_prefix="/api/payments",
    description="Who releases a payment, with which proof.",
)
serve(RELEASES, "/<uuid:payment_id>/send_otp/", post=releases.send_otp)
serve(RELEASES, "/<uuid:payment_id>/verify_otp/", post=releases.verify_otp)
serve(
    RELEASES,
    "/<uuid:payment_id>/execute/",
    post=releases.execute,
    location="/api/payments/{payment_id}/",
)
serve(RELEASES, "/<uuid:payment_id>/assign_executor/", post=releases.assign_executor)
serve(RELEASES, "/<uuid:payment_id>/unlock_release/", post=releases.unlock_release)
serve(RELEASES, "/<uuid:payment_id>/acknowledge/", post=releases.acknowledge)
serve(RELEASES, "/<uuid:payment_id>/witnesses/", get=releases.witnesses)
