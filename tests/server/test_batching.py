"""Batches as the whole server shows them, whichever front is asked."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from backends.batching import Batching
from models.registry import Registry
from server.batching import batching_of, shown_batching
from server.means import with_means
from server.snapshots import added_up
from server.values import BatchSettings
from tests.running import MEMBERS, Running, write_config

REQUESTS = 40
ROWS = 3  # of each


def test_calls_are_asked_together_where_it_is_safe_unless_said_otherwise() -> None:
    assert batching_of(None, safe=False) is None
    assert batching_of(False, safe=True) is None
    made = [
        batching_of(None, safe=True),
        batching_of(True, safe=False),
        batching_of(BatchSettings(max_rows=7, max_waiting=9), safe=False),
    ]
    usual = BatchSettings()
    expected = [(usual.max_rows, usual.max_waiting)] * 2 + [(7, 9)]
    assert [(one.max_rows, one.max_waiting) for one in made if one is not None] == expected


def test_what_is_shown_of_batches_adds_up_over_fronts() -> None:
    assert shown_batching(None) == {"batch": None}
    first, second = Batching(max_rows=64), Batching(max_rows=64)
    for rows in (1, 2, 5):
        first.rows.add(rows)
    second.rows.add(5000)
    first.waiting, second.under_way = 3, 2
    for _ in range(3):
        first.cost("a").learn(2, 0.004)
    shown = with_means(added_up(shown_batching(first), shown_batching(second)))["batch"]
    assert (shown["max_rows"], shown["under_way"], shown["waiting"], shown["batches"]) == (64, 2, 3, 4)
    assert shown["mean_rows"] == 5008 / 4
    assert shown["rows"] == {"1": 1, "2": 1, "5": 1, "10000": 1}
    assert shown["takes_ms"]["a"] == {"per_row": pytest.approx(2), "per_call": 0}


@pytest.fixture(scope="module", params=[1, 2], ids=["one front", "two fronts"])
def server(
    trained: Registry, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("served")
    config = write_config(folder, trained.path, inline=True)
    with Running(config, folder, "--workers", str(request.param)) as running:
        yield running


@pytest.mark.processes
def test_every_request_is_in_a_batch_that_is_counted_once(server: Running, trained: Registry) -> None:
    row = trained.manifest("breast-cancer/logreg").examples[0]
    body = {"instances": [row] * ROWS}

    def ask(_: int) -> Any:
        return server.ask("/v1/models/soft:predict", body)

    with ThreadPoolExecutor(8) as clients:
        assert {status for status, _ in clients.map(ask, range(REQUESTS))} == {200}
    for path in ("soft", *MEMBERS):
        shown = server.ask(f"/debug/backends/{path}")[1]["batch"]
        assert 1 <= shown["batches"] <= REQUESTS
        assert round(shown["mean_rows"] * shown["batches"]) == REQUESTS * ROWS
        assert sum(shown["rows"].values()) == shown["batches"]
        assert (shown["under_way"], shown["waiting"]) == (0, 0)
    soft = server.ask("/debug/backends/soft")[1]["batch"]
    assert list(soft["takes_ms"]) == list(MEMBERS)
    metrics = server.answer("/metrics")[2].decode()
    assert 'chorus_batches_under_way{backend="soft"} 0.0' in metrics
    assert f'chorus_batch_rows_count{{backend="soft"}} {soft["batches"]:.1f}' in metrics
    assert re.search(rf'chorus_batch_rows_sum{{backend="soft"}} {REQUESTS * ROWS}\.0', metrics)
