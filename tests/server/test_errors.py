"""When a client is told to come back."""

import pytest

from models.errors import (
    BackendError,
    ConnectFailed,
    DeadlineExceeded,
    InvalidAnswer,
    Overloaded,
    RateLimited,
    RemoteOverloaded,
)
from server.admission import Refused
from server.errors import problem, recovery_of, retry_after


@pytest.mark.parametrize(("recovery", "most"), [(0.0, 1), (0.2, 3), (1.0, 3), (3.5, 9), (1000.0, 30)])
def test_not_all_are_told_to_come_back_at_the_same_time(recovery: float, most: int) -> None:
    told = {retry_after(recovery) for _ in range(2000)}
    assert told == set(range(1, most + 1))


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (Refused("overloaded", "full", 4.5), 4.5),
        (RemoteOverloaded("503", retry_after=7), 7),
        (RemoteOverloaded("503"), 1),
        (Overloaded("full"), 1),
        (ConnectFailed("refused"), 1),
    ],
)
def test_after_as_long_as_is_known_of_what_is_not_there(error: BackendError, seconds: float) -> None:
    assert recovery_of(error) == seconds


@pytest.mark.parametrize(
    ("error", "status", "says_when"),
    [
        (Refused("overloaded", "full", 1.0), 503, True),
        (RateLimited("too many"), 503, True),
        (DeadlineExceeded("late"), 504, False),
        (InvalidAnswer("nonsense"), 502, False),
    ],
)
def test_only_where_coming_back_may_help(error: BackendError, status: int, says_when: bool) -> None:
    response = problem(error, "the-id")
    assert (response.status, "Retry-After" in response.headers) == (status, says_when)
