"""The company that one acts in. Others do not exist here."""

import hashlib
from typing import Any
from uuid import UUID

from flask.views import MethodView

from pettycash.api.blueprints import Blueprint
from pettycash.models.access import Company
from pettycash.runtime.db import transaction
from pettycash.services.access import organisation
from pettycash.services.access.organisation import COMPANIES, CompanyNameTaken, UnitNotFound
from pettycash.services.foundation.listings import ListPage, page
from pettycash.web.admission import current_actor, operation
from pettycash.web.etags import check_etag, set_etag
from pettycash.web.headers import sends
from pettycash.web.pages import example_page, page_of, query_of
from pettycash.web.refusals import refuses
from pettycash.web.schemas.organisation import (
    EXAMPLE_COMPANY,
    CompanyChangeSchema,
    CompanySchema,
)

blp = Blueprint(
    "companies", __name__, url_prefix="/api/companies", description="The company you act in."
)


def _version(company: Company) -> str:
    """Of what can change of it; the table keeps no number of versions."""
    facts = f"{company.name}\0{company.is_active}"
    return hashlib.sha256(facts.encode()).hexdigest()[:16]


@blp.route("/")
class Companies(MethodView):
    @operation("companies.list")
    @blp.arguments(query_of(COMPANIES), location="query")
    @blp.response(200, page_of(CompanySchema), example=example_page(EXAMPLE_COMPANY))
    def get(self, arguments: dict[str, Any]) -> ListPage:
        """List the company that you act in."""
        with transaction() as session:
            return page(session, COMPANIES, current_actor(), arguments)


@blp.route("/<uuid:company_id>/")
class OneCompany(MethodView):
    @operation("companies.get")
    @blp.response(200, CompanySchema, example=EXAMPLE_COMPANY)
    @refuses(UnitNotFound)
    @sends("ETag")
    def get(self, company_id: UUID) -> Company:
        """Read the company."""
        with transaction() as session:
            company = organisation.get_company(session, company_id=company_id)
            set_etag(_version(company))
            return company

    @operation("companies.update")
    @blp.arguments(CompanyChangeSchema, example={"name": "Demo organisation"})
    @blp.response(200, CompanySchema, example=EXAMPLE_COMPANY)
    @refuses(CompanyNameTaken, UnitNotFound)
    def patch(self, body: dict[str, Any], company_id: UUID) -> Company:
        """Give the company another name."""
        with transaction() as session:
            company = organisation.get_company(session, company_id=company_id, lock=True)
            check_etag(_version(company))
            organisation.rename_company(
                session, company=company, name=body["name"], actor=current_actor()
            )
            set_etag(_version(company))
            return company
