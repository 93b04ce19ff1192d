"""Whether a shadow changes an answer or a latency: python -m benchmarks.shadow

One run of one server that has an ensemble of breast-cancer models, and the same ensemble with a candidate beside it: a
healthy one, one that is stopped (SIGSTOP), one at an address where nobody listens, one that says NaN. They take turns,
five requests each at 100 a second, in an order that is drawn anew for every round: whatever disturbs the machine
disturbs all of them alike. Requests come at a constant rate; latencies count from when each was meant to leave. The
95 % intervals are of a bootstrap over the rounds: where that of a difference holds zero, no difference is shown. Trains
the models if the registry lacks them.
"""

import argparse
import asyncio
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import numpy as np

from models.registry import Registry
from models.training import train
from models.types import Array

DATASET = "breast-cancer"
MEMBERS = ("logreg", "forest", "hist-gb", "mlp")
ALONE = "no shadow"
CANDIDATES = ("healthy", "stopped", "dead", "nan")
NAN = """
import numpy as np

def nan(columns):
    return np.full((len(next(iter(columns.values()))), 2), np.nan)
"""
LEVELS = (0.5, 0.99)
RESAMPLES, SAME = 2000, 1e-6
WARM_UP_SECONDS, SLICE_SECONDS = 2.0, 0.05


@dataclass(slots=True)
class Found:
    """Of one contestant: seconds of each request, by round; what was not as it should be."""

    rounds: list[list[float]] = field(default_factory=list)
    wrong: Counter[str] = field(default_factory=Counter)


def configuration(registry: Registry, folder: Path) -> Path:
    """A server with the ensemble, and a shadow of it for each candidate; who is stopped is not replaced."""
    (folder / "nonsense.py").write_text(NAN)
    signature = registry.manifest(f"{DATASET}/{MEMBERS[0]}").signature
    described = f"features = {list(signature.features)}\nlabels = {list(signature.labels)}\n"
    tables = [f'[server]\naccess_log = false\nhung_ms = 0\n[registry]\npath = "{registry.path.resolve()}"\n']
    tables += [f'[backends.{name}]\nmodel = "{DATASET}/{name}"\n' for name in MEMBERS]
    tables += [f'[backends.{name}]\nmodel = "{DATASET}/xgboost"\n' for name in ("healthy", "stopped")]
    tables.append(f'[backends.dead]\nurl = "http://127.0.0.1:9"\nmodel = "x"\n{described}')
    tables.append(f'[backends.nan]\npython = "nonsense:nan"\n{described}')
    tables.append(f"[ensembles.alone]\nmembers = {list(MEMBERS)}\n")
    tables += [f'[shadows.with-{name}]\nprimary = "alone"\ncandidates = ["{name}"]\n' for name in CANDIDATES]
    path = folder / "chorus.toml"
    path.write_text("".join(tables))
    return path


@contextmanager
def running(config: Path) -> Iterator[str]:
    """The address of a server of `config`."""
    command = [sys.executable, "-m", "server", "serve", "--config", str(config), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        line = next((line for line in process.stdout if "ready in" in line), "")
        try:
            yield line.partition(" at ")[2].split(";")[0].strip()
        finally:
            process.terminate()


async def measured(origin: str, rows: Sequence[Any], rate: float, rounds: int) -> dict[str, Found]:
    """Every contestant in turn."""
    urls = {ALONE: "alone"} | {name: f"with-{name}" for name in CANDIDATES}
    found = {name: Found() for name in urls}
    order, drawn = list(urls), random.Random(7)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=256)) as session:
        pid = await _process(session, origin, "stopped")
        os.kill(pid, signal.SIGSTOP)
        try:
            asking = [_Asking(session, f"{origin}/v1/models/{urls[name]}:predict", rows, rate) for name in order]
            by_name = dict(zip(order, asking, strict=True))
            for name in order:
                await by_name[name].slice(Found(), WARM_UP_SECONDS)
            for _ in range(rounds):
                drawn.shuffle(order)
                for name in order:
                    await by_name[name].slice(found[name], SLICE_SECONDS)
            for name in CANDIDATES:
                one = (await _state(session, origin, f"with-{name}"))["comparisons"][name]
                print(f"{name:<10}{one['asked']:>7} asked, {one['dropped']} dropped, fates {one['fates']}")
        finally:
            os.kill(pid, signal.SIGCONT)
    return found


async def _process(session: aiohttp.ClientSession, origin: str, name: str) -> int:
    """The process of a backend, once it is ready."""
    for _ in range(100):
        state = await _state(session, origin, name)
        if state["state"] == "ready" and state["pid"]:  # 0 would be our own group
            return int(state["pid"])
        await asyncio.sleep(0.1)
    raise RuntimeError(f"{name} is not ready: {state['state']}")


class _Asking:
    """One contestant: requests at a constant rate, each counted from when it was meant to leave."""

    expected: dict[int, Array] = {}  # noqa: RUF012 - of all contestants: by row, what the first one said

    def __init__(self, session: aiohttp.ClientSession, url: str, rows: Sequence[Any], rate: float) -> None:
        self._session = session
        self._url = url
        self._bodies = [msgspec.json.encode({"instances": [row]}) for row in rows]
        self._rate = rate

    async def slice(self, found: Found, seconds: float) -> None:
        found.rounds.append([])
        start = time.perf_counter() + 0.01
        tasks = []
        for index in range(round(seconds * self._rate)):
            intended = start + index / self._rate
            await asyncio.sleep(max(0.0, intended - time.perf_counter()))
            tasks.append(asyncio.create_task(self._ask(found, intended, index % len(self._bodies))))
        await asyncio.gather(*tasks)

    async def _ask(self, found: Found, intended: float, row: int) -> None:
        headers = {"Content-Type": "application/json"}
        async with self._session.post(self._url, data=self._bodies[row], headers=headers) as response:
            answer = msgspec.json.decode(await response.read())
        found.rounds[-1].append(time.perf_counter() - intended)
        if response.status != 200 or answer["outcome"]["status"] != "complete":
            found.wrong[f"{response.status} {answer.get('outcome', answer).get('status')}"] += 1
            return
        said = np.array(answer["probabilities"])
        if np.abs(said - self.expected.setdefault(row, said)).max() > SAME:
            found.wrong["another answer"] += 1


async def _state(session: aiohttp.ClientSession, origin: str, name: str) -> dict[str, Any]:
    async with session.get(f"{origin}/debug/backends/{name}") as response:
        state: dict[str, Any] = msgspec.json.decode(await response.read())
        return state


def quantiles(found: Found, chosen: Array) -> Array:
    """The latencies at `LEVELS` over the rounds `chosen`, in milliseconds."""
    pooled = np.concatenate([found.rounds[one] for one in chosen])
    return np.asarray(1e3 * np.quantile(pooled, LEVELS))


def report(found: dict[str, Found]) -> None:
    rounds = len(found[ALONE].rounds)
    drawn = np.random.default_rng(7).integers(0, rounds, (RESAMPLES, rounds))
    base = np.stack([quantiles(found[ALONE], one) for one in drawn])
    print(f"\n{'':<10}{'requests':>9}{'wrong':>7}{'p50 ms':>9}{'p99 ms':>9}   p50, p99 less those of no shadow")
    for name, one in found.items():
        p50, p99 = quantiles(one, np.arange(rounds))
        line = f"{name:<10}{sum(map(len, one.rounds)):>9}{sum(one.wrong.values()):>7}{p50:>9.2f}{p99:>9.2f}"
        if name != ALONE:
            differences = np.stack([quantiles(one, sample) for sample in drawn]) - base
            values = np.array([p50, p99]) - quantiles(found[ALONE], np.arange(rounds))
            for value, (low, high) in zip(values, np.quantile(differences, (0.025, 0.975), axis=0).T, strict=True):
                line += f"   {value:+.2f} ({low:+.2f}, {high:+.2f})" + (" shown" if low > 0 or high < 0 else "")
        print(line + (f" {dict(one.wrong)}" if one.wrong else ""))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--registry", type=Path, default=Path(".chorus/registry"), help="[default: %(default)s]")
    parser.add_argument("--rate", type=float, default=100, help="requests a second [default: %(default)g]")
    parser.add_argument("--rounds", type=int, default=600, help="of 50 ms for each [default: %(default)s]")
    given = parser.parse_args()
    registry = Registry(given.registry)
    lacking = [name for name in (*MEMBERS, "xgboost") if registry.missing([f"{DATASET}/{name}"])]
    if lacking:
        train(DATASET, registry, only=lacking)
    rows = registry.manifest(f"{DATASET}/{MEMBERS[0]}").examples
    with tempfile.TemporaryDirectory() as folder, running(configuration(registry, Path(folder))) as origin:
        report(asyncio.run(measured(origin, rows, given.rate, given.rounds)))


if __name__ == "__main__":
    main()
