"""Settings of the company: versions, of which the newest holds."""

from collections.abc import Mapping
from typing import Any

from pettycash.services.foundation import company_settings
from pettycash.services.foundation.company_settings import CompanyPolicy
from pettycash.services.foundation.uow import Uow
from pettycash.web.etags import Expected
from pettycash.web.operations import operation
from pettycash.web.refusals import refuses
from pettycash.web.schemas import company_settings as shapes


@operation(
    "settings.get", answers=shapes.SettingsSchema, example=shapes.EXAMPLE_SETTINGS, etag=True
)
def get(uow: Uow) -> CompanyPolicy:
    """Read the settings of the company."""
    return company_settings.current(uow.session)


@operation(
    "settings.update",
    takes=shapes.SettingsChangeSchema,
    given={"case_due_hours": 8},
    step_up=True,
    answers=shapes.SettingsSchema,
    example=shapes.EXAMPLE_SETTINGS,
    etag=True,
)
@refuses(
    company_settings.InvalidSetting,
    company_settings.SettingNeedsTwoPeople,
    company_settings.SettingsChanged,
    company_settings.UnknownSetting,
)
def update(uow: Uow, *, changes: Mapping[str, Any], expected: Expected) -> CompanyPolicy:
    """Write a new version of the settings; two people change those of consequence."""
    before = company_settings.current(uow.session)
    expected.check(before.version)
    return company_settings.update(
        uow.session, values=changes, expected_version=before.version, changed_by=uow.actor.user_id
    )
