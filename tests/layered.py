"""Backends with all of their layers, as a server has them, around fakes, and ensembles of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from aggregator.ensemble import Ensemble, Terms
from aggregator.member import assemble
from aggregator.reaper import Reaper
from aggregator.rules import make_rule
from backends.base import Backend, stack
from backends.circuit import Circuit
from backends.layers.gate import Gate
from backends.replica import Replica
from backends.served import Served, State
from models.errors import BackendError
from models.types import InferResponse
from server.layering import drilled, guarded, layered, replicated, spare_beside, vitals_of
from server.settings import BackendSettings
from server.spares import Spares
from tests.fakes import YES_NO, now, serve

PLAIN = BackendSettings()


def behind_layers(
    name: str,
    fakes: Sequence[Backend],
    settings: BackendSettings = PLAIN,
    spare: Callable[[], bool] = lambda: True,
) -> Served:
    """A model at as many addresses as there are `fakes`; the waits of its breakers have nothing added by chance."""
    vitals, state = vitals_of(settings), State()
    replicas: list[Replica] = []
    for at, fake in enumerate(fakes):
        own, circuit = State(), Circuit(f"{name}-{at}", chance=lambda: 0.0)
        judged = guarded(settings, vitals, own, circuit, spare_beside(replicas, at, spare), clock=now)
        gated = Gate(stack(fake, *judged, *drilled(True, state, YES_NO, vitals)), state=own)
        replicas.append(Replica(f"{name}-{at}", gated, own, circuit))
    inner = replicated(replicas, settings, vitals, idempotent=True, clock=now)
    backend = layered(inner, settings, vitals, state, name, "1", clock=now)
    return Served(
        name,
        backend,
        YES_NO,
        "1",
        1.0,
        state=state,
        statistics=vitals.statistics,
        vitals=vitals,
        replicas=tuple(replicas),
        retries=settings.retry,
    )


class Vote:
    """An ensemble over `members`, each a fake or several, behind their layers; and over `others` as they are."""

    def __init__(
        self,
        members: Mapping[str, Backend | Sequence[Backend]],
        *others: Served,
        terms: Terms = Terms(early=False),  # noqa: B008 - frozen
        settings: BackendSettings = PLAIN,
        required: Sequence[str] = (),
    ) -> None:
        self.spares = Spares()
        self.served = {one.name: one for one in others}
        for name, fakes in members.items():
            several = fakes if isinstance(fakes, Sequence) else [fakes]
            self.served[name] = behind_layers(name, several, settings, self.spares.of(name))
        signature, assembled = assemble(list(self.served.values()), {}, required)
        self.ensemble = Ensemble(
            assembled, signature, make_rule("hard", "classification", 2), terms, reaper=Reaper(), clock=now
        )
        whole = replace(
            serve("vote", self.ensemble),
            kind="ensemble",
            parts=tuple(self.served),
            retries=True,
            answerable=self.ensemble.answerable,
        )
        self.spares.served = {**self.served, "vote": whole}

    def circuit(self, name: str) -> Circuit:
        """That of the first address of a member."""
        return self.served[name].replicas[0].circuit


def reasons(response: InferResponse) -> dict[str, str]:
    """What became of each member, in a word."""
    return {name: said.reason or said.fate for name, said in response.report.members.items()}


def reason(result: object) -> str:
    """What became of a call: `ok`, or the reason why not."""
    return result.reason if isinstance(result, BackendError) else "ok"
