"""What a run has shown, as data: for JSON, for tables and plots, for tests. Milliseconds; shares are of 1."""

import math

import msgspec

from server.bench.measured import Measured
from server.bench.members import MemberSummary
from server.bench.series import Second

LATE_MS, LATE_SHARE = 1.0, 0.1  # of the p99: so much of it may be the generator's before its report says so
BUSY = 0.9  # of a core, which is all that an event loop has
STEP = 0.05  # between two points of the percentile curve, in powers of ten


class Rate(msgspec.Struct, frozen=True):
    """Requests a second: as they were meant to leave (none in a closed loop), and as 200s came."""

    offered: float | None
    answered: float


class Generator(msgspec.Struct, frozen=True):
    """How the generator did; `cpu` is its share of a core. `doubt` says why these may not be the server's figures."""

    lag_ms: dict[str, float]
    cpu: float
    us_per_request: float
    doubt: str | None


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """One run. `share` is that of the requests that were answered, `degraded_share` that of the answers.

    Interrupted requests count in no share. `latency_ms` are the answers', `refused_ms` those of other statuses.
    `percentiles` are pairs of a percentile and milliseconds, ever closer to 100.
    """

    seconds: float
    offered: int
    answered: int
    refused: int
    failed: int
    interrupted: int
    rate: Rate
    share: float
    degraded_share: float
    latency_ms: dict[str, float]
    refused_ms: dict[str, float]
    statuses: dict[str, int]
    errors: dict[str, int]
    outcomes: dict[str, int]
    members: dict[str, MemberSummary]
    series: list[Second]
    percentiles: list[tuple[float, float]]
    generator: Generator


def summary_of(measured: Measured, *, seconds: float, rate: float | None = None) -> Summary:
    """Of a run that was meant to last `seconds`, at `rate` requests a second in an open loop."""
    answered, errors = measured.statuses[200], dict(measured.errors)
    interrupted = errors.pop("interrupted", 0)
    ended, lasted = measured.offered - interrupted, measured.seconds
    lasted = lasted if interrupted else max(lasted, seconds)
    latency = measured.latency.levels()
    return Summary(
        seconds=round(lasted, 3),
        offered=measured.offered,
        answered=answered,
        refused=measured.statuses.total() - answered,
        failed=sum(errors.values()),
        interrupted=interrupted,
        rate=Rate(rate, round(answered / lasted, 2) if lasted else 0.0),
        share=answered / ended if ended else 0.0,
        degraded_share=measured.degraded / answered if answered else 0.0,
        latency_ms=latency,
        refused_ms=measured.refusal.levels(),
        statuses={str(status): count for status, count in sorted(measured.statuses.items())},
        errors={str(kind): count for kind, count in errors.items()},
        outcomes=dict(measured.outcomes),
        members=measured.members.summary(),
        series=measured.series.seconds,
        percentiles=_curve(measured),
        generator=_generator(measured, latency),
    )


def _curve(measured: Measured) -> list[tuple[float, float]]:
    """From 0 to the percentile of the slowest, in equal steps of log(1 / (1 - p))."""
    count = len(measured.latency)
    steps = int(math.log10(max(count, 1)) / STEP) + 1
    levels = [100 * (1 - 10 ** (-STEP * step)) for step in range(steps)] + [100.0]
    return list(zip(levels, measured.latency.at(levels), strict=False))


def _generator(measured: Measured, latency: dict[str, float]) -> Generator:
    lag, cpu = measured.lag.levels(), measured.cpu / measured.seconds if measured.seconds else 0.0
    each = measured.cpu / measured.offered * 1e6 if measured.offered else 0.0
    return Generator(lag, round(cpu, 3), round(each, 1), doubt(lag.get("p99", 0.0), latency.get("p99", 0.0), cpu))


def doubt(lag_ms: float, p99_ms: float, cpu: float) -> str | None:
    """Why these may be figures of the generator, of whose lag and latencies the p99 is given."""
    if cpu > BUSY:
        return f"the generator used {cpu:.0%} of a core: it may be what sets the pace, not the server"
    if lag_ms > max(LATE_MS, LATE_SHARE * p99_ms):
        late = f"the generator itself was late by {lag_ms:.3g} ms (p99), and these latencies hold that"
        return f"{late}: the machine is busy, or too small for both"
    return None
