"""Steps of an administrator with people."""

from typing import Any

from tests.api.client import Caller

LINKS = "/api/auth/links/"
NEW = {
    "username": "Cashier.Westlands",
    "display_name": "Cashier, Westlands",
    "email": "cashier@demo.example",
    "phone": "0712 345 678",
}


def admitted(admin: Caller, **more: Any) -> dict[str, Any]:
    """Somebody new, as the answer shows them."""
    answer = admin.post("/api/users/", json=NEW | more)
    assert answer.status_code == 201, answer.json
    found: dict[str, Any] = answer.json
    return found


def of(admin: Caller, username: str) -> dict[str, Any]:
    """A person, as the list shows them."""
    found: dict[str, Any] = admin.get(f"/api/users/?username={username}").json["items"][0]
    return found


def changed(admin: Caller, person: dict[str, Any], **fields: Any) -> Any:
    """The answer to a change of a person as they are now."""
    path = f"/api/users/{person['id']}/"
    return admin.patch(path, json=fields, etag=admin.get(path).headers["ETag"])
