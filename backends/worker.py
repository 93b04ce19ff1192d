"""A model in another process of this machine: both ends of the calls to it.

Both know the signature, so a call is little more than its numbers (`backends.layout`), behind them the request's id. A
timed call is answered with the stages of the worker's own work behind the answer.

An answer has been checked where it was made, by `models.runtimes`: nonsense of a model arrives as an error. Of what a
worker says, which runs the same code as we do, only the form is checked here.
"""

import logging
from collections.abc import Sequence

import msgspec

from backends.base import Backend
from backends.channel import Buffer, Channel
from backends.layout import inputs_of, outputs_of
from models.deadline import Deadline
from models.errors import ChorusError, InvalidAnswer, ModelFailed
from models.stopwatch import Stopwatch
from models.types import InferRequest, InferResponse, Signature

log = logging.getLogger(__name__)

INFER, TIMED = 1, 2

_STAGES = msgspec.json.Decoder(dict[str, float])


class Worker:
    """Ask the model of `signature` in the process at the other end of `channel`.

    Raises:
        BackendError: what the channel or the worker say.
    """

    def __init__(self, channel: Channel, signature: Signature) -> None:
        self._channel = channel
        self._inputs = inputs_of(signature)
        self._outputs = outputs_of(signature)

    async def __call__(self, request: InferRequest, deadline: Deadline) -> InferResponse:
        call = self._inputs.write(request.inputs, request.id.encode(errors="replace"))
        if (stopwatch := request.stopwatch) is not None:
            return await self._timed(call, request, deadline, stopwatch)
        response, _ = self._response(await self._channel.call(INFER, call, deadline), request)
        return response

    async def _timed(
        self, call: Sequence[Buffer], request: InferRequest, deadline: Deadline, stopwatch: Stopwatch
    ) -> InferResponse:
        stopwatch.lap("encode")
        answer = await self._channel.call(TIMED, call, deadline)
        stopwatch.lap("send_receive")
        response, stages = self._response(answer, request)
        stopwatch.split("send_receive", _STAGES.decode(stages))
        stopwatch.lap("decode_answer")
        return response

    def _response(self, answer: memoryview, request: InferRequest) -> tuple[InferResponse, memoryview]:
        try:
            outputs, tail = self._outputs.read(answer, keep=True)
        except ValueError as error:
            raise InvalidAnswer(f"malformed answer: {error}") from error
        if (rows := len(next(iter(outputs.values())))) != request.rows:
            raise InvalidAnswer(f"the answer has {rows} rows, asked were {request.rows}")
        return InferResponse(outputs, request.id), tail


class Reception:
    """The worker's own end: reads a call, asks `backend`, its model, and writes the answer."""

    def __init__(self, backend: Backend, signature: Signature) -> None:
        self._backend = backend
        self._inputs = inputs_of(signature)
        self._outputs = outputs_of(signature)

    async def __call__(self, kind: int, payload: memoryview, deadline: Deadline) -> Sequence[Buffer]:
        stopwatch = Stopwatch() if kind == TIMED else None
        request = self._request(payload, stopwatch)
        if stopwatch is not None:
            stopwatch.lap("worker_decode")
        answer = self._outputs.write((await self._asked(request, deadline)).outputs)
        if stopwatch is not None:
            stopwatch.lap("worker_encode")
            answer.append(msgspec.json.encode(stopwatch.seconds))
        return answer

    async def _asked(self, request: InferRequest, deadline: Deadline) -> InferResponse:
        try:
            return await self._backend(request, deadline)
        except ModelFailed as error:  # it may quote what the caller sent, and is in the log
            raise ModelFailed("the model raised an exception; the log of its worker says which") from error
        except ChorusError:
            raise
        except Exception as error:
            log.exception("a bug", extra={"fields": {"request_id": request.id}})
            raise ModelFailed("a bug in its worker, whose log says more") from error

    def _request(self, payload: memoryview, stopwatch: Stopwatch | None = None) -> InferRequest:
        inputs, tail = self._inputs.read(payload)
        return InferRequest(inputs, str(tail, "utf-8"), stopwatch=stopwatch)
