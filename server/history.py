"""The handlers that show the last requests."""

from collections.abc import Callable

from aiohttp import web

from models.errors import InvalidRequest, UnknownName
from models.names import no_such
from server.about import json_response
from server.journal import Entry
from server.recording import JOURNAL
from server.timeline import status_of, summary, timeline

FEW = 50  # requests, unless more are asked for
STATUSES = ("complete", "decided", "partial", "fallback", "failed")


async def requests(request: web.Request) -> web.Response:
    """The newest first: `?limit=`, `?model=`, `?status=` (of the outcome, or an HTTP status)."""
    journal, wanted = request.app[JOURNAL], _wanted(request)
    shown = [summary(entry) for entry in journal.latest(_limit(request), wanted)]
    return json_response({"requests": shown, "kept": len(journal)})


async def one_request(request: web.Request) -> web.Response:
    """One of them, as a timeline."""
    journal, request_id = request.app[JOURNAL], request.match_info["id"]
    entry = journal.find(request_id)
    if entry is None:
        kept = f"the last {len(journal)} are kept" if len(journal) else "there has been none yet"
        raise UnknownName(f"no request {request_id[:64]!r}; {kept}, GET /debug/requests lists them")
    return json_response(timeline(entry))


def _limit(request: web.Request) -> int:
    given = request.query.get("limit", str(FEW))
    if not (given.isascii() and given.isdigit() and 1 <= int(given[:9]) <= 1000):
        raise InvalidRequest(f"expected a number from 1 to 1000, got {given[:64]!r}", "query limit")
    return int(given)


def _wanted(request: web.Request) -> Callable[[Entry], bool]:
    model, status = request.query.get("model"), request.query.get("status")
    if status is not None and not status.isdigit() and status not in STATUSES:
        raise InvalidRequest(no_such("status", status[:64], STATUSES), "query status")
    return lambda entry: model in (None, entry.model) and status in (None, status_of(entry), str(entry.http_status))
