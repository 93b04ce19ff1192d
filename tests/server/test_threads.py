"""How threads of a front share the interpreter."""

import os
import sys
from collections.abc import Iterator

import pytest

from server.threads import TURN_SECONDS, take_short_turns, thread_for


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    before = sys.getswitchinterval()
    yield
    sys.setswitchinterval(before)


def test_a_busy_thread_lets_the_loop_go_on_soon() -> None:
    take_short_turns()
    assert sys.getswitchinterval() == pytest.approx(TURN_SECONDS)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a priority is that of the whole process")
def test_a_thread_that_lets_others_go_first_is_alone_in_that() -> None:
    def niceness() -> int:
        return os.getpriority(os.PRIO_PROCESS, 0)  # of the calling thread

    before = niceness()
    with thread_for("patient", niceness=3) as patient, thread_for("usual") as usual:
        assert patient.submit(niceness).result() == min(19, before + 3)
        assert usual.submit(niceness).result() == before
    assert niceness() == before
