"""The money of the demo organisation: provider account, funds, stores and what they open with."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy.orm import Session

from pettycash.lab.seeds.organisation import CompanySpec, FundSpec, StoreSpec, Units
from pettycash.models.access import Company
from pettycash.models.base import new_id
from pettycash.models.imprest import Fund, ProviderAccount, Store, StoreKind
from pettycash.models.ledger import AccountKind, LedgerAccount
from pettycash.runtime import settings
from pettycash.runtime.rails import Method
from pettycash.services.foundation import encryption
from pettycash.services.ledger import accounts, posting

SIMULATOR_CREDENTIALS = {
    "consumer_key": "sim-consumer-key",
    "consumer_secret": "sim-consumer-secret",
    "initiator_name": "testapi",
    "initiator_password": "Safaricom999!*!",
}
"""Credentials that the M-Pesa simulator accepts by default."""

SIMULATOR_URL = "http://127.0.0.1:8100"


def point_at_simulator(account: ProviderAccount, certificate: str) -> None:
    """Lead a provider account to the simulator that runs here."""
    credentials = {**SIMULATOR_CREDENTIALS, "certificate_pem": certificate}
    account.base_url = settings.current().simulator_mpesa_url or SIMULATOR_URL
    account.credentials = encryption.encrypt(json.dumps(credentials), bound_to=account.id)
    key = settings.current().secret_keys[0]
    account.credentials_key_id = hashlib.sha256(key.encode()).hexdigest()[:16]


@dataclass(frozen=True, kw_only=True)
class Opening:
    """Writes a company's money in the transaction of its bootstrap."""

    session: Session
    company: Company
    units: Units
    people: Mapping[str, UUID]
    """Persona → user."""
    certificate: str
    now: datetime

    def write(self, spec: CompanySpec) -> None:
        """All of it, and one cut-over entry for each store."""
        provider = self._provider(*spec.provider_account)
        entries = []
        for fund in spec.funds:
            self.session.add(self._fund(fund))
            self.session.flush()
            for store in fund.stores:
                is_share = store.kind is StoreKind.PROVIDER_SHARE
                account_id = self._store(fund, store, provider.id if is_share else None)
                entries.append(self._entry(fund, store, account_id))
        posting.post(self.session, entries)

    def _provider(self, code: str, shortcode: str) -> ProviderAccount:
        provider = ProviderAccount(
            id=new_id(),
            company_id=self.company.id,
            code=code,
            name=f"M-Pesa {shortcode}",
            method=Method.MPESA,
            currency="KES",
            environment="sandbox",
            shortcode=shortcode,
            options={},
        )
        point_at_simulator(provider, self.certificate)
        self.session.add(provider)
        return provider

    def _fund(self, spec: FundSpec) -> Fund:
        return Fund(
            id=self.units.funds[spec.code],
            company_id=self.company.id,
            code=spec.code,
            name=spec.name,
            currency=spec.currency,
            region_id=self.units.regions[self.units.region_of[spec.branch]],
            branch_id=self.units.branches[spec.branch],
            custodian_id=self.people[spec.custodian],
            alternate_custodian_id=self.people[spec.alternate] if spec.alternate else None,
            target_balance=Decimal(spec.target),
            reorder_level=Decimal(spec.reorder),
            minimum_balance=Decimal(0),
            maximum_balance=Decimal(spec.target),
            cash_limit=Decimal(spec.cash_limit),
        )

    def _store(self, fund: FundSpec, spec: StoreSpec, provider_id: UUID | None) -> UUID:
        account = LedgerAccount(
            id=new_id(),
            company_id=self.company.id,
            code=f"{accounts.PLAN[AccountKind.STORE].number}.{spec.code}",
            name=spec.name,
            kind=AccountKind.STORE,
            currency=fund.currency,
            fund_id=self.units.funds[fund.code],
            provider_account_id=provider_id,
        )
        self.session.add(account)
        self.session.flush()
        self.session.add(
            Store(
                company_id=self.company.id,
                fund_id=self.units.funds[fund.code],
                code=spec.code,
                name=spec.name,
                kind=spec.kind,
                account_id=account.id,
                provider_account_id=provider_id,
                currency=fund.currency,
            )
        )
        return account.id

    def _entry(self, fund: FundSpec, store: StoreSpec, account_id: UUID) -> posting.Entry:
        equity = accounts.find(self.session, kind=AccountKind.EQUITY, currency=fund.currency)
        amount = Decimal(store.opening)
        dimensions = {
            "fund_id": self.units.funds[fund.code],
            "branch_id": self.units.branches[fund.branch],
        }
        return posting.Entry(
            source=f"store:{store.code}:opening",
            rule="opening_balance",
            description=f"Opening balance of {store.name}",
            occurred_at=self.now,
            currency=fund.currency,
            postings=[
                posting.debit(account_id, amount, **dimensions),
                posting.credit(equity.id, amount, **dimensions),
            ],
        )
