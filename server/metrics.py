"""`GET /metrics`: what is counted anyway, in Prometheus' words, put together only when it is asked for."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.metadata import version

from aiohttp import web
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, InfoMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from backends.histogram import Histogram
from backends.outcomes import Outcomes, PartOutcomes
from backends.served import Served
from server.composition import Composition
from server.families import Family, Place, Shown, added, families_of
from server.fronts import ABOUT, About
from server.kept import KEPT, decoded
from server.layer_metrics import of_layers
from server.peers import PEERS, Kind
from server.traffic import Traffic

REGISTRY: web.AppKey[CollectorRegistry] = web.AppKey("registry", CollectorRegistry)


def metrics_registry(
    composition: Callable[[], Composition],
    traffic: Traffic,
    about: Callable[[], About | None],
    load: Callable[[], Iterable[Metric]] = tuple,
) -> CollectorRegistry:
    """Everything that this process can tell, read anew at every scrape; `load`: what is known of it."""
    registry = CollectorRegistry(auto_describe=False)
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)
    registry.register(Everything(composition, traffic, about, load))
    return registry


async def metrics(request: web.Request) -> web.Response:
    """All metrics of the whole server, in the format that the caller accepts."""
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    body = encode(await of_the_server(request.app))
    return web.Response(body=body, headers={"Content-Type": content_type})


async def of_the_server(app: web.Application) -> Collector:
    """What all fronts say; of those who say nothing, the counters that they have shown last."""
    if KEPT not in app:
        return app[REGISTRY]
    heard = await app[PEERS].ask(Kind.METRICS, None, list[Family])
    silent = [app[KEPT].last_of(name) for name in heard.missing]
    missing = Family("chorus_front_up", "", "gauge", tuple((_up(name), 0.0) for name in heard.missing))
    return Shown(added([decoded(kept(app)), *heard.said, *silent, [missing]]))


def kept(app: web.Application) -> bytes:
    """What this front alone has to say, encoded, and kept first."""
    registry, own = app[REGISTRY], {"front": app[ABOUT]().name}
    metrics = registry.collect()
    return app[KEPT].keep(families_of(metrics, lambda name: {} if name.startswith("chorus_") else own))


def _up(front: str) -> Place:
    return "chorus_front_up", (("front", front),)


class Everything(Collector):
    """The statistics of the composition of the moment, and of the HTTP traffic."""

    def __init__(
        self,
        composition: Callable[[], Composition],
        traffic: Traffic,
        about: Callable[[], About | None],
        load: Callable[[], Iterable[Metric]],
    ) -> None:
        self._composition = composition
        self._traffic = traffic
        self._about = about
        self._load = load

    def collect(self) -> Iterable[Metric]:
        composition = self._composition()
        served = tuple(composition.served.values())
        yield InfoMetricFamily("chorus_build", "The version that runs.", {"version": version("chorus-serve")})
        yield from _of_front(self._about())
        yield from _of_http(self._traffic)
        yield from _of_backends(composition, served)
        yield from _of_calls(served)
        yield from _of_batches(served)
        yield from _of_ensembles({one.name: one.outcomes for one in served if isinstance(one.outcomes, Outcomes)})
        yield from _of_parts({one.name: one.outcomes for one in served if isinstance(one.outcomes, PartOutcomes)})
        yield from _of_kinds(served)
        yield from of_layers(served)
        yield from self._load()


def _of_front(about: About | None) -> Iterator[Metric]:
    if about is None:
        return
    up = GaugeMetricFamily("chorus_front_up", "Whether it answered when this was put together.", labels=("front",))
    connections = GaugeMetricFamily("chorus_front_connections", "Connections that are open.", labels=("front",))
    accepted = CounterMetricFamily("chorus_front_accepted", "Connections that were taken.", labels=("front",))
    for family, value in ((up, 1), (connections, about.connections), (accepted, about.accepted)):
        family.add_metric((about.name,), value)
    yield from (up, connections, accepted)


def _of_http(traffic: Traffic) -> Iterator[Metric]:
    requests = CounterMetricFamily(
        "chorus_http_requests", "HTTP requests that ended.", labels=("method", "route", "status")
    )
    for (method, route, status), count in traffic.requests.items():
        requests.add_metric((method, route, str(status)), count)
    yield requests
    yield _histograms(
        "chorus_http_request_duration_seconds",
        "From the headers to the answer.",
        "route",
        traffic.durations.items(),
    )


def _of_backends(composition: Composition, served: Iterable[Served]) -> Iterator[Metric]:
    ready = GaugeMetricFamily("chorus_backend_ready", "Whether it can be asked now.", labels=("backend",))
    restarts = CounterMetricFamily("chorus_backend_restarts", "Restarts of its process.", labels=("backend",))
    in_flight = GaugeMetricFamily("chorus_backend_in_flight", "Calls that have not ended.", labels=("backend",))
    queued = GaugeMetricFamily("chorus_backend_queue_length", "Calls that wait for their turn.", labels=("backend",))
    drill = GaugeMetricFamily("chorus_backend_drill", "Whether a drill is on there.", labels=("backend",))
    for one in served:
        ready.add_metric((one.name,), composition.ready(one))
        restarts.add_metric((one.name,), one.state.restarts)
        in_flight.add_metric((one.name,), one.statistics.in_flight)
        queued.add_metric((one.name,), one.statistics.waiting)
        drill.add_metric((one.name,), one.state.drill is not None)
    yield from (ready, restarts, in_flight, queued, drill)


def _of_calls(served: Iterable[Served]) -> Iterator[Metric]:
    calls = CounterMetricFamily("chorus_calls", "Calls that ended.", labels=("backend", "fate", "reason"))
    for one in served:
        for fate_and_reason, count in one.statistics.fates.items():
            fate, _, reason = fate_and_reason.partition(": ")
            calls.add_metric((one.name, fate, reason), count)
    yield calls
    yield _histograms(
        "chorus_call_duration_seconds",
        "Calls that were answered.",
        "backend",
        [(one.name, one.statistics.durations) for one in served],
    )
    yield _histograms(
        "chorus_call_rows", "Rows in a call.", "backend", [(one.name, one.statistics.rows) for one in served]
    )


def _of_batches(served: Iterable[Served]) -> Iterator[Metric]:
    batched = {one.name: batching for one in served if (batching := one.statistics.batching) is not None}
    under_way = GaugeMetricFamily(
        "chorus_batches_under_way", "Batches that the next one waits for.", labels=("backend",)
    )
    for name, batching in batched.items():
        under_way.add_metric((name,), batching.under_way)
    yield under_way
    yield _histograms(
        "chorus_batch_rows",
        "Rows in what was asked at once, for one call or for several.",
        "backend",
        [(name, batching.rows) for name, batching in batched.items()],
    )


def _of_ensembles(ensembles: Mapping[str, Outcomes]) -> Iterator[Metric]:
    answers = CounterMetricFamily("chorus_answers", "Answers by status.", labels=("ensemble", "status"))
    fates = CounterMetricFamily(
        "chorus_member_fates", "What became of members.", labels=("ensemble", "member", "fate", "reason")
    )
    saved = CounterMetricFamily(
        "chorus_early_saved_seconds", "Time saved by leaving when the answer was decided.", labels=("ensemble",)
    )
    agreement: list[tuple[str, Histogram]] = []
    for name, outcomes in ensembles.items():
        for status, count in outcomes.statuses.items():
            answers.add_metric((name, status), count)
        for (member, fate, reason), count in outcomes.fates.items():
            fates.add_metric((name, member, fate, reason), count)
        saved.add_metric((name,), outcomes.saved)
        agreement.append((name, outcomes.agreement))
    yield from (answers, fates, saved)
    yield _histograms("chorus_agreement", "The share of weight behind each row's answer.", "ensemble", agreement)


def _of_parts(composites: Mapping[str, PartOutcomes]) -> Iterator[Metric]:
    fates = CounterMetricFamily(
        "chorus_part_fates",
        "What became of the parts of compositions that are no ensembles.",
        labels=("composition", "part", "fate", "reason"),
    )
    for name, outcomes in composites.items():
        for (part, fate, reason), count in outcomes.fates.items():
            fates.add_metric((name, part, fate, reason), count)
    yield fates


def _of_kinds(served: Iterable[Served]) -> Iterator[Metric]:
    """What a kind of composite counts by itself: one family for each name, whoever has it."""
    families: dict[str, CounterMetricFamily | GaugeMetricFamily] = {}
    for one in served:
        for measure in one.measures():
            family = families.get(measure.name)
            if family is None:
                of = CounterMetricFamily if measure.kind == "counter" else GaugeMetricFamily
                labels = ("composition", *measure.labels)
                family = families[measure.name] = of(f"chorus_{measure.name}", measure.about, labels=labels)
            family.add_metric((one.name, *measure.labels.values()), measure.value)
    yield from families.values()


def _histograms(
    name: str, documentation: str, label: str, histograms: Iterable[tuple[str, Histogram]]
) -> HistogramMetricFamily:
    family = HistogramMetricFamily(name, documentation, labels=(label,))
    for value, histogram in histograms:
        bounds = [*map(str, histogram.bounds), "+Inf"]
        family.add_metric((value,), list(zip(bounds, histogram.cumulative(), strict=True)), histogram.sum)
    return family
