"""What is counted about HTTP requests: by route, method and status; no clock, no I/O."""

from collections import Counter, defaultdict

from backends.histogram import SECONDS, Histogram

UNKNOWN = "unknown"  # one label for all paths that lead nowhere: callers must not be able to make labels


class Traffic:
    """Requests that ended, and how long they took."""

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, str, int]] = Counter()  # (method, route, status)
        self.durations: defaultdict[str, Histogram] = defaultdict(lambda: Histogram(SECONDS))  # by route

    def record(self, method: str, route: str | None, status: int, seconds: float) -> None:
        """A request ended; `route` as it is configured, None where there is none."""
        route = route or UNKNOWN
        self.requests[method if route != UNKNOWN else UNKNOWN, route, status] += 1
        self.durations[route].add(seconds)
