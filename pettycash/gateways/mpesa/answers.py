"""Reading Daraja's synchronous answers: the body decides, the HTTP status alone never does."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from pettycash.gateways.base import OutcomeKind
from pettycash.gateways.kit.http import RailAnswer
from pettycash.gateways.mpesa.codes import (
    ACCEPTED,
    MISCONFIGURED,
    REFUSED,
    UNKNOWN,
    CodeMeaning,
    MpesaConfig,
    success_unpadded,
)
from pettycash.runtime.wire import read_object, word_of

_NO_PRODUCT = "no apiproduct match found"
# what the gateway's own validation says; the core's descriptions never look like this
_VALIDATION_MESSAGE = re.compile(r"Bad Request - Invalid [A-Za-z0-9_ ]+\.?")


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncAnswer:
    """One answer, read. `code` is Daraja's, or "http.<status>" where the body has none."""

    verdict: CodeMeaning
    code: str
    message: str
    conversation_id: str | None = None
    originator_id: str | None = None


def read_answer(answer: RailAnswer, config: MpesaConfig) -> SyncAnswer:
    """Say what a complete answer proves about the request that it answers.

    ACCEPTED says nothing of the money; what is not listed, contradicts itself or mentions a
    duplicate is IN_DOUBT.
    """
    parsed = read_object(answer.body)
    if parsed is None:
        return _unreadable(answer)
    message = _message(parsed)
    error_code = word_of(parsed.get("errorCode"))
    response_code = success_unpadded(word_of(parsed.get("ResponseCode")))
    fault = parsed.get("fault")
    said = [
        name
        for name in ("errorCode", "ResponseCode", "fault")
        if parsed.get(name) not in (None, "")
    ]
    if len(said) != 1:  # nothing, or two things at once
        verdict = _by_status(answer.status, message) if not said else UNKNOWN
        code = error_code or response_code or f"http.{answer.status}"
    elif error_code is not None:
        verdict, code = _error(error_code, answer.status, message, config), error_code
    elif response_code is not None:
        verdict, code = _response(response_code, answer.status, message, config), response_code
    elif fault is not None:
        verdict, code = _fault(fault, answer.status, message, config)
    else:  # a code that is no word
        verdict, code = UNKNOWN, f"http.{answer.status}"
    if "duplicate" in message.lower():
        # whatever the code: this id was received before, and its fate is not told
        verdict = UNKNOWN
    return SyncAnswer(
        verdict=verdict,
        code=code,
        message=message,
        conversation_id=word_of(parsed.get("ConversationID")),
        originator_id=word_of(parsed.get("OriginatorConversationID")),
    )


def _error(code: str, status: int, message: str, config: MpesaConfig) -> CodeMeaning:
    listed = config.error_codes.get(code)
    if listed is not None:
        return listed
    return _by_status(status, message) if code.startswith(str(status)) else UNKNOWN


def _response(code: str, status: int, message: str, config: MpesaConfig) -> CodeMeaning:
    listed = config.response_codes.get(code)
    if listed is None:
        return REFUSED if _VALIDATION_MESSAGE.fullmatch(message) else UNKNOWN
    if listed.kind is OutcomeKind.ACCEPTED and not 200 <= status < 300:
        return UNKNOWN
    return listed


def _fault(fault: Any, status: int, message: str, config: MpesaConfig) -> tuple[CodeMeaning, str]:
    detail = fault.get("detail") if isinstance(fault, dict) else None
    code = word_of(detail.get("errorcode"), length_max=120) if isinstance(detail, dict) else None
    listed = config.fault_codes.get(code or "")
    return listed or _by_status(status, message), code or f"http.{status}"


def _by_status(status: int, message: str) -> CodeMeaning:
    """The two refusals that come without a listed code; every other status proves nothing."""
    if status == 403 or (status == 401 and _NO_PRODUCT in message.lower()):
        return MISCONFIGURED
    return UNKNOWN


def _unreadable(answer: RailAnswer) -> SyncAnswer:
    text = answer.body[:2000].decode("utf-8", "replace")
    if not text.strip():
        message = "empty answer"
    elif answer.status == 401 and _NO_PRODUCT in text.lower():
        message = text.strip()
    else:
        message = f"an answer that is no JSON object ({answer.content_type or 'no type'})"
    return SyncAnswer(
        verdict=_by_status(answer.status, message), code=f"http.{answer.status}", message=message
    )


def _message(parsed: dict[str, Any]) -> str:
    for name in ("errorMessage", "ResponseDescription", "message"):
        value = parsed.get(name)
        if isinstance(value, str) and value.strip():
            return value.strip()
    fault = parsed.get("fault")
    if isinstance(fault, dict) and isinstance(fault.get("faultstring"), str):
        return str(fault["faultstring"]).strip()
    return json.dumps(parsed, default=str)[:200] if parsed else "empty answer"


__all__ = ["ACCEPTED", "SyncAnswer", "read_answer"]
