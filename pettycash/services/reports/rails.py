"""Rails: how releases went, how gateways did (R2), and where books and rails differ (R4)."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Integer, Numeric, Select, Text, cast, func, literal, select

from pettycash.models.access import User
from pettycash.models.imprest import Store
from pettycash.models.payments import (
    AttemptState,
    GatewayExchangeType,
    Payment,
    PaymentAttempt,
    PaymentStatus,
    PaymentTransaction,
)
from pettycash.models.reconciliation import ItemState, ReconciliationItem, ReconciliationRun
from pettycash.models.releases import PaymentExecution
from pettycash.models.requisitions import Requisition
from pettycash.runtime.money import Currency
from pettycash.services.foundation.uow import Uow
from pettycash.services.payments.lists import EXECUTIONS as EXECUTED
from pettycash.services.payments.lists import TRANSACTIONS
from pettycash.services.reports.declared import Col, Link, Money, Number, Param, Report, Values
from pettycash.services.reports.params import (
    BRANCH,
    CURRENCY,
    FUND,
    PERIOD,
    day,
    narrowed,
    within,
)


def _of_places(query: Select[*tuple[Any, ...]], values: Values) -> Select[*tuple[Any, ...]]:
    query = query.join(Store, Store.id == Payment.store_id).join(
        Requisition, Requisition.id == Payment.requisition_id
    )
    columns = {
        "fund_id": Store.fund_id,
        "branch_id": Requisition.branch_id,
        "currency": Payment.currency,
    }
    return narrowed(query, columns, values)


def _executions(uow: Uow, values: Values) -> Select[*tuple[Any, ...]]:
    of, tried = PaymentExecution, PaymentAttempt
    query = (
        select(
            of.created_at.label("executed_at"), of.id.label("execution_id"), of.payment_id,
            Payment.number.label("payment"), of.attempt_number, User.display_name.label("executor"),
            of.proof, tried.state, tried.first_sent_at, tried.state_changed_at, tried.outcome_code,
            tried.outcome_message, of.originator_reference, tried.provider_reference, of.currency,
            of.amount, func.coalesce(tried.settled_amount, 0).label("settled"),
            func.coalesce(tried.fee, 0).label("fee"),
        )
        .join(tried, tried.execution_id == of.id)
        .join(Payment, Payment.id == of.payment_id)
        .join(User, User.id == of.executor_id)
        .where(EXECUTED.scope(uow.actor))
        .order_by(of.currency, of.id)
    )  # fmt: skip
    return _of_places(within(query, day(uow, of.created_at), values), values)


def _exchanges(uow: Uow, values: Values, *columns: Any) -> Select[*tuple[Any, ...]]:
    query = (
        select(literal(None, Text).label("currency"), *columns)
        .select_from(PaymentTransaction)
        .where(TRANSACTIONS.scope(uow.actor))
    )
    query = within(query, day(uow, PaymentTransaction.created_at), values)
    return narrowed(query, {"gateway": PaymentTransaction.gateway}, values)


def _performance(uow: Uow, values: Values) -> Select[*tuple[Any, ...]]:
    of = PaymentTransaction
    key = (of.gateway, of.request_type)
    took = of.processing_time_ms.asc()
    good = func.count().filter(of.success)
    return (
        _exchanges(
            uow, values, *key, func.count().label("exchanges"), good.label("successes"),
            func.round(cast(100 * good, Numeric) / func.count(), 1).label("percent"),
            *(
                cast(func.percentile_disc(share).within_group(took), Integer).label(name)
                for name, share in (("p50", 0.5), ("p95", 0.95))
            ),
            func.count().filter(of.status == "in_doubt").label("in_doubt"),
        )
        .group_by(*key)
        .order_by(*key)
    )  # fmt: skip


def _failures(uow: Uow, values: Values) -> Select[*tuple[Any, ...]]:
    of = PaymentTransaction
    key = (of.gateway, func.coalesce(of.code, ""))
    return (
        _exchanges(
            uow, values, of.gateway, key[1].label("code"), func.max(of.message).label("message"),
            func.count().label("failures"),
        )
        .where(~of.success)
        .group_by(*key)
        .order_by(*key)
    )  # fmt: skip


def _discrepancies(_uow: Uow, values: Values) -> Select[*tuple[Any, ...]]:
    item, run = ReconciliationItem, ReconciliationRun
    later = run.__table__.alias("later")
    replaced = (
        select(later.c.id)
        .where(later.c.business_date == run.business_date, later.c.sequence > run.sequence)
        .exists()
    )
    query = (
        select(
            run.business_date, run.sequence, item.id.label("item_id"),
            Payment.id.label("payment_id"), Payment.number.label("payment"), Payment.status,
            item.state, item.finding,
            Payment.provider_reference, Payment.currency, Payment.amount.label("expected"),
            func.coalesce(Payment.paid_amount, 0).label("found"),
            (func.coalesce(Payment.paid_amount, 0) - Payment.amount).label("difference"),
        )
        .join(item, item.run_id == run.id)
        .join(Payment, Payment.id == item.payment_id)
        .where(item.state != ItemState.MATCHED, ~replaced)
        .order_by(Payment.currency, run.business_date, item.id)
    )  # fmt: skip
    return _of_places(within(query, run.business_date, values), values)


GATEWAY = Param(
    name="gateway",
    title="Gateway",
    kind=str,
    description="One gateway; default: all.",
    default="all",
)


def _of_execution(*adds: str) -> Link:
    return Link(path="/api/payments/executions/", query={"q": "originator_reference"}, adds=adds)


def _log(**more: Any) -> Link:
    return Link(
        path="/api/payments/gateway-exchanges/",
        query={"gateway": "gateway", "from": "from", "to": "to", **more},
    )


ITSELF = Link(path="/api/payments/{payment_id}/")

EXECUTIONS = Report(
    name="executions",
    title="Executions",
    summary="List releases: by whom, with which proof, when, and how each ended.",
    permission="executions_report.get",
    params=(*PERIOD, FUND, BRANCH, CURRENCY),
    sql=_executions,
    columns=(
        Col("execution_id", kind=UUID),
        Col("payment_id", kind=UUID),
        Col("executed_at", "Executed at", kind=datetime),
        Col("payment", "Payment"),
        Number("attempt_number", "Attempt"),
        Col("executor", "Executor"),
        Col("proof", "Proof"),
        Col("first_sent_at", "Sent at", kind=datetime),
        Col("state", "Outcome", kind=AttemptState),
        Col("state_changed_at", "Since", kind=datetime),
        Col("outcome_code", "Code"),
        Col("outcome_message", "Message"),
        Col("originator_reference", "Reference"),
        Col("provider_reference", "Provider's reference"),
        Col("currency", "Currency", kind=Currency),
        Money("amount", "Amount", link=_of_execution("amount")),
        Money("settled", "Settled", link=_of_execution("settled_amount")),
        Money("fee", "Fee", link=_of_execution("fee")),
    ),
)

GATEWAY_PERFORMANCE = Report(
    name="gateway-performance",
    title="Gateway performance",
    summary="Show how often each gateway succeeded, how long it took, and what stayed in doubt.",
    permission="gateway_performance.get",
    params=(*PERIOD, GATEWAY),
    sql=_performance,
    columns=(
        Col("gateway", "Gateway"),
        Col("request_type", "Request", kind=GatewayExchangeType),
        Number("exchanges", "Exchanges", total=True, link=_log(request_type="request_type")),
        Number("successes", "Successes", total=True,
               link=_log(request_type="request_type", success=lambda *_: True)),
        Number("percent", "Success %", kind=Decimal),
        Number("p50", "p50 ms"),
        Number("p95", "p95 ms"),
        Number("in_doubt", "In doubt"),
    ),
)  # fmt: skip

GATEWAY_FAILURES = Report(
    name="gateway-failures",
    title="Gateway failures by code",
    summary="Count the exchanges that did not succeed, by gateway and code.",
    permission="gateway_failures.get",
    params=(*PERIOD, GATEWAY),
    sql=_failures,
    columns=(
        Col("gateway", "Gateway"),
        Col("code", "Code"),
        Col("message", "Message"),
        Number("failures", "Failures", total=True,
               link=_log(code=lambda row, _: row["code"], success=lambda *_: False)),
    ),
)  # fmt: skip

DISCREPANCIES = Report(
    name="discrepancies",
    title="Discrepancies",
    summary="List payments that the newest run of their day did not match: expected, found, state.",
    permission="discrepancies.get",
    params=(*PERIOD, FUND, BRANCH, CURRENCY),
    sql=_discrepancies,
    columns=(
        Col("item_id", kind=UUID),
        Col("payment_id", kind=UUID),
        Col("business_date", "Day", kind=date),
        Number("sequence", "Run"),
        Col("payment", "Payment"),
        Col("status", "Status", kind=PaymentStatus),
        Col("state", "State", kind=ItemState),
        Col("finding", "Finding"),
        Col("provider_reference", "Provider's reference"),
        Col("currency", "Currency", kind=Currency),
        Money("expected", "Expected", link=ITSELF),
        Money("found", "Found", link=ITSELF),
        Money("difference", "Difference", link=ITSELF),
    ),
)
