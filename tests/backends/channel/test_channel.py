"""Calls over real Unix sockets, on both event loops."""

import asyncio
import gc
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path

import pytest

from backends.channel import Buffer, Channel, Handler, answering
from backends.channel.frames import ANSWER, CALL, CANCEL, Frame, Splitter, framed
from models.deadline import Deadline, deadline_after, remaining
from models.errors import (
    BackendError,
    ConnectFailed,
    ConnectionLost,
    InputRejected,
    InvalidAnswer,
    LateInQueue,
    ModelFailed,
    Overloaded,
    RemoteOverloaded,
)
from tests.circles import no_errors_in_circles

pytestmark = pytest.mark.sockets

PATIENCE = 20.0  # seconds until a test gives up; never a figure


@pytest.fixture
def path(short_path: Path) -> str:
    return str(short_path / "s")


def listening_at(path: str, backlog: int = 128) -> socket.socket:
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(path)
    listening.listen(backlog)
    return listening


def remove(path: str) -> None:
    Path(path).unlink(missing_ok=True)


class Desk:
    """A handler that gives back what it is given; one that is asked "wait" does so until it is told to `go_on`."""

    def __init__(self) -> None:
        self.calls: list[tuple[int, bytes, float]] = []
        self.cancelled = 0
        self.go_on = asyncio.Event()

    async def __call__(self, kind: int, payload: memoryview, deadline: Deadline) -> Sequence[Buffer]:
        self.calls.append((kind, bytes(payload), remaining(deadline)))
        if bytes(payload) == b"wait":
            try:
                await self.go_on.wait()
            except asyncio.CancelledError:
                self.cancelled += 1
                raise
        return payload, b"!"


class Stopped:
    """A peer that accepts, and reads only when it is told to."""

    def __init__(self, listening: socket.socket) -> None:
        listening.setblocking(False)
        self._listening = listening
        self._connection = listening  # until there is one
        self._splitter = Splitter(64 << 20)

    async def accept(self) -> None:
        self._connection, _ = await asyncio.get_running_loop().sock_accept(self._listening)

    async def read(self, enough: Callable[[list[Frame]], bool]) -> list[Frame]:
        frames: list[Frame] = []
        while not enough(frames):
            reading = asyncio.get_running_loop().sock_recv(self._connection, 1 << 20)
            frames += self._splitter.feed(await asyncio.wait_for(reading, PATIENCE))
        return frames

    def say(self, what: int, number: int, payload: bytes = b"") -> None:
        self.write(b"".join(framed(what, number, [payload])))

    def write(self, raw: bytes) -> None:
        self._connection.sendall(raw)  # little enough not to wait

    def close(self) -> None:
        self._connection.close()


@asynccontextmanager
async def connected(path: str, handler: Handler, *, prompt: bool = False, most: int = 1024) -> AsyncIterator[Channel]:
    """A channel and who answers at its other end."""
    async with answering(listening_at(path), handler, prompt=prompt, most=most):
        with closing(Channel(path)) as channel:
            yield channel


def later() -> Deadline:
    return deadline_after(PATIENCE)


async def until(check: Callable[[], bool]) -> None:
    """Let everyone else run until `check()` holds."""
    async with asyncio.timeout(PATIENCE):
        while not check():  # noqa: ASYNC110 - what another end does has no event here
            await asyncio.sleep(0)


async def said(channel: Channel, payload: bytes, kind: int = 0) -> bytes:
    return bytes(await channel.call(kind, [payload], later()))


def asked(channel: Channel, payload: bytes) -> "asyncio.Task[bytes]":
    return asyncio.create_task(said(channel, payload))


async def outcome(call: Awaitable[object]) -> type[BaseException] | None:
    """What a call ended with."""
    try:
        await call
    except BaseException as error:
        return type(error)
    return None


@pytest.mark.parametrize("prompt", [False, True])
async def test_a_call_arrives_whole_and_so_does_its_answer(path: str, prompt: bool) -> None:
    desk = Desk()
    async with connected(path, desk, prompt=prompt) as channel:
        answer = await channel.call(7, [b"one", memoryview(b"two"), b""], deadline_after(5))
        assert bytes(answer) == b"onetwo!"
    ((kind, payload, left),) = desk.calls
    assert (kind, payload) == (7, b"onetwo")
    assert 0 < left <= 5


async def test_nothing_may_be_said_and_answered(path: str) -> None:
    async def nothing(kind: int, payload: memoryview, deadline: Deadline) -> Sequence[Buffer]:
        return []

    async with connected(path, nothing) as channel:
        assert len(await channel.call(0, [], later())) == 0


@pytest.mark.parametrize("prompt", [False, True])
async def test_many_calls_are_under_way_at_once_and_are_answered_in_any_order(path: str, prompt: bool) -> None:
    desk = Desk()
    async with connected(path, desk, prompt=prompt) as channel:
        waiting = [asked(channel, b"wait") for _ in range(10)]
        quick = await asyncio.gather(*(said(channel, b"%d" % number) for number in range(500)))
        assert quick == [b"%d!" % number for number in range(500)]
        assert not any(call.done() for call in waiting)
        desk.go_on.set()
        assert await asyncio.gather(*waiting) == [b"wait!"] * 10


async def test_a_prompt_handler_answers_as_calls_come_in_and_waits_in_a_task(path: str) -> None:
    tasks: list[asyncio.Task[object] | None] = []

    async def handler(kind: int, payload: memoryview, deadline: Deadline) -> Sequence[Buffer]:
        tasks.append(asyncio.current_task())
        if kind:
            await asyncio.sleep(0)
            tasks.append(asyncio.current_task())
        return [payload]

    async with connected(path, handler, prompt=True) as channel:
        assert bytes(await channel.call(0, [b"x"], later())) == b"x"
        assert bytes(await channel.call(1, [b"y"], later())) == b"y"
    at_once, before, after = tasks
    assert (at_once, before) == (None, None)
    assert after is not None


async def test_large_calls_and_answers(path: str) -> None:
    async with connected(path, Desk()) as channel:
        payloads = [bytes([number]) * (3 << 20) for number in range(8)]
        answers = await asyncio.gather(*(said(channel, payload) for payload in payloads))
        assert answers == [payload + b"!" for payload in payloads]


async def test_all_calls_share_one_connection(path: str) -> None:
    async with connected(path, Desk()) as channel:
        await asyncio.gather(*(said(channel, b"x") for _ in range(50)))
        assert sockets_at(path) == 2  # the one that listens, and one connection


def sockets_at(path: str) -> int:
    return sum(line.endswith(path) for line in Path("/proc/net/unix").read_text().splitlines())


@pytest.mark.parametrize("prompt", [False, True])
async def test_a_cancelled_call_is_cancelled_there_and_costs_no_connection(path: str, prompt: bool) -> None:
    desk = Desk()
    async with connected(path, desk, prompt=prompt) as channel:
        waiting, other = asked(channel, b"wait"), asked(channel, b"wait")
        await until(lambda: len(desk.calls) == 2)
        waiting.cancel()
        assert await outcome(waiting) is asyncio.CancelledError
        await until(lambda: desk.cancelled == 1)
        assert await said(channel, b"next") == b"next!"
        desk.go_on.set()
        assert await other == b"wait!"


@pytest.mark.parametrize("prompt", [False, True])
async def test_what_is_cancelled_before_it_began_never_runs(path: str, prompt: bool) -> None:
    desk = Desk()
    async with connected(path, desk, prompt=prompt) as channel:
        await said(channel, b"first")
        calls = [asked(channel, b"stale") for _ in range(20)]
        await asyncio.sleep(0)  # they are written, and nobody has read them
        for call in calls:
            call.cancel()
        assert await said(channel, b"last") == b"last!"
    assert [payload for _, payload, _ in desk.calls if payload != b"stale"] == [b"first", b"last"]


async def test_what_has_expired_is_not_run(path: str) -> None:
    desk = Desk()
    async with connected(path, desk) as channel:
        assert await outcome(channel.call(0, [b"x"], deadline_after(-0.001))) is LateInQueue
    assert not desk.calls


async def test_nobody_there_is_a_connect_that_failed(path: str) -> None:
    with closing(Channel(path)) as channel:
        assert await outcome(said(channel, b"x")) is ConnectFailed
        listening_at(path).close()  # the file stays, as of a process that was killed
        assert await outcome(said(channel, b"x")) is ConnectFailed


async def test_who_does_not_accept_is_a_connect_that_failed_at_once(path: str) -> None:
    listening = listening_at(path, backlog=0)
    with closing(listening), socket.socket(socket.AF_UNIX) as other, closing(Channel(path)) as channel:
        other.connect(path)  # the one that fits
        with pytest.raises(ConnectFailed, match="BlockingIOError"):
            await said(channel, b"x")


async def test_it_is_connected_when_it_is_needed_and_again_after_a_loss(path: str) -> None:
    with closing(Channel(path)) as channel:
        assert await outcome(said(channel, b"x")) is ConnectFailed
        for _ in range(3):  # each time another process, in the place of the last
            remove(path)
            async with answering(listening_at(path), Desk()):
                assert await said(channel, b"x") == b"x!"
        assert await outcome(said(channel, b"x")) is ConnectFailed


async def test_a_loss_ends_every_call_under_way_at_once_and_the_next_connects_anew(path: str) -> None:
    with closing(listening_at(path)) as listening, closing(Channel(path)) as channel:
        for _ in range(2):
            peer = Stopped(listening)
            calls = [asked(channel, b"wait") for _ in range(10)]
            await peer.accept()
            await peer.read(lambda frames: len(frames) == 10)
            peer.close()
            assert [await outcome(call) for call in calls] == [ConnectionLost] * 10


async def test_a_lost_connection_cancels_what_was_under_way_for_it(path: str) -> None:
    desk = Desk()
    async with answering(listening_at(path), desk):
        with closing(Channel(path)) as gone, closing(Channel(path)) as other:
            calls = [asked(gone, b"wait") for _ in range(3)]
            stays = asked(other, b"wait")
            await until(lambda: len(desk.calls) == 4)
            gone.close()
            assert [await outcome(call) for call in calls] == [ConnectionLost] * 3
            await until(lambda: desk.cancelled == 3)
            desk.go_on.set()
            assert await stays == b"wait!"


async def test_a_closed_channel_takes_no_calls(path: str) -> None:
    async with connected(path, Desk()) as channel:
        await said(channel, b"x")
        channel.close()
        for _ in range(2):
            with pytest.raises(ConnectionLost, match="closed"):
                await said(channel, b"x")


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (Overloaded("full"), RemoteOverloaded),
        (LateInQueue("too late"), LateInQueue),
        (InvalidAnswer("NaN"), InvalidAnswer),
        (InputRejected("no"), InputRejected),
        (ZeroDivisionError(), ModelFailed),
    ],
)
async def test_what_is_raised_there_is_raised_here(path: str, raised: Exception, kind: type[BackendError]) -> None:
    async def failing(kind: int, payload: memoryview, deadline: Deadline) -> Sequence[Buffer]:
        if bytes(payload) == b"fail":
            raise raised
        return [payload]

    async with connected(path, failing) as channel:
        assert await outcome(said(channel, b"fail")) is kind
        assert await said(channel, b"go on") == b"go on"


async def test_what_is_raised_leaves_nothing_for_the_garbage_collector(path: str) -> None:
    async def failing(kind: int, payload: memoryview, deadline: Deadline) -> Sequence[Buffer]:
        raise Overloaded("full")

    async with connected(path, failing) as channel:
        with no_errors_in_circles():
            for _ in range(3):
                assert await outcome(said(channel, b"fail")) is RemoteOverloaded


async def test_calls_beyond_the_bound_are_refused_on_either_side(path: str) -> None:
    desk = Desk()
    async with answering(listening_at(path), desk, most=3):
        with closing(Channel(path, most=5)) as channel:
            calls = [asked(channel, b"wait") for _ in range(7)]
            await until(lambda: sum(call.done() for call in calls) == 4)
            desk.go_on.set()
            ends = [await outcome(call) for call in calls]
            assert ends == [None] * 3 + [RemoteOverloaded] * 2 + [Overloaded] * 2
            assert await said(channel, b"x") == b"x!"


async def test_what_is_too_long_is_refused_alone(path: str) -> None:
    async def tenfold(kind: int, payload: memoryview, deadline: Deadline) -> Sequence[Buffer]:
        return [payload] * 10

    async with answering(listening_at(path), tenfold, longest=1000):
        with closing(Channel(path, longest=1000)) as channel:
            waiting = [asked(channel, bytes(length)) for length in (1, 1001, 101, 100)]
            assert [await outcome(call) for call in waiting] == [None, InputRejected, InvalidAnswer, None]


@pytest.mark.parametrize(
    "bytes_sent",
    [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"".join(framed(CALL, 1)), bytes(24)],
)
async def test_an_answer_that_is_none_ends_the_connection(path: str, bytes_sent: bytes) -> None:
    with closing(listening_at(path)) as listening, closing(Channel(path)) as channel:
        peer = Stopped(listening)
        call = asked(channel, b"x")
        await peer.accept()
        peer.write(bytes_sent)
        with pytest.raises(ConnectionLost, match="malformed"):
            await call
        peer.close()


async def test_a_call_that_is_none_ends_the_connection_and_no_other(
    path: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with connected(path, Desk()) as channel:
        assert await said(channel, b"x") == b"x!"
        twice = b"".join(framed(CALL, 1, [b"wait"], deadline=2**62)) * 2
        for wrong in (b"POST / HTTP/1.1\r\nHost: chorus\r\n\r\n", b"".join(framed(ANSWER, 1)), twice):
            reader, writer = await asyncio.open_unix_connection(path)
            writer.write(wrong)
            assert await outcome(reader.readexactly(1)) in (asyncio.IncompleteReadError, ConnectionResetError)
            writer.close()
        assert await said(channel, b"x") == b"x!"
    assert caplog.text.count("malformed") == 3


async def test_who_does_not_read_is_sent_no_more_than_fits(path: str) -> None:
    size, count = 64 << 10, 64
    with closing(listening_at(path)) as listening, closing(Channel(path, most=count)) as channel:
        stopped = Stopped(listening)
        calls = [asked(channel, bytes(size)) for _ in range(count)]
        await stopped.accept()
        for _ in range(20):
            await asyncio.sleep(0)
        assert await outcome(said(channel, b"one too many")) is Overloaded
        for call in calls:
            call.cancel()
        await asyncio.wait(calls)
        last = asked(channel, b"last")
        frames = await stopped.read(lambda frames: any(bytes(frame.payload) == b"last" for frame in frames))
        sent = {frame.call for frame in frames if frame.what == CALL and len(frame.payload) == size}
        cancelled = {frame.call for frame in frames if frame.what == CANCEL}
        assert 0 < len(sent) < count / 2  # the rest was never written
        assert cancelled == sent
        stopped.say(ANSWER, frames[-1].call, b"here")
        assert await last == b"here"
        stopped.close()


async def test_a_loss_reaches_those_who_wait_for_room(path: str) -> None:
    with closing(listening_at(path)) as listening, closing(Channel(path)) as channel:
        stopped = Stopped(listening)
        calls = [asked(channel, bytes(1 << 20)) for _ in range(8)]
        await stopped.accept()
        for _ in range(20):
            await asyncio.sleep(0)
        listening.close()
        stopped.close()
        ends = {await outcome(call) for call in calls}
        assert ends == {ConnectionLost, ConnectFailed}  # those that were written, and those that were not


async def test_an_answer_that_comes_too_late_is_dropped(path: str) -> None:
    with closing(listening_at(path)) as listening, closing(Channel(path)) as channel:
        stopped = Stopped(listening)
        late = asked(channel, b"late")
        await stopped.accept()
        (frame,) = await stopped.read(lambda frames: bool(frames))
        late.cancel()
        await asyncio.wait([late])
        second = asked(channel, b"second")
        *_, other = await stopped.read(lambda frames: len(frames) == 2)  # that nobody waits for the first, and this
        stopped.say(ANSWER, frame.call, b"to the first")
        stopped.say(ANSWER, other.call, b"to the second")
        assert await second == b"to the second"
        stopped.close()


async def test_who_does_not_read_answers_is_not_read_either(path: str) -> None:
    """However many calls it sends: the answers would pile up here."""
    calls, size = 200, 1 << 20
    desk = Desk()

    async def large(kind: int, payload: memoryview, deadline: Deadline) -> Sequence[Buffer]:
        await desk(kind, payload, deadline)
        return [bytes(size)]

    async with answering(listening_at(path), large, drain=0.01):
        _, writer = await asyncio.open_unix_connection(path, limit=1)  # its transport stops reading at two bytes
        deadline = 2**62
        for number in range(calls):
            writer.write(b"".join(framed(CALL, number, [bytes(10_000)], deadline=deadline)))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        for _ in range(50):
            await asyncio.sleep(0)
        assert 0 < len(desk.calls) < calls / 2
        writer.transport.abort()


async def test_in_the_end_what_is_under_way_is_finished_and_new_calls_go_elsewhere(path: str) -> None:
    old, new = Desk(), Desk()
    with closing(Channel(path)) as channel:
        first = answering(listening_at(path), old)
        await first.__aenter__()
        under_way = asked(channel, b"wait")
        await until(lambda: len(old.calls) == 1)
        remove(path)
        async with answering(listening_at(path), new):
            leaving = asyncio.create_task(first.__aexit__(None, None, None))
            answers = [await said(channel, b"%d" % number) for number in range(20)]
            assert answers == [b"%d!" % number for number in range(20)]
            await until(lambda: bool(new.calls))
            assert not leaving.done()
            old.go_on.set()
            assert await under_way == b"wait!"
            await asyncio.wait_for(leaving, PATIENCE)
            assert await said(channel, b"after") == b"after!"
    assert new.calls[-1][1] == b"after"


async def test_who_finishes_what_is_under_way_takes_no_new_connections(path: str) -> None:
    desk = Desk()
    with closing(Channel(path)) as channel, closing(Channel(path)) as another:
        ending = answering(listening_at(path), desk)
        await ending.__aenter__()
        under_way = asked(channel, b"wait")
        await until(lambda: len(desk.calls) == 1)
        leaving = asyncio.create_task(ending.__aexit__(None, None, None))
        await asyncio.sleep(0)
        assert await outcome(said(another, b"x")) is ConnectFailed
        desk.go_on.set()
        assert await under_way == b"wait!"
        await asyncio.wait_for(leaving, PATIENCE)


async def test_what_takes_too_long_to_finish_is_cancelled(path: str) -> None:
    desk = Desk()
    with closing(Channel(path)) as channel:
        async with answering(listening_at(path), desk, drain=0.01):
            under_way = asked(channel, b"wait")
            await until(lambda: len(desk.calls) == 1)
        assert await outcome(under_way) is ConnectionLost
        await until(lambda: desk.cancelled == 1)


async def test_a_call_that_is_cancelled_while_others_connect_harms_nobody(path: str) -> None:
    async with connected(path, Desk()) as channel:
        calls = [asked(channel, b"%d" % number) for number in range(10)]
        await asyncio.sleep(0)
        calls[0].cancel()
        assert await outcome(calls[0]) is asyncio.CancelledError
        assert await asyncio.gather(*calls[1:]) == [b"%d!" % number for number in range(1, 10)]


async def test_a_call_that_fails_and_is_cancelled_at_once_leaves_nothing_to_complain_of(
    path: str, caplog: pytest.LogCaptureFixture
) -> None:
    gc.collect()  # what tests before this one left is theirs
    caplog.clear()
    async with connected(path, Desk()) as channel:
        await said(channel, b"x")
        call = asked(channel, b"wait")
        await asyncio.sleep(0)
        channel.close()
        call.cancel()
        assert await outcome(call) is asyncio.CancelledError
        del call
        gc.collect()
    assert not caplog.records


async def test_who_answers_although_the_caller_has_gone_answers_nobody(
    path: str, caplog: pytest.LogCaptureFixture
) -> None:
    stubborn: list[asyncio.Task[None]] = []

    async def handler(kind: int, payload: memoryview, deadline: Deadline) -> Sequence[Buffer]:
        task = asyncio.current_task()
        assert task is not None
        stubborn.append(task)
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        return [payload]

    async with connected(path, handler) as channel:
        calls = [asked(channel, b"x") for _ in range(20)]
        await until(lambda: len(stubborn) == 20)
        channel.close()
        assert {await outcome(call) for call in calls} == {ConnectionLost}
        await asyncio.wait(stubborn)
    assert not caplog.records


@pytest.mark.parametrize("options", [{"longest": 0}, {"most": 0}])
def test_options_that_make_no_sense_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="0"):
        Channel("x", **options)
