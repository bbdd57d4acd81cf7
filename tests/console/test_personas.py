"""The demo's personas at the door: in development, and nowhere else."""

import dataclasses

from pettycash.app import create_app
from pettycash.lab.demo import sign_in
from tests.api.client import ApiClient
from tests.console.visiting import Visiting
from tests.servers import Database


def test_in_development_one_tap_signs_in(live: Database) -> None:
    here = dataclasses.replace(live.settings, environment="development")
    application = create_app(here)
    sign_in.install(application)
    visitor = Visiting(ApiClient(application))
    nobody = visitor(None)
    page = nobody.get("/console/sign-in/")
    assert "Or look around as" in page.text
    assert "Staff, Westlands" in page.text
    assert "Head of Other" not in page.text
    answer = nobody.post("/console/personas/", {"username": "staff"})
    assert (answer.status_code, answer.location) == (303, "/console/")
    assert "Staff, Westlands" in nobody.get("/console/").text
    assert visitor(None).post("/console/personas/", {"username": "nobody"}).status_code == 404
    forged = visitor(None).post(
        "/console/personas/", {"username": "staff"}, **{"Sec-Fetch-Site": "cross-site"}
    )
    assert forged.status_code == 403


def test_elsewhere_there_is_no_such_door(visitor: Visiting, api: ApiClient) -> None:
    sign_in.install(api.application)  # says no by itself
    nobody = visitor(None)
    assert "Or look around as" not in nobody.get("/console/sign-in/").text
    assert nobody.post("/console/personas/", {"username": "staff"}).status_code in {404, 405}
