"""All that `chorus bench` has to say, as data: what was asked of whom, what came of it, and whether that is enough."""

import msgspec

from server.bench.objective import Objective
from server.bench.ramp import Step
from server.bench.summary import Summary


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What was sent. `rate` in an open loop, where `connections` are the most there may be."""

    url: str
    model: str
    protocol: str
    loop: str
    rate: float | None
    connections: int
    seconds: float
    rows: int
    rows_source: str
    rows_per_request: int
    timeout_ms: float | None
    parameters: dict[str, object]


class RampReport(msgspec.Struct, frozen=True, kw_only=True):
    """The highest rate that held, 0 if none did; `doubt` says why that may be the generator's limit."""

    held: float
    finished: bool
    steps: list[Step]
    doubt: str | None


class BenchReport(msgspec.Struct, frozen=True, kw_only=True):
    """One run; of a ramp its best step, else its last. `missed` are the parts of the objective that were not met."""

    version: str
    began: str
    asked: Asked
    objective: Objective
    missed: list[str]
    interrupted: bool
    ramp: RampReport | None
    result: Summary

    @property
    def doubt(self) -> str | None:
        """Why these may be figures of the generator, not of the server."""
        return self.result.generator.doubt if self.ramp is None else self.ramp.doubt
