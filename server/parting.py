"""What becomes of a large body that nobody reads: its request was refused, or it is too large.

Whoever sends it may not look for the answer before all of it has gone, so it is read for a while, and dropped. aiohttp
does so for ten seconds, as fast as it comes, so that four callers who were refused 100 MB, again and again, took a
third of a core from those who were not. Here it is read slowly.
"""

import asyncio

from aiohttp import web

from server.memory import LARGE

PATIENCE = 5.0  # seconds, enough for the largest body that is allowed as a rule
PAUSE = 0.01  # seconds between two reads, of some 100 KB each,
FEW = 4  # if no more than so many bodies are dropped at a time; beyond, all together get no more than these


class Parting:
    """Answers those whose bodies were not read, and drops what still comes."""

    def __init__(self) -> None:
        self._under_way = 0

    async def __call__(self, request: web.Request, response: web.StreamResponse) -> None:
        """Send `response`; if the body is large, read what is left of it, and hang up if that takes too long."""
        announced = request.content_length
        if announced is not None and announced <= LARGE:
            return
        self._under_way += 1
        try:
            await response.prepare(request)
            await response.write_eof()
            async with asyncio.timeout(PATIENCE):
                while not request.content.is_eof():
                    await request.content.readany()
                    await asyncio.sleep(PAUSE * max(1.0, self._under_way / FEW))
        except (OSError, web.RequestPayloadError):  # it takes too long, or is malformed, or its caller has gone
            request.protocol.force_close()
        finally:
            self._under_way -= 1
