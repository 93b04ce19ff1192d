"""Locust users who ask a Chorus for what its own example rows say, and the share of each status of the answers.

    pip install locust
    locust -f loadtest/locustfile.py --host http://127.0.0.1:8080 --model breast-cancer
    locust -f loadtest/locustfile.py --host http://127.0.0.1:8080 --headless -u 20 -r 20 -t 30s

Each user asks `--asks` times a second as long as answers are fast enough, then less: a closed loop. The figures of an
open loop, whose latencies count what a stall held up, are those of `chorus bench --rate`.

Not a part of Chorus: locust is installed by whoever wants it.
"""

import json
import random
from argparse import ArgumentParser
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import quote
from urllib.request import urlopen

from locust import FastHttpUser, events, task
from locust.env import Environment

PATIENCE_S = 10
statuses: Counter[str] = Counter()


@events.init_command_line_parser.add_listener
def add_options(parser: ArgumentParser) -> None:
    parser.add_argument("--model", default="", help="the model or ensemble to ask; else the server's default")
    parser.add_argument("--rows", default="", help="a file with a row of JSON on each line; else the server's examples")
    parser.add_argument("--asks", type=float, default=10.0, help="how often each user asks in a second, at most")


class Asker(FastHttpUser):
    """Asks about one row after the other."""

    network_timeout = connection_timeout = float(PATIENCE_S)

    def on_start(self) -> None:
        options = self.environment.parsed_options
        self.model = options.model or _get(self.host, "/")["default"]
        self.path = f"/v1/models/{quote(self.model, safe='')}:predict"
        self.bodies = [json.dumps({"instances": [row]}) for row in _rows(self.host, self.model, options.rows)]

    def wait_time(self) -> float:
        return random.uniform(0.5, 1.5) / self.environment.parsed_options.asks

    @task
    def ask(self) -> None:
        headers, body = {"Content-Type": "application/json"}, random.choice(self.bodies)
        with self.client.post(self.path, body, headers=headers, name=self.model, catch_response=True) as response:
            if response.status_code == 200:
                statuses[response.json()["outcome"]["status"]] += 1
            else:
                statuses[f"HTTP {response.status_code}"] += 1


@events.quitting.add_listener
def show(environment: Environment, **_: Any) -> None:
    total = sum(statuses.values())
    if total:
        print("Answers by status:")
        for status, count in statuses.most_common():
            print(f"  {status:<10} {count:>8}  {count / total:7.2%}")


def _rows(host: str | None, model: str, file: str) -> list[Any]:
    """Those of a file; else all examples that the server shows to whom it trusts; else the one that all may see."""
    if file:
        return [json.loads(line) for line in Path(file).read_text().splitlines() if line.strip()]
    try:
        return _get(host, f"/debug/backends/{quote(model, safe='')}/examples")["instances"]
    except URLError:
        return _get(host, "/")["models"][model]["example"]["instances"]


@cache
def _get(host: str | None, path: str) -> Any:
    """What the server says, asked once for all users."""
    with urlopen(f"{(host or '').rstrip('/')}{path}", timeout=PATIENCE_S) as answer:
        return json.load(answer)
