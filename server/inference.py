"""The handlers that ask a model: decode, call, encode."""

import time
from dataclasses import dataclass

from aiohttp import hdrs, web

from backends.oip import HEADER_LENGTH
from backends.served import Served
from models.deadline import Deadline, remaining
from models.errors import BackendError, DeadlineExceeded, InvalidRequest
from models.types import InferRequest, InferResponse, Report
from server import identity
from server.aside import ASIDE
from server.codecs import kserve_v1, oip_v2
from server.codecs.parameters import HEADER, header_timeout, smaller
from server.composition import Current
from server.exchange import EXCHANGE
from server.recording import recorded
from server.switching import SWITCHING

CURRENT: web.AppKey[Current] = web.AppKey("current", Current)


@dataclass(frozen=True, slots=True)
class Limits:
    """What a request may take; `longest` in seconds."""

    longest: float = 60.0
    max_body_bytes: int = 16 << 20


LIMITS: web.AppKey[Limits] = web.AppKey("limits", Limits)


@recorded
async def predict(request: web.Request) -> web.Response:
    """Answer with the default model, in KServe's first protocol."""
    composition = request.app[CURRENT].composition
    return await _v1(request, composition.find(composition.default))


@recorded
async def infer_v1(request: web.Request) -> web.Response:
    """Answer one KServe v1 request."""
    return await _v1(request, request.app[CURRENT].composition.find(request.match_info["name"]))


async def _v1(request: web.Request, served: Served) -> web.Response:
    exchange = request[EXCHANGE]
    exchange.asked = served
    trace = identity.traceparent(request.headers.get("traceparent"))
    aside, raw = request.app[ASIDE], await body_of(request)
    size, signature = len(raw), served.signature
    call, timeout = await aside(size, kserve_v1.decode, raw, signature, exchange.id, trace, served.extra)
    response = await _ask(request, served, call, timeout)
    elapsed, explain, drills = _elapsed(request), call.parameters.explain, exchange.drills
    body = await aside(
        size, kserve_v1.encode, response, signature, served.name, elapsed, explain=explain, drills=drills
    )
    return web.Response(body=body, headers=_headers(response), content_type="application/json")


@recorded
async def infer_v2(request: web.Request) -> web.Response:
    """Answer one Open Inference Protocol request."""
    served = request.app[CURRENT].composition.find(request.match_info["name"], request.match_info.get("version"))
    exchange = request[EXCHANGE]
    exchange.asked = served
    trace = identity.traceparent(request.headers.get("traceparent"))
    header_length = header_length_of(request)
    aside, raw = request.app[ASIDE], await body_of(request)
    size, signature = len(raw) if header_length is None else header_length, served.signature  # raw bytes are no work
    call = await aside(size, oip_v2.decode, raw, header_length, signature, exchange.id, trace, served.extra)
    response = await _ask(request, served, call.request, call.timeout)
    elapsed, name, version, drills = _elapsed(request), served.name, served.version, exchange.drills
    body, length = await aside(
        size, oip_v2.encode, response, signature, call, model=name, version=version, elapsed=elapsed, drills=drills
    )
    headers = _headers(response)
    if length is None:
        return web.Response(body=body, headers=headers, content_type="application/json")
    return web.Response(
        body=body, headers={**headers, HEADER_LENGTH: str(length)}, content_type="application/octet-stream"
    )


async def body_of(request: web.Request) -> bytes:
    """The body, which must be uncompressed and not too large.

    Raises:
        web.HTTPException: 413 before anything is read if the length is announced; 415.
    """
    if request.headers.get(hdrs.CONTENT_ENCODING, "identity") != "identity":
        raise web.HTTPUnsupportedMediaType
    limit, announced = request.app[LIMITS].max_body_bytes, request.content_length
    if announced is not None and announced > limit:
        raise web.HTTPRequestEntityTooLarge(limit, announced)
    return await request.read()


def header_length_of(request: web.Request) -> int | None:
    """What the Inference-Header-Content-Length says."""
    given = request.headers.get(HEADER_LENGTH)
    if given is None:
        return None
    if not (given.isascii() and given.isdigit() and len(given) < 12):
        raise InvalidRequest("must be a count of bytes", f"header {HEADER_LENGTH}")
    return int(given)


async def _ask(request: web.Request, served: Served, call: InferRequest, timeout: float | None) -> InferResponse:
    exchange = request[EXCHANGE]
    exchange.rows = call.rows
    deadline = deadline_of(request, served, timeout)
    served.check(call.parameters)
    if remaining(deadline) <= 0:
        raise DeadlineExceeded("the deadline had passed before anyone was asked")
    report: Report | None = None
    try:
        exchange.said = response = await served.backend(call, deadline)
        report = response.report
    except BackendError as error:
        report = error.report
        raise
    finally:
        if (switching := request.app.get(SWITCHING)) is not None and switching.drills.known:
            exchange.drills = switching.drills.touching(served.name, report, _elapsed(request))
    return response


def deadline_of(request: web.Request, served: Served, timeout: float | None) -> Deadline:
    """When the caller wants its answer: as its body says, or a header, or the backend's own habit."""
    asked = smaller(timeout, header_timeout(request.headers.get(HEADER)))
    return served.deadline(request[EXCHANGE].received, asked, request.app[LIMITS].longest)


def _headers(response: InferResponse) -> dict[str, str]:
    report = response.report
    return {"X-Ensemble-Answered": f"{report.answered}/{report.asked}"} if report.degraded else {}


def _elapsed(request: web.Request) -> float:
    return time.perf_counter() - request[EXCHANGE].began
