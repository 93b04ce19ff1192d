"""Latencies as wrk counts them: how many answers took how many whole microseconds.

wrk assumes that each connection meant to ask once per mean latency, and adds the answers that it thinks are missing
behind each slow one (`stats_correct` in its wrk.c). In a closed loop nobody meant to: with stragglers that makes up
answers that never were. It keeps no other count, but what it adds can be told exactly, and taken back.
"""

from collections.abc import Mapping


def uncorrected(counts: Mapping[int, int], interval: int) -> dict[int, int]:
    """`counts` without what wrk added, which took `interval` for the time between two requests of a connection.

    Each latency of twice the interval or more was counted again at one interval less, two less, ..., down to above the
    interval itself. So the longest is as it was, and all others are once those above them are known.
    """
    true = dict(counts)
    for latency in sorted(counts, reverse=True):
        if latency < 2 * interval or interval <= 0:
            break
        for added in range(latency - interval, interval, -interval):
            true[added] -= true[latency]
    return {latency: count for latency, count in sorted(true.items()) if count}


def quantile(counts: Mapping[int, int], share: float) -> int:
    """The least latency that `share` of the answers did not exceed (the nearest rank).

    Raises:
        ValueError: there was no answer.
    """
    wanted = share * sum(counts.values()) - 1e-9
    seen = 0
    for latency in sorted(counts):
        seen += counts[latency]
        if seen >= wanted:
            return latency
    raise ValueError("no answer came")
