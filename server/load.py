"""What one front knows of its load, and what is shown of it: `GET /debug/load`."""

from collections import Counter
from collections.abc import Callable, Mapping

import msgspec
from aiohttp import web

from aggregator.brown_out import BrownOut
from server.about import json_response
from server.admission import ADMISSION, Admission, Lane
from server.codecs.outcome import milliseconds
from server.fronts import ABOUT
from server.limits import LIMITS, Limits
from server.memory import MEMORY, Memory
from server.peers import PEERS, Kind
from server.slowness import HUNG_UP


def bound(
    app: web.Application,
    limits: Limits,
    *,
    brown_out: Callable[[], BrownOut] | None = None,
    refusing: Callable[[float], None] = lambda now: None,
) -> None:
    """Put `limits`, and what sees to it that they are kept, where those who serve `app` look for it."""
    own = BrownOut()
    app[LIMITS] = limits
    app[HUNG_UP] = Counter()
    app[MEMORY] = Memory(limits.max_bodies_bytes, limits.max_memory_bytes)
    app[ADMISSION] = Admission(
        floor=limits.least,
        most=limits.most,
        brown_out=brown_out or (lambda: own),
        refusing=refusing,
        memory=app[MEMORY],
    )


class LaneLoad(msgspec.Struct, frozen=True):
    """The requests for one name: now, how many there may be, and since the start by what they were refused for."""

    under_way: int
    room: int
    waiting: int
    usual_ms: float | None
    waited: int
    refused: Mapping[str, int]


class Load(msgspec.Struct, frozen=True):
    """One front. `brown_out`: the share of the members that can be done without which are not asked now."""

    front: str
    brown_out: float
    loop_lag_ms: Mapping[str, float]
    memory: Mapping[str, float | int | None]
    hung_up: Mapping[str, int]
    models: Mapping[str, LaneLoad]


def load_of(app: web.Application) -> Load:
    """That of this front."""
    admission, memory = app[ADMISSION], app[MEMORY]
    lag = {"standing": milliseconds(admission.lag.standing), "longest": milliseconds(admission.lag.longest)}
    used = {
        "share": round(memory.share, 4),
        "bodies_bytes": memory.bodies,
        "max_bodies_bytes": memory.most_bodies,
        "max_memory_bytes": memory.most,
    }
    lanes = {name: _shown(lane) for name, lane in admission.lanes.items()}
    hung_up: Counter[str] = app[HUNG_UP]
    return Load(app[ABOUT]().name, admission.brown_out, lag, used, dict(hung_up), lanes)


def _shown(lane: Lane) -> LaneLoad:
    usual = lane.capacity.usual
    shown = None if usual is None else milliseconds(usual)
    return LaneLoad(lane.under_way, lane.capacity.room, len(lane.line), shown, lane.waited, dict(lane.refused))


async def load(request: web.Request) -> web.Response:
    """Those of all fronts: each bounds its own."""
    heard = await request.app[PEERS].ask(Kind.LOAD, None, Load)
    shown = sorted([load_of(request.app), *heard.said], key=lambda one: one.front)
    return json_response({"fronts": shown, "missing": heard.missing})
