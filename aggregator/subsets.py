"""Which members a request asks, and the quorum among them; requests that ask the same may share a fan-out."""

import math
import time
from collections.abc import Callable, Sequence
from operator import attrgetter

import numpy as np

from aggregator.batching import Rider, Sharing
from aggregator.brown_out import BrownOut
from aggregator.fanout import Fanout, Heard
from aggregator.member import Member
from aggregator.reaper import Reaper
from aggregator.rules import Rule
from aggregator.tally import Quorum, Tally, quorum_of
from aggregator.terms import Terms
from aggregator.weights import integer_weights
from backends.batching import Batching
from backends.served import Served
from models.deadline import Deadline
from models.errors import InvalidRequest
from models.types import Array, InferRequest, Parameters

KEPT = 64  # subsets: callers may name any of very many

_ENABLED = attrgetter("enabled")


class Subset:
    """Some members, who are asked together; `weights` (m,). `quorum` is that of a request that names none.

    `spared`: those that are not asked after all, and missed.
    """

    def __init__(
        self,
        members: Sequence[Member],
        weights: Array,
        quorum: Quorum,
        spared: frozenset[int],
        rule: Rule,
        classes: int,
        terms: Terms,
        sharing: Sharing | None,
        *,
        reaper: Reaper,
        clock: Callable[[], float],
    ) -> None:
        self.members = tuple(members)
        self.weights = weights
        self.quorum = quorum
        self.spared = spared
        self.lighter: dict[tuple[int, float, frozenset[int]], Subset] = {}  # by brown-out, share, and who is there
        self._rule = rule
        self._classes = classes
        self._linger = terms.linger
        self._reaper = reaper
        self._clock = clock
        names = [member.name for member in members]
        self._batches = None if sharing is None else sharing.batches(self.fanout, names, quorum.count)

    def quorum_of(self, count: int) -> Quorum:
        """The quorum of a request that asks for `count` answers."""
        return quorum_of(self.weights, count, None, sorted(self.quorum.required))

    def sparable(self, there: frozenset[int]) -> list[int]:
        """Those that an answer could do without all at once: the lightest first, of equals who takes longest.

        Nobody counts on those who are not `there`.
        """
        weights: list[float] = self.weights.tolist()
        order = sorted(there, key=lambda at: (weights[at], -_takes(self.members[at]), at))
        left, spared = set(there), []
        for at in order:
            if self.quorum.met_by(left - {at}, weights):
                left.discard(at)
                spared.append(at)
        return spared

    def join(self, rider: Rider) -> None:
        """Ask for `rider`, with others or alone. Whoever joins must `leave`."""
        if self._batches is not None:
            self._batches.join(rider)
        else:
            fanout = self.fanout(rider.request, rider.deadline)
            rider.board(fanout, slice(0, rider.rows))
            fanout.start()

    def leave(self, rider: Rider) -> None:
        """`rider` has its answer, or does not want it any more."""
        if self._batches is not None:
            self._batches.leave(rider)
        else:
            rider.leave()

    def fanout(
        self,
        request: InferRequest,
        deadline: Deadline,
        heard: Heard = lambda index, seconds, error: None,
        ended: Callable[[], None] = lambda: None,
    ) -> Fanout:
        """What asks everyone, once it is started."""
        tally = Tally(self._rule, self.weights, rows=request.rows, classes=self._classes)
        return Fanout(
            request,
            self.members,
            tally,
            deadline,
            reaper=self._reaper,
            linger=self._linger,
            heard=heard,
            ended=ended,
            spared=self.spared,
            clock=self._clock,
        )


class Subsets:
    """The subsets of `members` that requests ask, as they come up; the last `KEPT` of them that were asked for.

    Disabled members are not asked, and missed by nobody; but for those that are required, or that a request names.
    """

    def __init__(
        self,
        members: Sequence[Member],
        rule: Rule,
        classes: int,
        terms: Terms,
        *,
        reaper: Reaper,
        batching: Batching | None,
        brown_out: BrownOut | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._brown_out = brown_out or BrownOut()
        self._members = tuple(members)
        self._weights = integer_weights([member.weight for member in members])
        self._rule = rule
        self._classes = classes
        self._terms = terms
        self._reaper = reaper
        self._clock = clock
        names = [member.name for member in self._members]
        self._sharing = None if batching is None else Sharing(names, batching, clock=clock)
        self._states = [member.served.state for member in self._members]
        self._known: dict[tuple[tuple[int, ...], tuple[int, ...] | None], Subset] = {}
        self._everyone = self._made(tuple(range(len(self._members))), None)

    def of(self, parameters: Parameters) -> Subset:
        """Whom a request with `parameters` asks.

        Raises:
            InvalidRequest: it names a member that is not there, or leaves out one that is required.
        """
        subset = self._of(parameters)
        if parameters.members is not None or parameters.quorum is not None:
            return subset  # whoever says whom it wants has them
        share = self._brown_out.share(self._clock())
        return self._lighter(subset, share) if share else subset

    def _of(self, parameters: Parameters) -> Subset:
        if parameters.members is None and all(map(_ENABLED, self._states)):
            return self._everyone
        due = tuple(index for index, member in enumerate(self._members) if _is_due(member))
        named = None if parameters.members is None else self._named(parameters.members)
        subset = self._known.pop((due, named), None) or self._made(due, named)
        while len(self._known) >= KEPT:
            del self._known[next(iter(self._known))]
        self._known[due, named] = subset  # the last, until another is asked
        return subset

    def _lighter(self, subset: Subset, share: float) -> Subset:
        """`subset` without a `share` of those that an answer could do without: the same ones for all of a brown-out."""
        there = frozenset(at for at, member in enumerate(subset.members) if member.served.is_there)
        key = (self._brown_out.begun, share, there)
        lighter = subset.lighter.get(key)
        if lighter is None:
            for old in [old for old in subset.lighter if old[0] != key[0]]:
                del subset.lighter[old]
            sparable = subset.sparable(there)
            spared = frozenset(sparable[: math.ceil(share * len(sparable))])
            lighter = subset.lighter[key] = self._asking(subset.members, subset.weights, subset.quorum, spared)
        return lighter

    def quorum(self, subset: Subset, parameters: Parameters) -> Quorum:
        """How many of `subset` must answer a request with `parameters`.

        Raises:
            InvalidRequest: it asks for more than there are.
        """
        if parameters.quorum is None:
            return subset.quorum
        most = len(self._members if parameters.members is None else parameters.members)  # the disabled, too: no fault
        if not 1 <= parameters.quorum <= most:  # of who asks
            raise InvalidRequest(
                f"{most} members are asked, so a quorum is 1 to {most}; got {parameters.quorum}",
                "$.parameters.quorum",
            )
        return subset.quorum_of(parameters.quorum)

    def disabled(self) -> list[str]:
        """The members that are taken out of the vote."""
        return [member.name for member in self._members if not member.served.state.enabled]

    def _named(self, names: Sequence[str]) -> tuple[int, ...]:
        """The members that a request names, in configured order."""
        known = {member.name for member in self._members}
        for at, name in enumerate(names):
            if name not in known:
                raise InvalidRequest(
                    f"no member {name[:64]!r}; there are: {', '.join(sorted(known))}", f"$.parameters.members[{at}]"
                )
        for member in self._members:
            if member.required and member.name not in names:
                raise InvalidRequest(f"{member.name!r} is required: a subset must name it", "$.parameters.members")
        return tuple([index for index, member in enumerate(self._members) if member.name in names])

    def _made(self, due: tuple[int, ...], named: tuple[int, ...] | None) -> Subset:
        asked = due if named is None else named
        members = [self._members[index] for index in asked]
        count = self._terms.quorum
        if count is not None and named is not None:
            count = min(count, len(members))  # who names fewer members than the quorum asks no more of them
        required = [at for at, member in enumerate(members) if member.required]
        weights = self._weights[[index for index in asked if index in due]]
        quorum = quorum_of(np.asarray(weights), count, self._terms.quorum_weight, required)
        return self._asking(members, self._weights[list(asked)], quorum)

    def _asking(
        self, members: Sequence[Member], weights: Array, quorum: Quorum, spared: frozenset[int] = frozenset()
    ) -> Subset:
        return Subset(
            members,
            weights,
            quorum,
            spared,
            self._rule,
            self._classes,
            self._terms,
            self._sharing,
            reaper=self._reaper,
            clock=self._clock,
        )

    def answerable(self, ready: Callable[[Served], bool]) -> bool:
        """Whether those that are `ready` meet the quorum of a request that asks for nothing special."""
        subset = self._of(Parameters())
        there = {index for index, member in enumerate(subset.members) if ready(member.served)}
        return subset.quorum.met_by(there, subset.weights.tolist())


def _takes(member: Member) -> float:
    """The seconds that it takes, for the most part."""
    quantiles = member.served.statistics.quantiles((0.5,))
    return 0.0 if quantiles is None else quantiles[0]


def _is_due(member: Member) -> bool:
    """Whether its vote counts in the quorum: not while it is disabled, unless there is no answer without it."""
    return member.served.state.enabled or member.required
