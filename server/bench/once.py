"""One request and its answer, before many are sent: what is refused once would be refused a thousand times."""

from time import perf_counter

from server.bench.connections import Connections
from server.bench.errors import Kind
from server.bench.load import Load


class Once:
    """What became of the request."""

    def __init__(self) -> None:
        self.status: int | None = None
        self.body = b""
        self.error: Kind | None = None

    def answered(self, _intended: float, _now: float, status: int, body: bytes) -> None:
        self.status, self.body = status, body

    def failed(self, _intended: float, _now: float, kind: Kind) -> None:
        self.error = kind


async def once(load: Load, request: bytes) -> Once:
    """Send `request` and wait.

    Raises:
        OSError: the target has no address.
    """
    result = Once()
    async with Connections(load.target, result, most=1, patience=load.patience) as connections:
        connections.ask(perf_counter(), request)
        await connections.drained()
    return result
