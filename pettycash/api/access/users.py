"""People of the company: admit, read, change, deactivate."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from flask.views import MethodView
from sqlalchemy import exists, or_, select
from sqlalchemy.orm import Session

from pettycash.api.admission import current_actor, operation
from pettycash.api.blueprints import Blueprint
from pettycash.api.etags import check_etag, set_etag
from pettycash.api.headers import sends
from pettycash.api.idempotency import idempotent
from pettycash.api.pages import example_page, matches, optional, page, page_of
from pettycash.api.refusals import refuses
from pettycash.api.schemas.people import (
    CENTRALISED,
    EXAMPLE_DEACTIVATED,
    EXAMPLE_NEW_USER,
    EXAMPLE_USER,
    ChangedUserSchema,
    NewUserSchema,
    UserChangeSchema,
    UserQuery,
    UserSchema,
    label,
)
from pettycash.models.access import Membership, Position, Role, RoleAssignment, User
from pettycash.runtime.db import transaction
from pettycash.runtime.sanitising import mask_phone
from pettycash.services.access import people
from pettycash.services.access.identity import sessions, usernames
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
from pettycash.services.approvals import indispensable
from pettycash.services.foundation.text_validation import InvalidText

blp = Blueprint(
    "users", __name__, url_prefix="/api/users", description="People, their places and roles."
)

LOGIN = ("username", "display_name", "email", "phone")


def _live(now: datetime) -> Any:
    ends = RoleAssignment.valid_until
    return (RoleAssignment.valid_from <= now) & or_(ends.is_(None), ends > now)


def to_response(
    session: Session, rows: Iterable[tuple[User, Membership]], now: datetime
) -> list[dict[str, Any]]:
    """People as they are answered; roles and titles of all of them in one query each."""
    found = list(rows)
    roles: dict[UUID, list[RoleAssignment]] = {}
    for held in session.execute(
        select(RoleAssignment)
        .where(RoleAssignment.user_id.in_([user.id for user, _ in found]), _live(now))
        .order_by(RoleAssignment.id)
    ).scalars():
        roles.setdefault(held.user_id, []).append(held)
    wanted = {member.position_id for _, member in found} - {None}
    named = select(Position.id, Position.title).where(Position.id.in_(wanted))
    titles = dict(session.execute(named).all())
    sees_phones = current_actor().has(Role.ADMIN)
    return [
        _person(user, member, roles.get(user.id, []), titles, sees_phones=sees_phones)
        for user, member in found
    ]


def _person(
    user: User,
    member: Membership,
    held: list[RoleAssignment],
    titles: Mapping[UUID, str],
    *,
    sees_phones: bool,
) -> dict[str, Any]:
    phone = member.phone
    return {
        "id": user.id,
        "company_id": member.company_id,
        "username": user.username,
        "display_name": user.display_name,
        "email": user.email,
        "phone": phone if sees_phones or not phone else mask_phone(phone),
        **{name: getattr(member, name) for name in people.PLACES},
        "position_title": titles.get(member.position_id) if member.position_id else None,
        "is_active": member.is_active and user.is_active,
        "mfa_enrolled": user.totp_enrolled_at is not None,
        "must_change_password": sessions.has_temporary_password(user.password_changed_at),
        "is_centralized_approver": any(each.role in CENTRALISED for each in held),
        "roles": [
            {
                "role": each.role,
                "role_display": label(each.role),
                "scope_kind": each.scope_kind,
                "scope_id": each.scope_id,
            }
            for each in held
        ],
        "created_at": member.created_at,
    }


def _spelling(username: str | None) -> str | None:
    return None if username is None else usernames.spelling(username)


@blp.route("/")
class Users(MethodView):
    """All people."""

    @operation("users.list")
    @blp.arguments(UserQuery, location="query")
    @blp.response(200, page_of(UserSchema), example=example_page(EXAMPLE_USER))
    def get(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """List the people of the company by username."""
        with transaction() as session:
            now = session.info["now"]
            query: Any = (
                select(User, Membership)
                .join(Membership, Membership.user_id == User.id)
                .where(
                    matches(arguments["q"], User.username, User.display_name, User.email),
                    optional(User.username, _spelling(arguments["username"])),
                    optional(Membership.branch_id, arguments["branch_id"]),
                    optional(Membership.department_id, arguments["department_id"]),
                )
            )
            if arguments["is_active"] is not None:
                is_active = Membership.is_active & User.is_active
                query = query.where(is_active if arguments["is_active"] else ~is_active)
            if arguments["role"] is not None:
                query = query.where(
                    exists().where(
                        RoleAssignment.user_id == User.id,
                        RoleAssignment.role.in_(arguments["role"]),
                        _live(now),
                    )
                )
            found = page(session, query, order=(User.username, User.id), arguments=arguments)
            return {**found, "items": to_response(session, found["items"], now)}

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
            body = to_response(session, [(made.user, made.membership)], session.info["now"])[0]
            set_etag(made.version)
            return body, {"Location": f"/api/users/{made.user.id}/"}


@blp.route("/<uuid:user_id>/")
class OneUser(MethodView):
    """One person."""

    @operation("users.get")
    @blp.response(200, UserSchema, example=EXAMPLE_USER)
    @refuses(UserNotFound)
    @sends("ETag")
    def get(self, user_id: UUID) -> dict[str, Any]:
        """Read a person."""
        with transaction() as session:
            person = people.find(session, user_id=user_id)
            set_etag(person.version)
            rows = [(person.user, person.membership)]
            return to_response(session, rows, session.info["now"])[0]

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
            body = to_response(session, [(person.user, person.membership)], now)[0]
            if body.get("is_active") is False:
                session.flush()  # roles are read of those who are active
                body["warnings"] = indispensable.of_person(session, user_id=user_id, now=now)
            return body


@blp.route("/<uuid:user_id>/link/")
class UserLink(MethodView):
    """A link to set a password with."""

    @operation("users.link", step_up=True)
    @idempotent()
    @blp.response(202)
    @refuses(ContactTooNew, LoginShared, UserNotFound)
    def post(self, user_id: UUID) -> None:
        """Send a person a new link to their own address; earlier ones are worthless then."""
        with transaction() as session:
            people.send_link(session, user_id=user_id, actor=current_actor())
