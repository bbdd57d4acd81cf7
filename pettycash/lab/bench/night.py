"""The nightly reconciliation of a whole past, beside the plain statement that its core comes to.

Measured is a run from its start to its end: every payment matched with the proof in its exchange
log, those without one looked for, the books audited, the funds' identities proven, the figures
counted. The reference matches the same payments with the same log in one INSERT ... SELECT, into
the same table with its constraints and triggers, as the owner: nothing is audited or counted.
Both begin with an empty table of matches.
"""

import time
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from pettycash.lab.bench import history
from pettycash.lab.bench.benchmark import Benchmark, at_most
from pettycash.lab.bench.history import Past
from pettycash.lab.bench.stage import Stage
from pettycash.lab.chaos.paying import House
from pettycash.models.reconciliation import RunStatus
from pettycash.runtime import clock, db
from pettycash.services import reconciliation
from pettycash.services.foundation import company_settings
from pettycash.stack import postgres
from pettycash.tasks.reconciliation import advance

PAYMENTS = 1_000_000

PLAIN = """
    INSERT INTO payment_reconciliations (id, company_id, payment_id, source, evidence)
    SELECT gen_random_uuid(), p.company_id, p.id, 'callback',
        jsonb_build_object('provider_reference', t.provider_reference,
            'originator_reference', t.originator_reference, 'amount', t.settled_amount,
            'exchange_id', x.id)
    FROM payments p
    JOIN payment_attempts t ON t.payment_id = p.id AND t.settled_amount = p.amount
        AND t.provider_reference = p.provider_reference
    JOIN payment_transactions x ON x.attempt_id = t.id AND x.success
    WHERE p.status = 'success' AND t.state = 'settled'
"""

EMPTY = """
    SET session_replication_role = replica;
    TRUNCATE payment_reconciliations, reconciliation_items;
    SET session_replication_role = origin;
    CHECKPOINT
"""


@dataclass(frozen=True)
class Night:
    """A past that waits to be reconciled."""

    past: Past
    superuser: Any
    owner: Any


def setup(stage: Stage) -> Night:
    """Write a past of a million payments, or a small one for a glance."""
    stage.compose()
    superuser = stage.superuser().cursor()
    past = history.write(superuser, House.find(), stage.sized(PAYMENTS, quick=2_000))
    owner = stage.enter(
        closing(stage.plan.postgres.connect(postgres.OWNER_ROLE, postgres.DATABASE))
    )
    return Night(past=past, superuser=superuser, owner=owner.cursor())


def _ours(night: Night) -> float:
    night.superuser.execute(EMPTY)
    with db.scope(company_id=night.past.company_id, source="bench"):
        with db.transaction() as session:
            now = session.info["now"]
            today = clock.business_date(now, company_settings.current(session).timezone)
            run_id = reconciliation.start(session, business_date=today, now=now).id
        begun = time.perf_counter()
        found = advance(run_id)
        if found.status is not RunStatus.CLOSED or found.mismatches:
            raise RuntimeError(f"the past does not reconcile: {found.mismatches[:3]}")
    return time.perf_counter() - begun


def _plain(night: Night) -> float:
    night.superuser.execute(EMPTY)
    begun = time.perf_counter()
    night.owner.execute(PLAIN)
    return time.perf_counter() - begun


BENCHMARKS = (
    Benchmark(
        name="night",
        what="nightly reconciliation of 1,000,000 payments, with the audit of the books",
        against="plain INSERT ... SELECT of the same matches",
        unit="s",
        goal=at_most(2),
        setup=setup,
        measured=_ours,
        reference=_plain,
        rounds=3,
    ),
)
