import pytest

from backends.bound import Bound


def test_nothing_is_known_before_the_first_call_is_over() -> None:
    assert Bound(2).wait(100) == 0


def test_the_wait_is_that_of_those_ahead() -> None:
    bound = Bound(2)
    bound.leave(1.0)
    assert [bound.wait(ahead) for ahead in (0, 1, 3)] == [0.5, 1.0, 2.0]


def test_how_long_calls_take_is_learned_and_forgotten() -> None:
    bound = Bound(1)
    for seconds in (9.0, *[1.0] * 100):
        bound.leave(seconds)
    assert bound.wait(0) == pytest.approx(1.0, abs=0.01)


def test_a_refusal_halves_the_room_and_answers_win_it_back_one_by_one() -> None:
    bound = Bound(32)
    bound.refuse(0, 1)
    assert (bound.room, bound.halvings) == (16, 1)
    for _ in range(16):
        bound.succeed()
    assert 16 < bound.room + 1e-9 <= 17
    for _ in range(10_000):
        bound.succeed()
    assert bound.room == 32


def test_refusals_of_calls_that_began_before_the_halving_are_no_news() -> None:
    bound = Bound(32)
    for _ in range(32):
        bound.refuse(0, 1)
    assert bound.room == 16
    bound.refuse(1, 2)
    assert bound.room == 8


def test_there_is_always_room_for_one() -> None:
    bound = Bound(4)
    for at in range(10):
        bound.refuse(at, at + 0.5)
    assert bound.room == 1


def test_how_much_of_the_room_is_taken() -> None:
    bound = Bound(4)
    bound.under_way = 3
    assert bound.use == 0.75
    bound.refuse(0, 1)
    assert bound.use == 1.5
