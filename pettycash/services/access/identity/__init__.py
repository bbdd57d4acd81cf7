"""Identity: signing in, sessions, second factors, API keys, throttles."""

from pettycash.services.access.identity.people import ActiveMember, ClientInfo
from pettycash.services.access.identity.sessions import GIVEN, Tokens, end_all
from pettycash.services.access.identity.totp import reset, verify_totp

__all__ = ["GIVEN", "ActiveMember", "ClientInfo", "Tokens", "end_all", "reset", "verify_totp"]
