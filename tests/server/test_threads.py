"""How threads of a front share the interpreter."""

import sys
from collections.abc import Iterator

import pytest

from server.threads import TURN_SECONDS, take_short_turns


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    before = sys.getswitchinterval()
    yield
    sys.setswitchinterval(before)


def test_a_busy_thread_lets_the_loop_go_on_soon() -> None:
    take_short_turns()
    assert sys.getswitchinterval() == pytest.approx(TURN_SECONDS)
