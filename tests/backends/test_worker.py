"""A model at the other end of a channel: what it says arrives as it was said, and so does what went wrong."""

import asyncio
import logging
import socket
import threading
from collections.abc import AsyncIterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing
from pathlib import Path

import numpy as np
import pytest

from backends.base import Backend
from backends.channel import Buffer, Channel, Handler, answering
from backends.local import Local
from backends.worker import Reception, Worker
from models.deadline import Deadline, deadline_after, remaining
from models.errors import BackendError, DeadlineExceeded, InvalidAnswer, InvalidRequest, LateInQueue, ModelFailed
from models.runtimes.base import Trusted
from models.stopwatch import Stopwatch
from models.types import PREDICTIONS, PROBABILITIES, Array, InferRequest, Signature, TensorSpec, classifier
from tests.fakes import NUMBER, YES_NO, Fake, ones, sure

pytestmark = pytest.mark.sockets

PATIENCE = 20.0  # seconds until a test gives up; never a figure


@pytest.fixture
def path(short_path: Path) -> str:
    return str(short_path / "s")


@asynccontextmanager
async def handled(path: str, handler: Handler, signature: Signature = YES_NO) -> AsyncIterator[Worker]:
    """A worker's model as the front asks it, with `handler` in the worker."""
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(path)
    async with answering(listening, handler):
        with closing(Channel(path)) as channel:
            yield Worker(channel, signature)


@asynccontextmanager
async def asking(path: str, backend: Backend, signature: Signature = YES_NO) -> AsyncIterator[Worker]:
    async with handled(path, Reception(backend, signature), signature) as worker:
        yield worker


def later() -> Deadline:
    return deadline_after(PATIENCE)


async def test_a_request_arrives_as_it_was_made_and_so_does_its_answer(path: str) -> None:
    model = Fake(sure(1, rows=3))
    async with asking(path, model) as worker:
        response = await worker(ones(3), deadline_after(5))
    ((there, deadline),) = model.calls
    np.testing.assert_array_equal(there.inputs["features"], ones(3).inputs["features"])
    assert (there.id, there.rows, there.stopwatch) == ("the-id", 3, None)
    assert 0 < remaining(deadline) <= 5
    np.testing.assert_array_equal(response.outputs[PROBABILITIES], sure(1, rows=3))
    assert (response.id, response.report.asked, response.report.degraded) == ("the-id", 1, False)


async def test_a_regression_and_columns_of_mixed_types(path: str) -> None:
    async with asking(path, Fake([1.5, -2.0]), NUMBER) as worker:
        response = await worker(ones(2), later())
        assert response.outputs[PREDICTIONS].tolist() == [1.5, -2.0]
    Path(path).unlink(missing_ok=True)  # noqa: ASYNC240 - one file
    specs = (
        TensorSpec("age", "FP32", (-1, 1), ("age",), nullable=True),
        TensorSpec("city", "BYTES", (-1, 1), ("city",)),
    )
    inputs: dict[str, Array] = {
        "age": np.array([[np.nan], [3]], np.float32),
        "city": np.array([["Köln"], [""]], object),
    }
    model, signature = Fake(sure(0, rows=2)), classifier(specs, ("no", "yes"))
    async with asking(path, model, signature) as worker:
        await worker(InferRequest(inputs), later())
    for name, array in inputs.items():
        np.testing.assert_array_equal(model.calls[0][0].inputs[name], array)


async def test_many_rows(path: str) -> None:
    rows = 100_000
    async with asking(path, Fake(sure(1, rows=rows))) as worker:
        response = await worker(ones(rows), later())
    assert response.outputs[PROBABILITIES].shape == (rows, 2)


def nonsense(value: float) -> Trusted:
    """A runtime whose bare model gives `value` for everything."""
    return Trusted(lambda inputs: {PROBABILITIES: np.full((len(inputs["features"]), 2), value)}, YES_NO)


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.7])
async def test_nonsense_of_a_model_is_never_a_vote(path: str, value: float) -> None:
    with ThreadPoolExecutor(1) as executor:
        async with asking(path, Local(nonsense(value), executor)) as worker:
            with pytest.raises(InvalidAnswer, match="probabilities must"):
                await worker(ones(), later())


async def test_a_model_that_raises_is_no_lost_worker_and_its_words_stay_in_the_log(
    path: str, caplog: pytest.LogCaptureFixture
) -> None:
    def raising(inputs: Mapping[str, Array]) -> dict[str, Array]:
        raise ValueError("what the caller sent")

    with ThreadPoolExecutor(1) as executor:
        async with asking(path, Local(Trusted(raising, YES_NO), executor)) as worker:
            with pytest.raises(ModelFailed) as caught:
                await worker(ones(), later())
    assert (caught.value.fate, caught.value.reason, caught.value.ill) == ("failed", "error", True)
    assert "what the caller sent" not in str(caught.value)
    assert "what the caller sent" in caplog.text


@pytest.mark.parametrize("error", [InvalidRequest("no", "$.x"), InvalidAnswer("NaN"), DeadlineExceeded("late")])
async def test_an_error_arrives_as_what_it_was(path: str, error: BackendError | InvalidRequest) -> None:
    async with asking(path, Fake(error)) as worker:
        with pytest.raises(type(error), match=str(error)):
            await worker(ones(), later())


async def test_a_bug_in_the_worker_is_in_its_log_with_the_request(path: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        async with asking(path, Fake(KeyError("secret"))) as worker:
            with pytest.raises(ModelFailed) as caught:
                await worker(ones(), later())
    assert "secret" not in str(caught.value)
    (record,) = caplog.records
    assert record.exc_info is not None
    assert record.__dict__["fields"] == {"request_id": "the-id"}


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ([], "malformed answer: 0 bytes"),
        ([b"\1\0\0\0\0\0\0\0", bytes(8)], "malformed answer: buffer"),
        ([b"\2\0\0\0\0\0\0\0", bytes(32)], "the answer has 2 rows, asked were 1"),
    ],
)
async def test_what_is_no_answer_is_a_failed_member(path: str, said: list[Buffer], why: str) -> None:
    async def handler(kind: int, payload: memoryview, deadline: Deadline) -> Sequence[Buffer]:
        return said

    async with handled(path, handler) as worker:
        with pytest.raises(InvalidAnswer, match=why):
            await worker(ones(), later())


async def test_the_stages_of_both_processes_add_up(path: str) -> None:
    model = Trusted(lambda inputs: {PROBABILITIES: sure(1, len(inputs["features"]))}, YES_NO)
    with ThreadPoolExecutor(1) as executor:
        async with asking(path, Local(model, executor)) as worker:
            stopwatch = Stopwatch()
            await worker(InferRequest(ones().inputs, stopwatch=stopwatch), later())
    stages = list(stopwatch.seconds)
    assert stages == [
        "encode", "send_receive", "worker_decode", "wait", "model", "return", "worker_encode", "decode_answer",
    ]  # fmt: skip
    assert min(stopwatch.seconds.values()) >= 0


class Busy:
    """A model that waits until it is told to go on, the first time that it is asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.go_on = threading.Event()
        self.begun = threading.Event()

    def __call__(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        self.asked += 1
        if self.asked == 1:
            self.begun.set()
            assert self.go_on.wait(PATIENCE)
        return {PROBABILITIES: sure(1, len(inputs["features"]))}


async def test_what_expired_or_was_given_up_while_the_model_was_busy_is_not_run(path: str) -> None:
    model = Busy()
    with ThreadPoolExecutor(1) as executor:
        async with asking(path, Local(model, executor)) as worker:
            first = asyncio.create_task(worker(ones(), later()))
            await asyncio.to_thread(model.begun.wait, PATIENCE)
            given_up = asyncio.create_task(worker(ones(), later()))
            expiring = asyncio.create_task(worker(ones(), deadline_after(0.02)))
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(given_up, 0.03)
            with pytest.raises(LateInQueue):  # at once, and behind the word that the other was given up
                await worker(ones(), deadline_after(-1))
            model.go_on.set()
            await first
            with pytest.raises(LateInQueue):
                await expiring
            await worker(ones(), later())
    assert model.asked == 2
