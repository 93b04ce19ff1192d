"""The end of a channel that answers."""

import asyncio
import logging
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import cast

from backends.channel.calling import MOST_CALLS, write
from backends.channel.failures import failure_of
from backends.channel.frames import (
    ANSWER,
    CALL,
    CANCEL,
    FAILURE,
    GOODBYE,
    LONGEST,
    Buffer,
    Frame,
    Malformed,
    Splitter,
    framed,
)
from backends.eager import begin
from models.deadline import Deadline, from_monotonic_ns
from models.errors import InvalidAnswer, LateInQueue, Overloaded

log = logging.getLogger(__name__)

BACKLOG = 128
DRAIN_SECONDS = 10.0

Handler = Callable[[int, memoryview, Deadline], Awaitable[Sequence[Buffer]]]
"""(kind, payload, deadline) -> the answer, as buffers of bytes. A task, cancelled when its caller has gone."""


@asynccontextmanager
async def answering(
    listening: socket.socket,
    handler: Handler,
    *,
    longest: int = LONGEST,
    most: int = MOST_CALLS,
    drain: float = DRAIN_SECONDS,
    prompt: bool = False,
) -> AsyncIterator[None]:
    """Answer the calls that come in over `listening`, a Unix socket, with `handler`; `most` at once per connection.

    A handler that is `prompt` mostly answers without any waiting: it runs as calls come in, as `backends.eager` has it.
    In the end new connections are refused, callers are asked to ask elsewhere, and what is under way is finished, for
    `drain` seconds at most.
    """
    desks: set[Desk] = set()
    loop = asyncio.get_running_loop()
    made = partial(Desk, handler, desks, longest, most, prompt)
    server = await loop.create_unix_server(made, sock=listening, backlog=BACKLOG)
    try:
        yield
        server.close()
        for desk in list(desks):
            desk.take_leave()
        deadline = loop.time() + drain
        while desks and loop.time() < deadline:
            await asyncio.wait([desk.ended for desk in desks], timeout=deadline - loop.time())
    finally:
        server.close()
        for desk in list(desks):
            desk.end()


class Desk(asyncio.Protocol):
    """One connection, among `desks`, all there are."""

    def __init__(self, handler: Handler, desks: set["Desk"], longest: int, most: int, prompt: bool) -> None:
        self._loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[None] = self._loop.create_future()
        self._handler = handler
        self._desks = desks
        self._longest = longest
        self._most = most
        self._prompt = prompt
        self._splitter = Splitter(longest)
        self._new: dict[int, Frame] = {}  # calls that have just come: what is cancelled in the same breath is not begun
        self._tasks: dict[int, asyncio.Task[None]] = {}

    def take_leave(self) -> None:
        """Have the other end make its next calls elsewhere, and close this connection after the last answer."""
        self._write(GOODBYE, 0)

    def end(self) -> None:
        """Close the connection now; what is under way is cancelled."""
        self._transport.abort()
        self._cancel_all()

    def _cancel_all(self) -> None:
        for task in self._tasks.values():
            task.cancel()

    def _receive(self, frame: Frame) -> None:
        if frame.what == CANCEL:
            self._new.pop(frame.call, None)
            if (task := self._tasks.pop(frame.call, None)) is not None:
                task.cancel()
        elif frame.what != CALL:
            raise Malformed(f"a call cannot be a {frame.what}")
        elif frame.call in self._tasks or frame.call in self._new:
            raise Malformed(f"call {frame.call} comes twice")
        elif time.monotonic_ns() >= frame.deadline:  # as it is with all that came while we were stopped
            self._refuse(frame.call, LateInQueue("the deadline passed before it was read"))
        elif len(self._tasks) + len(self._new) >= self._most:
            self._refuse(frame.call, Overloaded(f"{self._most} calls under way on one connection"))
        else:
            self._new[frame.call] = frame

    def _begin(self) -> None:
        """Answer the calls that have just come."""
        new, self._new = self._new, {}
        for number, frame in new.items():
            call = self._answer(frame)
            task = begin(call, self._loop) if self._prompt else self._loop.create_task(call)
            if task is not None:
                self._tasks[number] = task

    async def _answer(self, frame: Frame) -> None:
        number = frame.call
        try:
            buffers = await self._handler(frame.kind, frame.payload, from_monotonic_ns(frame.deadline))
            if (length := sum(map(len, buffers))) > self._longest:
                raise InvalidAnswer(f"the answer has {length} bytes, at most {self._longest} are read")  # noqa: TRY301
        except Exception as error:  # a bug, too, is an answer to the caller
            self._refuse(number, error)
        else:
            self._write(ANSWER, number, buffers)
        finally:
            self._tasks.pop(number, None)

    def _refuse(self, number: int, error: Exception) -> None:
        self._write(FAILURE, number, (failure_of(error),))

    def _write(self, what: int, number: int, buffers: Sequence[Buffer] = ()) -> None:
        if not self._transport.is_closing():
            write(self._transport, framed(what, number, buffers))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # of a stream socket
        self._desks.add(self)

    def data_received(self, data: bytes) -> None:
        try:
            for frame in self._splitter.feed(data):
                self._receive(frame)
        except Malformed as error:
            log.error("malformed: %s", error)
            self.end()
        else:
            self._begin()

    def pause_writing(self) -> None:
        """Who does not read our answers is not read either."""
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._transport.resume_reading()

    def connection_lost(self, error: Exception | None) -> None:
        self._desks.discard(self)
        self._cancel_all()
        if not self.ended.done():
            self.ended.set_result(None)
