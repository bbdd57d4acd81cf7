"""People of the company: admit, read, change, deactivate."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from pettycash.services.access import people
from pettycash.services.access.identity.totp import UserNotFound
from pettycash.services.access.identity.usernames import InvalidPerson
from pettycash.services.access.organisation import UnknownUnit
from pettycash.services.access.people_lists import USERS, to_response
from pettycash.services.approvals import indispensable
from pettycash.services.foundation.text_validation import InvalidText
from pettycash.services.foundation.uow import Uow
from pettycash.web.etags import Expected, Tagged
from pettycash.web.operations import list_of, operation
from pettycash.web.refusals import refuses
from pettycash.web.schemas import people as shapes

LOGIN = ("username", "display_name", "email", "phone")


def _one(uow: Uow, person: people.Person) -> dict[str, Any]:
    return to_response(uow, [(person.user, person.membership)])[0]


list_all = list_of(
    "users.list",
    USERS,
    "List the people of the company by username.",
    answers=shapes.UserSchema,
    example=shapes.EXAMPLE_USER,
)


@operation(
    "users.create",
    takes=shapes.NewUserSchema,
    given=shapes.EXAMPLE_NEW_USER,
    step_up=True,
    status=201,
    answers=shapes.UserSchema,
    example={**shapes.EXAMPLE_USER, "roles": []},
    etag=True,
)
@refuses(InvalidPerson, InvalidText, UnknownUnit, people.UsernameTaken)
def create(uow: Uow, /, **facts: Any) -> Tagged:
    """Admit somebody. A link with which they set a password goes to their own address."""
    login = {name: facts.pop(name, None) for name in LOGIN}
    made = people.admit(uow.session, **login, places=facts, actor=uow.actor)
    uow.session.flush()  # the answer shows the time that the database gave
    uow.session.refresh(made.membership)
    return Tagged(_one(uow, made), made.version)


@operation("users.get", answers=shapes.UserSchema, example=shapes.EXAMPLE_USER, etag=True)
@refuses(UserNotFound)
def get(uow: Uow, *, user_id: UUID) -> Tagged:
    """Read a person."""
    person = people.find(uow.session, user_id=user_id)
    return Tagged(_one(uow, person), person.version)


@operation(
    "users.update",
    takes=shapes.UserChangeSchema,
    given={"is_active": False},
    step_up=True,
    answers=shapes.ChangedUserSchema,
    example=shapes.EXAMPLE_DEACTIVATED,
    etag=True,
)
@refuses(
    people.ContactNeedsTwoPeople,
    InvalidPerson,
    InvalidText,
    people.LoginShared,
    people.NotYourself,
    UnknownUnit,
    UserNotFound,
)
def update(uow: Uow, *, user_id: UUID, changes: Mapping[str, Any], expected: Expected) -> Tagged:
    """Change or deactivate a person; who is deactivated is signed out at once.

    Deactivating is never refused; `warnings` name what only they could do.
    """
    person = people.find(uow.session, user_id=user_id, lock=True)
    expected.check(person.version)
    people.update(uow.session, person, values=changes, actor=uow.actor, now=uow.now)
    answer = _one(uow, person)
    if changes.get("is_active") is False:
        uow.session.flush()  # roles are read of those who are active
        answer["warnings"] = indispensable.of_person(uow.session, user_id=user_id, now=uow.now)
    return Tagged(answer, person.version)


@operation("users.link", step_up=True, status=202)
@refuses(people.ContactTooNew, people.LoginShared, UserNotFound)
def link(uow: Uow, *, user_id: UUID) -> None:
    """Send a person a new link to their own address; earlier ones are worthless then."""
    people.send_link(uow.session, user_id=user_id, actor=uow.actor)
