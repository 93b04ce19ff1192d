"""A remote model whose server is late, strange, or not the one that was meant; over a real socket."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from backends.oip import Remote
from backends.served import Phase, State
from models.types import PROBABILITIES
from server import verification
from server.metadata import MAX_METADATA_BYTES
from server.verification import Verification, verifying
from tests.fakes import FEATURES, YES_NO, now, settle

GENEROUS = 5.0  # seconds, for what should take milliseconds
URL = "http://there/v2/models/m"
REMOTE = Remote(f"{URL}/infer", "m", YES_NO, (FEATURES,), PROBABILITIES)


@pytest.fixture(autouse=True)
def _impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verification, "FIRST_WAIT", 0.005)
    monkeypatch.setattr(verification, "LONGEST_WAIT", 0.02)
    monkeypatch.setattr(verification, "TRY_SECONDS", 0.2)


@pytest.fixture(autouse=True)
async def _nothing_left() -> AsyncIterator[None]:
    yield
    await settle()
    assert asyncio.all_tasks() == {asyncio.current_task()}


def metadata(inputs: Sequence[Any] = ({},), outputs: Sequence[Any] = ({},)) -> bytes:
    """The metadata of a model that fits, but for what the inputs and outputs say otherwise."""
    fits = {"name": "features", "datatype": "FP32", "shape": [-1, 2]}
    gives = {"name": PROBABILITIES, "datatype": "FP64", "shape": [-1, 2]}
    return json.dumps(
        {
            "name": "m",
            "platform": "x",
            "inputs": [fits | one for one in inputs],
            "outputs": [gives | one for one in outputs],
        }
    ).encode()


def http(body: bytes, status: str = "200 OK", headers: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\n{headers}Content-Length: {len(body)}\r\n\r\n".encode() + body


GOOD = http(metadata())


class There:
    """A server that gives its answers one after the other, the last of them for ever; None: it says nothing.

    `asked` is the phase that the model was in at each request, `lines` are what was asked for.
    """

    def __init__(self, path: Path, state: State) -> None:
        self.asked: list[Phase] = []
        self.lines: set[bytes] = set()
        self.gone = asyncio.Event()
        self._path = path
        self._state = state

    @asynccontextmanager
    async def up(self, *answers: bytes | None) -> AsyncIterator[None]:
        """It serves, within the context."""
        rest = list(answers)
        callers: set[asyncio.Task[None] | None] = set()

        async def called(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            callers.add(asyncio.current_task())
            try:
                while True:
                    head = await reader.readuntil(b"\r\n\r\n")
                    self.lines.add(head.split(b"\r\n")[0])
                    self.asked.append(self._state.phase)
                    answer = rest.pop(0) if len(rest) > 1 else rest[0]
                    await self._say(answer, writer)
            except (asyncio.IncompleteReadError, OSError):
                self.gone.set()
            finally:
                writer.close()

        server = await asyncio.start_unix_server(called, self._path)
        try:
            yield
        finally:
            server.close()
            async with asyncio.timeout(GENEROUS):
                await asyncio.gather(*(task for task in callers if task))

    async def _say(self, answer: bytes | None, writer: asyncio.StreamWriter) -> None:
        """In three pieces, as networks do."""
        for part in (answer[:-20], answer[-20:-10], answer[-10:]) if answer else ():
            if writer.is_closing():
                raise ConnectionResetError
            writer.write(part)
            await writer.drain()
            await settle()


@asynccontextmanager
async def verified(path: Path, state: State) -> AsyncIterator[None]:
    """Within the context the model at `path` is being verified."""
    connector = aiohttp.UnixConnector(str(path))
    async with aiohttp.ClientSession(connector=connector) as session, verifying(session, URL, REMOTE, state):
        yield


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(GENEROUS):
        while not true():  # noqa: ASYNC110 - a state has no event
            await asyncio.sleep(0.001)


async def phase_after(tmp_path: Path, *answers: bytes | None) -> tuple[Phase, There]:
    """Where a model ends up whose server gives these answers."""
    state = State(phase="unverified")
    there = There(tmp_path / "s", state)
    async with there.up(*answers), verified(tmp_path / "s", state):
        await until(lambda: state.phase != "unverified")
    return state.phase, there


@pytest.mark.sockets
async def test_a_model_that_fits_is_ready(tmp_path: Path) -> None:
    phase, there = await phase_after(tmp_path, GOOD)
    assert phase == "ready"
    assert there.asked == ["unverified"]  # and once is enough


@pytest.mark.sockets
async def test_a_model_is_unverified_until_its_server_appears(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "server.verification")
    state = State(phase="unverified")
    async with AsyncExitStack() as later, verified(tmp_path / "s", state):
        await until(lambda: len(caplog.records) >= 2)
        assert state.phase == "unverified"
        await later.enter_async_context(There(tmp_path / "s", state).up(GOOD))
        await until(lambda: state.phase == "ready")
    assert all("cannot be read yet" in record.message for record in caplog.records)


@pytest.mark.sockets
@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(http(metadata(), "404 Not Found"), id="status 404"),
        pytest.param(http(metadata(), "503 Not Yet"), id="status 503"),
        pytest.param(http(metadata(), "302 Found", "Location: /v2\r\n"), id="a redirect"),
        pytest.param(http(b"<html><body>It works!</body></html>"), id="HTML"),
        pytest.param(http(b""), id="nothing"),
        pytest.param(http(b"[]"), id="a list"),
        pytest.param(http(b'{"name": "m", "inputs": [], "out": []}'), id="no outputs"),
        pytest.param(http(b'{"inputs": [{"name": ["features"]}], "outputs": []}'), id="a list for a name"),
        pytest.param(
            http(b'{"inputs": [{"name": "features", "shape": "all"}], "outputs": []}'), id="a string for a shape"
        ),
        pytest.param(http(b'{"a": ' + b"[" * 100_000), id="deeply nested"),
        pytest.param(http(b'{"inputs": "\xff"}'), id="not UTF-8"),
        pytest.param(http(metadata() + b" " * MAX_METADATA_BYTES), id="huge"),
        pytest.param(b"220 mail.example ESMTP\r\n\r\n", id="another protocol"),
        pytest.param(None, id="silence"),
    ],
)
async def test_what_is_no_metadata_is_asked_for_again(tmp_path: Path, answer: bytes | None) -> None:
    phase, there = await phase_after(tmp_path, answer, answer, GOOD)
    assert phase == "ready"
    assert there.asked == ["unverified"] * 3
    assert there.lines == {b"GET /v2/models/m HTTP/1.1"}


@pytest.mark.sockets
@pytest.mark.parametrize(
    "inputs",
    [
        pytest.param([{"shape": [-1, -1]}], id="any number of features"),
        pytest.param([{"shape": [2]}], id="a shape without rows"),
        pytest.param([{"shape": []}], id="no shape"),
        pytest.param([{"parameters": {"content_type": "np"}}], id="something more"),
        pytest.param([{"name": "more", "shape": [-1, 9]}, {}], id="another input beside it"),
    ],
)
async def test_what_does_not_contradict_the_configuration_fits(tmp_path: Path, inputs: list[Any]) -> None:
    phase, _ = await phase_after(tmp_path, http(metadata(inputs)))
    assert phase == "ready"


@pytest.mark.sockets
async def test_a_server_that_knows_no_tensors_is_not_held_to_any(tmp_path: Path) -> None:
    phase, _ = await phase_after(tmp_path, http(metadata([], [])))
    assert phase == "ready"


@pytest.mark.sockets
@pytest.mark.parametrize(
    ("inputs", "outputs", "said"),
    [
        pytest.param([{"datatype": "FP64"}], [{}], "'FP64', not FP32", id="another datatype"),
        pytest.param([{"datatype": ""}], [{}], "'', not FP32", id="no datatype"),
        pytest.param([{"shape": [-1, 3]}], [{}], "takes 3 features, not 2", id="more features"),
        pytest.param([{"name": "x"}], [{}], "no input 'features', but ['x']", id="another input"),
        pytest.param([{}], [{"name": "label"}], "no output 'probabilities', but ['label']", id="another output"),
    ],
)
async def test_a_model_that_does_not_fit_stays_out_loudly(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, inputs: list[Any], outputs: list[Any], said: str
) -> None:
    phase, there = await phase_after(tmp_path, http(metadata(inputs, outputs)))
    assert phase == "misfit"
    assert len(there.asked) == 1
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert said in record.message


@pytest.mark.sockets
async def test_what_a_server_says_cannot_flood_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    phase, _ = await phase_after(tmp_path, http(metadata([{"name": "a\r\n" * 10_000}])))
    assert phase == "misfit"
    (record,) = caplog.records
    assert len(record.message) < 500
    assert record.message.isprintable()


async def test_the_waits_become_longer_up_to_a_bound(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the tests' own clock: without a socket at `path` nothing has to be waited for."""
    tries: list[float] = []

    class Times(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            tries.append(now())

    caplog.set_level(logging.INFO, "server.verification")
    monkeypatch.setattr(verification.log, "handlers", [Times()])
    async with verified(tmp_path / "s", State(phase="unverified")):
        await asyncio.sleep(0.1)
    assert tries == pytest.approx([0, 0.005, 0.015, 0.035, 0.055, 0.075, 0.095])


@pytest.mark.sockets
async def test_closing_ends_a_try_under_way(tmp_path: Path) -> None:
    state = State(phase="unverified")
    there = There(tmp_path / "s", state)
    async with there.up(None):
        async with verified(tmp_path / "s", state):
            await until(lambda: there.asked)
        async with asyncio.timeout(GENEROUS):
            await there.gone.wait()
    assert state.phase == "unverified"


@pytest.mark.sockets
async def test_closing_ends_the_wait_for_the_next_try(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "server.verification")
    async with verified(tmp_path / "s", State(phase="unverified")):
        await until(lambda: caplog.records)
    assert not [record for record in caplog.records if record.levelno > logging.INFO]


@pytest.mark.sockets
async def test_cancelling_whoever_composes_is_not_swallowed(tmp_path: Path) -> None:
    begun = asyncio.Event()

    async def compose() -> None:
        async with verified(tmp_path / "s", State(phase="unverified")):
            begun.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(compose())
    await begun.wait()
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


@pytest.mark.sockets
async def test_a_second_cancellation_is_not_swallowed_either(tmp_path: Path) -> None:
    """One that comes while the background task is being ended."""
    closing = asyncio.Event()

    async def compose() -> None:
        async with verified(tmp_path / "s", State(phase="unverified")):
            closing.set()
        await asyncio.sleep(0)

    task = asyncio.create_task(compose())
    await closing.wait()
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


def described(**parameters: Any) -> bytes:
    """The metadata of another Chorus."""
    return http(json.dumps({**json.loads(metadata()), "parameters": parameters}).encode())


@asynccontextmanager
async def knowing(path: Path, state: State) -> AsyncIterator[Verification]:
    """Within the context the model at `path` is being verified, and this is what does it."""
    connector = aiohttp.UnixConnector(str(path))
    async with aiohttp.ClientSession(connector=connector) as session, verifying(session, URL, REMOTE, state) as known:
        yield known


@pytest.mark.sockets
async def test_labels_in_another_order_are_taken_by_name(tmp_path: Path) -> None:
    state = State(phase="unverified")
    async with (
        There(tmp_path / "s", state).up(described(labels=["yes", "no"])),
        knowing(tmp_path / "s", state) as known,
    ):
        await until(lambda: state.phase == "ready")
    assert known.order is not None
    assert known.order.tolist() == [1, 0]


@pytest.mark.sockets
@pytest.mark.parametrize("said", [{"labels": ["no", "yes"]}, {}, {"labels": 7}, {"content_type": "np"}])
async def test_labels_in_our_order_or_none_are_left_as_they_come(tmp_path: Path, said: dict[str, Any]) -> None:
    state = State(phase="unverified")
    async with There(tmp_path / "s", state).up(described(**said)), knowing(tmp_path / "s", state) as known:
        await until(lambda: state.phase == "ready")
    assert known.order is None


@pytest.mark.sockets
@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"labels": ["no", "maybe"]}, "its labels are ['no', 'maybe'], not ['no', 'yes']"),
        ({"labels": ["no", "yes", "maybe"]}, "its labels are"),
        ({"labels": ["no", "no"]}, "its labels are"),
        ({"features": ["b", "a"]}, "its features are, in order, ['b', 'a']"),
    ],
)
async def test_other_labels_or_features_are_a_misfit(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, said: dict[str, Any], words: str
) -> None:
    phase, _ = await phase_after(tmp_path, described(**said))
    assert phase == "misfit"
    assert words in caplog.text


@pytest.mark.sockets
async def test_a_doubt_has_the_metadata_read_again(tmp_path: Path) -> None:
    state = State(phase="unverified")
    there = There(tmp_path / "s", state)
    answers = GOOD, described(labels=["yes", "no"]), described(labels=["no", "maybe"]), GOOD
    async with there.up(*answers), knowing(tmp_path / "s", state) as known:
        await until(lambda: state.phase == "ready")
        known.doubt()
        assert [state.phase] == ["ready"]  # until it is known to be otherwise, calls go on
        await known.settled()
        assert known.order is not None
        known.doubt()
        await known.settled()
        assert [state.phase] == ["misfit"]
        known.doubt()
        await until(lambda: state.phase == "ready")
    assert known.order is None
    assert len(there.asked) == 4


@pytest.mark.sockets
async def test_a_read_that_was_under_way_does_not_settle_a_doubt(tmp_path: Path) -> None:
    """It may have asked the server that has gone since."""
    state = State(phase="unverified")
    there = There(tmp_path / "s", state)
    async with there.up(GOOD, GOOD, described(labels=["no", "maybe"])), knowing(tmp_path / "s", state) as known:
        await until(lambda: state.phase == "ready")
        known.doubt()
        while len(there.asked) < 2:  # noqa: ASYNC110 - and no longer: its answer is under way
            await asyncio.sleep(0)
        known.doubt()
        await known.settled()
        assert len(there.asked) == 3
        assert state.phase == "misfit"


@pytest.mark.sockets
async def test_without_a_doubt_nothing_is_waited_for(tmp_path: Path) -> None:
    state = State(phase="unverified")
    async with There(tmp_path / "s", state).up(GOOD), knowing(tmp_path / "s", state) as known:
        await until(lambda: state.phase == "ready")
        async with asyncio.timeout(GENEROUS):
            await known.settled()


@pytest.mark.sockets
async def test_a_server_that_has_gone_is_unverified_and_who_waits_is_told(tmp_path: Path) -> None:
    state, brief = State(phase="unverified"), http(metadata(), headers="Connection: close\r\n")
    there = There(tmp_path / "s", state)
    async with knowing(tmp_path / "s", state) as known:
        async with there.up(brief):
            await until(lambda: state.phase == "ready")
        known.doubt()
        await known.settled()
        assert state.phase == "unverified"
        async with there.up(brief):
            await until(lambda: state.phase == "ready")


@pytest.mark.sockets
async def test_every_new_connection_is_a_doubt(tmp_path: Path) -> None:
    state = State(phase="unverified")
    there = There(tmp_path / "s", state)
    async with there.up(GOOD), knowing(tmp_path / "s", state) as known:
        await until(lambda: state.phase == "ready")
        connector = aiohttp.UnixConnector(str(tmp_path / "s"))
        async with aiohttp.ClientSession(connector=connector, trace_configs=[known.trace()]) as session:
            for _ in range(3):  # of which two are over the first one's
                async with session.get("http://there/") as response:
                    await response.read()
                await known.settled()
    assert len(there.asked) == 1 + 3 + 1


@pytest.mark.sockets
async def test_a_model_is_looked_at_now_and_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server may load another one without any connection's ending."""
    monkeypatch.setattr(verification, "RECHECK_SECONDS", 0.01)
    state = State(phase="unverified")
    async with (
        There(tmp_path / "s", state).up(GOOD, GOOD, described(labels=["a", "b"])),
        knowing(tmp_path / "s", state),
    ):
        await until(lambda: state.phase == "misfit")


@pytest.mark.sockets
async def test_a_misfit_is_told_once_and_may_be_mended(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verification, "RECHECK_SECONDS", 0.005)
    state = State(phase="unverified")
    there = There(tmp_path / "s", state)
    bad = described(labels=["a", "b"])
    async with there.up(*[bad] * 5, GOOD), knowing(tmp_path / "s", state):
        await until(lambda: state.phase == "ready")
    assert len(caplog.records) == 1
