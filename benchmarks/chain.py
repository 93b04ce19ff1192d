"""How a slow preprocessor holds up a chain: python -m benchmarks.chain

Two servers: one that prepares, and takes as long as its request says; one with a chain that asks it over HTTP and then
an ensemble of three breast-cancer models, under one deadline. Requests come one by one; for every tenth the
preprocessor takes three times as long as there is (were it one in four, its breaker would open, and 503 leave at once).
Printed is how long answers took, and how often the ensemble was asked: for the prompt ones alone.
"""

import argparse
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import msgspec
import numpy as np

from benchmarks.chorus import ensemble, local, start
from benchmarks.process import Server
from models.registry import Registry
from models.training import train

DATASET = "breast-cancer"
MEMBERS = ("logreg", "forest", "mlp")
MADE = "mean radius"
SLOW = 3.0  # times the deadline
PROMPT = 9  # requests before each slow one
FUNCTION = """
import time

def prepare(columns):
    time.sleep(float(columns["delay"].max()))
    return {"mean radius": columns["diameter"] / 2}
"""
DESCRIBED = f'features = ["diameter", "delay"]\ntask = "transform"\noutputs = ["{MADE}"]\n'


def ask(server: Server, path: str, body: Any = None) -> tuple[int, Any]:
    """One request, and its answer."""
    request = Request(f"{server.origin}{path}", None if body is None else msgspec.json.encode(body))
    try:
        with urlopen(request, timeout=60) as response:
            return response.status, msgspec.json.decode(response.read())
    except HTTPError as error:
        return error.code, msgspec.json.decode(error.read())


def wait_until_ready(server: Server) -> None:
    """Until it knows what the other server's model takes and gives."""
    for _ in range(200):
        if ask(server, "/v2/models/chain/ready")[0] == 200:
            return
        time.sleep(0.05)
    raise RuntimeError("the preprocessor was not found")


def measured(server: Server, row: dict[str, float], timeout_ms: float, count: int) -> None:
    """`count` slow requests, after `PROMPT` prompt ones each."""
    took: dict[str, list[float]] = {"prompt": [], "slow": []}
    statuses: dict[str, Counter[int]] = {name: Counter() for name in took}
    for _ in range(count):
        for name, delay in [*[("prompt", 0.0)] * PROMPT, ("slow", SLOW * timeout_ms / 1e3)]:
            body = {"instances": [row | {"delay": delay}], "parameters": {"timeout_ms": timeout_ms}}
            began = time.perf_counter()
            status, _ = ask(server, "/v1/models/chain:predict", body)
            took[name].append(1e3 * (time.perf_counter() - began))
            statuses[name][status] += 1
            time.sleep(delay)  # what nobody waits for any more is done before the next one comes
    print(f"{'':<8}{'requests':>9}{'p50 ms':>9}{'p99 ms':>9}{'max ms':>9}   HTTP status, deadline {timeout_ms:g} ms")
    for name, values in took.items():
        p50, p99, most = (float(np.quantile(values, level)) for level in (0.5, 0.99, 1))
        print(f"{name:<8}{len(values):>9}{p50:>9.1f}{p99:>9.1f}{most:>9.1f}   {dict(statuses[name])}")
    asked = {name: ask(server, f"/debug/backends/{name}")[1]["asked"] for name in ("prepare", "vote")}
    print(f"the preprocessor was asked {asked['prepare']} times, the ensemble {asked['vote']}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--registry", type=Path, default=Path(".chorus/registry"), help="[default: %(default)s]")
    parser.add_argument("--timeout-ms", type=float, default=100, help="of each request [default: %(default)g]")
    parser.add_argument("--requests", type=int, default=100, help="that are slow [default: %(default)s]")
    given = parser.parse_args()
    registry = Registry(given.registry)
    if lacking := [name for name in MEMBERS if registry.missing([f"{DATASET}/{name}"])]:
        train(DATASET, registry, only=lacking)
    manifest = registry.manifest(f"{DATASET}/{MEMBERS[0]}")
    row = {
        name: float(str(value)) for name, value in zip(manifest.signature.features, manifest.examples[0], strict=True)
    }
    row["diameter"] = 2 * row.pop(MADE)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "own.py").write_text(FUNCTION)
        path, far = given.registry.absolute(), f'[backends.prepare]\npython = "own:prepare"\n{DESCRIBED}'
        with start("far", far, path, Path(folder)) as preparing:
            near = f'[backends.prepare]\nurl = "{preparing.origin}"\nmodel = "prepare"\n{DESCRIBED}'
            near += "".join(local(name, inline=True) for name in MEMBERS) + ensemble(MEMBERS, "vote")
            near += '[chains.chain]\nsteps = ["prepare", "vote"]\n'
            with start("near", near, path, Path(folder)) as server:
                wait_until_ready(server)
                measured(server, row, given.timeout_ms, given.requests)


if __name__ == "__main__":
    main()
