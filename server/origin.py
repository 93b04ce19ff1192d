"""Whether a request that changes something was made by a page of another site, in a browser of someone who may.

Such a page can send a form or a `fetch` without being able to read the answer, and the browser is on this machine. It
can neither leave out its Origin nor send JSON without asking first, which is not answered. A page that has made its own
name point here (DNS rebinding) is told by the name: a server on the loopback interface has none but localhost.
"""

import ipaddress
from functools import wraps
from urllib.parse import urlsplit

from aiohttp import hdrs, web

from server.errors import problem_response
from server.exchange import EXCHANGE
from server.reply import Answer, Handler


def same_origin(handler: Handler) -> Handler:
    """`handler` for requests that are no other site's: 403 for those, 415 for what a form could send."""

    @wraps(handler)
    async def guarded(request: web.Request) -> Answer:
        if not is_own(request.headers.get(hdrs.ORIGIN), request.host, request.headers.get("Sec-Fetch-Site")):
            detail = "this comes from a page of another site; ask from the command line, or from this server's own"
            return problem_response(403, "foreign_origin", detail, request[EXCHANGE].id)
        if hdrs.CONTENT_TYPE in request.headers and request.content_type != "application/json":
            got = request.content_type[:64]
            detail = (
                f"expected application/json or no body, got {got!r}; curl takes -H 'Content-Type: application/json'"
            )
            return problem_response(415, "unsupported_media_type", detail, request[EXCHANGE].id)
        return await handler(request)

    return guarded


def own_name(handler: Handler) -> Handler:
    """`handler` for requests that call a server on the loopback interface by a name of its own: 403 for others."""

    @wraps(handler)
    async def guarded(request: web.Request) -> Answer:
        if _on_loopback(request) and _can_be_rebound(urlsplit(f"//{request.host}").hostname or ""):
            detail = f"{request.host[:64]!r} is no name of this machine's own; use 127.0.0.1 or localhost"
            return problem_response(403, "foreign_host", detail, request[EXCHANGE].id)
        return await handler(request)

    return guarded


def _on_loopback(request: web.Request) -> bool:
    bound = request.transport.get_extra_info("sockname") if request.transport is not None else None
    return isinstance(bound, tuple) and ipaddress.ip_address(bound[0]).is_loopback


def is_own(origin: str | None, host: str, fetch_site: str | None) -> bool:
    """Whether a page of `origin` was served by us, whom it calls `host`; so is what is no page at all."""
    if fetch_site not in (None, "same-origin", "none"):
        return False
    if origin is None:
        return True
    try:
        split = urlsplit(origin)
    except ValueError:
        return False
    return split.scheme in ("http", "https") and split.netloc == host and not _can_be_rebound(split.hostname or "")


def _can_be_rebound(name: str) -> bool:
    if name == "localhost":
        return False
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return True
    return False
