"""The handlers that begin, end and list drills: faults that are played on a running server, to see it cope."""

import time
from functools import wraps
from typing import Annotated, Any

import msgspec
from aiohttp import web
from msgspec import Meta, Struct

from backends.drill import Drill, Kind, Reason
from models.errors import InvalidRequest, UnknownName
from models.oip.wire import parse
from server.about import json_response
from server.bodies import body_of
from server.codecs.outcome import milliseconds
from server.composition import Composition
from server.errors import problem_response
from server.exchange import EXCHANGE
from server.inference import CURRENT
from server.origin import same_origin
from server.reply import Answer, Handler
from server.switchboard import Held
from server.switches import unanswerable
from server.switching import SWITCHING
from server.values import Share

MOST_SECONDS = 600.0
ALLOWED = "[debug] drills = true in chorus.toml allows them, after `chorus reload --restart`"


class Wanted(Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a request for a drill: a fault in a `share` of the calls, for `for_s` seconds.

    `delay_ms` is that of `slow`, `reason` that of `fail`.
    """

    fault: Kind
    delay_ms: Annotated[float, Meta(gt=0, le=60_000)] | None = None
    reason: Reason | None = None
    share: Share = 1.0
    for_s: Annotated[float, Meta(gt=0, le=MOST_SECONDS)] = 60.0

    def drill(self) -> Drill:
        """What is to be played.

        Raises:
            InvalidRequest: it does not say how slow, or says so of another fault.
        """
        if (self.delay_ms is None) == (self.fault == "slow"):
            raise InvalidRequest(f"`slow` needs a delay_ms, and nothing else has one; got {self.fault!r}", "$.delay_ms")
        if self.reason is not None and self.fault != "fail":
            raise InvalidRequest(f"only `fail` has a reason; got {self.fault!r}", "$.reason")
        delay, reason = (self.delay_ms or 0.0) / 1e3, self.reason or "error"
        return Drill(kind=self.fault, delay=delay, reason=reason, share=self.share)


_DECODER = msgspec.json.Decoder(Wanted)


def allowed(handler: Handler) -> Handler:
    """`handler` where the configuration allows drills: 403 elsewhere."""

    @wraps(handler)
    async def guarded(request: web.Request) -> Answer:
        if request.app[CURRENT].composition.drills:
            return await handler(request)
        return problem_response(403, "drills_not_allowed", f"no drills here; {ALLOWED}", request[EXCHANGE].id)

    return guarded


async def drills(request: web.Request) -> web.Response:
    """Those that are on."""
    on = request.app[SWITCHING].drills.remaining()
    return json_response(
        {"allowed": request.app[CURRENT].composition.drills, "drills": [_shown(held, left) for held, left in on]}
    )


@same_origin
@allowed
async def begin(request: web.Request) -> web.Response:
    """Hold a drill at one backend, in the place of any other there, for a time; then it is over by itself."""
    composition = request.app[CURRENT].composition
    name = _model(composition, request.match_info["name"])
    wanted = parse(_DECODER, await body_of(request))
    held = Held(name, wanted.drill(), time.monotonic() + wanted.for_s)
    switching = request.app[SWITCHING]
    missing = await switching.begin(held)
    answer = _shown(held, wanted.for_s) | {"missing": missing}
    out = {one.name for one, _ in switching.drills.remaining() if one.drill.kind != "slow"}
    if name in out and (failing := unanswerable(composition, name, without=out)):
        answer["warning"] = f"cannot answer the calls that it touches: {', '.join(failing)}"
    return json_response(answer)


@same_origin
@allowed
async def end(request: web.Request) -> web.Response:
    """No drill at one backend any more, or, without its name, nowhere; which have ended."""
    switching, name = request.app[SWITCHING], request.match_info.get("name")
    ended = [held.name for held, _ in switching.drills.remaining() if name in (None, held.name)]
    if name is not None and not ended:
        raise UnknownName(f"there is no drill at {name[:64]!r}; GET /debug/drills lists them")
    missing = await switching.end(name)
    return json_response({"ended": ended, "missing": missing})


def _model(composition: Composition, name: str) -> str:
    """The backend `name`.

    Raises:
        InvalidRequest: it is a composite.
        UnknownName: it is nothing at all.
    """
    served = composition.find(name)
    if served.parts:
        parts = ", ".join(served.parts)
        raise InvalidRequest(f"{name!r} is one of several backends together; drill one of its parts: {parts}", "path")
    return served.name


def _shown(held: Held, left: float) -> dict[str, Any]:
    drill = held.drill
    shown: dict[str, Any] = {"name": held.name, "drill": drill.words, "fault": drill.kind}
    if drill.kind == "slow":
        shown["delay_ms"] = milliseconds(drill.delay)
    if drill.kind == "fail":
        shown["reason"] = drill.reason
    return shown | {"share": drill.share, "remaining_s": round(left, 3)}
