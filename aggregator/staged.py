"""The reports of a cascade's stages as the one report that leaves with its answer."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from aggregator.member import Member
from aggregator.stages import Stages
from models.types import MemberReport, Report, Settled


@dataclass(frozen=True, slots=True)
class Heard:
    """What became of a stage that was asked about so many `rows`; `met`: it had its quorum."""

    report: Report
    rows: int
    met: bool

    def after(self, began: float) -> float:
        """How long after `began` it was asked; that may have had to wait for its turn."""
        return 0.0 if self.report.settled is None else self.report.settled.began - began


def report_of_stages(
    heard: Mapping[int, Heard],
    unneeded: Mapping[int, Sequence[Member]],
    places: Mapping[str, int],
    state: Stages,
    began: float,
) -> Report:
    """Who was asked in which stage, and what became of each; whoever was `unneeded` is in it, too.

    `places` are where the votes of each member lie in `state`. The quorum is that of the last stage that had its own.
    """
    reports = [one.report for one in heard.values()]
    complete = all(one.met and one.report.status == "complete" for one in heard.values())
    speaking = heard[max((number for number, one in heard.items() if one.met), default=max(heard))].report
    return Report(
        status="complete" if complete else "partial",
        degraded=not complete or any(report.degraded for report in reports),
        asked=sum(report.asked for report in reports),
        answered=sum(report.answered for report in reports),
        quorum=speaking.quorum,
        members=dict([*_asked(heard, places, state, began), *_unneeded(unneeded)]),
        settled=_settled(heard[max(heard)], began),
        labels=speaking.labels,
    )


def _asked(
    heard: Mapping[int, Heard], places: Mapping[str, int], state: Stages, began: float
) -> Iterator[tuple[str, MemberReport]]:
    """What each said has a place for every row of the request, whichever it was asked about.

    What went on in a member that is an ensemble is left out where that was not asked about all.
    """
    for number, one in heard.items():
        for name, said in one.report.members.items():
            scores = None if said.scores is None else state.scores[places[name]]
            nested = one.report.nested(name) if one.rows == len(state.decided) else None
            yield name, replace(said, scores=scores, report=nested, stage=number, after=one.after(began))


def _unneeded(members: Mapping[int, Sequence[Member]]) -> Iterator[tuple[str, MemberReport]]:
    for number, several in members.items():
        for one in several:
            yield one.name, MemberReport("unneeded", one.weight, one.served.version, stage=number)


def _settled(last: Heard, began: float) -> Settled | None:
    """When the answer was known: with the last stage that was asked."""
    settled = last.report.settled
    return settled and Settled(began, last.after(began) + settled.elapsed, settled.by, settled.late)
