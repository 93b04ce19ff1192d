"""From the voices of a fan-out to the report that leaves with its answer, or with the error."""

from collections.abc import Mapping, Sequence

import msgspec

from aggregator.member import Member
from aggregator.tally import Frozen, Quorum, Voice
from models.errors import InputRejected, NoQuorum
from models.types import MemberReport, Report, Settled


def _member_reports(members: Sequence[Member], voices: Sequence[Voice]) -> Mapping[str, MemberReport]:
    return {
        member.name: MemberReport(
            voice.fate, member.weight, member.served.version, voice.reason, voice.elapsed, voice.scores, voice.report
        )
        for member, voice in zip(members, voices, strict=True)
    }


class Roll(msgspec.Struct, frozen=True, eq=False):
    """What became of everyone, which is the same for all who leave at the same moment."""

    members: Mapping[str, MemberReport]
    answered: int
    degraded: bool  # whether an answer of theirs was


def roll_of(members: Sequence[Member], voices: Sequence[Voice]) -> Roll:
    """What became of each of `members`."""
    answered = sum(voice.fate == "ok" for voice in voices)
    return Roll(_member_reports(members, voices), answered, any(voice.degraded for voice in voices))


def report_of(roll: Roll, quorum: Quorum, frozen: Frozen, settled: Settled, labels: tuple[str, ...]) -> Report:
    """Who was asked, and what became of each."""
    return Report(
        status=frozen.status or "partial",
        degraded=roll.degraded or frozen.status == "partial",
        asked=len(frozen.voices),
        answered=roll.answered,
        quorum=quorum.count,
        members=roll.members,
        agreement=frozen.agreement,
        entropy=frozen.entropy,
        settled=settled,
        labels=labels,
        rows=frozen.rows,
    )


def no_quorum(report: Report, disabled: Sequence[str] = ()) -> NoQuorum:
    """The error for a report without enough answers; late if anyone was waited for in vain.

    `disabled` members were not asked, and are missed all the same.
    """
    missing = [
        f"{name} {said.fate} {said.reason}".strip() for name, said in report.members.items() if said.fate != "ok"
    ]
    message = f"{report.answered} of {report.asked} members answered, the quorum is {report.quorum}"
    if disabled:
        message += f"; disabled: {', '.join(disabled)}"
    late = any(said.fate == "late" for said in report.members.values())
    heard = [said.reason for said in report.members.values() if said.fate not in ("ok", "unneeded")]
    return NoQuorum(
        f"{message} ({'; '.join(missing)})" if missing else message,
        report,
        late=late,
        rejected=bool(heard) and set(heard) == {InputRejected.reason},
    )
