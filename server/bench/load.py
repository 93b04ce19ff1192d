"""What is sent, to whom, and how patiently; and what every run of it has around it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import perf_counter, process_time

from server.bench.answers import Reader, read_nothing
from server.bench.connections import Connections, Results
from server.bench.heartbeat import Heartbeat
from server.bench.measured import Measured
from server.bench.target import Target


@dataclass(frozen=True, slots=True)
class Load:
    """`requests` are sent in turn, on at most `connections`; each is given up after `patience` seconds."""

    target: Target
    requests: tuple[bytes, ...]
    read: Reader = read_nothing
    connections: int = 1000
    patience: float = 10.0

    def __post_init__(self) -> None:
        if not self.requests:
            raise ValueError("a load needs at least one request")


@asynccontextmanager
async def running(load: Load, measured: Measured, results: Results | None = None) -> AsyncIterator[Connections]:
    """Connections for one run; `measured` begins now, and holds all there is even if the run is cancelled."""
    connections = Connections(load.target, results or measured, most=load.connections, patience=load.patience)
    began_cpu = process_time()
    try:
        async with connections:
            heartbeat = Heartbeat(measured.lag)
            measured.began = measured.ended = perf_counter()
            try:
                yield connections
                await connections.drained()
            finally:
                heartbeat.close()
    finally:
        measured.series.finish()
        measured.cpu = process_time() - began_cpu
