"""What happens around every handler: an id, a status for every error, one line in the log."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from models.errors import ChorusError
from server import identity
from server.errors import problem, problem_response
from server.logs import Log
from server.traffic import Traffic

RECEIVED: web.RequestKey[float] = web.RequestKey("received", float)
"""When the headers were read, on the loop's clock; the body's time counts against the deadline."""
BEGAN: web.RequestKey[float] = web.RequestKey("began", float)
"""The same moment on the clock that durations are measured with."""
REQUEST_ID: web.RequestKey[str] = web.RequestKey("request_id", str)
FIELDS: web.RequestKey[dict[str, Any]] = web.RequestKey("fields", dict)
"""What a handler adds to the request's line in the log."""

TRAFFIC: web.AppKey[Traffic] = web.AppKey("traffic", Traffic)

CLIENT_GONE = 499

ACCESS: web.AppKey[Log] = web.AppKey("access", Log)
"""What a line for each request goes to, where that is wanted."""

log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def around(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Run `handler`; every error leaves as a problem, and nothing of a stack trace with it."""
    request[RECEIVED] = asyncio.get_running_loop().time()
    request[BEGAN] = time.perf_counter()
    request[REQUEST_ID] = identity.request_id(request.headers.get(identity.HEADER))
    status = CLIENT_GONE
    try:
        response = await _answered(request, handler)
        response.headers[identity.HEADER] = request[REQUEST_ID]
        status = response.status
        return response
    finally:
        resource = request.match_info.route.resource
        route = resource.canonical if resource is not None else None
        request.app[TRAFFIC].record(request.method, route, status, time.perf_counter() - request[BEGAN])
        if (access := request.app.get(ACCESS)) is not None:
            access.say("access", f"{request.method} {request.rel_url.raw_path} {status}", _fields(request))


async def _answered(request: web.Request, handler: Handler) -> web.StreamResponse:
    request_id = request[REQUEST_ID]
    try:
        return await handler(request)
    except ChorusError as error:
        return problem(error, request_id)
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
        413: "the body is too large",
        415: "a compressed body is not read; send it plain",
    }
    allowed = f"{request.method} is not allowed here; allowed: {error.headers.get('Allow', '')}"
    detail = allowed if error.status == 405 else details.get(error.status, error.reason)
    code = error.reason.lower().replace(" ", "_")
    response = problem_response(error.status, code, detail, request[REQUEST_ID])
    if "Allow" in error.headers:
        response.headers["Allow"] = error.headers["Allow"]
    return response


def _fields(request: web.Request) -> dict[str, Any]:
    elapsed_ms = round((time.perf_counter() - request[BEGAN]) * 1e3, 3)
    return {"request_id": request[REQUEST_ID], "elapsed_ms": elapsed_ms, **request.get(FIELDS, {})}
