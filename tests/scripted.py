"""A server over real sockets that answers each request as a test says, byte by byte if need be."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

ANSWER = b'{"outcome":{"status":"complete","degraded":false},"members":{"a":{"fate":"ok","elapsed_ms":1.5}}}'

Answer = Callable[[int, asyncio.StreamWriter], Awaitable[None]]
"""What is done about a request, counted from 0: as a rule, something is written."""


def response(body: bytes = ANSWER, status: str = "200 OK", *lines: str) -> bytes:
    """A whole response."""
    head = "\r\n".join((f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *lines))
    return head.encode() + b"\r\n\r\n" + body


async def complete(_number: int, writer: asyncio.StreamWriter) -> None:
    """All is well."""
    writer.write(response())


class Scripted:
    """What a server has seen."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.url = ""
        self.bodies: list[bytes] = []
        self.heads: list[str] = []
        self.connections = 0
        self.under_way = self.most_under_way = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                while not writer.is_closing():
                    await self._one(reader, writer)
        finally:
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = re.search(r"content-length: (\d+)", head, re.IGNORECASE)
        self.bodies.append(await reader.readexactly(int(length[1]) if length else 0))
        self.heads.append(head)
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            await self._answer(len(self.bodies) - 1, writer)
        finally:
            self.under_way -= 1
        if not writer.is_closing():
            await writer.drain()


@asynccontextmanager
async def scripted(answer: Answer = complete) -> AsyncIterator[Scripted]:
    """Such a server on a free port; in the end it hangs up on all."""
    script, tasks = Scripted(answer), set[asyncio.Task[None]]()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with suppress(asyncio.CancelledError):  # which the streams would log
            await script.serve(reader, writer)
        tasks.discard(task)

    server = await asyncio.start_server(accept, "127.0.0.1", 0, backlog=1024)
    script.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield script
    finally:
        server.close()
        for task in tuple(tasks):
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
