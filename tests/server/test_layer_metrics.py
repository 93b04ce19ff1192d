from prometheus_client.metrics_core import Metric

from models.deadline import deadline_after
from server.layer_metrics import of_layers
from server.settings import BackendSettings
from tests.fakes import Fake, ones, serve, sure
from tests.layered import behind_layers


def samples(metrics: dict[str, Metric], name: str) -> dict[tuple[str, ...], float]:
    return {tuple(sample.labels.values()): sample.value for sample in metrics[name].samples}


async def test_what_the_layers_count_is_told() -> None:
    served = behind_layers("m", [Fake(sure(1)), Fake(sure(1))], BackendSettings(cache=True))
    for _ in range(3):
        await served.backend(ones(), deadline_after(1))
    metrics = {metric.name: metric for metric in of_layers([served, serve("ensemble", Fake(sure(1)))])}
    assert samples(metrics, "chorus_tries") == {("m",): 1}
    assert samples(metrics, "chorus_cache_hits") == {("m",): 2}
    assert samples(metrics, "chorus_cache_misses") == {("m",): 1}
    assert samples(metrics, "chorus_cache_entries") == {("m",): 1}
    assert samples(metrics, "chorus_limit_room") == {("m",): 32}
    states = samples(metrics, "chorus_breaker_state")
    assert states["m", "m-0", "closed"] == states["m", "m-1", "closed"] == 1
    assert states["m", "m-0", "open"] == states["m", "m-0", "half-open"] == 0
    assert samples(metrics, "chorus_breaker_opens") == {("m", "m-0"): 0, ("m", "m-1"): 0}


async def test_without_a_cache_there_is_none_to_tell_of() -> None:
    metrics = {metric.name: metric for metric in of_layers([behind_layers("m", [Fake(sure(1))])])}
    assert samples(metrics, "chorus_cache_entries") == {}
