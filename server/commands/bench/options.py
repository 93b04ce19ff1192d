"""What the command line asks for."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import click

DEFAULT_RATE, RAMP_START = 100.0, 50.0
MOST_CONNECTIONS = 1000  # in an open loop
SECONDS, STEP_SECONDS = 10.0, 5.0
MOST_REQUESTS = 50_000_000

Loop = Literal["open loop", "closed loop", "ramp"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """See `chorus bench --help`."""

    rate: float | None
    seconds: float | None
    connections: int | None
    ramp: bool
    poisson: bool
    p99_ms: float | None
    share: float | None
    degraded: float | None
    file: Path | None
    rows_each: int
    protocol: Literal["v1", "v2", "v2-binary"]
    timeout_ms: float | None
    members: str | None
    quorum: int | None
    early: bool | None
    warm_up: float
    as_json: bool
    html: Path | None

    def __post_init__(self) -> None:
        if self.poisson and self.loop != "open loop":
            raise click.UsageError(f"--poisson says when requests leave in an open loop; this is a {self.loop}")
        if self.loop == "open loop" and self.offered_rate * self.lasting > MOST_REQUESTS:
            raise click.UsageError(f"--rate times --seconds is over {MOST_REQUESTS:,}")

    @property
    def loop(self) -> Loop:
        if self.ramp:
            return "ramp"
        return "closed loop" if self.connections is not None and self.rate is None else "open loop"

    @property
    def offered_rate(self) -> float:
        return self.rate or (RAMP_START if self.ramp else DEFAULT_RATE)

    @property
    def lasting(self) -> float:
        """Seconds; of a ramp, those of a step."""
        return self.seconds or (STEP_SECONDS if self.ramp else SECONDS)

    @property
    def parameters(self) -> dict[str, object]:
        """What each request asks of an ensemble. A protocol without lists takes names with commas."""
        asked = {"members": self.members, "quorum": self.quorum, "early": self.early}
        return {name: value for name, value in asked.items() if value is not None}
