"""Requests, answers and signatures: named tensors that share one row axis.

Inside Chorus a classifier's answer is one tensor, `probabilities` (n, k) float64 in the order of its signature's
labels, and a regressor's is `predictions` (n,) float64. The predicted label is always the first of the highest
probabilities, so nothing carries labels along; codecs add them at the edge.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec.structs import replace

if TYPE_CHECKING:
    from models.stopwatch import Stopwatch

Array = npt.NDArray[Any]
Task = Literal["classification", "regression", "embedding", "text", "transform"]
Fate = Literal["ok", "unneeded", "late", "failed", "skipped"]
Status = Literal["complete", "decided", "partial", "fallback"]
Scalar = str | float | int | bool

PROBABILITIES = "probabilities"
PREDICTIONS = "predictions"

DTYPES: Mapping[str, np.dtype[Any]] = {
    "BOOL": np.dtype(np.bool_),
    "INT8": np.dtype("<i1"),
    "INT16": np.dtype("<i2"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
    "UINT8": np.dtype("<u1"),
    "UINT16": np.dtype("<u2"),
    "UINT32": np.dtype("<u4"),
    "UINT64": np.dtype("<u8"),
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
    "BYTES": np.dtype(object),
}
"""The Open Inference Protocol's datatypes; BYTES are Python strings."""


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One named tensor of a signature; `shape` begins with -1, the rows.

    `features` names the columns of a tensor of shape (-1, f); a column that has a type of its own is a tensor (-1, 1).
    """

    name: str
    datatype: str
    shape: tuple[int, ...]
    features: tuple[str, ...] = ()
    nullable: bool = False

    @property
    def dtype(self) -> np.dtype[Any]:
        return DTYPES[self.datatype]


@dataclass(frozen=True, slots=True)
class Signature:
    """What a backend takes and gives. `labels` is the order of a classifier's probabilities."""

    task: Task
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    labels: tuple[str, ...] = ()

    @property
    def features(self) -> tuple[str, ...]:
        """The names of all input columns, in order."""
        return tuple(feature for spec in self.inputs for feature in spec.features)


def classifier(inputs: tuple[TensorSpec, ...], labels: tuple[str, ...]) -> Signature:
    """The signature of a model that gives a probability to each of `labels`."""
    outputs = (
        TensorSpec(PREDICTIONS, "BYTES", (-1,)),
        TensorSpec(PROBABILITIES, "FP64", (-1, len(labels)), features=labels),
    )
    return Signature("classification", inputs, outputs, labels)


def regressor(inputs: tuple[TensorSpec, ...]) -> Signature:
    """The signature of a model that gives one number per row."""
    return Signature("regression", inputs, (TensorSpec(PREDICTIONS, "FP64", (-1,)),))


def transformer(inputs: tuple[TensorSpec, ...], outputs: tuple[TensorSpec, ...]) -> Signature:
    """The signature of what makes other tensors of its inputs, for a model to be asked about."""
    return Signature("transform", inputs, outputs)


@dataclass(frozen=True, slots=True)
class Parameters:
    """What a request may ask of an ensemble beyond its answer; None is the ensemble's own setting."""

    quorum: int | None = None
    early: bool | None = None
    members: tuple[str, ...] | None = None
    explain: bool = False


NO_PARAMETERS = Parameters()


class InferRequest(msgspec.Struct, frozen=True):
    """Named tensors with `rows` rows each. `trace` is the caller's W3C `traceparent`, passed on as it came.

    `extra`: what it says beside its rows and our own parameters, for those who decide by it whom to ask. `stopwatch`:
    whoever answers times the stages of its work with it. `origins`: of several requests that are asked as one these, in
    the order of their rows; see `origins_of`. `needed`: whether its caller cannot do without the answer, should the
    first try fail; None where there is only this one to ask.
    """

    inputs: Mapping[str, Array]
    id: str = ""
    parameters: Parameters = NO_PARAMETERS
    trace: str = ""
    stopwatch: "Stopwatch | None" = None
    extra: "Mapping[str, Scalar]" = msgspec.field(default_factory=dict)
    origins: "tuple[InferRequest | Origin, ...]" = ()
    needed: Callable[[], bool] | None = None

    @property
    def rows(self) -> int:
        return len(next(iter(self.inputs.values())))

    def of_rows(self, rows: Array) -> "InferRequest":
        """The same, of some of its rows, which ascend."""
        inputs = {name: array[rows] for name, array in self.inputs.items()}
        if not self.origins:
            return replace(self, inputs=inputs)
        whole = origins_of(self)
        owners = np.repeat(np.arange(len(whole)), [origin.rows for origin in whole])[rows]
        kept = zip(*(part.tolist() for part in np.unique(owners, return_counts=True)), strict=True)
        return replace(
            self, inputs=inputs, origins=tuple(Origin(whole[at].id, whole[at].extra, count) for at, count in kept)
        )


class Origin(msgspec.Struct, frozen=True):
    """Some rows of one of several requests that are asked as one."""

    id: str
    extra: "Mapping[str, Scalar]"
    rows: int


def origins_of(request: InferRequest) -> "list[InferRequest | Origin]":
    """The requests whose rows are asked as one, be it `request` alone."""
    if not request.origins:
        return [request]
    return [
        one
        for origin in request.origins
        for one in (origins_of(origin) if isinstance(origin, InferRequest) else [origin])
    ]


ALL_ROWS = slice(None)


class MemberReport(msgspec.Struct, frozen=True):
    """What became of one member: `elapsed` seconds after it was asked, None if it never was.

    `scores` (N, k) and `report` are of all rows of the fan-out, which several requests may have shared: `Report.said`
    and `Report.nested` give one request's part. In a cascade it is asked in its `stage`, counted from 1, `after`
    seconds from the start; of rows that it was not asked about its `scores` are NaN.
    """

    fate: Fate
    weight: float
    version: str
    reason: str = ""
    elapsed: float | None = None
    scores: Array | None = None  # what it said, if it answered
    report: "Report | None" = None  # its own, where it is a composite
    stage: int | None = None
    after: float = 0.0


class PartReport(msgspec.Struct, frozen=True):
    """What became of a part of a composite that is no ensemble: a step of a chain, a branch of a switch.

    It `began` on the clock of durations, None if it was never asked, and took `elapsed` seconds. `rows` are those
    that it was asked about, None for all. `facts` are what its kind has to say of it, as JSON has them.
    """

    name: str
    version: str
    fate: Fate = "ok"
    reason: str = ""
    began: float | None = None
    elapsed: float | None = None
    rows: tuple[int, ...] | None = None
    report: "Report | None" = None  # its own, where it is a composite
    facts: Mapping[str, object] = msgspec.field(default_factory=dict)

    def of_rows(self, rows: slice) -> "PartReport":
        """The same, of `rows` alone."""
        if self.rows is None:
            return replace(self, report=self.report and self.report.of_rows(rows))
        inside = [at for at, row in enumerate(self.rows) if rows.start <= row < rows.stop]
        kept = slice(inside[0], inside[-1] + 1) if inside else slice(0, 0)
        own = tuple(row - rows.start for row in self.rows[kept])
        return replace(self, rows=own, report=self.report and self.report.of_rows(kept))


class Settled(msgspec.Struct, frozen=True):
    """When an ensemble knew what to say: `elapsed` seconds after the fan-out `began`, on the clock of durations.

    `by` is the member whose answer or failure settled it; empty if nobody's did, as at the deadline (`late`).
    """

    began: float
    elapsed: float
    by: str = ""
    late: bool = False


class Report(msgspec.Struct, frozen=True):
    """How an answer came about. Of a backend that is one model: itself, asked and answered.

    `rows` are this request's, of all that its members were asked at once. A composite that is no ensemble has `parts`;
    all else is then that of the ensemble among them which had the last word, if there was one.
    """

    status: Status = "complete"
    degraded: bool = False
    asked: int = 1
    answered: int = 1
    quorum: int = 1
    members: Mapping[str, MemberReport] = msgspec.field(default_factory=dict)
    agreement: Array | None = None  # (n,), the share of weight behind the answer
    entropy: Array | None = None  # (n,), of the combined probabilities, in nats
    disagreed: tuple[int, ...] | None = None  # rows under `min_agreement`, where the ensemble has one
    settled: Settled | None = None
    labels: tuple[str, ...] = ()  # the order of the members' scores
    parts: tuple[PartReport, ...] = ()
    stages: Array | None = None  # (n,), of a cascade: the stage that decided each row, counted from 1
    shadows: "Mapping[str, MemberReport] | None" = None  # what each said, once it has: the answer is gone
    rows: slice = ALL_ROWS

    def said(self, name: str) -> Array | None:
        """What member `name` said to these rows, (n, k), if it answered."""
        scores = self.members[name].scores
        return None if scores is None else scores[self.rows]

    def nested(self, name: str) -> "Report | None":
        """How the answer of member `name` to these rows came about, where it is a composite."""
        own = self.members[name].report
        return None if own is None else own.of_rows(self.rows)

    @property
    def is_composite(self) -> bool:
        """Whether anyone else was asked."""
        return bool(self.members or self.parts)

    @property
    def in_vain(self) -> float:
        """Seconds, at the end, in which nobody was waited for but members that were late all the same."""
        end = needed = 0.0
        for said in self.members.values():
            until = said.after + (said.elapsed or 0.0)
            end = max(end, until)
            if said.fate != "late":
                needed = max(needed, until - (said.report.in_vain if said.report else 0.0))
        return end - needed

    def of_rows(self, rows: slice) -> "Report":
        """The report on `rows` of these rows."""
        if rows == ALL_ROWS:
            return self
        first = self.rows.start or 0
        disagreed = self.disagreed and tuple(
            row - rows.start for row in self.disagreed if rows.start <= row < rows.stop
        )
        return replace(
            self,
            agreement=None if self.agreement is None else self.agreement[rows],
            entropy=None if self.entropy is None else self.entropy[rows],
            disagreed=disagreed,
            parts=tuple(part.of_rows(rows) for part in self.parts),
            stages=None if self.stages is None else self.stages[rows],
            rows=slice(first + rows.start, first + rows.stop),
        )


ALONE = Report()


class InferResponse(msgspec.Struct, frozen=True):
    """Named tensors with one row per row asked, and how they came about."""

    outputs: Mapping[str, Array]
    id: str = ""
    report: Report = ALONE


def alike(one: InferRequest, other: InferRequest) -> bool:
    """Whether the rows of both can be asked as one: their tensors differ in nothing but the number of rows."""
    for name, mine in one.inputs.items():
        theirs = other.inputs.get(name)
        if theirs is None or mine.dtype != theirs.dtype or mine.shape[1:] != theirs.shape[1:]:
            return False
    return len(one.inputs) == len(other.inputs)


def joined(requests: Sequence[InferRequest]) -> InferRequest:
    """One request with the rows of all, which are `alike`, one after the other; it bears the name of the first."""
    first = requests[0]
    if len(requests) == 1:
        return first
    inputs = {name: np.concatenate([request.inputs[name] for request in requests]) for name in first.inputs}
    name, needed = f"{first.id}.and-{len(requests) - 1}", partial(any_needed, requests)
    return InferRequest(inputs, name, trace=first.trace, origins=tuple(requests), needed=needed)


def any_needed(requests: Iterable[InferRequest]) -> bool:
    """Whether any of those who ask cannot do without the answer."""
    return any(request.needed is None or request.needed() for request in requests)
