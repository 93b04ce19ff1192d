"""Whether a backend can be left alone for a while: that may not take an ensemble below its quorum."""

from collections.abc import Callable, Mapping

from backends.served import Served

VOTING = ("ensemble", "cascade")
"""What has a quorum. Of other composites a part cannot be done without: who asks them is told at once that it fails."""


class Spares:
    """Knows who holds whom, once all that is served is there, which is after the backends that ask were made."""

    def __init__(self) -> None:
        self.served: Mapping[str, Served] = {}

    def of(self, name: str) -> Callable[[], bool]:
        """Whether all ensembles that hold the backend `name` could answer without it, as far as one knows now.

        One that nobody holds can be left alone: who asks it is told so at once instead of being kept waiting in vain.
        """
        return lambda: all(self._can_do_without(name, one) for one in self.served.values() if name in one.parts)

    def _can_do_without(self, name: str, holder: Served) -> bool:
        if holder.answerable is None or holder.kind not in VOTING or not holder.state.enabled:
            return True
        return holder.answerable(lambda member: member.name != name and member.is_there)
