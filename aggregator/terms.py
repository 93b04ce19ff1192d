"""When an ensemble answers."""

from dataclasses import dataclass

from models.types import Array


@dataclass(frozen=True, slots=True)
class Terms:
    """When an ensemble answers. `early` None is the rule's own habit; `linger` in seconds.

    Rows with less agreement than `min_agreement` are pointed out: so that the last who could disagree are heard, such
    an ensemble leaves early only where it is asked to. `fallback` (k,): what it says of each row without a quorum.
    """

    quorum: int | None = None
    quorum_weight: float | None = None
    early: bool | None = None
    linger: float = 0.01
    min_agreement: float | None = None
    fallback: Array | None = None
