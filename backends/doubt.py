"""Whether a batch that failed is asked once more, rider by rider: one input may have spoilt it for all.

Where that has helped nobody for long it was not the input, and asking singly only multiplies the calls to a backend
that is ill. It is left for a while then, the longer the more often, and after that asked by one. Whatever it answers
shows that it is well.
"""

from models.errors import BackendError, InputRejected, InvalidAnswer, ModelFailed, NoQuorum, RuleFailed, ServerFault

ENOUGH = 16  # riders in a row that were asked singly in vain
FIRST_PAUSE = 1.0  # seconds
LONGEST_PAUSE = 60.0


def may_be_the_input(error: BaseException) -> bool:
    """Whether what was asked can have brought `error` about."""
    if isinstance(error, NoQuorum):
        return error.fate != "late"
    if isinstance(error, BackendError):
        return isinstance(error, InvalidAnswer | InputRejected | ModelFailed | RuleFailed | ServerFault)
    return isinstance(error, Exception)  # what a parameter cannot be, or a bug, which may show with some inputs only


class Doubt:
    """What is known of one backend. No clock, no I/O; `now` in seconds."""

    def __init__(self) -> None:
        self._in_vain = 0
        self._pause = 0.0
        self._until = 0.0
        self._trying = False

    @property
    def is_over(self) -> bool:
        """Whether it is the backend, as far as is known, and nobody is being asked singly any more to find out."""
        return self._in_vain >= ENOUGH and not self._trying

    def worth_asking(self, now: float, riders: int) -> int:
        """How many of the `riders` of a batch that failed should be asked singly."""
        if self._in_vain < ENOUGH:
            return riders
        if now < self._until:
            return 0
        self._trying = True
        return min(riders, 1)

    def answered(self) -> None:
        """Someone got an answer, alone or in company."""
        if self._in_vain:
            self._in_vain, self._pause, self._until = 0, 0.0, 0.0

    def failed(self, now: float) -> None:
        """A rider was asked singly, and failed as its batch did."""
        self._in_vain += 1
        self._trying = False
        if self._in_vain >= ENOUGH and now >= self._until:
            self._pause = min(max(FIRST_PAUSE, 2 * self._pause), LONGEST_PAUSE)
            self._until = now + self._pause
