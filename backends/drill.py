"""What a drill plays: a fault, as if the backend itself had it."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from msgspec import Struct

from models.errors import BackendError, ConnectFailed, ConnectionLost, ModelFailed, RemoteOverloaded, ServerFault

Kind = Literal["slow", "fail", "garbage", "stop"]
Reason = Literal["error", "connect", "reset", "http_5xx", "overloaded"]

FAILURES: Mapping[Reason, type[BackendError]] = MappingProxyType(
    {
        "error": ModelFailed,
        "connect": ConnectFailed,
        "reset": ConnectionLost,
        "http_5xx": ServerFault,
        "overloaded": RemoteOverloaded,
    }
)


NO_DRILLS: Mapping[str, str] = MappingProxyType({})
"""By the backend, in words: those that had a hand in an answer."""


class Drill(Struct, frozen=True, kw_only=True):
    """A fault of that `kind`, in a `share` of the calls.

    `slow`: the answer comes `delay` seconds later than it would. `fail`: it fails at once, for `reason`. `garbage`: the
    answer is spoiled, and then checked as any other. `stop`: there is none.
    """

    kind: Kind
    delay: float = 0.0
    reason: Reason = "error"
    share: float = 1.0

    @property
    def words(self) -> str:
        """In short, as answers and logs have it."""
        more = {"slow": f" {self.delay * 1e3:g}ms", "fail": f" {self.reason}"}.get(self.kind, "")
        return f"{self.kind}{more}" + (f", {self.share:.3g} of the calls" if self.share < 1 else "")

    def failure(self) -> BackendError:
        """What a call fails with."""
        return FAILURES[self.reason]("a drill")
