"""How much memory there is for requests: the bodies that are being read or worked on, and the process as a whole.

The higher the share that is used, the less is let in: first no large bodies any more, then no requests, at last no
connections. What a body takes is counted as it comes, not as it is announced: who announces much and sends little
takes nothing from others.
"""

import resource
from pathlib import Path

from aiohttp import web

NO_LARGE, NO_REQUESTS, NO_CONNECTIONS = 0.85, 0.90, 0.95  # shares of what there is
LARGE = 64 << 10  # bytes; a smaller body is no burden
PAGE = resource.getpagesize()


class Memory:
    """At most `most_bodies` bytes of bodies at once and, if given, `most` bytes of this process; no I/O."""

    def __init__(self, most_bodies: int = 64 << 20, most: int | None = None) -> None:
        self.most_bodies = most_bodies
        self.most = most
        self.bodies = 0
        self.used = 0

    @property
    def share(self) -> float:
        """Of what there is, how much is used."""
        own = self.used / self.most if self.most else 0.0
        return max(self.bodies / self.most_bodies, own)

    @property
    def sheds(self) -> bool:
        """Whether no request should be taken."""
        return self.share >= NO_REQUESTS

    @property
    def is_full(self) -> bool:
        """Whether no connection should be taken."""
        return self.share >= NO_CONNECTIONS

    def has_room(self, announced: int | None) -> bool:
        """Whether to begin with a body of so many bytes, as far as it says how many."""
        if announced is not None and announced <= LARGE:
            return True
        return self.share < NO_LARGE and self.bodies + (announced or LARGE) <= self.most_bodies

    def hold(self, size: int) -> bool:
        """So many bytes more have come; whether they fit."""
        self.bodies += size
        return self.bodies <= self.most_bodies

    def release(self, size: int) -> None:
        """So many bytes are not needed any more."""
        self.bodies -= size


MEMORY: web.AppKey[Memory] = web.AppKey("memory", Memory)


def resident() -> int:
    """The bytes of memory that this process has; 0 where the system does not say."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE
    except (OSError, IndexError, ValueError):
        return 0
