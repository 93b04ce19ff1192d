"""What a call to a worker costs: over HTTP, as any server of the protocol is asked, and over a channel.

    python benchmarks/transport.py

Rows of 30 float32 go to another process, on a Unix socket, uvloop at both ends; its model costs next to nothing.
CPU time per call is the system's own count for each process; each transport's turn comes `--rounds` times, and the
figures are medians. The ratios are what lasts: the figures are those of this machine.
"""

import argparse
import asyncio
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import numpy as np
import uvloop
from aiohttp import web

from backends.base import Backend
from backends.channel import Channel, answering
from backends.local import Local
from backends.oip import HEADER_LENGTH, Oip, remote
from backends.worker import Reception, Worker
from models.deadline import deadline_after
from models.types import PROBABILITIES, Array, InferRequest, TensorSpec, classifier
from server.codecs import oip_v2

COLUMNS = 30
SIGNATURE = classifier((TensorSpec("features", "FP32", (-1, COLUMNS), tuple(map(str, range(COLUMNS)))),), ("no", "yes"))
SAID = np.array([[0.25, 0.75]])
TRANSPORTS = ("http", "channel")
CONCURRENCIES = (1, 8, 64)
MAX_BYTES = 64 << 20
TICK = os.sysconf("SC_CLK_TCK")


def model(inputs: Mapping[str, Array]) -> dict[str, Array]:
    """Says the same to everyone, at once."""
    return {PROBABILITIES: SAID.repeat(len(inputs["features"]), axis=0)}


async def answer(transport: str, path: str) -> None:
    """A worker: the model behind one of the transports, until it is told to stop."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    local = Local(model, ThreadPoolExecutor(1))
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(path)
    listening.listen()
    async with {"http": over_http, "channel": over_channel}[transport](listening, local):
        print("ready", flush=True)
        await stop.wait()


@asynccontextmanager
async def over_channel(listening: socket.socket, local: Local) -> AsyncIterator[None]:
    """As `server.worker` answers."""
    async with answering(listening, Reception(local, SIGNATURE)):
        yield


@asynccontextmanager
async def over_http(listening: socket.socket, local: Local) -> AsyncIterator[None]:
    """The least that an aiohttp server can do: no middleware, one route."""

    async def infer(request: web.Request) -> web.Response:
        length = int(request.headers[HEADER_LENGTH])
        call = oip_v2.decode(await request.read(), length, SIGNATURE, request.headers.get("X-Request-Id", ""), "")
        response = await local(call.request, deadline_after(1))
        body, header_length = oip_v2.encode(response, SIGNATURE, call, model="m", version="1", elapsed=0.0)
        headers = {HEADER_LENGTH: str(header_length)}
        return web.Response(body=body, headers=headers, content_type="application/octet-stream")

    app = web.Application(client_max_size=MAX_BYTES)
    app.router.add_post("/v2/models/{name}/infer", infer)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, auto_decompress=False)
    await runner.setup()
    await web.SockSite(runner, listening).start()
    yield
    await runner.cleanup()


@asynccontextmanager
async def asking(transport: str, path: str, concurrency: int) -> AsyncIterator[Backend]:
    """The front's end of a transport."""
    if transport == "channel":
        channel = Channel(path)
        yield Worker(channel, SIGNATURE)
        channel.close()
        return
    connector = aiohttp.UnixConnector(path, limit=concurrency)
    async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield Oip(session, remote("http://worker", "m", SIGNATURE))


@dataclass(frozen=True, slots=True)
class Cost:
    """Microseconds per call: of CPU in either process, and until half of the answers were there."""

    front: float
    worker: float
    median: float


async def measured(backend: Backend, pid: int, rows: int, calls: int, concurrency: int) -> Cost:
    """`calls` calls, so many at a time."""
    durations: list[float] = []
    request = InferRequest({"features": np.full((rows, COLUMNS), 0.5, np.float32)}, "01M85VF5M6AEG3PR04MYNB86AN")

    async def ask(count: int) -> None:
        for _ in range(count):
            began = time.perf_counter()
            await backend(request, deadline_after(10))
            durations.append(time.perf_counter() - began)

    await asyncio.gather(*(ask(20) for _ in range(concurrency)))  # connections, and what the model costs
    durations.clear()
    front, worker = time.process_time(), cpu_seconds(pid)
    await asyncio.gather(*(ask(calls // concurrency) for _ in range(concurrency)))
    front, worker = time.process_time() - front, cpu_seconds(pid) - worker
    each = 1e6 / len(durations)
    return Cost(front * each, worker * each, statistics.median(durations) * 1e6)


def cpu_seconds(pid: int) -> float:
    """The CPU time of all threads of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


class Answering:
    """A worker in a process of its own."""

    def __init__(self, transport: str, folder: str) -> None:
        self.path = str(Path(folder) / transport)
        command = [sys.executable, __file__, "--answer", transport, self.path]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"ready\n"

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()


async def one(worker: Answering, transport: str, rows: int, calls: int, concurrency: int) -> Cost:
    async with asking(transport, worker.path, concurrency) as backend:
        return await measured(backend, worker.process.pid, rows, calls, concurrency)


def run(rows: int, rounds: int, calls: int) -> None:
    """All, in turns, so that whatever else the machine does harms both alike."""
    costs: dict[tuple[str, int], list[Cost]] = {}
    with tempfile.TemporaryDirectory() as folder:
        workers = {transport: Answering(transport, folder) for transport in TRANSPORTS}
        try:
            for _ in range(rounds):
                for concurrency in CONCURRENCIES:
                    for transport, worker in workers.items():
                        cost = uvloop.run(one(worker, transport, rows, calls, concurrency))
                        costs.setdefault((transport, concurrency), []).append(cost)
        finally:
            for worker in workers.values():
                worker.stop()
    show(costs)


COLUMNS_SHOWN: Mapping[str, Callable[[Cost], float]] = {
    "front, CPU": lambda cost: cost.front,
    "worker, CPU": lambda cost: cost.worker,
    "p50": lambda cost: cost.median,
}


def show(costs: Mapping[tuple[str, int], list[Cost]]) -> None:
    """A table: microseconds per call."""
    print(f"{'at once':>7}  {'us per call':<12}" + "".join(f"{transport:>9}" for transport in TRANSPORTS) + "   ratio")
    for concurrency in CONCURRENCIES:
        for name, figure in COLUMNS_SHOWN.items():
            http, channel = (statistics.median(map(figure, costs[one, concurrency])) for one in TRANSPORTS)
            print(f"{concurrency:>7}  {name:<12}{http:>9.0f}{channel:>9.0f}{http / channel:>8.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--calls", type=int, default=4000, help="per round, transport and concurrency")
    parser.add_argument("--answer", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.answer:
        uvloop.run(answer(*options.answer))
    else:
        run(options.rows, options.rounds, options.calls)


if __name__ == "__main__":
    main()
