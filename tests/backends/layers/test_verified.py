import asyncio

import numpy as np
import pytest

from backends.layers.verified import Verified
from backends.served import Phase, State
from models.deadline import deadline_after
from models.errors import BackendError, ConnectFailed, ServerFault, SignatureMismatch, Unverified
from models.types import PROBABILITIES, Array
from tests.fakes import Fake, now, ones, sure


class Known:
    """What is known once `after` seconds have passed."""

    def __init__(self, phase: Phase = "ready", order: Array | None = None, after: float = 0.0) -> None:
        self.state = State()
        self.order: Array | None = None
        self.doubts = 0
        self._later = (phase, order, after)

    def doubt(self) -> None:
        self.doubts += 1

    async def settled(self) -> None:
        phase, self.order, after = self._later
        await asyncio.sleep(after)
        self.state.phase = phase


async def test_an_answer_is_held_until_it_is_known_who_gave_it() -> None:
    verified = Verified(Fake(sure(1), delay=1), knowledge=Known(after=0.5))
    assert await verified(ones(), deadline_after(5))
    assert now() == 1.5


@pytest.mark.parametrize(("phase", "error"), [("misfit", SignatureMismatch), ("unverified", Unverified)])
async def test_an_answer_of_another_model_does_not_count(phase: Phase, error: type[BackendError]) -> None:
    with pytest.raises(error):
        await Verified(Fake(sure(1)), knowledge=Known(phase))(ones(), deadline_after(5))


async def test_probabilities_are_put_into_our_order_as_it_is_known_in_the_end() -> None:
    verified = Verified(Fake([[0.2, 0.3, 0.5]]), knowledge=Known(order=np.array([2, 0, 1])))
    response = await verified(ones(), deadline_after(5))
    assert response.outputs[PROBABILITIES].tolist() == [[0.5, 0.2, 0.3]]


async def test_a_connection_that_could_not_be_made_is_a_doubt() -> None:
    known = Known()
    with pytest.raises(ConnectFailed):
        await Verified(Fake(ConnectFailed("refused")), knowledge=known)(ones(), deadline_after(5))
    assert known.doubts == 1


async def test_a_failure_of_the_model_is_none() -> None:
    known = Known()
    with pytest.raises(ServerFault):
        await Verified(Fake(ServerFault("500")), knowledge=known)(ones(), deadline_after(5))
    assert known.doubts == 0
