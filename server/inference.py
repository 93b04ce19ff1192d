"""The handlers that ask a model: decode, call, encode."""

from collections.abc import Mapping

from aiohttp import web

from backends.oip import HEADER_LENGTH
from backends.served import Served
from models.deadline import Deadline, remaining
from models.errors import BackendError, DeadlineExceeded, InvalidRequest
from models.types import InferRequest, InferResponse, Report
from server import identity
from server.admission import ADMISSION, Place
from server.aside import ASIDE
from server.bodies import body_of
from server.codecs import kserve_v1, oip_v2
from server.codecs.parameters import HEADER, header_timeout, smaller
from server.composition import Current
from server.exchange import EXCHANGE, Exchange
from server.limits import LIMITS
from server.recording import recorded
from server.reply import BINARY, Reply
from server.switching import SWITCHING

CURRENT: web.AppKey[Current] = web.AppKey("current", Current)

_NO_HEADERS: Mapping[str, str] = {}


@recorded
async def predict(request: web.Request) -> Reply:
    """Answer with the default model, in KServe's first protocol."""
    composition = request.app[CURRENT].composition
    return await _v1(request, composition.find(composition.default))


@recorded
async def infer_v1(request: web.Request) -> Reply:
    """Answer one KServe v1 request."""
    return await _v1(request, request.app[CURRENT].composition.find(request.match_info["name"]))


async def _v1(request: web.Request, served: Served) -> Reply:
    exchange = request[EXCHANGE]
    exchange.asked = served
    trace = identity.traceparent(request.headers.get("traceparent"))
    place = _place(request, exchange, served)
    aside, raw = request.app[ASIDE], await body_of(request)
    async with place:
        size, signature = len(raw), served.signature
        call, timeout = await aside(size, kserve_v1.decode, raw, signature, exchange.id, trace, served.extra)
        response = await _ask(request, exchange, place, served, call, timeout)
        elapsed, explain, drills = exchange.elapsed, call.parameters.explain, exchange.drills
        body = await aside(
            size, kserve_v1.encode, response, signature, served.name, elapsed, explain=explain, drills=drills
        )
    return Reply(body, _headers(response))


@recorded
async def infer_v2(request: web.Request) -> Reply:
    """Answer one Open Inference Protocol request."""
    served = request.app[CURRENT].composition.find(request.match_info["name"], request.match_info.get("version"))
    exchange = request[EXCHANGE]
    exchange.asked = served
    trace = identity.traceparent(request.headers.get("traceparent"))
    header_length = header_length_of(request)
    place = _place(request, exchange, served)
    aside, raw = request.app[ASIDE], await body_of(request)
    async with place:
        size = len(raw) if header_length is None else header_length  # raw bytes are no work
        signature = served.signature
        call = await aside(size, oip_v2.decode, raw, header_length, signature, exchange.id, trace, served.extra)
        response = await _ask(request, exchange, place, served, call.request, call.timeout)
        elapsed, name, version, drills = exchange.elapsed, served.name, served.version, exchange.drills
        size = max(size, sum(array.nbytes for array in response.outputs.values()))
        body, length = await aside(
            size, oip_v2.encode, response, signature, call, model=name, version=version, elapsed=elapsed, drills=drills
        )
    if length is None:
        return Reply(body, _headers(response))
    return Reply(body, {**_headers(response), HEADER_LENGTH: str(length)}, BINARY)


def header_length_of(request: web.Request) -> int | None:
    """What the Inference-Header-Content-Length says."""
    given = request.headers.get(HEADER_LENGTH)
    if given is None:
        return None
    if not (given.isascii() and given.isdigit() and len(given) < 12):
        raise InvalidRequest("must be a count of bytes", f"header {HEADER_LENGTH}")
    return int(given)


def _place(request: web.Request, exchange: Exchange, served: Served) -> Place:
    """What the request works in once it is its turn. Its body may say another deadline, but has not been read yet.

    Raises:
        Refused: its turn will not come.
    """
    deadline = deadline_of(request, served, None)
    return request.app[ADMISSION].look(served.name, deadline, deadline - exchange.received)


async def _ask(
    request: web.Request, exchange: Exchange, place: Place, served: Served, call: InferRequest, timeout: float | None
) -> InferResponse:
    exchange.rows = call.rows
    if timeout is not None:
        place.deadline = deadline_of(request, served, timeout)
        place.had = place.deadline - exchange.received
    served.check(call.parameters)
    if remaining(place.deadline) <= 0:
        raise DeadlineExceeded("the deadline had passed before anyone was asked")
    report: Report | None = None
    try:
        exchange.said = response = await served.backend(call, place.deadline)
        report = response.report
        if report.degraded:
            place.in_vain = report.in_vain
    except BackendError as error:
        report = error.report
        raise
    finally:
        if (switching := request.app.get(SWITCHING)) is not None and switching.drills.known:
            exchange.drills = switching.drills.touching(served.name, report, exchange.elapsed)
    return response


def deadline_of(request: web.Request, served: Served, timeout: float | None) -> Deadline:
    """When the caller wants its answer: as its body says, or a header, or the backend's own habit."""
    asked = smaller(timeout, header_timeout(request.headers.get(HEADER)))
    return served.deadline(request[EXCHANGE].received, asked, request.app[LIMITS].longest)


def _headers(response: InferResponse) -> Mapping[str, str]:
    report = response.report
    return {"X-Ensemble-Answered": f"{report.answered}/{report.asked}"} if report.degraded else _NO_HEADERS
