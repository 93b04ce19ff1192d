"""Any server of the Open Inference Protocol over HTTP: Triton, MLServer, KServe, another Chorus.

Each has a client session of its own (one slow server must not take the connections of another), which is opened and
closed by whoever composes.
"""

import errno
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace

import aiohttp
import msgspec
from msgspec.structs import replace

from models.answers import validated
from models.deadline import Deadline, remaining
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
from models.oip.requests import encode_request
from models.oip.responses import decode_answer
from models.one_hot import one_hot
from models.types import (
    ALONE,
    PREDICTIONS,
    PROBABILITIES,
    Array,
    InferRequest,
    InferResponse,
    Report,
    Signature,
    TensorSpec,
)

HEADER_LENGTH = "Inference-Header-Content-Length"
TIMEOUT_MS = "X-Request-Timeout-Ms"
MAX_ANSWER_BYTES = 64 << 20
BYTES_PER_NUMBER = 64  # a float64 in JSON takes at most 25, and some servers indent
BYTES_BESIDE = 64 << 10  # for all that is not a number
ABOUT_THE_INPUT = frozenset({400, 413, 415, 422})
DEGRADED = Report(degraded=True)


def relative(deadline: Deadline) -> tuple[str, str]:
    """A deadline for another machine: what remains of it, in whole milliseconds."""
    return TIMEOUT_MS, str(max(1, int(remaining(deadline) * 1000)))


@dataclass(frozen=True, slots=True)
class Remote:
    """A model as its server knows it: the URL to ask, the names it uses, and the signature that is ours.

    `inputs` are those of the signature in its order, or one tensor (n, 1) for each feature. `names_labels`: a
    classifier whose output is a label per row. `outputs`: of a transform, our names by theirs.
    """

    url: str
    model: str
    signature: Signature
    inputs: Sequence[TensorSpec]
    output: str
    binary: bool = True
    names_labels: bool = False
    outputs: Mapping[str, str] = field(default_factory=dict)

    @property
    def asked(self) -> Mapping[str, str]:
        """All outputs that are asked for, our names by theirs."""
        canonical = PROBABILITIES if self.signature.labels else PREDICTIONS
        return self.outputs or {self.output: canonical}


def remote(base: str, model: str, signature: Signature, *, version: str | None = None) -> Remote:
    """A model that uses our own names for its tensors."""
    path = f"/v2/models/{model}" + (f"/versions/{version}" if version else "")
    output = PROBABILITIES if signature.labels else PREDICTIONS
    outputs = {spec.name: spec.name for spec in signature.outputs} if signature.task == "transform" else {}
    return Remote(f"{base}{path}/infer", model, signature, signature.inputs, output, outputs=outputs)


class Oip:
    """Ask one model of an Open Inference Protocol server.

    Raises:
        BackendError: what aiohttp and HTTP say, in our words.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        remote: Remote,
        *,
        max_answer_bytes: int = MAX_ANSWER_BYTES,
        temperature: float | None = None,
        may_resend: Callable[[], bool] | None = None,
    ) -> None:
        self._session = session
        self._remote = remote
        self._max_answer_bytes = max_answer_bytes
        self._temperature = temperature
        self._asked = dict(remote.asked)
        self._width = _numbers_per_row(remote.signature)
        self._may_resend = may_resend

    async def __call__(self, request: InferRequest, deadline: Deadline) -> InferResponse:
        remote = self._remote
        check_headers(request)
        fed = self._fed(request)
        body, header_length = encode_request(fed, remote.inputs, list(self._asked), binary=remote.binary)
        headers = self._headers(request, deadline, header_length)
        if (stopwatch := request.stopwatch) is not None:
            stopwatch.lap("encode")
        try:
            async with await self._begun(body, headers) as response:
                answer = await self._answer(response, self._longest(request.rows))
                if stopwatch is not None:
                    stopwatch.lap("send_receive")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise translated(error) from error
        outputs, degraded = decode_answer(*answer, remote.model, list(self._asked), asked=request.id)
        said = self._said(outputs, request.rows)
        if stopwatch is not None:
            stopwatch.lap("decode_answer")
        return InferResponse(said, request.id, DEGRADED if degraded else ALONE)

    async def _begun(self, body: bytes, headers: dict[str, str]) -> aiohttp.ClientResponse:
        """The answer, of which the head is there.

        A server may close a connection that nobody uses at the very moment in which we do. Then nothing was answered,
        nor even heard: it is sent once more, if `may_resend` says so. The session must be `noticing`.
        """
        sending = Sending()
        try:
            return await self._send(body, headers, sending)
        except (aiohttp.ClientError, OSError) as error:
            if self._may_resend is None or not (sending.reused and _was_closed(error) and self._may_resend()):
                raise
        return await self._send(body, headers, Sending())

    async def _send(self, body: bytes, headers: dict[str, str], sending: "Sending") -> aiohttp.ClientResponse:
        return await self._session.post(
            self._remote.url,
            data=body,
            headers=headers,
            allow_redirects=False,
            auto_decompress=False,
            trace_request_ctx=sending,
        )

    def _fed(self, request: InferRequest) -> InferRequest:
        """`request` with its inputs as they are there: it may be that each feature is one."""
        specs = self._remote.inputs
        if len(specs) == len(request.inputs):
            return request
        (features,) = request.inputs.values()
        columns = {spec.name: features[:, [at]] for at, spec in enumerate(specs)}
        return replace(request, inputs=columns)

    def _said(self, outputs: Mapping[str, Array], rows: int) -> dict[str, Array]:
        """The canonical answer; labels are taken as certain."""
        ours = {self._asked[name]: array for name, array in outputs.items()}
        if self._remote.names_labels:
            ours = {name: one_hot(array, self._remote.signature.labels) for name, array in ours.items()}
        return validated(ours, self._remote.signature, rows, temperature=self._temperature)

    def _headers(self, request: InferRequest, deadline: Deadline, header_length: int | None) -> dict[str, str]:
        name, value = relative(deadline)
        headers = {name: value, "Content-Type": "application/json"}
        if header_length is not None:
            headers["Content-Type"] = "application/octet-stream"
            headers[HEADER_LENGTH] = str(header_length)
        if request.id:
            headers["X-Request-Id"] = request.id
        if request.trace:
            headers["traceparent"] = request.trace
        return headers

    def _longest(self, rows: int) -> int:
        """The bytes that an answer may have. It is decoded on the loop, which a long one would hold up."""
        if self._width is None:
            return self._max_answer_bytes
        return min(BYTES_BESIDE + rows * self._width * BYTES_PER_NUMBER, self._max_answer_bytes)

    async def _answer(self, response: aiohttp.ClientResponse, longest: int) -> tuple[bytes, int | None]:
        try:  # of an error, too: a connection is kept only if it was read to the end
            body = await _read(response, longest)
        except (aiohttp.ClientError, OSError) as error:
            raise broken_off(error) from error
        if response.status != 200:
            raise refused(response.status, body, seconds_of(response.headers.get("Retry-After", "")))
        if body is None:
            raise InvalidAnswer(f"the answer is longer than {longest} bytes")
        if "Content-Encoding" in response.headers:
            raise InvalidAnswer("the answer is compressed, which was not asked for")
        length = response.headers.get(HEADER_LENGTH)
        return body, None if length is None else int(length)


def _numbers_per_row(signature: Signature) -> int | None:
    """How many there are in an answer; None where there are strings, too, whose lengths nobody knows."""
    if signature.task != "transform":
        return max(1, len(signature.labels))
    if any(spec.datatype == "BYTES" for spec in signature.outputs):
        return None
    return sum(math.prod(spec.shape[1:]) for spec in signature.outputs)


@dataclass(slots=True)
class Sending:
    """One sending of a request: whether over a connection that had been used before."""

    reused: bool = False


def noticing(config: aiohttp.TraceConfig) -> aiohttp.TraceConfig:
    """A trace that makes a session notice when it uses a connection again."""
    config.on_connection_reuseconn.append(_reused)
    return config


async def _reused(_session: aiohttp.ClientSession, context: SimpleNamespace, _about: object) -> None:
    if isinstance(context.trace_request_ctx, Sending):
        context.trace_request_ctx.reused = True


def check_headers(request: InferRequest) -> None:
    """What is passed on in headers must not be able to end one: a fault of the caller, not of the backend."""
    for name, text in (("id", request.id), ("trace", request.trace)):
        if not (text.isascii() and text.isprintable()):
            raise InvalidRequest("what stands in a header must be printable ASCII", f"$.{name}")


async def _read(response: aiohttp.ClientResponse, longest: int) -> bytes | None:
    """The body; None if it is longer than `longest` bytes, then the rest is not read."""
    parts: list[bytes] = []
    async for part in response.content.iter_any():
        longest -= len(part)
        if longest < 0:
            return None
        parts.append(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


class WireProblem(msgspec.Struct):
    """What is needed of another Chorus' error."""

    code: str = ""


_PROBLEM = msgspec.json.Decoder(WireProblem)
_NONSENSE = frozenset({"invalid_answer", "no_quorum_of_valid_answers"})


def seconds_of(retry_after: str) -> float | None:
    """What a Retry-After says, if it is a number of seconds; a date would need the clocks of two machines to agree."""
    return float(retry_after) if retry_after.isascii() and retry_after.isdigit() and len(retry_after) < 9 else None


def refused(status: int, body: bytes | None = None, retry_after: float | None = None) -> BackendError:
    """What an HTTP status other than 200 means. Its body is never a prediction, whatever it looks like."""
    if status in (429, 503):
        return RemoteOverloaded(f"HTTP status {status}", retry_after)
    if status == 504:
        return DeadlineExceeded("it says that the deadline has passed")
    if status == 502 and _code(body) in _NONSENSE:
        return InvalidAnswer("it says that its own model's answer was invalid")
    if status >= 500:
        return ServerFault(f"HTTP status {status}")
    if status in ABOUT_THE_INPUT:
        return InputRejected(f"HTTP status {status}")
    return InvalidAnswer(f"HTTP status {status}")


def _code(body: bytes | None) -> str:
    """The code of a problem, where it is one; what else stands there does not matter."""
    try:
        return _PROBLEM.decode(body or b"").code
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return ""


def broken_off(error: Exception) -> BackendError:
    """What ended an answer that had begun: another try would be one too many."""
    said = translated(error)
    said.retryable = False
    return said


def translated(error: Exception) -> BackendError:
    """aiohttp's and the system's errors in our words."""
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError) or _never_connected(error):
        return ConnectFailed(type(error).__name__)
    if isinstance(error, aiohttp.ClientResponseError | aiohttp.InvalidURL | ValueError):
        return InvalidAnswer(f"malformed answer: {type(error).__name__}")
    return ConnectionLost(type(error).__name__)


def _was_closed(error: Exception) -> bool:
    """Whether a connection was gone before a byte of the answer came."""
    if isinstance(error, aiohttp.ServerDisconnectedError) and not isinstance(error.message, str):
        return False  # the beginning of an answer
    return isinstance(translated(error), ConnectFailed | ConnectionLost)


def _never_connected(error: Exception) -> bool:
    """Whether a Unix socket's backlog was full, which asyncio's own loop takes for a connection.

    The first read from it says EINVAL and the first write ENOTCONN; then aiohttp may find it closed before it has
    written the request (no errno).
    """
    return isinstance(error, aiohttp.ClientOSError) and error.errno in (None, errno.EINVAL, errno.ENOTCONN)
