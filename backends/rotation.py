"""Several addresses of one model, asked in turn: one vote, however many there are."""

from collections.abc import Sequence

from backends.base import Backend
from models.deadline import Deadline
from models.errors import BackendError, ConnectFailed, RateLimited, SignatureMismatch, Unverified
from models.types import InferRequest, InferResponse

PASSED_OVER = (RateLimited, ConnectFailed, SignatureMismatch, Unverified)
"""What says that a call did not begin there, or could not count; the first that any says is the error of all."""


class Rotation:
    """Ask the next of `addresses`; one that cannot be asked is passed over, at the same deadline.

    A call that began and failed is not begun anew elsewhere: that would be a retry, and count as one.

    Raises:
        RateLimited, ConnectFailed, SignatureMismatch, Unverified: every address was passed over.
    """

    def __init__(self, addresses: Sequence[Backend]) -> None:
        if not addresses:
            raise ValueError("a rotation needs at least one address")
        self.addresses = tuple(addresses)
        self._next = 0

    async def __call__(self, request: InferRequest, deadline: Deadline) -> InferResponse:
        first = self._next
        self._next = (first + 1) % len(self.addresses)
        refusals: list[BackendError] = []
        for address in (*self.addresses[first:], *self.addresses[:first]):
            try:
                return await address(request, deadline)
            except PASSED_OVER as error:
                refusals.append(error)
        raise min(refusals, key=_rank)


def _rank(error: BackendError) -> int:
    return next(rank for rank, kind in enumerate(PASSED_OVER) if isinstance(error, kind))
