"""Whether a batch that failed is asked once more, rider by rider: one input may have spoilt it for all.

Where that has not helped anyone it was not the input, and asking singly only multiplies the calls to a backend that is
ill: so it is left for a while, the longer the more often.
"""

from models.errors import (
    BackendError,
    InputRejected,
    InvalidAnswer,
    InvalidRequest,
    ModelFailed,
    NoQuorum,
    ServerFault,
)

FIRST_PAUSE = 1.0  # seconds
LONGEST_PAUSE = 60.0


def may_be_the_input(error: BaseException) -> bool:
    """Whether what was asked can have brought `error` about."""
    if isinstance(error, NoQuorum):
        return error.fate != "late"
    if isinstance(error, BackendError):
        return isinstance(error, InvalidAnswer | InputRejected | ModelFailed | ServerFault)
    return isinstance(error, InvalidRequest | Exception)  # a bug may show with some inputs only


class Doubt:
    """What is known of one backend. No clock, no I/O; `now` in seconds."""

    def __init__(self) -> None:
        self._pause = 0.0
        self._until = 0.0

    def worth_asking(self, now: float) -> bool:
        """Whether the riders of a batch that failed should be asked singly."""
        return now >= self._until

    def learn(self, now: float, *, helped: bool) -> None:
        """They were, and it helped someone, or nobody."""
        self._pause = 0.0 if helped else min(max(FIRST_PAUSE, 2 * self._pause), LONGEST_PAUSE)
        self._until = now + self._pause


class Inquiry:
    """What comes of asking the `riders` of a batch singly, each of whom is heard of once."""

    def __init__(self, doubt: Doubt, riders: int) -> None:
        self._doubt = doubt
        self._left = riders
        self._helped = False

    def hear(self, now: float, *, helped: bool) -> None:
        """One of them has an answer now, or not."""
        self._left -= 1
        self._helped |= helped
        if not self._left:
            self._doubt.learn(now, helped=self._helped)
