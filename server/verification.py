"""A remote model is asked only once its metadata has been read, and fits what the configuration says of it.

It is read again whenever another server may be at the address: when a connection was made or could not be made, and now
and then. While that is in doubt, calls go on and their answers wait; `backends.layers.verified` has that part.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace

import aiohttp
import numpy as np

from backends.oip import Remote
from backends.served import Phase, State
from models.types import Array
from server.metadata import MAX_METADATA_BYTES, MAX_SHOWN, Metadata, misfit_of, order_of, read_metadata

log = logging.getLogger(__name__)

FIRST_WAIT, LONGEST_WAIT = 0.2, 5.0  # seconds between two tries
RECHECK_SECONDS = 10.0  # between two looks at a model that nobody doubts
TRY_SECONDS = 2.0


class Verification:
    """What is known of the model at `url`; `state` says whether it may be asked, `changed` is called when that changes.

    `order` (k,) puts its labels into the configured order.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: str,
        remote: Remote,
        state: State,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self.state = state
        self.order: Array | None = None
        self._session = session
        self._url = url
        self._remote = remote
        self._changed = changed
        self._misfit = ""
        self._woken = asyncio.Event()
        self._under_way: asyncio.Future[None] | None = None  # done once a read that has begun has ended
        self._following: asyncio.Future[None] | None = None  # the same for the next one

    def doubt(self) -> None:
        """Another server may be there now."""
        if self._following is None:
            self._following = asyncio.get_running_loop().create_future()
        self._woken.set()

    async def settled(self) -> None:
        """Wait until the metadata has been read anew, or could not be, if there is a doubt now."""
        latest = self._following or self._under_way
        if latest is not None and self.state.phase == "ready":
            await asyncio.wait([latest])

    def trace(self) -> aiohttp.TraceConfig:
        """What makes each new connection of a session a doubt. A server that was replaced is reached by one only."""
        config = aiohttp.TraceConfig()
        config.on_connection_create_end.append(self._connected)
        return config

    async def _connected(self, _session: aiohttp.ClientSession, _context: SimpleNamespace, _about: object) -> None:
        self.doubt()

    async def keep(self) -> None:
        """Read at once, after every doubt, and now and then; for ever."""
        wait = FIRST_WAIT
        while True:
            if await self._look():
                wait = FIRST_WAIT
                await self._wait_for_doubt(RECHECK_SECONDS)
            else:
                await asyncio.sleep(wait)
                wait = min(wait * 2, LONGEST_WAIT)

    async def _wait_for_doubt(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        except TimeoutError:
            pass

    async def _look(self) -> bool:
        """Read once; whether there was something to read."""
        self._woken.clear()
        self._under_way, self._following = self._following, None
        try:
            self._judge(await _read(self._session, self._url))
        except (aiohttp.ClientError, OSError, ValueError) as error:
            log.info("the metadata of %s cannot be read yet: %s", self._url, type(error).__name__)
            self._pass_to("unverified")
            return False
        finally:
            if self._under_way is not None:
                self._under_way.set_result(None)
                self._under_way = None
        return True

    def _judge(self, metadata: Metadata) -> None:
        misfit = misfit_of(metadata, self._remote)
        if misfit and misfit != self._misfit:
            log.error("%s does not fit the configuration: %s; it stays out of the vote", self._url, misfit[:MAX_SHOWN])
        self._misfit = misfit
        if not misfit:
            order = order_of(metadata, self._remote)
            self.order = None if order is None else np.array(order)
        self._pass_to("misfit" if misfit else "ready")

    def _pass_to(self, phase: Phase) -> None:
        if phase != self.state.phase:
            self.state.phase = phase
            self._changed()


@asynccontextmanager
async def verifying(
    session: aiohttp.ClientSession,
    url: str,
    remote: Remote,
    state: State,
    changed: Callable[[], None] = lambda: None,
) -> AsyncIterator[Verification]:
    """Read `url` in the background as long as this lasts. `session` is for that alone: its connections are no doubt."""
    verification = Verification(session, url, remote, state, changed)
    task = asyncio.create_task(verification.keep())
    try:
        yield verification
    finally:
        task.cancel()
        await asyncio.wait([task])  # unlike `await task`, it can tell our own cancellation from the task's
        if not task.cancelled():
            task.result()  # a bug should not go by unnoticed


async def _read(session: aiohttp.ClientSession, url: str) -> Metadata:
    async with asyncio.timeout(TRY_SECONDS), session.get(url, allow_redirects=False) as response:
        if response.status != 200:
            raise ValueError(f"HTTP status {response.status}")
        return read_metadata(await _body(response))


async def _body(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for part in response.content.iter_any():
        body += part
        if len(body) > MAX_METADATA_BYTES:
            raise ValueError(f"longer than {MAX_METADATA_BYTES} bytes")
    return bytes(body)
