"""One request on its way through the server, as those who handle it one after the other see it."""

import time
from collections.abc import Mapping

from aiohttp import web

from backends.drill import NO_DRILLS
from backends.served import Served
from models.types import InferResponse


class Exchange:
    """What is known of one request so far.

    `received`: when its headers were read, on the loop's clock; the body's time counts against the deadline. `began`:
    the same moment on the clock that durations are measured with. `asked` and `rows`, once they are known; `said`: what
    was answered; `drills`: those that had a hand in it, in words. `held`: the bytes of its body.
    """

    __slots__ = ("asked", "began", "drills", "held", "id", "received", "rows", "said")

    def __init__(self, received: float, began: float, request_id: str) -> None:
        self.received = received
        self.began = began
        self.id = request_id
        self.asked: Served | None = None
        self.rows = 0
        self.held = 0
        self.said: InferResponse | None = None
        self.drills: Mapping[str, str] = NO_DRILLS

    @property
    def elapsed(self) -> float:
        """Seconds since it began."""
        return time.perf_counter() - self.began


EXCHANGE: web.RequestKey[Exchange] = web.RequestKey("exchange", Exchange)
