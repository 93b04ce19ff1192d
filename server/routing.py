"""Which handler a request goes to: a table of routes on aiohttp's low-level server.

`web.Application` looks for a route, freezes it and runs its middlewares anew for each request, which costs as much as
the vote. Here a path without a name in it is one look into a dictionary.
"""

import asyncio
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast
from urllib.parse import unquote

from aiohttp import hdrs, web

from server.expecting import expecting
from server.inference import CURRENT
from server.middleware import Routed, around
from server.parting import Parting
from server.reply import Handler
from server.slowness import Server

Route = tuple[str, str, Handler]
"""Method, path, handler; a part `{name}` of the path is passed on in `match_info`."""
Methods = dict[str, Handler]

SERVED_ROUTES: web.AppKey[Sequence[Route]] = web.AppKey("served_routes", list)

_NAMED = re.compile(r"\{(\w+)\}")
_NO_NAMES: Mapping[str, str] = {}


class Table:
    """The handlers by path and method; of two routes that a path fits the first counts that knows its method."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._exact: dict[str, Methods] = {}
        self._named: dict[str, tuple[re.Pattern[str], Methods]] = {}
        for method, path, handler in routes:
            methods = self._methods(path)
            methods[method] = handler
            if method == hdrs.METH_GET:  # load balancers probe with HEAD
                methods[hdrs.METH_HEAD] = handler

    def _methods(self, path: str) -> Methods:
        parts = _NAMED.split(path)
        if len(parts) == 1:
            return self._exact.setdefault(path, {})
        pattern = "".join(f"(?P<{part}>[^/{{}}]+)" if at % 2 else re.escape(part) for at, part in enumerate(parts))
        return self._named.setdefault(path, (re.compile(pattern), {}))[1]

    def lead(self, request: Routed) -> Handler:
        """The handler of `request`, which is told its route and the parts of its path."""
        path, method = request.rel_url.raw_path, request.method
        methods = self._exact.get(path)
        if methods is not None and method in methods:
            request.route, request.match_info = path, _NO_NAMES
            return methods[method]
        return self._lead_by_name(request, path, method, set(methods or ()))

    def _lead_by_name(self, request: Routed, path: str, method: str, allowed: set[str]) -> Handler:
        request.match_info = _NO_NAMES
        for route, (pattern, methods) in self._named.items():
            if match := pattern.fullmatch(path):
                allowed |= methods.keys()
                if method in methods:
                    request.route = route
                    request.match_info = {name: unquote(value) for name, value in match.groupdict().items()}
                    return methods[method]
        return _nowhere(allowed)


def _nowhere(allowed: set[str]) -> Handler:
    async def nowhere(request: web.Request) -> web.StreamResponse:
        raise web.HTTPMethodNotAllowed(request.method, allowed) if allowed else web.HTTPNotFound

    return nowhere


def server_of(
    app: web.Application, routes: Sequence[Route], *, leaving: asyncio.Event, max_body_bytes: int, **how: Any
) -> Server:
    """A server that runs the handlers of `routes`. What they share is in `app`; `how` is aiohttp's.

    Once it is `leaving`, every answer is the last on its connection.
    """
    loop, table, parting = asyncio.get_running_loop(), Table(routes), Parting()
    app[SERVED_ROUTES] = routes

    def made(message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> Routed:
        request = Routed(message, payload, protocol, writer, task, loop, client_max_size=max_body_bytes)
        request.app = app
        return request

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        assert isinstance(request, Routed)  # noqa: S101 - which `made` has made
        handler = table.lead(request)
        if hdrs.EXPECT in request.headers:
            handler = expecting(handler, max_body_bytes)
        uses = app[CURRENT].composition.uses  # which the handler takes before it waits for anything
        uses.count += 1
        try:
            response = await around(request, handler)
        finally:
            uses.end()
        if leaving.is_set():
            response.force_close()
        if not request.content.is_eof() and isinstance(response, web.StreamResponse):  # a `Reply` is to what was read
            await parting(request, response)
        return cast(web.StreamResponse, response)  # what aiohttp needs of one

    return Server(handle, request_factory=made, **how)
