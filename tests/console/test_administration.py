"""Pages of administration: units, people, roles, thresholds, settings, keys, accounts, the log."""

import io
import re

from tests.api.client import ApiClient
from tests.console.browsing import NARROW, Browsing, look, shot
from tests.console.visiting import Visiting, form_of
from tests.factories.sheets import row, sheet


def first(page: str, path: str) -> str:
    """The first link of a page that leads to a thing of this kind."""
    found = re.search(rf'href="(/console/{path}/[0-9a-f-]{{36}}/)"', page)
    assert found is not None, page
    return found[1]


def test_a_unit_is_made_changed_and_retired(visitor: Visiting) -> None:
    admin = visitor("admin")
    new = "/console/admin/organisation/departments/new/"
    answer = admin.fill(new, code="", name="Logistics")
    assert answer.status_code == 422
    assert 'value="Logistics"' in answer.text
    answer = admin.fill(new, code="LOG", name="Logistics")
    assert answer.status_code == 303, answer.text
    place = answer.location.partition("?")[0]
    form = admin.form(f"{place}edit/")
    assert form["fields"]["is_active"] == "1"
    form["fields"].pop("is_active")
    answer = admin.post(f"{place}edit/", form["fields"])
    assert answer.status_code == 303, answer.text
    assert "not in use" in visitor("staff").get("/console/admin/organisation/").text
    assert visitor("staff").get(new).status_code == 403


def test_somebody_is_admitted_and_a_role_proposed(visitor: Visiting) -> None:
    admin = visitor("admin")
    typed = {"username": "new.person", "display_name": "New Person", "email": "new@demo.example"}
    answer = admin.fill("/console/admin/users/new/", **typed | {"phone": "12"})
    assert answer.status_code == 422
    assert "f-phone" in answer.text
    answer = admin.fill("/console/admin/users/new/", **typed)
    assert answer.status_code == 303, answer.text
    place = answer.location.partition("?")[0]
    answer = admin.fill(f"{place}role/", role="fpa", reason="Helps out")
    assert answer.status_code == 303, answer.text
    assert answer.location.startswith("/console/changes/")
    second = visitor("admin_2")
    change = answer.location.partition("?")[0]
    assert "New Person" in second.get(change).text
    assert second.fill(f"{change}confirm/").status_code == 303
    assert "FP&amp;A" in admin.get(place).text
    role = first(admin.get("/console/admin/roles/?is_live=1").text, "admin/roles")
    answer = admin.fill(f"{role}end/", reason="Went back")
    assert answer.status_code == 303, answer.text


def test_settings_of_one_and_of_two_people(visitor: Visiting) -> None:
    admin = visitor("admin")
    place = "/console/admin/settings/"
    answer = admin.fill(f"{place}edit/", case_due_hours="9999")
    assert answer.status_code == 422
    assert "9999" in answer.text
    answer = admin.fill(f"{place}edit/", case_due_hours="8", advances="1")
    assert answer.status_code == 303, answer.text
    answer = admin.fill(
        f"{place}propose/", payload__small_team="1", payload__otp_floor="kes 2,000.00", reason="So"
    )
    assert answer.status_code == 303, answer.text
    page = visitor("admin_2").get(answer.location).text
    assert re.search(r'data-label="Now">No</td>\s*<td data-label="Then">Yes', page)
    assert "2000.00" in page


def test_a_key_is_shown_once_and_never_stored(api: ApiClient, visitor: Visiting) -> None:
    admin = visitor("admin")
    new = "/console/admin/keys/new/"
    form = admin.form(new)
    typed = form["fields"] | {
        "name": "expense app",
        "scopes": ["raise", "read"],
        "expires_at": "2027-06-30T00:00",
    }
    answer = admin.post(new, typed)
    assert answer.status_code == 200, answer.text
    found = re.search(r'pc-secret">(pc_key_[^<]+)<', answer.text)
    assert found is not None
    again = admin.post(new, typed)
    assert again.status_code == 409
    assert found[1] not in again.text
    key = first(admin.get("/console/admin/keys/").text, "admin/keys")
    assert found[1] not in admin.get(key).text
    assert admin.fill(f"{key}revoke/").status_code == 303
    assert f"{key}revoke/" not in admin.get(key).text
    del api


def test_credentials_only_go_in(visitor: Visiting) -> None:
    admin = visitor("admin")
    place = first(admin.get("/console/admin/providers/").text, "admin/providers")
    secret = {
        "credentials__consumer_key": "key-of-the-rail",
        "credentials__consumer_secret": "s3cret",
        "credentials__initiator_name": "api",
        "credentials__initiator_password": "p4ss",
        "credentials__certificate_pem": "-----BEGIN CERTIFICATE-----",
    }
    answer = admin.fill(f"{place}edit/", **secret, base_url="http://example.com")
    assert answer.status_code == 422
    assert "f-base_url" in answer.text
    assert "s3cret" not in answer.text
    answer = admin.fill(f"{place}edit/", **secret, base_url="https://sandbox.safaricom.co.ke")
    assert answer.status_code == 303, answer.text
    page = admin.get(place).text
    assert "key-of-the-rail" not in page
    assert re.search(r"Credentials set by</dt><dd[^>]*>Administrator<", page)
    assert visitor("treasury").get(place).status_code == 200
    assert visitor("staff").get(place).status_code == 403


def test_people_come_from_a_sheet(visitor: Visiting) -> None:
    admin = visitor("admin")
    assert admin.get("/console/admin/import/template/").status_code == 200
    wrong = sheet(row("person", "amina", "Amina", branch="NOWHERE", email="amina@example.org"))
    right = sheet(row("region", "LAKE", "Lake"), row("branch", "KISUMU", "Kisumu", region="LAKE"))
    check = "/console/admin/import/check/"
    for content, said in ((wrong, "nothing of the sheet can be proposed"), (right, "No error.")):
        fields = admin.form(check)["fields"] | {"file": (io.BytesIO(content), "people.csv")}
        answer = admin.post(check, fields)
        assert answer.status_code == 200, answer.text
        assert said in answer.text
    found = re.search(r'href="(/console/admin/import/propose/[^"]+)"', answer.text)
    assert found is not None
    form = form_of(admin.get(found[1]), "/console/admin/import/propose/")
    again = form["fields"] | {"reason": "The lake", "file": (io.BytesIO(right), "people.csv")}
    answer = admin.post("/console/admin/import/propose/", again)
    assert answer.status_code == 303, answer.text
    assert answer.location.startswith("/console/changes/")


def test_a_tier_is_drafted(visitor: Visiting) -> None:
    cfo = visitor("group_finance_manager")
    assert (
        "Every amount has somebody who approves it." in cfo.get("/console/admin/thresholds/").text
    )
    answer = cfo.fill(
        "/console/admin/thresholds/new/",
        name="Tier 9",
        currency="TZS",
        origin="branch",
        tier="1",
        min_amount="0",
        max_amount="10,000",
        roles_sequence="Branch manager\nregional_manager",
        reason="Tanzania",
    )
    assert answer.status_code == 303, answer.text
    assert "Branch manager" in cfo.get(answer.location).text


def test_the_pages_of_administration_are_for_all(browser: Browsing) -> None:
    admin, manager = browser("admin"), browser("group_finance_manager")
    for page, path in (
        (admin, "admin/organisation"),
        (admin, "admin/organisation/branches"),
        (admin, "admin/organisation/branches/new"),
        (admin, "admin/users"),
        (admin, "admin/users/new"),
        (admin, "admin/roles"),
        (admin, "admin/thresholds"),
        (manager, "admin/thresholds/new"),
        (admin, "admin/settings"),
        (admin, "admin/settings/edit"),
        (admin, "admin/settings/propose"),
        (admin, "admin/keys"),
        (admin, "admin/keys/new"),
        (admin, "admin/providers"),
        (admin, "admin/providers/new"),
        (admin, "admin/import"),
        (admin, "admin/import/check"),
        (admin, "audit"),
    ):
        page.goto(f"/console/{path}/")
        shot(page, path.replace("/", "-"))
        look(page, path, within=NARROW)
        page.set_viewport_size({"width": 1280, "height": 900})
    for path in ("users", "roles", "thresholds", "providers", "organisation/branches"):
        admin.goto(f"/console/admin/{path}/")
        admin.locator("table a").first.click()
        shot(admin, f"one-{path.replace('/', '-')}")
        look(admin, f"one of {path}", within=NARROW)
        admin.set_viewport_size({"width": 1280, "height": 900})
