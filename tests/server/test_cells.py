import msgspec
import pytest

from models.errors import InvalidRequest
from server.cells import Columns, row_of

COLUMNS = Columns(("mean radius", "count", "word"), ("FP32", "INT64", "BYTES"))


def row(text: str) -> object:
    return msgspec.json.decode(row_of(text, COLUMNS, "row 1"))


def test_a_row_is_typed_in_order_or_by_name() -> None:
    assert row("1.5,2,x") == [1.5, 2, "x"]
    assert row(" count=2 ,word=x=y,mean radius=1.5") == {"count": 2, "word": "x=y", "mean radius": 1.5}
    assert row('1,2,"x,y"') == [1, 2, "x,y"]
    assert row("1,,x") == [1, None, "x"]


def test_a_string_may_hold_an_equals_sign() -> None:
    assert row("1,2,x=y") == [1, 2, "x=y"]


def test_a_row_of_another_length_is_left_to_the_model_to_refuse() -> None:
    assert row("1,2") == [1, 2]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x,2,y", "row 1: 'mean radius': expected a number, got 'x'"),
        ("count=1.5", "row 1: 'count': expected an integer, got '1.5'"),
        ("1,count=2", "row 1: either all values have names"),
    ],
)
def test_a_typed_mistake_names_the_row_and_the_feature(text: str, expected: str) -> None:
    with pytest.raises(InvalidRequest, match=f"^{expected}"):
        row(text)
