"""Routes of people, their roles and units, and of API keys."""

from pettycash.api.blueprints import Blueprint
from pettycash.api.routes import serve
from pettycash.web.operations.access import (
    api_keys,
    companies,
    organisation,
    role_assignments,
    users,
)

API_KEYS = Blueprint(
    "api_keys",
    __name__,
    url_prefix="/api/api-keys",
    description="Keys of machine clients: they raise, read and upload on behalf of people"
    " (`On-Behalf-Of`), and never approve, validate, verify a code or execute.",
)
serve(API_KEYS, "/", get=api_keys.list_all, post=api_keys.create)
serve(API_KEYS, "/<uuid:api_key_id>/", get=api_keys.get, delete=api_keys.revoke)

COMPANIES = Blueprint(
    "companies", __name__, url_prefix="/api/companies", description="The company you act in."
)
serve(COMPANIES, "/", get=companies.list_all)
serve(COMPANIES, "/<uuid:company_id>/", get=companies.get, patch=companies.update)

ORGANISATION = Blueprint(
    "organisation",
    __name__,
    url_prefix="/api",
    description="Regions, branches, departments, cost centres and positions of the company.",
)
for kind in organisation.KINDS:
    made = f"/api/{kind.path}/{{id}}/"
    serve(ORGANISATION, f"/{kind.path}/", get=kind.list_all, post=kind.create, location=made)
    serve(ORGANISATION, f"/{kind.path}/<uuid:unit_id>/", get=kind.get, patch=kind.update)

ROLE_ASSIGNMENTS = Blueprint(
    "role_assignments",
    __name__,
    url_prefix="/api/role-assignments",
    description="Roles of people, with both names behind each.",
)
serve(
    ROLE_ASSIGNMENTS,
    "/",
    get=role_assignments.list_all,
    post=role_assignments.propose,
    location="/api/changes/{id}/",
)
serve(ROLE_ASSIGNMENTS, "/<uuid:assignment_id>/", get=role_assignments.get)
serve(
    ROLE_ASSIGNMENTS,
    "/<uuid:assignment_id>/end/",
    post=role_assignments.end,
    location="/api/changes/{id}/",
)

USERS = Blueprint(
    "users", __name__, url_prefix="/api/users", description="People, their places and roles."
)
serve(USERS, "/", get=users.list_all, post=users.create, location="/api/users/{id}/")
serve(USERS, "/<uuid:user_id>/", get=users.get, patch=users.update)
serve(USERS, "/<uuid:user_id>/link/", post=users.link)
