"""What a proxy does to what passes it."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

Answer = Callable[[], AsyncIterator[bytes]]
"""A whole answer, head and body, in pieces; an OSError that it raises ends it with a reset of the connection."""


@dataclass(frozen=True, slots=True)
class Faults:
    """In seconds and bytes; by default none.

    An answer begins `latency` late, and up to `jitter` more. In a `hole` nothing passes, either way, until it is over.
    Answers are cut into pieces of `slice` bytes, with a `pause` before each, or pass at `bandwidth` bytes a second;
    after `reset_after` bytes the connection is reset. `answer` is said in place of the server. All but a hole happens
    to a `share` of the requests, from 0 to 1, and only to those whose path ends with `to`.
    """

    latency: float = 0.0
    jitter: float = 0.0
    hole: bool = False
    slice: int = 1 << 16
    pause: float = 0.0
    bandwidth: float = 0.0
    reset_after: int | None = None
    answer: Answer | None = None
    share: float = 1.0
    to: str = ""

    def __post_init__(self) -> None:
        if self.slice < 1 or not 0 <= self.share <= 1:
            raise ValueError(f"slice must be positive and share from 0 to 1, got {self.slice} and {self.share}")


NONE = Faults()
