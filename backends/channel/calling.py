"""The end of a channel that asks."""

import asyncio
import socket
from collections.abc import Callable, Sequence
from typing import cast

from backends.channel.failures import error_of
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
from models.deadline import Deadline, to_monotonic_ns
from models.errors import ConnectFailed, ConnectionLost, InputRejected, Overloaded

MOST_CALLS = 1024


class Channel:
    """Ask whoever listens at `path`: many calls at once over one connection, which is made when it is needed.

    A lost connection is made anew by the next call; so a process that takes the place of another, at the same path, is
    found by itself. A call that is cancelled tells the other end, and costs no connection. A peer that does not read
    gets no more than a system's buffer of calls; the others wait here, `most` at most.

    The deadline travels with a call. Whoever must be back by then has a timeout of their own around it.
    """

    def __init__(self, path: str, *, longest: int = LONGEST, most: int = MOST_CALLS) -> None:
        if longest < 1 or most < 1:
            raise ValueError(f"longest and most must be positive, got {longest}, {most}")
        self.path = path
        self._longest = longest
        self._most = most
        self._under_way = 0
        self._line: Line | None = None
        self._lines: set[Line] = set()  # with those that are said goodbye to, and have calls under way
        self._connecting = asyncio.Lock()
        self._closed = False

    async def call(self, kind: int, buffers: Sequence[Buffer], deadline: Deadline) -> memoryview:
        """The answer to one call of `kind`; `buffers` of bytes are sent one after the other.

        Raises:
            ConnectFailed, ConnectionLost: nobody is there, or not any more.
            Overloaded: too many calls are under way.
            InputRejected: it is longer than the other end reads.
            ChorusError: what the other end raised.
        """
        if self._under_way >= self._most:
            raise Overloaded(f"{self._under_way} calls under way")
        self._under_way += 1
        try:
            line = self._line or await self._connected()
            while line.full:
                await line.room()
                line = self._line or await self._connected()
            return await line.call(kind, buffers, deadline)
        finally:
            self._under_way -= 1

    def close(self) -> None:
        """End it; calls under way fail."""
        self._closed = True
        for line in list(self._lines):
            line.end("the channel was closed")

    async def _connected(self) -> "Line":
        async with self._connecting:
            if self._line is None:
                self._refuse_if_closed()
                line = Line(self._longest, self._left)
                await _connect(self.path, line)
                self._line = line.checked()
                self._lines.add(line)
                self._refuse_if_closed()
            return self._line

    def _refuse_if_closed(self) -> None:
        if self._closed:
            self.close()
            raise ConnectionLost("the channel was closed")

    def _left(self, line: "Line", *, gone: bool) -> None:
        """`line` takes no new calls; `gone`: nor has it any under way."""
        if self._line is line:
            self._line = None
        if gone:
            self._lines.discard(line)


async def _connect(path: str, line: "Line") -> None:
    """Connect a Unix socket, which either succeeds at once or not at all.

    Not by the loop: of a backlog that is full (EAGAIN) asyncio thinks that it only takes its time, and waits for a
    socket that will never be connected.

    Raises:
        ConnectFailed: nobody listens there, or a process that does not accept.
    """
    connecting = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connecting.setblocking(False)
        connecting.connect(path)
        await asyncio.get_running_loop().create_unix_connection(lambda: line, sock=connecting)
    except OSError as error:
        connecting.close()
        raise ConnectFailed(f"{type(error).__name__}: {error.strerror}") from error
    except BaseException:
        connecting.close()
        raise


def write(transport: asyncio.Transport, parts: Sequence[Buffer]) -> None:
    """Send a frame. Not by `writelines`: in some releases of Python 3.12 and 3.13 asyncio's never pauses its writer.

    Source: https://github.com/python/cpython/issues/127655
    """
    for part in parts:
        transport.write(part)


class Line(asyncio.Protocol):
    """One connection, from when it is made until it is lost; `left` is told when it takes no more calls."""

    def __init__(self, longest: int, left: Callable[..., None]) -> None:
        self.full = False  # the other end does not read as fast as we write
        self._loop = asyncio.get_running_loop()
        self._longest = longest
        self._left = left
        self._splitter = Splitter(longest)
        self._calls: dict[int, asyncio.Future[memoryview]] = {}
        self._last = 0
        self._room = asyncio.Event()
        self._leaving = False
        self._lost = ""  # why

    def checked(self) -> "Line":
        """Itself, if it was not lost as soon as it was made."""
        if self._lost:
            raise ConnectionLost(self._lost)
        return self

    async def room(self) -> None:
        """Wait until it may not be full any more."""
        await self._room.wait()

    async def call(self, kind: int, buffers: Sequence[Buffer], deadline: Deadline) -> memoryview:
        """Send one call and wait for its answer."""
        if (length := sum(map(len, buffers))) > self._longest:
            raise InputRejected(f"the call has {length} bytes, at most {self._longest} are read")
        self._last = number = self._last + 1
        answer: asyncio.Future[memoryview] = self._loop.create_future()
        self._calls[number] = answer
        write(self._transport, framed(CALL, number, buffers, kind=kind, deadline=to_monotonic_ns(deadline)))
        try:
            return await answer
        except asyncio.CancelledError:
            self._let_go(number)
            raise
        finally:
            del answer  # an error knows the frames that it came through: with it in one of them it were a circle

    def _let_go(self, number: int) -> None:
        """Nobody waits any more; what comes nevertheless is dropped."""
        if self._calls.pop(number, None) is not None:
            write(self._transport, framed(CANCEL, number))
            self._end_if_left()

    def end(self, why: str) -> None:
        """Close the connection now; calls under way fail of `why`."""
        self._fail(why)
        self._transport.abort()

    def _fail(self, why: str) -> None:
        """No call gets an answer any more."""
        if not self._lost:
            self._lost = why
            self._left(self, gone=True)
        self.resume_writing()  # nobody waits for what will not come
        calls, self._calls = self._calls, {}
        for answer in calls.values():
            if not answer.done():
                answer.set_exception(ConnectionLost(why))

    def _receive(self, frame: Frame) -> None:
        if frame.what == GOODBYE:
            self._leaving = True
            self._left(self, gone=False)
        elif frame.what not in (ANSWER, FAILURE):
            raise Malformed(f"an answer cannot be a {frame.what}")
        else:
            answer = self._calls.pop(frame.call, None)
            if answer is not None and not answer.done():
                if frame.what == ANSWER:
                    answer.set_result(frame.payload)
                else:
                    answer.set_exception(error_of(frame.payload))

    def _end_if_left(self) -> None:
        if self._leaving and not self._calls:
            self.end("the other end has taken its leave")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # of a stream socket

    def data_received(self, data: bytes) -> None:
        try:
            for frame in self._splitter.feed(data):
                self._receive(frame)
        except Malformed as error:
            self.end(f"malformed: {error}")
        self._end_if_left()

    def pause_writing(self) -> None:
        self.full = True
        self._room.clear()

    def resume_writing(self) -> None:
        self.full = False
        self._room.set()

    def connection_lost(self, error: Exception | None) -> None:
        self._fail("the other end has closed the connection" if error is None else type(error).__name__)
