"""Signing in and out over HTTP: what the API's routes and the console's forms do alike.

Each step has transactions of its own: a hash is computed while none is open, and an attempt counts
whatever comes of it.
"""

from flask import g

from pettycash.models.access import Company, User
from pettycash.runtime import errors
from pettycash.runtime.db import scope, system_transaction, transaction
from pettycash.services.access.identity import (
    links,
    passwords,
    sessions,
    signing_in,
    throttles,
    totp,
)
from pettycash.services.access.identity.throttles import LoginSubjects
from pettycash.services.foundation import encryption, security_log
from pettycash.services.foundation.uow import Uow
from pettycash.services.operations import security_alerts
from pettycash.web.admission import client_info, current_actor


def sign_in(
    *,
    username: str,
    password: str,
    totp_code: str | None = None,
    company: str | None = None,
    refreshable: bool = True,
) -> sessions.Tokens:
    """Begin a session; one that is not refreshable lasts until it idles or ends.

    Raises:
        WrongCredentials, MfaRequired, CompanyRequired, TooManyAttempts, TooManyHashes.
    """
    subjects = _count_attempt(username)
    with system_transaction() as session:
        known = signing_in.find(session, username=username)
    is_right = signing_in.matches(known, password)
    with system_transaction() as session:
        outcome = signing_in.complete(
            session,
            known=known,
            password_is_right=is_right,
            totp_code=totp_code,
            company=company,
            subjects=subjects,
            client_info=client_info(),
            refreshable=refreshable,
            now=session.info["now"],
        )
    if isinstance(outcome, errors.PettycashError):
        raise outcome
    if known.password_hash is not None and encryption.needs_rehash(known.password_hash, password):
        new_hash = encryption.hash_password(password)
        with system_transaction() as session:
            signing_in.rehash(session, known=known, new_hash=new_hash)
    return outcome


def _count_attempt(username: str) -> LoginSubjects:
    subjects = LoginSubjects.of(username, client_info().ip_address)
    with system_transaction() as session:
        attempt = throttles.begin_login(session, subjects=subjects, now=session.info["now"])
        told = signing_in.companies_to_notify(session, username=username) if attempt.closes else []
    for user_id, company_id in told:
        with scope(company_id=company_id), transaction() as session:
            security_alerts.account_closed(
                session, user_id=user_id, ip_address=client_info().ip_address
            )
    if attempt.refusal is not None:
        raise attempt.refusal
    return subjects


def sign_out() -> None:
    """End the session of this request; its tokens are worthless at once."""
    with transaction() as session:
        sessions.end_family(
            session, family_id=g.auth_family_id, reason="logout", now=session.info["now"]
        )
        security_log.record(session, event="auth.logout", outcome="ok", actor=current_actor())


def reauthenticate(*, password: str, totp_code: str | None = None) -> None:
    """Prove once more who acts, for what wants that no older than five minutes.

    Raises:
        PasswordWrong, TotpWrong, TooManyAttempts, TooManyHashes.
    """
    subjects = _confirm_password(password)
    actor = current_actor()
    with transaction() as session:
        now = session.info["now"]
        right = g.user.totp_enrolled_at is None or totp.verify_totp(
            session, user_id=actor.user_id, code=totp_code or "", now=now
        )
        if right and actor.session_id is not None:
            sessions.confirm_again(session, session_id=actor.session_id, now=now)
        security_log.record(
            session,
            event="auth.reauthenticate",
            outcome="ok" if right else "refused",
            actor=actor,
        )
    if not right:
        raise totp.TotpWrong
    with system_transaction() as session:
        throttles.succeeded(session, subjects=subjects)


def _confirm_password(password: str) -> LoginSubjects:
    """Compare the signed-in person's password, counted like a sign-in."""
    subjects = _count_attempt(g.user.username)
    known = signing_in.StoredLogin(user_id=g.user.id, password_hash=g.user.password_hash)
    if not signing_in.matches(known, password):
        with transaction() as session:
            security_log.record(
                session, event="auth.password_checked", outcome="refused", actor=current_actor()
            )
        raise signing_in.PasswordWrong
    return subjects


def change_password(*, current_password: str, new_password: str) -> None:
    """Change the password of who acts; all their sessions end.

    Raises:
        PasswordWrong, PasswordUnchanged, PasswordTooShort, PasswordTooLong, PasswordTooCommon,
        TooManyAttempts, TooManyHashes.
    """
    subjects = _confirm_password(current_password)
    with system_transaction() as session:  # a weak new password is no failed attempt
        throttles.uncount(session, subjects=subjects, now=session.info["now"])
    _check_new_password(new_password, g.user, g.company)
    if encryption.normal(new_password) == encryption.normal(current_password):
        raise passwords.PasswordUnchanged
    new_hash = encryption.hash_password(new_password)
    with system_transaction() as session:
        signing_in.change_password(
            Uow.of(session, current_actor()), user_id=g.user.id, new_hash=new_hash
        )


def use_link(*, token: str, new_password: str) -> None:
    """Set a password, once, with the token of a link.

    Raises:
        LinkRefused, PasswordTooShort, PasswordTooLong, PasswordTooCommon, TooManyHashes.
    """
    with system_transaction() as session:
        user, company = links.owner(session, token=token, now=session.info["now"])
    _check_new_password(new_password, user, company)
    new_hash = encryption.hash_password(new_password)
    with system_transaction() as session:
        links.use(session, token=token, new_hash=new_hash, now=session.info["now"])


def _check_new_password(text: str, user: User, company: Company) -> None:
    passwords.check(
        text,
        has_second_factor=user.totp_enrolled_at is not None,
        context=(
            user.username,
            user.display_name,
            user.email.partition("@")[0],
            company.name,
            company.code,
        ),
    )


def confirm_app(*, code: str) -> None:
    """Confirm a TOTP app with its first code; every session of the person ends.

    Raises:
        TotpEnrolled, TotpNotBegun, TotpWrong.
    """
    actor = current_actor()
    with system_transaction() as session:
        totp.confirm(session, user_id=actor.user_id, code=code, now=session.info["now"])
        security_log.record(session, event="mfa.enrolled", outcome="ok", actor=actor)
