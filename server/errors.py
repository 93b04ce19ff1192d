"""Errors on the wire: one table of statuses, one shape (RFC 9457, with the Open Inference Protocol's `error`)."""

import math
import random
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from aiohttp import web

from backends.drill import NO_DRILLS
from models import errors
from models.types import Report
from server.codecs.outcome import members_of, parts_of

STATUSES: dict[type[Exception], tuple[int, str]] = {
    errors.InvalidRequest: (400, "invalid_request"),
    errors.InputRejected: (400, "input_rejected"),
    errors.UnknownName: (404, "unknown_name"),
    errors.DeadlineExceeded: (504, "deadline_exceeded"),
    errors.InvalidAnswer: (502, "invalid_answer"),
    errors.SignatureMismatch: (502, "invalid_answer"),
    errors.ServerFault: (502, "backend_failed"),
    errors.ModelFailed: (502, "backend_failed"),
    errors.RuleFailed: (500, "rule_failed"),
    errors.ConnectFailed: (503, "backend_unreachable"),
    errors.ConnectionLost: (503, "backend_unreachable"),
    errors.RemoteOverloaded: (503, "overloaded"),
    errors.Overloaded: (503, "overloaded"),
    errors.RateLimited: (503, "rate_limited"),
    errors.BreakerOpen: (503, "breaker_open"),
    errors.Away: (503, "backend_away"),
    errors.Disabled: (503, "backend_disabled"),
    errors.Unverified: (503, "backend_unverified"),
}

RECOVERY = 1.0  # seconds until what is not there may be there again, where nobody knows better
LONGEST_RETRY_AFTER = 30

_ENCODER = msgspec.json.Encoder()


def status_of(error: errors.ChorusError) -> tuple[int, str]:
    """The HTTP status of `error`, and its stable code."""
    if isinstance(error, errors.NoQuorum):
        return _without_quorum(error)
    return next(STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES)


def _without_quorum(error: errors.NoQuorum) -> tuple[int, str]:
    """504 if anyone was waited for in vain; else by what most of the missing weight suffered from."""
    if error.fate == "late":
        return 504, "no_quorum_in_time"
    if error.reason == errors.InputRejected.reason:
        return 400, "input_rejected"
    return (502, "no_quorum_of_valid_answers") if _share(error.report, "invalid") > 0.5 else (503, "no_quorum")


def _share(report: Report, reason: str) -> float:
    """The share of the missing weight that is missing for `reason`."""
    missing = [said for said in report.members.values() if said.fate != "ok"]
    total = sum(said.weight for said in missing)
    return sum(said.weight for said in missing if said.reason == reason) / total if total else 0.0


def problem(error: errors.ChorusError, request_id: str, drills: Mapping[str, str] = NO_DRILLS) -> web.Response:
    """The response for an expected error; `drills` are those that had a hand in it."""
    status, code = status_of(error)
    more: dict[str, Any] = {}
    if isinstance(error, errors.InvalidRequest):
        more["where"] = error.where
    if isinstance(error, errors.NoQuorum):
        more["members"] = members_of(error.report)
    if isinstance(error, errors.BackendError) and error.report is not None and error.report.parts:
        more["parts"] = parts_of(error.report)
    if drills:
        more["drills"] = drills
    return problem_response(status, code, str(error), request_id, more, recovery=recovery_of(error))


def recovery_of(error: errors.ChorusError) -> float:
    """The seconds after which another try may not be in vain."""
    if isinstance(error, errors.RemoteOverloaded) and error.retry_after is not None:
        return error.retry_after
    return error.recovery if isinstance(error, errors.Overloaded) else RECOVERY


def retry_after(recovery: float) -> int:
    """What a client is told to wait: not all may come back at once."""
    return 1 + random.randint(0, min(2 * math.ceil(recovery), LONGEST_RETRY_AFTER - 1))  # noqa: S311 - jitter


def problem_response(
    status: int,
    code: str,
    detail: str,
    request_id: str,
    more: dict[str, Any] | None = None,
    *,
    recovery: float = RECOVERY,
) -> web.Response:
    """A problem+json body. `error` is what clients of the Open Inference Protocol look for."""
    where = f"{more['where']}: " if more and "where" in more else ""
    body = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "detail": detail,
        "request_id": request_id,
        "error": where + detail,
        **(more or {}),
    }
    headers = {"Retry-After": str(retry_after(recovery))} if status in (429, 503) else {}
    return web.Response(
        status=status, body=_ENCODER.encode(body), content_type="application/problem+json", headers=headers
    )
