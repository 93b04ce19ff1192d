"""Errors on their way from one process to another."""

import logging

import pytest

from backends.channel.failures import error_of, failure_of
from models import errors
from models.errors import (
    BackendError,
    ChorusError,
    InvalidRequest,
    ModelFailed,
    NoQuorum,
    Overloaded,
    RemoteOverloaded,
    RuleFailed,
)
from models.types import ALONE


def kinds(root: type[ChorusError]) -> list[type[ChorusError]]:
    own = [kind for kind in root.__subclasses__() if kind.__module__ == errors.__name__]
    return [root, *(one for kind in own for one in kinds(kind))]


ENSEMBLES = (NoQuorum, RuleFailed)  # of no process that answers calls


def carried(error: Exception) -> ChorusError:
    return error_of(memoryview(failure_of(error)))


@pytest.mark.parametrize("kind", [kind for kind in kinds(BackendError) if kind not in (Overloaded, *ENSEMBLES)])
def test_an_error_arrives_as_what_it_was(kind: type[BackendError]) -> None:
    there = carried(kind("the words"))
    assert type(there) is kind
    assert str(there) == "the words"


def test_an_invalid_request_keeps_its_place() -> None:
    there = carried(InvalidRequest("too few", "$.instances[3]"))
    assert isinstance(there, InvalidRequest)
    assert (str(there), there.where) == ("too few", "$.instances[3]")
    assert type(carried(errors.UnknownName("no forrest"))) is errors.UnknownName


def test_what_was_shed_there_was_not_shed_here() -> None:
    there = carried(Overloaded("32 calls under way"))
    assert isinstance(there, RemoteOverloaded)
    assert (there.fate, there.reason, there.retryable) == ("failed", "overloaded", False)


def test_what_cannot_be_made_anew_arrives_as_what_it_is_a_kind_of() -> None:
    assert type(carried(NoQuorum("1 of 3", ALONE, late=False))) is BackendError


def test_a_bug_is_logged_where_it_is_and_its_words_stay_there(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        there = carried(ZeroDivisionError("a secret"))
    assert isinstance(there, ModelFailed)
    assert (there.fate, there.reason, there.ill) == ("failed", "error", True)
    assert "secret" not in str(there)
    assert "a secret" in caplog.text


@pytest.mark.parametrize("payload", [b"", b"[]", b'{"code": 1}', b"\xff"])
def test_a_failure_that_cannot_be_read_is_one_nevertheless(payload: bytes) -> None:
    assert isinstance(error_of(memoryview(payload)), errors.InvalidAnswer)


def test_a_code_that_is_not_known_is_a_failed_backend() -> None:
    assert type(error_of(memoryview(b'{"code": "SystemExit", "message": "x"}'))) is BackendError
