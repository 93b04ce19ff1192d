import msgspec
import numpy as np

from benchmarks.bodies import binary_body, json_body, real_rows, repeated
from models.datasets import dataset_called
from models.oip.requests import decode_request
from models.registry import Registry


def test_rows_are_written_as_they_were_measured_and_are_the_same_in_float32() -> None:
    rows = real_rows()
    assert rows[0][:3] == [17.99, 10.38, 122.8]
    assert np.array_equal(np.array(rows, np.float32), dataset_called("breast-cancer").x)


def test_rows_begin_again_after_the_last() -> None:
    assert repeated([[1.0], [2.0]], 3) == [[1.0], [2.0], [1.0]]


def test_both_bodies_hold_the_same_rows(trained: Registry) -> None:
    rows = repeated(real_rows(), 700)
    body, length = binary_body(rows)
    decoded = decode_request(body, length, trained.manifest("breast-cancer/forest").signature)
    assert decoded.wanted == {"probabilities": True}
    instances = msgspec.json.decode(json_body(rows))["instances"]
    assert np.array_equal(decoded.inputs["features"], np.array(instances, np.float32))
