"""Everything that can go wrong, once.

    ChorusError
    |-- InvalidRequest          the caller's fault; `where` is the place
    |-- UnknownName             no such model, version or alias
    |-- RegistryError           a version that cannot be read, or is not what its manifest says
    `-- BackendError            a backend gave no answer: `fate` and `reason` say why
        |-- DeadlineExceeded    late:    timeout
        |   |-- LateInQueue     late:    queue          it never began
        |   `-- Starved         late:    starved        its caller gave it less time than it usually takes
        |-- ConnectFailed       failed:  connect        retryable, ill
        |-- ConnectionLost      failed:  reset          retryable, ill
        |-- ServerFault         failed:  http_5xx       ill
        |-- ModelFailed         failed:  error          ill
        |-- InvalidAnswer       failed:  invalid        ill
        |-- RemoteOverloaded    failed:  overloaded     retryable, if it says when
        |-- InputRejected       failed:  input_rejected
        |-- SignatureMismatch   failed:  signature      ill
        |-- Overloaded          skipped: shed           refused here, before any call
        |-- RateLimited         skipped: rate_limited   it could only start after its deadline
        |-- BreakerOpen         skipped: breaker_open   it has failed of late, and nobody needs it now
        |-- Away                skipped: away           its process is being started
        |-- Disabled            skipped: disabled
        |-- Unverified          skipped: unverified     its metadata has not been read yet
        |-- RuleFailed          failed:  rule           a custom rule's, of all members that answered
        `-- NoQuorum            an ensemble's; `report` has each member's fate

`retryable`: another try may succeed and does no harm, which is not said of what was refused here: there is no more
room a moment later. `ill`: it speaks against the backend's health.
"""

from models.types import Fate, Report


class ChorusError(Exception):
    """The root of all errors that are expected; anything else is a bug."""


class InvalidRequest(ChorusError):
    """The request cannot be served as it stands; `where` is a JSON path such as `$.instances[3][7]`."""

    def __init__(self, message: str, where: str = "$") -> None:
        super().__init__(message)
        self.where = where


class UnknownName(ChorusError):
    """No model, version or alias of that name."""


class RegistryError(ChorusError):
    """A version of the registry that cannot be read, or is not what its manifest says."""


class BackendError(ChorusError):
    """A backend gave no answer. `report`: how that came about, where it is a composite."""

    fate: Fate = "failed"
    reason = "error"
    retryable = False
    ill = False
    report: Report | None = None

    def within(self, part: str, report: Report) -> "BackendError":
        """The same failure as that of a composite whose `part` failed so."""
        outer = type(self).__new__(type(self), f"{part}: {self}")
        outer.__dict__ |= self.__dict__
        outer.report = report
        return outer


class DeadlineExceeded(BackendError):
    fate: Fate = "late"
    reason = "timeout"


class LateInQueue(DeadlineExceeded):
    reason = "queue"


class Starved(DeadlineExceeded):
    """It had less time than it usually takes, which says nothing about it."""

    reason = "starved"


class ConnectFailed(BackendError):
    reason = "connect"
    retryable = True
    ill = True


class ConnectionLost(BackendError):
    """`retryable` only if nothing of the answer had come."""

    reason = "reset"
    retryable = True
    ill = True


class ServerFault(BackendError):
    reason = "http_5xx"
    ill = True


class ModelFailed(BackendError):
    """The model's own code raised."""

    reason = "error"
    ill = True


class InvalidAnswer(BackendError):
    """An answer came, and it is nonsense."""

    reason = "invalid"
    ill = True


class RemoteOverloaded(BackendError):
    """It says that it has too much to do; `retry_after` seconds from now it may have less, if it says so."""

    reason = "overloaded"

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.retryable = retry_after is not None


class InputRejected(BackendError):
    reason = "input_rejected"


class SignatureMismatch(BackendError):
    reason = "signature"
    ill = True


class Overloaded(BackendError):
    """Refused at once, before any work, because what is bounded is full; in `recovery` seconds it may not be."""

    fate: Fate = "skipped"
    reason = "shed"
    recovery = 1.0


class RateLimited(BackendError):
    """Refused at once: a rate limit would let the call start only after its deadline, or too many wait already."""

    fate: Fate = "skipped"
    reason = "rate_limited"


class BreakerOpen(BackendError):
    """Refused at once: it has failed of late, and whoever holds it can do without it."""

    fate: Fate = "skipped"
    reason = "breaker_open"


class Away(BackendError):
    fate: Fate = "skipped"
    reason = "away"


class Disabled(BackendError):
    fate: Fate = "skipped"
    reason = "disabled"


class Unverified(BackendError):
    fate: Fate = "skipped"
    reason = "unverified"


class RuleFailed(BackendError):
    """The code of a custom rule raised, or what it gave is no answer."""

    reason = "rule"


class NoQuorum(BackendError):
    """Too few members answered; `report` has each member's fate.

    Late if the deadline came first; else failed, `rejected` if all who spoke refused the input.
    """

    reason = "quorum"
    report: Report

    def __init__(self, message: str, report: Report, *, late: bool, rejected: bool = False) -> None:
        super().__init__(message)
        self.report = report
        if late:
            self.fate, self.reason = "late", "timeout"
        elif rejected:
            self.reason = InputRejected.reason
