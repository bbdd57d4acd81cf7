"""Identity: signing in, sessions, second factors, API keys, throttles."""

from pettycash.services.identity.people import ActiveMember, ClientInfo
from pettycash.services.identity.sessions import GIVEN, Tokens, end_all
from pettycash.services.identity.totp import reset, verify_totp

__all__ = ["GIVEN", "ActiveMember", "ClientInfo", "Tokens", "end_all", "reset", "verify_totp"]
