"""Plots over the seconds of a run. What is too long to be drawn second by second is drawn in groups of seconds."""

from collections.abc import Callable, Sequence

from server.bench.axes import BOTTOM, Scale, across, box, limit_line, plot, polyline, ticks, upwards
from server.bench.markup import Safe
from server.bench.series import Second

MOST_POINTS = 240


def latency_plot(seconds: Sequence[Second], objective_ms: float | None) -> Safe:
    """The median and the p99 of each second's answers."""
    answered = [one for one in seconds if one.p50_ms is not None]
    groups = _groups(answered)
    x, y = _time(seconds), upwards(max((one.p99_ms or 0 for one in answered), default=1.0))
    p50 = _over(groups, x, y, lambda one: one.p50_ms or 0, _mean)
    p99 = _over(groups, x, y, lambda one: one.p99_ms or 0, max)
    lines = [*limit_line(y, objective_ms), polyline(p99, "orange"), polyline(p50, "blue")]
    return plot(x, ticks(x, 8), y, "ms", *lines, *_hover(groups, x), title="latency over time")


def rate_plot(seconds: Sequence[Second]) -> Safe:
    """Requests a second: as they were sent, as they were answered, and those that were not."""
    x, y = _time(seconds), upwards(max((max(one.offered, one.answered, _bad(one)) for one in seconds), default=1))
    until = max((one.second + 1 for one in seconds if one.offered), default=0)  # from then on the last answers come
    sent = _over(_groups(seconds[:until]), x, y, lambda one: one.offered, _mean)
    answered = _over(_groups(seconds[:until]), x, y, lambda one: one.answered, _mean)
    groups = _groups(seconds)
    bad = [_bar(group, x, y) for group in groups if any(map(_bad, group))]
    lines = [polyline(sent, "muted"), *bad, polyline(answered, "blue")]
    return plot(x, ticks(x, 8), y, "1/s", *lines, *_hover(groups, x), title="requests a second over time")


def _bad(one: Second) -> int:
    return one.refused + one.failed


def _bar(group: Sequence[Second], x: Scale, y: Scale) -> Safe:
    left, right = x.at(group[0].second) + 0.5, x.at(group[-1].second + 1) - 0.5
    return box(left, y.at(_mean([_bad(one) for one in group])), right, BOTTOM, _said(group), "bad")


def _time(seconds: Sequence[Second]) -> Scale:
    return across(0, max(len(seconds), 1))


def _groups(seconds: Sequence[Second]) -> list[Sequence[Second]]:
    """Neighbours together, so that there are not too many."""
    size = -(-len(seconds) // MOST_POINTS) or 1
    return [seconds[at : at + size] for at in range(0, len(seconds), size)]


def _over(
    groups: Sequence[Sequence[Second]], x: Scale, y: Scale,
    value: Callable[[Second], float], of: Callable[[Sequence[float]], float],
) -> list[tuple[float, float]]:  # fmt: skip
    return [(_middle(group, x), y.at(of([value(one) for one in group]))) for group in groups]


def _middle(group: Sequence[Second], x: Scale) -> float:
    return x.at((group[0].second + group[-1].second + 1) / 2)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _hover(groups: Sequence[Sequence[Second]], x: Scale) -> list[Safe]:
    """What a second holds, for who points at it."""
    return [box(x.at(one[0].second), 0, x.at(one[-1].second + 1), BOTTOM, _said(one), "hover") for one in groups]


def _said(group: Sequence[Second]) -> str:
    first, last = group[0].second, group[-1].second + 1
    sums = {
        "sent": sum(one.offered for one in group),
        "answered": sum(one.answered for one in group),
        "refused": sum(one.refused for one in group),
        "failed": sum(one.failed for one in group),
    }
    counts = ", ".join(f"{name} {count}" for name, count in sums.items() if count)
    slow = max((one.p99_ms or 0 for one in group), default=0)
    median = _mean([one.p50_ms or 0 for one in group])
    return f"{first} to {last} s: {counts or 'nothing'}" + (f"; p50 {median:.4g} ms, p99 {slow:.4g} ms" if slow else "")
