import numpy as np
import pytest

from backends.question import Question
from models.types import Array, InferRequest, Parameters

ROWS = np.arange(6, dtype=np.float32).reshape(3, 2)
QUESTION = Question("forest", "1")


def asked(**inputs: Array) -> InferRequest:
    return InferRequest(inputs)


def test_the_same_question_has_the_same_digest_whoever_asks() -> None:
    one = InferRequest({"x": ROWS}, "one", trace="t", needed=lambda: True)
    assert QUESTION.of(one) == QUESTION.of(InferRequest({"x": ROWS.copy()}, "two"))
    assert len(QUESTION.of(one)) == 32


def test_the_order_of_the_tensors_and_their_layout_do_not_matter() -> None:
    fortran = np.asfortranarray(ROWS)
    assert QUESTION.of(asked(x=ROWS, y=ROWS)) == QUESTION.of(asked(y=fortran, x=ROWS[:, :]))


@pytest.mark.parametrize(
    "other",
    [
        asked(x=ROWS + 1),
        asked(y=ROWS),
        asked(x=ROWS.reshape(2, 3)),
        asked(x=ROWS.astype(np.float64)),
        asked(x=ROWS.view(np.int32)),
        asked(x=ROWS, y=ROWS),
        asked(x=ROWS[:2]),
        InferRequest({"x": ROWS}, parameters=Parameters(quorum=1)),
        InferRequest({"x": ROWS}, parameters=Parameters(explain=True)),
    ],
)
def test_another_question_has_another_digest(other: InferRequest) -> None:
    assert QUESTION.of(other) != QUESTION.of(asked(x=ROWS))


def test_so_has_another_model_or_another_version() -> None:
    digests = {Question(name, version).of(asked(x=ROWS)) for name, version in [("a", "1"), ("a", "2"), ("a1", "")]}
    assert len(digests) == 3


def test_strings_are_read_by_what_they_say() -> None:
    def of(*texts: str | None) -> bytes:
        return QUESTION.of(asked(x=np.array([texts], dtype=object)))

    assert of("ab", "c") == of("ab", "c")
    assert len({of("ab", "c"), of("a", "bc"), of("ab", None), of('ab","c')}) == 4


def test_a_part_of_a_larger_array_is_read_as_it_is() -> None:
    assert QUESTION.of(asked(x=ROWS[:, 1:])) == QUESTION.of(asked(x=ROWS[:, 1:].copy()))


def test_no_rows_are_a_question_too() -> None:
    assert QUESTION.of(asked(x=ROWS[:0])) != QUESTION.of(asked(x=ROWS))


def test_one_after_the_other_is_read_anew() -> None:
    question = Question("m", "1")
    one, other = asked(x=ROWS), asked(x=ROWS + 1)
    assert [question.of(one), question.of(other)] == [question.of(one), question.of(other)]
