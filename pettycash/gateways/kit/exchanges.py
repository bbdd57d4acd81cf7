"""Entries of the gateway exchange log, sanitised where they are made: no caller can forget it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from pettycash.gateways.base import GatewayExchange, RequestType
from pettycash.gateways.kit.http import RailAnswer, TransportFailure
from pettycash.runtime.sanitising import sanitise_body, sanitise_text


def local(kind: RequestType, code: str, message: str) -> GatewayExchange:
    """The log entry where nothing went over the network."""
    return GatewayExchange(
        request_type=kind,
        request={},
        response=None,
        http_status=None,
        code=code,
        message=sanitise_text(message),
        processing_time_ms=0,
    )


def lost(
    kind: RequestType, request: Mapping[str, Any], failure: TransportFailure
) -> GatewayExchange:
    """No answer came, whole or at all."""
    return GatewayExchange(
        request_type=kind,
        request=request,
        response=None,
        http_status=None,
        code=failure.code,
        message=sanitise_text(failure.detail),
        processing_time_ms=failure.elapsed_ms,
    )


def answered(
    kind: RequestType,
    request: Mapping[str, Any],
    answer: RailAnswer,
    said: tuple[str, str],
    secrets: Collection[str],
) -> GatewayExchange:
    """An answer came; `said` is its code and message."""
    code, message = said
    return GatewayExchange(
        request_type=kind,
        request=request,
        response=sanitise_body(answer.body, secrets),
        http_status=answer.status,
        code=sanitise_text(code, secrets),
        message=sanitise_text(message, secrets),
        processing_time_ms=answer.elapsed_ms,
    )


def heard(
    kind: RequestType, purpose: str, body: bytes, said: tuple[str, str], secrets: Collection[str]
) -> GatewayExchange:
    """The rail called us."""
    code, message = said
    return GatewayExchange(
        request_type=kind,
        request={"callback": purpose},
        response=sanitise_body(body, secrets),
        http_status=None,
        code=sanitise_text(code, secrets),
        message=sanitise_text(message, secrets),
        processing_time_ms=0,
    )
