"""The handlers that show what each backend is doing, in all fronts together."""

from typing import Any

from aiohttp import web

from backends.statistics import quantiles_of
from server.about import json_response
from server.codecs.outcome import milliseconds
from server.inference import CURRENT
from server.peers import PEERS, Kind
from server.snapshots import Snapshot, merged, taken

LEVELS = {"p50": 0.5, "p90": 0.9, "p99": 0.99}


async def backends(request: web.Request) -> web.Response:
    """All of them."""
    heard = await request.app[PEERS].ask(Kind.BACKENDS, None, list[Snapshot])
    together = merged([snapshots(request.app), *heard.said])
    return json_response({"backends": list(map(shown, together)), "missing": heard.missing})


async def backend(request: web.Request) -> web.Response:
    """One of them."""
    snapshot, missing = await whole(request.app, request.match_info["name"])
    return json_response(shown(snapshot) | {"missing": missing})


async def examples(request: web.Request) -> web.Response:
    """Rows to try one of them with, as a request has them."""
    served = request.app[CURRENT].composition.find(request.match_info["name"])
    return json_response({"instances": served.examples})


def snapshots(app: web.Application, name: str | None = None) -> list[Snapshot]:
    """What this front alone knows of its backends, or of the one that is called `name`, if there is one."""
    composition = app[CURRENT].composition
    return [taken(composition, one) for one in composition.served.values() if name in (None, one.name)]


async def whole(app: web.Application, name: str) -> tuple[Snapshot, list[str]]:
    """What all fronts know of one backend, and which of them said nothing.

    Raises:
        UnknownName: there is none of that name.
    """
    composition = app[CURRENT].composition
    served = composition.find(name)
    heard = await app[PEERS].ask(Kind.BACKENDS, name, list[Snapshot])
    (snapshot,) = merged([[taken(composition, served)], *heard.said])
    return snapshot, heard.missing


def shown(snapshot: Snapshot) -> dict[str, Any]:
    """What is known about one backend, for people; latencies of the last answered calls."""
    quantiles = quantiles_of(snapshot.durations, tuple(LEVELS.values()))
    said: dict[str, Any] = {
        "name": snapshot.name,
        "kind": snapshot.kind,
        "state": snapshot.state,
        "version": snapshot.version,
        "runtime": snapshot.runtime,
        "in_flight": snapshot.in_flight,
        "queued": snapshot.queued,
        "asked": snapshot.asked,
        "fates": snapshot.fates,
        "latency_ms": quantiles and dict(zip(LEVELS, map(milliseconds, quantiles), strict=True)),
        "last_errors": snapshot.last_errors,
        **snapshot.more,
    }
    if snapshot.parts:
        return said | {"parts": snapshot.parts} | snapshot.about
    return said | {"pid": snapshot.pid, "restarts": snapshot.restarts}
