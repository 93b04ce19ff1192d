"""The less memory there is, the less is let in."""

import pytest

from server.memory import LARGE, Memory, resident


@pytest.mark.parametrize(
    ("used", "takes_large", "takes_requests", "takes_connections"),
    [(84, True, True, True), (85, False, True, True), (90, False, False, True), (95, False, False, False)],
)
def test_first_no_large_bodies_then_no_requests_then_no_connections(
    used: int, takes_large: bool, takes_requests: bool, takes_connections: bool
) -> None:
    size = 1000 * LARGE
    bodies, process = Memory(size), Memory(size, size)
    assert bodies.hold(size * used // 100)
    process.used = size * used // 100
    for memory in (bodies, process):
        assert memory.has_room(LARGE + 1) == takes_large
        assert memory.has_room(None) == takes_large
        assert memory.has_room(LARGE)
        assert memory.sheds == (not takes_requests)
        assert memory.is_full == (not takes_connections)


def test_a_body_that_would_not_fit_is_not_begun() -> None:
    memory = Memory(10 * LARGE)
    assert memory.has_room(10 * LARGE)
    memory.hold(LARGE)
    assert not memory.has_room(10 * LARGE)


def test_what_is_over_is_said_and_given_back() -> None:
    memory = Memory(100)
    assert memory.hold(100)
    assert not memory.hold(1)
    memory.release(101)
    assert memory.share == 0


def test_what_this_process_has_is_known() -> None:
    before = resident()
    more = bytearray(64 << 20)
    assert resident() - before > 32 << 20
    assert len(more)
