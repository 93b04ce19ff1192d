"""The layers around a model, in their order; `backends.layers` has one file for each.

Outermost first: observe, gate, cache, coalesce, limit, batch, retry, hedge, replicas; around each address: gate,
breaker, rest, throttle, attempt, timeout, and drill, where drills are allowed.
"""

import time
from collections.abc import Callable, Sequence
from functools import partial

from backends.base import Backend, Layer, stack
from backends.circuit import Circuit
from backends.keep import Keep
from backends.layers.attempt import Attempt
from backends.layers.batch import Batch
from backends.layers.breaker import Breaker
from backends.layers.cache import Cache
from backends.layers.coalesce import Coalesce
from backends.layers.drill import Drilled
from backends.layers.gate import Gate
from backends.layers.hedge import Hedge
from backends.layers.limit import Limit
from backends.layers.observe import Observe
from backends.layers.replicas import Replicas
from backends.layers.retry import Retry
from backends.layers.timeout import Timeout
from backends.question import Question
from backends.replica import Replica
from backends.served import State
from backends.statistics import Statistics
from backends.vitals import Vitals, fresh_vitals
from models.types import Signature
from server.batching import batching_of
from server.settings import BackendSettings, LocalSettings, PythonSettings, RemoteSettings

Spare = Callable[[], bool]
"""Whether whoever holds a backend can do without it now."""

Clock = Callable[[], float]


def vitals_of(settings: BackendSettings, counted: Statistics | None = None) -> Vitals:
    """What the layers of a backend share; `counted`: what was before it goes on with."""
    kept = settings.kept
    keep = None if kept is None else Keep(entries=kept.entries, most=kept.max_bytes, ttl=kept.ttl_s)
    vitals = fresh_vitals(settings.limit, keep, counted, timeout=settings.timeout)
    vitals.statistics.batching = batching_of(settings.batch, safe=isinstance(settings, LocalSettings))
    return vitals


def guarded(
    settings: BackendSettings,
    vitals: Vitals,
    state: State,
    circuit: Circuit,
    spare: Spare,
    *,
    between: Sequence[Layer] = (),
    clock: Clock = time.perf_counter,
) -> list[Layer]:
    """The layers of an address that may be left alone; some may come `between` the breaker and the try."""
    if not settings.breaker:
        return [*between, *tried(settings, vitals, clock=clock)]
    breaker = partial(Breaker, circuit=circuit, state=state, spare=spare, clock=clock)
    return [breaker, *between, *tried(settings, vitals, circuit, spare, clock=clock)]


def tried(
    settings: BackendSettings,
    vitals: Vitals,
    circuit: Circuit | None = None,
    spare: Spare = lambda: True,
    *,
    clock: Clock = time.perf_counter,
) -> list[Layer]:
    """One try: judged, and bounded in time."""
    attempt = partial(
        Attempt, latency=vitals.latency, statistics=vitals.statistics, circuit=circuit, spare=spare, clock=clock
    )
    return [attempt, partial(Timeout, seconds=settings.timeout)]


def drilled(
    allowed: bool, state: State, signature: Signature, vitals: Vitals, *, seconds: float | None = None
) -> list[Layer]:
    """What stands next to each address of a backend with that `state` where drills are `allowed`."""
    drill = partial(Drilled, state=state, signature=signature, statistics=vitals.statistics, seconds=seconds)
    return [drill] if allowed else []


def replicated(
    replicas: Sequence[Replica],
    settings: BackendSettings,
    vitals: Vitals,
    *,
    idempotent: bool,
    clock: Clock = time.perf_counter,
) -> Backend:
    """`replicas` as one backend, tried again where that is allowed."""
    free = not (isinstance(settings, RemoteSettings | PythonSettings) and settings.cost)
    together = Replicas(replicas, idempotent=idempotent, free=free, clock=clock)
    statistics, budget, latency = vitals.statistics, vitals.budget, vitals.latency
    backend: Backend = together if len(replicas) > 1 else replicas[0].backend
    if settings.hedge:
        backend = Hedge(
            together, budget=budget, bound=vitals.bound, latency=latency, statistics=statistics, clock=clock
        )
    if settings.retry and idempotent:
        backend = Retry(
            backend,
            budget=budget,
            latency=latency,
            statistics=statistics,
            is_askable=lambda: together.has_another(()),
            clock=clock,
        )
    return backend


def spare_beside(replicas: Sequence[Replica], index: int, spare: Spare) -> Spare:
    """Whether the replica at `index` can be done without: if there is another, or the backend is `spare` itself."""
    return lambda: any(one.there for at, one in enumerate(replicas) if at != index) or spare()


def layered(
    backend: Backend,
    settings: BackendSettings,
    vitals: Vitals,
    state: State,
    name: str,
    version: str,
    *,
    clock: Clock = time.perf_counter,
) -> Backend:
    """`backend` within what is around all of its addresses."""
    statistics = vitals.statistics
    limit = partial(
        Limit,
        bound=vitals.bound,
        waiting=settings.queue,
        statistics=statistics,
        latency=vitals.latency,
        budget=vitals.budget,
        clock=clock,
    )
    layers: list[Layer] = [
        partial(Observe, statistics=statistics, latency=vitals.latency, clock=clock),
        partial(Gate, state=state),
        *_remembering(settings, vitals, Question(name, version), clock),
        limit,
    ]
    if (batching := statistics.batching) is not None:
        layers.append(partial(Batch, batching=batching, at_once=_replicas(settings), clock=clock))
    return stack(backend, *layers)


def _remembering(settings: BackendSettings, vitals: Vitals, question: Question, clock: Clock) -> list[Layer]:
    """What answers without asking."""
    layers: list[Layer] = []
    if vitals.keep is not None:
        layers.append(partial(Cache, keep=vitals.keep, question=question, statistics=vitals.statistics, clock=clock))
    if settings.coalesce:
        layers.append(partial(Coalesce, question=question, statistics=vitals.statistics))
    return layers


def _replicas(settings: BackendSettings) -> int:
    """How many processes or addresses can be at work at once."""
    if isinstance(settings, RemoteSettings):
        return len(settings.urls)
    return settings.processes if isinstance(settings, LocalSettings | PythonSettings) else 1
