"""The company that one acts in. Others do not exist here."""

import hashlib
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from pettycash.models.access import Company
from pettycash.services.access import organisation
from pettycash.services.access.organisation import COMPANIES
from pettycash.services.foundation.uow import Uow
from pettycash.web.etags import Expected, Tagged
from pettycash.web.operations import list_of, operation
from pettycash.web.refusals import refuses
from pettycash.web.schemas import organisation as shapes


def _version(company: Company) -> str:
    """Of what can change of it; the table keeps no number of versions."""
    facts = f"{company.name}\0{company.is_active}"
    return hashlib.sha256(facts.encode()).hexdigest()[:16]


list_all = list_of(
    "companies.list",
    COMPANIES,
    "List the company that you act in.",
    answers=shapes.CompanySchema,
    example=shapes.EXAMPLE_COMPANY,
)


@operation("companies.get", answers=shapes.CompanySchema, example=shapes.EXAMPLE_COMPANY, etag=True)
@refuses(organisation.UnitNotFound)
def get(uow: Uow, *, company_id: UUID) -> Tagged:
    """Read the company."""
    company = organisation.get_company(uow.session, company_id=company_id)
    return Tagged(company, _version(company))


@operation(
    "companies.update",
    takes=shapes.CompanyChangeSchema,
    given={"name": "Demo organisation"},
    answers=shapes.CompanySchema,
    example=shapes.EXAMPLE_COMPANY,
    etag=True,
)
@refuses(organisation.CompanyNameTaken, organisation.UnitNotFound)
def update(uow: Uow, *, company_id: UUID, changes: Mapping[str, Any], expected: Expected) -> Tagged:
    """Give the company another name."""
    company = organisation.get_company(uow.session, company_id=company_id, lock=True)
    expected.check(_version(company))
    organisation.rename_company(uow, company=company, name=changes["name"])
    return Tagged(company, _version(company))
