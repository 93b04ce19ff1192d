"""A proxy before a server of HTTP that fails on demand in all the ways in which networks and servers do.

It needs no privileges. Each request is counted and timed, and passes as a whole; answers pass as they come. A client
that pipelines is none of ours.
"""

import asyncio
import random
import socket
import struct
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from time import perf_counter
from types import TracebackType

from tests.chaos.faults import NONE, Faults
from tests.chaos.messages import AnswerEnd, Request, RequestReader

MOST_SEEN = 200_000
READ = 1 << 16
MOST_UNSENT = 1 << 17  # so much of an answer waits here for its client
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: what is closed is reset


@dataclass(slots=True)
class Seen:
    """A request that came; moments are those of `time.perf_counter`.

    `answered`: when its answer began to go back; `ended`: when all of it had; `left`: when the caller hung up before.
    """

    request: Request
    came: float
    answered: float | None = None
    ended: float | None = None
    left: float | None = None

    @property
    def id(self) -> str:
        """The request's id; empty where it has none, as when metadata is asked for."""
        return self.request.headers.get("x-request-id", "")


class Proxy:
    """Listens on a free port of 127.0.0.1, before `target`; where there is none, only `Faults.answer` answers.

    `faults` may be changed at any time, and count from then on, a hole also for what is under way.
    """

    def __init__(self, target: tuple[str, int] | None = None, faults: Faults = NONE) -> None:
        self.target = target
        self.seen: deque[Seen] = deque(maxlen=MOST_SEEN)
        self.accepted = 0
        self.port = 0
        self._faults = faults
        self._changed = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._clients: dict[asyncio.Task[None], _Client] = {}

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        return len(self._clients)

    @property
    def under_way(self) -> int:
        """Requests that were neither answered nor given up."""
        return sum(seen.ended is None and seen.left is None for seen in self.seen)

    @property
    def faults(self) -> Faults:
        """What happens now."""
        return self._faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        self._faults = faults
        self._changed.set()
        self._changed = asyncio.Event()

    async def passable(self) -> None:
        """Wait until there is no hole."""
        while self._faults.hole:
            await self._changed.wait()

    async def accept(self) -> None:
        """Take connections, at the port that it had before."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def refuse(self) -> None:
        """Take no connections: who tries is refused. Those that are open stay."""
        assert self._server is not None
        self._server.close()

    def reset(self) -> None:
        """Reset all connections."""
        for client in self._clients.values():
            client.reset()

    async def __aenter__(self) -> "Proxy":
        await self.accept()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.refuse()
        for task in self._clients:
            task.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task, client = asyncio.current_task(), _Client(self, reader, writer)
        assert task is not None
        self.accepted += 1
        self._clients[task] = client
        try:
            await client.serve()
        except (OSError, asyncio.CancelledError):  # asyncio would report what is no news here
            client.reset()
        finally:
            writer.close()
            del self._clients[task]


class _Client:
    """One client's connection, and the one that its requests are passed on over."""

    def __init__(self, proxy: Proxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._proxy = proxy
        self._reader, self._writer = reader, writer
        self._upstream: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        writer.transport.set_write_buffer_limits(MOST_UNSENT)

    def reset(self) -> None:
        """Close it so that the client hears of a reset."""
        if not self._writer.transport.is_closing():
            sock: socket.socket = self._writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            self._writer.transport.abort()

    async def serve(self) -> None:
        """Answer all requests until the client hangs up."""
        reading, answering = RequestReader(), None
        try:
            while data := await self._reader.read(READ):
                if answering is not None:
                    await answering
                    answering = None
                if (request := reading.read(data)) is not None:
                    seen = Seen(request, perf_counter())
                    self._proxy.seen.append(seen)
                    answering = asyncio.create_task(self._answer(seen))
                    answering.add_done_callback(self._answered)
        finally:
            if self._upstream is not None:
                self._upstream[1].close()
            if answering is not None and not answering.done():
                seen.left = perf_counter()
                answering.cancel()
                await asyncio.wait([answering])

    def _answered(self, answering: "asyncio.Task[None]") -> None:
        """The read that goes on meanwhile has to end where there is nobody to answer any more."""
        if not answering.cancelled() and answering.exception() is not None:
            self.reset()

    async def _answer(self, seen: Seen) -> None:
        faults = self._proxy.faults
        if random.random() >= faults.share or not seen.request.path.endswith(faults.to):
            faults = NONE
        answer = self._asked(seen.request.raw) if faults.answer is None else faults.answer()
        if late := faults.latency + random.uniform(0, faults.jitter):
            await asyncio.sleep(late)
        left = faults.reset_after
        async for data in answer:
            await self._proxy.passable()
            seen.answered = seen.answered or perf_counter()
            await self._send(data if left is None else data[:left], faults)
            if left is not None and (left := left - len(data)) <= 0:
                raise ConnectionResetError("as it was told to")
        seen.ended = perf_counter()

    async def _asked(self, raw: bytes) -> AsyncIterator[bytes]:
        """What the target says to a request."""
        await self._proxy.passable()
        if self._proxy.target is None:
            raise ConnectionRefusedError("nobody answers here")
        if self._upstream is None or self._upstream[0].at_eof():
            self._upstream = await asyncio.open_connection(*self._proxy.target)
        reader, writer = self._upstream
        writer.write(raw)
        await writer.drain()
        end = AnswerEnd()
        while not end.reached:
            if not (data := await reader.read(READ)):
                raise ConnectionResetError("the target has hung up")
            end.read(data)
            yield data

    async def _send(self, data: bytes, faults: Faults) -> None:
        for start in range(0, len(data), faults.slice):
            piece = data[start : start + faults.slice]
            if pause := faults.pause + (len(piece) / faults.bandwidth if faults.bandwidth else 0.0):
                await asyncio.sleep(pause)
            self._writer.write(piece)
            await self._writer.drain()
