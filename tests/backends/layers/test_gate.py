import pytest

from backends.layers.gate import Gate
from backends.served import Phase, State
from models.deadline import deadline_after
from models.errors import Away, BackendError, Disabled, SignatureMismatch, Unverified
from tests.fakes import Fake, ones, sure


@pytest.mark.parametrize(
    ("phase", "error"),
    [("starting", Away), ("away", Away), ("unverified", Unverified), ("misfit", SignatureMismatch)],
)
async def test_who_cannot_be_asked_is_not_asked(phase: Phase, error: type[BackendError]) -> None:
    inner = Fake(sure(1))
    with pytest.raises(error):
        await Gate(inner, state=State(phase=phase))(ones(), deadline_after(1))
    assert not inner.calls


async def test_a_disabled_backend_is_not_asked_until_it_is_enabled() -> None:
    state, inner = State(enabled=False), Fake(sure(1))
    gate = Gate(inner, state=state)
    with pytest.raises(Disabled):
        await gate(ones(), deadline_after(1))
    state.enabled = True
    assert await gate(ones(), deadline_after(1))
