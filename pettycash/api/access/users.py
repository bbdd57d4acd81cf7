"""People of the company: admit, read, change, deactivate."""

from typing import Any
from uuid import UUID

from flask.views import MethodView
from sqlalchemy.orm import Session

from pettycash.api.blueprints import Blueprint
from pettycash.runtime.db import transaction
from pettycash.services.access import people
from pettycash.services.access.identity.totp import UserNotFound
from pettycash.services.access.identity.usernames import InvalidPerson
from pettycash.services.access.organisation import UnknownUnit
from pettycash.services.access.people import (
    ContactNeedsTwoPeople,
    ContactTooNew,
    LoginShared,
    NotYourself,
    UsernameTaken,
)
from pettycash.services.access.people_lists import USERS, to_response
from pettycash.services.approvals import indispensable
from pettycash.services.foundation.listings import ListPage, Reader, page
from pettycash.services.foundation.text_validation import InvalidText
from pettycash.web.admission import current_actor, operation
from pettycash.web.etags import check_etag, set_etag
from pettycash.web.headers import sends
from pettycash.web.idempotency import idempotent
from pettycash.web.pages import example_page, page_of, query_of
from pettycash.web.refusals import refuses
from pettycash.web.schemas.people import (
    EXAMPLE_DEACTIVATED,
    EXAMPLE_NEW_USER,
    EXAMPLE_USER,
    ChangedUserSchema,
    NewUserSchema,
    UserChangeSchema,
    UserSchema,
)

blp = Blueprint(
    "users", __name__, url_prefix="/api/users", description="People, their places and roles."
)

LOGIN = ("username", "display_name", "email", "phone")


def _one(session: Session, person: people.Person) -> dict[str, Any]:
    return to_response(Reader(session, current_actor()), [(person.user, person.membership)])[0]


@blp.route("/")
class Users(MethodView):
    @operation("users.list")
    @blp.arguments(query_of(USERS), location="query")
    @blp.response(200, page_of(UserSchema), example=example_page(EXAMPLE_USER))
    def get(self, arguments: dict[str, Any]) -> ListPage:
        """List the people of the company by username."""
        with transaction() as session:
            return page(session, USERS, current_actor(), arguments)

    @operation("users.create", step_up=True)
    @idempotent()
    @blp.arguments(NewUserSchema, example=EXAMPLE_NEW_USER)
    @blp.response(201, UserSchema, example={**EXAMPLE_USER, "roles": []})
    @refuses(InvalidPerson, InvalidText, UnknownUnit, UsernameTaken)
    @sends("Location", "ETag")
    def post(self, body: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
        """Admit somebody. A link with which they set a password goes to their own address."""
        login = {name: body.pop(name, None) for name in LOGIN}
        with transaction() as session:
            made = people.admit(session, **login, places=body, actor=current_actor())
            session.flush()  # the answer shows the time that the database gave
            session.refresh(made.membership)
            set_etag(made.version)
            return _one(session, made), {"Location": f"/api/users/{made.user.id}/"}


@blp.route("/<uuid:user_id>/")
class OneUser(MethodView):
    @operation("users.get")
    @blp.response(200, UserSchema, example=EXAMPLE_USER)
    @refuses(UserNotFound)
    @sends("ETag")
    def get(self, user_id: UUID) -> dict[str, Any]:
        """Read a person."""
        with transaction() as session:
            person = people.find(session, user_id=user_id)
            set_etag(person.version)
            return _one(session, person)

    @operation("users.update", step_up=True)
    @blp.arguments(UserChangeSchema, example={"is_active": False})
    @blp.response(200, ChangedUserSchema, example=EXAMPLE_DEACTIVATED)
    @refuses(
        ContactNeedsTwoPeople,
        InvalidPerson,
        InvalidText,
        LoginShared,
        NotYourself,
        UnknownUnit,
        UserNotFound,
    )
    def patch(self, body: dict[str, Any], user_id: UUID) -> dict[str, Any]:
        """Change or deactivate a person; who is deactivated is signed out at once.

        Deactivating is never refused; `warnings` name what only they could do.
        """
        with transaction() as session:
            now = session.info["now"]
            person = people.find(session, user_id=user_id, lock=True)
            check_etag(person.version)
            people.update(session, person, values=body, actor=current_actor(), now=now)
            set_etag(person.version)
            answer = _one(session, person)
            if body.get("is_active") is False:
                session.flush()  # roles are read of those who are active
                answer["warnings"] = indispensable.of_person(session, user_id=user_id, now=now)
            return answer


@blp.route("/<uuid:user_id>/link/")
class UserLink(MethodView):
    @operation("users.link", step_up=True)
    @idempotent()
    @blp.response(202)
    @refuses(ContactTooNew, LoginShared, UserNotFound)
    def post(self, user_id: UUID) -> None:
        """Send a person a new link to their own address; earlier ones are worthless then."""
        with transaction() as session:
            people.send_link(session, user_id=user_id, actor=current_actor())
