"""The one abstraction: everything that answers is a Backend, and everything else wraps or combines backends.

A backend returns or raises by its deadline when a `timeout` layer is around it; when its call is cancelled it returns
at once. It raises `BackendError`, or `InvalidRequest` for a parameter it cannot take; anything else is a bug.
"""

from collections.abc import Callable
from functools import reduce
from typing import Protocol

from models.deadline import Deadline
from models.types import InferRequest, InferResponse


class Backend(Protocol):
    """Gives one answer by a deadline."""

    async def __call__(self, request: InferRequest, deadline: Deadline, /) -> InferResponse: ...


Layer = Callable[[Backend], Backend]


def stack(backend: Backend, *layers: Layer) -> Backend:
    """`backend` within `layers`; the first layer sees the request first."""
    return reduce(lambda inner, layer: layer(inner), reversed(layers), backend)
