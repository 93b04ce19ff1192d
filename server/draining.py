"""How a server takes leave of its callers, so that none of them loses a request.

From the first moment every answer says `Connection: close`. For `LISTEN_SECONDS` new connections are taken all the
same: who was told to come here is not refused, and callers who ask often have heard it by then. Then whoever still
waits in the backlog is taken, who comes later is refused, idle connections are closed, and what is under way is
finished.
"""

import asyncio
from collections.abc import Iterable

from aiohttp.web_protocol import RequestHandler

from server.plan import DRAIN_SECONDS
from server.serving import serving
from server.slowness import is_idle

LISTEN_SECONDS = 1.0
LOOK_SECONDS = 0.01


async def drain(door: serving, longest: float, *, succeeded: bool = False, hurried: bool = False) -> None:
    """Take leave of all callers of `door`; requests last `longest` seconds at most.

    `succeeded`: others accept on the same socket, and keep accepting, so that we need not. `hurried`: nobody needs to
    find out who is not here.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + min(LISTEN_SECONDS + longest, DRAIN_SECONDS)
    door.announce_leave()
    known = set(door.handlers)
    if succeeded:
        await door.accepting.stop()
    if known or not hurried:
        await asyncio.sleep(LISTEN_SECONDS)
    await door.accepting.finish()
    recent = set(door.handlers) - known  # whose first bytes may be on their way
    close_recent = loop.time() + LISTEN_SECONDS
    while door.handlers and (now := loop.time()) < until:
        close_idle(one for one in door.handlers if now >= close_recent or one not in recent)
        await asyncio.sleep(LOOK_SECONDS)


def close_idle(handlers: Iterable[RequestHandler]) -> None:
    """Close the connections that wait for a request, unless some of it has arrived."""
    for handler in list(handlers):
        if is_idle(handler):
            handler.force_close()
