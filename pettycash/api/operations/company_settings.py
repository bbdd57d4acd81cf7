"""Settings of the company: versions, of which the newest holds."""

from typing import Any

from flask.views import MethodView

from pettycash.api.blueprints import Blueprint
from pettycash.runtime.db import transaction
from pettycash.services.foundation import company_settings
from pettycash.services.foundation.company_settings import (
    CompanyPolicy,
    InvalidSetting,
    SettingNeedsTwoPeople,
    SettingsChanged,
    UnknownSetting,
)
from pettycash.web.admission import current_actor, operation
from pettycash.web.etags import check_etag, set_etag
from pettycash.web.headers import sends
from pettycash.web.refusals import refuses
from pettycash.web.schemas.company_settings import (
    EXAMPLE_SETTINGS,
    SettingsChangeSchema,
    SettingsSchema,
)

blp = Blueprint(
    "settings", __name__, url_prefix="/api/settings", description="What holds in the company."
)


@blp.route("/")
class CompanySettingsView(MethodView):
    @operation("settings.get")
    @blp.response(200, SettingsSchema, example=EXAMPLE_SETTINGS)
    @sends("ETag")
    def get(self) -> CompanyPolicy:
        """Read the settings of the company."""
        with transaction() as session:
            policy = company_settings.current(session)
            set_etag(policy.version)
            return policy

    @operation("settings.update", step_up=True)
    @blp.arguments(SettingsChangeSchema, example={"case_due_hours": 8})
    @blp.response(200, SettingsSchema, example=EXAMPLE_SETTINGS)
    @refuses(InvalidSetting, SettingNeedsTwoPeople, SettingsChanged, UnknownSetting)
    def patch(self, body: dict[str, Any]) -> CompanyPolicy:
        """Write a new version of the settings; two people change those of consequence."""
        with transaction() as session:
            before = company_settings.current(session)
            check_etag(before.version)
            policy = company_settings.update(
                session,
                values=body,
                expected_version=before.version,
                changed_by=current_actor().user_id,
            )
            set_etag(policy.version)
            return policy
