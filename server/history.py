"""The handlers that show the last requests, of all fronts together."""

import heapq
from collections.abc import Callable
from typing import Any

import msgspec
from aiohttp import web

from models.errors import InvalidRequest, UnknownName
from models.names import no_such
from server.about import json_response
from server.journal import Entry
from server.peers import PEERS, Kind
from server.recording import JOURNAL
from server.timeline import status_of, summary, timeline

FEW = 50  # requests, unless more are asked for
STATUSES = ("complete", "decided", "partial", "fallback", "failed")


class Wanted(msgspec.Struct, frozen=True):
    """At most `limit` requests, to `model`, of `status` (of the outcome, or an HTTP status); None: to any, of any."""

    limit: int
    model: str | None
    status: str | None

    def holds(self, entry: Entry) -> bool:
        """Whether it is one of them."""
        fits = self.status in (None, status_of(entry), str(entry.http_status))
        return fits and self.model in (None, entry.model)


class Told(msgspec.Struct, frozen=True):
    """One request, put into words; `ended` in seconds of the wall clock, which all fronts share."""

    ended: float
    words: dict[str, Any]


class Page(msgspec.Struct, frozen=True):
    """The newest first, and how many one front keeps, wanted or not."""

    requests: list[Told]
    kept: int


async def requests(request: web.Request) -> web.Response:
    """The newest first: `?limit=`, `?model=`, `?status=`."""
    wanted = _wanted(request)
    heard = await request.app[PEERS].ask(Kind.REQUESTS, wanted, Page)
    pages = [page(request.app, wanted), *heard.said]
    newest = heapq.nlargest(wanted.limit, (told for one in pages for told in one.requests), key=lambda one: one.ended)
    kept = sum(one.kept for one in pages)
    return json_response({"requests": [told.words for told in newest], "kept": kept, "missing": heard.missing})


async def one_request(request: web.Request) -> web.Response:
    """One of them, as a timeline, whichever front has answered it."""
    request_id = request.match_info["id"]
    heard = await request.app[PEERS].ask(Kind.REQUEST, request_id, list[Told])
    found = [told for front in (find(request.app, request_id), *heard.said) for told in front]
    if not found:
        raise UnknownName(f"no request {request_id[:64]!r}; {_why_not(len(request.app[JOURNAL]), heard.missing)}")
    return json_response(max(found, key=lambda told: told.ended).words | {"missing": heard.missing})


def page(app: web.Application, wanted: Wanted) -> Page:
    """What this front alone has."""
    journal = app[JOURNAL]
    return Page([_told(entry, summary) for entry in journal.latest(wanted.limit, wanted.holds)], len(journal))


def find(app: web.Application, request_id: str) -> list[Told]:
    """The request with that id, if this front has had it."""
    entry = app[JOURNAL].find(request_id)
    return [] if entry is None else [_told(entry, timeline)]


def _told(entry: Entry, words: Callable[[Entry], dict[str, Any]]) -> Told:
    return Told(entry.at + entry.elapsed, words(entry))


def _why_not(kept: int, missing: list[str]) -> str:
    if missing:
        return f"{', '.join(missing)} did not answer"
    return f"the last {kept} are kept, GET /debug/requests lists them" if kept else "there has been none yet"


def _limit(request: web.Request) -> int:
    given = request.query.get("limit", str(FEW))
    if not (given.isascii() and given.isdigit() and 1 <= int(given[:9]) <= 1000):
        raise InvalidRequest(f"expected a number from 1 to 1000, got {given[:64]!r}", "query limit")
    return int(given)


def _wanted(request: web.Request) -> Wanted:
    model, status = request.query.get("model"), request.query.get("status")
    if status is not None and not status.isdigit() and status not in STATUSES:
        raise InvalidRequest(no_such("status", status[:64], STATUSES), "query status")
    return Wanted(_limit(request), model, status)
