"""Writes what becomes of each inference request into the journal."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import TypeVar

from aiohttp import web

from models.errors import BackendError, ChorusError, InvalidRequest
from models.types import PREDICTIONS, PROBABILITIES, Array, InferResponse
from server.admission import Refused
from server.errors import status_of
from server.exchange import EXCHANGE
from server.journal import Entry, Journal
from server.middleware import CLIENT_GONE
from server.reply import Answer

JOURNAL: web.AppKey[Journal] = web.AppKey("journal", Journal)
"""There only where someone may read it: with the debug routes."""

A = TypeVar("A", bound=Answer)


def recorded(handler: Callable[[web.Request], Awaitable[A]]) -> Callable[[web.Request], Awaitable[A]]:
    """`handler` with an entry for each of its requests, answered or failed."""

    @wraps(handler)
    async def record(request: web.Request) -> A:
        journal = request.app.get(JOURNAL)
        if journal is None:
            return await handler(request)
        try:
            response = await handler(request)
        except Refused:  # there may be very many, and nothing came of any
            raise
        except BaseException as error:
            journal.write(entry_of(request, *failure_of(error), error))
            raise
        journal.write(entry_of(request, response.status))
        return response

    return record


def failure_of(error: BaseException) -> tuple[int, str]:
    """The HTTP status with which `error` leaves, and its stable code."""
    if isinstance(error, ChorusError):
        return status_of(error)
    if isinstance(error, web.HTTPException):
        return error.status, error.reason.lower().replace(" ", "_")
    if isinstance(error, asyncio.CancelledError | ConnectionResetError):
        return CLIENT_GONE, "client_gone"
    return 500, "internal_error"


def entry_of(request: web.Request, status: int, code: str = "", error: BaseException | None = None) -> Entry:
    """What is kept of one request; `error` is why it has no answer."""
    exchange = request[EXCHANGE]
    elapsed = exchange.elapsed
    asked, response = exchange.asked, exchange.said
    report = response.report if response is not None else None
    return Entry(
        id=exchange.id,
        at=time.time() - elapsed,
        model=asked.name if asked is not None else request.match_info.get("name", "")[:64],
        http_status=status,
        began=exchange.began,
        elapsed=elapsed,
        rows=exchange.rows,
        report=error.report if isinstance(error, BackendError) else report,
        answer=None if response is None else _answer(response),
        labels=asked.signature.labels if asked else (),
        code=code,
        place=error.where if isinstance(error, InvalidRequest) else "",
        drills=exchange.drills,
    )


def _answer(response: InferResponse) -> Array | None:
    outputs = response.outputs
    if PROBABILITIES in outputs:
        return outputs[PROBABILITIES]
    return outputs[PREDICTIONS][:, None] if PREDICTIONS in outputs else None
