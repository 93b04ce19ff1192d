from typing import Any

import click
import pytest

from server.commands.bench import targets_of
from server.commands.bench.options import Options

GIVEN: dict[str, Any] = {
    "rate": None, "seconds": None, "connections": None, "ramp": False, "poisson": False, "p99_ms": None, "share": None,
    "degraded": None, "file": None, "rows_each": 1, "protocol": "v1", "timeout_ms": None, "members": None,
    "quorum": None, "early": None, "warm_up": 1.0, "as_json": False, "html": None,
}  # fmt: skip


def options(**given: Any) -> Options:
    return Options(**(GIVEN | given))


def test_what_is_given_says_which_loop_it_is() -> None:
    assert options().loop == options(rate=5).loop == options(rate=5, connections=3).loop == "open loop"
    assert options(connections=3).loop == "closed loop"
    assert options(ramp=True, connections=3).loop == options(ramp=True, rate=5).loop == "ramp"


def test_defaults_depend_on_the_loop() -> None:
    assert (options().offered_rate, options().lasting) == (100, 10)
    assert (options(ramp=True).offered_rate, options(ramp=True).lasting) == (50, 5)
    assert options(seconds=2, ramp=True).lasting == 2


def test_only_what_was_asked_for_is_sent() -> None:
    assert options().parameters == {}
    assert options(members="a,b", quorum=1, early=False).parameters == {"members": "a,b", "quorum": 1, "early": False}


@pytest.mark.parametrize(
    "wrong", [{"poisson": True, "ramp": True}, {"poisson": True, "connections": 2}, {"rate": 1e6, "seconds": 1e5}]
)
def test_what_does_not_go_together_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(click.UsageError):
        options(**wrong)


def test_which_argument_is_the_url_can_be_seen() -> None:
    assert targets_of(()) == (None, None)
    assert targets_of(("cancer",)) == (None, "cancer")
    assert targets_of(("http://x", "cancer")) == targets_of(("cancer", "http://x")) == ("http://x", "cancer")
    for wrong in (("a", "b"), ("http://x", "http://y")):
        with pytest.raises(click.UsageError, match="at most one"):
            targets_of(wrong)
