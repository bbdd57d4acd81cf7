"""Routes of funds, their replenishments and variances."""

from pettycash.api.blueprints import Blueprint
from pettycash.api.routes import serve
from pettycash.web.operations.imprest import funds, replenishments, variances

FUNDS = Blueprint(
    "funds",
    __name__,
    url_prefix="/api/funds",
    description="Imprest funds, the stores that their money lies in, and their balances.",
)
serve(FUNDS, "/", get=funds.list_all, post=funds.create, location="/api/funds/{id}/")
serve(FUNDS, "/<uuid:fund_id>/", get=funds.get, patch=funds.update)
serve(FUNDS, "/<uuid:fund_id>/balance/", get=funds.balance)
serve(
    FUNDS, "/<uuid:fund_id>/replenish/", post=funds.replenish, location="/api/replenishments/{id}/"
)
serve(
    FUNDS,
    "/<uuid:fund_id>/opening_balance/",
    post=funds.opening_balance,
    location="/api/changes/{id}/",
)
serve(FUNDS, "/stores/", get=funds.list_all_stores)
serve(FUNDS, "/standing-validations/", get=funds.list_standing_validations)
serve(
    FUNDS,
    "/<uuid:fund_id>/stores/",
    get=funds.list_stores,
    post=funds.create_store,
    location="/api/funds/{fund_id}/stores/{id}/",
)
serve(
    FUNDS, "/<uuid:fund_id>/stores/<uuid:store_id>/", get=funds.get_store, patch=funds.update_store
)

REPLENISHMENTS = Blueprint(
    "replenishments",
    __name__,
    url_prefix="/api/replenishments",
    description="Filling funds up to their float: pending, approved, funded, received.",
)
serve(REPLENISHMENTS, "/", get=replenishments.list_all)
serve(REPLENISHMENTS, "/<key:replenishment_id>/", get=replenishments.get)
serve(REPLENISHMENTS, "/<uuid:replenishment_id>/approve/", post=replenishments.approve)
serve(REPLENISHMENTS, "/<uuid:replenishment_id>/reject/", post=replenishments.reject)
serve(REPLENISHMENTS, "/<uuid:replenishment_id>/cancel/", post=replenishments.cancel)
serve(REPLENISHMENTS, "/<uuid:replenishment_id>/send_otp/", post=replenishments.send_otp)
serve(REPLENISHMENTS, "/<uuid:replenishment_id>/verify_otp/", post=replenishments.verify_otp)
serve(
    REPLENISHMENTS, "/<uuid:replenishment_id>/unlock_release/", post=replenishments.unlock_release
)
serve(REPLENISHMENTS, "/<uuid:replenishment_id>/fund/", post=replenishments.fund)
serve(REPLENISHMENTS, "/<uuid:replenishment_id>/receive/", post=replenishments.receive)

VARIANCES = Blueprint(
    "variances",
    __name__,
    url_prefix="/api",
    description="Where the books and the world differ, and what the cfo makes of it.",
)
serve(
    VARIANCES,
    "/payments/<uuid:payment_id>/record_variance/",
    post=variances.record,
    location="/api/variances/{id}/",
)
serve(VARIANCES, "/variances/", get=variances.list_all)
serve(VARIANCES, "/variances/<key:variance_id>/", get=variances.get)
serve(VARIANCES, "/variances/<uuid:variance_id>/approve/", post=variances.approve)
serve(VARIANCES, "/variances/<uuid:variance_id>/reject/", post=variances.reject)
