"""Whether a backend can be left alone for a while: that may not take an ensemble below its quorum."""

from collections.abc import Callable, Mapping

from backends.served import Served

VOTING = ("ensemble", "cascade")
"""What has a quorum. Any other composite fails with its part, so that it matters who can do without the composite."""


class Spares:
    """Knows who holds whom, once all that is served is there, which is after the backends that ask were made."""

    def __init__(self) -> None:
        self.served: Mapping[str, Served] = {}

    def of(self, name: str) -> Callable[[], bool]:
        """Whether all ensembles that hold the backend `name` could answer without it, as far as one knows now.

        They may hold it as a part of a part, such as a step of a chain. One that no ensemble holds can be left alone:
        who asks it is told so at once instead of being kept waiting in vain.
        """
        return lambda: self._is_spare(name)

    def _is_spare(self, name: str) -> bool:
        return all(self._can_do_without(name, one) for one in self.served.values() if name in one.parts)

    def _can_do_without(self, name: str, holder: Served) -> bool:
        if holder.answerable is None or not holder.state.enabled:
            return True
        if holder.answerable(lambda part: part.name != name and part.is_there):
            return True
        return holder.kind not in VOTING and self._is_spare(holder.name)
