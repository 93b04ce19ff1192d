"""A model behind an address, asked over real sockets; most of the servers here are hostile."""

import asyncio
import errno
import gc
import gzip
import json
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest
from aiohttp import web

from backends.base import Backend
from backends.layers.timeout import Timeout
from backends.oip import HEADER_LENGTH, TIMEOUT_MS, Oip, Remote, noticing, relative, remote, translated
from models.calibration import tempered
from models.deadline import deadline_after
from models.errors import (
    BackendError,
    ConnectFailed,
    ConnectionLost,
    DeadlineExceeded,
    InputRejected,
    InvalidAnswer,
    InvalidRequest,
    RemoteOverloaded,
    ServerFault,
)
from models.oip.requests import decode_request
from models.oip.responses import encode_response
from models.types import PREDICTIONS, PROBABILITIES, InferRequest, InferResponse, Signature, TensorSpec
from tests.fakes import FEATURES, NUMBER, YES_NO, ones, settle

pytestmark = pytest.mark.sockets

Writer = asyncio.StreamWriter
Answer = Callable[[Writer], Awaitable[None]]

GENEROUS = 5.0  # seconds, for what should take milliseconds
BRIEF = 0.2  # seconds, for what should only end by a timeout


@dataclass(frozen=True)
class Heard:
    """A request as it came."""

    line: str
    headers: Mapping[str, str]
    body: bytes


class Peer:
    """A server that answers as it is told to, and notes what it hears and when its callers go."""

    def __init__(self, answer: Answer) -> None:
        self.connections = 0
        self.heard: list[Heard] = []
        self.asked = asyncio.Event()
        self.gone = asyncio.Event()
        self._answer = answer
        self._callers: set[asyncio.Task[None] | None] = set()

    async def called(self, reader: asyncio.StreamReader, writer: Writer) -> None:
        self.connections += 1
        self._callers.add(asyncio.current_task())
        try:
            while True:
                self.heard.append(await self._hear(reader))
                self.asked.set()
                await self._answer(writer)
        except (asyncio.IncompleteReadError, OSError):
            self.gone.set()
        finally:
            writer.close()

    async def _hear(self, reader: asyncio.StreamReader) -> Heard:
        line, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[:-2]
        headers = dict(text.split(": ", 1) for text in lines)
        return Heard(line, headers, await reader.readexactly(int(headers["Content-Length"])))

    async def has_gone(self) -> None:
        """A caller has closed its connection, or we have."""
        async with asyncio.timeout(GENEROUS):
            await self.gone.wait()

    async def deserted(self) -> None:
        """Every caller has closed its connection."""
        async with asyncio.timeout(GENEROUS):
            await asyncio.gather(*(task for task in self._callers if task))


@asynccontextmanager
async def peer(answer: Answer, path: Path | None = None) -> AsyncIterator[tuple[Peer, str]]:
    """A peer and its address; at the end nobody may be connected to it."""
    there = Peer(answer)
    if path is None:
        server = await asyncio.start_server(there.called, "127.0.0.1", 0)
        base = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    else:
        server, base = await asyncio.start_unix_server(there.called, path), "http://peer"
    try:
        yield there, base
        await there.deserted()
    finally:
        server.close()


@asynccontextmanager
async def client(path: Path | None = None) -> AsyncIterator[aiohttp.ClientSession]:
    """A session with one connection: if a call does not give it back, there is no other."""
    connector = aiohttp.TCPConnector(limit=1) if path is None else aiohttp.UnixConnector(str(path), limit=1)
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=BRIEF)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        yield session


@asynccontextmanager
async def asking(
    answer: Answer, signature: Signature = YES_NO, path: Path | None = None, **options: Any
) -> AsyncIterator[tuple[Backend, Peer]]:
    """A backend, and the peer that it asks; no test hangs."""
    async with peer(answer, path) as (there, base), client(path) as session:
        yield Timeout(Oip(session, remote(base, "m", signature), **options), seconds=GENEROUS), there


@pytest.fixture(autouse=True)
async def nothing_left() -> AsyncIterator[None]:
    """No task, and nothing that warns when it is collected."""
    yield
    await settle()
    assert asyncio.all_tasks() == {asyncio.current_task()}
    gc.collect(1)


def tensor(**changes: Any) -> dict[str, Any]:
    good = {"name": PROBABILITIES, "datatype": "FP64", "shape": [1, 2], "data": [0.25, 0.75]}
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


def message(*tensors: dict[str, Any], **changes: Any) -> bytes:
    return json.dumps({"model_name": "m", "outputs": list(tensors or [tensor()]), **changes}).encode()


def http(body: bytes = b"", status: str = "200 OK", headers: str = "") -> bytes:
    """An answer; `headers` are lines that end in CR LF."""
    return f"HTTP/1.1 {status}\r\n{headers}Content-Length: {len(body)}\r\n\r\n".encode() + body


def raw_tensor(*numbers: float) -> bytes:
    """An answer with a binary tensor."""
    header = message(tensor(data=None, parameters={"binary_data_size": 8 * len(numbers)}))
    return http(header + struct.pack(f"<{len(numbers)}d", *numbers), headers=f"{HEADER_LENGTH}: {len(header)}\r\n")


def saying(*parts: bytes) -> Answer:
    """Says `parts` and keeps the connection."""

    async def answer(writer: Writer) -> None:
        for part in parts:
            if writer.is_closing():
                raise ConnectionResetError
            writer.write(part)
            await writer.drain()

    return answer


def hanging_up(*parts: bytes) -> Answer:
    """Says `parts` and closes the connection."""

    async def answer(writer: Writer) -> None:
        await saying(*parts)(writer)
        writer.close()

    return answer


def resetting(*parts: bytes) -> Answer:
    """Says `parts` and resets the connection."""

    async def answer(writer: Writer) -> None:
        await saying(*parts)(writer)
        there: socket.socket = writer.get_extra_info("socket")
        there.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    return answer


GOOD = http(message())
BOMB = gzip.compress(bytes(32 << 20))
HALF = f"HTTP/1.1 200 OK\r\nContent-Length: {len(message())}\r\n\r\n".encode() + message()[:20]
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


async def test_an_answer_comes_through() -> None:
    async with asking(saying(GOOD)) as (backend, there):
        response = await backend(ones(), deadline_after(GENEROUS))
    assert response.id == "the-id"
    assert response.outputs[PROBABILITIES].tolist() == [[0.25, 0.75]]
    assert there.heard[0].line == "POST /v2/models/m/infer HTTP/1.1"


@pytest.mark.parametrize("binary", [True, False])
async def test_a_server_of_the_protocol_is_understood(binary: bool) -> None:
    """Tensors of both kinds, there and back, through aiohttp's own server."""
    theirs = TensorSpec("x", "FP64", (-1, 2), ("a", "b"))

    async def infer(request: web.Request) -> web.Response:
        length = request.headers.get(HEADER_LENGTH)
        asked = decode_request(
            await request.read(), int(length) if length else None, Signature("transform", (theirs,), YES_NO.outputs)
        )
        assert (length is not None) is binary
        said = InferResponse({PROBABILITIES: asked.inputs["x"]})
        about = {"model_name": "m", "id": asked.id}
        body, header = encode_response(said, Signature("transform", (theirs,), YES_NO.outputs), asked.wanted, about)
        return web.Response(body=body, headers={HEADER_LENGTH: str(header)} if header else {})

    application = web.Application()
    application.router.add_post("/infer", infer)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    rows = np.array([[0.25, 0.75], [1, 0], [0.5, 0.5]], np.float32)
    async with client() as session:
        target = Remote(
            f"http://127.0.0.1:{runner.addresses[0][1]}/infer", "m", YES_NO, (theirs,), PROBABILITIES, binary
        )
        response = await Oip(session, target)(InferRequest({"features": rows}), deadline_after(GENEROUS))
    await runner.cleanup()
    assert response.outputs[PROBABILITIES].tolist() == rows.tolist()


@pytest.mark.parametrize("binary", [True, False])
async def test_a_transform_gives_all_its_tensors_by_our_names(binary: bool) -> None:
    wide, text = TensorSpec("features", "FP32", (-1, 2), ("a", "b")), TensorSpec("text", "BYTES", (-1,))
    theirs = Signature("transform", (FEATURES,), (TensorSpec("scaled", "FP64", (-1, 2)), text))

    async def infer(request: web.Request) -> web.Response:
        length = request.headers.get(HEADER_LENGTH)
        asked = decode_request(await request.read(), int(length) if length else None, theirs)
        said = InferResponse({"scaled": asked.inputs["features"] * 2, "text": np.array(["x" * 200_000, "y"], object)})
        body, header = encode_response(said, theirs, asked.wanted, {"model_name": "m", "id": asked.id})
        return web.Response(body=body, headers={HEADER_LENGTH: str(header)} if header else {})

    application = web.Application()
    application.router.add_post("/infer", infer)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with client() as session:
        target = Remote(
            f"http://127.0.0.1:{runner.addresses[0][1]}/infer", "m", Signature("transform", (FEATURES,), (wide, text)),
            (FEATURES,), "scaled", binary, outputs={"scaled": "features", "text": "text"},
        )  # fmt: skip
        response = await Oip(session, target)(ones(2), deadline_after(GENEROUS))
    await runner.cleanup()
    assert response.outputs["features"].tolist() == [[2, 2], [2, 2]]
    assert response.outputs["features"].dtype == np.float32
    assert [len(word) for word in response.outputs["text"]] == [200_000, 1]


async def test_without_binary_tensors_all_of_a_request_is_json() -> None:
    async with peer(saying(GOOD)) as (there, base), client() as session:
        target = Remote(f"{base}/infer", "m", YES_NO, (FEATURES,), PROBABILITIES, binary=False)
        await Oip(session, target)(ones(), deadline_after(GENEROUS))
    heard = there.heard[0]
    assert json.loads(heard.body)["inputs"][0]["data"] == [1, 1]
    assert json.loads(heard.body)["outputs"] == [{"name": PROBABILITIES, "parameters": {"binary_data": False}}]
    assert HEADER_LENGTH not in heard.headers
    assert heard.headers["Content-Type"] == "application/json"


async def test_a_version_is_part_of_the_address() -> None:
    async with peer(saying(GOOD)) as (there, base), client() as session:
        await Oip(session, remote(base, "m", YES_NO, version="3"))(ones(), deadline_after(GENEROUS))
    assert there.heard[0].line == "POST /v2/models/m/versions/3/infer HTTP/1.1"


async def test_a_regression_is_numbers() -> None:
    said = message(tensor(name=PREDICTIONS, shape=[1, 1], data=[7]))
    async with asking(saying(http(said)), NUMBER) as (backend, _):
        response = await backend(ones(), deadline_after(GENEROUS))
    assert response.outputs[PREDICTIONS].tolist() == [7]


async def test_a_remote_model_may_be_calibrated_here() -> None:
    async with asking(saying(GOOD), temperature=2.0) as (backend, _):
        response = await backend(ones(), deadline_after(GENEROUS))
    assert response.outputs[PROBABILITIES] == pytest.approx(tempered(np.array([[0.25, 0.75]]), 2.0))


async def test_an_answer_in_pieces_is_put_together() -> None:
    async with asking(saying(*(GOOD[at : at + 1] for at in range(len(GOOD))))) as (backend, _):
        assert await backend(ones(), deadline_after(GENEROUS))


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        pytest.param(http(message(), "500 Oops"), ServerFault, id="a prediction with status 500"),
        pytest.param(http(b"", "502 Bad Gateway"), ServerFault, id="status 502"),
        pytest.param(http(message(), "503 Busy"), RemoteOverloaded, id="status 503"),
        pytest.param(http(b"", "429 Slow Down"), RemoteOverloaded, id="status 429"),
        pytest.param(http(message(), "504 Late"), DeadlineExceeded, id="status 504"),
        pytest.param(http(message(), "400 Bad"), InputRejected, id="status 400"),
        pytest.param(http(b"", "422 Unprocessable"), InputRejected, id="status 422"),
        pytest.param(http(b"", "401 Who"), InvalidAnswer, id="status 401, which is not about the input"),
        pytest.param(http(b"", "404 Where"), InvalidAnswer, id="status 404, which is not about the input"),
        pytest.param(http(message(), "201 Created"), InvalidAnswer, id="status 201"),
        pytest.param(b"HTTP/1.1 204 Nothing\r\n\r\n", InvalidAnswer, id="status 204"),
        pytest.param(
            b"HTTP/1.1 101 Up\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", InvalidAnswer, id="status 101"
        ),
        pytest.param(
            http(BOMB, "503 Busy", "Content-Encoding: gzip\r\n"), RemoteOverloaded, id="a compressed status 503"
        ),
        pytest.param(http(bytes(1 << 20), "503 Busy"), RemoteOverloaded, id="a long status 503"),
        pytest.param(http(b"<html></html>", headers="Content-Type: text/html\r\n"), InvalidAnswer, id="HTML"),
        pytest.param(http(), InvalidAnswer, id="nothing"),
        pytest.param(http(b"[]"), InvalidAnswer, id="a list"),
        pytest.param(http(b"null"), InvalidAnswer, id="null"),
        pytest.param(http(b"[" * 50_000), InvalidAnswer, id="deeply nested"),
        pytest.param(http(b'{"model_name": "\xff"}'), InvalidAnswer, id="not UTF-8"),
        pytest.param(http(message(outputs={})), InvalidAnswer, id="outputs of another type"),
        pytest.param(http(message(outputs=[])), InvalidAnswer, id="no outputs"),
        pytest.param(http(message(model_name="n")), InvalidAnswer, id="another model"),
        pytest.param(http(message(tensor(name="logits"))), InvalidAnswer, id="another output"),
        pytest.param(http(message(tensor(), tensor(name="logits"))), InvalidAnswer, id="one output too many"),
        pytest.param(http(message(tensor(shape=[2, 2], data=[0, 1, 0, 1]))), InvalidAnswer, id="too many rows"),
        pytest.param(http(message(tensor(shape=[1, 3], data=[0, 1, 0]))), InvalidAnswer, id="too many classes"),
        pytest.param(http(message(tensor(shape=[1, 1], data=[1]))), InvalidAnswer, id="too few classes"),
        pytest.param(http(message(tensor(shape=[2], data=[0, 1]))), InvalidAnswer, id="no rows"),
        pytest.param(http(message(tensor(shape=[0, 2], data=[]))), InvalidAnswer, id="an empty tensor"),
        pytest.param(http(message(tensor(shape=[10**30, 2]))), InvalidAnswer, id="an enormous shape"),
        pytest.param(http(message(tensor(shape=[1] * 100, data=[1]))), InvalidAnswer, id="a hundred dimensions"),
        pytest.param(http(message(tensor(data=[None, 1]))), InvalidAnswer, id="a null"),
        pytest.param(http(message(tensor(data=["a", "b"]))), InvalidAnswer, id="strings for numbers"),
        pytest.param(http(message(tensor(datatype="BYTES", data=["a", "b"]))), InvalidAnswer, id="strings"),
        pytest.param(http(message(tensor(datatype="FP16"))), InvalidAnswer, id="an unknown datatype"),
        pytest.param(http(message(tensor(data=[float("nan"), 1]))), InvalidAnswer, id="NaN in JSON"),
        pytest.param(http(message().replace(b"0.75", b"1e999")), InvalidAnswer, id="1e999"),
        pytest.param(http(message(tensor(data=[1, 1]))), InvalidAnswer, id="a sum of 2"),
        pytest.param(http(message(tensor(data=[-0.5, 1.5]))), InvalidAnswer, id="a negative probability"),
        pytest.param(raw_tensor(float("nan"), 1.0), InvalidAnswer, id="NaN"),
        pytest.param(raw_tensor(float("inf"), 1.0), InvalidAnswer, id="infinity"),
        pytest.param(raw_tensor(0.25, 0.5, 0.25), InvalidAnswer, id="more bytes than the shape takes"),
        pytest.param(http(message(), headers=f"{HEADER_LENGTH}: x\r\n"), InvalidAnswer, id="a header length of x"),
        pytest.param(http(message(), headers=f"{HEADER_LENGTH}: -1\r\n"), InvalidAnswer, id="a header length of -1"),
        pytest.param(
            http(message(), headers=f"{HEADER_LENGTH}: 9999\r\n"), InvalidAnswer, id="a header length of 9999"
        ),
    ],
)
async def test_nonsense_is_a_failure_of_the_right_kind(answer: bytes, error: type[BackendError]) -> None:
    async with asking(saying(answer)) as (backend, _):
        for _ in range(2):  # the second finds out whether the first has left something behind
            with pytest.raises(BackendError) as raised:
                await backend(ones(), deadline_after(GENEROUS))
            assert type(raised.value) is error


@pytest.mark.parametrize("compressed", [gzip.compress(message()), BOMB], ids=["an answer", "a bomb"])
async def test_what_is_compressed_is_not_decoded(compressed: bytes) -> None:
    async with asking(saying(http(compressed, headers="Content-Encoding: gzip\r\n"))) as (backend, _):
        for _ in range(2):
            with pytest.raises(InvalidAnswer, match="compressed"):
                await backend(ones(), deadline_after(GENEROUS))


async def test_an_answer_to_another_request_is_no_answer() -> None:
    async with asking(saying(http(message(id="another")))) as (backend, _):
        with pytest.raises(InvalidAnswer, match="to request 'another', not to 'the-id'"):
            await backend(ones(), deadline_after(GENEROUS))


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b'{"code": "invalid_answer"}', InvalidAnswer),
        (b'{"code": "no_quorum_of_valid_answers"}', InvalidAnswer),
        (b'{"code": "backend_failed"}', ServerFault),
        (b'{"code": 1}', ServerFault),
        (b"[" * 10_000, ServerFault),
        (b"", ServerFault),
    ],
)
async def test_nonsense_that_another_chorus_tells_of_is_nonsense(body: bytes, error: type[BackendError]) -> None:
    async with asking(saying(http(body, "502 Bad Gateway"))) as (backend, _):
        with pytest.raises(error):
            await backend(ones(), deadline_after(GENEROUS))


async def test_too_few_rows_are_invalid() -> None:
    async with asking(saying(GOOD)) as (backend, _):
        with pytest.raises(InvalidAnswer):
            await backend(ones(2), deadline_after(GENEROUS))


async def test_a_redirect_is_not_followed() -> None:
    async with peer(saying(GOOD)) as (elsewhere, base):
        answer = saying(http(b"", "302 Found", f"Location: {base}/v2/models/m/infer\r\n"))
        async with asking(answer) as (backend, there):
            with pytest.raises(InvalidAnswer):
                await backend(ones(), deadline_after(GENEROUS))
    assert (len(there.heard), len(elsewhere.heard)) == (1, 0)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"220 mail.example ESMTP\r\n\r\n", id="another protocol"),
        pytest.param(b"HTTP/1.1 2x0 OK\r\n\r\n", id="status 2x0"),
        pytest.param(b"HTTP/9.9 200 OK\r\n\r\n", id="another version"),
        pytest.param(b"HTTP/1.1 200 " + b"a" * 100_000, id="a status line without an end"),
        pytest.param(http(message(), headers="no colon\r\n"), id="a header without a colon"),
        pytest.param(http(message(), headers="X: a\0b\r\n"), id="NUL in a header"),
        pytest.param(http(message(), headers="X: a\rSet-Cookie: b\r\n"), id="CR in a header"),
        pytest.param(http(message(), headers="X: a\r\nContent-Length: 5\r\n"), id="CR LF and a second length"),
        pytest.param(http(message(), headers="X: a\r\nTransfer-Encoding: chunked\r\n"), id="CR LF and chunks"),
        pytest.param(http(message(), headers="X: " + "a" * 100_000 + "\r\n"), id="a long header"),
        pytest.param(http(message(), headers="X: a\r\n" * 1000), id="many headers"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", id="a negative length"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", id="a length of x"),
        pytest.param(CHUNKED + b"zz\r\n{}\r\n0\r\n\r\n", id="a chunk of zz bytes"),
        pytest.param(CHUNKED + b"2\r\n{}XX0\r\n\r\n", id="a chunk without an end"),
        pytest.param(GOOD + b"and more", id="more than was announced"),
    ],
)
async def test_malformed_http_is_invalid(answer: bytes) -> None:
    async with asking(saying(answer)) as (backend, _):
        for _ in range(2):
            with pytest.raises(InvalidAnswer):
                await backend(ones(), deadline_after(GENEROUS))


async def test_chunks_that_become_malformed_end_by_the_timeout_at_the_latest() -> None:
    """aiohttp closes such a connection and forgets to tell whoever reads from it."""

    async def answer(writer: Writer) -> None:
        await saying(CHUNKED + b"1\r\n{\r\n")(writer)
        await asyncio.sleep(BRIEF / 4)
        await saying(b"zz\r\n}\r\n")(writer)

    async with asking(answer) as (backend, there):
        with pytest.raises((InvalidAnswer, DeadlineExceeded)):
            await Timeout(backend, seconds=BRIEF)(ones(), deadline_after(GENEROUS))
        await there.has_gone()


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(hanging_up(), id="closed before the answer"),
        pytest.param(hanging_up(HALF[:10]), id="closed in the status line"),
        pytest.param(hanging_up(HALF), id="closed in the body"),
        pytest.param(hanging_up(CHUNKED + b"64\r\n{"), id="closed in a chunk"),
        pytest.param(hanging_up(b"HTTP/1.1 503 Busy\r\nContent-Length: 9\r\n\r\n"), id="closed in an error"),
        pytest.param(resetting(), id="reset before the answer"),
        pytest.param(resetting(HALF), id="reset in the body"),
    ],
)
async def test_a_connection_that_breaks_is_lost(answer: Answer) -> None:
    async with asking(answer) as (backend, there):
        for _ in range(2):
            with pytest.raises(ConnectionLost):
                await backend(ones(), deadline_after(GENEROUS))
    assert there.connections == 2  # one for each call: nothing is sent a second time behind our back


async def test_a_connection_that_broke_between_two_calls_is_replaced() -> None:
    async with asking(hanging_up(GOOD)) as (backend, there):
        for _ in range(3):
            there.gone.clear()
            assert await backend(ones(), deadline_after(GENEROUS))
            await there.has_gone()
            await settle()  # our side hears of it in the loop's next round
    assert there.connections == 3


async def test_a_refused_connection_has_failed() -> None:
    with socket.socket() as bound:  # and not listening
        bound.bind(("127.0.0.1", 0))
        async with client() as session:
            backend = Oip(session, remote(f"http://127.0.0.1:{bound.getsockname()[1]}", "m", YES_NO))
            for _ in range(2):
                with pytest.raises(ConnectFailed):
                    await backend(ones(), deadline_after(GENEROUS))


async def test_a_missing_socket_has_failed(short_path: Path) -> None:
    async with client(short_path / "s") as session:
        with pytest.raises(ConnectFailed):
            await Oip(session, remote("http://peer", "m", YES_NO))(ones(), deadline_after(GENEROUS))


async def test_a_full_backlog_has_failed(short_path: Path) -> None:
    """So does a worker that was stopped show itself."""
    with ExitStack() as sockets:
        server = sockets.enter_context(socket.socket(socket.AF_UNIX))
        server.bind(str(short_path / "s"))
        server.listen(0)
        for _ in range(3):
            caller = sockets.enter_context(socket.socket(socket.AF_UNIX))
            caller.setblocking(False)
            caller.connect_ex(str(short_path / "s"))
        async with client(short_path / "s") as session:
            backend = Timeout(Oip(session, remote("http://peer", "m", YES_NO)), seconds=GENEROUS)
            for _ in range(3):
                with pytest.raises(ConnectFailed):
                    await backend(ones(), deadline_after(GENEROUS))


async def test_an_address_that_never_accepts_has_failed() -> None:
    with ExitStack() as sockets:
        server = sockets.enter_context(socket.socket())
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for _ in range(3):
            caller = sockets.enter_context(socket.socket())
            caller.setblocking(False)
            caller.connect_ex(server.getsockname())
        async with client() as session:
            backend = Oip(session, remote(f"http://127.0.0.1:{server.getsockname()[1]}", "m", YES_NO))
            with pytest.raises(ConnectFailed):
                await backend(ones(), deadline_after(GENEROUS))


def in_turn(*answers: Answer) -> Answer:
    """One answer after the other, over all connections."""
    left = list(answers)

    async def answer(writer: Writer) -> None:
        await left.pop(0)(writer)

    return answer


@asynccontextmanager
async def resending(answer: Answer, *, may: bool = True) -> AsyncIterator[tuple[Backend, Peer, list[bool]]]:
    """A backend that `may` send again what was lost with a connection used before, and each time that it asked."""
    resent: list[bool] = []

    def asked() -> bool:
        resent.append(may)
        return may

    async with peer(answer) as (there, base):
        config = noticing(aiohttp.TraceConfig())
        connector = aiohttp.TCPConnector(limit=1)
        async with aiohttp.ClientSession(connector=connector, trace_configs=[config]) as session:
            oip = Oip(session, remote(base, "m", YES_NO), may_resend=asked)
            yield Timeout(oip, seconds=GENEROUS), there, resent


@pytest.mark.parametrize("end", [hanging_up(), resetting()])
async def test_what_was_lost_with_a_connection_that_had_been_used_is_sent_once_more(end: Answer) -> None:
    async with resending(in_turn(saying(GOOD), end, saying(GOOD))) as (backend, there, resent):
        for _ in range(2):
            assert await backend(ones(), deadline_after(GENEROUS))
        assert (len(resent), len(there.heard), there.connections) == (1, 3, 2)


async def test_and_only_once() -> None:
    async with resending(in_turn(saying(GOOD), hanging_up(), hanging_up())) as (backend, there, resent):
        await backend(ones(), deadline_after(GENEROUS))
        with pytest.raises(ConnectionLost) as caught:
            await backend(ones(), deadline_after(GENEROUS))
        assert (len(resent), len(there.heard)) == (1, 3)
        assert caught.value.retryable


async def test_nor_where_it_may_not() -> None:
    async with resending(in_turn(saying(GOOD), hanging_up(), saying(GOOD)), may=False) as (backend, there, resent):
        await backend(ones(), deadline_after(GENEROUS))
        with pytest.raises(ConnectionLost):
            await backend(ones(), deadline_after(GENEROUS))
        assert (len(resent), len(there.heard)) == (1, 2)


async def test_what_was_lost_with_a_new_connection_is_a_failure() -> None:
    async with resending(in_turn(hanging_up(), saying(GOOD))) as (backend, there, resent):
        with pytest.raises(ConnectionLost) as caught:
            await backend(ones(), deadline_after(GENEROUS))
        assert (len(resent), len(there.heard)) == (0, 1)
        assert caught.value.retryable


@pytest.mark.parametrize("part", [HALF[:10], HALF])
async def test_what_was_lost_after_the_answer_had_begun_is_a_failure_and_not_tried_again(part: bytes) -> None:
    async with resending(in_turn(saying(GOOD), hanging_up(part), saying(GOOD))) as (backend, there, resent):
        await backend(ones(), deadline_after(GENEROUS))
        with pytest.raises(BackendError):
            await backend(ones(), deadline_after(GENEROUS))
        assert (len(resent), len(there.heard)) == (0, 2)


async def test_who_must_not_be_asked_twice_is_not() -> None:
    async with peer(in_turn(saying(GOOD), hanging_up(), saying(GOOD))) as (there, base), client() as session:
        oip = Oip(session, remote(base, "m", YES_NO))
        await oip(ones(), deadline_after(GENEROUS))
        with pytest.raises(ConnectionLost):
            await oip(ones(), deadline_after(GENEROUS))
        assert len(there.heard) == 2


@pytest.mark.parametrize(
    ("said", "seconds"), [("0", 0), ("2", 2), ("", None), ("-1", None), ("1.5", None), ("Fri, 31 Dec 1999", None)]
)
async def test_a_server_may_say_when_to_come_back(said: str, seconds: float | None) -> None:
    async with asking(saying(http(b"", "503 Busy", f"Retry-After: {said}\r\n"))) as (backend, _):
        with pytest.raises(RemoteOverloaded) as caught:
            await backend(ones(), deadline_after(GENEROUS))
    assert caught.value.retry_after == seconds
    assert caught.value.retryable is (seconds is not None)


async def test_a_server_that_is_silent_is_timed_out(short_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:  # it does not even accept
        server.bind(str(short_path / "s"))
        server.listen(5)
        async with client(short_path / "s") as session:
            backend = Timeout(Oip(session, remote("http://peer", "m", YES_NO)), seconds=BRIEF)
            with pytest.raises(DeadlineExceeded):
                await backend(ones(), deadline_after(GENEROUS))


async def test_a_drip_is_timed_out() -> None:
    async def answer(writer: Writer) -> None:
        await saying(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")(writer)
        for _ in range(1000):
            await asyncio.sleep(0.05)
            await saying(b" ")(writer)

    async with asking(answer) as (backend, there):
        with pytest.raises(DeadlineExceeded):
            await Timeout(backend, seconds=BRIEF)(ones(), deadline_after(GENEROUS))
        await there.has_gone()


@pytest.mark.parametrize(
    "head", ["HTTP/1.1 200 OK", "HTTP/1.1 200 OK\r\nContent-Length: 104857600", "HTTP/1.1 500 Oops"]
)
async def test_no_more_is_read_than_may_be(head: str, short_path: Path) -> None:
    sent = 0

    async def answer(writer: Writer) -> None:
        nonlocal sent
        await saying(f"{head}\r\n\r\n".encode())(writer)
        while sent < 100 << 20:
            await saying(bytes(1 << 16))(writer)
            sent += 1 << 16

    async with asking(answer, path=short_path / "s", max_answer_bytes=100_000) as (backend, there):
        with pytest.raises((InvalidAnswer, ServerFault)):
            await backend(ones(), deadline_after(GENEROUS))
        await there.has_gone()
    assert sent < 2 << 20  # the cap, and what lay in buffers


@pytest.mark.parametrize(("spare", "fits"), [(0, True), (-1, False)])
async def test_the_longest_answer_is_exact(spare: int, fits: bool) -> None:
    async with asking(saying(GOOD), max_answer_bytes=len(message()) + spare) as (backend, _):
        if fits:
            assert await backend(ones(), deadline_after(GENEROUS))
        else:
            with pytest.raises(InvalidAnswer, match="longer"):
                await backend(ones(), deadline_after(GENEROUS))


async def test_an_answer_may_be_no_longer_than_its_rows_explain() -> None:
    """It is decoded on the loop, where tens of megabytes take the better part of a second."""
    padded = http(message() + b" " * (1 << 20))
    async with asking(saying(padded)) as (backend, _):
        with pytest.raises(InvalidAnswer, match="longer"):
            await backend(ones(), deadline_after(GENEROUS))
    rows = 20_000
    indented = json.dumps([[1 / 3, 2 / 3]] * rows, indent=10).encode()
    said = message(tensor(shape=[rows, 2], data=[])).replace(b"[]", indented)
    assert len(said) > 1 << 20
    async with asking(saying(http(said))) as (backend, _):
        assert await backend(ones(rows), deadline_after(GENEROUS))


async def test_ids_are_passed_on() -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    async with asking(saying(GOOD)) as (backend, there):
        await backend(InferRequest(ones().inputs, "the-id", trace=trace), deadline_after(GENEROUS))
        await backend(InferRequest(ones().inputs), deadline_after(GENEROUS))
    first, second = (heard.headers for heard in there.heard)
    assert (first["X-Request-Id"], first["traceparent"]) == ("the-id", trace)
    assert not {"X-Request-Id", "traceparent"} & second.keys()


@pytest.mark.parametrize("nasty", ["a\r\nX-Request-Timeout-Ms: 1", "a\nb", "a\0b", "\x7f", "ä", "\ud800"])
async def test_nothing_gets_into_the_headers_through_an_id(nasty: str) -> None:
    async with asking(saying(GOOD)) as (backend, there):
        for request in (InferRequest(ones().inputs, nasty), InferRequest(ones().inputs, trace=nasty)):
            with pytest.raises(InvalidRequest):
                await backend(request, deadline_after(GENEROUS))
        assert await backend(ones(), deadline_after(GENEROUS))
    assert len(there.heard) == 1


async def test_what_remains_travels_with_a_call() -> None:
    async with peer(saying(GOOD)) as (there, base), client() as session:
        backend = Oip(session, remote(base, "m", YES_NO))
        await backend(ones(), deadline_after(2.5))
        await backend(ones(), deadline_after(0.0001))
        await backend(ones(), deadline_after(-1))
    assert 2000 <= int(there.heard[0].headers[TIMEOUT_MS]) <= 2500
    assert [heard.headers[TIMEOUT_MS] for heard in there.heard[1:]] == ["1", "1"]


async def test_a_relative_deadline_is_whole_milliseconds() -> None:
    name, value = relative(deadline_after(1.5))
    assert name == "X-Request-Timeout-Ms"
    assert 1400 <= int(value) <= 1500


@pytest.mark.parametrize("said", [b"", HALF], ids=["before the answer", "in the body"])
async def test_cancelling_a_call_closes_its_connection_at_once(said: bytes) -> None:
    async with asking(saying(said)) as (backend, there):
        task = asyncio.create_task(backend(ones(), deadline_after(GENEROUS)))
        await there.asked.wait()
        await settle()  # by then what was said has come
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await there.has_gone()


async def test_a_call_after_a_cancelled_one_gets_its_own_answer() -> None:
    answers = iter([b"", http(message(tensor(data=[1, 0])))])

    async def answer(writer: Writer) -> None:
        await saying(next(answers))(writer)

    async with asking(answer) as (backend, there):
        task = asyncio.create_task(backend(ones(), deadline_after(GENEROUS)))
        await there.asked.wait()
        task.cancel()
        await asyncio.wait([task])
        response = await backend(ones(), deadline_after(GENEROUS))
    assert response.outputs[PROBABILITIES].tolist() == [[1, 0]]
    assert there.connections == 2


@pytest.mark.parametrize("answer", [GOOD, http(message(), "503 Busy"), http(b"<html>")])
async def test_a_connection_is_kept(answer: bytes) -> None:
    async with asking(saying(answer[:-3], answer[-3:])) as (backend, there):
        for _ in range(20):
            try:
                await backend(ones(), deadline_after(GENEROUS))
            except BackendError:
                assert answer is not GOOD
    assert (there.connections, len(there.heard)) == (1, 20)


async def test_a_server_that_recovers_is_heard_again() -> None:
    answers = iter([http(b"", "500 Oops"), b"nonsense\r\n\r\n", GOOD])

    async def answer(writer: Writer) -> None:
        await saying(next(answers))(writer)

    async with asking(answer) as (backend, _):
        for error in (ServerFault, InvalidAnswer):
            with pytest.raises(error):
                await backend(ones(), deadline_after(GENEROUS))
        assert await backend(ones(), deadline_after(GENEROUS))


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (aiohttp.ClientOSError(errno.EINVAL, "the first read from a socket whose backlog was full"), ConnectFailed),
        (aiohttp.ClientOSError(errno.ENOTCONN, "the first write to it"), ConnectFailed),
        (aiohttp.ClientOSError(None, "the request was never written"), ConnectFailed),
        (aiohttp.ConnectionTimeoutError(), ConnectFailed),
        (aiohttp.ClientOSError(errno.ECONNRESET, ""), ConnectionLost),
        (aiohttp.ClientConnectionResetError(), ConnectionLost),
        (aiohttp.SocketTimeoutError(), ConnectionLost),
        (ConnectionResetError(), ConnectionLost),
        (aiohttp.InvalidURL("x"), InvalidAnswer),
    ],
)
def test_what_depends_on_timing_is_told_apart(error: Exception, kind: type[BackendError]) -> None:
    assert type(translated(error)) is kind


@pytest.mark.parametrize("degraded", [True, False])
async def test_what_another_chorus_calls_degraded_stays_so(degraded: bool) -> None:
    async with asking(saying(http(message(parameters={"degraded": degraded})))) as (backend, _):
        response = await backend(ones(), deadline_after(GENEROUS))
    assert response.report.degraded is degraded


@pytest.mark.parametrize(
    "said",
    [
        {"name": "predict", "datatype": "BYTES", "shape": [2], "data": ["yes", "no"]},
        {"name": "predict", "datatype": "INT64", "shape": [2, 1], "data": [1, 0]},
    ],
)
async def test_a_label_without_probabilities_is_a_vote_with_certainty(said: dict[str, Any]) -> None:
    async with peer(saying(http(message(said)))) as (_, base), client() as session:
        target = Remote(f"{base}/infer", "m", YES_NO, (FEATURES,), "predict", names_labels=True)
        response = await Oip(session, target)(ones(2), deadline_after(GENEROUS))
    assert response.outputs[PROBABILITIES].tolist() == [[0, 1], [1, 0]]


async def test_each_feature_may_be_a_tensor_of_its_own() -> None:
    theirs = tuple(TensorSpec(name, "FP64", (-1, 1), (feature,)) for name, feature in (("x", "a"), ("y", "b")))
    async with peer(saying(GOOD)) as (there, base), client() as session:
        target = Remote(f"{base}/infer", "m", YES_NO, theirs, PROBABILITIES, binary=False)
        request = InferRequest({"features": np.array([[1.5, 2.5]], np.float32)})
        await Oip(session, target)(request, deadline_after(GENEROUS))
    assert json.loads(there.heard[0].body)["inputs"] == [
        {"name": "x", "shape": [1, 1], "datatype": "FP64", "data": [1.5]},
        {"name": "y", "shape": [1, 1], "datatype": "FP64", "data": [2.5]},
    ]
