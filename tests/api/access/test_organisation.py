"""Units of a company over HTTP: made, changed, retired; refused as carefully."""

from typing import Any

from tests.api.client import ApiClient, Caller

KINDS = {
    "regions": {"code": "NORTH", "name": "North"},
    "departments": {"code": "LEGAL", "name": "Legal"},
    "cost-centers": {"code": "CC-9", "name": "Nine"},
    "positions": {"code": "CLERK", "title": "Clerk", "level": 2},
}
PATHS = (*KINDS, "branches")


def _first(caller: Caller, path: str, **query: str) -> dict[str, Any]:
    return caller.get(path, query_string=query).json["items"][0]


def test_a_unit_is_made_read_and_changed(admin: Caller) -> None:
    for path, body in KINDS.items():
        made = admin.post(f"/api/{path}/", json=body)

        assert made.status_code == 201, made.json
        assert made.json["is_active"] is True
        location = made.headers["Location"]
        read = admin.get(location)
        assert read.json == made.json

        word = "title" if path == "positions" else "name"
        changed = admin.patch(location, json={word: "Another"}, etag=read.headers["ETag"])
        assert changed.status_code == 200, changed.json
        assert changed.json[word] == "Another"
        assert changed.headers["ETag"] != read.headers["ETag"]
        found = admin.get(f"/api/{path}/?q=another").json["items"]
        assert [each["id"] for each in found] == [made.json["id"]]


def test_a_branch_belongs_to_a_region_of_the_company(api: ApiClient, admin: Caller) -> None:
    region = _first(admin, "/api/regions/", code="COAST")
    body = {"code": "MALINDI", "name": "Malindi", "region_id": region["id"], "address": "Beach"}

    made = admin.post("/api/branches/", json=body)

    assert made.status_code == 201
    listed = admin.get(f"/api/branches/?region_id={region['id']}").json["items"]
    assert {each["code"] for each in listed} == {"MALINDI", "MOMBASA"}
    strange = _first(api.as_("other_company"), "/api/regions/")
    for region_id in (strange["id"], "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f0b99"):
        refused = admin.post("/api/branches/", json=body | {"code": "X", "region_id": region_id})
        assert refused.status_code == 422
        assert refused.json["code"] == "organisation.unknown_unit"
        assert "region_id" in refused.json["errors"]


def test_a_code_is_unique_within_the_company_only(api: ApiClient, admin: Caller) -> None:
    taken = admin.post("/api/regions/", json={"code": "COAST", "name": "Again"})

    assert taken.status_code == 409
    assert taken.json["code"] == "organisation.code_taken"
    elsewhere = api.as_("other_admin").post(
        "/api/regions/", json={"code": "COAST", "name": "Theirs"}
    )
    assert elsewhere.status_code == 201


def test_taking_another_ones_code_is_refused_too(admin: Caller) -> None:
    made = admin.post("/api/regions/", json={"code": "NORTH", "name": "North"})

    refused = admin.patch(
        made.headers["Location"], json={"code": "COAST"}, etag=made.headers["ETag"]
    )

    assert refused.status_code == 409
    assert refused.json["code"] == "organisation.code_taken"
    assert admin.get(made.headers["Location"]).json["code"] == "NORTH"


def test_a_change_names_the_version_that_it_changes(admin: Caller) -> None:
    made = admin.post("/api/departments/", json=KINDS["departments"])
    path, first = made.headers["Location"], made.headers["ETag"]

    assert admin.patch(path, json={"name": "A"}).status_code == 428
    assert admin.patch(path, json={"name": "A"}, etag=first).status_code == 200
    stale = admin.patch(path, json={"name": "B"}, etag=first)
    assert stale.status_code == 412
    assert admin.get(path).json["name"] == "A"
    assert admin.get(path, headers={"If-None-Match": first}).status_code == 200
    current = admin.get(path).headers["ETag"]
    assert admin.get(path, headers={"If-None-Match": current}).status_code == 304


def test_what_others_stand_on_is_not_deactivated(admin: Caller) -> None:
    for path, code in (
        ("regions", "NAIROBI"),
        ("branches", "WESTLANDS"),
        ("departments", "OPS"),
        ("cost-centers", "WESTLANDS-OPS"),
        ("positions", "OFFICER"),
    ):
        unit = _first(admin, f"/api/{path}/", code=code)
        place = f"/api/{path}/{unit['id']}/"
        etag = admin.get(place).headers["ETag"]
        refused = admin.patch(place, json={"is_active": False}, etag=etag)
        assert refused.status_code == 409, path
        assert refused.json["code"] == "organisation.unit_in_use"


def test_an_unused_unit_is_deactivated_and_nothing_can_stand_on_it_then(admin: Caller) -> None:
    made = admin.post("/api/regions/", json={"code": "NORTH", "name": "North"})

    ended = admin.patch(
        made.headers["Location"], json={"is_active": False}, etag=made.headers["ETag"]
    )

    assert ended.json["is_active"] is False
    branch = {"code": "TURKANA", "name": "Turkana", "region_id": made.json["id"]}
    refused = admin.post("/api/branches/", json=branch)
    assert refused.json["code"] == "organisation.unknown_unit"
    codes = [each["code"] for each in admin.get("/api/regions/?is_active=true").json["items"]]
    assert "NORTH" not in codes


def test_what_makes_no_unit_is_refused(admin: Caller) -> None:
    for body in (
        {"name": "No code"},
        {"code": "", "name": "Empty"},
        {"code": "has blanks", "name": "Blanks"},
        {"code": "x" * 33, "name": "Long"},
        {"code": "OK", "name": ""},
        {"code": "OK", "name": 5},
        {"code": "OK", "name": "Ok", "company_id": "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f0b99"},
        {"code": "OK", "name": "Ok", "colour": "blue"},
        {"code": "OK", "name": "Ok", "is_active": "perhaps"},
    ):
        refused = admin.post("/api/regions/", json=body)
        assert refused.status_code == 422, body
        assert refused.json["errors"]
    assert admin.get("/api/regions/?code=OK").json["items"] == []


def test_only_an_administrator_changes_units(common: ApiClient) -> None:
    for path in PATHS:
        unit = _first(common.as_("staff"), f"/api/{path}/")
        place = f"/api/{path}/{unit['id']}/"
        for who in ("staff", "cfo", "operator", "auditor"):
            caller = common.as_(who)
            assert caller.get(place).status_code == 200
            assert caller.post(f"/api/{path}/", json={"code": "N", "name": "N"}).status_code == 403
            assert caller.patch(place, json={"is_active": True}, etag='"v1"').status_code == 403


def test_units_of_another_company_do_not_exist(common: ApiClient) -> None:
    admin = common.as_("admin")
    for path in PATHS:
        theirs = _first(common.as_("other_company"), f"/api/{path}/")
        place = f"/api/{path}/{theirs['id']}/"
        assert admin.get(place).status_code == 404
        assert admin.patch(place, json={"is_active": False}, etag='"v1"').status_code == 404
        mine = admin.get(f"/api/{path}/").json["items"]
        assert theirs["id"] not in [each["id"] for each in mine]


def test_the_company_is_read_and_renamed_and_there_is_no_other(api: ApiClient) -> None:
    admin = api.as_("admin")
    (mine,) = admin.get("/api/companies/").json["items"]
    place = f"/api/companies/{mine['id']}/"
    etag = admin.get(place).headers["ETag"]
    (theirs,) = api.as_("other_company").get("/api/companies/").json["items"]

    renamed = admin.patch(place, json={"name": "Demo, renamed"}, etag=etag)
    assert renamed.json["name"] == "Demo, renamed"
    assert renamed.json["code"] == "DEMO"
    stale = admin.patch(place, json={"name": "Late"}, etag=etag)
    assert stale.status_code == 412
    taken = admin.patch(place, json={"name": theirs["name"]}, etag=renamed.headers["ETag"])
    assert taken.status_code == 409
    assert taken.json["code"] == "company.name_taken"
    assert admin.get(f"/api/companies/{theirs['id']}/").status_code == 404
    assert api.as_("cfo").patch(place, json={"name": "No"}, etag=etag).status_code == 403
    fixed = admin.patch(place, json={"currency": "USD"}, etag=renamed.headers["ETag"])
    assert fixed.status_code == 422


def test_two_people_make_a_branch_a_head_office(api: ApiClient) -> None:
    """One administrator spared the members of a branch their branch and regional managers."""
    admin = api.as_("admin")
    place = f"/api/branches/{admin.get('/api/branches/?code=MOMBASA').json['items'][0]['id']}/"
    etag = admin.get(place).headers["ETag"]
    region = admin.get(place).json["region_id"]
    new = {"code": "NEW", "name": "New", "region_id": region, "is_head_office": True}

    for alone in (
        admin.patch(place, json={"is_head_office": True}, etag=etag),
        admin.post("/api/branches/", json=new),
    ):
        assert (alone.status_code, list(alone.json["errors"])) == (422, ["is_head_office"])
    assert admin.get(place).json["is_head_office"] is False

    proposal: dict[str, Any] = {
        "kind": "head_office",
        "object_id": place.split("/")[-2],
        "payload": {"is_head_office": True},
        "reason": "The office moved.",
    }
    for payload in ({}, {"is_head_office": "yes"}, {"is_head_office": True, "name": "x"}):
        refused = admin.post("/api/changes/", json=proposal | {"payload": payload})
        assert refused.json["code"] == "organisation.invalid_head_office"
    for nothing in (None, str(admin.user_id)):
        refused = admin.post("/api/changes/", json=proposal | {"object_id": nothing})
        assert refused.json["code"] == "organisation.not_found"
    change = admin.post("/api/changes/", json=proposal).headers["Location"]
    assert admin.post(f"{change}confirm/", json={}).json["code"] == "decision.own"
    assert api.as_("admin_2").post(f"{change}confirm/", json={}).status_code == 200
    assert admin.get(place).json["is_head_office"] is True
