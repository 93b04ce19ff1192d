"""Ask at a constant rate, whatever becomes of the answers: load.py http://127.0.0.1:8080 --rate 200 --seconds 10

Request i is meant to leave at start + i / rate, and its latency counts from then: waiting for a stalled server counts
(no coordinated omission). The last millisecond before a departure is spun away: from 1,000/s on that is a whole core.
The exit code is 0 if all were answered 200.
"""

import argparse
import asyncio
import contextlib
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import aiohttp
import msgspec
import uvloop

MOST_REQUESTS, MOST_UNDER_WAY = 5_000_000, 10_000
PATIENCE_S = 10.0  # for an answer, beyond the timeout that the server was asked to keep


class Answer(msgspec.Struct):  # or a problem: what counts of it
    outcome: dict[str, Any] = {}
    members: dict[str, dict[str, Any]] = {}


@dataclass(slots=True)
class Result:
    """What was measured so far; latencies and lags in seconds from the intended times."""

    rate: float
    sent: int = 0
    sending: float = 0.0  # seconds from the start to the last departure
    statuses: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    fates: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    latencies: list[float] = field(default_factory=list)
    lags: list[float] = field(default_factory=list)

    def count(self, status: int, body: bytes) -> None:
        self.statuses[str(status)] += 1
        try:
            answer = msgspec.json.decode(body, type=Answer)
        except ValueError:
            answer = Answer({"status": "unreadable"})
        if "status" in answer.outcome:
            self.outcomes[str(answer.outcome["status"])] += 1
        for name, member in answer.members.items():
            self.fates[name][f"{member.get('fate')} {member.get('reason', '')}".strip()] += 1

    def summary(self) -> dict[str, Any]:
        reached = round(self.sent / (self.sending + 1 / self.rate), 1)
        counts = {"statuses": self.statuses, "errors": self.errors, "outcomes": self.outcomes, "members": self.fates}
        shares = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99.9": 0.999, "max": 1.0}
        latency = {name: quantile_ms(self.latencies, share) for name, share in shares.items()}
        times = {"latency_ms": latency, "send_lag_ms": {"p99": quantile_ms(self.lags, 0.99)}}
        return {"sent": self.sent, "rate": {"wanted": self.rate, "reached": reached}, **counts, **times}


def quantile_ms(seconds: list[float], share: float) -> float | None:
    return round(sorted(seconds)[int(share * len(seconds) - 1e-9)] * 1e3, 3) if seconds else None  # nearest rank


async def run(
    url: str, body: bytes, result: Result, *, seconds: float, timeout_ms: float | None = None, connections: int = 256
) -> Result:
    """Send `body` at `result.rate` for `seconds`; `result` holds what was measured even if this is cancelled."""
    headers = {"Content-Type": "application/json"} | ({"X-Request-Timeout-Ms": f"{timeout_ms:g}"} if timeout_ms else {})
    patience = aiohttp.ClientTimeout(total=PATIENCE_S + (timeout_ms or 0) / 1e3)
    connector, tasks = aiohttp.TCPConnector(limit=connections), set[asyncio.Task[None]]()
    async with aiohttp.ClientSession(connector=connector, headers=headers, timeout=patience) as session:
        start = time.perf_counter()
        try:
            for index in range(max(1, round(result.rate * seconds))):
                intended = start + index / result.rate
                await asyncio.sleep(0)  # whoever is late must read answers all the same
                while (left := intended - time.perf_counter()) > 0:  # noqa: ASYNC110 - time sets no event
                    await asyncio.sleep(max(0.0, left - 1e-3))
                if len(tasks) >= MOST_UNDER_WAY:
                    result.errors["not sent: too many under way"] += 1
                    continue
                tasks.add(task := asyncio.create_task(_ask(session, url, body, intended, result)))
                task.add_done_callback(tasks.discard)
                result.sent, result.sending = result.sent + 1, time.perf_counter() - start
            await asyncio.gather(*tasks)
        finally:
            unanswered = [task for task in tasks if task.cancel()]
            result.errors += Counter({"interrupted": len(unanswered)})
            await asyncio.gather(*unanswered, return_exceptions=True)
    return result


async def _ask(session: aiohttp.ClientSession, url: str, body: bytes, intended: float, result: Result) -> None:
    result.lags.append(time.perf_counter() - intended)
    try:
        async with session.post(url, data=body) as response:
            body = await response.read()
        result.latencies.append(time.perf_counter() - intended)
        result.count(response.status, body)
    except (aiohttp.ClientError, OSError) as error:  # a TimeoutError is an OSError
        result.errors[type(error).__name__] += 1


async def example(url: str) -> bytes:
    """The request that the server itself proposes for its default model."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(PATIENCE_S)) as session:
        index = await (await session.get(urljoin(url, "/"))).json(content_type=None)
    return msgspec.json.encode(index["models"][index["default"]]["example"])


def table(summary: dict[str, Any]) -> str:
    rows = summary | {"sent": {"requests": summary["sent"]}}
    members = {f"  {name}": fates for name, fates in rows.pop("members").items()}
    counts = {name: "  ".join(f"{key} {value}" for key, value in of.items()) for name, of in (rows | members).items()}
    return "\n".join(f"{name:<14}{of or 'none'}" for name, of in counts.items())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", help="where to post; without a path, to /predict")
    parser.add_argument("--rate", type=float, default=100.0, help="requests per second")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--body", type=Path, help="a file; else the example of the server's default model")
    parser.add_argument("--timeout-ms", type=float, help="what the server is asked to keep")
    parser.add_argument("--connections", type=int, default=256, help="at most so many at once")
    parser.add_argument("--json", action="store_true", help="print JSON")
    given = parser.parse_args()
    if not (min(given.rate, given.seconds, given.connections) > 0 and given.rate * given.seconds <= MOST_REQUESTS):
        parser.error(f"rate, seconds and connections must be positive, and rate * seconds at most {MOST_REQUESTS}")
    result = Result(given.rate)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner, contextlib.suppress(KeyboardInterrupt):
        try:
            body = given.body.read_bytes() if given.body else runner.run(example(given.url))
        except (aiohttp.ClientError, OSError, ValueError, KeyError, TypeError) as error:
            parser.exit(1, f"cannot ask {given.url} ({type(error).__name__}); is it up? Or name a --body FILE\n")
        url = given.url if urlsplit(given.url).path.strip("/") else urljoin(given.url, "/predict")
        limits = {"seconds": given.seconds, "timeout_ms": given.timeout_ms, "connections": given.connections}
        runner.run(run(url, body, result, **limits))
    print(msgspec.json.encode(result.summary()).decode() if given.json else table(result.summary()))
    return 0 if result.sent > 0 and result.statuses["200"] == result.sent and not result.errors else 1


if __name__ == "__main__":
    raise SystemExit(main())
