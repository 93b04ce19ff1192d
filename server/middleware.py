"""What happens around every handler: an id, a status for every error, one line in the log."""

import asyncio
import logging
import time
from typing import Any

from aiohttp import web

from models.errors import ChorusError
from server import identity
from server.errors import problem, problem_response
from server.exchange import EXCHANGE, Exchange
from server.limits import LIMITS, too_large
from server.logs import Log
from server.memory import MEMORY
from server.reply import Answer, Handler
from server.traffic import Traffic

TRAFFIC: web.AppKey[Traffic] = web.AppKey("traffic", Traffic)

CLIENT_GONE = 499
NOT_READ = (408, 413)
"""Of a request whose body was not read to its end, and had better not come."""

ACCESS: web.AppKey[Log] = web.AppKey("access", Log)
"""What a line for each request goes to, where that is wanted."""

log = logging.getLogger(__name__)


class Routed(web.Request):
    """A request that has a handler: `route` is its path as it stands in the table of routes, None if there is none."""

    ATTRS = web.Request.ATTRS | frozenset(("app", "match_info", "route"))

    # plain attributes, in place of those of aiohttp's own router
    app: Any = None
    match_info: Any = None
    route: str | None = None


async def around(request: Routed, handler: Handler) -> Answer:
    """Run `handler`; every error leaves as a problem, and nothing of a stack trace with it."""
    received, began = asyncio.get_running_loop().time(), time.perf_counter()
    exchange = Exchange(received, began, identity.request_id(request.headers.get(identity.HEADER)))
    request[EXCHANGE] = exchange
    status = CLIENT_GONE
    try:
        response = await _answered(request, handler, exchange.id)
        response.headers[identity.HEADER] = exchange.id
        status = response.status
        return response
    finally:
        if exchange.held:
            request.app[MEMORY].release(exchange.held)
        seconds = time.perf_counter() - began
        request.app[TRAFFIC].record(request.method, request.route, status, seconds)
        if (access := request.app.get(ACCESS)) is not None:
            access.say("access", f"{request.method} {request.rel_url.raw_path} {status}", _fields(exchange, seconds))


async def _answered(request: web.Request, handler: Handler, request_id: str) -> Answer:
    try:
        return await handler(request)
    except ChorusError as error:
        return problem(error, request_id, request[EXCHANGE].drills)
    except web.HTTPException as error:
        return _http_problem(error, request)
    except ConnectionResetError:  # the caller went away in the middle of its body
        raise asyncio.CancelledError from None
    except Exception:
        log.exception("a bug", extra={"fields": {"request_id": request_id}})
        return problem_response(500, "internal_error", "this is a bug in the server", request_id)


def _http_problem(error: web.HTTPException, request: web.Request) -> web.Response:
    if error.status < 400:
        raise error
    details = {
        404: f"no route {request.path}; GET / lists them",
        408: "the body did not come in time",
        413: too_large(request.app[LIMITS].max_body_bytes),
        415: "a compressed body is not read; send it plain",
    }
    allowed = f"{request.method} is not allowed here; allowed: {error.headers.get('Allow', '')}"
    detail = allowed if error.status == 405 else details.get(error.status, error.reason)
    code = error.reason.lower().replace(" ", "_")
    response = problem_response(error.status, code, detail, request[EXCHANGE].id)
    if "Allow" in error.headers:
        response.headers["Allow"] = error.headers["Allow"]
    if error.status in NOT_READ:
        response.force_close()
    return response


def _fields(exchange: Exchange, seconds: float) -> dict[str, Any]:
    """What the log says of a request beside its status."""
    fields: dict[str, Any] = {"request_id": exchange.id, "elapsed_ms": round(seconds * 1e3, 3)}
    if exchange.drills:
        fields["drills"] = exchange.drills
    if exchange.said is None or exchange.asked is None:
        return fields
    report = exchange.said.report
    fields["model"] = exchange.asked.name
    fields["status"] = report.status
    if report.degraded:
        missing = {name: said for name, said in report.members.items() if said.fate != "ok"}
        fields["missing"] = {name: f"{said.fate}: {said.reason}" for name, said in missing.items()}
    return fields
