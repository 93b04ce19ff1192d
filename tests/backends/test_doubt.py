import asyncio

import pytest

from backends.doubt import ENOUGH, FIRST_PAUSE, LONGEST_PAUSE, Doubt, may_be_the_input
from models.errors import (
    Away,
    ConnectFailed,
    ConnectionLost,
    DeadlineExceeded,
    Disabled,
    InputRejected,
    InvalidAnswer,
    InvalidRequest,
    LateInQueue,
    ModelFailed,
    NoQuorum,
    Overloaded,
    RemoteOverloaded,
    RuleFailed,
    ServerFault,
    SignatureMismatch,
    Unverified,
)
from models.types import Report


def certain(at: float = 0.0) -> Doubt:
    doubt = Doubt()
    for _ in range(ENOUGH):
        doubt.failed(at)
    return doubt


@pytest.mark.parametrize(
    "error",
    [
        InvalidRequest("no"),
        InputRejected("no"),
        InvalidAnswer("NaN"),
        ModelFailed("raised"),
        ServerFault("500"),
        RuleFailed("raised"),
        NoQuorum("few", Report(), late=False),
        ZeroDivisionError(),
    ],
)
def test_these_an_input_can_cause(error: Exception) -> None:
    assert may_be_the_input(error)


@pytest.mark.parametrize(
    "error",
    [
        Away("a"),
        ConnectFailed("a"),
        ConnectionLost("a"),
        DeadlineExceeded("a"),
        Disabled("a"),
        LateInQueue("a"),
        NoQuorum("few", Report(), late=True),
        Overloaded("a"),
        RemoteOverloaded("a"),
        SignatureMismatch("a"),
        Unverified("a"),
        asyncio.CancelledError(),
    ],
)
def test_these_it_cannot(error: BaseException) -> None:
    assert not may_be_the_input(error)


def test_in_doubt_everyone_is_asked_singly() -> None:
    doubt = Doubt()
    assert doubt.worth_asking(0.0, 64) == 64
    for _ in range(ENOUGH - 1):
        doubt.failed(0.0)
    assert (doubt.worth_asking(0.0, 64), doubt.is_over) == (64, False)


def test_once_it_has_helped_nobody_for_long_nobody_is() -> None:
    doubt = certain(5.0)
    assert doubt.is_over
    assert doubt.worth_asking(5.0, 64) == 0
    assert doubt.worth_asking(5.0 + 0.999 * FIRST_PAUSE, 64) == 0


def test_after_a_pause_one_is_asked_and_the_pauses_grow() -> None:
    doubt, at = certain(), 0.0
    for pause in (1, 2, 4, 8, 16, 32, LONGEST_PAUSE, LONGEST_PAUSE):
        assert doubt.worth_asking(at + 0.99 * pause, 64) == 0
        at += pause
        assert doubt.worth_asking(at, 64) == 1
        assert not doubt.is_over  # not before the one is heard
        doubt.failed(at)
        assert doubt.is_over


def test_those_who_fail_during_a_pause_do_not_make_it_longer() -> None:
    doubt = certain()
    for _ in range(100):
        doubt.failed(0.5)
    assert doubt.worth_asking(FIRST_PAUSE, 64) == 1


def test_any_answer_shows_that_it_is_well() -> None:
    doubt = certain()
    doubt.answered()
    assert (doubt.worth_asking(0.0, 64), doubt.is_over) == (64, False)
    for _ in range(ENOUGH):
        doubt.failed(9.0)
    assert doubt.worth_asking(9.0 + FIRST_PAUSE, 64) == 1  # the pauses begin anew


def test_an_answer_in_between_is_no_failure_in_a_row() -> None:
    doubt = Doubt()
    for _ in range(3 * ENOUGH):
        doubt.failed(0.0)
        doubt.answered()
    assert doubt.worth_asking(0.0, 64) == 64


def test_nobody_is_asked_where_nobody_is_left() -> None:
    assert certain().worth_asking(99.0, 0) == 0
